//! Feeds: whatever yields trades and closed candles, one file each.
//!
//! A feed turns what its source says into a [`Batch`]; [`record`] writes it. Must never decide
//! anything: jobs do, at their own pace, from what was recorded.

pub mod frames;
pub mod history;
pub mod live;
pub mod message;
pub mod protocol;
pub mod replay;
pub mod source;

mod binance;
mod coinbase;
mod exact;
mod kraken;
mod rest;

#[cfg(test)]
mod decode_tests;
#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
pub(crate) mod history_fixture;

use datasets::Candle;

use super::{PriceError, Tick, insert_candles, insert_ticks};
use crate::db::Db;

/// What a feed has yielded since the last time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Trades as received.
    pub ticks: Vec<Tick>,
    /// Candles that have closed, each with its asset.
    pub candles: Vec<(String, Candle)>,
}

impl Batch {
    /// Whether there is nothing to record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ticks.is_empty() && self.candles.is_empty()
    }
}

/// Writes a batch in one transaction; what is there already stays.
///
/// # Errors
/// Database errors; then nothing of the batch is written.
pub async fn record(db: &Db, batch: &Batch) -> Result<(), PriceError> {
    if batch.is_empty() {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    insert_ticks(&mut tx, &batch.ticks).await?;
    for group in batch.candles.chunk_by(|(a, _), (b, _)| a == b) {
        let candles: Vec<Candle> = group.iter().map(|(_, candle)| *candle).collect();
        let asset = group.first().map_or("", |(asset, _)| asset.as_str());
        insert_candles(&mut tx, asset, &candles).await?;
    }
    Ok(tx.commit().await?)
}
