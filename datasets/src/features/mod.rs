//! Features of `direction` rounds.
//!
//! Owns the one function that makes a row, for history and live alike. The row of round T is
//! computed from the last [`BARS_NEEDED`] bars of both assets that closed by T−300 s, from scratch
//! each time: no running sums, so a row has the same bits however long the history behind it is.
//!
//! Must never look at a bar that closes later, fill a gap, or read a clock.

mod flow_table;
mod measures;
mod pair;
mod price_table;
mod schema;
mod table;
mod window;

pub use schema::{FEATURE_SCHEMA_VERSION, FeatureGroup, FeatureSpec};
pub use table::{FEATURE_COUNT, FEATURES};
pub use window::{BARS_NEEDED, FREEZE_US};

use crate::candle::Candle;
use crate::error::DatasetError;
use window::RoundWindow;

/// Largest absolute value of a feature; more says nothing more.
pub const FEATURE_LIMIT: f64 = 10.0;

/// The features of the round that starts at `t_us` (microseconds UTC), in the order of [`FEATURES`].
///
/// `own` are the candles of the asset to forecast, `other` those of the other asset, both in rising
/// order. Each must hold the [`BARS_NEEDED`] bars that end with the one closing at `t_us` − 300 s;
/// older and younger candles may be there and are not looked at. Answers [`FEATURE_COUNT`] finite
/// numbers within ±[`FEATURE_LIMIT`].
///
/// # Errors
/// [`DatasetError::NotARound`] when `t_us` is off the grid, [`DatasetError::MissingBar`] with the
/// oldest bar that is not there.
pub fn feature_row(own: &[Candle], other: &[Candle], t_us: i64) -> Result<Vec<f32>, DatasetError> {
    let window = RoundWindow::new(own, other, t_us)?;
    Ok(FEATURES
        .iter()
        .map(|feature| stored(feature.value(&window)))
        .collect())
}

/// A feature as it is stored: within the limit, in single precision, 0 where a formula had no
/// answer.
#[expect(
    clippy::cast_possible_truncation,
    reason = "models take single precision"
)]
fn stored(value: f64) -> f32 {
    if value.is_nan() {
        return 0.0;
    }
    value.clamp(-FEATURE_LIMIT, FEATURE_LIMIT) as f32
}
