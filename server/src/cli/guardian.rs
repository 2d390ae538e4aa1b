//! `foretoken guardian`: recomputes every proposal and stops what does not follow from the record.
//! Holds the guardian's key and nothing else; needs no database of the operator's.

use std::path::PathBuf;
use std::time::Duration;

use alloy::primitives::Address;
use anyhow::Context;
use domain::WallClock;

use super::{Ended, print};
use crate::app::stop_on_signal;
use crate::chain::{self, Key};
use crate::guardian::{self, Guard, GuardianSettings};
use crate::record::Source;

/// Names the key of whoever guards or challenges.
const KEY: &str = "FORETOKEN_GUARDIAN_KEY";

#[derive(Debug, clap::Args)]
pub(super) struct GuardianArgs {
    /// JSON-RPC address of the chain
    #[arg(long, value_name = "URL", env = "FORETOKEN_RPC")]
    rpc: String,
    /// The vault whose proposals are watched
    #[arg(long, value_name = "ADDRESS")]
    vault: Address,
    /// The server whose public record is read
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// A copy of the public record, in place of a server
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    record: Option<PathBuf>,
    /// File with the key, readable by its owner only; else FORETOKEN_GUARDIAN_KEY. Any key may
    /// challenge; only the guardian's may veto and pause
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Milliseconds between two looks at the chain
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    poll_ms: u64,
    /// Look once at the pending proposal, say what follows, send nothing. Exit 0: nothing to stop,
    /// 2: it would be stopped
    #[arg(long, conflicts_with_all = ["pause", "unpause"])]
    once: bool,
    /// Stop new registrations, deposits, funding and proposals; nothing else
    #[arg(long, conflicts_with = "unpause")]
    pause: bool,
    /// Take them again
    #[arg(long)]
    unpause: bool,
}

pub(super) async fn run(args: GuardianArgs) -> anyhow::Result<Ended> {
    let stop = stop_on_signal()?;
    let chain = chain::connect(&args.rpc)
        .await
        .with_context(|| format!("the chain at {} does not answer", args.rpc))?;
    let source = match &args.record {
        Some(folder) => Source::Folder(folder.clone()),
        None => Source::of_server(&args.server)?,
    };
    let mut guard = Guard::new(chain, args.vault, source, WallClock::system()).await?;
    if args.once {
        return once(&mut guard).await;
    }
    let settings = GuardianSettings {
        poll: Duration::from_millis(args.poll_ms),
        ..GuardianSettings::of_key(key(&args)?)
    };
    if args.pause || args.unpause {
        guardian::set_paused(&guard, settings, args.pause).await?;
        print(if args.pause {
            "paused"
        } else {
            "taking inflows"
        })?;
        return Ok(Ended::Done);
    }
    guardian::run(guard, settings, stop).await?;
    Ok(Ended::Done)
}

async fn once(guard: &mut Guard) -> anyhow::Result<Ended> {
    let Some(judged) = guard.look().await? else {
        print("no proposal is pending")?;
        return Ok(Ended::Done);
    };
    print(&judged.to_string())?;
    Ok(if judged.is_to_be_stopped() {
        Ended::Refused
    } else {
        Ended::Done
    })
}

fn key(args: &GuardianArgs) -> anyhow::Result<Key> {
    let named = std::env::var(KEY).ok().filter(|value| !value.is_empty());
    let text = match (named, &args.key_file) {
        (_, Some(path)) => std::fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?,
        (Some(text), None) => text,
        (None, None) => anyhow::bail!("no key: set {KEY} or name a file with --key-file"),
    };
    Key::from_hex(text.trim()).context("the guardian's key is no key: 64 hex digits are wanted")
}
