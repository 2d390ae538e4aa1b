//! What the hosted models of a round were given.

use datasets::candle::BAR_US;
use datasets::features::{BARS_NEEDED, FREEZE_US};
use domain::RoundId;
use sha2::{Digest, Sha256};

use super::{PriceError, known_asset, store};
use crate::db::Conn;

/// The features of a round at the freeze: their digest, or why there are none. Written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// When they were frozen, on the market clock.
    pub frozen_us: i64,
    /// SHA-256 of the row's little-endian float32 values, hex; empty when there are none.
    pub digest: String,
    /// Why hosted models sit the round out; empty when they do not.
    pub reason: String,
}

impl Frozen {
    /// A row that was given at `frozen_us`.
    #[must_use]
    pub fn row(frozen_us: i64, row: &[f32]) -> Self {
        let mut hash = Sha256::new();
        for value in row {
            hash.update(value.to_le_bytes());
        }
        Self {
            frozen_us,
            digest: hex::encode(hash.finalize()),
            reason: String::new(),
        }
    }

    /// Nothing was given.
    #[must_use]
    pub fn nothing(frozen_us: i64, reason: String) -> Self {
        Self {
            frozen_us,
            digest: String::new(),
            reason,
        }
    }
}

/// Features are made from bars that closed by this moment, 300 s before the round starts.
#[must_use]
pub fn features_closed_by_us(start_us: i64) -> i64 {
    start_us.saturating_sub(FREEZE_US)
}

/// Writes what the hosted models of a round were given, once; a second time changes nothing.
///
/// # Errors
/// Database errors.
pub async fn write_frozen(
    conn: &mut Conn,
    round: &RoundId,
    frozen: &Frozen,
) -> Result<(), PriceError> {
    store::feeds::insert_frozen(conn, round, frozen).await?;
    Ok(())
}

/// What the hosted models of a round were given; none before its freeze.
///
/// # Errors
/// Database errors.
pub async fn frozen(conn: &mut Conn, round: &RoundId) -> Result<Option<Frozen>, PriceError> {
    Ok(store::feeds::frozen(conn, round).await?)
}

/// The features of the round that starts at `start_us`, from bars closed 300 s before, and only
/// those.
///
/// # Errors
/// [`PriceError::Features`] names the missing bar.
pub async fn feature_row(
    conn: &mut Conn,
    asset: &str,
    start_us: i64,
) -> Result<Vec<f32>, PriceError> {
    let asset = known_asset(asset)?;
    let closed_by_us = features_closed_by_us(start_us);
    let bars = i64::try_from(BARS_NEEDED).unwrap_or(i64::MAX);
    let from_us = closed_by_us.saturating_sub(bars.saturating_mul(BAR_US));
    // A bar closes one length after it opens.
    let to_us = closed_by_us.saturating_sub(BAR_US).saturating_add(1);
    let own = store::candles(conn, asset.name(), from_us, to_us).await?;
    let other = store::candles(conn, asset.other().name(), from_us, to_us).await?;
    Ok(datasets::features::feature_row(&own, &other, start_us)?)
}
