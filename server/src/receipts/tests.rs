//! Receipts on both databases.

use std::collections::BTreeSet;

use domain::TournamentId;

use super::*;
use crate::accounts;
use crate::db::Db;
use crate::db::testing::{each_database, numbers};
use crate::models;
use crate::record::run::RunFile;
use crate::rounds;
use crate::runners;

const FILES: [&str; 2] = [
    include_str!("../demo/btc-usd-5m.toml"),
    include_str!("../demo/eth-usd-5m.toml"),
];
/// 2024-03-05T11:55:00Z.
const NOW_US: i64 = 1_709_639_700_000_000;
const ROUNDS: [&str; 2] = ["btc-usd-5m-20240305T1200Z", "btc-usd-5m-20240305T1205Z"];
const ROW: [f32; 2] = [0.5, -1.25];
const NAMES: [&str; 2] = ["ret_1", "vol_1"];

fn signer() -> ReceiptSigner {
    ReceiptSigner::from_secret(&[7; 32], 31_337, Address::repeat_byte(3)).expect("a key")
}

fn runtime() -> RuntimeRow {
    RuntimeRow {
        profile: "cpu-v1".into(),
        ort_version: "1.31.1".into(),
        library: "ab".repeat(32),
        provider: "CPUExecutionProvider".into(),
        options: "intra_op_threads=1".into(),
        isa: "x86-64-v3".into(),
        build: "inference-runner 0.1.0".into(),
        sandbox: "full".into(),
    }
}

fn executed(runner: &str) -> Executed {
    Executed {
        runner: runner.into(),
        finished_us: NOW_US + 1,
    }
}

fn answer(model: &Model, p: f32) -> Answer {
    Answer {
        model: model.id.clone(),
        status: Status::Ok,
        cpu_ms: 3,
        output: vec![p],
        runtime: Some(runtime()),
    }
}

/// Three hosted models and two rounds that are to run them.
async fn world(db: &Db) -> (Vec<Model>, Vec<RoundId>) {
    let mut tx = db.begin().await.expect("begin");
    for file in FILES {
        rounds::enter(&mut tx, NOW_US, file).await.expect("enters");
    }
    let missing = rounds::missing(&mut tx, NOW_US, None).await;
    let missing = missing.expect("missing");
    rounds::schedule(&mut tx, &missing)
        .await
        .expect("schedules");
    let account = accounts::create(&mut tx, 1, "ada", "", false).await;
    let account = account.expect("an account").id;
    let tournament: TournamentId = "btc-usd-5m".parse().expect("an id");
    let folder = tempfile::tempdir().expect("a folder");
    let mut hosted = Vec::new();
    for name in ["b", "a", "c"] {
        let bytes = name.as_bytes();
        let made = models::upload(
            &mut tx,
            folder.path(),
            1,
            &account,
            &tournament,
            name,
            bytes,
            false,
        );
        let model = made.await.expect("an upload");
        let card = format!("{{\"canonical_digest\":\"{}\"}}", "cd".repeat(32));
        let card = if name == "a" { card.as_str() } else { "{}" };
        models::set_checked(&mut tx, &model.id, true, "", card)
            .await
            .expect("checked");
        hosted.push(models::get(&mut tx, &model.id).await.expect("reads"));
    }
    let rounds: Vec<RoundId> = ROUNDS.map(|id| id.parse().expect("an id")).to_vec();
    for round in &rounds {
        runners::publish_run(&mut tx, 1, round, NOW_US, &ROW, 2, &hosted)
            .await
            .expect("published");
        opened(&mut tx, round, &hosted).await;
    }
    tx.commit().await.expect("commit");
    (hosted, rounds)
}

async fn opened(conn: &mut Conn, round: &RoundId, hosted: &[Model]) {
    let given = Given {
        features: &ROW,
        names: &NAMES,
        columns: 2,
    };
    open(conn, NOW_US, round, given, hosted)
        .await
        .expect("opens");
}

async fn runs(db: &Db, round: &RoundId, which: Which) -> RunsFile {
    let mut conn = db.read().await.expect("read");
    let signer = signer();
    let runs = of_round(
        &mut conn,
        signer.chain_id(),
        signer.registry(),
        round,
        which,
    )
    .await;
    runs.expect("reads").expect("it was opened")
}

