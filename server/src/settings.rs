//! Configuration, read once. Each subsystem receives only its own struct.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use domain::{MarketClock, WallClock};
use serde::{Deserialize, Serialize};

use crate::limits::{LimitSettings, Networks};

/// What the serving process needs to know.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// Where artifacts, keys and the embedded database lie.
    pub data_dir: PathBuf,
    /// Folder of the public record, served as it is.
    pub record_dir: PathBuf,
    /// Address of the API and the pages.
    pub listen: SocketAddr,
    /// JSON-RPC address of the chain, if there is one to follow.
    pub rpc_url: Option<String>,
    /// Whether prices are a replay; pages then say that its venues come from one recording.
    pub is_replay: bool,
    /// Where recorded prices end, market microseconds: no round ends later.
    pub replay_end_us: Option<i64>,
    /// How often the chain is polled.
    pub chain_poll: Duration,
    /// The share of a round's hosted models that run on two runners, ppm.
    pub replicated_ppm: u32,
    /// The runner's executable that checks files for anybody, if it is there.
    pub runner: Option<PathBuf>,
    /// How much each caller may ask.
    pub limits: LimitSettings,
    /// Proxies whose word about a request's origin is believed.
    pub trusted_proxies: Networks,
    /// How often a stream of events says that it lives, wall time.
    pub heartbeat: Duration,
    /// Whether webhooks may be at private addresses and without TLS: the demo and tests.
    pub webhooks_to_private: bool,
}

/// The market clock of a data directory, `clock.json`. Absent: market time is wall time.
///
/// Every process of one installation reads the same file, so that all agree on the time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClockFile {
    /// Wall microseconds at which the market clock showed `market_origin_us`.
    pub wall_origin_us: i64,
    /// Market microseconds at that moment.
    pub market_origin_us: i64,
    /// Market seconds per wall second.
    pub speed: f64,
}

impl ClockFile {
    /// The clock that the file describes.
    #[must_use]
    pub fn clock(&self, wall: WallClock) -> MarketClock {
        MarketClock::replay(wall, self.wall_origin_us, self.market_origin_us, self.speed)
    }
}

/// The market clock of a data directory: its `clock.json`, or the wall clock.
///
/// # Errors
/// When the file is there and is no clock file.
pub fn market_clock(data: &Path) -> anyhow::Result<MarketClock> {
    let path = data.join("clock.json");
    let wall = WallClock::system();
    if !path.is_file() {
        return Ok(MarketClock::live(wall));
    }
    let file: ClockFile =
        serde_json::from_str(&std::fs::read_to_string(&path)?).with_context(|| {
            format!(
                "{} is not a clock file; remove it to use the wall clock",
                path.display()
            )
        })?;
    Ok(file.clock(wall))
}

/// Where the raw frames of live feeds lie in a data directory.
#[must_use]
pub fn frames_folder(data: &Path) -> PathBuf {
    data.join("frames")
}

/// The runner's executable: the named one, else the one beside this executable.
///
/// # Errors
/// Says how to build it when it is missing.
pub fn runner_beside(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_path_buf(),
        None => std::env::current_exe()?.with_file_name("inference-runner"),
    };
    anyhow::ensure!(
        path.is_file(),
        "{} is missing: build it with `cargo build --release -p inference-runner`, or name it with --runner PATH",
        path.display()
    );
    Ok(path)
}

/// Writes a secret so that only its owner can read it.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
