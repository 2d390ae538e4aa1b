//! `foretoken settler`: everything that signs for the chain, in a process of its own.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use super::role_key::role_key;
use super::{DataArgs, Ended};
use crate::app::stop_on_signal;
use crate::chain;
use crate::record;
use crate::settings::market_clock;
use crate::settler::{self, SettlerKeys, SettlerSettings};

const WEI_PER_GWEI: u128 = 1_000_000_000;

#[derive(Debug, clap::Args)]
pub(super) struct SettlerArgs {
    #[command(flatten)]
    data: DataArgs,
    /// JSON-RPC address of the chain
    #[arg(long, value_name = "URL", env = "FORETOKEN_RPC")]
    rpc: String,
    /// Folder of the public record [default: `record` in the data folder]
    #[arg(long, value_name = "DIR", env = "FORETOKEN_RECORD")]
    record: Option<PathBuf>,
    /// A transaction that no block has taken for so long is offered with a higher fee, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 45)]
    stuck_after: u64,
    /// Nothing is offered above this fee, gwei per gas
    #[arg(long, value_name = "GWEI", default_value_t = 500)]
    max_fee: u32,
}

pub(super) async fn run(args: SettlerArgs) -> anyhow::Result<Ended> {
    let stop = stop_on_signal()?;
    let data = &args.data.data;
    let keys = SettlerKeys {
        committer: role_key(data, "committer", "FORETOKEN_COMMITTER_KEY")?,
        operator: role_key(data, "operator", "FORETOKEN_OPERATOR_KEY")?,
    };
    let db = args.data.open().await?;
    let market = market_clock(data)?;
    let chain = chain::connect(&args.rpc)
        .await
        .with_context(|| format!("the chain at {} does not answer", args.rpc))?;
    // A replay's seconds are short: the commitment must be mined before T.
    let poll = Duration::from_secs_f64((3.0 / market.speed()).clamp(0.03, 1.0));
    let settings = SettlerSettings {
        poll,
        stuck_after: Duration::from_secs(args.stuck_after),
        max_fee: u128::from(args.max_fee).saturating_mul(WEI_PER_GWEI),
        ..SettlerSettings::default()
    };
    settler::run(
        db,
        market.clone(),
        market.wall().clone(),
        chain,
        (keys, settings),
        record::Folder::new(args.data.record_dir(args.record)),
        stop,
    )
    .await?;
    Ok(Ended::Done)
}
