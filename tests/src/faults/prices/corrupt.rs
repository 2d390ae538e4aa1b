//! What each misbehaviour of a venue does to what is recorded of it.
//!
//! The names are those of [`Misbehaviour`](crate::venues::Misbehaviour); how soon a loss is noticed
//! and filled is drawn within what the live feeds promise.

use domain::timestamp::SECOND_US;
use server::prices::connection_log::Gap;

use super::heard::{Arrival, Heard};
use crate::dice::Dice;
use crate::venues::misbehaviour::scaled;

/// A misbehaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Disconnect,
    RefuseConnections,
    Mute,
    Duplicate,
    Reorder,
    Late,
    Print,
    ShiftDecimals,
    ClockOff,
    Cut24h,
    Garbage,
    HugeFrame,
    RestFails,
    RestSlow,
}

impl Kind {
    pub(super) const ALL: [Self; 14] = [
        Self::Disconnect,
        Self::RefuseConnections,
        Self::Mute,
        Self::Duplicate,
        Self::Reorder,
        Self::Late,
        Self::Print,
        Self::ShiftDecimals,
        Self::ClockOff,
        Self::Cut24h,
        Self::Garbage,
        Self::HugeFrame,
        Self::RestFails,
        Self::RestSlow,
    ];
    /// Those that only take trades away or bring them late: they may meet a second venue.
    pub(super) const LOSSES: [Self; 6] = [
        Self::Disconnect,
        Self::RefuseConnections,
        Self::Mute,
        Self::Late,
        Self::RestFails,
        Self::RestSlow,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Disconnect => "disconnect",
            Self::RefuseConnections => "refuse_connections",
            Self::Mute => "mute",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Late => "late",
            Self::Print => "print",
            Self::ShiftDecimals => "shift_decimals",
            Self::ClockOff => "clock_off",
            Self::Cut24h => "cut24h",
            Self::Garbage => "garbage",
            Self::HugeFrame => "huge_frame",
            Self::RestFails => "rest_fails",
            Self::RestSlow => "rest_slow",
        }
    }
}

fn seconds(dice: &Dice, from: u64, to: u64) -> i64 {
    let ms = from * 1_000 + dice.below((to - from) * 1_000 + 1);
    i64::try_from(ms).unwrap_or(0) * 1_000
}

/// A moment near one of the boundaries, when it can matter most.
fn near(dice: &Dice, (t0_us, t1_us): (i64, i64)) -> i64 {
    let boundary_us = if dice.below(2) == 0 { t0_us } else { t1_us };
    boundary_us - seconds(dice, 0, 80) + seconds(dice, 0, 12)
}

/// Lets a venue misbehave at a moment near a boundary.
pub(super) fn corrupt(kind: Kind, heard: &mut Heard, ends: (i64, i64), dice: &Dice) {
    let at_us = near(dice, ends);
    match kind {
        Kind::Disconnect => {
            let back_us = at_us + seconds(dice, 0, 12);
            lose(heard, at_us, back_us, Some(seconds(dice, 0, 3)), at_us);
        }
        Kind::RefuseConnections => {
            let back_us = at_us + seconds(dice, 1, 400);
            lose(heard, at_us, back_us, Some(seconds(dice, 0, 6)), at_us);
        }
        Kind::Mute => {
            let length_us = seconds(dice, 1, 90);
            mute(heard, at_us, at_us + length_us, dice);
        }
        // A connection that is made anew: announced, or given up after nonsense.
        Kind::Cut24h | Kind::Garbage | Kind::HugeFrame => {
            let back_us = at_us + seconds(dice, 0, 2);
            lose(heard, at_us, back_us, Some(seconds(dice, 0, 2)), at_us);
        }
        Kind::RestFails => {
            let back_us = at_us + seconds(dice, 0, 12);
            lose(heard, at_us, back_us, None, at_us);
        }
        Kind::RestSlow => {
            let back_us = at_us + seconds(dice, 0, 12);
            lose(heard, at_us, back_us, Some(seconds(dice, 5, 90)), at_us);
        }
        Kind::Duplicate => {
            let half = heard.arrivals.iter().filter(|_| dice.below(2) == 0);
            let again = half.map(|arrival| Arrival {
                receive_us: arrival.receive_us + seconds(dice, 0, 2),
                ..arrival.clone()
            });
            let again: Vec<Arrival> = again.collect();
            heard.arrivals.extend(again);
        }
        Kind::Reorder => {
            for arrival in heard.arrivals.iter_mut().filter(|_| dice.below(3) == 0) {
                arrival.receive_us += seconds(dice, 0, 2);
            }
        }
        Kind::Late => {
            let late_us = seconds(dice, 1, 60);
            let held = |arrival: &&mut Arrival| arrival.receive_us >= at_us;
            for arrival in heard.arrivals.iter_mut().filter(held) {
                arrival.receive_us += late_us;
            }
        }
        Kind::Print => print(heard, ends, dice),
        Kind::ShiftDecimals => {
            let until_us = at_us + seconds(dice, 1, 400);
            let power = 10_i64.pow(u32::try_from(1 + dice.below(3)).unwrap_or(1));
            let (times, over) = if dice.below(2) == 0 {
                (power, 1)
            } else {
                (1, power)
            };
            for arrival in within(heard, at_us, until_us) {
                arrival.trade.price = scaled(arrival.trade.price, times, over);
            }
        }
        Kind::ClockOff => clock_off(heard, at_us, dice),
    }
}

