//! What `/metrics` says of live prices: the feeds' board as it is now, and the rounds that are void,
//! by cause, from the database. Where prices are a replay there is no feed and nothing of one.

use super::metrics_page::{Page, seconds, signed_seconds};
use crate::app::App;
use crate::prices::connection_log::is_clock_good;
use crate::prices::feeds::live::board::{Board, MarketStatus, VenueStatus};
use crate::rounds::{self, RoundError};

/// The text of all of them, Prometheus form.
pub(super) async fn text(app: &App) -> Result<String, RoundError> {
    let mut page = Page::default();
    if let Some(board) = &app.feeds {
        feeds(&mut page, board, app.market.now_us());
    }
    let name = "foretoken_rounds_void_total";
    page.head(name, "Rounds that are void, by cause", "counter");
    let mut conn = app.db.read().await?;
    for (cause, count) in rounds::void_counts(&mut conn).await? {
        page.line(name, &[("reason", cause)], count);
    }
    Ok(page.text)
}

fn feeds(page: &mut Page, board: &Board, now_us: i64) {
    page.gauge(
        "foretoken_clock_alert",
        "1 while our clock is so far off that nothing locks or resolves",
        u8::from(board.clock_alert().is_some()),
    );
    if let Some(offset_us) = board.our_offset_us() {
        page.gauge(
            "foretoken_clock_offset_seconds",
            "Our clock less the venues'; absent while fewer than two venues tell",
            signed_seconds(offset_us),
        );
    }
    let venues = board.venues();
    venue_metrics(page, &venues);
    market_metrics(page, &venues, now_us);
}

fn venue_metrics(page: &mut Page, venues: &[VenueStatus]) {
    let mut each = |name: &str, help: &str, kind: &str, of: fn(&VenueStatus) -> Option<String>| {
        page.head(name, help, kind);
        for venue in venues {
            if let Some(value) = of(venue) {
                page.line(name, &[("venue", venue.venue.name())], value);
            }
        }
    };
    each(
        "foretoken_feed_reconnects_total",
        "Connections to the venue that ended since the start, planned ones too",
        "counter",
        |venue| Some(venue.ended.to_string()),
    );
    each(
        "foretoken_feed_unusable_frames_total",
        "Frames that are broken or that the venue does not document",
        "counter",
        |venue| Some((venue.unknown + venue.broken).to_string()),
    );
    each(
        "foretoken_feed_clock_offset_seconds",
        "Our time of receiving less the venue's stamps, or our clock less its REST clock; absent \
         while neither is known",
        "gauge",
        |venue| offset_us(venue).map(signed_seconds),
    );
    each(
        "foretoken_feed_clock_good",
        "0 while the venue's clock is so far off that its trades are no evidence",
        "gauge",
        |venue| Some(u8::from(offset_us(venue).is_none_or(is_clock_good)).to_string()),
    );
}

fn offset_us(venue: &VenueStatus) -> Option<i64> {
    venue.lag_us.or(venue.clock_us)
}

fn market_metrics(page: &mut Page, venues: &[VenueStatus], now_us: i64) {
    type Value = fn(&VenueStatus, &MarketStatus, i64) -> Option<String>;
    let mut each = |name: &str, help: &str, kind: &str, of: Value| {
        page.head(name, help, kind);
        let markets = venues.iter().flat_map(|venue| {
            let markets = venue.markets.values();
            markets.map(move |market| (venue, market))
        });
        for (venue, market) in markets {
            let labels = [("venue", venue.venue.name()), ("symbol", &market.symbol)];
            if let Some(value) = of(venue, market, now_us) {
                page.line(name, &labels, value);
            }
        }
    };
    each(
        "foretoken_feed_up",
        "1 while the venue is connected",
        "gauge",
        |venue, _, _| Some(u8::from(venue.up_since_us().is_some()).to_string()),
    );
    each(
        "foretoken_feed_trade_age_seconds",
        "Since the newest trade was received; absent before the first",
        "gauge",
        |_, market, now_us| (market.received_us > 0).then(|| seconds(now_us - market.received_us)),
    );
    each(
        "foretoken_feed_trades_total",
        "Trades taken since the start, back-filled ones too",
        "counter",
        |_, market, _| Some(market.trades.to_string()),
    );
    each(
        "foretoken_feed_backfilled_trades_total",
        "Trades that the venue's REST interface brought since the start",
        "counter",
        |_, market, _| Some(market.backfilled.to_string()),
    );
    each(
        "foretoken_feed_open_gaps",
        "Times in which trades are missing now",
        "gauge",
        |_, market, _| Some(market.open_gaps.to_string()),
    );
    each(
        "foretoken_feed_gaps_total",
        "Times in which trades were missing since the start",
        "counter",
        |_, market, _| Some(market.gaps.to_string()),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prices::feeds::live::settings::FeedSettings;

    const NOW: i64 = 1_709_640_000_000_000;

    #[test]
    fn every_market_has_its_lines_and_every_metric_says_what_it_is() {
        let settings = FeedSettings::public_venues().expect("the program's own file");
        let mut page = Page::default();
        feeds(&mut page, &Board::new(&settings), NOW);
        let text = page.text;
        for line in [
            "foretoken_clock_alert 0",
            "foretoken_feed_up{venue=\"kraken\",symbol=\"BTC/USD\"} 0",
            "foretoken_feed_gaps_total{venue=\"binance\",symbol=\"ETHUSDT\"} 0",
            "foretoken_feed_reconnects_total{venue=\"coinbase\"} 0",
            "foretoken_feed_clock_good{venue=\"coinbase\"} 1",
        ] {
            assert!(text.lines().any(|said| said == line), "{line} in {text}");
        }
        // What is not known is absent and no zero.
        assert!(!text.contains("foretoken_clock_offset_seconds"), "{text}");
        assert!(
            !text.contains("foretoken_feed_trade_age_seconds{"),
            "{text}"
        );
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            for part in ["HELP", "TYPE"] {
                let head = format!("# {part} {name} ");
                assert!(text.contains(&head), "{head}");
            }
        }
    }
}
