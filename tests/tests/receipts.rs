//! Receipts of hosted runs through a real server, chain and runner: an honest run is exact when it
//! runs again, a lying runner is found out, and nothing in a receipt can be changed unseen.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::caller::Caller;
use tests::demo::{Demo, DemoSettings};
use tests::process::{self, Finished};
use tests::process_tree::descendants;
use tests::{binaries, scratch, wait};
use tokio::sync::OnceCell;

const BTC: &str = "btc-usd-5m";
const MODEL_FILE: &str = "datasets/models/forest.onnx";
/// A new model is tried, runs in a round, and the round is settled by then.
const LIMIT: Duration = Duration::from_secs(120);
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
const LIAR: &str = "liar";
/// What the liar answers for every model.
const LIE: f64 = 0.412_5;

/// A demo in which the owner's model has run honestly, and once been lied about.
struct World {
    demo: Demo,
    owner: Caller,
    model: String,
    /// What `verify` said at once, with the owner's key.
    at_once: Finished,
    honest: String,
    lied: String,
    _folder: TempDir,
}

async fn world() -> &'static World {
    static WORLD: OnceCell<Result<World, String>> = OnceCell::const_new();
    let world = WORLD
        .get_or_init(async || play().await.map_err(|error| format!("{error:#}")))
        .await;
    world.as_ref().expect("the demo runs")
}

async fn play() -> anyhow::Result<World> {
    let folder = scratch::folder("receipts")?;
    let settings = DemoSettings {
        folder: folder.path(),
        rounds: None,
        database_url: None,
    };
    let demo = Demo::start(&settings)?;
    demo.ready().await?;
    let owner = demo.member("owner", "read,upload").await?;
    let onnx = std::fs::read(binaries::workspace().join(MODEL_FILE))?;
    let model = owner.upload(BTC, "my-forest", onnx).await?;
    // Says who signs; it comes with the first batch.
    wait::until("the record", LIMIT, async || {
        let answer = owner.get("/record/deployment.json").await?;
        Ok((answer.status == 200).then_some(()))
    })
    .await?;
    let first = receipt_by(&owner, &model, |one| one["status"] == "ok").await?;
    let round = text(&first, "round")?;
    let key = owner.key().context("a key")?;
    let at_once = verify(&demo, &round, &model, &[MODEL_FILE, "--key", key]).await?;
    let honest = settled(&demo, &owner, &model, false).await?;
    let lied = settled(&demo, &owner, &model, true).await?;
    Ok(World {
        demo,
        owner,
        model,
        at_once,
        honest,
        lied,
        _folder: folder,
    })
}

/// A round in which the model ran, honestly or not, once its batch is published. On a busy machine a
/// round may be void for a late commitment and is never published: then the next one is taken.
async fn settled(demo: &Demo, owner: &Caller, model: &str, is_lie: bool) -> anyhow::Result<String> {
    for attempt in 0..4 {
        let round = if is_lie {
            // A name that was found to lie is not believed a second time.
            lie(demo, model, &format!("{LIAR}-{attempt}")).await?
        } else {
            let last = receipt_by(owner, model, |one| one["status"] == "ok").await?;
            text(&last, "round")?
        };
        let pointer = format!("/record/rounds/{round}/batch.json");
        let is_there = wait::until("the round's record", LIMIT, async || {
            demo.must_run()?;
            if owner.get(&pointer).await?.status == 200 {
                return Ok(Some(true));
            }
            let state = owner.json(&format!("rounds/{round}")).await?;
            Ok((state["state"] == "void").then_some(false))
        });
        // Where several runners were asked, the lie may have been outvoted.
        if is_there.await? && runner_of(owner, &round, model).await?.starts_with(LIAR) == is_lie {
            return Ok(round);
        }
    }
    anyhow::bail!("four rounds became void or were corrected one after the other")
}

/// Whose answer the receipt of the round is about.
async fn runner_of(owner: &Caller, round: &str, model: &str) -> anyhow::Result<String> {
    let run = owner.json(&format!("rounds/{round}/runs/{model}")).await?;
    text(&run["receipt"], "runner")
}

/// The newest of the model's receipts that is such.
async fn receipt_by(
    caller: &Caller,
    model: &str,
    is_it: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let path = format!("models/{model}/receipts");
    wait::until("a receipt of the model", LIMIT, async || {
        let page = caller.json(&path).await?;
        let mut found = page["receipts"].as_array().into_iter().flatten();
        Ok(found.find(|one| is_it(one)).cloned())
    })
    .await
}

