//! What a bot should know beside its receipt: nothing here refuses or changes a prediction. Pure:
//! values in, values out.

use domain::{RoundState, TokenAmount};

use super::{Receipt, Said};
use crate::rounds::Round;
use crate::stakes::WouldRisk;

/// A receipt, and what there is to say beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Signed, stored.
    pub receipt: Receipt,
    /// Unsigned, of the moment.
    pub notices: Vec<Notice>,
}

/// Something that the bot may want to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// p was moved into [a, 1 − a].
    Clamped,
    /// Less than the amount named would be risked.
    Underfunded {
        /// What was named.
        named: TokenAmount,
        /// What the model would risk.
        counted: TokenAmount,
    },
    /// The model has no registered stake: it is scored, not staked.
    Unstaked,
    /// What the model would risk is under the tournament's minimum: it is scored, not staked.
    BelowMinimum {
        /// The minimum.
        minimum: TokenAmount,
    },
    /// No other staked model so far: alone it wins and loses nothing.
    Thin,
    /// The same was stored before; this is its receipt.
    Duplicate,
    /// The seal waits to be opened.
    Sealed {
        /// Until then, market microseconds.
        reveal_until_us: i64,
    },
    /// The seal was not opened in time: the model is absent from the round.
    NeverRevealed,
}

/// What the notices of one prediction follow from.
#[derive(Clone, Copy)]
pub(super) struct Grounds {
    pub(super) would: WouldRisk,
    pub(super) minimum: TokenAmount,
    /// Whether another model of the round would risk something.
    pub(super) has_rival: bool,
    pub(super) reveal_until_us: i64,
}

/// The notices beside the receipt of what `said` says. What would be risked is as the receipt says
/// it, which may be older than the grounds.
pub(super) fn beside(said: &Said, receipt: &Receipt, on: &Grounds) -> Vec<Notice> {
    let mut notices = Vec::new();
    if said.is_sealed() {
        notices.push(Notice::Sealed {
            reveal_until_us: on.reveal_until_us,
        });
        return notices;
    }
    if receipt.clamped {
        notices.push(Notice::Clamped);
    }
    if on.would.model_index.is_none() {
        notices.push(Notice::Unstaked);
        return notices;
    }
    let counted = receipt.would_risk();
    if let Some(named) = said.ask().filter(|named| *named > counted) {
        notices.push(Notice::Underfunded { named, counted });
    }
    if counted == TokenAmount::ZERO {
        let minimum = on.minimum;
        notices.push(Notice::BelowMinimum { minimum });
    } else if !on.has_rival {
        notices.push(Notice::Thin);
    }
    notices
}

/// The notices of a receipt that is read again, by what has become of its round.
#[must_use]
pub fn of_stored(receipt: &Receipt, round: &Round, now_us: i64) -> Vec<Notice> {
    if receipt.p_ppm.is_some() {
        return receipt
            .clamped
            .then_some(Notice::Clamped)
            .into_iter()
            .collect();
    }
    let reveal_until_us = round.schedule.lock_us;
    if round.state == RoundState::Open && now_us < reveal_until_us {
        return vec![Notice::Sealed { reveal_until_us }];
    }
    vec![Notice::NeverRevealed]
}

#[cfg(test)]
mod tests {
    use domain::Probability;

    use super::super::receipt::receipt_for_tests;
    use super::super::{ReceiptSigner, Submission};
    use super::*;
    use crate::chain::{B256, ChainAddress};

    fn tokens(text: &str) -> TokenAmount {
        TokenAmount::from_tokens(text).expect("an amount")
    }

    fn notices(said: &Said, is_clamped: bool, counted: &str, on: Grounds) -> Vec<Notice> {
        let signer = ReceiptSigner::from_secret(&[7; 32], 1, ChainAddress::ZERO);
        let submission = Submission {
            round: "btc-usd-5m-20240305T1200Z".parse().expect("a round"),
            model: "ada".parse().expect("a model"),
            account: "ada".parse().expect("an account"),
            said: said.clone(),
            nonce: None,
            received_us: 5,
        };
        let mut receipt = receipt_for_tests(&signer.expect("a key"), submission, None);
        receipt.clamped = is_clamped;
        counted.clone_into(&mut receipt.stake_counted);
        beside(said, &receipt, &on)
    }

    fn grounds(model_index: Option<u32>) -> Grounds {
        Grounds {
            would: WouldRisk {
                model_index,
                free: tokens("1000"),
                at_risk: tokens("5"),
            },
            minimum: tokens("1"),
            has_rival: true,
            reveal_until_us: 7,
        }
    }

    fn open(named: Option<&str>) -> Said {
        Said::Open {
            posted: Probability::HALF,
            ask: named.map(tokens),
        }
    }

    #[test]
    fn what_is_well_says_nothing() {
        assert_eq!(notices(&open(None), false, "5", grounds(Some(1))), []);
        assert_eq!(notices(&open(Some("5")), false, "5", grounds(Some(1))), []);
    }

    #[test]
    fn each_reason_has_its_notice() {
        let (named, counted) = (tokens("10"), tokens("5"));
        let under = Notice::Underfunded { named, counted };
        assert_eq!(
            notices(&open(Some("10")), true, "5", grounds(Some(1))),
            [Notice::Clamped, under]
        );
        assert_eq!(
            notices(&open(Some("10")), false, "0", grounds(None)),
            [Notice::Unstaked]
        );
        let minimum = tokens("1");
        assert_eq!(
            notices(&open(None), false, "0", grounds(Some(1))),
            [Notice::BelowMinimum { minimum }]
        );
        let alone = Grounds {
            has_rival: false,
            ..grounds(Some(1))
        };
        assert_eq!(notices(&open(None), false, "5", alone), [Notice::Thin]);
    }

    #[test]
    fn a_seal_says_until_when_and_nothing_of_stakes() {
        let said = Said::Sealed {
            seal: B256::repeat_byte(1),
        };
        let reveal_until_us = 7;
        assert_eq!(
            notices(&said, false, "0", grounds(None)),
            [Notice::Sealed { reveal_until_us }]
        );
    }
}
