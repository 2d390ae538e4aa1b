//! Filling the past: candles from a venue's history beside those that are there.
//!
//! Must never change a stored candle.

use std::collections::BTreeMap;

use datasets::{Asset, Candle};

use super::{PriceError, store};
use crate::db::Db;

/// Candles of one transaction, so that a running server waits for none for long.
const CANDLES_PER_COMMIT: usize = 2_000;

/// What filling did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filled {
    /// Candles that are new.
    pub inserted: usize,
    /// Candles that were there with the same values.
    pub same: usize,
    /// Candles that were there with other values, as stored and as offered. They stay as stored.
    pub differing: Vec<(Candle, Candle)>,
}

/// Stores rising `candles` that are not there yet. Safe to repeat and to break off.
///
/// # Errors
/// Database errors; what was committed before stays.
pub async fn fill_candles(db: &Db, asset: Asset, candles: &[Candle]) -> Result<Filled, PriceError> {
    let mut filled = Filled::default();
    for chunk in candles.chunks(CANDLES_PER_COMMIT) {
        let (Some(first), Some(last)) = (chunk.first(), chunk.last()) else {
            continue;
        };
        let mut tx = db.begin().await?;
        let to_us = last.close_time_us();
        let stored = store::candles(&mut tx, asset.name(), first.open_time_us, to_us).await?;
        let stored: BTreeMap<i64, Candle> = stored
            .into_iter()
            .map(|candle| (candle.open_time_us, candle))
            .collect();
        let mut fresh = Vec::new();
        for candle in chunk {
            match stored.get(&candle.open_time_us) {
                None => fresh.push(*candle),
                Some(there) if there == candle => filled.same += 1,
                Some(there) => filled.differing.push((*there, *candle)),
            }
        }
        store::insert_candles(&mut tx, asset.name(), &fresh).await?;
        tx.commit().await?;
        filled.inserted += fresh.len();
    }
    Ok(filled)
}
