//! Starts the demo's parts in order: chain, contracts, server, settler, runner, guardian,
//! participants.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use datasets::split::Part;
use domain::timestamp::SECOND_US;
use domain::{MarketClock, WallClock};
use rand::TryRng;
use rand::rngs::SysRng;
use tokio_util::sync::CancellationToken;

use super::DemoArgs;
use super::children::{self, Child};
use super::folder::{Folder, LIMITS};
use super::participants::{self, Participants};
use super::progress::say;
use crate::accounts::{self, Scope};
use crate::chain::anvil::{self, Anvil, AnvilSettings};
use crate::chain::{self, B256, Chain, DeployKeys, DeploySettings, Deployment, Key, NewTournament};
use crate::db::Db;
use crate::rounds;
use crate::settings::write_secret;
use crate::wall::pause;

/// The server answers by then, wall time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Files that the set-up provides.
pub(super) struct Tools {
    pub(super) anvil: PathBuf,
    pub(super) runner: PathBuf,
    pub(super) onnx_runtime: PathBuf,
}

/// Everything that runs.
pub(super) struct World {
    pub(super) folder: PathBuf,
    pub(super) server: String,
    pub(super) db: Db,
    pub(super) market: MarketClock,
    pub(super) chain: Chain,
    pub(super) deployment: Deployment,
    pub(super) participants: Participants,
    children: Vec<Child>,
    anvil: Anvil,
    background: CancellationToken,
}

/// ONNX Runtime's shared library: `FORETOKEN_ORT`, else the set-up's.
pub(super) fn locate_onnx_runtime() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("FORETOKEN_ORT").filter(|value| !value.is_empty()) {
        let path = PathBuf::from(named);
        anyhow::ensure!(
            path.is_file(),
            "{} is no file: correct FORETOKEN_ORT or unset it",
            path.display()
        );
        return Ok(path);
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = cache
        .or(home)
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    let path = cache.join("foretoken/tools/onnxruntime-1.31.1/libonnxruntime.so.1.31.1");
    anyhow::ensure!(
        path.is_file(),
        "ONNX Runtime 1.31.1 is missing ({}): run `cargo xtask setup demo`, or name the library with FORETOKEN_ORT",
        path.display()
    );
    Ok(path)
}

impl World {
    pub(super) async fn start(
        args: &DemoArgs,
        tools: &Tools,
        folder: &Folder,
        wall: &WallClock,
    ) -> anyhow::Result<Self> {
        let data = folder.path();
        say("starting the chain");
        let db = Db::open_in(data, args.database_url.as_deref()).await?;
        let background = CancellationToken::new();
        let (anvil, chain, market) = start_chain(args, tools, folder, wall).await?;
        // The stored contracts must be on this chain before anything is built upon them.
        chain::fitting_deployment(&mut *db.read().await?, &chain).await?;
        tokio::spawn(anvil::mine(
            chain.clone(),
            market.clone(),
            background.clone(),
        ));
        let keys = Keys::of(data)?;
        let deployment = deploy(args, &db, &chain, &keys, wall.now_us()).await?;
        keys.store_roles(data)?;
        say("starting server, settler, runner and guardian");
        let server = format!("http://127.0.0.1:{}", args.port);
        let runner_key = participants::runner_key(&db, wall.now_us()).await?;
        let own = std::env::current_exe()?;
        let mut children = vec![
            children::start(
                "server",
                serve_command(&own, args, tools, data, anvil.url()),
                data,
            )?,
            children::start(
                "settler",
                settler_command(&own, args, data, anvil.url()),
                data,
            )?,
        ];
        wait_for_server(&server, &mut children).await?;
        let runner = runner_command(tools, data, &server, &runner_key);
        children.push(children::start("runner", runner, data)?);
        let guardian = guardian_command(&own, args, &deployment, anvil.url(), data);
        children.push(children::start("guardian", guardian, data)?);
        let mut world = Self {
            folder: data.to_path_buf(),
            server,
            db,
            market,
            chain,
            deployment,
            participants: Participants::default(),
            children,
            anvil,
            background,
        };
        world.participants = participants::enter(&world, &keys).await?;
        Ok(world)
    }

