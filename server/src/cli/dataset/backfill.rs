//! `foretoken dataset backfill`: a venue's history into the stored candles.

use datasets::candle::BAR_US;
use datasets::{Asset, Candle};
use domain::Venue;
use domain::timestamp::{parse_rfc3339, rfc3339};

use super::{DataArgs, Ended, print, refuse};
use crate::prices::feeds::history::{self, Market};
use crate::prices::feeds::live::settings::{FeedSettings, VenueSettings};
use crate::prices::{self, Filled};
use crate::settings::market_clock;

/// Gaps and differing candles that are named one by one; the rest is counted.
const NAMED: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct BackfillArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Whose history: binance, coinbase or kraken (kraken keeps the newest 720 bars only)
    #[arg(long, value_parser = venue)]
    venue: Venue,
    /// The venue's name of the market: BTCUSDT, BTC-USD, BTC/USD
    #[arg(long)]
    symbol: String,
    /// Whose candles these are here: btc or eth; known for the markets that are followed by default
    #[arg(long, value_parser = asset)]
    asset: Option<Asset>,
    /// Start of the first bar, RFC 3339
    #[arg(long, value_name = "RFC3339", value_parser = moment)]
    from: i64,
    /// End of the last bar, RFC 3339
    #[arg(long, value_name = "RFC3339", value_parser = moment)]
    to: i64,
    /// The venue's REST interface, when it is not the public one
    #[arg(long, value_name = "URL")]
    rest: Option<String>,
    /// Store what there is where the venue has no bar; the gaps are named all the same
    #[arg(long)]
    with_gaps: bool,
}

pub(super) async fn run(args: BackfillArgs) -> anyhow::Result<Ended> {
    let now_us = market_clock(&args.data.data)?.now_us();
    if args.to > now_us - now_us.rem_euclid(BAR_US) {
        return Ok(refuse(&format!(
            "--to {} is not past: the newest bar would not have closed",
            rfc3339(args.to)
        )));
    }
    let span_us = args.from..args.to;
    let market = match market(&args)? {
        Ok(market) => market,
        Err(refusal) => return Ok(refuse(&refusal)),
    };
    let candles = match history::candles(&market, span_us.clone()).await {
        Err(error @ history::HistoryError::Span { .. }) => return Ok(refuse(&error.to_string())),
        candles => candles?,
    };
    let gaps = history::gaps(&candles, span_us);
    for gap in gaps.iter().take(NAMED) {
        let bars = (gap.end - gap.start) / BAR_US;
        let (from, to) = (rfc3339(gap.start), rfc3339(gap.end));
        print(&format!("gap {from} to {to}: {bars} bars"))?;
    }
    if !gaps.is_empty() && !args.with_gaps {
        return Ok(refuse(&format!(
            "{} gaps in what {} answered; nothing was stored: narrow --from and --to, or store the \
             rest with --with-gaps",
            gaps.len(),
            args.venue.name()
        )));
    }
    let db = args.data.open().await?;
    let filled = prices::fill_candles(&db, market.asset, &candles).await;
    db.close().await;
    report(&filled?)
}

/// What is asked, and where; the refusal of a market whose asset nobody told.
fn market(args: &BackfillArgs) -> anyhow::Result<Result<Market, String>> {
    let public = FeedSettings::public_venues().map_err(anyhow::Error::msg)?;
    let Some(venue) = public.venue(args.venue) else {
        anyhow::bail!("{} is not in the program's feeds", args.venue.name());
    };
    let Some(asset) = args.asset.or_else(|| asset_of(venue, &args.symbol)) else {
        return Ok(Err(format!(
            "whose candles {} are is not known: say --asset btc or --asset eth",
            args.symbol
        )));
    };
    Ok(Ok(Market {
        venue: args.venue,
        symbol: args.symbol.clone(),
        asset,
        rest: args.rest.clone().unwrap_or_else(|| venue.rest.clone()),
    }))
}

fn asset_of(venue: &VenueSettings, symbol: &str) -> Option<Asset> {
    let mut markets = venue.markets.iter();
    let (name, _) = markets.find(|(_, of_venue)| *of_venue == symbol)?;
    asset(name).ok()
}

fn report(filled: &Filled) -> anyhow::Result<Ended> {
    for (stored, offered) in filled.differing.iter().take(NAMED) {
        let (opens, stored, offered) = (
            rfc3339(stored.open_time_us),
            values(stored),
            values(offered),
        );
        print(&format!(
            "differs {opens}: stored {stored}, offered {offered}"
        ))?;
    }
    print(&format!(
        "inserted {}, there already {}, differing {}",
        filled.inserted,
        filled.same,
        filled.differing.len()
    ))?;
    if filled.differing.is_empty() {
        return Ok(Ended::Done);
    }
    Ok(refuse(
        "stored candles differ from the venue's and were left as they are",
    ))
}

/// Open, high, low, close, volume.
fn values(candle: &Candle) -> String {
    let prices = [candle.open, candle.high, candle.low, candle.close];
    let prices = prices.map(|price| price.to_string()).join(" ");
    format!("{prices} {}", candle.volume)
}

