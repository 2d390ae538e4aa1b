//! One job of the server from its arrival to its last result. Results leave as they come; what is
//! not done shortly before the deadline is killed and reported.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Shared;
use super::server::ServerError;
use super::wire::{Kind, Lease, ModelRef, ModelResult};
use crate::check::{self, File, REPEATS};
use crate::device::DeviceRunner;
use crate::digest::Digest;
use crate::limits::{COLUMNS_MAX, ROWS_MAX};
use crate::outcome::{Outcome, Status};
use crate::process::{Features, Job, Task, Turns};
use crate::stopwatch::{Stopwatch, pause};

/// Kept of the budget for sending the last results; a tenth when the budget is short.
const SENDING: Duration = Duration::from_millis(500);

/// Results and probabilities in one request; the server takes a megabyte.
const BATCH_MAX: usize = 32;
const BATCH_ROWS_MAX: usize = 20_000;

/// Between two attempts to send.
const PAUSE: Duration = Duration::from_millis(250);

/// Models may take until `deadline`, counted from the arrival.
#[derive(Clone, Copy)]
struct Budget {
    watch: Stopwatch,
    deadline: Duration,
}

impl Budget {
    fn left(&self) -> Duration {
        self.watch.left_of(self.deadline)
    }
}

pub(super) async fn work(shared: Arc<Shared>, lease: Lease) {
    let whole = Duration::from_millis(lease.wall_budget_ms);
    let budget = Budget {
        watch: Stopwatch::start(),
        deadline: whole.saturating_sub(SENDING.min(whole / 10)),
    };
    let (results, arriving) = mpsc::channel(BATCH_MAX);
    let sending = send_results(&shared, &lease, arriving, whole, budget.watch);
    let (ok, ()) = tokio::join!(sending, run_models(&shared, &lease, budget, results));
    tracing::info!(
        lease = lease.lease,
        kind = ?lease.kind,
        round = lease.round.as_deref().unwrap_or("-"),
        models = lease.models.len(),
        ok,
        wall_ms = budget.watch.elapsed().as_millis(),
        "job done"
    );
}

async fn run_models(
    shared: &Arc<Shared>,
    lease: &Lease,
    budget: Budget,
    results: mpsc::Sender<ModelResult>,
) {
    let features = match features(shared, lease, budget).await {
        Ok(features) => features,
        Err(what) => {
            tracing::error!(lease = lease.lease, what, "no features for a job");
            for model in &lease.models {
                let result = ModelResult::new(model.model.clone(), Outcome::platform(&what));
                drop(results.send(result).await);
            }
            return;
        }
    };
    let mut running = JoinSet::new();
    for model in &lease.models {
        let shared = Arc::clone(shared);
        let model = model.clone();
        let features = features.clone();
        let kind = lease.kind;
        let results = results.clone();
        running.spawn(async move {
            let result = one_model(&shared, model, features, kind, budget).await;
            if result.status == Status::PlatformError {
                tracing::error!(model = result.model, what = result.detail, "model not run");
            }
            // The receiver lives until every sender is gone.
            drop(results.send(result).await);
        });
    }
    drop(results);
    while running.join_next().await.is_some() {}
}

async fn features(shared: &Shared, lease: &Lease, budget: Budget) -> Result<Features, String> {
    let wanted = lease.features;
    if !(1..=ROWS_MAX).contains(&wanted.rows) || !(1..=COLUMNS_MAX).contains(&wanted.columns) {
        return Err(format!(
            "{} rows of {} columns are beyond the runner's {ROWS_MAX} by {COLUMNS_MAX}",
            wanted.rows, wanted.columns
        ));
    }
    let length = wanted.rows * wanted.columns * size_of::<f32>();
    let fetching = fetch(shared, wanted.digest, length as u64);
    match tokio::time::timeout(budget.left(), fetching).await {
        Ok(Ok(bytes)) if bytes.len() == length => Ok(Features {
            rows: wanted.rows,
            columns: wanted.columns,
            bytes: bytes.into(),
        }),
        Ok(Ok(bytes)) => Err(format!(
            "the features are {} bytes; {} rows of {} columns have {length}",
            bytes.len(),
            wanted.rows,
            wanted.columns
        )),
        Ok(Err(error)) => Err(format!("the features could not be fetched: {error}")),
        Err(_) => Err("the features did not arrive before the deadline".to_owned()),
    }
}

