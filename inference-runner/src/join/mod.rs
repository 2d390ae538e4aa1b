//! The client of a server: asks for jobs, runs them, answers before the deadline.
//!
//! Owns the talk with the server and the cache of artifacts. Holds the runner's key; the children
//! never see it.

mod benchmark;
mod cache;
mod heart;
mod lease;
mod machine;
mod server;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::WallClock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::device::{Device, DeviceRunner};
use crate::limits::Limits;
use crate::process::ModelRunner;

pub use benchmark::{Benchmark, BenchmarkError, measure, try_device};
pub use cache::{ArtifactCache, CacheError};
pub use server::{Server, ServerError};

/// Leases worked on at once; a check that takes long must not keep a round waiting.
const LEASES_MAX: usize = 8;

/// Shortest and longest pause after the server could not be reached.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What a runner needs to join a server.
#[derive(Debug)]
pub struct JoinConfig {
    /// Shown to the server's operator.
    pub name: String,
    /// Models run at once.
    pub workers: usize,
    /// Where dense models run, when that is not the sandbox.
    pub device: Option<DeviceRunner>,
    /// What the server splits rounds by.
    pub benchmark: Benchmark,
    pub cache_folder: PathBuf,
    pub cache_bytes: u64,
    pub limits: Limits,
}

/// What the runner tells of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub(super) device: Device,
    pub(super) workers: usize,
    pub(super) benchmark: Benchmark,
}

/// Parts that the leases share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) server: Server,
    pub(super) runner: ModelRunner,
    /// For dense models of rounds; checks are always in the sandbox.
    pub(super) device: Option<DeviceRunner>,
    pub(super) cache: ArtifactCache,
    pub(super) limits: Limits,
    pub(super) clock: WallClock,
    /// Models of rounds run at once.
    pub(super) round_workers: Semaphore,
    /// Models of checks run at once, beside the rounds, so that no check holds up a round.
    pub(super) check_workers: Semaphore,
    /// Whether the server knows what this runner is.
    pub(super) is_registered: AtomicBool,
    /// Between two heartbeats.
    pub(super) pace_ms: AtomicU64,
}

impl Shared {
    fn new(
        server: Server,
        runner: ModelRunner,
        config: JoinConfig,
        clock: WallClock,
    ) -> Result<Self, CacheError> {
        let first_pace_ms = u64::try_from(heart::FIRST_PACE.as_millis()).unwrap_or_default();
        Ok(Self {
            server,
            runner,
            device: config.device,
            cache: ArtifactCache::open(config.cache_folder, config.cache_bytes)?,
            limits: config.limits,
            clock,
            round_workers: Semaphore::new(config.workers.max(1)),
            check_workers: Semaphore::new(1),
            is_registered: AtomicBool::new(false),
            pace_ms: AtomicU64::new(first_pace_ms),
        })
    }
}