/// Answers for one round of the tournament in place of the runner, which stands still meanwhile.
async fn lie(demo: &Demo, model: &str, name: &str) -> anyhow::Result<String> {
    let liar = demo.member("liar", "run").await?;
    let all = descendants(demo.process.pid());
    let runner = all.iter().find(|one| one.name.starts_with("inference-run"));
    let runner = Pid::from_raw(runner.context("the demo has a runner")?.pid);
    kill(runner, Signal::SIGSTOP)?;
    let round = answer_wrongly(&liar, model, name).await;
    kill(runner, Signal::SIGCONT)?;
    round
}

async fn answer_wrongly(liar: &Caller, model: &str, name: &str) -> anyhow::Result<String> {
    let hello = json!({ "runner": name, "wait_ms": 500 });
    let environment = json!({
        "profile": "cpu-v1", "ort_version": "1.31.1", "library": "ab".repeat(32),
        "provider": "CPUExecutionProvider", "options": "", "isa": "x86-64-v3",
        "build": "inference-runner 0.1.0", "sandbox": "full",
    });
    wait::until("a job for the liar", LIMIT, async || {
        let next = liar.send_json(Method::POST, "runner/jobs/next", &hello);
        let next = next.await?;
        if next.status != 200 {
            return Ok(None);
        }
        let job = next.json()?;
        let models = job["models"].as_array().cloned().unwrap_or_default();
        let results = models
            .iter()
            .map(|one| json!({ "model": one["model"], "status": "ok", "p": [LIE], "cpu_ms": 1 }));
        let body = json!({
            "runner": name, "environment": environment,
            "results": results.collect::<Vec<_>>(),
        });
        let path = format!("runner/jobs/{}/results", text(&job, "lease")?);
        let said = liar.send_json(Method::POST, &path, &body).await?;
        let is_ours = said.status == 204 && models.iter().any(|one| one["model"] == model);
        is_ours.then(|| text(&job, "round")).transpose()
    })
    .await
}

fn text(of: &Value, name: &str) -> anyhow::Result<String> {
    let found = of.get(name).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .with_context(|| format!("no {name} in {of}"))
}

/// `foretoken verify` against the running server; the artifact is a file of the repository.
async fn verify(
    demo: &Demo,
    round: &str,
    model: &str,
    artifact_and_more: &[&str],
) -> anyhow::Result<Finished> {
    let (artifact, more) = artifact_and_more.split_first().context("a file")?;
    let mut command = process::foretoken(["verify", "--round", round, "--model", model, "--json"])?;
    command.arg("--artifact");
    command.arg(binaries::workspace().join(artifact));
    if !more.contains(&"--record") {
        command.args(["--server", &demo.url]);
    }
    command.args(more);
    process::run(command, COMMAND_LIMIT).await
}

/// The one JSON object that it printed, and its exit code.
fn said(finished: &Finished, code: i32, result: &str) -> Value {
    let all: Value = serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|_| panic!("no JSON object: {finished:?}"));
    assert_eq!(
        (finished.code, all["result"].as_str()),
        (code, Some(result)),
        "{finished:?}"
    );
    all
}

#[tokio::test]
async fn the_owner_verifies_a_run_at_once_and_strangers_later() {
    let world = world().await;
    let all = said(&world.at_once, 0, "exact");
    assert_eq!(all["details"]["max_difference"], 0.0, "{all}");
    assert_eq!(all["receipt"]["model"], world.model.as_str());
    let visitor = world.demo.visitor().expect("a caller");
    let path = format!("models/{}/receipts", world.model);
    let mine = world.owner.json(&path).await.expect("receipts");
    let newest = &mine["receipts"][0];
    let run = format!(
        "/api/v1/rounds/{}/runs/{}",
        newest["round"].as_str().expect("a round"),
        world.model
    );
    let own = world.owner.get(&run).await.expect("an answer");
    assert_eq!(own.status, 200, "{}", own.text);
    let answer = visitor.get(&run).await.expect("an answer");
    let path_of_round = format!("rounds/{}", newest["round"].as_str().expect("an id"));
    let state = world.owner.json(&path_of_round).await.expect("a round");
    if matches!(state["state"].as_str(), Some("open" | "locked")) {
        answer.expect_problem(403, "not-yet-resolved");
        let theirs = visitor.json(&path).await.expect("receipts");
        let is_there = |one: &Value| one["round"] == newest["round"];
        let listed = theirs["receipts"].as_array().expect("a list");
        assert!(!listed.iter().any(is_there), "{theirs}");
    }
    let settled = format!("/api/v1/rounds/{}/runs/{}", world.honest, world.model);
    let shown = visitor.get(&settled).await.expect("an answer");
    assert_eq!(shown.status, 200, "{}", shown.text);
    for page in [
        format!("/models/{}/receipts", world.model),
        format!("/rounds/{}/runs/{}", world.honest, world.model),
    ] {
        let page = visitor.get(&page).await.expect("a page");
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(page.text.contains("cpu-v1") || page.text.contains("Receipt"));
    }
}

