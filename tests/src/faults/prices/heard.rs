//! What a server would have recorded of one venue around the boundaries of a round.
//!
//! A model of the live feeds, not the feeds themselves: they run in real time, and ten thousand
//! rounds would take a month. The soak ([`super::soak`]) runs the real ones. Which trades count,
//! which venues are left out and what the outcome is, the server's own code decides.

use std::ops::Range;

use datasets::Asset;
use domain::timestamp::SECOND_US;
use domain::{OutcomeRule, Venue};
use server::prices::connection_log::{Gap, Measured, left_out};
use server::prices::evidence::{Record, Trade};
use server::prices::feeds::message::VenueTrade;
use server::prices::rule::{Decision, decide};

use crate::dice::Dice;
use crate::venues::Market;

/// Trades of so long before a boundary are generated: samples, and the clock's measurements.
const BEFORE_US: i64 = 80 * SECOND_US;
/// And of so long after one.
const AFTER_US: i64 = 75 * SECOND_US;
/// A clock is measured by the trades of this time, and so often (the live feeds' clocks.rs).
const CLOCK_WINDOW_US: i64 = 10 * SECOND_US;
const CLOCK_EVERY_US: i64 = 2 * SECOND_US;
const LEAST_CLOCK_TRADES: usize = 3;
/// When evidence closes (protocol.md §1), after the end of the interval.
const ALL_US: i64 = 20 * SECOND_US;
const QUORUM_US: i64 = 60 * SECOND_US;
const LAST_US: i64 = 300 * SECOND_US;

/// A trade and when it came.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub trade: VenueTrade,
    pub receive_us: i64,
    /// Whether a back-fill brought it: then its age says nothing about the venue's clock.
    pub is_filled: bool,
}

/// All that came of one venue, and its part of the connection log.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub venue: Venue,
    pub asset: Asset,
    pub arrivals: Vec<Arrival>,
    pub gaps: Vec<Gap>,
    /// When connections ended: measurements of the clock begin anew.
    pub restarts_us: Vec<i64>,
}

impl Heard {
    /// What an honest venue sends, each trade within a third of a second.
    pub(super) fn honest(
        market: Market,
        venue: Venue,
        asset: Asset,
        (t0_us, t1_us): (i64, i64),
        dice: &Dice,
    ) -> Self {
        let around = |t_us: i64| t_us - BEFORE_US..t_us + AFTER_US;
        let mut arrivals = Vec::new();
        for Range { start, end } in [around(t0_us), around(t1_us)] {
            let mut newest_us = 0;
            for trade in market.trades(venue, asset, start, end) {
                let latency_us = 30_000 + i64::try_from(dice.below(300_000)).unwrap_or(0);
                // A connection keeps the order.
                newest_us = newest_us.max(trade.venue_time_us + latency_us);
                arrivals.push(Arrival {
                    trade,
                    receive_us: newest_us,
                    is_filled: false,
                });
            }
        }
        Self {
            venue,
            asset,
            arrivals,
            gaps: Vec::new(),
            restarts_us: Vec::new(),
        }
    }

    /// What the clock measurements near the boundaries say.
    pub(super) fn measured(&self, boundaries: [i64; 2]) -> Vec<Measured> {
        let mut measured = Vec::new();
        for t_us in boundaries {
            for step in -30..=5 {
                let at_us = t_us + step * CLOCK_EVERY_US;
                measured.extend(self.measured_at(at_us).map(|offset_us| Measured {
                    venue: self.venue,
                    measured_us: at_us,
                    offset_us,
                }));
            }
        }
        measured
    }

    fn measured_at(&self, at_us: i64) -> Option<i64> {
        let restarted = self.restarts_us.iter().filter(|restart| **restart <= at_us);
        let since_us = restarted.max().map_or(i64::MIN, |at| at + 2 * SECOND_US);
        let since_us = since_us.max(at_us - CLOCK_WINDOW_US);
        let fresh = self.arrivals.iter().filter(|arrival| {
            !arrival.is_filled && (since_us..=at_us).contains(&arrival.receive_us)
        });
        let mut lags: Vec<i64> = fresh
            .map(|arrival| arrival.receive_us - arrival.trade.venue_time_us)
            .collect();
        lags.sort_unstable();
        let middle = lags.get(lags.len() / 2).copied();
        middle.filter(|_| lags.len() >= LEAST_CLOCK_TRADES)
    }

    /// When its first trade after `t_us` came.
    fn witnessed_us(&self, t_us: i64) -> Option<i64> {
        let after = self
            .arrivals
            .iter()
            .filter(|arrival| arrival.trade.venue_time_us > t_us);
        after.map(|arrival| arrival.receive_us).min()
    }
}

/// The decision over everything, whenever it came: the truth when all are honest.
pub(super) fn truth(rule: &OutcomeRule, ends: (i64, i64), heard: &[Heard]) -> Decision {
    decide(&Record::new(
        rule,
        ends,
        trades(heard, i64::MAX),
        Vec::new(),
    ))
}

/// What counts when the evidence closes.
pub(super) fn closed(rule: &OutcomeRule, ends: (i64, i64), heard: &[Heard]) -> Record {
    let closed_us = closed_us(ends.1, rule.quorum, heard);
    let boundaries = [ends.0, ends.1];
    let gaps: Vec<Gap> = heard.iter().flat_map(|one| one.gaps.clone()).collect();
    let clocks: Vec<Measured> = heard
        .iter()
        .flat_map(|one| one.measured(boundaries))
        .collect();
    let out = left_out(&gaps, &clocks, boundaries, closed_us);
    Record::new(rule, ends, trades(heard, closed_us), out)
}

fn trades(heard: &[Heard], closed_us: i64) -> Vec<Trade> {
    let mut trades = Vec::new();
    for one in heard {
        let received = one.arrivals.iter().filter(|a| a.receive_us <= closed_us);
        trades.extend(received.map(|arrival| Trade {
            venue: one.venue.into(),
            trade_id: arrival.trade.trade_id,
            price: arrival.trade.price,
            venue_time_us: arrival.trade.venue_time_us,
            receive_time_us: arrival.receive_us,
        }));
    }
    trades
}

/// When the evidence closes.
fn closed_us(end_us: i64, quorum: usize, heard: &[Heard]) -> i64 {
    let mut witnessed: Vec<i64> = heard
        .iter()
        .filter_map(|one| one.witnessed_us(end_us))
        .collect();
    witnessed.sort_unstable();
    let by = |after_us: i64| {
        let in_time = witnessed.iter().filter(|at| **at <= end_us + after_us);
        in_time.count()
    };
    if by(ALL_US) >= heard.len() {
        return end_us + ALL_US;
    }
    if by(QUORUM_US) >= quorum {
        return end_us + QUORUM_US;
    }
    let completes = quorum.checked_sub(1).and_then(|at| witnessed.get(at));
    completes.map_or(end_us + LAST_US, |at| (*at).min(end_us + LAST_US))
}
