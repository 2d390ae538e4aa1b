//! The outcome rule of protocol.md §1: from recorded trades, or a source's observations, to up, down
//! or void.
//!
//! Owns the whole decision, in integers. Must never look at anything but the record, so that
//! whoever has the record comes to the same outcome.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::collections::BTreeSet;
use std::fmt;

use domain::timestamp::SECOND_US;
use domain::{Direction, Origin, Outcome, OutcomeRule, Price, Venue};
use scorer::returns::return_floor;

use super::evidence::{Record, Trade, in_order, of_venue};

/// One basis point in units of returns, 1e-12.
const BASIS_POINT: i128 = 100_000_000;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Up, down or void.
    pub outcome: Outcome,
    /// Why it is void.
    pub void: Option<Void>,
    /// The median return in 1e-12, floored; none when too few venues count.
    pub return_e12: Option<i64>,
    /// The published prices; none when void.
    pub prices: Option<(Price, Price)>,
    /// Every venue by name.
    pub venues: Vec<VenueVerdict>,
}

/// What one venue contributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueVerdict {
    /// The venue or source.
    pub venue: Origin,
    /// Its price at the start.
    pub p0: Option<TwicePrice>,
    /// Its price at the end.
    pub p1: Option<TwicePrice>,
    /// (P1 − P0)/P0 in 1e-12, floored.
    pub return_e12: Option<i64>,
    /// Why it does not count; none when it does.
    pub why_not: Option<WhyNot>,
}

impl VenueVerdict {
    /// Whether the outcome was taken from it.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.why_not.is_none()
    }
}

/// Twice a price, in 1e-8: the mean of two prices stays exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TwicePrice(Price);

impl TwicePrice {
    fn sum(a: Price, b: Price) -> Option<Self> {
        let units = a.units().checked_add(b.units())?;
        Price::from_units(units).ok().map(Self)
    }

    /// In half units of 1e-8.
    #[must_use]
    pub fn units(self) -> i64 {
        self.0.units()
    }

    /// The price in whole 1e-8, a half unit rounded away from `other`: prices that differ still
    /// differ when published, in the same direction.
    fn published(self, other: Self) -> Option<Price> {
        let units = self.0.units();
        let up = units % 2 == 1 && self > other;
        Price::from_units(units / 2 + i64::from(up)).ok()
    }
}

impl fmt::Display for TwicePrice {
    /// Exact, with a ninth digit where the mean of two prices needs it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = self.0.units();
        let (whole, fraction) = (units / 200_000_000, units % 200_000_000 * 5);
        let digits = format!("{fraction:09}");
        write!(f, "{whole}.{:0<2}", digits.trim_end_matches('0'))
    }
}

/// Why a venue does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// The record says so.
    LeftOut(String),
    /// Too few samples at a boundary.
    NoPrice {
        /// `start` or `end`.
        boundary: &'static str,
        /// Samples found.
        samples: usize,
    },
    /// No trade after a boundary shows that nothing before it is missing.
    NoWitness {
        /// `start` or `end`.
        boundary: &'static str,
    },
    /// Prices too large for exact arithmetic.
    OutOfRange,
    /// Too far from the median return.
    Outlier,
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftOut(reason) => write!(f, "left out: {reason}"),
            Self::NoPrice { boundary, samples } => {
                write!(f, "only {samples} fresh samples at the {boundary}")
            }
            Self::NoWitness { boundary } => write!(f, "no trade after the {boundary}"),
            Self::OutOfRange => f.write_str("prices out of range"),
            Self::Outlier => f.write_str("too far from the median return"),
        }
    }
}

/// Why a round has no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Void {
    /// Too few venues count.
    Quorum {
        /// Venues that count.
        counted: usize,
        /// Venues needed.
        quorum: usize,
        /// Each other venue's reason.
        others: Vec<String>,
    },
    /// Two venues are left and do not both say up or both say down.
    Disagreement,
    /// The price hardly moved.
    DeadBand {
        /// The median return in 1e-12, floored.
        return_e12: i64,
    },
}

