//! The bars that the features of one round may see.
//!
//! Owns causality: whatever is not in a [`RoundWindow`] cannot reach a feature. Must never hold a
//! bar that closes after the freeze, or fewer bars than asked for.

use crate::candle::{BAR_US, Candle, find};
use crate::error::DatasetError;

/// How long before its start a round's newest bar has closed: 300 s in microseconds. The bar that
/// ends at T is still open when features are frozen at T−40 s.
pub const FREEZE_US: i64 = 300_000_000;

/// Bars of each asset that one row needs (warm-up): 144 returns, twelve hours, and the close before.
pub const BARS_NEEDED: usize = 145;

/// Returns between the closes of a window.
pub(super) const RETURNS: usize = BARS_NEEDED - 1;

/// What the features of the round `[t_us, t_us + 300 s)` are computed from.
pub(super) struct RoundWindow {
    pub(super) own: AssetWindow,
    pub(super) other: AssetWindow,
    pub(super) t_us: i64,
}

impl RoundWindow {
    /// Picks the bars that closed by `t_us` − 300 s, and only those.
    pub(super) fn new(own: &[Candle], other: &[Candle], t_us: i64) -> Result<Self, DatasetError> {
        if t_us.rem_euclid(BAR_US) != 0 {
            return Err(DatasetError::NotARound { t_us });
        }
        Ok(Self {
            own: AssetWindow::new("own", own, t_us)?,
            other: AssetWindow::new("other", other, t_us)?,
            t_us,
        })
    }
}

/// The last [`BARS_NEEDED`] bars of one asset, oldest first, prices in quote units.
pub(super) struct AssetWindow {
    pub(super) opens: Vec<f64>,
    pub(super) highs: Vec<f64>,
    pub(super) lows: Vec<f64>,
    pub(super) closes: Vec<f64>,
    pub(super) volumes: Vec<f64>,
    /// Log returns close to close, one fewer than bars.
    pub(super) returns: Vec<f64>,
}

impl AssetWindow {
    fn new(role: &'static str, candles: &[Candle], t_us: i64) -> Result<Self, DatasetError> {
        let bars = closed_bars(role, candles, t_us)?;
        let column = |of: fn(&Candle) -> f64| bars.iter().map(|bar| of(bar)).collect::<Vec<_>>();
        let closes = column(|bar| bar.close.to_f64());
        let returns = closes
            .iter()
            .zip(closes.iter().skip(1))
            .map(|(before, after)| libm::log(after / before))
            .collect();
        Ok(Self {
            opens: column(|bar| bar.open.to_f64()),
            highs: column(|bar| bar.high.to_f64()),
            lows: column(|bar| bar.low.to_f64()),
            volumes: column(|bar| bar.volume),
            closes,
            returns,
        })
    }
}

/// The bars that a row may see, each found by its own opening time, so that a gap is noticed.
fn closed_bars<'a>(
    role: &'static str,
    candles: &'a [Candle],
    t_us: i64,
) -> Result<Vec<&'a Candle>, DatasetError> {
    let newest_open_us = t_us - FREEZE_US - BAR_US;
    let mut open_time_us = newest_open_us - RETURNS as i64 * BAR_US;
    let mut bars = Vec::with_capacity(BARS_NEEDED);
    while open_time_us <= newest_open_us {
        let bar =
            find(candles, open_time_us).ok_or(DatasetError::MissingBar { role, open_time_us })?;
        bars.push(bar);
        open_time_us += BAR_US;
    }
    assert_eq!(bars.len(), BARS_NEEDED, "a window has its full length");
    assert!(
        bars.iter()
            .all(|bar| bar.close_time_us() <= t_us - FREEZE_US),
        "no bar that was open at the freeze reaches a feature"
    );
    Ok(bars)
}
