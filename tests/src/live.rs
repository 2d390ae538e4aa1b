//! A live installation on fake venues: a development chain, `foretoken serve` and `foretoken
//! settler` as processes of their own, staked models, and the venues in this process.
//!
//! Market time runs `SPEED` times as fast as the wall, for the venues, the server, the settler and
//! the chain alike, and begins shortly before the round that is looked at: a round of a minute takes
//! some fifty seconds from the start of the server to its outcome.

use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::primitives::B256;
use anyhow::Context;
use datasets::Asset;
use domain::timestamp::SECOND_US;
use domain::{MarketClock, Outcome, OutcomeRule, TokenAmount, WallClock};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use server::app::pause;
use server::chain::anvil::{self, Anvil, AnvilSettings};
use server::chain::wallet::Wallet;
use server::chain::{self, Chain, DeployKeys, DeploySettings, Deployment, Key, NewTournament};
use server::db::Db;
use server::prices::rule::{Decision, decide};
use server::rounds::{self, Entered};
use server::settings::ClockFile;
use server::{accounts, models, stakes};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::process::{self, Running};
use crate::venues::{Market, Settings, Venues};
use crate::{demo, scratch, wait};

/// Market seconds per second of wall. A second of wall in which the machine does something else is
/// three of the market's, and our clock may be off by half a one of these.
const SPEED: f64 = 3.0;
/// Rounds of the generated market are looked for from here on.
const FROM_US: i64 = 1_709_640_000 * SECOND_US;
/// The server has followed the venues for the minute before the round, and has had time to start.
const BEFORE_US: i64 = 90 * SECOND_US;
/// The chain begins this much earlier: each block of the set-up takes a second of it.
const SET_UP_S: i64 = 5_000;
/// A round whose price moves by less may turn with what is left out; 1e-12.
const CLEAR_MOVE_E12: i64 = 300_000_000;
const INTERVAL_US: i64 = 60 * SECOND_US;
const TOURNAMENT: &str = include_str!("live/live-1m.toml");
/// What each model has in the vault, tokens.
const DEPOSIT: u64 = 10_000;
/// Anything that does not wait for the market is there by then.
pub const LIMIT: Duration = Duration::from_secs(30);
/// The round has its outcome by then.
pub const ROUND_LIMIT: Duration = Duration::from_secs(75);

/// A model that posts predictions.
pub struct Member {
    /// The model's id.
    pub model: String,
    /// Calls with the key of its owner.
    pub caller: Caller,
}

/// See the module.
pub struct Live {
    /// The venues.
    pub venues: Venues,
    /// The clock of everything.
    pub market: MarketClock,
    /// The start of the round that is looked at, microseconds; it takes a minute.
    pub start_us: i64,
    /// Two staked models.
    pub members: Vec<Member>,
    /// The serving process; taken when it is killed.
    server: Option<Running>,
    entered: Entered,
    data: PathBuf,
    port: u16,
    rpc: String,
    folder: TempDir,
    stop: CancellationToken,
    _settler: Running,
    _anvil: Anvil,
}