impl fmt::Display for Void {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quorum {
                counted,
                quorum,
                others,
            } => {
                write!(
                    f,
                    "quorum: {counted} of {quorum} venues count ({})",
                    others.join("; ")
                )
            }
            Self::Disagreement => f.write_str("disagreement: two venues left, not the same way"),
            Self::DeadBand { return_e12 } => {
                write!(f, "dead band: the price moved by {return_e12}e-12")
            }
        }
    }
}

/// Decides a record.
#[must_use]
pub fn decide(record: &Record) -> Decision {
    let rule = record.rule.exact();
    let trades = in_order(record.ticks.clone());
    let mut venues: Vec<VenueVerdict> = listed(record)
        .into_iter()
        .map(|venue| {
            let own = of_venue(&trades, &venue);
            verdict(record, &rule, venue, own)
        })
        .collect();
    drop_outliers(&mut venues, rule.outlier_bp);
    let used = counted(&venues);
    let void = |void, return_e12| Decision {
        outcome: Outcome::Void,
        void: Some(void),
        return_e12,
        prices: None,
        venues: venues.clone(),
    };
    let Some(twice_median) = twice_median(&used).filter(|_| used.len() >= rule.quorum) else {
        let others = venues
            .iter()
            .filter_map(|v| Some(format!("{}: {}", v.venue.name(), v.why_not.as_ref()?)));
        let others = others.collect();
        return void(
            Void::Quorum {
                counted: used.len(),
                quorum: rule.quorum,
                others,
            },
            None,
        );
    };
    // The median of returns that fit is one that fits.
    let return_e12 = i64::try_from(twice_median.div_euclid(2)).unwrap_or(0);
    let is_same_way = used.iter().all(|r| *r > 0) || used.iter().all(|r| *r < 0);
    if used.len() == 2 && !is_same_way {
        return void(Void::Disagreement, Some(return_e12));
    }
    let twice_dead_band = i128::from(rule.dead_band_centi_bp) * BASIS_POINT / 50;
    if twice_median == 0 || twice_median.abs() < twice_dead_band {
        return void(Void::DeadBand { return_e12 }, Some(return_e12));
    }
    let direction = if twice_median > 0 {
        Direction::Up
    } else {
        Direction::Down
    };
    Decision {
        outcome: Outcome::Direction(direction),
        void: None,
        return_e12: Some(return_e12),
        prices: published(&venues, &used),
        venues,
    }
}

/// Who has a verdict, in order: what the record names once it names a source, else every venue,
/// since a venue that is silent must be seen to be.
fn listed(record: &Record) -> Vec<Origin> {
    let ticks = record.ticks.iter().map(|tick| &tick.venue);
    let named: BTreeSet<&Origin> = ticks
        .chain(record.left_out.iter().map(|left_out| &left_out.venue))
        .collect();
    if named.iter().any(|origin| origin.source().is_some()) {
        return named.into_iter().cloned().collect();
    }
    Venue::ALL.map(Origin::from).to_vec()
}

/// Prices, witnesses and return of one venue, before outliers are dropped.
fn verdict(record: &Record, rule: &OutcomeRule, venue: Origin, trades: &[Trade]) -> VenueVerdict {
    // A source states what holds at a moment: there is no later trade that it could have missed.
    let needs_witness = venue.source().is_none();
    let prices = [("start", record.t0_us), ("end", record.t1_us)]
        .map(|boundary| price_at(trades, boundary, rule, needs_witness));
    let [p0, p1] = &prices;
    let (p0, p1) = (p0.as_ref().ok().copied(), p1.as_ref().ok().copied());
    let return_e12 = p0
        .zip(p1)
        .and_then(|(p0, p1)| return_floor(p0.0, p1.0))
        .map(|r| r.units());
    let left_out = record
        .left_out
        .iter()
        .find(|left_out| left_out.venue == venue);
    let why_not = match (left_out, prices) {
        (Some(left_out), _) => Some(WhyNot::LeftOut(left_out.reason.clone())),
        (None, [Err(why_not), _] | [_, Err(why_not)]) => Some(why_not),
        (None, _) => return_e12.is_none().then_some(WhyNot::OutOfRange),
    };
    VenueVerdict {
        venue,
        p0,
        p1,
        return_e12,
        why_not,
    }
}

