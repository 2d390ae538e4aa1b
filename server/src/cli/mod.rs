//! The command line. Exit codes: 0 done, accepted, equal; 2 input refused or different; 1 could not
//! do it; 64 wrong usage. Results go to standard output, everything else to standard error.

mod admin;
mod check;
mod dataset;
mod deploy;
mod exit;
mod feeds;
mod feeds_read;
mod guardian;
mod input;
mod key;
mod limit_args;
mod resolve;
mod role_key;
mod score;
mod serve;
mod settle;
mod settler;
#[cfg(test)]
mod source_round_tests;
mod verify;
mod verify_run;
#[cfg(test)]
mod webhook_tests;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::db::Db;
use crate::demo;

/// How a command ended, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Done, accepted, equal.
    Done,
    /// The input was refused, or what was compared differs.
    Refused,
}

/// A prediction-tournament staking platform.
#[derive(Debug, Parser)]
#[command(name = "foretoken", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play recorded prices through the whole machine on this computer
    Demo(demo::DemoArgs),
    /// Serve the API and the pages, keep the timetable, follow the chain
    Serve(serve::ServeArgs),
    /// Commit, propose and accept on chain; the only process that holds chain keys
    Settler(settler::SettlerArgs),
    /// Recompute every proposal, challenge or veto what does not follow, pause
    Guardian(guardian::GuardianArgs),
    /// Bring the database up to date
    Migrate(DataArgs),
    /// Create tournaments and keys, resume a halted settlement
    Admin(admin::AdminArgs),
    /// Score predictions in files: CORR, MMC, FNC
    Score(score::ScoreArgs),
    /// Recompute what a round pays
    Settle(settle::SettleArgs),
    /// Recompute an outcome from its price evidence
    Resolve(resolve::ResolveArgs),
    /// Look at the venues' streams: decode recorded frames
    Feeds(feeds::FeedsArgs),
    /// Recompute a batch, a round or a receipt's fate from the public record and the chain, or run a
    /// hosted model again
    Verify(verify::VerifyArgs),
    /// Rebuild a vault's ledger from the chain alone, list what can be claimed, and withdraw it
    Exit(exit::ExitArgs),
    /// Check an ONNX model as the server would
    Check(check::CheckArgs),
    /// Write or publish the datasets, or fill candles from a venue's history
    Dataset(dataset::DatasetArgs),
}

/// Where an installation keeps its things.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DataArgs {
    /// Folder of artifacts, keys, clock and the embedded database
    #[arg(
        long,
        value_name = "DIR",
        default_value = "foretoken-data",
        env = "FORETOKEN_DATA"
    )]
    data: PathBuf,
    /// PostgreSQL in place of the embedded database: postgres://…
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

impl DataArgs {
    pub(crate) async fn open(&self) -> anyhow::Result<Db> {
        Db::open_in(&self.data, self.database_url.as_deref()).await
    }

    /// Where the public record lies: the named folder, else `record` in the data folder.
    pub(crate) fn record_dir(&self, named: Option<PathBuf>) -> PathBuf {
        named.unwrap_or_else(|| self.data.join("record"))
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            error.print().ok();
            return if error.use_stderr() {
                ExitCode::from(64)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    start_log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command)),
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Refused) => ExitCode::from(2),
        Err(error) => {
            writeln!(std::io::stderr(), "foretoken: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<Ended> {
    match command {
        Command::Demo(args) => demo::run(args).await.map(|()| Ended::Done),
        Command::Serve(args) => serve::run(args).await,
        Command::Settler(args) => settler::run(args).await,
        Command::Guardian(args) => guardian::run(args).await,
        Command::Migrate(args) => args.open().await.map(|_| Ended::Done),
        Command::Admin(args) => admin::run(args).await,
        Command::Score(args) => score::run(args),
        Command::Settle(args) => settle::run(&args),
        Command::Resolve(args) => resolve::run(&args),
        Command::Feeds(args) => feeds::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Exit(args) => exit::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Dataset(args) => dataset::run(args).await,
    }
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "info,sqlx=warn,hyper=warn,alloy=warn,tower_http=warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Writes a result to standard output.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Says why an input is refused.
pub(crate) fn refuse(why: &str) -> Ended {
    writeln!(std::io::stderr(), "foretoken: {why}").ok();
    Ended::Refused
}