    /// Fails when a part has ended: the demo cannot go on without it.
    pub(super) fn must_run(&mut self) -> anyhow::Result<()> {
        for child in &mut self.children {
            child.must_run()?;
        }
        anyhow::ensure!(self.anvil.is_running(), "the chain (anvil) has ended");
        Ok(())
    }

    /// Stops everything; the chain last, so that its state holds all.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        for child in self.children {
            child.stop().await;
        }
        self.background.cancel();
        self.db.close().await;
        self.anvil.stop().await
    }

    /// A token that ends with the world.
    pub(super) fn background(&self) -> CancellationToken {
        self.background.clone()
    }
}

async fn start_chain(
    args: &DemoArgs,
    tools: &Tools,
    folder: &Folder,
    wall: &WallClock,
) -> anyhow::Result<(Anvil, Chain, MarketClock)> {
    let first_us = if args.live {
        wall.now_us()
    } else {
        Part::Replay.from_us()
    };
    let last_us = folder.last_market_us().unwrap_or(first_us);
    let settings = AnvilSettings {
        program: tools.anvil.clone(),
        state: Some(folder.path().join("anvil-state.json")),
        timestamp_s: last_us / SECOND_US,
        port: None,
    };
    let (anvil, chain) = Anvil::start(settings).await?;
    let chain_us = i64::try_from(chain.latest().await?.time_s)? * SECOND_US;
    let market = if args.live {
        MarketClock::live(wall.clone())
    } else {
        folder.start_clock(wall, args.speed(), first_us, chain_us)?
    };
    Ok((anvil, chain, market))
}

async fn deploy(
    args: &DemoArgs,
    db: &Db,
    chain: &Chain,
    keys: &Keys,
    now_us: i64,
) -> anyhow::Result<Deployment> {
    let mut tournaments = Vec::new();
    let mut tx = db.begin().await?;
    for file in args.tournament_files() {
        let entered = rounds::enter(&mut tx, now_us, file).await?;
        tournaments.push(NewTournament {
            key: entered.chain_key.parse()?,
            rule_hash: format!("0x{}", entered.rule_hash).parse()?,
            a_ppm: entered.tournament.stake.a_ppm,
        });
    }
    tx.commit().await?;
    let roles = DeployKeys {
        owner: keys.of_label("owner")?,
        committer: keys.of_label("committer")?,
        operator: keys.of_label("operator")?,
        guardian: keys.of_label("guardian")?,
    };
    for key in [
        &roles.owner,
        &roles.committer,
        &roles.operator,
        &roles.guardian,
    ] {
        anvil::give_gas(chain, key.address()).await?;
    }
    Ok(chain::deploy(
        db,
        chain,
        &roles.roles(),
        &DeploySettings::demo(),
        &tournaments,
    )
    .await?)
}

/// Development keys, all from one secret of the data folder.
pub(super) struct Keys {
    seed: Vec<u8>,
}

impl Keys {
    fn of(data: &Path) -> anyhow::Result<Self> {
        let path = data.join("keys").join("demo.seed");
        if !path.is_file() {
            let mut seed = [0_u8; 32];
            SysRng.try_fill_bytes(&mut seed)?;
            write_secret(&path, &hex::encode(seed))?;
        }
        let text = std::fs::read_to_string(&path)?;
        Ok(Self {
            seed: hex::decode(text.trim()).context("keys/demo.seed is not hex")?,
        })
    }

    /// The key of a role or a participant.
    pub(super) fn of_label(&self, label: &str) -> anyhow::Result<Key> {
        let mut bytes = self.seed.clone();
        bytes.extend_from_slice(label.as_bytes());
        let secret: B256 = alloy::primitives::keccak256(bytes);
        Ok(Key::from_bytes(secret.0)?)
    }

    /// Settler and guardian read their keys from files that only their owner can read.
    fn store_roles(&self, data: &Path) -> anyhow::Result<()> {
        for label in ["committer", "operator", "guardian"] {
            let path = data.join("keys").join(format!("{label}.key"));
            if !path.is_file() {
                write_secret(&path, &self.of_label(label)?.to_hex())?;
            }
        }
        Ok(())
    }
}

