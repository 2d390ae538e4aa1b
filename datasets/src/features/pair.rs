//! Measures of both assets together, and of the calendar.

use super::measures::{correlation, last, ratio};
use super::window::{RETURNS, RoundWindow};

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
const WEEK_US: i64 = 7 * DAY_US;
/// 1970-01-01 was a Thursday: the first Monday began four days later.
const FIRST_MONDAY_US: i64 = 4 * DAY_US;

impl RoundWindow {
    /// Correlation of both assets' last `n` returns, −1 to 1.
    pub(super) fn correlation(&self, n: usize) -> f64 {
        correlation(last(&self.own.returns, n), last(&self.other.returns, n))
    }

    /// Slope of own on other returns over the whole window, about zero mean.
    pub(super) fn beta(&self) -> f64 {
        let pairs = self.own.returns.iter().zip(&self.other.returns);
        let products: f64 = pairs.map(|(own, other)| own * other).sum();
        ratio(
            products,
            self.other.returns.iter().map(|value| value * value).sum(),
        )
    }

    /// What own did beyond beta times other over the last `n` bars, in own yardsticks × √n.
    pub(super) fn spread(&self, n: usize) -> f64 {
        let own: f64 = last(&self.own.returns, n).iter().sum();
        let other: f64 = last(&self.other.returns, n).iter().sum();
        (own - self.beta() * other) / (self.own.yardstick() * libm::sqrt(n as f64))
    }

    /// Log of own volatility against the other's over the whole window.
    pub(super) fn relative_volatility(&self) -> f64 {
        libm::log(self.own.volatility(RETURNS) / self.other.volatility(RETURNS))
    }

    /// Sine of the round's start on the circle of 24 hours.
    pub(super) fn day_sine(&self) -> f64 {
        libm::sin(self.angle(DAY_US))
    }

    /// Cosine of the round's start on the circle of 24 hours.
    pub(super) fn day_cosine(&self) -> f64 {
        libm::cos(self.angle(DAY_US))
    }

    /// Sine of the round's start on the circle of one hour.
    pub(super) fn hour_sine(&self) -> f64 {
        libm::sin(self.angle(HOUR_US))
    }

    /// Cosine of the round's start on the circle of one hour.
    pub(super) fn hour_cosine(&self) -> f64 {
        libm::cos(self.angle(HOUR_US))
    }

    /// 1 when the round starts on a Saturday or Sunday (UTC), else 0.
    pub(super) fn weekend(&self) -> f64 {
        let since_monday_us = (self.t_us - FIRST_MONDAY_US).rem_euclid(WEEK_US);
        if since_monday_us >= 5 * DAY_US {
            1.0
        } else {
            0.0
        }
    }

    fn angle(&self, period_us: i64) -> f64 {
        std::f64::consts::TAU * (self.t_us.rem_euclid(period_us) as f64 / period_us as f64)
    }
}
