//! What a bot signs when it sends a prediction without a key.

use alloy::primitives::{B256, keccak256};
use contracts::requests::{Prediction, signing_hash};
use contracts::round::round_id;
use domain::timestamp::SECOND_US;
use domain::{RoundId, TokenAmount};

use super::{ReceiptSigner, Submission};

impl ReceiptSigner {
    /// The hash that the wallet or a session key signs for this prediction, with its nonce.
    #[must_use]
    pub fn request_hash(&self, s: &Submission) -> B256 {
        let request = Prediction {
            roundId: self.chain_round(&s.round),
            model: s.model.to_string(),
            postedPpm: s.posted.ppm(),
            stakeNamed: s.ask.is_some(),
            stakeUnits: s.ask.map_or(0, TokenAmount::units),
            seal: B256::ZERO,
            salt: B256::ZERO,
            nonce: s
                .nonce
                .and_then(|nonce| u64::try_from(nonce).ok())
                .unwrap_or(0),
        };
        signing_hash(&request, self.chain_id(), self.registry())
    }

    /// The round as the chain names it.
    #[must_use]
    pub fn chain_round(&self, round: &RoundId) -> B256 {
        let tournament = keccak256(round.tournament().as_str());
        let start_s = u64::try_from(round.start_us() / SECOND_US).unwrap_or_default();
        round_id(self.chain_id(), self.registry(), tournament, start_s)
    }
}
