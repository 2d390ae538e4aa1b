//! R12: floods of an address and of a key, heads and bodies that dribble, bodies that are too large,
//! paths that mean something else, all at once, while somebody else goes on predicting.

pub mod attackers;
pub mod line;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use domain::WallClock;
use serde_json::{Value, json};
use server::app::pause;
use server::settings::ClockFile;

use super::world::{LIMIT, Plan, World};
use crate::demo::free_port;
use crate::process::{self, Running};
use crate::wait;
use attackers::Told;
use line::{Line, get};

/// The victim asks twice in each of these: a prediction and a read.
const BEAT: Duration = Duration::from_millis(100);
/// Its beats while nobody else asks, and with everybody.
const QUIET_BEATS: usize = 35;
const BURST_BEATS: usize = 15;
const LOUD_BEATS: usize = 85;
/// Other rows and compilers share the cores: what they take in one try may hide the rest.
const TRIES: usize = 3;
/// What a machine with two cores, compilers and a build without optimisation adds by itself.
const SLACK_US: i64 = 20_000;
const VICTIM_HOST: u8 = 2;

/// One world under attack.
///
/// # Errors
/// When a part does not start or the victim is refused.
pub async fn run() -> anyhow::Result<(bool, Value)> {
    let plan = Plan {
        pace: Duration::from_millis(500),
        ..Plan::default()
    };
    World::with("flood", plan, attack).await
}

async fn attack(world: &Arc<World>) -> anyhow::Result<(bool, Value)> {
    let (server, _running) = serve(world).await?;
    let round = open_round(server).await?;
    let (ada, bob) = (key(world, "ada").await?, key(world, "bob").await?);
    let path = |model: usize| {
        let model = world.models.get(model).context("a model")?;
        anyhow::Ok(format!("/api/v1/rounds/{round}/predictions/{model}"))
    };
    let mut victim = Victim {
        line: Line::open(VICTIM_HOST, server).await?,
        wall: WallClock::system(),
        put: path(0)?,
        key: ada,
        sent: 0,
    };
    victim.beats(5).await?;
    let told = Arc::new(Told::default());
    let mut tries = Vec::new();
    while tries.len() < TRIES && !tries.iter().any(Measured::holds) {
        let quiet = victim.beats(QUIET_BEATS).await?;
        let attackers = attackers::start(server, &bob, &path(1)?, &told);
        // What a limit lets through at once is no flood yet.
        let burst = victim.beats(BURST_BEATS).await?;
        let loud = victim.beats(LOUD_BEATS).await?;
        drop(attackers);
        let [quiet_us, burst_us, loud_us] = [&quiet, &burst, &loud].map(|took| p99(took));
        tries.push(Measured {
            quiet_us,
            burst_us,
            loud_us,
        });
    }
    victim.beats(5).await?;
    row(&tries, &told, victim.sent)
}

/// The victim's p99 without and with the others.
#[derive(Clone, Copy, Debug)]
struct Measured {
    quiet_us: i64,
    burst_us: i64,
    loud_us: i64,
}

impl Measured {
    fn holds(&self) -> bool {
        self.loud_us <= 2 * self.quiet_us.max(SLACK_US / 2)
    }
}

fn row(tries: &[Measured], told: &Told, victim_beats: u32) -> anyhow::Result<(bool, Value)> {
    let last = tries.last().context("a try")?;
    let said = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let [limited, slow, large] = [&told.limited, &told.too_slow, &told.too_large].map(said);
    let [turned_away, clean, wrong] = [&told.turned_away, &told.clean, &told.wrong].map(said);
    let all_told = [limited, slow, large, turned_away, clean];
    let pass = all_told.iter().all(|count| *count > 0) && wrong == 0 && last.holds();
    Ok((
        pass,
        json!({
            "victim_requests": 2 * victim_beats,
            "victim_refused": 0,
            "quiet_p99_ms": last.quiet_us / 1_000,
            "flood_p99_ms": last.loud_us / 1_000,
            "first_second_p99_ms": tries.first().map_or(0, |first| first.burst_us / 1_000),
            "tries": tries.len(),
            "flood_served": said(&told.served),
            "flood_429": limited,
            "connections_turned_away": turned_away,
            "slow_408": slow,
            "large_413": large,
            "tricks_refused": clean,
            "wrong_answers": wrong,
        }),
    ))
}

/// The server of the world with the usual limits, on a clock that runs as fast as the wall: its
/// rounds stay open for as long as the row lasts.
async fn serve(world: &World) -> anyhow::Result<(SocketAddr, Running)> {
    let clock = ClockFile {
        wall_origin_us: world.wall.now_us(),
        market_origin_us: world.market.now_us(),
        speed: 1.0,
    };
    let clock = serde_json::to_string(&clock)?;
    std::fs::write(world.data().join("clock.json"), clock)?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let mut command = process::foretoken(["serve", "--replay", "--rpc", world.chain.url()])?;
    command.arg("--data").arg(world.data());
    command.args(["--listen", &address.to_string()]);
    let running = Running::start(command, world.data(), "server")?;
    let answers = wait::until("the server to answer", LIMIT, async || {
        let ended = running.ended();
        ensure!(ended.is_none(), "it ended: {}", running.stderr());
        Ok(Line::open(1, address).await.ok())
    });
    answers.await?;
    Ok((address, running))
}

/// A round that is open for minutes.
async fn open_round(server: SocketAddr) -> anyhow::Result<String> {
    wait::until("an open round", LIMIT, async || {
        let mut line = Line::open(1, server).await?;
        let answer = line.ask(&get("/api/v1/rounds?state=open&limit=5")).await?;
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        Ok(body["rounds"][0]["id"].as_str().map(str::to_owned))
    })
    .await
}

async fn key(world: &World, account: &str) -> anyhow::Result<String> {
    let mut command = process::foretoken(["admin", "key", "create", "--account", account])?;
    command.args(["--scopes", "read,predict,upload"]);
    command.arg("--data").arg(world.data());
    let made = process::run(command, LIMIT).await?;
    let key = made.stdout.split_whitespace().last().map(str::to_owned);
    key.with_context(|| format!("no key: {}", made.stderr))
}

/// Somebody who keeps to every limit.
struct Victim {
    line: Line,
    wall: WallClock,
    put: String,
    key: String,
    sent: u32,
}

impl Victim {
    /// How long each answer took, microseconds.
    async fn beats(&mut self, count: usize) -> anyhow::Result<Vec<i64>> {
        let mut took = Vec::new();
        for _ in 0..count {
            self.sent += 1;
            let body = format!("{{\"p\":0.{:06}}}", 400_000 + self.sent);
            let put = line::json("PUT", &self.put, &self.key, &body);
            let read = get("/api/v1/rounds?state=open&limit=5");
            for request in [put, read] {
                let began_us = self.wall.now_us();
                let answer = self.line.ask(&request).await?;
                took.push(self.wall.now_us() - began_us);
                let (status, body) = (answer.status, &answer.body);
                ensure!(status == 200, "the victim was told {status}: {body}");
            }
            pause(BEAT).await;
        }
        Ok(took)
    }
}

fn p99(took: &[i64]) -> i64 {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or(0)
}
