//! One market of one venue: its trades in order, its gaps, its newest price.
//!
//! Owns when a gap opens, ends and is filled. No IO: what must be written is handed out.

use domain::Venue;
use domain::timestamp::SECOND_US;

use super::board::MarketStatus;
use super::continuity::{Continuity, Known, Seen};
use super::keeper::Pending;
use crate::prices::Tick;
use crate::prices::connection_log::Gap;
use crate::prices::feeds::message::VenueTrade;

/// Before its first trade ever nothing is known of a market for this long.
const UNKNOWN_BEFORE_US: i64 = 3_600 * SECOND_US;

/// What a trade asks of the keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing; it came in its turn.
    Nothing,
    /// Nothing; it is an old one or known already.
    Old,
    /// Trades after this one are missing. Urgent when a connection was lost, else they may only be
    /// late.
    Refill { before: Known, is_urgent: bool },
}

impl Need {
    /// Whether the trade has just happened.
    pub(super) fn is_fresh(self) -> bool {
        self != Self::Old
    }
}

/// One market.
#[derive(Debug)]
pub(super) struct Market {
    pub(super) venue: Venue,
    pub(super) asset: String,
    pub(super) symbol: String,
    continuity: Continuity,
    /// Gaps that began when the connection was lost and whose other end is not known.
    open: Vec<Gap>,
    /// Gaps that end when the hole after the trade is filled.
    holes: Vec<(Known, Vec<Gap>)>,
    last_found_us: i64,
    trades: u64,
    backfilled: u64,
    gaps: u64,
    newest: Option<Tick>,
}

impl Market {
    /// Goes on from what is stored: the newest trade before which nothing is missing, and the gaps
    /// that were left. With neither, nothing is known before now.
    pub(super) fn resume(
        (venue, asset, symbol): (Venue, &str, &str),
        newest: Option<Known>,
        left: Vec<Gap>,
    ) -> Self {
        let last_found_us = left.iter().map(|gap| gap.found_us).max().unwrap_or(0);
        Self {
            venue,
            asset: asset.to_owned(),
            symbol: symbol.to_owned(),
            continuity: Continuity::after(newest),
            open: left,
            holes: Vec::new(),
            last_found_us,
            trades: 0,
            backfilled: 0,
            gaps: 0,
            newest: None,
        }
    }

    /// The trade that it goes on after.
    #[cfg(test)]
    pub(super) fn newest(&self) -> Option<Known> {
        self.continuity.newest()
    }

    /// The connection was lost, or is not made yet.
    pub(super) fn down(&mut self, at_us: i64, reason: &str, pending: &mut Pending) {
        if self.open.iter().any(|gap| gap.to_us == Gap::OPEN) {
            return;
        }
        let newest = self.continuity.newest();
        let from_us = newest.map_or(at_us - UNKNOWN_BEFORE_US, |known| known.venue_time_us);
        let gap = self.gap(at_us, from_us, reason.to_owned());
        pending.gaps.push(gap.clone());
        self.open.push(gap);
    }

    /// Takes what a back-fill brought.
    pub(super) fn refill(&mut self, now_us: i64, trades: &[VenueTrade], pending: &mut Pending) {
        let before = self.trades;
        for trade in trades {
            self.saw(now_us, trade, pending);
        }
        self.backfilled += self.trades - before;
    }

    /// Takes a trade, of the stream or of a back-fill.
    pub(super) fn saw(&mut self, now_us: i64, trade: &VenueTrade, pending: &mut Pending) -> Need {
        let known = Known {
            trade_id: trade.trade_id,
            venue_time_us: trade.venue_time_us,
        };
        let seen = self.continuity.saw(known);
        if seen == Seen::Repeat {
            return Need::Old;
        }
        self.keep(now_us, trade, pending);
        match seen {
            // Nothing is known before the first trade, and nothing will fill that.
            Seen::First => {
                for mut gap in std::mem::take(&mut self.open) {
                    gap.to_us = gap.to_us.min(known.venue_time_us);
                    pending.gaps.push(gap);
                }
                Need::Nothing
            }
            Seen::Next => {
                let open = std::mem::take(&mut self.open);
                fill(open, known.venue_time_us, now_us, pending);
                Need::Nothing
            }
            Seen::Repeat | Seen::Late => Need::Old,
            Seen::Filled(before) => {
                self.fill_hole(before, now_us, pending);
                Need::Old
            }
            Seen::Jump(before) => self.jump(now_us, before, known, pending),
        }
    }

    /// The venue has told everything it has after `before`.
    pub(super) fn told_everything(&mut self, now_us: i64, before: Known, pending: &mut Pending) {
        if self.continuity.close(before) {
            self.fill_hole(before, now_us, pending);
        }
    }

    /// Writes its numbers into a status.
    pub(super) fn show(&self, status: &mut MarketStatus) {
        status.trades = self.trades;
        status.backfilled = self.backfilled;
        status.gaps = self.gaps;
        status.open_gaps = self.open.len() + self.holes.len();
        if let Some(tick) = &self.newest {
            status.price = Some(tick.price);
            status.trade_id = tick.trade_id;
            status.venue_time_us = tick.venue_time_us;
            status.received_us = tick.receive_time_us;
        }
    }

    fn keep(&mut self, now_us: i64, trade: &VenueTrade, pending: &mut Pending) {
        let tick = Tick {
            asset: self.asset.clone(),
            venue: self.venue,
            trade_id: trade.trade_id,
            price: trade.price,
            venue_time_us: trade.venue_time_us,
            receive_time_us: now_us,
            quantity: trade.quantity,
        };
        self.trades += 1;
        let is_newer = |newest: &Tick| newest.trade_id < tick.trade_id;
        if self.newest.as_ref().is_none_or(is_newer) {
            self.newest = Some(tick.clone());
        }
        pending.ticks.push(tick);
    }

