//! Five-minute candles: built from the trades of the venue that models are trained on, asked of that
//! venue where trades are missing.
//!
//! Must never store a bar that has not closed, or one built across a gap.

use std::time::Duration;

use datasets::Candle;
use datasets::candle::BAR_US;
use datasets::features::BARS_NEEDED;
use domain::timestamp::{SECOND_US, rfc3339};
use domain::{Quantity, Venue};
use tokio_util::sync::CancellationToken;

use super::backfill::get;
use super::venue::Followed;
use crate::db::Db;
use crate::prices::feeds::rest::bar_pages;
use crate::prices::{PriceError, Tick, candles, gaps, insert_candles, trades_of_venue};
use crate::wall::pause;

/// The venue whose bars models are trained on.
pub(super) const BARS_OF: Venue = Venue::Binance;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a bar's end its last trades are on their way.
const SETTLING_US: i64 = 2 * SECOND_US;
/// Where trades are missing the back-fill may bring them until then.
const ASK_AFTER_US: i64 = 20 * SECOND_US;
/// Between two questions.
const ASK_AGAIN_US: i64 = 10 * SECOND_US;

/// Builds bars as they close until `stop`.
pub(super) async fn build(db: Db, followed: Followed, stop: CancellationToken) {
    let mut asked_us = 0;
    while !stop.is_cancelled() {
        let markets = followed.settings.markets.clone();
        for (asset, symbol) in &markets {
            let now_us = followed.clock.now_us();
            match close_bars(&db, &followed, (asset, symbol), now_us, asked_us).await {
                Ok(true) => asked_us = now_us,
                Ok(false) => {}
                Err(error) => tracing::warn!(asset, error, "bars not built, trying again"),
            }
        }
        tokio::select! {
            () = pause(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Stores every bar that features need and that is not there; answers whether the venue was asked.
async fn close_bars(
    db: &Db,
    followed: &Followed,
    (asset, symbol): (&str, &str),
    now_us: i64,
    asked_us: i64,
) -> Result<bool, String> {
    let newest_us = (now_us - SETTLING_US).div_euclid(BAR_US) * BAR_US - BAR_US;
    let bars = i64::try_from(BARS_NEEDED).unwrap_or(i64::MAX);
    // One more than a row needs: the row is of bars closed 300 s before its round.
    let oldest_us = newest_us - (bars + 1) * BAR_US;
    let missing = missing(db, asset, (oldest_us, newest_us))
        .await
        .map_err(|error| error.to_string())?;
    let Some(first_us) = missing.first().copied() else {
        return Ok(false);
    };
    if missing == [newest_us] {
        let built = from_trades(db, asset, newest_us)
            .await
            .map_err(|error| error.to_string())?;
        if let Some(candle) = built {
            store(db, asset, &[candle]).await?;
            return Ok(false);
        }
        if now_us < newest_us + BAR_US + ASK_AFTER_US {
            return Ok(false);
        }
    }
    if now_us - asked_us < ASK_AGAIN_US {
        return Ok(false);
    }
    let to_us = newest_us + BAR_US;
    let asked = ask(followed, symbol, (first_us, to_us)).await?;
    store(db, asset, &asked).await?;
    Ok(true)
}

async fn missing(
    db: &Db,
    asset: &str,
    (oldest_us, newest_us): (i64, i64),
) -> Result<Vec<i64>, PriceError> {
    let mut conn = db.read().await?;
    let stored = candles(&mut conn, asset, oldest_us, newest_us + 1).await?;
    let has = |open_us: i64| {
        stored
            .binary_search_by_key(&open_us, |candle| candle.open_time_us)
            .is_ok()
    };
    let count = (newest_us - oldest_us) / BAR_US;
    let opens = (0..=count).map(|bar| oldest_us + bar * BAR_US);
    Ok(opens.filter(|open_us| !has(*open_us)).collect())
}

/// The bar of the stored trades; none while some may be missing.
async fn from_trades(db: &Db, asset: &str, open_us: i64) -> Result<Option<Candle>, PriceError> {
    let mut conn = db.read().await?;
    let close_us = open_us + BAR_US;
    let is_gap = gaps(&mut conn, asset, (open_us, close_us))
        .await?
        .iter()
        .any(|gap| gap.venue == BARS_OF && gap.filled_us == 0);
    // The first trade after the end shows that none before it is still on its way.
    let span = (open_us, close_us + ASK_AFTER_US);
    let trades = trades_of_venue(&mut conn, asset, BARS_OF, span).await?;
    let inside = trades.partition_point(|tick| tick.venue_time_us < close_us);
    if is_gap || inside == trades.len() {
        return Ok(None);
    }
    Ok(candle(open_us, trades.get(..inside).unwrap_or_default()))
}

/// The bar of trades in order; none of no trades.
pub(super) fn candle(open_us: i64, trades: &[Tick]) -> Option<Candle> {
    let prices = || trades.iter().map(|tick| tick.price);
    let volume = trades.iter().map(|tick| tick.quantity).sum::<Quantity>();
    Some(Candle {
        open_time_us: open_us,
        open: prices().next()?,
        high: prices().max()?,
        low: prices().min()?,
        close: prices().next_back()?,
        volume: volume.to_f64(),
    })
}

async fn ask(
    followed: &Followed,
    symbol: &str,
    (from_us, to_us): (i64, i64),
) -> Result<Vec<Candle>, String> {
    let venue = followed.venue();
    let mut found = Vec::new();
    for page in bar_pages(venue, symbol, from_us..to_us) {
        let answer = get(followed, &page.path).await?;
        let bars = page.decode(&answer);
        found.extend(bars.map_err(|error| format!("{}: {error}", page.path))?);
    }
    let (from, to) = (rfc3339(from_us), rfc3339(to_us));
    tracing::info!(
        venue = venue.name(),
        symbol,
        from,
        to,
        bars = found.len(),
        "bars asked for"
    );
    Ok(found)
}

async fn store(db: &Db, asset: &str, found: &[Candle]) -> Result<(), String> {
    let write = async {
        let mut tx = db.begin().await?;
        insert_candles(&mut tx, asset, found).await?;
        Ok::<_, PriceError>(tx.commit().await?)
    };
    write.await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_first_highest_lowest_last_and_the_sum() {
        let tick = |trade_id: i64, price: &str, quantity: &str| Tick {
            asset: "btc".into(),
            venue: BARS_OF,
            trade_id,
            price: price.parse::<domain::Price>().expect("a price"),
            venue_time_us: trade_id,
            receive_time_us: trade_id,
            quantity: Quantity::from_text_floored(quantity).expect("a quantity"),
        };
        let trades = [
            tick(1, "10", "0.1"),
            tick(2, "12", "0.2"),
            tick(3, "9", "0.00000001"),
            tick(4, "11", "1"),
        ];
        let bar = candle(0, &trades).expect("a bar");
        let price = |text: &str| text.parse::<domain::Price>().expect("a price");
        assert_eq!((bar.open, bar.close), (price("10"), price("11")));
        assert_eq!((bar.high, bar.low), (price("12"), price("9")));
        assert_eq!(bar.volume.to_bits(), 1.300_000_01_f64.to_bits());
        assert!(candle(0, &[]).is_none());
    }
}
