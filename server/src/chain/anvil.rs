//! The development chain as a child of this process: started, kept at market time, and ended so
//! that it writes its state. Never starts a shim or a shell: the death signal reaches the native
//! file only.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::{Address, U256};
use anyhow::{Context, bail};
use domain::MarketClock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Chain, ChainError, connect};
use crate::wall::pause;

/// The chain's id in development.
pub const CHAIN_ID: u64 = 31_337;
/// The pinned release, as the set-up stores it.
const FOLDER: &str = "anvil-1.7.1";
/// Blocks come at most this often, wall time.
const FASTEST_BLOCK: Duration = Duration::from_millis(50);
/// Starting and stopping take at most this long.
const LIMIT: Duration = Duration::from_secs(20);
/// Between two looks at a child that starts.
const LOOK: Duration = Duration::from_millis(20);

/// How to start.
#[derive(Clone, Debug)]
pub struct AnvilSettings {
    /// The native file, from [`locate`].
    pub program: PathBuf,
    /// Where the state is kept between runs; `None` forgets it.
    pub state: Option<PathBuf>,
    /// Time of the first block, market seconds.
    pub timestamp_s: i64,
    /// Port on 127.0.0.1, or `None` for a free one.
    pub port: Option<u16>,
}

/// A running development chain. Dropping it asks the child to end without waiting.
#[derive(Debug)]
pub struct Anvil {
    url: String,
    running: Arc<Mutex<Option<Pid>>>,
    ended: oneshot::Receiver<()>,
}

/// The native anvil file: `flag`, else the environment's `FORETOKEN_ANVIL`, else the set-up's.
///
/// # Errors
/// When no such file exists; the message names the command that fetches it.
pub fn locate(flag: Option<&Path>) -> anyhow::Result<PathBuf> {
    let variable = std::env::var_os("FORETOKEN_ANVIL").filter(|value| !value.is_empty());
    if let Some(named) = flag.map(Path::to_path_buf).or(variable.map(PathBuf::from)) {
        if named.is_file() {
            return Ok(named);
        }
        bail!(
            "{} is no file; correct FORETOKEN_ANVIL or unset it",
            named.display()
        );
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty());
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = cache
        .map(PathBuf::from)
        .or(home)
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    let program = cache.join("foretoken/tools").join(FOLDER).join("anvil");
    if !program.is_file() {
        bail!(
            "{} is missing; run `cargo xtask setup demo`",
            program.display()
        );
    }
    Ok(program)
}

impl Anvil {
    /// Starts the chain and waits until it answers.
    ///
    /// # Errors
    /// When the child cannot start, ends at once, or does not answer in time.
    pub async fn start(settings: AnvilSettings) -> anyhow::Result<(Self, Chain)> {
        let port = settings.port.map_or_else(free_port, Ok)?;
        let url = format!("http://127.0.0.1:{port}");
        let running = Arc::new(Mutex::new(None));
        let (started, wait_for_start) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let shared = Arc::clone(&running);
        std::thread::Builder::new()
            .name("anvil".into())
            .spawn(move || {
                // The death signal fires when this thread ends, so it stays until the child has ended.
                hold(&mut command(&settings, port), &shared, started);
                end.send(()).ok();
            })?;
        wait_for_start
            .await
            .context("the thread of anvil ended")??;
        let mut anvil = Self {
            url,
            running,
            ended,
        };
        let chain = anvil.wait_until_it_answers().await?;
        Ok((anvil, chain))
    }

    /// JSON-RPC address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the child still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.lock().is_ok_and(|running| running.is_some())
    }

    /// Ends the chain and waits until its state is written.
    ///
    /// # Errors
    /// When the child does not end in time.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.signal();
        tokio::time::timeout(LIMIT, &mut self.ended)
            .await
            .context("anvil does not end")?
            .context("the thread of anvil was lost")
    }

    async fn wait_until_it_answers(&mut self) -> anyhow::Result<Chain> {
        let tries = LIMIT.as_millis() / LOOK.as_millis();
        for _ in 0..tries {
            if let Ok(chain) = connect(&self.url).await {
                return Ok(chain);
            }
            if self.ended.try_recv().is_ok() {
                bail!(
                    "anvil ended at once; is the port of {} taken, or its state broken?",
                    self.url
                );
            }
            pause(LOOK).await;
        }
        bail!("anvil does not answer at {}", self.url);
    }

    fn signal(&self) {
        // The lock is held while the id is known to be unreaped, so that it names nobody else.
        if let Ok(running) = self.running.lock()
            && let Some(pid) = *running
        {
            kill(pid, Signal::SIGTERM).ok();
        }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        self.signal();
    }
}

