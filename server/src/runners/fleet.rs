//! The runners that are there: what each registered, its latest heartbeat, how it has done.
//!
//! Never lends anything: `runs` asks here who is live and tells what they did.

use domain::AccountId;

use super::reputation::{self, Deed};
use super::share::Candidate;
use super::{Runner, RunnerError, fleet_store, runs_store, store};
use crate::db::Conn;

/// A runner sends a heartbeat this often.
pub const BEAT_MS: u64 = 2_000;
/// A runner that was not heard for this long gets no share of a run.
pub const LIVE_US: i64 = 7_000_000;
/// The profile of a runner that has not said.
pub const CPU_PROFILE: &str = "cpu-v1";

/// What a runner registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// `cpu` or `cuda`.
    pub device: String,
    /// Its execution profile: `cpu-v1`, `gpu-v1`.
    pub profile: String,
    /// Processor cores.
    pub cores: i64,
    /// Memory, MB.
    pub memory_mb: i64,
    /// Models that it runs at once.
    pub workers: i64,
    /// What it measured in its sandbox when it started.
    pub benchmark: Benchmark,
}

/// A fixed block of rows through two fixed models, in the runner's sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Benchmark {
    /// Half of the runs of the tree model took at most this, microseconds.
    pub tree_us: i64,
    /// The same of the dense model.
    pub dense_us: i64,
    /// Models per 1000 seconds, all workers at work, a process for each.
    pub rate_milli: i64,
}

/// A heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Models that could start now.
    pub free_workers: i64,
    /// The machine's load average of a minute, thousandths.
    pub load_milli: i64,
    /// Whether it takes nothing new.
    pub is_draining: bool,
}

/// A runner as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Name, account, build, runtime, sandbox level.
    pub runner: Runner,
    /// When it last asked for work or registered, wall microseconds.
    pub seen_us: i64,
    /// What it registered; the defaults of a runner that only asks for work.
    pub machine: Machine,
    /// When it registered; 0: never.
    pub registered_us: i64,
    /// The latest heartbeat.
    pub pulse: Pulse,
    /// When that came; 0: never.
    pub beat_us: i64,
    /// When the operator asked it to take nothing new; 0: not asked.
    pub drain_asked_us: i64,
    /// How it has done.
    pub record: Record,
}

/// How a runner has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Models answered in time.
    pub on_time: i64,
    /// Models whose lease ended first.
    pub missed: i64,
    /// Models answered otherwise than two others.
    pub disagreed: i64,
    /// Reputation at `reputation_us`, ppm.
    pub reputation_ppm: i64,
    /// When that was, wall microseconds.
    pub reputation_us: i64,
}

impl Member {
    /// When it was last heard, wall microseconds.
    #[must_use]
    pub fn heard_us(&self) -> i64 {
        self.seen_us.max(self.beat_us)
    }

    /// Whether it was heard lately.
    #[must_use]
    pub fn is_live(&self, wall_us: i64) -> bool {
        wall_us.saturating_sub(self.heard_us()) < LIVE_US
    }

    /// Whether it takes nothing new, by itself or because it was asked.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.pulse.is_draining || self.drain_asked_us > 0
    }

    /// Its reputation now, ppm.
    #[must_use]
    pub fn reputation_ppm(&self, wall_us: i64) -> i64 {
        let since_us = wall_us.saturating_sub(self.record.reputation_us);
        reputation::now(self.record.reputation_ppm, since_us)
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub(super) fn candidate(&self, wall_us: i64) -> Candidate {
        let reputation_ppm = self.reputation_ppm(wall_us);
        let workers = self.machine.workers.max(1);
        let free = self.pulse.free_workers.clamp(0, workers);
        // A worker's speed, so that what is busy does not count as capacity.
        let rate = self.machine.benchmark.rate_milli.max(1) as f64 / workers as f64;
        Candidate {
            name: self.runner.name.clone(),
            weight: rate * free as f64 * reputation_ppm as f64,
            is_cuda: self.machine.device == "cuda",
            is_trusted: reputation_ppm >= reputation::TRUSTED_PPM,
        }
    }
}

