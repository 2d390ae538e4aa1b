//! Runs models, each in a process of its own that the fork server makes for it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::fork_server::{ForkServer, StartCost, StartError};
use super::model_process::ModelProcess;
use super::spawner::Spawner;
use super::{Job, RunnerConfig};
use crate::confine::SandboxLevel;
use crate::limits::{COLUMNS_MAX, Limits, ROWS_MAX};
use crate::outcome::{Outcome, Reason, Status};

/// Runs models. Cheap to clone; the fork server ends with the last clone and the last job.
#[derive(Clone, Debug)]
pub struct ModelRunner(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: RunnerConfig,
    spawner: Spawner,
    /// Started when it is first asked for, and again when it has ended.
    server: Mutex<Option<Arc<ForkServer>>>,
}

impl ModelRunner {
    /// Starts the thread of the children; the fork server comes with the first job or with
    /// [`ModelRunner::try_start`].
    ///
    /// # Errors
    /// When the machine refuses a thread.
    pub fn start(config: RunnerConfig) -> io::Result<Self> {
        Ok(Self(Arc::new(Inner {
            config,
            spawner: Spawner::start()?,
            server: Mutex::new(None),
        })))
    }

    /// Makes sure that the fork server runs: shows that the runtime can be loaded here and what
    /// confines models.
    ///
    /// # Errors
    /// When it does not get ready; the message says why.
    pub async fn try_start(&self) -> Result<StartCost, StartError> {
        Ok(self.server().await?.cost)
    }

    /// What confines every model here; `None` when nothing can be run.
    pub async fn sandbox(&self) -> Option<SandboxLevel> {
        Some(self.try_start().await.ok()?.sandbox)
    }

    /// The fork server's process; `None` when nothing can be run.
    pub async fn fork_server_id(&self) -> Option<u32> {
        self.server().await.ok()?.process_id()
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
                cpu: job.limits.cpu.min(most.cpu),
                wall: job.limits.wall.min(most.wall),
            },
            ..job.clone()
        };
        match self.process().await {
            Ok(process) => process.run(&job, wall.min(job.limits.wall)).await,
            Err(error) => {
                tracing::error!(%error, "no process for a model");
                Outcome::platform("the runner could not start a process for the model")
            }
        }
    }

    async fn process(&self) -> Result<ModelProcess, StartError> {
        ModelProcess::fork(self.server().await?)
    }

    async fn server(&self) -> Result<Arc<ForkServer>, StartError> {
        let mut held = self.0.server.lock().await;
        if let Some(server) = held.as_ref().filter(|server| server.is_alive()) {
            return Ok(Arc::clone(server));
        }
        if held.take().is_some() {
            tracing::error!("the fork server has ended; starting another");
        }
        let server = Arc::new(ForkServer::start(&self.0.spawner, &self.0.config).await?);
        *held = Some(Arc::clone(&server));
        Ok(server)
    }
}

/// What cannot even be sent to a process.
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