impl Live {
    /// Starts everything; the round's T is `BEFORE_US` away.
    ///
    /// # Errors
    /// When a part does not start; the message names it.
    pub async fn start(name: &str, seed: u64) -> anyhow::Result<Self> {
        let folder = scratch::folder(name)?;
        let data = folder.path().join("data");
        std::fs::create_dir_all(&data)?;
        let market = Market::new(seed);
        let start_us = clear_round(market).context("the market never moves clearly")?;
        let begin_us = start_us - BEFORE_US;
        let (anvil, chain) = Anvil::start(AnvilSettings {
            program: anvil::locate(None)?,
            state: None,
            timestamp_s: begin_us / SECOND_US - SET_UP_S,
            port: None,
        })
        .await?;
        let db = Db::open_in(&data, None).await?;
        let mut set_up = SetUp::new(&db, &chain).await?;
        let models = set_up.run().await?;
        let SetUp { keys, entered, .. } = set_up;
        db.close().await;
        let clock = start_clock(&data, begin_us)?;
        let stop = CancellationToken::new();
        tokio::spawn(anvil::mine(chain.clone(), clock.clone(), stop.clone()));
        let venues = Venues::start(Settings::new(market, clock.clone())).await?;
        std::fs::write(folder.path().join("feeds.toml"), venues.feeds_file())?;
        let rpc = anvil.url().to_owned();
        let settler = settler(folder.path(), &data, &rpc, &keys)?;
        let mut live = Self {
            venues,
            market: clock,
            start_us,
            members: Vec::new(),
            server: None,
            entered,
            data,
            port: demo::free_port()?,
            rpc,
            folder,
            stop,
            _settler: settler,
            _anvil: anvil,
        };
        live.serve("server").await?;
        for (name, model) in models {
            let caller = live.key(&name).await?;
            live.members.push(Member { model, caller });
        }
        Ok(live)
    }

