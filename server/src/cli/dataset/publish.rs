//! `foretoken dataset publish`: the daily job by hand. Safe beside a running server.

use super::{DataArgs, DatasetStoreArgs, Ended, print, refuse};
use crate::jobs::publish_dataset::{Outcome, publish};
use crate::releases::{Published, Releases};
use crate::settings::market_clock;

#[derive(Debug, clap::Args)]
pub(super) struct PublishArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    store: DatasetStoreArgs,
    /// The installation plays the bundled candles: publish them as far as its clock has come
    #[arg(long)]
    replay: bool,
}

pub(super) async fn run(args: PublishArgs) -> anyhow::Result<Ended> {
    let db = args.data.open().await?;
    let now_us = market_clock(&args.data.data)?.now_us();
    let releases = Releases::open(&args.data.data, args.store.url())?;
    let outcome = publish(&db, &releases, now_us, args.replay).await;
    db.close().await;
    match outcome? {
        Outcome::Published(Published::New(version)) => {
            print(&format!("published {version}"))?;
            Ok(Ended::Done)
        }
        Outcome::Published(Published::Unchanged(version)) => {
            print(&format!("unchanged {version}"))?;
            Ok(Ended::Done)
        }
        Outcome::TooFew(reason) => Ok(refuse(&format!(
            "no version was published, too few candles: {reason}; `foretoken dataset backfill` \
             adds history"
        ))),
    }
}
