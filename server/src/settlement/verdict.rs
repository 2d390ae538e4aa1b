//! What the chain says of an intent's attempts, and when that is to be believed. Pure.

use super::intent::{Attempt, IntentState};
use crate::chain::Receipt;

/// What the chain says of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing final: neither done nor failed.
    Unknown,
    /// The nonce is used, but by none of our attempts as far as the node knows: look again.
    Missing(Missing),
    /// Decided.
    Decided {
        /// What it is.
        state: IntentState,
        /// By which transaction; `None` when it is not ours.
        by: Option<Receipt>,
    },
}

/// Consecutive looks that found the nonce used and none of our attempts mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// How many.
    pub looks: u32,
    /// The first of them, wall microseconds.
    pub since_us: i64,
}

/// When a missing transaction is believed to be lost. Behind one address there may be nodes of
/// unequal height: one knows the final nonce, another does not know the receipt yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostRule {
    /// Consecutive looks, at least.
    pub looks: u32,
    /// Between the first and the last of them, wall microseconds, at least.
    pub spread_us: i64,
}

/// One look at the chain for one intent.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The key's count of transactions at the block `height`.
    pub final_nonce: u64,
    /// Height of a final block.
    pub height: u64,
    /// Receipts of all attempts that are mined, read after `final_nonce`.
    pub receipts: &'a [Receipt],
    /// Height of the newest final block, asked for after the receipts. A node that is not as far
    /// as `height` cannot say that a receipt is missing.
    pub final_after: u64,
    /// Now, wall microseconds.
    pub wall_us: i64,
}

/// Decides an intent: nothing before the final nonce has passed its own.
#[must_use]
pub fn verdict(
    attempts: &[Attempt],
    look: Look<'_>,
    before: Option<Missing>,
    rule: LostRule,
) -> Verdict {
    let Some(nonce) = attempts.first().map(|attempt| attempt.nonce) else {
        return Verdict::Unknown;
    };
    if look.final_nonce <= nonce {
        return Verdict::Unknown;
    }
    let Some(receipt) = look.receipts.first() else {
        return missing(look, before, rule);
    };
    if receipt.block_number > look.height {
        return Verdict::Unknown;
    }
    let is_cancel = attempts
        .iter()
        .any(|attempt| attempt.tx_hash == receipt.tx_hash && attempt.is_cancel);
    let state = match (is_cancel, receipt.succeeded) {
        (true, _) => IntentState::Cancelled,
        (false, true) => IntentState::Done,
        (false, false) => IntentState::Reverted,
    };
    Verdict::Decided {
        state,
        by: Some(*receipt),
    }
}

fn missing(look: Look<'_>, before: Option<Missing>, rule: LostRule) -> Verdict {
    if look.final_after < look.height {
        // A look that shows nothing neither counts nor ends the row of those that do.
        return before.map_or(Verdict::Unknown, Verdict::Missing);
    }
    let since_us = before.map_or(look.wall_us, |before| before.since_us);
    let looks = before.map_or(0, |before| before.looks).saturating_add(1);
    if looks >= rule.looks && look.wall_us.saturating_sub(since_us) >= rule.spread_us {
        return Verdict::Decided {
            state: IntentState::Lost,
            by: None,
        };
    }
    Verdict::Missing(Missing { looks, since_us })
}

#[cfg(test)]
#[expect(clippy::panic, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::chain::{B256, Fees};

    const RULE: LostRule = LostRule {
        looks: 3,
        spread_us: 30,
    };

    fn attempt(number: u8, is_cancel: bool) -> Attempt {
        Attempt {
            number: i64::from(number),
            nonce: 4,
            is_cancel,
            gas_limit: 1,
            fees: Fees { max: 1, tip: 1 },
            raw: Vec::new(),
            tx_hash: B256::repeat_byte(number),
            created_us: 0,
        }
    }

    fn receipt(byte: u8, succeeded: bool) -> Receipt {
        Receipt {
            tx_hash: B256::repeat_byte(byte),
            block_number: 10,
            succeeded,
            gas_used: 1,
            contract: None,
        }
    }

    fn look(receipts: &[Receipt], final_nonce: u64, height: u64) -> Look<'_> {
        Look {
            final_nonce,
            height,
            receipts,
            final_after: height,
            wall_us: 0,
        }
    }

    #[test]
    fn nothing_is_decided_before_the_final_nonce_has_passed() {
        let attempts = [attempt(1, false), attempt(2, true)];
        let of = |receipts: &[Receipt], nonce, height| match verdict(
            &attempts,
            look(receipts, nonce, height),
            None,
            RULE,
        ) {
            Verdict::Decided { state, .. } => Some(state),
            Verdict::Unknown => None,
            Verdict::Missing(missing) => panic!("{missing:?}"),
        };
        let done = receipt(1, true);
        assert_eq!(of(&[done], 4, 20), None, "the nonce is not final");
        assert_eq!(of(&[done], 5, 9), None, "its block is not final");
        assert_eq!(of(&[], 4, 20), None, "a time-out means nothing");
        assert_eq!(of(&[done], 5, 20), Some(IntentState::Done));
        let reverted = Some(IntentState::Reverted);
        assert_eq!(of(&[receipt(1, false)], 5, 20), reverted);
        let cancelled = Some(IntentState::Cancelled);
        assert_eq!(of(&[receipt(2, true)], 5, 20), cancelled);
    }

    #[test]
    fn lost_takes_several_looks_by_a_node_that_is_far_enough_over_some_time() {
        let attempts = [attempt(1, false)];
        let at = |wall_us, final_after, before| {
            let look = Look {
                wall_us,
                final_after,
                ..look(&[], 5, 20)
            };
            verdict(&attempts, look, before, RULE)
        };
        let missing = |looks, since_us| Missing { looks, since_us };
        assert_eq!(at(7, 19, None), Verdict::Unknown, "the node is behind");
        assert_eq!(at(7, 20, None), Verdict::Missing(missing(1, 7)));
        let two = Some(missing(2, 7));
        assert_eq!(at(36, 20, two), Verdict::Missing(missing(3, 7)), "too soon");
        assert_eq!(at(37, 19, two), Verdict::Missing(missing(2, 7)), "behind");
        let one = Some(missing(1, 7));
        assert_eq!(at(99, 20, one), Verdict::Missing(missing(2, 7)), "too few");
        let lost = Verdict::Decided {
            state: IntentState::Lost,
            by: None,
        };
        assert_eq!(at(37, 21, two), lost);
    }
}