    /// Starts the server on the data folder and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn serve(&mut self, log: &str) -> anyhow::Result<()> {
        let mut command = process::foretoken(["serve", "--rpc", &self.rpc])?;
        command.arg("--data").arg(&self.data);
        command.args(["--listen", &format!("127.0.0.1:{}", self.port)]);
        command.args(["--limits", "off"]);
        command
            .arg("--feeds")
            .arg(self.folder.path().join("feeds.toml"));
        let running = Running::start(command, self.folder.path(), log)?;
        let visitor = self.visitor()?;
        let answers = wait::until("the server to answer", LIMIT, async || {
            let ended = running.ended();
            anyhow::ensure!(ended.is_none(), "it ended with {ended:?}");
            Ok(visitor.json("time").await.ok())
        });
        let answers = answers.await;
        answers.with_context(|| process::last_lines(&running.stderr()))?;
        self.server = Some(running);
        Ok(())
    }

    /// SIGKILL to the server, and waits until it is gone.
    pub fn kill_server(&mut self) {
        if let Some(running) = self.server.take() {
            running.signal(Signal::SIGKILL);
        }
    }

    /// A caller without a key.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn visitor(&self) -> anyhow::Result<Caller> {
        Caller::new(&format!("http://127.0.0.1:{}", self.port), None)
    }

    /// The id of the round.
    ///
    /// # Errors
    /// None: the round was found on the grid.
    pub fn round(&self) -> anyhow::Result<String> {
        Ok(self.entered.tournament.round(self.start_us)?.id.to_string())
    }

    /// What an honest world makes of the round, from the market's true trades.
    #[must_use]
    pub fn truth(&self) -> Decision {
        let rule = &self.entered.tournament.outcome;
        let ends = (self.start_us, self.start_us + INTERVAL_US);
        decide(
            &self
                .venues
                .market()
                .expected_evidence(Asset::Btc, rule, ends, 0),
        )
    }

    /// Waits until the market shows a moment.
    pub async fn until(&self, market_us: i64) {
        while self.market.now_us() < market_us {
            pause(self.market.wall_until(market_us)).await;
        }
    }

    /// Waits until the round is in one of the states that the API shows; answers the round.
    ///
    /// # Errors
    /// When it is not within [`ROUND_LIMIT`]; the message has the server's last words.
    pub async fn round_is(&self, states: &[&str]) -> anyhow::Result<Value> {
        let (visitor, path) = (self.visitor()?, format!("rounds/{}", self.round()?));
        let what = format!("a round that is {}", states.join(" or "));
        let mut seen = Value::Null;
        let found = wait::until(&what, ROUND_LIMIT, async || {
            let Ok(round) = visitor.json(&path).await else {
                return Ok(None);
            };
            let is_there = states.contains(&round["state"].as_str().unwrap_or_default());
            seen = round.clone();
            Ok(is_there.then_some(round))
        });
        let found = found.await;
        found.with_context(|| format!("it is {seen}\n{}", self.said()))
    }

    /// Both models predict the round; posts until the round is open.
    ///
    /// # Errors
    /// When a prediction is refused, or the round does not open.
    pub async fn predict(&self) -> anyhow::Result<()> {
        let round = self.round_is(&["open"]).await?;
        let round = round["id"].as_str().context("a round has an id")?;
        for (member, p) in self.members.iter().zip([0.62, 0.41]) {
            let body = json!({"p": p, "stake": "40"});
            let answer = member.caller.predict(round, &member.model, &body).await?;
            anyhow::ensure!(answer.status == 200, "{} {}", answer.status, answer.text);
        }
        Ok(())
    }

    /// The stake of each model as the API tells it.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn stakes(&self) -> anyhow::Result<Vec<Value>> {
        let mut found = Vec::new();
        for member in &self.members {
            let path = format!("models/{}", member.model);
            found.push(member.caller.json(&path).await?["stake"].clone());
        }
        Ok(found)
    }

    /// The served evidence of the round, and what `foretoken resolve` makes of it.
    ///
    /// # Errors
    /// When there is none, or the command fails.
    pub async fn resolved_again(&self) -> anyhow::Result<(Value, Value)> {
        let path = format!("/api/v1/rounds/{}/evidence", self.round()?);
        let served = self.visitor()?.get(&path).await?;
        anyhow::ensure!(served.status == 200, "{} {}", served.status, served.text);
        let file = self.folder.path().join("evidence.json");
        std::fs::write(&file, &served.text)?;
        let mut command = process::foretoken(["resolve", "--evidence"])?;
        command.arg(&file);
        let done = process::run(command, LIMIT).await?;
        anyhow::ensure!(done.code == 0, "{}", done.stderr);
        Ok((served.json()?, serde_json::from_str(&done.stdout)?))
    }

    /// The end of what the server has said, for a message.
    #[must_use]
    pub fn said(&self) -> String {
        let said = self.server.as_ref().map(Running::stderr);
        process::last_lines(&said.unwrap_or_default())
    }

    async fn key(&self, account: &str) -> anyhow::Result<Caller> {
        let mut command = process::foretoken(["admin", "key", "create", "--account", account])?;
        command.args(["--scopes", "read,predict", "--data"]);
        command.arg(&self.data);
        let made = process::run(command, LIMIT).await?;
        anyhow::ensure!(made.code == 0, "no key for {account}: {}", made.stderr);
        Ok(self.visitor()?.with_key(made.stdout.trim()))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The first round whose price clearly moves.
fn clear_round(market: Market) -> Option<i64> {
    let rule = OutcomeRule::default();
    (0..1_000).map(|n| FROM_US + n * INTERVAL_US).find(|t0_us| {
        let ends = (*t0_us, t0_us + INTERVAL_US);
        let decision = decide(&market.expected_evidence(Asset::Btc, &rule, ends, 0));
        let moved = decision.return_e12.unwrap_or(0).abs();
        decision.outcome != Outcome::Void && moved > CLEAR_MOVE_E12
    })
}

/// The market clock of the data folder: it shows `begin_us` now.
fn start_clock(data: &Path, begin_us: i64) -> anyhow::Result<MarketClock> {
    let wall = WallClock::system();
    let file = ClockFile {
        wall_origin_us: wall.now_us(),
        market_origin_us: begin_us,
        speed: SPEED,
    };
    std::fs::write(data.join("clock.json"), serde_json::to_string(&file)?)?;
    Ok(file.clock(wall))
}

fn settler(logs: &Path, data: &Path, rpc: &str, keys: &DeployKeys) -> anyhow::Result<Running> {
    let mut command = process::foretoken(["settler", "--rpc", rpc])?;
    command.arg("--data").arg(data);
    command
        .env("FORETOKEN_COMMITTER_KEY", keys.committer.to_hex())
        .env("FORETOKEN_OPERATOR_KEY", keys.operator.to_hex());
    Running::start(command, logs, "settler")
}

/// Contracts, accounts, models and their stakes, before market time begins.
struct SetUp<'a> {
    db: &'a Db,
    chain: &'a Chain,
    keys: DeployKeys,
    entered: Entered,
}