/// Runs jobs until `stop` turns true, then finishes what it holds.
///
/// # Errors
/// When the server refuses the key or the name ([`ServerError::is_final`]); every other trouble
/// with the server is logged once and tried again.
pub async fn join(
    server: Server,
    runner: ModelRunner,
    config: JoinConfig,
    clock: WallClock,
    mut stop: watch::Receiver<bool>,
) -> Result<(), JoinError> {
    let own = Own {
        device: config.device.as_ref().map_or(Device::Cpu, |_| Device::Cuda),
        workers: config.workers,
        benchmark: config.benchmark,
    };
    let mut trouble = Trouble::new(&config.name);
    let shared = Arc::new(Shared::new(server, runner, config, clock)?);
    let (drain, mut draining) = watch::channel(false);
    let beating = heart::beat(Arc::clone(&shared), stop.clone(), drain.clone());
    let heart = tokio::spawn(beating);
    let mut leases = JoinSet::new();
    let result = loop {
        if *stop.borrow() {
            break Ok(());
        }
        if leases.len() >= LEASES_MAX
            && let Some(ended) = leases.join_next().await
        {
            note_panic(ended);
        }
        while let Some(ended) = leases.try_join_next() {
            note_panic(ended);
        }
        if *draining.borrow() {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                _ = draining.wait_for(|drain| !*drain) => {}
            }
            continue;
        }
        // Asked for more only when all that is here has begun: what waits here, another could run.
        tokio::select! {
            begun = shared.round_workers.acquire() => drop(begun),
            _ = stop.wait_for(|stop| *stop) => continue,
            _ = draining.wait_for(|drain| *drain) => continue,
        }
        match ask(&shared, &own, &drain).await {
            Ok(answer) => {
                trouble.over(shared.server.base());
                if let Some(lease) = answer {
                    leases.spawn(lease::work(Arc::clone(&shared), lease));
                }
            }
            Err(error) if error.is_final() => break Err(error.into()),
            Err(error) => {
                let pause = trouble.pause(&error.to_string(), shared.clock.now_us());
                // The pause ends early when the runner is asked to stop.
                drop(tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await);
            }
        }
    };
    if !leases.is_empty() {
        tracing::info!(
            leases = leases.len(),
            "draining: finishing the jobs at hand"
        );
    }
    while let Some(ended) = leases.join_next().await {
        note_panic(ended);
    }
    heart.abort();
    result
}

/// The next job, after a registration where the server does not know this runner.
async fn ask(
    shared: &Shared,
    own: &Own,
    drain: &watch::Sender<bool>,
) -> Result<Option<wire::Lease>, ServerError> {
    if !shared.is_registered.load(Ordering::Relaxed) {
        let registered = shared.server.register(own).await?;
        let pace_ms = registered.heartbeat_ms.clamp(100, 60_000);
        shared.pace_ms.store(pace_ms, Ordering::Relaxed);
        shared.is_registered.store(true, Ordering::Relaxed);
        drain.send_replace(registered.drain);
        if registered.drain {
            tracing::info!("draining: the operator asked; nothing is taken");
            return Ok(None);
        }
    }
    shared.server.next().await
}

/// A lease has no result of its own; one that panicked is late for the server, and known here.
fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a job was dropped");
    }
}

#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// The current trouble with the server: logged when it changes, paused for while it lasts.
struct Trouble {
    message: Option<String>,
    attempts: u32,
    /// Differs between runners, so that they do not come back all at once.
    seed: u64,
}

impl Trouble {
    fn new(name: &str) -> Self {
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self {
            message: None,
            attempts: 0,
            seed,
        }
    }

    fn over(&mut self, base: &str) {
        if self.message.take().is_some() || self.attempts == 0 {
            tracing::info!(server = base, "connected");
        }
        self.attempts = 1;
    }

    /// Doubles from 250 ms to 5 s; half of it depends on the runner and the moment.
    fn pause(&mut self, message: &str, now_us: i64) -> Duration {
        if self.message.as_deref() != Some(message) {
            tracing::warn!("{message}; trying again");
            self.message = Some(message.to_owned());
            self.attempts = 0;
        }
        let whole = PAUSE_MIN
            .saturating_mul(1 << self.attempts.min(5))
            .min(PAUSE_MAX);
        self.attempts = self.attempts.saturating_add(1);
        self.seed = (self.seed ^ now_us.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let part = u32::try_from(self.seed >> 48).unwrap_or_default();
        let jittered = whole / 2 + (whole / 2).saturating_mul(part) / 65_536;
        jittered.max(PAUSE_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_within_their_bounds() {
        let mut trouble = Trouble::new("a");
        let pauses: Vec<Duration> = (0..20).map(|now| trouble.pause("down", now)).collect();
        assert!(
            pauses
                .iter()
                .all(|pause| (PAUSE_MIN..=PAUSE_MAX).contains(pause))
        );
        assert!(pauses[10] >= PAUSE_MAX / 2);
        assert!(pauses[0] < PAUSE_MAX / 2);
        assert_ne!(pauses[10], pauses[11]);
    }
}
