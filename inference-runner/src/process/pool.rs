//! The pool of warm children: each has loaded the runtime and never seen a model. A child does one
//! job and ends; then the place that it leaves is filled again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};

use super::model_process::{ModelProcess, StartCost, StartError};
use super::spawner::Spawner;
use super::{Job, RunnerConfig};
use crate::limits::{COLUMNS_MAX, Limits, ROWS_MAX};
use crate::outcome::{Outcome, Reason, Status};

/// Between two attempts to start a child, when the last one failed.
const RETRY: Duration = Duration::from_secs(1);

/// Runs models, each in a child of its own. Cheap to clone; the warm children end with the last
/// clone.
#[derive(Clone, Debug)]
pub struct ModelRunner(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: RunnerConfig,
    spawner: Spawner,
    /// `None` when no child is kept warm.
    warm: Option<Mutex<mpsc::Receiver<Warm>>>,
}

/// A child and the place it holds among the warm ones.
type Warm = (ModelProcess, OwnedSemaphorePermit);

impl ModelRunner {
    /// Starts the thread of the children and begins to warm some. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the machine refuses a thread.
    pub fn start(config: RunnerConfig) -> io::Result<Self> {
        let spawner = Spawner::start()?;
        let warm = (config.warm > 0).then(|| {
            let (sender, receiver) = mpsc::channel(config.warm);
            tokio::spawn(fill(spawner.clone(), config.clone(), sender));
            Mutex::new(receiver)
        });
        Ok(Self(Arc::new(Inner {
            config,
            spawner,
            warm,
        })))
    }

    /// Starts one child and ends it again: shows that the runtime can be loaded here.
    ///
    /// # Errors
    /// When no child gets ready; the message says why.
    pub async fn try_start(&self) -> Result<StartCost, StartError> {
        let process = ModelProcess::start(&self.0.spawner, &self.0.config).await?;
        Ok(process.cost())
    }

    /// Runs one job within `wall` at most, which may be shorter than the job's own limit. Never
    /// fails: what goes wrong is in the outcome.
    pub async fn run(&self, job: &Job, wall: Duration) -> Outcome {
        if let Some(refusal) = unfit(job) {
            return refusal;
        }
        let most = self.0.config.limits;
        let job = Job {
            limits: Limits {
                model_bytes: job.limits.model_bytes.min(most.model_bytes),
                address_space_bytes: job.limits.address_space_bytes.min(most.address_space_bytes),
                cpu_seconds: job.limits.cpu_seconds.min(most.cpu_seconds),
                wall: job.limits.wall.min(most.wall),
            },
            ..job.clone()
        };
        match self.child().await {
            // The place is filled again only when the model is done: starting a child beside it
            // would take the processor from it.
            Ok((process, _place)) => process.run(&job, wall.min(job.limits.wall)).await,
            Err(error) => {
                tracing::error!(%error, "no child for a model");
                Outcome::platform("the runner could not start a process for the model")
            }
        }
    }

    /// A warm child, or a new one when none is ready: several can start at once.
    async fn child(&self) -> Result<(ModelProcess, Option<OwnedSemaphorePermit>), StartError> {
        if let Some(warm) = &self.0.warm {
            while let Ok((mut process, place)) = warm.lock().await.try_recv() {
                if process.is_alive() {
                    return Ok((process, Some(place)));
                }
            }
        }
        let process = ModelProcess::start(&self.0.spawner, &self.0.config).await?;
        Ok((process, None))
    }
}

/// Starts a child for each free place, one after another, until nobody takes them any more.
async fn fill(spawner: Spawner, config: RunnerConfig, ready: mpsc::Sender<Warm>) {
    let places = Arc::new(Semaphore::new(config.warm));
    loop {
        let place = tokio::select! {
            () = ready.closed() => return,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let Ok(place) = place else { return };
        match ModelProcess::start(&spawner, &config).await {
            Ok(process) => {
                if ready.send((process, place)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "no warm child");
                if tokio::time::timeout(RETRY, ready.closed()).await.is_ok() {
                    return;
                }
            }
        }
    }
}

/// What cannot even be sent to a child.
fn unfit(job: &Job) -> Option<Outcome> {
    let model_bytes = job.model.len() as u64;
    if model_bytes > job.limits.model_bytes {
        let message = format!(
            "the file has {model_bytes} bytes; at most {} are allowed",
            job.limits.model_bytes
        );
        let fix = "use fewer or smaller layers, or fewer trees";
        return Some(Outcome::failed(
            Status::LoadError,
            Reason::new("model-bytes", message, fix),
        ));
    }
    let features = &job.features;
    let expected = features
        .rows
        .checked_mul(features.columns)?
        .checked_mul(4)?;
    let sizes_fit = (1..=ROWS_MAX).contains(&features.rows)
        && (1..=COLUMNS_MAX).contains(&features.columns)
        && features.bytes.len() == expected;
    (!sizes_fit).then(|| {
        Outcome::platform(format!(
            "the features are {} bytes for {} rows of {} columns",
            features.bytes.len(),
            features.rows,
            features.columns
        ))
    })
}
