//! Measures of one asset's window. Every span `n` counts back from the newest bar.
//!
//! Sums run from the oldest to the newest value, so that a result never depends on the machine.
//! Elementary functions come from `libm` for the same reason. A measure whose denominator vanishes
//! (a market that stood still) answers 0.

use super::window::{AssetWindow, RETURNS};

/// Smallest volatility that returns are divided by: a tenth of a basis point per bar.
const LEAST_VOLATILITY: f64 = 1e-5;
/// Smallest volume that logarithms are taken of, in the base asset.
const LEAST_VOLUME: f64 = 1e-6;

impl AssetWindow {
    /// Root mean square of the last `n` log returns, at least a tenth of a basis point.
    pub(super) fn volatility(&self, n: usize) -> f64 {
        let squares = last(&self.returns, n).iter().map(|value| value * value);
        libm::sqrt(squares.sum::<f64>() / n as f64).max(LEAST_VOLATILITY)
    }

    /// Volatility per bar over the whole window, the yardstick of every return.
    pub(super) fn yardstick(&self) -> f64 {
        self.volatility(RETURNS)
    }

    /// The log return of the bar `lag` bars before the newest (1 = the newest), in yardsticks.
    pub(super) fn lagged_return(&self, lag: usize) -> f64 {
        last(&self.returns, lag).first().copied().unwrap_or(0.0) / self.yardstick()
    }

    /// The sum of the last `n` log returns, in yardsticks × √n.
    pub(super) fn momentum(&self, n: usize) -> f64 {
        sum(last(&self.returns, n)) / (self.yardstick() * libm::sqrt(n as f64))
    }

    /// Newest close against the mean of the last `n` closes (log), in yardsticks × √n.
    pub(super) fn gap_to_mean(&self, n: usize) -> f64 {
        let mean = sum(last(&self.closes, n)) / n as f64;
        libm::log(self.newest_close() / mean) / (self.yardstick() * libm::sqrt(n as f64))
    }

    /// Exponential mean with span `fast` against the one with span `slow` (log), in
    /// yardsticks × √slow.
    pub(super) fn exponential_gap(&self, fast: usize, slow: usize) -> f64 {
        let ratio = exponential_mean(&self.closes, fast) / exponential_mean(&self.closes, slow);
        libm::log(ratio) / (self.yardstick() * libm::sqrt(slow as f64))
    }

    /// Gains less losses over their sum, −1 to 1, over the last `n` returns.
    pub(super) fn strength(&self, n: usize) -> f64 {
        let returns = last(&self.returns, n);
        let moved: f64 = returns.iter().map(|value| value.abs()).sum();
        ratio(sum(returns), moved)
    }

    /// Rising less falling bars over the last `n`, −1 to 1.
    pub(super) fn balance(&self, n: usize) -> f64 {
        last(&self.returns, n)
            .iter()
            .map(|value| sign(*value))
            .sum::<f64>()
            / n as f64
    }

    /// Log of the volatility of the last `n` bars against the yardstick.
    pub(super) fn volatility_ratio(&self, n: usize) -> f64 {
        libm::log(self.volatility(n) / self.yardstick())
    }

    /// Log of Parkinson's high-low volatility of the last `n` bars against the yardstick.
    pub(super) fn parkinson_ratio(&self, n: usize) -> f64 {
        let squares = last(&self.highs, n)
            .iter()
            .zip(last(&self.lows, n))
            .map(|(high, low)| {
                let range = libm::log(high / low);
                range * range
            });
        let variance = squares.sum::<f64>() / (4.0 * std::f64::consts::LN_2 * n as f64);
        libm::log(libm::sqrt(variance).max(LEAST_VOLATILITY) / self.yardstick())
    }

    /// Autocorrelation of the last `n` returns at lag 1, about zero mean, −1 to 1.
    pub(super) fn autocorrelation(&self, n: usize) -> f64 {
        let returns = last(&self.returns, n);
        let products = returns
            .iter()
            .zip(returns.iter().skip(1))
            .map(|(a, b)| a * b);
        ratio(
            products.sum(),
            returns.iter().map(|value| value * value).sum(),
        )
    }

    /// Skewness of the last `n` returns about zero mean.
    pub(super) fn skewness(&self, n: usize) -> f64 {
        let scale = self.volatility(n);
        let cubes = last(&self.returns, n).iter().map(|value| {
            let scaled = value / scale;
            scaled * scaled * scaled
        });
        cubes.sum::<f64>() / n as f64
    }

    /// Largest absolute return of the last `n` bars, in yardsticks.
    pub(super) fn largest_move(&self, n: usize) -> f64 {
        let largest = last(&self.returns, n)
            .iter()
            .fold(0.0, |most: f64, value| most.max(value.abs()));
        largest / self.yardstick()
    }

