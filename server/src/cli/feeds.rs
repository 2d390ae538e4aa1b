//! `foretoken feeds`: look at what the venues send.

use std::io::{BufReader, BufWriter, Write};

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use domain::Venue;

use super::Ended;
use crate::prices::feeds::frames;

#[derive(Debug, clap::Args)]
pub(super) struct FeedsArgs {
    #[command(subcommand)]
    command: FeedsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum FeedsCommand {
    /// Read raw frames on standard input, one a line, and print their trades as JSON lines
    Decode(DecodeArgs),
}

#[derive(Debug, clap::Args)]
struct DecodeArgs {
    /// Whose frames they are
    #[arg(long, value_parser = venue_parser())]
    venue: Venue,
}

/// A venue by its name.
pub(super) fn venue_parser() -> impl TypedValueParser<Value = Venue> {
    PossibleValuesParser::new(Venue::ALL.map(Venue::name))
        .try_map(|name| Venue::parse(&name).ok_or("no such venue"))
}

pub(super) async fn run(args: FeedsArgs) -> anyhow::Result<Ended> {
    match args.command {
        FeedsCommand::Decode(args) => decode(&args),
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
