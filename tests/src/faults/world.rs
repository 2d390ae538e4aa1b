//! One world of a row: a real chain with our contracts, a real database, staked models, and the
//! suite in the server's place. The settler is the built program, as a child.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use alloy::primitives::Address;
use anyhow::Context;
use domain::timestamp::SECOND_US;
use domain::{MarketClock, ModelId, TokenAmount, TournamentId, WallClock};
use nix::sys::signal::Signal;
use server::chain::wallet::Wallet;
use server::chain::{
    self, Chain, DeployKeys, DeploySettings, Deployment, Key, NewTournament, anvil,
};
use server::db::{Conn, Db};
use server::rounds::{self, Entered};
use server::settings::ClockFile;
use server::{accounts, models, stakes};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::miner::Miner;
use super::node::Node;
use crate::process::{self, Running};
use crate::{scratch, wait};

/// The market's first moment.
const ORIGIN_US: i64 = 1_709_640_000 * SECOND_US;
/// Market seconds per second of wall; the settler then looks every 30 ms.
const SPEED: f64 = 100.0;
/// Waiting for anything of a healthy world.
pub const LIMIT: Duration = Duration::from_secs(90);
const TOURNAMENT: &str = include_str!("fault-1m.toml");
const MODELS: [&str; 4] = ["ada", "bob", "cleo", "dora"];

/// How a world differs from the usual one.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Blocks become final when twice as many lie above them.
    pub slots: u32,
    /// A block of wall.
    pub pace: Duration,
    /// Market seconds in which a proposal may be vetoed; it dies after three times as many.
    pub window_s: u32,
    /// PostgreSQL in place of SQLite.
    pub database_url: Option<String>,
    /// Where SQLite lies, when not in the world's own folder.
    pub data: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            slots: 4,
            pace: Duration::from_millis(20),
            window_s: 40,
            database_url: None,
            data: None,
        }
    }
}

/// See the module.
pub struct World {
    pub wall: WallClock,
    pub market: MarketClock,
    pub db: Db,
    pub chain: Chain,
    pub node: Node,
    pub deployment: Deployment,
    pub keys: DeployKeys,
    pub entered: Entered,
    pub models: Vec<ModelId>,
    pub miner: Arc<Miner>,
    pub stop: CancellationToken,
    database_url: Option<String>,
    data: PathBuf,
    folder: TempDir,
    started: AtomicU32,
    _anvil: Running,
}

/// How a settler is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start<'a> {
    /// Another address of the chain than the node's own.
    pub rpc: Option<&'a str>,
    /// Ends itself there.
    pub failpoint: Option<&'a str>,
}

impl World {
    /// Starts the chain, makes the contracts, registers the models and their stakes.
    ///
    /// # Errors
    /// When any part does not start; the message names it.
    pub async fn start(name: &str, plan: Plan) -> anyhow::Result<Self> {
        let folder = scratch::folder(name)?;
        let data = plan.data.unwrap_or_else(|| folder.path().join("data"));
        std::fs::create_dir_all(&data)?;
        let wall = WallClock::system();
        let clock = ClockFile {
            wall_origin_us: wall.now_us(),
            market_origin_us: ORIGIN_US,
            speed: SPEED,
        };
        std::fs::write(data.join("clock.json"), serde_json::to_string(&clock)?)?;
        let market = clock.clock(wall.clone());
        let db = Db::open_in(&data, plan.database_url.as_deref()).await?;
        let (running, url) = start_anvil(folder.path(), plan.slots)?;
        let chain = wait::until("anvil to answer", LIMIT, async || {
            Ok(chain::connect(&url).await.ok())
        })
        .await?;
        let node = Node::new(&url)?;
        let stop = CancellationToken::new();
        let miner = Miner::start(
            node.clone(),
            market.clone(),
            db.clone(),
            plan.pace,
            stop.clone(),
        );
        let keys = DeployKeys {
            owner: key(0x41)?,
            committer: key(0x42)?,
            operator: key(0x43)?,
            guardian: key(0x44)?,
        };
        for one in [&keys.owner, &keys.committer, &keys.operator] {
            anvil::give_gas(&chain, one.address()).await?;
        }
        let mut tx = db.begin().await?;
        let entered = rounds::enter(&mut tx, 1, TOURNAMENT).await?;
        tx.commit().await?;
        let tournaments = [NewTournament {
            key: entered.chain_key.parse()?,
            rule_hash: entered.rule_hash.parse()?,
            a_ppm: entered.tournament.stake.a_ppm,
        }];
        let (roles, vault) = (keys.roles(), settings(plan.window_s));
        let deployment = chain::deploy(&db, &chain, &roles, &vault, &tournaments).await?;
        let mut world = Self {
            wall,
            market,
            db,
            chain,
            node,
            deployment,
            keys,
            entered,
            models: Vec::new(),
            miner,
            stop,
            database_url: plan.database_url,
            data,
            folder,
            started: AtomicU32::new(0),
            _anvil: running,
        };
        world.stake_models().await?;
        Ok(world)
    }