    /// Newest close within the range of the last `n` bars: −1 at the low, 1 at the high.
    pub(super) fn range_position(&self, n: usize) -> f64 {
        let high = last(&self.highs, n)
            .iter()
            .copied()
            .fold(f64::MIN, f64::max);
        let low = last(&self.lows, n).iter().copied().fold(f64::MAX, f64::min);
        ratio(2.0 * self.newest_close() - high - low, high - low)
    }

    /// Mean over the last `n` bars of (close − open) over (high − low), −1 to 1.
    pub(super) fn body(&self, n: usize) -> f64 {
        self.mean_shape(n, |open, _, _, close| close - open)
    }

    /// Mean over the last `n` bars of (upper wick − lower wick) over (high − low), −1 to 1.
    pub(super) fn wicks(&self, n: usize) -> f64 {
        self.mean_shape(n, |open, high, low, close| {
            high - open.max(close) - (open.min(close) - low)
        })
    }

    fn mean_shape(&self, n: usize, shape: fn(f64, f64, f64, f64) -> f64) -> f64 {
        let (opens, closes) = (last(&self.opens, n), last(&self.closes, n));
        let (highs, lows) = (last(&self.highs, n), last(&self.lows, n));
        let bars = opens.iter().zip(highs).zip(lows.iter().zip(closes));
        let shapes = bars.map(|((open, high), (low, close))| {
            ratio(shape(*open, *high, *low, *close), high - low)
        });
        shapes.sum::<f64>() / n as f64
    }

    /// Log of the mean volume of the last `short` bars against that of the last `long`.
    pub(super) fn volume_ratio(&self, short: usize, long: usize) -> f64 {
        let mean = |n: usize| (sum(last(&self.volumes, n)) / n as f64).max(LEAST_VOLUME);
        libm::log(mean(short) / mean(long))
    }

    /// Volume of rising less that of falling bars, over all, −1 to 1, last `n` bars.
    pub(super) fn signed_volume(&self, n: usize) -> f64 {
        let volumes = last(&self.volumes, n);
        let signed = volumes
            .iter()
            .zip(last(&self.returns, n))
            .map(|(volume, value)| volume * sign(*value));
        ratio(signed.sum(), sum(volumes))
    }

    /// Correlation of volume and absolute return over the last `n` bars, −1 to 1.
    pub(super) fn volume_move_correlation(&self, n: usize) -> f64 {
        let moves: Vec<f64> = last(&self.returns, n)
            .iter()
            .map(|value| value.abs())
            .collect();
        correlation(last(&self.volumes, n), &moves)
    }

    fn newest_close(&self) -> f64 {
        self.closes.last().copied().unwrap_or(f64::NAN)
    }
}

/// The newest `n` values; all when there are fewer.
pub(super) fn last(values: &[f64], n: usize) -> &[f64] {
    values.split_at(values.len().saturating_sub(n)).1
}

/// Pearson's correlation of two columns of equal length, 0 when one is constant.
pub(super) fn correlation(xs: &[f64], ys: &[f64]) -> f64 {
    let n = xs.len() as f64;
    let (mean_x, mean_y) = (sum(xs) / n, sum(ys) / n);
    let pairs = || xs.iter().zip(ys).map(|(x, y)| (x - mean_x, y - mean_y));
    let covariance: f64 = pairs().map(|(x, y)| x * y).sum();
    let spread_x: f64 = pairs().map(|(x, _)| x * x).sum();
    let spread_y: f64 = pairs().map(|(_, y)| y * y).sum();
    ratio(covariance, libm::sqrt(spread_x) * libm::sqrt(spread_y))
}

/// `numerator / denominator`, 0 where the denominator is not above 0.
pub(super) fn ratio(numerator: f64, denominator: f64) -> f64 {
    if denominator > 0.0 {
        numerator / denominator
    } else {
        0.0
    }
}

fn exponential_mean(values: &[f64], span: usize) -> f64 {
    let weight = 2.0 / (span as f64 + 1.0);
    let start = values.first().copied().unwrap_or(f64::NAN);
    values
        .iter()
        .fold(start, |mean, value| mean + weight * (value - mean))
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

fn sign(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlation_knows_its_extremes_and_flat_columns() {
        let rising = [1.0, 2.0, 3.0, 4.0];
        let falling = [8.0, 6.0, 4.0, 2.0];
        assert!((correlation(&rising, &falling) + 1.0).abs() < 1e-12);
        assert!((correlation(&rising, &rising) - 1.0).abs() < 1e-12);
        assert_eq!(correlation(&rising, &[5.0; 4]), 0.0);
    }

    #[test]
    fn exponential_mean_of_a_constant_is_the_constant() {
        assert_eq!(exponential_mean(&[3.0; 20], 5), 3.0);
    }
}
