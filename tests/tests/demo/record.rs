//! The public record of a real run: recomputed while the server runs, recomputed from a copy when
//! everything has ended, and every lie in it found and named.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use server::chain::anvil::{self, Anvil, AnvilSettings};
use tempfile::TempDir;
use tests::caller::Caller;
use tests::demo::Demo;
use tests::process::{self, Finished};
use tests::{scratch, wait};
use tokio::sync::OnceCell;

use super::whole_run;

const BTC: &str = "btc-usd-5m";
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// A round is predicted, passes, is scored, and its proposal is mined.
const SETTLED_LIMIT: Duration = Duration::from_secs(60);

/// Rounds that may become void before the test gives up.
const ROUNDS_TRIED: usize = 3;

/// What a member who predicts twice hears of the server's record.
pub(super) struct Heard {
    /// The round that was predicted.
    pub(super) round: String,
    /// Two receipts, as files.
    pub(super) receipts: [PathBuf; 2],
    /// `verify --receipt` before the round's batch was published.
    too_early: Finished,
    /// `verify --receipt` of either, from the running server.
    by_server: [Finished; 2],
    /// `verify --batch 1` from the running server.
    batch_by_server: Finished,
}

/// Predicts twice with one model, keeps the receipts, and asks what became of them. On a busy machine
/// a round may be void for a late commitment: then the next one is taken.
pub(super) async fn take_part(demo: &Demo, folder: &Path) -> anyhow::Result<Heard> {
    let member = demo.member("verifier", "read,predict,upload").await?;
    let model = member.register(BTC, "twice said").await?;
    for _ in 0..ROUNDS_TRIED {
        let round = member.fresh_round(BTC).await?;
        let receipts = predict_twice(&member, &round, &model, folder).await?;
        let server = ["--server", demo.url.as_str()];
        let too_early = verify(&[&["--receipt", text(&receipts[0])], &server[..]].concat()).await?;
        if is_published(demo, &member, &round).await? {
            return hear(demo, round, receipts, too_early).await;
        }
    }
    anyhow::bail!("{ROUNDS_TRIED} rounds became void one after the other")
}

async fn predict_twice(
    member: &Caller,
    round: &str,
    model: &str,
    folder: &Path,
) -> anyhow::Result<[PathBuf; 2]> {
    let mut receipts = Vec::new();
    for p in [0.55, 0.6] {
        let answer = member.predict(round, model, &json!({ "p": p })).await?;
        anyhow::ensure!(answer.status == 200, "no receipt: {}", answer.text);
        let file = folder.join(format!("receipt-{p}.json"));
        std::fs::write(&file, &answer.text)?;
        receipts.push(file);
    }
    Ok(receipts.try_into().expect("two"))
}

/// Waits for the record of a round's batch; false when the round is void.
async fn is_published(demo: &Demo, member: &Caller, round: &str) -> anyhow::Result<bool> {
    let pointer = format!("{}/record/rounds/{round}/batch.json", demo.url);
    wait::until("the round's record", SETTLED_LIMIT, async || {
        demo.must_run()?;
        if reqwest::get(&pointer).await?.status() == StatusCode::OK {
            return Ok(Some(true));
        }
        let state = member.json(&format!("rounds/{round}")).await?;
        let is_void = state.get("state").and_then(Value::as_str) == Some("void");
        Ok(is_void.then_some(false))
    })
    .await
}

async fn hear(
    demo: &Demo,
    round: String,
    receipts: [PathBuf; 2],
    too_early: Finished,
) -> anyhow::Result<Heard> {
    let server = ["--server", demo.url.as_str()];
    let of_receipt = async |file: &Path| {
        wait::until("its proposal", SETTLED_LIMIT, async || {
            let said = verify(&[&["--receipt", text(file)], &server[..]].concat()).await?;
            Ok((said.code != 1).then_some(said))
        })
        .await
    };
    let by_server = [
        of_receipt(&receipts[0]).await?,
        of_receipt(&receipts[1]).await?,
    ];
    check_door(&format!("{}/record", demo.url), &round).await?;
    let batch_by_server = verify(&[&["--batch", "1"], &server[..]].concat()).await?;
    Ok(Heard {
        round,
        receipts,
        too_early,
        by_server,
        batch_by_server,
    })
}