/// The median of the samples before the boundary, when there are enough and, where it is needed, a
/// later trade.
fn price_at(
    trades: &[Trade],
    (boundary, t_us): (&'static str, i64),
    rule: &OutcomeRule,
    needs_witness: bool,
) -> Result<TwicePrice, WhyNot> {
    let instants = (0..rule.samples).filter_map(|back| {
        let before_us = i64::try_from(back).ok()?.checked_mul(SECOND_US)?;
        t_us.checked_sub(before_us)
    });
    let mut samples: Vec<Price> = instants
        .filter_map(|instant| last_until(trades, instant, rule.max_age_s))
        .collect();
    if samples.is_empty() || samples.len() < rule.min_samples {
        return Err(WhyNot::NoPrice {
            boundary,
            samples: samples.len(),
        });
    }
    if needs_witness && trades.last().is_none_or(|last| last.venue_time_us <= t_us) {
        return Err(WhyNot::NoWitness { boundary });
    }
    samples.sort_unstable();
    let (low, high) = middle(&samples).ok_or(WhyNot::OutOfRange)?;
    TwicePrice::sum(low, high).ok_or(WhyNot::OutOfRange)
}

/// The last trade until `instant_us`, if it is at most `max_age_s` old.
fn last_until(trades: &[Trade], instant_us: i64, max_age_s: i64) -> Option<Price> {
    let until = trades.partition_point(|trade| trade.venue_time_us <= instant_us);
    let last = trades.get(until.checked_sub(1)?)?;
    let age_us = instant_us.saturating_sub(last.venue_time_us);
    (age_us <= max_age_s.saturating_mul(SECOND_US)).then_some(last.price)
}

/// The middle two of sorted values; of an odd number the middle one twice.
fn middle<T: Copy>(sorted: &[T]) -> Option<(T, T)> {
    let high = *sorted.get(sorted.len() / 2)?;
    let low = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some((low, high))
}

/// The returns of the venues that count, rising.
fn counted(venues: &[VenueVerdict]) -> Vec<i64> {
    let used = venues.iter().filter(|verdict| verdict.is_used());
    let mut returns: Vec<i64> = used.filter_map(|verdict| verdict.return_e12).collect();
    returns.sort_unstable();
    returns
}

/// Twice the median, so that the mean of two stays exact.
fn twice_median(sorted: &[i64]) -> Option<i128> {
    middle(sorted).map(|(low, high)| i128::from(low) + i128::from(high))
}

/// Drops, once, the venues too far from the median return of all that count.
fn drop_outliers(venues: &mut [VenueVerdict], outlier_bp: i64) {
    let Some(twice_median) = twice_median(&counted(venues)) else {
        return;
    };
    for verdict in venues.iter_mut().filter(|verdict| verdict.is_used()) {
        let distance = verdict
            .return_e12
            .map(|r| (2 * i128::from(r) - twice_median).abs());
        if distance.is_some_and(|twice| twice > 2 * i128::from(outlier_bp) * BASIS_POINT) {
            verdict.why_not = Some(WhyNot::Outlier);
        }
    }
}

/// The prices of the venue whose return is the median; of several the first by name.
fn published(venues: &[VenueVerdict], used: &[i64]) -> Option<(Price, Price)> {
    let (low, high) = middle(used)?;
    let is_median = |r: i64| r == low || r == high;
    let venue = venues
        .iter()
        .find(|v| v.is_used() && v.return_e12.is_some_and(is_median))?;
    let (p0, p1) = venue.p0.zip(venue.p1)?;
    p0.published(p1).zip(p1.published(p0))
}
