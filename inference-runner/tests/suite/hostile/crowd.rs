//! Many hostile models at once: honest ones keep their deadline.

use std::sync::Arc;
use std::time::Duration;

use domain::WallClock;
use inference_runner::check::known_rows;
use inference_runner::{Job, Limits, ModelRunner, Status, Task, Turns};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::files;
use crate::double::{COLUMNS, model, runner};

const HOSTILE: usize = 200;
const HONEST: usize = 40;

/// What a round gives its models.
const DEADLINE_US: i64 = 20_000_000;

fn job(model: Vec<u8>) -> Job {
    Job {
        task: Task::Unscanned,
        model: model.into(),
        features: known_rows(16, COLUMNS),
        limits: Limits {
            address_space_bytes: 512 << 20,
            cpu: Duration::from_millis(300),
            wall: Duration::from_secs(1),
            ..Limits::DEFAULT
        },
    }
}

/// 200 models that spin, swell or die, given to two workers before 40 honest ones.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_hostile_jobs_hold_up_no_honest_one() {
    let runner: ModelRunner = runner();
    let workers = Arc::new(Semaphore::new(2));
    let hostile = [
        job(files::growth::endless_loop()),
        job(files::growth::concat_doubling()),
        job(files::growth::function_billion_laughs()),
        job(files::outside::external_data_parent()),
    ];
    let honest = job(model("dense_n2"));
    let mut running = JoinSet::new();
    let jobs = (0..HOSTILE).map(|place| (hostile[place % hostile.len()].clone(), false));
    for (job, is_honest) in jobs.chain((0..HONEST).map(|_| (honest.clone(), true))) {
        let (runner, workers) = (runner.clone(), Arc::clone(&workers));
        running.spawn(async move { one(&runner, &workers, &job, is_honest).await });
    }
    let all = running.join_all().await;
    let slowest = all.iter().filter(|one| one.0).map(|one| one.2).max();
    println!("the slowest honest model was done after {slowest:?} µs");
    for (is_honest, status, took_us) in all {
        assert_eq!(is_honest, status == Some(Status::Ok), "{status:?}");
        assert!(!is_honest || took_us <= DEADLINE_US);
    }
}

/// As a lease of the runner does it: turns until the deadline. `None` when there was no worker.
async fn one(
    runner: &ModelRunner,
    workers: &Semaphore,
    job: &Job,
    is_honest: bool,
) -> (bool, Option<Status>, i64) {
    let clock = WallClock::system();
    let start_us = clock.now_us();
    let took_us = || clock.now_us() - start_us;
    let left = || Duration::from_micros((DEADLINE_US - took_us()).max(0).unsigned_abs());
    let mut turns = Turns::new(workers, job.limits.wall);
    while let Some(turn) = turns.next(left()).await {
        let outcome = runner.run(job, turn.wall.min(left())).await;
        if turn.settles(&outcome) || left().is_zero() {
            return (is_honest, Some(outcome.status), took_us());
        }
    }
    (is_honest, None, took_us())
}