#[tokio::test]
async fn an_honest_run_is_exact_and_the_chain_holds_it() {
    let world = world().await;
    let done = wait::until("its proposal", LIMIT, async || {
        let done = verify(&world.demo, &world.honest, &world.model, &[MODEL_FILE]).await?;
        Ok(done.stdout.contains("stand on the chain").then_some(done))
    });
    let done = done.await.expect("it is proposed");
    let all = said(&done, 0, "exact");
    let checked = all["checked"].to_string();
    for part in [
        "the commitment 0x",
        "counts this answer",
        "the same runtime",
    ] {
        assert!(checked.contains(part), "{part}: {all}");
    }
    if all["receipt"]["canonical_digest"].is_string() {
        assert!(checked.contains("canonical digest"), "{all}");
    }
    let other = verify(
        &world.demo,
        &world.honest,
        &world.model,
        &["datasets/models/logistic.onnx"],
    );
    said(&other.await.expect("runs"), 2, "other-file");
}

#[tokio::test]
async fn a_lying_runner_is_found_out() {
    let world = world().await;
    let done = verify(&world.demo, &world.lied, &world.model, &[MODEL_FILE]).await;
    let all = said(&done.expect("runs"), 2, "mismatch");
    assert_eq!(all["details"]["row"], 0, "{all}");
    assert_eq!(
        all["problems"],
        json!([]),
        "the lie is signed and committed"
    );
    let claimed = all["details"]["claimed"].as_f64().expect("a number");
    assert!((claimed - LIE).abs() < 1e-6, "{all}");
    let runner = all["receipt"]["runner"].as_str().unwrap_or_default();
    assert!(runner.starts_with(LIAR), "{all}");
}

#[tokio::test]
async fn nothing_in_a_copy_of_the_record_can_be_changed_unseen() {
    let world = world().await;
    let copy = scratch::folder("record").expect("a folder");
    copy_folder(&world.demo.data().join("record"), copy.path());
    let file = copy
        .path()
        .join(format!("rounds/{}/runs.json", world.honest));
    let bytes = std::fs::read(&file).expect("the runs");
    let genuine: Value = serde_json::from_slice(&bytes).expect("JSON");
    let place = copy.path().to_str().expect("text").to_owned();
    let ask = async |content: &[u8]| {
        std::fs::write(&file, content).expect("writes");
        let more = [MODEL_FILE, "--record", &place];
        let done = verify(&world.demo, &world.honest, &world.model, &more).await;
        done.expect("runs")
    };
    said(&ask(&bytes).await, 0, "exact");
    let runs = genuine["runs"].as_array().expect("a list");
    let at = runs
        .iter()
        .position(|one| one["receipt"]["model"] == world.model.as_str())
        .expect("a run");
    let changes = [
        (
            format!("/runs/{at}/output"),
            json!("0000003f"),
            "output_root",
        ),
        (
            format!("/runs/{at}/receipt/cpu_ms"),
            json!(9_999),
            "hash of the receipt",
        ),
        (
            format!("/runs/{at}/receipt/signature"),
            json!(format!("0x{}1b", "11".repeat(64))),
            "signature",
        ),
        (
            format!("/runs/{at}/receipt/model_digest"),
            json!("ab".repeat(32)),
            "model_proof",
        ),
        ("/input/rows".to_owned(), json!(2), "input_root"),
        (
            "/committed/seed".to_owned(),
            json!(format!("0x{}", "22".repeat(32))),
            "seed",
        ),
        (
            "/models/0/artifact".to_owned(),
            json!("cd".repeat(32)),
            "models_root",
        ),
    ];
    for (pointer, value, what) in changes {
        let mut changed = genuine.clone();
        *changed.pointer_mut(&pointer).expect("a place") = value;
        let all = said(&ask(changed.to_string().as_bytes()).await, 2, "bad-receipt");
        assert!(all["problems"].to_string().contains(what), "{what}: {all}");
    }
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
