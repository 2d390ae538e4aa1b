//! What a bot signs when it sends a prediction without a key.

use alloy::primitives::B256;
use contracts::requests::{Prediction, signing_hash};
use domain::{Probability, TokenAmount};

use super::{ReceiptSigner, Said, Submission};

impl ReceiptSigner {
    /// The hash that the wallet or a session key signs for this prediction, with its nonce.
    #[must_use]
    pub fn request_hash(&self, s: &Submission) -> B256 {
        let (seal, salt) = match s.said {
            Said::Open { .. } => (B256::ZERO, B256::ZERO),
            Said::Sealed { seal } => (seal, B256::ZERO),
            Said::Opened { salt, .. } => (B256::ZERO, salt),
        };
        let request = Prediction {
            roundId: self.chain_round(&s.round),
            model: s.model.to_string(),
            postedPpm: s.said.posted().map_or(0, Probability::ppm),
            stakeNamed: s.said.ask().is_some(),
            stakeUnits: s.said.ask().map_or(0, TokenAmount::units),
            seal,
            salt,
            nonce: s
                .nonce
                .and_then(|nonce| u64::try_from(nonce).ok())
                .unwrap_or(0),
        };
        signing_hash(&request, self.chain_id(), self.registry())
    }
}