fn within(heard: &mut Heard, from_us: i64, to_us: i64) -> impl Iterator<Item = &mut Arrival> {
    let inside = move |arrival: &&mut Arrival| (from_us..to_us).contains(&arrival.receive_us);
    heard.arrivals.iter_mut().filter(inside)
}

/// Nothing comes from `from_us` until `to_us`; what was missed comes `fill_after_us` later by a
/// back-fill, or never.
pub(super) fn lose(
    heard: &mut Heard,
    from_us: i64,
    to_us: i64,
    fill_after_us: Option<i64>,
    found_us: i64,
) {
    let filled_us = fill_after_us.map(|after_us| to_us + after_us);
    let before = heard.arrivals.iter().filter(|a| a.receive_us < from_us);
    let known_us = before.map(|a| a.trade.venue_time_us).max();
    match filled_us {
        Some(filled_us) => {
            // What an earlier back-fill brought did not come by this connection.
            for arrival in within(heard, from_us, to_us).filter(|a| !a.is_filled) {
                arrival.receive_us = filled_us;
                arrival.is_filled = true;
            }
        }
        None => heard
            .arrivals
            .retain(|arrival| arrival.is_filled || !(from_us..to_us).contains(&arrival.receive_us)),
    }
    heard.restarts_us.push(to_us);
    heard.gaps.push(Gap {
        venue: heard.venue,
        asset: heard.asset.name().to_owned(),
        found_us,
        from_us: known_us.unwrap_or(from_us - SECOND_US),
        to_us,
        reason: "the venue misbehaves".to_owned(),
        filled_us: filled_us.unwrap_or(0),
    });
}

/// Mute: noticed within ten seconds by comparing venues, then filled again and again.
fn mute(heard: &mut Heard, from_us: i64, to_us: i64, dice: &Dice) {
    let mut since_us = from_us;
    while since_us < to_us {
        let noticed_us = (since_us + seconds(dice, 6, 10)).min(to_us);
        lose(
            heard,
            since_us,
            noticed_us,
            Some(seconds(dice, 0, 3)),
            noticed_us,
        );
        since_us = noticed_us;
    }
}

/// One trade of the seconds before a boundary a fifth too high or too low.
fn print(heard: &mut Heard, (t0_us, t1_us): (i64, i64), dice: &Dice) {
    let boundary_us = if dice.below(2) == 0 { t0_us } else { t1_us };
    let at_us = boundary_us - seconds(dice, 0, 12);
    let times = if dice.below(2) == 0 { 80 } else { 120 };
    let last = heard
        .arrivals
        .iter_mut()
        .rfind(|arrival| arrival.trade.venue_time_us <= at_us);
    if let Some(arrival) = last {
        arrival.trade.price = scaled(arrival.trade.price, times, 100);
    }
}

/// Five seconds ahead or behind, from then on.
pub(super) fn clock_off(heard: &mut Heard, at_us: i64, dice: &Dice) {
    let sign = if dice.below(2) == 0 { 1 } else { -1 };
    for arrival in within(heard, at_us, i64::MAX) {
        arrival.trade.venue_time_us += sign * 5 * SECOND_US;
    }
}

/// Nothing comes any more.
pub(super) fn die(heard: &mut Heard, at_us: i64) {
    lose(heard, at_us, i64::MAX, None, at_us + 10 * SECOND_US);
}
