//! Which trades of a market we have: venues number them one by one, so a number left out is a trade
//! left out.
//!
//! Must never forget a hole because something newer came.

use std::collections::BTreeSet;

/// Numbers tracked one by one inside a hole; a larger hole only ends by a complete back-fill.
const MOST_NUMBERED: i64 = 1_000_000;

/// A trade that is known: its number and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) trade_id: i64,
    pub(super) venue_time_us: i64,
}

/// Numbers between two known trades that have not been seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hole {
    /// The known trade before it.
    before: Known,
    /// The known trade after it.
    after: Known,
    seen: BTreeSet<i64>,
}

impl Hole {
    fn size(&self) -> i64 {
        (self.after.trade_id - self.before.trade_id).saturating_sub(1)
    }

    fn holds(&self, trade_id: i64) -> bool {
        self.before.trade_id < trade_id && trade_id < self.after.trade_id
    }

    fn is_filled(&self) -> bool {
        i64::try_from(self.seen.len()).unwrap_or(i64::MAX) >= self.size()
    }
}

/// What a trade means for the ones before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The first one at all.
    First,
    /// The next one: nothing is missing between.
    Next,
    /// Known already.
    Repeat,
    /// Fell into a hole that is still open.
    Late,
    /// Numbers between the newest known trade and this one are missing.
    Jump(Known),
    /// The last one missing of the hole that began after this trade.
    Filled(Known),
}

/// The numbers seen of one market.
#[derive(Clone, Debug, Default)]
pub(super) struct Continuity {
    newest: Option<Known>,
    holes: Vec<Hole>,
}

impl Continuity {
    /// Goes on after a stored trade.
    pub(super) fn after(newest: Option<Known>) -> Self {
        Self {
            newest,
            holes: Vec::new(),
        }
    }

    /// The trade with the highest number.
    pub(super) fn newest(&self) -> Option<Known> {
        self.newest
    }

    /// Notes a trade.
    pub(super) fn saw(&mut self, trade: Known) -> Seen {
        let Some(newest) = self.newest else {
            self.newest = Some(trade);
            return Seen::First;
        };
        if trade.trade_id <= newest.trade_id {
            return self.saw_old(trade.trade_id);
        }
        self.newest = Some(trade);
        if trade.trade_id == newest.trade_id.saturating_add(1) {
            return Seen::Next;
        }
        self.holes.push(Hole {
            before: newest,
            after: trade,
            seen: BTreeSet::new(),
        });
        Seen::Jump(newest)
    }

    /// A venue has told everything it has after `before`: what is still missing does not exist.
    /// Answers whether there was such a hole.
    pub(super) fn close(&mut self, before: Known) -> bool {
        let open = self.holes.len();
        self.holes.retain(|hole| hole.before != before);
        self.holes.len() < open
    }

    fn saw_old(&mut self, trade_id: i64) -> Seen {
        let Some(at) = self.holes.iter().position(|hole| hole.holds(trade_id)) else {
            return Seen::Repeat;
        };
        let Some(hole) = self.holes.get_mut(at) else {
            return Seen::Repeat;
        };
        if hole.size() > MOST_NUMBERED {
            return Seen::Late;
        }
        if !hole.seen.insert(trade_id) {
            return Seen::Repeat;
        }
        if !hole.is_filled() {
            return Seen::Late;
        }
        Seen::Filled(self.holes.remove(at).before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(trade_id: i64) -> Known {
        Known {
            trade_id,
            venue_time_us: trade_id * 10,
        }
    }

    #[test]
    fn trades_one_after_the_other_leave_no_hole() {
        let mut market = Continuity::default();
        assert_eq!(market.saw(known(5)), Seen::First);
        assert_eq!(market.saw(known(6)), Seen::Next);
        assert_eq!(market.saw(known(6)), Seen::Repeat);
        assert_eq!(market.saw(known(1)), Seen::Repeat);
        assert!(market.holes.is_empty());
    }

    #[test]
    fn a_hole_stays_until_its_last_trade_came_in_whatever_order() {
        let mut market = Continuity::after(Some(known(10)));
        assert_eq!(market.saw(known(14)), Seen::Jump(known(10)));
        assert_eq!(market.saw(known(15)), Seen::Next);
        assert_eq!(market.saw(known(13)), Seen::Late);
        assert_eq!(market.saw(known(13)), Seen::Repeat);
        assert_eq!(market.saw(known(11)), Seen::Late);
        assert_eq!(market.saw(known(12)), Seen::Filled(known(10)));
        assert!(market.holes.is_empty());
    }

    #[test]
    fn a_venue_that_told_everything_closes_a_hole() {
        let mut market = Continuity::after(Some(known(10)));
        market.saw(known(14));
        market.saw(known(20));
        assert!(market.close(known(10)));
        assert!(!market.close(known(10)));
        assert_eq!(market.holes.len(), 1);
        assert_eq!(market.holes[0].before, known(14));
    }
}