/// Mines a block at every market second that the pace allows, until `stop`: each block's time is
/// the market clock's, strictly increasing. Being late is no error, the next block catches up.
///
/// # Errors
/// Never ends by an error of the node: it is retried until `stop`.
pub async fn mine(
    chain: Chain,
    market: MarketClock,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let pace = FASTEST_BLOCK.max(Duration::from_secs_f64(1.0 / market.speed()));
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = pause(pace) => {}
        }
        if let Err(error) = mine_at(&chain, || market.now_us()).await {
            tracing::warn!(%error, "the development chain did not mine");
        }
    }
}

/// Mines one block at the market's second, or one second after the block before it.
///
/// # Errors
/// [`ChainError::Rpc`].
pub async fn mine_once(chain: &Chain, market_us: i64) -> Result<(), ChainError> {
    mine_at(chain, || market_us).await
}

/// Asks for the market's moment after the node has answered, so that the block is not stamped with
/// a time long past.
async fn mine_at(chain: &Chain, market_us: impl FnOnce() -> i64) -> Result<(), ChainError> {
    let newest = chain.latest().await?;
    let second = u64::try_from(market_us().div_euclid(1_000_000)).unwrap_or_default();
    let time_s = second.max(newest.time_s.saturating_add(1));
    chain
        .command("evm_setNextBlockTimestamp", json!([time_s]))
        .await?;
    chain.command("evm_mine", json!([])).await?;
    Ok(())
}

/// Gives an account of the development chain coins for gas.
///
/// # Errors
/// [`ChainError::Rpc`].
pub async fn give_gas(chain: &Chain, account: Address) -> Result<(), ChainError> {
    let thousand = U256::from(1_000_u64).saturating_mul(U256::from(10_u64).pow(U256::from(18_u64)));
    chain
        .command("anvil_setBalance", json!([account, thousand]))
        .await?;
    Ok(())
}

fn command(settings: &AnvilSettings, port: u16) -> Command {
    let mut command = Command::new(&settings.program);
    command
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .args([
            "--chain-id",
            &CHAIN_ID.to_string(),
            "--no-mining",
            "--slots-in-an-epoch",
            "4",
        ])
        .args(["--timestamp", &settings.timestamp_s.to_string()])
        // A proposal's call data and its gas outgrow the defaults of a development chain.
        .args([
            "--gas-limit",
            "100000000",
            "--no-request-size-limit",
            "--prune-history",
            "256",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A group of its own: Ctrl-C is for the parent, which ends the chain last.
        .process_group(0);
    if let Some(state) = &settings.state {
        command.arg("--state").arg(state);
    }
    let parent = std::process::id();
    #[expect(
        unsafe_code,
        reason = "pre_exec is how a child learns to die with its parent"
    )]
    // SAFETY: prctl, getppid and _exit are async-signal-safe and touch no memory of the parent.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            if u32::try_from(libc::getppid()) != Ok(parent) {
                libc::_exit(1);
            }
            Ok(())
        });
    }
    command
}

/// Spawns the child, says so, and stays until it has ended.
fn hold(
    command: &mut Command,
    running: &Mutex<Option<Pid>>,
    started: oneshot::Sender<anyhow::Result<()>>,
) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let program = command.get_program().to_string_lossy().into_owned();
            started
                .send(Err(
                    anyhow::Error::new(error).context(format!("{program} does not start"))
                ))
                .ok();
            return;
        }
    };
    let pid = i32::try_from(child.id()).ok().map(Pid::from_raw);
    set(running, pid);
    started.send(Ok(())).ok();
    wait_without_reaping(pid);
    set(running, None);
    child.wait().ok();
}

fn set(running: &Mutex<Option<Pid>>, pid: Option<Pid>) {
    if let Ok(mut running) = running.lock() {
        *running = pid;
    }
}

/// Until the child is reaped nobody else can get its id, so that a signal cannot go astray.
fn wait_without_reaping(pid: Option<Pid>) {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    let Some(pid) = pid else { return };
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
        == Err(nix::errno::Errno::EINTR)
    {}
}

fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}
