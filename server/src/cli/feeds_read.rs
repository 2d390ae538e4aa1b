//! `foretoken feeds read`: the value that a numeric source's bytes hold, as the server reads it.

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use domain::{Price, SourceId};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Ended, print, refuse};
use crate::prices::feeds::live::settings::FeedSettings;
use crate::prices::feeds::source::decode::decode;

#[derive(Debug, clap::Args)]
pub(super) struct ReadArgs {
    /// The feeds file that describes the source
    #[arg(long, value_name = "FILE", env = "FORETOKEN_FEEDS")]
    feeds: PathBuf,
    /// Its name
    #[arg(long, value_name = "NAME")]
    source: SourceId,
}

#[derive(Serialize)]
struct Answer {
    observed_us: i64,
    value: String,
    /// The value with the source's shift: what evidence calls its price.
    price: Price,
    sha256: String,
}

pub(super) fn run(args: &ReadArgs) -> anyhow::Result<Ended> {
    let file = args.feeds.display();
    let text =
        std::fs::read_to_string(&args.feeds).with_context(|| format!("{file} cannot be read"))?;
    let settings = match FeedSettings::parse(&text) {
        Ok(settings) => settings,
        Err(why) => return Ok(refuse(&format!("{file}: {why}"))),
    };
    let mut sources = settings.sources.iter();
    let Some(source) = sources.find(|source| source.name == args.source) else {
        return Ok(refuse(&format!("{file} names no source {}", args.source)));
    };
    let mut body = Vec::new();
    let limit = u64::try_from(source.longest_body_bytes)?.saturating_add(1);
    std::io::stdin().lock().take(limit).read_to_end(&mut body)?;
    let said = match decode(source, &body) {
        Ok(said) => said,
        Err(error) => return Ok(refuse(&format!("source {}: {error}", args.source))),
    };
    let answer = Answer {
        observed_us: said.observed_us,
        value: said.value,
        price: said.price,
        sha256: hex::encode(Sha256::digest(&body)),
    };
    print(&serde_json::to_string(&answer)?)?;
    Ok(Ended::Done)
}