/// Stores what a runner is. It was seen, and its record stays; what it was lent before it started
/// again is over, so that others have it at once.
///
/// # Errors
/// [`RunnerError::NameTaken`].
pub async fn register(
    conn: &mut Conn,
    wall_us: i64,
    runner: &Runner,
    machine: &Machine,
) -> Result<Member, RunnerError> {
    own(conn, &runner.name, &runner.account).await?;
    store::put_runner(conn, runner, wall_us).await?;
    fleet_store::ensure(conn, &runner.name, wall_us).await?;
    fleet_store::set_machine(conn, &runner.name, machine, wall_us).await?;
    runs_store::end_leases(conn, &runner.name, wall_us).await?;
    member(conn, &runner.name).await
}

/// Stores a heartbeat; answers whether the runner is asked to take nothing new.
///
/// # Errors
/// [`RunnerError::UnknownRunner`] when it has not registered, [`RunnerError::NameTaken`].
pub async fn beat(
    conn: &mut Conn,
    wall_us: i64,
    name: &str,
    account: &AccountId,
    pulse: Pulse,
) -> Result<bool, RunnerError> {
    own(conn, name, account).await?;
    let known = member(conn, name).await?;
    if known.registered_us == 0 {
        return Err(RunnerError::UnknownRunner(name.to_owned()));
    }
    fleet_store::set_pulse(conn, name, pulse, wall_us).await?;
    Ok(known.drain_asked_us > 0)
}

/// Asks a runner to take nothing new, or lets it work again.
///
/// # Errors
/// [`RunnerError::UnknownRunner`].
pub async fn ask_to_drain(
    conn: &mut Conn,
    wall_us: i64,
    name: &str,
    is_asked: bool,
) -> Result<(), RunnerError> {
    let since_us = if is_asked { wall_us } else { 0 };
    if !fleet_store::set_drain(conn, name, since_us).await? {
        return Err(RunnerError::UnknownRunner(name.to_owned()));
    }
    Ok(())
}

/// Every runner, by name, at most 1000.
///
/// # Errors
/// Database errors.
pub async fn members(conn: &mut Conn) -> Result<Vec<Member>, RunnerError> {
    Ok(fleet_store::members(conn).await?)
}

pub(super) async fn member(conn: &mut Conn, name: &str) -> Result<Member, RunnerError> {
    let known = fleet_store::member(conn, name).await?;
    known.ok_or_else(|| RunnerError::UnknownRunner(name.to_owned()))
}

/// Notes what a runner did; one that never registered or asked has no record.
pub(super) async fn credit(
    conn: &mut Conn,
    wall_us: i64,
    name: &str,
    deed: Deed,
) -> Result<(), RunnerError> {
    let Some(known) = fleet_store::member(conn, name).await? else {
        return Ok(());
    };
    let mut record = known.record;
    let since_us = wall_us.saturating_sub(record.reputation_us);
    record.reputation_ppm = reputation::after(record.reputation_ppm, since_us, deed);
    record.reputation_us = wall_us;
    let (count, models) = match deed {
        Deed::OnTime(models) => (&mut record.on_time, models),
        Deed::Missed(models) => (&mut record.missed, models),
        Deed::False(models) => (&mut record.disagreed, models),
    };
    *count = count.saturating_add(i64::try_from(models).unwrap_or(i64::MAX));
    fleet_store::set_record(conn, name, record).await?;
    Ok(())
}

async fn own(conn: &mut Conn, name: &str, account: &AccountId) -> Result<(), RunnerError> {
    let known = store::runner(conn, name).await?;
    if known.is_some_and(|(known, _)| known.account != *account) {
        return Err(RunnerError::NameTaken(name.to_owned()));
    }
    Ok(())
}
