//! Targets of `direction` rounds from candles.
//!
//! Owns the historical outcome that models are trained on. Live rounds are resolved from trades of
//! several venues elsewhere; this must never decide money.

use domain::Direction;

use crate::candle::{BAR_US, Candle, find};
use crate::error::DatasetError;

/// Which way the price went in `[t_us, t_us + 300 s)`: the close of that bar against the close of
/// the bar before it, not against its own open. `None` when they are equal (such a round is void).
///
/// # Errors
/// [`DatasetError::NotARound`] when `t_us` is off the grid, [`DatasetError::MissingBar`] when one of
/// the two bars is not there.
pub fn target(own: &[Candle], t_us: i64) -> Result<Option<Direction>, DatasetError> {
    if t_us.rem_euclid(BAR_US) != 0 {
        return Err(DatasetError::NotARound { t_us });
    }
    let close = |open_time_us| {
        let bar = find(own, open_time_us);
        bar.map(|bar| bar.close).ok_or(DatasetError::MissingBar {
            role: "own",
            open_time_us,
        })
    };
    let (before, after) = (close(t_us - BAR_US)?, close(t_us)?);
    Ok(match after.cmp(&before) {
        std::cmp::Ordering::Greater => Some(Direction::Up),
        std::cmp::Ordering::Less => Some(Direction::Down),
        std::cmp::Ordering::Equal => None,
    })
}
