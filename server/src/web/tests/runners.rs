//! The page of the runners with a lie behind it.

use domain::RoundId;

use super::*;
use crate::accounts;
use crate::models::{self, Artifact, Model};
use crate::runners::fleet::{self, Benchmark, Machine};
use crate::runners::{self, ModelResult, RunAnswer, Runner, Status};

const NAMES: [&str; 3] = ["lies", "rack-2.example", "rack-3.example"];

#[tokio::test]
async fn the_runners_page_shows_machines_and_whose_answer_was_false() {
    let (app, wall, _folder) = app().await;
    let mut tx = app.db.begin().await.expect("begin");
    let account = accounts::create(&mut tx, 1, "ops", "", true)
        .await
        .expect("account")
        .id;
    register(&mut tx, &account).await;
    let tournament = "btc-usd-5m".parse().expect("an id");
    let artifact = Artifact {
        digest: "00".repeat(32),
        size_bytes: 1,
    };
    let model =
        models::register_hosted(&mut tx, 1, &account, &tournament, "net", &artifact, false).await;
    let model = model.expect("new");
    let round: RoundId = "btc-usd-5m-20240305T1200Z".parse().expect("an id");
    let due_us = NOW_US + 60_000_000;
    let models = std::slice::from_ref(&model);
    runners::publish_run(&mut tx, NOW_US, &round, due_us, &[1.0], 1, models)
        .await
        .expect("published");
    runners::sample_run(&mut tx, NOW_US, &round, models, &[1; 32], 50_000)
        .await
        .expect("sampled");
    // The first to ask is lent the model, the next its second run, the last the tie-break.
    for (name, p) in NAMES.iter().zip([0.9, 0.5, 0.5]) {
        say(&mut tx, &app, name, &account, &model, p).await;
    }
    tx.commit().await.expect("commit");
    let html = page(&app, "/runners", StatusCode::OK).await;
    assert!(
        html.contains("No locked round has a disagreement"),
        "the round is open"
    );
    assert!(html.contains("SHA-256 of it"));
    wall.set(due_us + 60_000_000);
    let html = page(&app, "/runners", StatusCode::OK).await;
    for told in [
        "settled",
        "0.400000",
        "not trusted",
        "not heard",
        "43.0",
        "1.0 / 0.3 ms",
    ] {
        assert!(html.contains(told), "no {told:?} in {html}");
    }
    assert!(!html.contains("SHA-256 of it"), "the seed is shown now");
}

async fn register(conn: &mut crate::db::Conn, account: &domain::AccountId) {
    for (place, name) in NAMES.iter().enumerate() {
        let runner = Runner {
            name: (*name).to_owned(),
            account: account.clone(),
            version: "1".to_owned(),
            runtime: "onnxruntime 1.31.1".to_owned(),
            sandbox: "full".to_owned(),
        };
        let machine = Machine {
            device: "cpu".to_owned(),
            profile: "cpu-v1".to_owned(),
            cores: 4,
            memory_mb: 16_000,
            workers: 4,
            benchmark: Benchmark {
                tree_us: 1_040,
                dense_us: 380,
                rate_milli: 41_000 + 1_000 * i64::try_from(place).expect("small"),
            },
        };
        let registered = fleet::register(conn, NOW_US, &runner, &machine).await;
        registered.expect("registers");
    }
}

async fn say(
    conn: &mut crate::db::Conn,
    app: &App,
    name: &str,
    account: &domain::AccountId,
    model: &Model,
    p: f64,
) {
    let lent = runners::next_job(conn, &app.market, name)
        .await
        .expect("reads");
    let lent = lent.expect("a model is lent");
    let (job, _) = runners::leased(conn, &lent.id, name, account)
        .await
        .expect("lent");
    let answer = RunAnswer {
        result: ModelResult {
            model: model.id.clone(),
            status: Status::Ok,
            detail: String::new(),
            cpu_ms: 1,
            wall_ms: 2,
        },
        p: vec![p],
    };
    runners::record_run(conn, &app.market, &job, name, &[answer])
        .await
        .expect("recorded");
}
