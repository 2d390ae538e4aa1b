//! Nonces of signed predictions: within a model and round each is higher than the last, so that an
//! older one, sent again by anybody, never comes back. Pure: over what its group has read.

use super::{PredictionError, Submission};

/// "No nonce so far" in `predictions.nonce`.
pub(super) const NO_NONCE: i64 = -1;

/// What a submission is beside the nonces of its model and round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonce {
    /// What its row has: the highest so far. A prediction that came with a key passes it on, so that
    /// what was signed before it is old as well.
    pub(super) stored: i64,
    /// Whether it is only good as the same again.
    pub(super) is_used: bool,
    /// Whether it needs a row of its own even when it says the same again: its nonce counts.
    pub(super) is_next: bool,
}

/// Holds a submission against the highest nonce so far.
pub(super) fn beside(s: &Submission, highest: Option<i64>) -> Nonce {
    let highest = highest.unwrap_or(NO_NONCE);
    let nonce = s.nonce.unwrap_or(highest);
    Nonce {
        stored: highest.max(nonce),
        is_used: s.nonce.is_some() && nonce <= highest,
        is_next: nonce > highest,
    }
}

/// The refusal of a nonce that is used.
pub(super) fn used(s: &Submission, highest: Option<i64>) -> PredictionError {
    PredictionError::NonceUsed {
        round: s.round.clone(),
        model: s.model.clone(),
        nonce: s.nonce.unwrap_or(NO_NONCE),
        highest: highest.unwrap_or(NO_NONCE),
    }
}
