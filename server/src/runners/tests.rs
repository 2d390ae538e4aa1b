//! Jobs and leases on both databases.

use domain::{TournamentId, WallClock};

use super::*;
use crate::accounts;
use crate::db::testing::each_database;
use crate::models;
use crate::rounds;

mod several;

const FILE: &str = include_str!("../demo/btc-usd-5m.toml");
/// A minute before the deadline of the job.
const NOW_US: i64 = 1_709_639_700_000_000;
const DEADLINE_US: i64 = NOW_US + 60_000_000;
const RUNNER: &str = "r1";

struct Place {
    account: AccountId,
    round: RoundId,
    models: Vec<Model>,
}

async fn place(conn: &mut Conn) -> Place {
    let entered = rounds::enter(conn, 1, FILE).await.expect("enters");
    let account = accounts::create(conn, 1, "ops", "", true)
        .await
        .expect("account")
        .id;
    let tournament: TournamentId = entered.tournament.id;
    let mut all = Vec::new();
    for name in ["a", "b"] {
        let bytes = name.as_bytes();
        let artifact = models::Artifact {
            digest: hex::encode(Sha256::digest(bytes)),
            size_bytes: 1,
        };
        let model =
            models::register_hosted(conn, 1, &account, &tournament, name, &artifact, false).await;
        all.push(model.expect("new"));
    }
    Place {
        account,
        round: "btc-usd-5m-20240305T1200Z".parse().expect("an id"),
        models: all,
    }
}

fn runner(name: &str, account: &AccountId) -> Runner {
    Runner {
        name: name.to_owned(),
        account: account.clone(),
        version: "1".to_owned(),
        runtime: "ort".to_owned(),
        sandbox: "full".to_owned(),
    }
}

fn result(model: &Model, status: Status) -> ModelResult {
    ModelResult {
        model: model.id.clone(),
        status,
        detail: "why".to_owned(),
        cpu_ms: 1,
        wall_ms: 2,
    }
}

fn answer(model: &Model, status: Status, p: &[f64]) -> RunAnswer {
    RunAnswer {
        result: result(model, status),
        p: p.to_vec(),
    }
}

#[tokio::test]
async fn a_run_is_lent_once_answered_once_and_then_done() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let Place {
            account,
            round,
            models,
        } = place(&mut tx).await;
        let clock = MarketClock::live(WallClock::manual(NOW_US));
        let block = [1.0, 2.0, -3.5];
        let job = publish_run(&mut tx, 1, &round, DEADLINE_US, &block, 3, &models).await;
        let job = job.expect("published");
        let again = publish_run(&mut tx, 2, &round, DEADLINE_US, &[0.0], 1, &models).await;
        assert_eq!(again.expect("no change"), job);
        note_seen(&mut tx, NOW_US, &runner("r1", &account))
            .await
            .expect("seen");
        let taken = next_job(&mut tx, &clock, "r1")
            .await
            .expect("reads")
            .expect("a job");
        assert_eq!(
            (taken.kind, taken.round.as_ref()),
            (JobKind::Run, Some(&round))
        );
        assert_eq!(taken.budget, Duration::from_secs(60));
        assert_eq!((taken.features.rows, taken.features.columns), (1, 3));
        let bytes = feature_bytes(&mut tx, &taken.features.digest)
            .await
            .expect("reads");
        assert_eq!(
            bytes,
            Some(block.iter().flat_map(|x: &f32| x.to_le_bytes()).collect())
        );
        assert_eq!(next_job(&mut tx, &clock, "r2").await.expect("reads"), None);
        let first = [answer(&models[0], Status::Ok, &[0.5])];
        record_run(&mut tx, &clock, &taken, "r1", &first)
            .await
            .expect("recorded");
        let (rest, answered) = leased(&mut tx, &job, "r1", &account)
            .await
            .expect("still held");
        assert_eq!(
            (rest.models.len(), answered),
            (1, vec![models[0].id.clone()])
        );
        let second = [answer(&models[1], Status::LimitCpu, &[])];
        record_run(&mut tx, &clock, &rest, "r1", &second)
            .await
            .expect("recorded");
        let done = leased(&mut tx, &job, "r1", &account).await;
        assert!(matches!(done, Err(RunnerError::LeaseLost { .. })));
        let written = results_of_round(&mut tx, &round).await.expect("reads");
        let recorded = [first, second].concat().into_iter();
        let recorded: Vec<ModelResult> = recorded.map(|one| one.result).collect();
        assert_eq!(written, recorded);
    })
    .await;
}

