//! The connection log: when trades of a venue may be missing, and how far its clock was off.
//!
//! Owns the rule of protocol.md §1 that turns the log into the venues that a round leaves out. Must
//! never look at prices.

use domain::Venue;
use domain::timestamp::{SECOND_US, rfc3339};

use super::evidence::LeftOut;

/// A gap in this time before a boundary keeps a venue out.
const BEFORE_BOUNDARY_US: i64 = 60 * SECOND_US;
/// A clock is judged by the measurements this close to a boundary, on either side.
const NEAR_BOUNDARY_US: i64 = 10 * SECOND_US;
/// What a venue's stamps may be ahead of our clock.
const AHEAD_US: i64 = SECOND_US;
/// What a venue's stamps may be behind our clock, the way to us included.
const BEHIND_US: i64 = 3 * SECOND_US;

/// A time in which trades of a venue may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The venue.
    pub venue: Venue,
    /// The asset, `btc`.
    pub asset: String,
    /// When it was noticed, by our clock; with venue and asset the gap's name.
    pub found_us: i64,
    /// The last trade before it, by the venue's clock.
    pub from_us: i64,
    /// The first trade after it, by the venue's clock; [`Gap::OPEN`] while there is none.
    pub to_us: i64,
    /// What happened.
    pub reason: String,
    /// When nothing was missing any more, by our clock; 0 while something may be.
    pub filled_us: i64,
}

impl Gap {
    /// The end of a gap that goes on.
    pub const OPEN: i64 = i64::MAX;

    /// Whether it keeps its venue out of a round with this boundary, whose evidence closes then.
    fn spoils(&self, boundary_us: i64, closed_us: i64) -> bool {
        let is_near = self.from_us <= boundary_us && self.to_us >= boundary_us - BEFORE_BOUNDARY_US;
        let was_known = self.found_us <= closed_us;
        let was_filled = self.filled_us != 0 && self.filled_us <= closed_us;
        is_near && was_known && !was_filled
    }
}

/// How far a venue's clock was from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The venue.
    pub venue: Venue,
    /// When, by our clock.
    pub measured_us: i64,
    /// Our time of receiving less the venue's stamp, the median of many trades.
    pub offset_us: i64,
}

/// Whether stamps this far from our clock are evidence.
#[must_use]
pub fn is_clock_good(offset_us: i64) -> bool {
    (-AHEAD_US..=BEHIND_US).contains(&offset_us)
}

/// The span of measurements that a round's boundaries need.
pub(super) fn clock_span([t0_us, t1_us]: [i64; 2]) -> (i64, i64) {
    (t0_us - BEFORE_BOUNDARY_US, t1_us + NEAR_BOUNDARY_US)
}

/// The span of gaps that a round's boundaries need.
pub(super) fn gap_span([t0_us, t1_us]: [i64; 2]) -> (i64, i64) {
    (t0_us - BEFORE_BOUNDARY_US, t1_us)
}

/// The venues that a round leaves out, with the reason. The same log gives the same answer
/// whenever it is asked: what was noticed after the evidence closed changes nothing.
#[must_use]
pub fn left_out(
    gaps: &[Gap],
    clocks: &[Measured],
    boundaries: [i64; 2],
    closed_us: i64,
) -> Vec<LeftOut> {
    let mut found = Vec::new();
    for venue in Venue::ALL {
        let gap = boundaries.iter().find_map(|boundary_us| {
            gaps.iter()
                .filter(|gap| gap.venue == venue && gap.spoils(*boundary_us, closed_us))
                .min_by_key(|gap| gap.found_us)
        });
        let clock = boundaries
            .iter()
            .find_map(|boundary_us| bad_clock(clocks, venue, *boundary_us, closed_us));
        let reason = match (gap, clock) {
            (Some(gap), _) => gap_reason(gap),
            (None, Some(offset_us)) => clock_reason(offset_us),
            (None, None) => continue,
        };
        let venue = venue.into();
        found.push(LeftOut { venue, reason });
    }
    found
}

/// A measurement near the boundary that is bad, or the last one of the minute before when there is
/// none near. One is enough: samples are of the seconds that it was taken from.
fn bad_clock(clocks: &[Measured], venue: Venue, boundary_us: i64, closed_us: i64) -> Option<i64> {
    let until_us = closed_us.min(boundary_us + NEAR_BOUNDARY_US);
    let within = |from_us: i64| {
        let own = clocks.iter().filter(move |one| one.venue == venue);
        own.filter(move |one| (from_us..=until_us).contains(&one.measured_us))
    };
    let mut near = within(boundary_us - NEAR_BOUNDARY_US).peekable();
    if near.peek().is_some() {
        let bad = near.filter(|one| !is_clock_good(one.offset_us));
        return bad
            .max_by_key(|one| one.measured_us)
            .map(|one| one.offset_us);
    }
    let last = within(boundary_us - BEFORE_BOUNDARY_US).max_by_key(|one| one.measured_us)?;
    (!is_clock_good(last.offset_us)).then_some(last.offset_us)
}

