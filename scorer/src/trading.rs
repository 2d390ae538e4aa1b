//! The trading view: what acting on the sign of every forecast would have brought, costs included
//! (scoring.md). A way to look at forecasts, no money of anybody: statistics are float64.
//!
//! Never looks ahead: the position of an interval follows from the forecast made for it, and only
//! closing at the end or before a gap knows that no forecast follows.

use domain::{Direction, Probability};
use thiserror::Error;

use crate::returns::Return;

/// Most basis points that one unit of turnover may cost.
pub const COST_LIMIT_BP: f64 = 1_000.0;
/// The largest threshold; |p − ½| is never beyond it.
pub const THRESHOLD_LIMIT: f64 = 0.5;

/// Why a rule cannot be traded by.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum RuleError {
    /// A cost outside its limits, or no number.
    #[error("cost_bp is {0}; it is a number of basis points from 0 to 1000")]
    Cost(f64),
    /// A threshold outside its limits, or no number.
    #[error("threshold is {0}; it is a distance of p from one half, from 0 to 0.5")]
    Threshold(f64),
}

/// How forecasts become positions and what these cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    cost_bp: f64,
    threshold: Probability,
}

impl Rule {
    /// A rule: `cost_bp` in basis points per unit of turnover, 0 to 1,000; `threshold` as a distance
    /// of p from one half, 0 to 0.5, rounded half to even to ppm.
    ///
    /// # Errors
    /// [`RuleError`] names the number that is outside its limits.
    pub fn new(cost_bp: f64, threshold: f64) -> Result<Self, RuleError> {
        if !(0.0..=COST_LIMIT_BP).contains(&cost_bp) {
            return Err(RuleError::Cost(cost_bp));
        }
        if !(0.0..=THRESHOLD_LIMIT).contains(&threshold) {
            return Err(RuleError::Threshold(threshold));
        }
        let threshold =
            Probability::from_f64(threshold).map_err(|_| RuleError::Threshold(threshold))?;
        Ok(Self { cost_bp, threshold })
    }

    /// Cost in basis points per unit of turnover.
    #[must_use]
    pub fn cost_bp(self) -> f64 {
        self.cost_bp
    }

    /// The distance of p from one half that a position needs to exceed.
    #[must_use]
    pub fn threshold(self) -> Probability {
        self.threshold
    }

    /// The side that p takes: that of p − ½ when |p − ½| is above the threshold, none otherwise.
    #[must_use]
    pub fn side(self, p: Probability) -> Option<Direction> {
        let distance = p.ppm().abs_diff(Probability::HALF.ppm());
        let side = if p > Probability::HALF {
            Direction::Up
        } else {
            Direction::Down
        };
        (distance > self.threshold.ppm()).then_some(side)
    }
}

/// A forecast of one interval and what the market then did in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Probability of up.
    pub p: Probability,
    /// R of the interval.
    pub market: Return,
}

/// What trading by the forecasts comes to. The equity starts at 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Trading {
    /// Equity at the end of each interval that has a forecast, in order.
    pub equity: Vec<f64>,
    /// The same without costs.
    pub gross: Vec<f64>,
    /// Equity at the end; 1 without forecasts.
    pub final_equity: f64,
    /// Equity at the end without costs.
    pub gross_equity: f64,
    /// The largest fall of the equity from its highest value so far (the 1 at the start included), as
    /// a share of that value, 0 to 1.
    pub max_drawdown: f64,
    /// Σ|Δposition|, from no position to no position, in units of equity: a turn from long to short
    /// counts 2.
    pub turnover: usize,
    /// Positions opened; one that goes on is still the same, a turn to the other side opens one.
    pub trades: usize,
    /// Intervals in which a position was held, of those that have a forecast.
    pub intervals_in_market: usize,
    /// Share of those in which the market moved to the position's side; a return of 0 counts one
    /// half. `None` without a position.
    pub hit_rate: Option<f64>,
}