#[tokio::test]
async fn an_answer_gets_one_whole_receipt_and_silence_gets_one_at_the_lock() {
    each_database(|db| async move {
        let (hosted, rounds) = world(&db).await;
        let (round, signer) = (&rounds[0], signer());
        let mut tx = db.begin().await.expect("begin");
        opened(&mut tx, round, &hosted[..1]).await;
        let answers = [answer(&hosted[0], 0.625), answer(&hosted[0], 0.1)];
        write(&mut tx, &signer, round, &executed("r1"), &answers)
            .await
            .expect("writes");
        // Another runner is slower, with another answer.
        let second = [answer(&hosted[0], 0.4), answer(&hosted[1], 0.25)];
        write(&mut tx, &signer, round, &executed("r2"), &second)
            .await
            .expect("writes");
        close(&mut tx, &signer, NOW_US + 9, round, &[])
            .await
            .expect("closes");
        let seed = [5; 32];
        let salt = seal(&mut tx, NOW_US + 9, round, seed).await.expect("seals");
        tx.commit().await.expect("commit");
        let runs = runs(&db, round, Which::InTime).await;
        assert_eq!(runs.models.len(), 3, "the second opening changed nothing");
        let committed = runs.committed.clone().expect("sealed");
        assert_eq!(committed.salt.0, salt);
        assert_eq!(committed.receipts_root, runs.receipts_tree().root());
        let expected = [
            (&hosted[1], "ok", "r2", 2, Some(0.25)),
            (&hosted[0], "ok", "r1", 1, Some(0.625)),
            (&hosted[2], NO_ANSWER, "", 3, None),
        ];
        for (model, status, runner, sequence, p) in expected {
            let run = runs.run(&model.id).expect("a run");
            assert_eq!(run.differences(&[signer.address()]), [] as [String; 0]);
            let receipt = &run.receipt;
            assert_eq!(
                (
                    receipt.status.as_str(),
                    receipt.runner.as_str(),
                    receipt.sequence
                ),
                (status, runner, sequence)
            );
            assert_eq!(receipt.model_digest, model.artifact);
            assert_eq!(run.answers().expect("float32").first().copied(), p);
            assert_eq!(run.runtime.is_some(), p.is_some());
            assert!(run.receipt_proof.is_some());
        }
        let canonical = |at: usize| runs.runs[at].receipt.canonical_digest.clone();
        assert_eq!((canonical(0), canonical(1)), (Some("cd".repeat(32)), None));
    })
    .await;
}

#[tokio::test]
async fn a_round_is_sealed_once_and_keeps_what_came_later_apart() {
    each_database(|db| async move {
        let (hosted, rounds) = world(&db).await;
        let (round, signer) = (&rounds[0], signer());
        let counted = Counted {
            model: hosted[0].id.clone(),
            sequence: 1,
            model_index: None,
            at_risk: domain::TokenAmount::ZERO,
            counted: domain::Probability::HALF,
            posted: domain::Probability::HALF,
        };
        let mut tx = db.begin().await.expect("begin");
        // Its prediction is counted; the receipt is a moment behind.
        close(
            &mut tx,
            &signer,
            NOW_US,
            round,
            std::slice::from_ref(&counted),
        )
        .await
        .expect("closes");
        seal(&mut tx, NOW_US, round, [5; 32]).await.expect("seals");
        write(
            &mut tx,
            &signer,
            round,
            &executed("r1"),
            &[answer(&hosted[0], 0.5)],
        )
        .await
        .expect("writes");
        tx.commit().await.expect("commit");
        let record = runs(&db, round, Which::InTime).await;
        assert_eq!(record.runs.len(), 2);
        assert!(record.run(&hosted[0].id).is_none());
        let all = runs(&db, round, Which::All).await;
        let late = all.run(&hosted[0].id).expect("a run");
        assert_eq!(late.differences(&[signer.address()]), [] as [String; 0]);
        assert!(late.receipt_proof.is_none());
        assert_eq!(all.receipts_tree().root(), record.receipts_tree().root());
        let mut tx = db.begin().await.expect("begin");
        let again = seal(&mut tx, NOW_US, round, [6; 32]).await;
        assert!(matches!(again, Err(ReceiptsError::Broken(_))), "{again:?}");
    })
    .await;
}

/// A comparison decided against the first answer, and once more after the lock.
#[tokio::test]
async fn the_latest_receipt_of_the_lock_is_the_one_that_is_committed() {
    each_database(|db| async move {
        let (hosted, rounds) = world(&db).await;
        let (round, signer, model) = (&rounds[0], signer(), &hosted[0]);
        let mut tx = db.begin().await.expect("begin");
        let first = [answer(model, 0.5)];
        write(&mut tx, &signer, round, &executed("r1"), &first)
            .await
            .expect("writes");
        let decided = [answer(model, 0.25)];
        correct(&mut tx, &signer, round, &executed("r2"), &decided)
            .await
            .expect("corrects");
        close(&mut tx, &signer, NOW_US, round, &[])
            .await
            .expect("closes");
        seal(&mut tx, NOW_US, round, [5; 32]).await.expect("seals");
        let late = [answer(model, 0.75)];
        correct(&mut tx, &signer, round, &executed("r3"), &late)
            .await
            .expect("corrects");
        tx.commit().await.expect("commit");
        let record = runs(&db, round, Which::InTime).await;
        let committed = record.committed.clone().expect("sealed");
        assert_eq!(committed.receipts_root, record.receipts_tree().root());
        let run = record.run(&model.id).expect("a run");
        assert_eq!(run.receipt.runner, "r2");
        assert_eq!(run.differences(&[signer.address()]), [] as [String; 0]);
        assert!(run.receipt_proof.is_some());
        let newest = runs(&db, round, Which::All).await;
        let run = newest.run(&model.id).expect("a run");
        assert_eq!(
            (run.receipt.runner.as_str(), run.receipt_proof),
            ("r3", None)
        );
        let mut conn = db.read().await.expect("read");
        let page = of_model(&mut conn, &model.id, None, 10).await;
        assert_eq!(page.expect("reads").len(), 3, "nothing is forgotten");
    })
    .await;
}