async fn one_model(
    shared: &Shared,
    model: ModelRef,
    features: Features,
    kind: Kind,
    budget: Budget,
) -> ModelResult {
    let longest = shared.limits.wall;
    let (mut turns, task) = match kind {
        Kind::Run => (Turns::new(&shared.round_workers, longest), Task::Run),
        Kind::Check => (
            Turns::single(&shared.check_workers, longest),
            Task::Check { repeats: REPEATS },
        ),
        Kind::Diagnose => (Turns::single(&shared.check_workers, longest), Task::Run),
    };
    let not_run = |what: String| ModelResult::new(model.model.clone(), Outcome::platform(what));
    while let Some(turn) = turns.next(budget.left()).await {
        let fetching = tokio::time::timeout(budget.left(), artifact(shared, &model)).await;
        let bytes = match fetching {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return not_run(format!("no artifact: {error}")),
            Err(_) => return not_run("the artifact did not arrive before the deadline".to_owned()),
        };
        let file = File {
            digest: model.artifact,
            bytes: bytes.len(),
        };
        let (rows, columns) = (features.rows, features.columns);
        let job = Job {
            task,
            model: bytes.into(),
            features: features.clone(),
            limits: shared.limits,
        };
        let wall = turn.wall.min(budget.left());
        let gains = kind == Kind::Run && model.gains_from_device();
        let device = shared.device.as_ref().filter(|_| gains);
        let outcome = match device {
            Some(device) => device.run(model.artifact, &job, wall).await,
            None => shared.runner.run(&job, wall).await,
        };
        if !turn.settles(&outcome) && !budget.left().is_zero() {
            continue;
        }
        let outcome = turn.judged(outcome, wall);
        let sandbox = shared.runner.sandbox().await;
        let runtime = shared.server.runtime();
        let card = (kind == Kind::Check)
            .then(|| check::card(&outcome, file, rows, columns, runtime, sandbox));
        return ModelResult {
            card,
            environment: device.map(DeviceRunner::environment),
            ..ModelResult::new(model.model, outcome)
        };
    }
    not_run("the runner had no free worker before the deadline".to_owned())
}

async fn artifact(shared: &Shared, model: &ModelRef) -> Result<Vec<u8>, ServerError> {
    if let Some(bytes) = shared.cache.get(model.artifact, &shared.clock) {
        return Ok(bytes);
    }
    let most = shared.limits.model_bytes;
    let bytes = fetch(shared, model.artifact, most).await?;
    shared.cache.put(model.artifact, &bytes, &shared.clock);
    Ok(bytes)
}

/// Tries until the caller's time is over while the server cannot be reached.
async fn fetch(shared: &Shared, digest: Digest, most: u64) -> Result<Vec<u8>, ServerError> {
    loop {
        match shared.server.blob(digest, most).await {
            Err(ServerError::Unreachable { .. } | ServerError::Unreadable { .. }) => {
                pause(PAUSE).await;
            }
            result => return result,
        }
    }
}

/// Sends results as they arrive, several in a request when they come faster than requests return.
/// Answers how many models answered.
async fn send_results(
    shared: &Shared,
    lease: &Lease,
    mut arriving: mpsc::Receiver<ModelResult>,
    whole: Duration,
    watch: Stopwatch,
) -> usize {
    let mut ok = 0;
    let mut batch = Vec::new();
    let batch_max = (BATCH_ROWS_MAX / lease.features.rows.max(1)).clamp(1, BATCH_MAX);
    while arriving.recv_many(&mut batch, batch_max).await > 0 {
        ok += batch
            .iter()
            .filter(|result| result.status == Status::Ok)
            .count();
        send_batch(shared, &lease.lease, &batch, whole, watch).await;
        batch.clear();
    }
    ok
}

/// Tries again until the budget is over; a server that restarts is back within it.
async fn send_batch(
    shared: &Shared,
    lease: &str,
    batch: &[ModelResult],
    whole: Duration,
    watch: Stopwatch,
) {
    while let Err(error) = shared.server.post_results(lease, batch).await {
        let hopeless = match &error {
            ServerError::Refused { status, .. } => status.is_client_error(),
            ServerError::KeyRefused { .. } => true,
            _ => false,
        };
        if hopeless || watch.left_of(whole).is_zero() {
            tracing::error!(lease, results = batch.len(), %error, "results were not delivered");
            return;
        }
        pause(PAUSE).await;
    }
}