#[tokio::test]
async fn another_runner_takes_a_lease_that_ended() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let Place {
            account,
            round,
            models,
        } = place(&mut tx).await;
        let wall = WallClock::manual(NOW_US);
        let clock = MarketClock::live(wall.clone());
        note_seen(&mut tx, NOW_US, &runner("r1", &account))
            .await
            .expect("seen");
        let job = publish_run(&mut tx, 1, &round, DEADLINE_US, &[1.0], 1, &models).await;
        let job = job.expect("published");
        next_job(&mut tx, &clock, "r1")
            .await
            .expect("reads")
            .expect("a job");
        note_seen(&mut tx, NOW_US, &runner("r2", &account))
            .await
            .expect("seen");
        wall.set(NOW_US + 29_999_999);
        assert!(!is_work_waiting(&mut tx, &clock, "r2").await.expect("reads"));
        wall.set(NOW_US + 30_000_000);
        assert!(
            !is_work_waiting(&mut tx, &clock, "r1").await.expect("reads"),
            "its own"
        );
        assert!(is_work_waiting(&mut tx, &clock, "r2").await.expect("reads"));
        let taken = next_job(&mut tx, &clock, "r2")
            .await
            .expect("reads")
            .expect("a job");
        assert_eq!(taken.id, job);
        let (slow, _) = leased(&mut tx, &job, "r1", &account)
            .await
            .expect("may still answer");
        let one = [answer(&models[0], Status::Ok, &[0.5])];
        record_run(&mut tx, &clock, &slow, "r1", &one)
            .await
            .expect("recorded");
        let (job, answered) = leased(&mut tx, &job, "r2", &account)
            .await
            .expect("not done");
        assert!(answered.is_empty(), "r2 may still say the same");
        let open = first_answers(&mut tx, &clock, &job, "r2")
            .await
            .expect("reads");
        assert_eq!(open, [models[1].id.clone()]);
        wall.set(DEADLINE_US);
        assert!(
            !is_work_waiting(&mut tx, &clock, "r3").await.expect("reads"),
            "too late"
        );
    })
    .await;
}

#[tokio::test]
async fn a_check_waits_for_runs_and_survives_a_failure_of_ours() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let Place {
            account,
            round,
            models,
        } = place(&mut tx).await;
        let wall = WallClock::manual(NOW_US);
        let clock = MarketClock::live(wall.clone());
        note_seen(&mut tx, NOW_US, &runner("r1", &account))
            .await
            .expect("seen");
        let shape = publish_check(&mut tx, 1, &models[0], &[1.0, 2.0], 3, 1).await;
        assert!(matches!(shape, Err(RunnerError::Shape { .. })));
        let check = publish_check(&mut tx, 1, &models[0], &[1.0, 2.0], 2, 1)
            .await
            .expect("new");
        publish_run(&mut tx, 2, &round, DEADLINE_US, &[1.0], 1, &models)
            .await
            .expect("new");
        let unlent = leased(&mut tx, &check, RUNNER, &account).await;
        assert!(matches!(unlent, Err(RunnerError::LeaseLost { .. })));
        let first = next_job(&mut tx, &clock, RUNNER)
            .await
            .expect("reads")
            .expect("a job");
        assert_eq!(first.kind, JobKind::Run);
        let second = next_job(&mut tx, &clock, "r1")
            .await
            .expect("reads")
            .expect("a job");
        assert_eq!(
            (second.id.as_str(), second.kind),
            (check.as_str(), JobKind::Check)
        );
        let ours = [result(&models[0], Status::PlatformError)];
        record_results(&mut tx, NOW_US, &second, &ours)
            .await
            .expect("recorded");
        assert!(
            !is_work_waiting(&mut tx, &clock, RUNNER)
                .await
                .expect("reads")
        );
        wall.set(NOW_US + RETRY_US);
        let third = next_job(&mut tx, &clock, "r1")
            .await
            .expect("reads")
            .expect("a job");
        assert_eq!(third.id, check);
        let foreign = [result(&models[1], Status::Ok)];
        let refused = record_results(&mut tx, NOW_US, &third, &foreign).await;
        assert!(matches!(refused, Err(RunnerError::NotInJob { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_runner_name_belongs_to_one_account() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let place = place(&mut tx).await;
        let bob = accounts::create(&mut tx, 1, "bob", "", false)
            .await
            .expect("account")
            .id;
        let ours = runner("r1", &place.account);
        note_seen(&mut tx, NOW_US, &ours).await.expect("seen");
        assert!(is_seen(&mut tx, NOW_US + 1, &ours).await.expect("reads"));
        assert!(
            !is_seen(&mut tx, NOW_US + SEEN_STEP_US, &ours)
                .await
                .expect("reads")
        );
        let taken = note_seen(&mut tx, NOW_US, &runner("r1", &bob)).await;
        assert!(matches!(taken, Err(RunnerError::NameTaken(_))));
        let clock = MarketClock::live(WallClock::manual(NOW_US));
        let block = [1.0];
        let job = publish_run(
            &mut tx,
            1,
            &place.round,
            DEADLINE_US,
            &block,
            1,
            &place.models,
        )
        .await;
        next_job(&mut tx, &clock, "r1")
            .await
            .expect("reads")
            .expect("a job");
        let stolen = leased(&mut tx, &job.expect("published"), "r1", &bob).await;
        assert!(matches!(stolen, Err(RunnerError::NameTaken(_))));
        assert_eq!(list(&mut tx).await.expect("reads"), [(ours, NOW_US)]);
    })
    .await;
}
