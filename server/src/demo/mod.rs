//! `foretoken demo`: the whole machine on one computer, on recorded or live prices.
//!
//! Starts a development chain, the server, the settler and a runner as children, lets reference
//! models and bots compete, and tells what happened. Uses the verbs and doors that others use.

mod bots;
mod children;
mod folder;
mod participants;
mod progress;
mod report;
mod withdrawal;
mod world;

use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::Context;
use domain::WallClock;

use crate::app::stop_on_signal;
use crate::chain::{ChainError, anvil};
use crate::settings::runner_beside;

/// The tournaments of the demo, as an operator would write them.
pub const TOURNAMENT_FILES: [&str; 2] = [
    include_str!("btc-usd-5m.toml"),
    include_str!("eth-usd-5m.toml"),
];

/// The same tournaments at the market's own pace.
pub const LIVE_TOURNAMENT_FILES: [&str; 2] = [
    include_str!("live/btc-usd-5m.toml"),
    include_str!("live/eth-usd-5m.toml"),
];

/// Rounds of a run without pages when nothing is said.
const HEADLESS_ROUNDS: usize = 12;

/// Play recorded prices through the whole machine.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Rounds to settle with outcome up or down, over both tournaments together [default: 12 with
    /// --headless, else endless]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Market seconds per second, 1 to 120
    #[arg(long, value_name = "S", default_value_t = 60.0, value_parser = parse_speed)]
    speed: f64,
    /// Follow the venues live in place of the recording: five real minutes a round
    #[arg(long, conflicts_with = "speed")]
    live: bool,
    /// Which venues to follow and where they are, TOML [default: Binance, Coinbase and Kraken]
    #[arg(long, value_name = "FILE", requires = "live", env = "FORETOKEN_FEEDS")]
    feeds: Option<PathBuf>,
    /// Port of the pages and the API on 127.0.0.1
    #[arg(long, value_name = "P", default_value_t = 8080)]
    port: u16,
    /// End when the rounds are settled and the withdrawal is paid; else the demo keeps serving
    #[arg(long)]
    headless: bool,
    /// Write everything that ended, again after each accepted batch; `-` prints it at the end
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Folder to keep everything in; a second start goes on [default: foretoken-data, with
    /// --headless a temporary one]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The runner's executable; else the one beside this
    #[arg(long, value_name = "PATH")]
    runner: Option<PathBuf>,
    /// PostgreSQL in place of the embedded database: postgres://…
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (1.0..=120.0).contains(&speed) => Ok(speed),
        _ => Err("speed must be a number from 1 to 120 market seconds per second".into()),
    }
}

impl DemoArgs {
    /// Market seconds per second.
    fn speed(&self) -> f64 {
        if self.live { 1.0 } else { self.speed }
    }

    fn tournament_files(&self) -> [&'static str; 2] {
        if self.live {
            LIVE_TOURNAMENT_FILES
        } else {
            TOURNAMENT_FILES
        }
    }

    fn wanted_rounds(&self) -> Option<usize> {
        let named = self.rounds.and_then(|rounds| usize::try_from(rounds).ok());
        named.or(self.headless.then_some(HEADLESS_ROUNDS))
    }
}

/// Runs the demo until its rounds are settled or somebody stops it.
///
/// # Errors
/// When something is missing (the message says how to get it) or a part ends.
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let wall = WallClock::system();
    let began_us = wall.now_us();
    let stop = stop_on_signal()?;
    TcpListener::bind(("127.0.0.1", args.port))
        .with_context(|| format!("port {} is in use: choose another with --port P", args.port))?;
    let tools = world::Tools {
        anvil: anvil::locate(None)?,
        runner: runner_beside(args.runner.as_deref())?,
        onnx_runtime: world::locate_onnx_runtime()?,
    };
    let mut folder = folder::Folder::open(&args)?;
    let world = match world::World::start(&args, &tools, &folder, &wall).await {
        Err(error) if does_not_fit(&error) => {
            folder.begin_anew(&format!("{error:#}"))?;
            world::World::start(&args, &tools, &folder, &wall).await?
        }
        started => started?,
    };
    progress::run(&args, &folder, world, began_us, &stop).await
}

fn does_not_fit(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<ChainError>()
        .is_some_and(|e| matches!(e, ChainError::DoesNotFit(_)))
}