fn with_data(own: &Path, verb: &str, args: &DemoArgs, data: &Path) -> Command {
    let mut command = Command::new(own);
    command.arg(verb).arg("--data").arg(data);
    if let Some(url) = &args.database_url {
        command.env("DATABASE_URL", url);
    }
    command
}

fn serve_command(own: &Path, args: &DemoArgs, tools: &Tools, data: &Path, rpc: &str) -> Command {
    let mut command = with_data(own, "serve", args, data);
    command.args(["--rpc", rpc]);
    command.arg("--runner").arg(&tools.runner);
    command.env("FORETOKEN_ORT", &tools.onnx_runtime);
    command.args(["--listen", &format!("127.0.0.1:{}", args.port)]);
    command.arg("--webhooks-to-private");
    if !args.live {
        command.arg("--replay");
    }
    if let Some(feeds) = &args.feeds {
        command.arg("--feeds").arg(feeds);
    }
    command.arg("--limits").arg(data.join(LIMITS));
    command
}

fn settler_command(own: &Path, args: &DemoArgs, data: &Path, rpc: &str) -> Command {
    let mut command = with_data(own, "settler", args, data);
    command.args(["--rpc", rpc]);
    command
}

/// The guardian gets no database: it judges by the public record and the chain.
fn guardian_command(
    own: &Path,
    args: &DemoArgs,
    deployment: &Deployment,
    rpc: &str,
    data: &Path,
) -> Command {
    let mut command = Command::new(own);
    command.args(["guardian", "--rpc", rpc, "--record"]);
    command.arg(data.join("record"));
    command.args(["--vault", &deployment.vault.to_string()]);
    command.args(["--poll-ms", &guardian_poll_ms(args.speed()).to_string()]);
    command
        .arg("--key-file")
        .arg(data.join("keys").join("guardian.key"));
    command
}

/// A replay's window is as short as its seconds: it is looked at some forty times.
fn guardian_poll_ms(speed: f64) -> u64 {
    let window_s = f64::from(DeploySettings::demo().window_s);
    Duration::from_secs_f64((window_s / speed / 40.0).clamp(0.02, 5.0))
        .as_millis()
        .try_into()
        .unwrap_or(1_000)
}

fn runner_command(tools: &Tools, data: &Path, server: &str, key: &str) -> Command {
    let mut command = Command::new(&tools.runner);
    command
        .args(["join", "--server", server])
        .arg("--ort")
        .arg(&tools.onnx_runtime);
    command.arg("--cache").arg(data.join("runner-cache"));
    // The demo's models are its own; where the kernel confines fully this changes nothing.
    command.arg("--allow-weaker-sandbox");
    // In the environment, not on the command line that every process may read.
    command.env("FORETOKEN_RUNNER_KEY", key);
    command
}

async fn wait_for_server(server: &str, children: &mut [Child]) -> anyhow::Result<()> {
    let client = super::bots::client()?;
    let look = Duration::from_millis(50);
    for _ in 0..PATIENCE.as_millis() / look.as_millis() {
        for child in children.iter_mut() {
            child.must_run()?;
        }
        let health = client.get(format!("{server}/api/v1/time")).send().await;
        if health.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        pause(look).await;
    }
    anyhow::bail!("the server does not answer at {server}")
}

/// Makes an API key for an account that may be new.
pub(super) async fn api_key(
    db: &Db,
    now_us: i64,
    name: &str,
    wallet: &str,
    is_operator: bool,
    scopes: &[Scope],
) -> anyhow::Result<(accounts::Account, String)> {
    let mut random = [0; 20];
    SysRng.try_fill_bytes(&mut random)?;
    let mut tx = db.begin().await?;
    let account = match accounts::by_name(&mut tx, name).await? {
        Some(account) => account,
        None => accounts::create(&mut tx, now_us, name, wallet, is_operator).await?,
    };
    let key = accounts::create_key(&mut tx, now_us, &account.id, scopes, random).await?;
    tx.commit().await?;
    Ok((account, key))
}
