//! The fake venues by hand: `cargo run -p tests --bin fake_venues`. Prints the feeds file that
//! `foretoken serve --feeds` reads, then serves until it is interrupted.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use domain::{MarketClock, Venue, WallClock};
use server::settings::market_clock;
use tests::venues::{Market, Recording, Settings, Source, Venues};

/// Binance, Coinbase and Kraken on this machine: generated or recorded trades, wrong on command.
/// `curl -d '{"kind":"mute"}' http://127.0.0.1:PORT/misbehave` commands the venue of that port.
#[derive(Debug, Parser)]
struct Args {
    /// The market: the same seed trades the same at the same time
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A venue's port, `kraken=9003`; free ones for the others
    #[arg(long = "port", value_name = "VENUE=PORT")]
    ports: Vec<String>,
    /// Play a venue's recorded frames instead, `kraken=FILE`, lines of
    /// `{"receive_time_us", "frame"}`
    #[arg(long = "recording", value_name = "VENUE=FILE")]
    recordings: Vec<String>,
    /// Keep the time of this data folder's clock.json, as its server does; else the machine's
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let clock = match &args.data {
        Some(data) => market_clock(data)?,
        None => MarketClock::live(WallClock::system()),
    };
    let mut settings = Settings::new(Market::new(args.seed), clock.clone());
    for (venue, port) in named(&args.ports)? {
        settings
            .ports
            .insert(venue, port.parse().context("a port")?);
    }
    for (venue, file) in named(&args.recordings)? {
        let recording = Recording::read(venue, &PathBuf::from(file), clock.now_us())?;
        settings.sources.insert(venue, Source::Recorded(recording));
    }
    let venues = Venues::start(settings).await?;
    let mut out = std::io::stdout();
    out.write_all(venues.feeds_file().as_bytes())?;
    out.flush()?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}

fn named(pairs: &[String]) -> anyhow::Result<BTreeMap<Venue, String>> {
    let pairs = pairs.iter().map(|pair| {
        let (name, value) = pair.split_once('=').context("VENUE=VALUE is expected")?;
        let venue = Venue::parse(name).with_context(|| format!("{name:?} is no venue"))?;
        Ok((venue, value.to_owned()))
    });
    pairs.collect()
}