/// What the server gives of the record's folder, and what it does not.
async fn check_door(base: &str, round: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let evidence = format!("{base}/rounds/{round}/evidence.json");
    let first = client.get(&evidence).send().await?;
    let header = |name: &str| {
        let value = first
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    anyhow::ensure!(header("content-type") == "application/json", "{first:?}");
    anyhow::ensure!(header("cache-control").contains("immutable"), "{first:?}");
    let tag = header("etag");
    let again = client
        .get(&evidence)
        .header("if-none-match", &tag)
        .send()
        .await?;
    anyhow::ensure!(again.status() == StatusCode::NOT_MODIFIED, "{again:?}");
    let index = client.get(format!("{base}/index.json")).send().await?;
    let caching = index.headers().get("cache-control");
    anyhow::ensure!(
        caching.is_some_and(|value| value == "no-cache"),
        "{index:?}"
    );
    for outside in [
        "nothing.json",
        "..%2Fkeys%2Foperator.key",
        "rounds/..%2F..%2Fkeys%2Foperator.key",
        "%2Fetc%2Fpasswd",
        "rounds",
        "rounds/.new-x",
    ] {
        let answer = client.get(format!("{base}/{outside}")).send().await?;
        anyhow::ensure!(
            answer.status() == StatusCode::NOT_FOUND,
            "{outside}: {answer:?}"
        );
    }
    let posted = client.post(&evidence).send().await?;
    anyhow::ensure!(
        posted.status() == StatusCode::METHOD_NOT_ALLOWED,
        "{posted:?}"
    );
    Ok(())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

async fn verify(arguments: &[&str]) -> anyhow::Result<Finished> {
    let command = process::foretoken([&["verify"], arguments].concat())?;
    process::run(command, COMMAND_LIMIT).await
}

/// The chain of the run, started again from what it wrote; nothing else runs any more.
async fn rpc() -> &'static str {
    static CHAIN: OnceCell<(Anvil, TempDir)> = OnceCell::const_new();
    let start = async || start_chain_again().await.expect("the chain goes on");
    CHAIN.get_or_init(start).await.0.url()
}

/// A chain of its own that goes on where the run's ended.
pub(super) async fn start_chain_again() -> anyhow::Result<(Anvil, TempDir)> {
    let folder = scratch::folder("chain")?;
    let state = folder.path().join("anvil-state.json");
    let data = whole_run().await.folder.path().join("data");
    std::fs::copy(data.join("anvil-state.json"), &state)?;
    let settings = AnvilSettings {
        program: anvil::locate(None)?,
        state: Some(state),
        // Before anything that the run mined: the chain goes on from its own last block.
        timestamp_s: 1_709_251_200,
        port: None,
    };
    let (anvil, _) = Anvil::start(settings).await?;
    Ok((anvil, folder))
}

/// A copy of the public record.
struct Copy {
    folder: TempDir,
}

impl Copy {
    async fn new() -> Self {
        let folder = scratch::folder("record").expect("a folder");
        let published = whole_run().await.folder.path().join("data/record");
        copy_folder(&published, folder.path());
        Self { folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn json(&self, file: &str) -> Value {
        let text = std::fs::read_to_string(self.path(file)).expect("a file of the record");
        serde_json::from_str(&text).expect("JSON")
    }

    fn write(&self, file: &str, content: &Value) {
        let text = serde_json::to_string_pretty(content).expect("JSON") + "\n";
        std::fs::write(self.path(file), text).expect("writes");
    }

    async fn verify(&self, arguments: &[&str]) -> Finished {
        let record = ["--record", text(self.folder.path()), "--rpc", rpc().await];
        let said = verify(&[arguments, &record[..]].concat()).await;
        said.expect("verify runs")
    }

    /// The first batch that settled a round in which somebody won, with that round's file.
    fn first_decided(&self) -> Decided {
        let index = self.json("index.json");
        let batches = index["batches"].as_array().expect("a list");
        for entry in batches {
            let file = entry["file"].as_str().expect("a file").to_owned();
            for round in self.json(&file)["rounds"].as_array().expect("a list") {
                let round_file = round["file"].as_str().expect("a file").to_owned();
                let content = self.json(&round_file);
                let rows = content["predictions"].as_array().expect("a list");
                let winner = rows.iter().position(|row| {
                    row["D"]
                        .as_str()
                        .is_some_and(|d| !d.starts_with(['-', '0']))
                });
                if let Some(winner) = winner {
                    return Decided {
                        seq: entry["seq"].to_string(),
                        batch: file,
                        round: round["round"].as_str().expect("an id").to_owned(),
                        file: round_file,
                        winner,
                        index: rows[winner]["index"].to_string(),
                    };
                }
            }
        }
        panic!("nobody won anything");
    }
}

struct Decided {
    seq: String,
    batch: String,
    round: String,
    file: String,
    winner: usize,
    index: String,
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).expect("copies");
        }
    }
}