#[tokio::test]
async fn a_round_without_hosted_models_keeps_its_seed_as_salt() {
    each_database(|db| async move {
        world(&db).await;
        let round: RoundId = "eth-usd-5m-20240305T1200Z".parse().expect("an id");
        let mut tx = db.begin().await.expect("begin");
        close(&mut tx, &signer(), NOW_US, &round, &[])
            .await
            .expect("closes");
        let salt = seal(&mut tx, NOW_US, &round, [5; 32]).await;
        assert_eq!(salt.expect("a salt"), [5; 32]);
        assert!(roots(&mut tx, &round).await.expect("reads").is_none());
    })
    .await;
}

/// Writers at once, one of which gives up: numbers rise without a gap and none is given twice.
#[tokio::test]
async fn numbers_have_no_gaps() {
    each_database(|db| async move {
        let (hosted, rounds) = world(&db).await;
        let one = async |round: &RoundId, at: usize, is_kept: bool| {
            let mut tx = db.begin().await.expect("begin");
            let answers = [answer(&hosted[at], 0.5)];
            write(&mut tx, &signer(), round, &executed("r"), &answers)
                .await
                .expect("writes");
            if is_kept {
                tx.commit().await.expect("commit");
            } else {
                tx.rollback().await.expect("rolls back");
            }
        };
        tokio::join!(
            one(&rounds[0], 0, true),
            one(&rounds[1], 0, false),
            one(&rounds[0], 1, true),
            one(&rounds[1], 1, true),
            one(&rounds[0], 2, false),
            one(&rounds[1], 2, true),
        );
        let mut conn = db.read().await.expect("read");
        let all = numbers(
            &mut conn,
            "SELECT sequence FROM run_receipts ORDER BY sequence",
        );
        assert_eq!(all.await.expect("numbers"), [1, 2, 3, 4]);
        let page = of_model(&mut conn, &hosted[1].id, None, 1).await;
        let page = page.expect("reads");
        let newest = page[0].receipt.sequence;
        let before = i64::try_from(newest).expect("small");
        let rest = of_model(&mut conn, &hosted[1].id, Some(before), 10).await;
        let rest = rest.expect("reads");
        assert_eq!(rest.len(), 1);
        assert!(rest[0].receipt.sequence < newest);
        let rounds: BTreeSet<&RoundId> = [&page[0], &rest[0]]
            .into_iter()
            .map(|one| &one.receipt.round)
            .collect();
        assert_eq!(rounds.len(), 2);
    })
    .await;
}

type Change = fn(&mut RunFile);

#[tokio::test]
async fn whatever_is_changed_in_a_run_is_found() {
    each_database(|db| async move {
        let (hosted, rounds) = world(&db).await;
        let (round, signer) = (&rounds[0], signer());
        let mut tx = db.begin().await.expect("begin");
        let answers = [answer(&hosted[0], 0.625), answer(&hosted[1], 0.25)];
        write(&mut tx, &signer, round, &executed("r1"), &answers)
            .await
            .expect("writes");
        close(&mut tx, &signer, NOW_US, round, &[])
            .await
            .expect("closes");
        seal(&mut tx, NOW_US, round, [5; 32]).await.expect("seals");
        tx.commit().await.expect("commit");
        let runs = runs(&db, round, Which::InTime).await;
        let genuine = runs.run(&hosted[0].id).expect("a run");
        let changes: [(&str, Change); 12] = [
            ("output_root", |run| run.output = "0000003f".into()),
            ("input_root", |run| run.input.names[0] = "other".into()),
            ("sha256", |run| run.input.bytes = "00".repeat(8)),
            ("runtime_digest", |run| {
                run.runtime.as_mut().expect("one").sandbox = "none".into();
            }),
            ("hash of the receipt", |run| run.receipt.cpu_ms += 1),
            ("signature", |run| run.receipt.runner = "r2".into()),
            ("signature", |run| run.receipt.sequence += 1),
            ("model_proof", |run| {
                run.receipt.model_digest = "ef".repeat(32);
            }),
            ("model_proof", |run| run.model_proof.count += 1),
            ("receipt_proof", |run| {
                run.receipt_proof.as_mut().expect("one").index ^= 1;
            }),
            ("salt", |run| {
                run.committed.as_mut().expect("one").seed = B256::ZERO;
            }),
            ("status", |run| run.receipt.status = "no-answer".into()),
        ];
        for (what, change) in changes {
            let mut changed = genuine.clone();
            change(&mut changed);
            let wrong = changed.differences(&[signer.address()]);
            assert!(
                wrong.iter().any(|line| line.contains(what)),
                "{what}: {wrong:?}"
            );
        }
        assert!(
            !genuine.differences(&[Address::ZERO]).is_empty(),
            "a stranger's key"
        );
    })
    .await;
}
