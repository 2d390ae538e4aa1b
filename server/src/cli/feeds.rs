//! `foretoken feeds`: look at what the venues send.

use std::io::{BufReader, BufWriter, IsTerminal, Write};
use std::time::Duration;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use domain::Venue;
use domain::timestamp::{SECOND_US, rfc3339};

use super::feeds_read::{self, ReadArgs};
use super::{Ended, print, refuse};
use crate::api::get_feeds::{FeedsBody, GapBody};
use crate::api::source_body::SourceBody;
use crate::app::stop_on_signal;
use crate::prices::feeds::frames;
use crate::wall::pause;

const WATCH_EVERY: Duration = Duration::from_secs(1);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Gaps that are open now, shown at most.
const SHOWN_GAPS: usize = 10;
/// Puts the cursor home and clears a terminal.
const CLEAR: &str = "\x1b[H\x1b[2J";

#[derive(Debug, clap::Args)]
pub(super) struct FeedsArgs {
    #[command(subcommand)]
    command: FeedsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum FeedsCommand {
    /// Show the venues of a running server: connections, ages, gaps, offsets
    Watch(WatchArgs),
    /// Read raw frames on standard input, one a line, and print their trades as JSON lines
    Decode(DecodeArgs),
    /// Read the bytes of a numeric source on standard input and print the value in them as JSON
    Read(ReadArgs),
}

#[derive(Debug, clap::Args)]
struct DecodeArgs {
    /// Whose frames they are
    #[arg(long, value_parser = venue_parser())]
    venue: Venue,
}

#[derive(Debug, clap::Args)]
struct WatchArgs {
    /// The server
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        env = "FORETOKEN_SERVER"
    )]
    server: String,
    /// Show them once and end
    #[arg(long)]
    once: bool,
}

/// A venue by its name.
pub(super) fn venue_parser() -> impl TypedValueParser<Value = Venue> {
    PossibleValuesParser::new(Venue::ALL.map(Venue::name))
        .try_map(|name| Venue::parse(&name).ok_or("no such venue"))
}

pub(super) async fn run(args: FeedsArgs) -> anyhow::Result<Ended> {
    match args.command {
        FeedsCommand::Watch(args) => watch(&args).await,
        FeedsCommand::Decode(args) => decode(&args),
        FeedsCommand::Read(args) => feeds_read::run(&args),
    }
}

fn decode(args: &DecodeArgs) -> anyhow::Result<Ended> {
    let mut input = BufReader::new(std::io::stdin().lock());
    let mut output = BufWriter::new(std::io::stdout().lock());
    let counts = frames::decode_lines(args.venue, &mut input, &mut output)?;
    output.flush()?;
    writeln!(
        std::io::stderr(),
        "{} frames: {} trades, {} frames without trades, {} unknown, {} broken",
        counts.frames,
        counts.trades,
        counts.other,
        counts.unknown,
        counts.broken
    )?;
    Ok(Ended::Done)
}

/// Shows the live feeds of a server until Ctrl-C, or once with `--once`.
async fn watch(args: &WatchArgs) -> anyhow::Result<Ended> {
    let url = format!("{}/api/v1/feeds", args.server.trim_end_matches('/'));
    let http = reqwest::Client::new();
    let stop = stop_on_signal()?;
    let is_terminal = std::io::stdout().is_terminal();
    while !stop.is_cancelled() {
        let answer = http
            .get(&url)
            .timeout(ANSWER_LIMIT)
            .send()
            .await
            .with_context(|| format!("{} does not answer", args.server))?;
        let body: FeedsBody = answer.error_for_status()?.json().await?;
        if !body.is_live {
            let server = &args.server;
            return Ok(refuse(&format!(
                "{server} follows no venue: its prices are a replay"
            )));
        }
        let clear = if is_terminal && !args.once { CLEAR } else { "" };
        print(&format!("{clear}{}", table(&body)))?;
        if args.once {
            return Ok(Ended::Done);
        }
        tokio::select! {
            () = pause(WATCH_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(Ended::Done)
}

/// What `feeds watch` shows, without colours.
fn table(body: &FeedsBody) -> String {
    let mut lines = vec![rfc3339(body.now_us / SECOND_US * SECOND_US)];
    let offset = body.our_offset_ms.map_or_else(
        || "our clock: not known yet".to_owned(),
        |ms| format!("our clock: {ms} ms from the venues'"),
    );
    lines.push(body.clock_alert.clone().unwrap_or(offset));
    lines.push(format!(
        "{:<9} {:<11} {:<9} {:>12} {:>7} {:>8} {:>8} {:>5} {:>6}",
        "venue", "connection", "market", "price", "age s", "lag ms", "clock ms", "gaps", "ended"
    ));
    let number = |value: Option<i64>| value.map_or_else(|| "–".to_owned(), |n| n.to_string());
    for venue in &body.venues {
        for market in venue.markets.values() {
            lines.push(format!(
                "{:<9} {:<11} {:<9} {:>12} {:>7} {:>8} {:>8} {:>5} {:>6}",
                venue.venue,
                venue.connection,
                market.symbol,
                market.price.as_deref().unwrap_or("–"),
                market
                    .age_s
                    .map_or_else(|| "–".to_owned(), |age| format!("{age:.1}")),
                number(venue.lag_ms),
                number(venue.clock_offset_ms),
                market.open_gaps,
                venue.ended,
            ));
        }
        if let Some(end) = &venue.last_end {
            lines.push(format!("{:<9} last ended: {end}", ""));
        }
    }
    if !body.sources.is_empty() {
        lines.extend(source_lines(&body.sources));
    }
    let open = body.gaps.iter().filter(|gap| gap.filled_at.is_none());
    for gap in open.take(SHOWN_GAPS) {
        let to = gap.to_at.as_deref().unwrap_or("now");
        let GapBody {
            venue,
            asset,
            from_at,
            reason,
            ..
        } = gap;
        lines.push(format!("gap {venue} {asset} {from_at} to {to}: {reason}"));
    }
    lines.join("\n")
}

/// The numeric sources as `feeds watch` shows them.
fn source_lines(sources: &[SourceBody]) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<24} {:>14} {:<8} {:>8} {:>7} {:>6} {:>6} {:>5} {:>9}",
        "source", "value", "unit", "age s", "every s", "asked", "failed", "gaps", "revisions"
    )];
    for source in sources {
        let stale = if source.is_stale { " stale" } else { "" };
        lines.push(format!(
            "{:<24} {:>14} {:<8} {:>8} {:>7} {:>6} {:>6} {:>5} {:>9}{stale}",
            source.source,
            source.value.as_deref().unwrap_or("–"),
            source.unit,
            source
                .age_s
                .map_or_else(|| "–".to_owned(), |age| format!("{age:.1}")),
            source.observations_every_s,
            source.asked,
            source.failed,
            source.gaps.len(),
            source.revisions,
        ));
        if let Some(error) = source
            .last_error
            .as_ref()
            .filter(|_| source.failed_in_a_row > 0)
        {
            lines.push(format!("{:<24} last error: {error}", ""));
        }
    }
    lines
}