    /// Starts a world, does `work` in it and ends what runs beside it, whatever came of the work.
    ///
    /// # Errors
    /// Those of the start and of the work.
    pub async fn with<T>(
        name: &str,
        plan: Plan,
        work: impl AsyncFnOnce(&Arc<Self>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let world = Arc::new(
            Self::start(name, plan)
                .await
                .with_context(|| format!("the world {name}"))?,
        );
        let done = work(&world).await;
        world.stop.cancel();
        done
    }

    /// A settler of this world, as the installation would run it.
    ///
    /// # Errors
    /// When the program cannot be built or started.
    pub fn settler(&self, start: Start<'_>) -> anyhow::Result<Running> {
        let mut command = process::foretoken(["settler", "--stuck-after", "1"])?;
        self.name_data(&mut command);
        command
            .args(["--rpc", start.rpc.unwrap_or(self.chain.url())])
            .env("FORETOKEN_COMMITTER_KEY", self.keys.committer.to_hex())
            .env("FORETOKEN_OPERATOR_KEY", self.keys.operator.to_hex());
        if let Some(name) = start.failpoint {
            command.env("FORETOKEN_FAILPOINT", name);
        }
        let number = self.started.fetch_add(1, Ordering::SeqCst);
        Running::start(command, self.folder.path(), &format!("settler-{number}"))
    }

    /// `foretoken admin resume --reason …`; whether it was accepted, and what it said.
    ///
    /// # Errors
    /// When the command does not run.
    pub async fn resume(&self, reason: &str) -> anyhow::Result<(bool, String)> {
        let mut command = process::foretoken(["admin", "resume", "--reason", reason])?;
        self.name_data(&mut command);
        let done = process::run(command, LIMIT).await?;
        Ok((done.code == 0, done.stderr))
    }

    fn name_data(&self, command: &mut Command) {
        command.arg("--data").arg(&self.data);
        if let Some(url) = &self.database_url {
            command.args(["--database-url", url]);
        }
    }

    /// Where the database lies.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Runs `step` in a transaction of its own.
    ///
    /// # Errors
    /// Those of `step` and of the database; nothing is written then.
    pub async fn write<T>(
        &self,
        step: impl AsyncFnOnce(&mut Conn) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut tx = self.db.begin().await?;
        let done = step(&mut tx).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// The first column of a query.
    ///
    /// # Errors
    /// Database errors.
    pub async fn numbers(&self, sql: &str) -> anyhow::Result<Vec<i64>> {
        Ok(server::db::testing::numbers(&mut *self.db.read().await?, sql).await?)
    }

    /// One number; 0 when there is no row.
    ///
    /// # Errors
    /// Database errors.
    pub async fn number(&self, sql: &str) -> anyhow::Result<i64> {
        Ok(self.numbers(sql).await?.first().copied().unwrap_or(0))
    }

    /// The first column of a query.
    ///
    /// # Errors
    /// Database errors.
    pub async fn texts(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        Ok(server::db::testing::texts(&mut *self.db.read().await?, sql).await?)
    }

    /// A wallet with gas.
    ///
    /// # Errors
    /// Those of the chain.
    pub async fn wallet(&self, byte: u8) -> anyhow::Result<Wallet> {
        let key = key(byte)?;
        anvil::give_gas(&self.chain, key.address()).await?;
        Ok(Wallet::new(&self.chain, &self.deployment, key).await?)
    }

    async fn stake_models(&mut self) -> anyhow::Result<()> {
        let tournament = self.entered.chain_key.parse()?;
        let mut owner = Wallet::new(&self.chain, &self.deployment, self.keys.owner.clone()).await?;
        let mut last = Vec::new();
        for (name, byte) in MODELS.into_iter().zip(0x51_u8..) {
            let mut wallet = self.wallet(byte).await?;
            let given = owner.give(wallet.address(), tokens(20_000)?).await?;
            owner.wait(given).await?;
            let model = self.enter_model(name, wallet.address()).await?;
            wallet.approve(tokens(20_000)?).await?;
            let registered = wallet
                .register_model(tournament, stakes::model_key(&model), tokens(10_000)?)
                .await?;
            wallet.wait(registered).await?;
            self.models.push(model);
            last.push(registered);
        }
        Ok(())
    }

    async fn enter_model(&self, name: &str, wallet: Address) -> anyhow::Result<ModelId> {
        let tournament: TournamentId = self.entered.tournament.id.clone();
        self.write(async |conn| {
            let account = accounts::create(conn, 1, name, &wallet.to_string(), false).await?;
            Ok(
                models::register_external(conn, 1, &account.id, &tournament, name)
                    .await?
                    .id,
            )
        })
        .await
    }

    /// Waits for `count` of a query to be at least so much.
    ///
    /// # Errors
    /// When it is not within the limit; the message has the reason of a halt, if there is one.
    pub async fn until_at_least(
        &self,
        what: &str,
        count: i64,
        sql: &str,
        limit: Duration,
    ) -> anyhow::Result<()> {
        let waited = wait::until(what, limit, async || {
            Ok((self.number(sql).await? >= count).then_some(()))
        });
        let Err(error) = waited.await else {
            return Ok(());
        };
        let halted = server::settlement::halted(&mut *self.db.read().await?).await?;
        Err(error.context(format!("halted: {halted:?}")))
    }
}

/// Sends a signal that a process cannot refuse and waits until it is gone.
pub fn kill(running: Running) {
    running.signal(Signal::SIGKILL);
    drop(running);
}

/// Units of so many tokens.
///
/// # Errors
/// When they are too many.
pub fn tokens(tokens: u64) -> anyhow::Result<TokenAmount> {
    Ok(TokenAmount::from_units(
        tokens.saturating_mul(1_000_000_000),
    )?)
}

/// A key that everybody knows.
///
/// # Errors
/// When the bytes are no key.
pub fn key(byte: u8) -> anyhow::Result<Key> {
    Ok(Key::from_bytes([byte; 32])?)
}

/// Windows of seconds; long margins, since chain and market part while a settler is away.
fn settings(window_s: u32) -> DeploySettings {
    DeploySettings {
        window_s,
        settle_by_s: 20_000,
        delay_s: 30_000,
        margin_s: 6_000,
        ..DeploySettings::demo()
    }
}

fn start_anvil(logs: &Path, slots: u32) -> anyhow::Result<(Running, String)> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let mut command = Command::new(anvil::locate(None)?);
    let port = port.to_string();
    let slots = slots.to_string();
    let timestamp = (ORIGIN_US / SECOND_US - 100).to_string();
    let id = anvil::CHAIN_ID.to_string();
    command
        .args([
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--chain-id",
            &id,
            "--no-mining",
        ])
        .args(["--slots-in-an-epoch", &slots, "--timestamp", &timestamp])
        .args(["--gas-limit", "100000000", "--no-request-size-limit"])
        .args(["--prune-history", "512"]);
    let running = Running::start(command, logs, "anvil").context("the development chain")?;
    Ok((running, format!("http://127.0.0.1:{port}")))
}