fn venue(text: &str) -> Result<Venue, String> {
    Venue::parse(text).ok_or_else(|| "not binance, coinbase or kraken".to_owned())
}

fn asset(text: &str) -> Result<Asset, String> {
    let mut known = Asset::ALL.into_iter();
    let found = known.find(|asset| asset.name() == text);
    found.ok_or_else(|| "not btc or eth".to_owned())
}

fn moment(text: &str) -> Result<i64, String> {
    parse_rfc3339(text).ok_or_else(|| "not RFC 3339, as 2024-03-05T12:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::prices::feeds::history_fixture::Venues;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: BackfillArgs,
    }

    /// The command over the bundled candles but one, as a venue would answer them.
    async fn backfill(folder: &std::path::Path, rest: &str, more: &[&str]) -> Ended {
        let data = folder.display().to_string();
        let mut line = vec!["backfill", "--venue", "coinbase", "--symbol", "BTC-USD"];
        line.extend(["--data", &data, "--rest", rest]);
        line.extend(["--to", "2024-02-03T00:00:00Z"]);
        line.extend(more);
        let line = Line::try_parse_from(line).expect("a command");
        run(line.args).await.expect("an answer")
    }

    #[tokio::test]
    async fn history_is_stored_once_and_never_rewritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let history = datasets::bundled::candles().expect("bundled");
        let whole = history.btc.as_slice().to_vec();
        let (_venues, rest) = Venues::serve(whole.clone(), 0).await;
        let from = ["--from", "2024-02-01T12:00:00Z"];
        for _ in 0..2 {
            assert_eq!(backfill(folder.path(), &rest, &from).await, Ended::Done);
        }
        // Another venue's bars differ: refused, and the earlier ones that were missing are new.
        let mut other = whole.clone();
        other[200].volume += 1.0;
        let (_venues, rest) = Venues::serve(other, 0).await;
        let from = ["--from", "2024-02-01T00:00:00Z"];
        assert_eq!(backfill(folder.path(), &rest, &from).await, Ended::Refused);
        let line = DataLine::try_parse_from(["x", "--data", &folder.path().display().to_string()]);
        let db = line.expect("a line").data.open().await.expect("opens");
        let mut conn = db.read().await.expect("a connection");
        let stored = prices::candles(&mut conn, "btc", 0, i64::MAX).await;
        assert_eq!(stored.expect("candles"), whole[..576]);
    }

    #[test]
    fn a_market_that_is_not_followed_needs_its_asset() {
        let line = |more: &[&str]| {
            let mut line = vec!["x", "--venue", "kraken", "--data", "d"];
            line.extend([
                "--from",
                "2024-02-01T00:00:00Z",
                "--to",
                "2024-02-02T00:00:00Z",
            ]);
            line.extend(more);
            let line = Line::try_parse_from(line).expect("a command");
            market(&line.args).expect("the program's feeds")
        };
        let known = line(&["--symbol", "ETH/USD"]).expect("known");
        assert_eq!(
            (known.asset, known.symbol.as_str()),
            (Asset::Eth, "ETH/USD")
        );
        let refusal = line(&["--symbol", "XBT/EUR"]).expect_err("unknown");
        assert!(refusal.contains("--asset"), "{refusal}");
        let told = line(&["--symbol", "XBT/EUR", "--asset", "btc"]);
        assert_eq!(told.expect("told").asset, Asset::Btc);
    }

    #[derive(Parser)]
    struct DataLine {
        #[command(flatten)]
        data: DataArgs,
    }

    #[tokio::test]
    async fn a_gap_stores_nothing_unless_it_is_accepted() {
        let folder = tempfile::tempdir().expect("a folder");
        let history = datasets::bundled::candles().expect("bundled");
        let mut bars = history.btc.as_slice().to_vec();
        bars.remove(100);
        let (_venues, rest) = Venues::serve(bars, 0).await;
        let from = ["--from", "2024-02-01T00:00:00Z"];
        assert_eq!(backfill(folder.path(), &rest, &from).await, Ended::Refused);
        assert!(!folder.path().join("foretoken.sqlite").exists());
        let accepted = [from[0], from[1], "--with-gaps"];
        assert_eq!(backfill(folder.path(), &rest, &accepted).await, Ended::Done);
        for wrong in ["2024-02-03T00:00:00Z", "2024-02-01T00:00:01Z"] {
            let from = ["--from", wrong];
            assert_eq!(backfill(folder.path(), &rest, &from).await, Ended::Refused);
        }
        let future = [
            "--from",
            "2024-02-01T00:00:00Z",
            "--to",
            "2999-01-01T00:00:00Z",
        ];
        let line = [
            "x", "--venue", "kraken", "--symbol", "BTC/USD", "--asset", "btc",
        ];
        let line = Line::try_parse_from(line.into_iter().chain(future)).expect("a command");
        assert_eq!(run(line.args).await.expect("an answer"), Ended::Refused);
    }
}
