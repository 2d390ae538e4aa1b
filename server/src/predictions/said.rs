//! What a submission says: a probability, a seal, or what opens one; and what the next submission
//! of the same model and round is beside it (protocol.md §1). Pure: values in, values out.

use contracts::round;
use domain::{Probability, TokenAmount};

use super::{PredictionError, Submission};
use crate::chain::B256;

/// The index in the seal of a model without a place in the vault.
pub const NO_INDEX: u32 = u32::MAX;
/// The stake in a seal that names none.
pub const NO_STAKE: u64 = u64::MAX;

/// What a submission says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A probability, readable by us at once.
    Open {
        /// As posted; counted clamped to [a, 1 − a].
        posted: Probability,
        /// What to risk, if named.
        ask: Option<TokenAmount>,
    },
    /// A commitment to a probability and a stake that nobody can read yet.
    Sealed {
        /// keccak256 as protocol.md §6 packs it.
        seal: B256,
    },
    /// What the model's latest seal holds.
    Opened {
        /// As posted.
        posted: Probability,
        /// What to risk, if named.
        ask: Option<TokenAmount>,
        /// Hid it until now.
        salt: B256,
    },
}

impl Said {
    /// The probability as posted; none while it is sealed.
    #[must_use]
    pub fn posted(&self) -> Option<Probability> {
        match self {
            Self::Open { posted, .. } | Self::Opened { posted, .. } => Some(*posted),
            Self::Sealed { .. } => None,
        }
    }

    /// What to risk, if it is named and readable.
    #[must_use]
    pub fn ask(&self) -> Option<TokenAmount> {
        match self {
            Self::Open { ask, .. } | Self::Opened { ask, .. } => *ask,
            Self::Sealed { .. } => None,
        }
    }

    /// Whether it opens a seal: then it has until the lock.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        matches!(self, Self::Opened { .. })
    }

    /// Whether it is a seal, still closed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        matches!(self, Self::Sealed { .. })
    }
}

/// A model's latest prediction of a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before<'a> {
    pub(super) said: &'a Said,
    /// The seal of it, closed or opened.
    pub(super) seal: Option<B256>,
}

/// What a submission is beside the model's latest prediction of the round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The same again: its receipt stands.
    Repeated,
    /// A seal that was opened since: its own receipt stands for it. It stays open.
    OpenedSince { seal: B256 },
    /// To be stored. With the seal that it is or opens, and the index that the seal was made with.
    New { seal: Option<B256>, index: u32 },
}

/// Holds a submission against the model's latest prediction of the round. `model_index` is the
/// model's place in the vault, if it has one; a seal that was made before it had one says
/// [`NO_INDEX`], and opens all the same.
///
/// # Errors
/// [`PredictionError::SealUnknown`], [`PredictionError::SealNotOpened`].
pub(super) fn judge(
    s: &Submission,
    before: Option<Before<'_>>,
    chain_round: impl FnOnce() -> B256,
    model_index: Option<u32>,
) -> Result<Judgement, PredictionError> {
    if before.is_some_and(|before| *before.said == s.said) {
        return Ok(Judgement::Repeated);
    }
    match &s.said {
        Said::Open { .. } => Ok(Judgement::New {
            seal: None,
            index: 0,
        }),
        Said::Sealed { seal } if before.is_some_and(|before| before.seal == Some(*seal)) => {
            Ok(Judgement::OpenedSince { seal: *seal })
        }
        Said::Sealed { seal } => Ok(Judgement::New {
            seal: Some(*seal),
            index: 0,
        }),
        Said::Opened { posted, ask, salt } => {
            let Some(Said::Sealed { seal }) = before.map(|before| before.said) else {
                return Err(PredictionError::SealUnknown {
                    round: s.round.clone(),
                    model: s.model.clone(),
                    is_replaced: before.is_some(),
                });
            };
            let w = ask.map_or(NO_STAKE, TokenAmount::units);
            let chain_round = chain_round();
            let opens =
                |index: &u32| round::seal(chain_round, *index, w, posted.ppm(), *salt) == *seal;
            let index = [model_index.unwrap_or(NO_INDEX), NO_INDEX]
                .into_iter()
                .find(opens);
            let index = index.ok_or_else(|| PredictionError::SealNotOpened {
                round: s.round.clone(),
                model: s.model.clone(),
                seal: *seal,
                model_index,
            })?;
            Ok(Judgement::New {
                seal: Some(*seal),
                index,
            })
        }
    }
}
