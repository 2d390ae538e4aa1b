//! `foretoken settle --round R.json`: recompute what a round pays.

use std::path::PathBuf;

use super::{Ended, print, refuse};

#[derive(Debug, clap::Args)]
pub(super) struct SettleArgs {
    /// {"a", "y", "entries": [{"model", "w", "p"}]}: ppm and 1e-9 token
    #[arg(long, value_name = "R.json")]
    round: PathBuf,
}

pub(super) fn run(args: &SettleArgs) -> anyhow::Result<Ended> {
    let file = args.round.display();
    let text = match std::fs::read_to_string(&args.round) {
        Ok(text) => text,
        Err(error) => return Ok(refuse(&format!("{file} cannot be read: {error}"))),
    };
    match scorer::settle_file::settle_json(&text) {
        Ok(settled) => print(&settled).map(|()| Ended::Done),
        Err(error) => Ok(refuse(&format!("{file}: {error}"))),
    }
}
