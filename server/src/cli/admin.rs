//! `foretoken admin`: what an operator does by hand.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use domain::WallClock;

use super::deploy::DeployArgs;
use super::{DataArgs, Ended, print, refuse};
use crate::runners::{RunnerError, fleet};
use crate::{chain, rounds, settlement};

#[derive(Debug, Args)]
pub(super) struct AdminArgs {
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Tournaments
    #[command(subcommand)]
    Tournament(TournamentCommand),
    /// API keys
    #[command(subcommand)]
    Key(super::key::KeyCommand),
    /// Runners of hosted models
    #[command(subcommand)]
    Runner(RunnerCommand),
    /// Make the contracts on a chain and register the tournaments; again: register new ones
    Deploy(DeployArgs),
    /// End a halt, after a fresh comparison of ledger and chain
    Resume {
        /// Why it is right to go on; stored
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        data: DataArgs,
    },
}

#[derive(Debug, Subcommand)]
enum TournamentCommand {
    /// Enter a tournament from its TOML file
    Create {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        data: DataArgs,
    },
}

#[derive(Debug, Subcommand)]
enum RunnerCommand {
    /// Give a runner nothing new; it finishes what it has and says so on the page
    Drain {
        /// Its name
        name: String,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Let a drained runner work again
    Undrain {
        /// Its name
        name: String,
        #[command(flatten)]
        data: DataArgs,
    },
}

pub(super) async fn run(args: AdminArgs) -> anyhow::Result<Ended> {
    let now_us = WallClock::system().now_us();
    match args.command {
        AdminCommand::Tournament(TournamentCommand::Create { file, data }) => {
            create_tournament(now_us, &file, &data).await
        }
        AdminCommand::Key(command) => super::key::run(now_us, command).await,
        AdminCommand::Runner(RunnerCommand::Drain { name, data }) => {
            drain(now_us, &name, true, &data).await
        }
        AdminCommand::Runner(RunnerCommand::Undrain { name, data }) => {
            drain(now_us, &name, false, &data).await
        }
        AdminCommand::Deploy(args) => super::deploy::run(args).await,
        AdminCommand::Resume { reason, data } => resume(now_us, &reason, &data).await,
    }
}

async fn create_tournament(
    now_us: i64,
    file: &std::path::Path,
    data: &DataArgs,
) -> anyhow::Result<Ended> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let db = data.open().await?;
    let mut tx = db.begin().await?;
    match rounds::enter(&mut tx, now_us, &text).await {
        Ok(entered) => {
            if let Some(deployment) = chain::deployment(&mut tx).await? {
                let misfits = settlement::misfits(&entered.tournament, (&deployment).into());
                if !misfits.is_empty() {
                    return Ok(refuse(&misfits.join("\n")));
                }
            }
            tx.commit().await?;
            let id = entered.tournament.id;
            print(&format!("tournament {id}, rule hash {}", entered.rule_hash))?;
            Ok(Ended::Done)
        }
        Err(error @ rounds::RoundError::Database(_)) => Err(error.into()),
        Err(error) => Ok(refuse(&format!("{}: {error}", file.display()))),
    }
}

async fn drain(now_us: i64, name: &str, is_asked: bool, data: &DataArgs) -> anyhow::Result<Ended> {
    let db = data.open().await?;
    let mut tx = db.begin().await?;
    match fleet::ask_to_drain(&mut tx, now_us, name, is_asked).await {
        Ok(()) => {
            tx.commit().await?;
            let what = if is_asked {
                "is given nothing new"
            } else {
                "is given work again"
            };
            print(&format!("runner {name} {what}"))?;
            Ok(Ended::Done)
        }
        Err(error @ RunnerError::Database(_)) => Err(error.into()),
        Err(error) => Ok(refuse(&error.to_string())),
    }
}

async fn resume(now_us: i64, reason: &str, data: &DataArgs) -> anyhow::Result<Ended> {
    let db = data.open().await?;
    let mut tx = db.begin().await?;
    match settlement::resume(&mut tx, now_us, reason).await {
        Ok(()) => {
            tx.commit().await?;
            print("settlement goes on")?;
            Ok(Ended::Done)
        }
        Err(error) => Ok(refuse(&error.to_string())),
    }
}