fn gap_reason(gap: &Gap) -> String {
    let from = rfc3339(gap.from_us);
    let reason = &gap.reason;
    if gap.to_us == Gap::OPEN {
        return format!("gap: no trades known since {from} ({reason})");
    }
    let to = rfc3339(gap.to_us);
    format!("gap: trades between {from} and {to} may be missing ({reason})")
}

fn clock_reason(offset_us: i64) -> String {
    let way = if offset_us > 0 { "behind" } else { "ahead of" };
    let tenths = offset_us.unsigned_abs() / 100_000;
    format!("clock: {}.{} s {way} ours", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use domain::Origin;

    use super::*;

    const T0: i64 = 1_709_640_000 * SECOND_US;
    const T1: i64 = T0 + 300 * SECOND_US;
    const CLOSED: i64 = T1 + 20 * SECOND_US;

    fn gap(from_s: i64, to_s: i64, filled_s: i64) -> Gap {
        Gap {
            venue: Venue::Kraken,
            asset: "btc".into(),
            found_us: T0 + (from_s + 1) * SECOND_US,
            from_us: T0 + from_s * SECOND_US,
            to_us: T0 + to_s * SECOND_US,
            reason: "idle".into(),
            filled_us: if filled_s == 0 {
                0
            } else {
                T0 + filled_s * SECOND_US
            },
        }
    }

    fn out(gaps: &[Gap], clocks: &[Measured]) -> Vec<(Origin, String)> {
        left_out(gaps, clocks, [T0, T1], CLOSED)
            .into_iter()
            .map(|one| (one.venue, one.reason))
            .collect()
    }

    #[test]
    fn only_gaps_in_the_minute_before_a_boundary_count() {
        assert_eq!(out(&[gap(-120, -61, 0)], &[]), []);
        assert_eq!(out(&[gap(1, 239, 0)], &[]), []);
        assert_eq!(out(&[gap(301, 305, 0)], &[]), []);
        for near in [
            gap(-120, -60, 0),
            gap(-5, 2, 0),
            gap(0, 10, 0),
            gap(230, 240, 0),
        ] {
            let found = out(std::slice::from_ref(&near), &[]);
            assert_eq!(found.len(), 1, "{near:?}");
            assert!(found[0].1.starts_with("gap: trades between"), "{found:?}");
        }
    }

    #[test]
    fn a_gap_counts_as_filled_only_when_it_was_before_the_evidence_closed() {
        assert_eq!(out(&[gap(-5, 2, 100)], &[]), []);
        assert_eq!(out(&[gap(-5, 2, 320)], &[]), []);
        assert_eq!(out(&[gap(-5, 2, 321)], &[]).len(), 1);
    }

    #[test]
    fn a_gap_that_goes_on_says_since_when() {
        let mut open = gap(200, 0, 0);
        open.to_us = Gap::OPEN;
        let found = out(&[open], &[]);
        let said = "gap: no trades known since 2024-03-05T12:03:20Z (idle)";
        assert_eq!(found, [(Venue::Kraken.into(), said.to_owned())]);
    }

    #[test]
    fn a_clock_is_judged_by_its_measurements_at_each_boundary() {
        let at = |second: i64, offset_us: i64| Measured {
            venue: Venue::Binance,
            measured_us: T0 + second * SECOND_US,
            offset_us,
        };
        assert_eq!(out(&[], &[at(-5, 3_000_000), at(295, -1_000_000)]), []);
        assert_eq!(out(&[], &[at(-20, 5_000_000), at(-5, 100_000)]), []);
        // A jump at the boundary shows in what is measured after it.
        assert_eq!(out(&[], &[at(-1, 0), at(9, 5_000_000)]).len(), 1);
        assert_eq!(out(&[], &[at(-9, 5_000_000), at(9, 0)]).len(), 1);
        assert_eq!(out(&[], &[at(-40, 0), at(-30, 5_000_000)]).len(), 1);
        // Far from both boundaries.
        assert_eq!(out(&[], &[at(150, 5_000_000)]), []);
        let behind = out(&[], &[at(-5, 3_000_001)]);
        assert_eq!(
            behind,
            [(Venue::Binance.into(), "clock: 3.0 s behind ours".to_owned())]
        );
        let ahead = out(&[], &[at(305, -5_040_000)]);
        assert_eq!(
            ahead,
            [(
                Venue::Binance.into(),
                "clock: 5.0 s ahead of ours".to_owned()
            )]
        );
    }
}