#[tokio::test]
async fn the_running_server_says_what_became_of_a_receipt() {
    let heard = &whole_run().await.heard;
    assert_eq!(heard.too_early.code, 1, "{:?}", heard.too_early);
    assert!(
        heard.too_early.stderr.contains("not published yet")
            || heard.too_early.stderr.contains("has no deployment.json"),
        "{}",
        heard.too_early.stderr
    );
    for (said, word) in heard.by_server.iter().zip(["replaced: ", "included: "]) {
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.stdout.contains(word), "{}", said.stdout);
        assert!(said.stdout.contains(&heard.round), "{}", said.stdout);
    }
    assert_eq!(heard.batch_by_server.code, 0, "{:?}", heard.batch_by_server);
}

#[tokio::test]
async fn every_batch_and_round_follows_from_a_copy_of_the_record() {
    let copy = Copy::new().await;
    let index = copy.json("index.json");
    let batches = index["batches"].as_array().expect("a list");
    assert!(batches.len() >= 2, "{index}");
    for entry in batches {
        let said = copy.verify(&["--batch", &entry["seq"].to_string()]).await;
        let rejected = said.code == 1 && said.stderr.contains("not proposed");
        // The last batch may have been on its way when the run ended.
        let is_last = entry == batches.last().expect("the last");
        assert!(said.code == 0 || (is_last && rejected), "{said:?}");
    }
    let decided = copy.first_decided();
    let said = copy.verify(&["--round", &decided.round, "--json"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let found: Value = serde_json::from_str(&said.stdout).expect("one JSON object");
    assert_eq!(found["result"], "equal");
    let checked = found["checked"].to_string();
    assert!(checked.contains(&decided.round), "{checked}");
    let said = copy.verify(&["--batch", "999999"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    let both = verify(&["--batch", "1", "--round", &decided.round]).await;
    assert_eq!(both.expect("runs").code, 64, "one thing at a time");
}

/// Verifies the tampered batch and looks for a difference of this thing, model and field.
async fn caught(copy: &Copy, seq: &str, thing: &str, index: Option<&str>, field: &str) {
    let said = copy.verify(&["--batch", seq, "--json"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    let found: Value = serde_json::from_str(&said.stdout).expect("one JSON object");
    let all = found["differences"].as_array().expect("a list");
    let is_it = |one: &&Value| {
        one["thing"] == thing
            && one["field"] == field
            && index.is_none_or(|index| one["model_index"].to_string().as_str() == index)
    };
    assert!(
        all.iter().any(|one| is_it(&one)),
        "no {thing} {field} in {found}"
    );
}

#[tokio::test]
async fn a_wrong_payout_leaf_root_or_salt_is_named() {
    let copy = Copy::new().await;
    let at = copy.first_decided();
    let round = format!("round {}", at.round);
    let genuine = copy.json(&at.file);
    let mut payout = genuine.clone();
    let more = |text: &Value| {
        let units: i128 = text.as_str().expect("text").parse().expect("a number");
        json!((units + 1).to_string())
    };
    let row = &mut payout["predictions"][at.winner];
    row["D"] = more(&row["D"]);
    copy.write(&at.file, &payout);
    caught(&copy, &at.seq, &round, Some(&at.index), "payout D").await;
    let mut leaf = genuine.clone();
    let row = &mut leaf["predictions"][at.winner];
    row["w"] = more(&row["w"]);
    copy.write(&at.file, &leaf);
    caught(&copy, &at.seq, &round, None, "root").await;
    caught(&copy, &at.seq, &round, None, "W").await;
    for (name, field) in [
        ("root", "root"),
        ("salt", "commitment"),
        ("top", "top in the reveal"),
    ] {
        let mut changed = genuine.clone();
        let hash = changed[name].as_str().expect("a hash");
        let last = if hash.ends_with('0') { '1' } else { '0' };
        changed[name] = json!(format!("{}{last}", &hash[..hash.len() - 1]));
        copy.write(&at.file, &changed);
        caught(&copy, &at.seq, &round, None, field).await;
    }
    copy.write(&at.file, &genuine);
    let said = copy.verify(&["--batch", &at.seq]).await;
    assert_eq!(said.code, 0, "genuine again: {said:?}");
}

#[tokio::test]
async fn a_wrong_price_and_a_single_wrong_byte_are_named() {
    let copy = Copy::new().await;
    let at = copy.first_decided();
    let round = format!("round {}", at.round);
    let evidence = format!("rounds/{}/evidence.json", at.round);
    let genuine = std::fs::read(copy.path(&evidence)).expect("evidence");
    let mut prices: Value = serde_json::from_slice(&genuine).expect("JSON");
    for tick in prices["ticks"].as_array_mut().expect("trades") {
        tick["price"] = json!("1.0");
    }
    let changed = serde_json::to_vec(&prices).expect("JSON");
    std::fs::write(copy.path(&evidence), changed).expect("writes");
    caught(&copy, &at.seq, &round, None, "evidence hash").await;
    caught(&copy, &at.seq, &round, None, "outcome").await;
    std::fs::write(copy.path(&evidence), &genuine).expect("writes");
    for file in [&at.file, &at.batch] {
        let mut bytes = std::fs::read(copy.path(file)).expect("a file");
        bytes.push(b' ');
        std::fs::write(copy.path(file), &bytes).expect("writes");
        let (thing, field) = if *file == at.file {
            (round.clone(), "keccak256 of the round file")
        } else {
            (format!("batch {}", at.seq), "keccak256 of the batch file")
        };
        caught(&copy, &at.seq, &thing, None, field).await;
        bytes.pop();
        std::fs::write(copy.path(file), &bytes).expect("writes");
    }
    std::fs::remove_file(copy.path(&evidence)).expect("removes");
    let said = copy.verify(&["--batch", &at.seq]).await;
    assert_eq!(said.code, 1, "what is missing is not checked: {said:?}");
    assert!(said.stderr.contains(&evidence), "{said:?}");
}

#[tokio::test]
async fn a_receipt_is_included_replaced_omitted_or_forged() {
    let heard = &whole_run().await.heard;
    let copy = Copy::new().await;
    let ask = async |file: &Path| copy.verify(&["--receipt", text(file), "--json"]).await;
    let standing = |said: &Finished| {
        let all: Value = serde_json::from_str(&said.stdout).expect("one JSON object");
        all["receipt"]["standing"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    for (file, word) in heard.receipts.iter().zip(["replaced", "included"]) {
        let said = ask(file).await;
        assert_eq!((said.code, standing(&said).as_str()), (0, word), "{said:?}");
    }
    let genuine = std::fs::read_to_string(&heard.receipts[1]).expect("a receipt");
    let mut forged: Value = serde_json::from_str(&genuine).expect("JSON");
    forged["p_ppm"] = json!(640_000);
    let file = copy.path("forged.json");
    std::fs::write(&file, forged.to_string()).expect("writes");
    let said = ask(&file).await;
    assert_eq!(
        (said.code, standing(&said).as_str()),
        (2, "forged"),
        "{said:?}"
    );
    // A record that forgets the prediction.
    let pointer = copy.json(&format!("rounds/{}/batch.json", heard.round));
    let batch = copy.json(pointer["batch"].as_str().expect("a file"));
    let rounds = batch["rounds"].as_array().expect("a list");
    let round = rounds
        .iter()
        .find(|one| one["round"] == heard.round.as_str());
    let round_file = round.expect("the round")["file"].as_str().expect("a file");
    let mut content = copy.json(round_file);
    let receipt: Value = serde_json::from_str(&genuine).expect("JSON");
    let rows = content["predictions"].as_array_mut().expect("a list");
    rows.retain(|row| row["model"] != receipt["model"]);
    copy.write(round_file, &content);
    let said = ask(&heard.receipts[1]).await;
    assert_eq!(
        (said.code, standing(&said).as_str()),
        (2, "omitted"),
        "{said:?}"
    );
}