impl<'a> SetUp<'a> {
    async fn new(db: &'a Db, chain: &'a Chain) -> anyhow::Result<Self> {
        let mut tx = db.begin().await?;
        let entered = rounds::enter(&mut tx, 1, TOURNAMENT).await?;
        tx.commit().await?;
        let keys = DeployKeys {
            owner: Key::from_bytes([0x61; 32])?,
            committer: Key::from_bytes([0x62; 32])?,
            operator: Key::from_bytes([0x63; 32])?,
            guardian: Key::from_bytes([0x64; 32])?,
        };
        Ok(Self {
            db,
            chain,
            keys,
            entered,
        })
    }

    /// Answers account and model of each member.
    async fn run(&mut self) -> anyhow::Result<Vec<(String, String)>> {
        let mining = CancellationToken::new();
        let (chain, stop) = (self.chain.clone(), mining.clone());
        tokio::spawn(async move {
            while !stop.is_cancelled() {
                // The next second, whatever the market shows.
                anvil::mine_once(&chain, 0).await.ok();
                pause(Duration::from_millis(10)).await;
            }
        });
        let done = self.stake().await;
        mining.cancel();
        done
    }

    async fn stake(&self) -> anyhow::Result<Vec<(String, String)>> {
        let keys = &self.keys;
        for key in [&keys.owner, &keys.committer, &keys.operator, &keys.guardian] {
            anvil::give_gas(self.chain, key.address()).await?;
        }
        let tournament: B256 = self.entered.chain_key.parse()?;
        let known = [NewTournament {
            key: tournament,
            rule_hash: self.entered.rule_hash.parse()?,
            a_ppm: self.entered.tournament.stake.a_ppm,
        }];
        let (roles, vault) = (keys.roles(), DeploySettings::demo());
        let deployment = chain::deploy(self.db, self.chain, &roles, &vault, &known).await?;
        let mut owner = Wallet::new(self.chain, &deployment, keys.owner.clone()).await?;
        let mut members = Vec::new();
        for (name, byte) in [("ada", 0x71), ("bob", 0x72)] {
            let key = Key::from_bytes([byte; 32])?;
            anvil::give_gas(self.chain, key.address()).await?;
            let model = self.model(name, &key.address().to_string()).await?;
            let amount = TokenAmount::from_units(DEPOSIT.saturating_mul(1_000_000_000))?;
            let given = owner.give(key.address(), amount).await?;
            owner.wait(given).await?;
            self.deposit(&deployment, key, (tournament, &model), amount)
                .await?;
            members.push((name.to_owned(), model.to_string()));
        }
        Ok(members)
    }

    async fn model(&self, name: &str, wallet: &str) -> anyhow::Result<domain::ModelId> {
        let mut tx = self.db.begin().await?;
        let account = accounts::create(&mut tx, 1, name, wallet, false).await?;
        let tournament = &self.entered.tournament.id;
        let model = models::register_external(&mut tx, 1, &account.id, tournament, name).await?;
        tx.commit().await?;
        Ok(model.id)
    }

    async fn deposit(
        &self,
        deployment: &Deployment,
        key: Key,
        (tournament, model): (B256, &domain::ModelId),
        amount: TokenAmount,
    ) -> anyhow::Result<()> {
        let mut wallet = Wallet::new(self.chain, deployment, key).await?;
        wallet.approve(amount).await?;
        let registered = wallet
            .register_model(tournament, stakes::model_key(model), amount)
            .await?;
        wallet.wait(registered).await?;
        Ok(())
    }
}