/// Trades by the forecasts of successive intervals, in time order; `None` is a gap: one interval or
/// several in a row without a forecast or without an outcome.
///
/// The position s of an interval is 1, 0 or −1 by [`Rule::side`]. With s₀ the position before it (0
/// after a gap and at the start), c the cost as a fraction and R the interval's return,
///
/// E ← E · (1 − c·|s − s₀|) · max(0, 1 + s·R), times (1 − c·|s|) when a gap or the end follows:
///
/// a position is worth the whole equity, one that goes on pays nothing in between, and every
/// position is closed in the end. A short position whose price more than doubles leaves 0, never
/// less.
#[must_use]
pub fn trade(slots: &[Option<Forecast>], rule: Rule) -> Trading {
    let mut account = Account::new(rule);
    for (at, slot) in slots.iter().enumerate() {
        let goes_on = slots.get(at + 1).is_some_and(Option::is_some);
        if let Some(forecast) = slot {
            account.hold(*forecast, goes_on);
        }
    }
    account.result()
}

/// The account between two intervals.
struct Account {
    rule: Rule,
    held: Option<Direction>,
    peak: f64,
    /// Twice the hits, so that halves are whole.
    hits_doubled: usize,
    so_far: Trading,
}

impl Account {
    fn new(rule: Rule) -> Self {
        Self {
            rule,
            held: None,
            peak: 1.0,
            hits_doubled: 0,
            so_far: Trading {
                equity: Vec::new(),
                gross: Vec::new(),
                final_equity: 1.0,
                gross_equity: 1.0,
                max_drawdown: 0.0,
                turnover: 0,
                trades: 0,
                intervals_in_market: 0,
                hit_rate: None,
            },
        }
    }

    /// Holds for one interval what its forecast says, and on if another one follows.
    fn hold(&mut self, forecast: Forecast, goes_on: bool) {
        let side = self.rule.side(forecast.p);
        let kept = side.filter(|_| goes_on);
        let (opening, closing) = (turnover(self.held, side), turnover(side, kept));
        let gain = gain(side, forecast.market);
        let so_far = &mut self.so_far;
        so_far.turnover += opening + closing;
        if side.is_some() {
            so_far.trades += usize::from(side != self.held);
            so_far.intervals_in_market += 1;
            self.hits_doubled += hit_doubled(gain);
        }
        let growth = (1.0 + gain).max(0.0);
        let net =
            so_far.final_equity * self.rule.left_by(opening) * growth * self.rule.left_by(closing);
        // No real market gets there; without the limit an infinity could meet a 0.
        so_far.final_equity = net.min(f64::MAX);
        so_far.gross_equity = (so_far.gross_equity * growth).min(f64::MAX);
        so_far.equity.push(so_far.final_equity);
        so_far.gross.push(so_far.gross_equity);
        self.peak = self.peak.max(so_far.final_equity);
        let fall = (self.peak - so_far.final_equity) / self.peak;
        so_far.max_drawdown = so_far.max_drawdown.max(fall);
        self.held = kept;
    }

    fn result(self) -> Trading {
        let intervals = self.so_far.intervals_in_market;
        Trading {
            hit_rate: (intervals > 0).then(|| number(self.hits_doubled) / number(2 * intervals)),
            ..self.so_far
        }
    }
}

impl Rule {
    /// What a turnover leaves of the equity, as a factor of at least 0.8.
    fn left_by(self, turnover: usize) -> f64 {
        1.0 - self.cost_bp / 1e4 * number(turnover)
    }
}

/// |Δposition|.
fn turnover(from: Option<Direction>, to: Option<Direction>) -> usize {
    if from == to {
        return 0;
    }
    usize::from(from.is_some()) + usize::from(to.is_some())
}

/// s·R as a fraction.
#[expect(
    clippy::cast_precision_loss,
    reason = "returns of real markets stay far below 2^53 units"
)]
fn gain(side: Option<Direction>, market: Return) -> f64 {
    let rise = market.units() as f64 / 1e12;
    match side {
        Some(Direction::Up) => rise,
        Some(Direction::Down) => -rise,
        None => 0.0,
    }
}

fn hit_doubled(gain: f64) -> usize {
    match gain {
        gain if gain > 0.0 => 2,
        gain if gain < 0.0 => 0,
        _ => 1,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of intervals stay far below 2^53"
)]
fn number(count: usize) -> f64 {
    count as f64
}