    fn jump(&mut self, now_us: i64, before: Known, after: Known, pending: &mut Pending) -> Need {
        let mut gaps = std::mem::take(&mut self.open);
        let is_urgent = !gaps.is_empty();
        if gaps.is_empty() {
            let reason = format!(
                "trades {} to {} did not come",
                before.trade_id + 1,
                after.trade_id - 1
            );
            gaps.push(self.gap(now_us, before.venue_time_us, reason));
        }
        for gap in &mut gaps {
            gap.to_us = gap.to_us.min(after.venue_time_us.max(gap.from_us));
            pending.gaps.push(gap.clone());
        }
        self.holes.push((before, gaps));
        Need::Refill { before, is_urgent }
    }

    fn fill_hole(&mut self, before: Known, now_us: i64, pending: &mut Pending) {
        let Some(at) = self.holes.iter().position(|(known, _)| *known == before) else {
            return;
        };
        let (_, gaps) = self.holes.remove(at);
        fill(gaps, i64::MAX, now_us, pending);
    }

    fn gap(&mut self, now_us: i64, from_us: i64, reason: String) -> Gap {
        // The moment is part of the gap's name.
        self.gaps += 1;
        self.last_found_us = now_us.max(self.last_found_us + 1);
        Gap {
            venue: self.venue,
            asset: self.asset.clone(),
            found_us: self.last_found_us,
            from_us,
            to_us: Gap::OPEN,
            reason,
            filled_us: 0,
        }
    }
}

fn fill(gaps: Vec<Gap>, to_us: i64, now_us: i64, pending: &mut Pending) {
    for mut gap in gaps {
        gap.to_us = gap.to_us.min(to_us.max(gap.from_us));
        gap.filled_us = now_us;
        pending.gaps.push(gap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trade(trade_id: i64) -> VenueTrade {
        VenueTrade {
            symbol: "BTC/USD".into(),
            trade_id,
            price: "64000".parse().expect("a price"),
            quantity: domain::Quantity::ZERO,
            venue_time_us: trade_id * SECOND_US,
        }
    }

    fn market(newest: Option<i64>) -> Market {
        let known = newest.map(|trade_id| Known {
            trade_id,
            venue_time_us: trade_id * SECOND_US,
        });
        Market::resume((Venue::Kraken, "btc", "BTC/USD"), known, Vec::new())
    }

    /// The last state of each gap by the moment it was found.
    fn gaps(pending: &Pending) -> Vec<(i64, i64, i64, i64)> {
        let mut last = std::collections::BTreeMap::new();
        for gap in &pending.gaps {
            last.insert(
                gap.found_us,
                (gap.found_us, gap.from_us, gap.to_us, gap.filled_us),
            );
        }
        last.into_values().collect()
    }

    #[test]
    fn a_lost_connection_that_missed_nothing_is_filled_by_the_next_trade() {
        let (mut market, mut pending) = (market(Some(10)), Pending::default());
        market.down(500, "idle", &mut pending);
        market.down(600, "no connection", &mut pending);
        assert_eq!(gaps(&pending), [(500, 10 * SECOND_US, Gap::OPEN, 0)]);
        assert_eq!(market.saw(700, &trade(10), &mut pending), Need::Old);
        assert_eq!(market.saw(700, &trade(11), &mut pending), Need::Nothing);
        assert_eq!(gaps(&pending), [(500, 10 * SECOND_US, 11 * SECOND_US, 700)]);
        assert_eq!(pending.ticks.len(), 1);
    }

    #[test]
    fn what_was_missed_is_asked_for_and_fills_the_gap() {
        let (mut market, mut pending) = (market(Some(10)), Pending::default());
        market.down(500, "idle", &mut pending);
        let before = market.continuity.newest().expect("known");
        let need = Need::Refill {
            before,
            is_urgent: true,
        };
        assert_eq!(market.saw(700, &trade(14), &mut pending), need);
        assert_eq!(gaps(&pending), [(500, 10 * SECOND_US, 14 * SECOND_US, 0)]);
        market.refill(812, &[trade(11), trade(12), trade(11)], &mut pending);
        market.refill(813, &[trade(13), trade(14)], &mut pending);
        assert_eq!(gaps(&pending), [(500, 10 * SECOND_US, 14 * SECOND_US, 813)]);
        assert_eq!(pending.ticks.len(), 4);
        assert_eq!((market.gaps, market.trades, market.backfilled), (1, 4, 3));
    }

    #[test]
    fn a_number_that_the_venue_does_not_have_is_no_gap_once_it_told_everything() {
        let (mut market, mut pending) = (market(Some(10)), Pending::default());
        let need = market.saw(700, &trade(13), &mut pending);
        let Need::Refill { before, is_urgent } = need else {
            panic!("{need:?}");
        };
        assert!(!is_urgent);
        market.saw(800, &trade(12), &mut pending);
        market.told_everything(900, before, &mut pending);
        assert_eq!(gaps(&pending), [(700, 10 * SECOND_US, 13 * SECOND_US, 900)]);
    }

    #[test]
    fn nothing_is_known_before_the_first_trade() {
        let (mut market, mut pending) = (market(None), Pending::default());
        market.down(5_000 * SECOND_US, "the feed has just started", &mut pending);
        market.saw(5_001 * SECOND_US, &trade(5_001), &mut pending);
        let found = gaps(&pending);
        assert_eq!(found[0].1, 1_400 * SECOND_US);
        assert_eq!((found[0].2, found[0].3), (5_001 * SECOND_US, 0));
    }
}
