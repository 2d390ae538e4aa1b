//! Receipts: our signed word that a prediction was stored in time.

use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use contracts::receipt::{PredictionReceipt, signing_hash};
use contracts::runs::{self, RunReceipt};
use domain::timestamp::rfc3339;
use domain::{ModelId, Probability, RoundId, TokenAmount};
use serde::{Deserialize, Serialize};

use super::{PredictionError, Submission};
use crate::db::{self, Conn};

/// The acknowledgement of one prediction. It stands for a stored row: the row is committed before
/// the receipt leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The round.
    pub round: RoundId,
    /// The model.
    pub model: ModelId,
    /// As counted, ppm.
    pub p_ppm: u32,
    /// As posted, ppm.
    pub posted_ppm: u32,
    /// Whether p was moved into [a, 1 − a].
    pub clamped: bool,
    /// The amount named, decimal tokens; null: the model's default limit.
    pub stake: Option<String>,
    /// Grows by one with every stored prediction.
    pub sequence: i64,
    /// When the request had been read whole, market time.
    pub received_at: String,
    /// The same in microseconds.
    pub received_us: i64,
    /// Market milliseconds that were left to the deadline.
    pub ms_to_deadline: i64,
    /// EIP-712 hash that is signed, `0x…`.
    pub hash: String,
    /// 65-byte signature, `0x…`.
    pub signature: String,
    /// The signer's address.
    pub signer: String,
}

/// What a receipt is made from, with its place in the order of all.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) submission: Submission,
    pub(super) counted: Probability,
    pub(super) deadline_us: i64,
    pub(super) sequence: i64,
    /// The highest that was signed so far.
    pub(super) nonce: i64,
}

/// A receipt, what was asked, and the receipt's text as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) receipt: Receipt,
    pub(super) ask: Option<TokenAmount>,
    pub(super) nonce: i64,
    pub(super) text: String,
}

/// Under this name the addresses that have signed receipts are kept.
const SIGNERS_FACT: &str = "receipt_signers";

/// Every address that has signed receipts here, the first first; the public record names them.
///
/// # Errors
/// Database errors and an unreadable fact.
pub async fn receipt_signers(conn: &mut Conn) -> Result<Vec<Address>, PredictionError> {
    let Some(text) = db::fact(conn, SIGNERS_FACT).await? else {
        return Ok(Vec::new());
    };
    serde_json::from_str(&text).map_err(|error| PredictionError::Broken(error.to_string()))
}

/// Notes who signs receipts from now on.
///
/// # Errors
/// Database errors and an unreadable fact.
pub async fn remember_signer(conn: &mut Conn, signer: Address) -> Result<(), PredictionError> {
    let mut signers = receipt_signers(conn).await?;
    if signers.contains(&signer) {
        return Ok(());
    }
    signers.push(signer);
    let text =
        serde_json::to_string(&signers).map_err(|e| PredictionError::Broken(e.to_string()))?;
    Ok(db::set_fact(conn, SIGNERS_FACT, &text).await?)
}

/// Signs receipts; the only key that the web process holds.
#[derive(Debug)]
pub struct ReceiptSigner {
    key: PrivateKeySigner,
    chain_id: u64,
    registry: Address,
}

impl ReceiptSigner {
    /// A signer from 32 secret bytes. Its receipts name chain and registry, so that none can be
    /// shown elsewhere.
    ///
    /// # Errors
    /// When the bytes are no key of the curve.
    pub fn from_secret(
        secret: &[u8; 32],
        chain_id: u64,
        registry: Address,
    ) -> Result<Self, PredictionError> {
        let key = PrivateKeySigner::from_bytes(&B256::from(*secret))
            .map_err(|e| PredictionError::Signing(e.to_string()))?;
        Ok(Self {
            key,
            chain_id,
            registry,
        })
    }

    /// The address that signs.
    #[must_use]
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// The chain whose rounds the receipts are about.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The registry whose rounds the receipts are about.
    #[must_use]
    pub fn registry(&self) -> Address {
        self.registry
    }

    /// Signs the receipt of a run: the hash that is signed, and the signature, `0x…`.
    ///
    /// # Errors
    /// [`PredictionError::Signing`].
    pub fn sign_run(&self, run: &RunReceipt) -> Result<(B256, String), PredictionError> {
        let hash = runs::signing_hash(run, self.chain_id, self.registry);
        let signed = self.key.sign_hash_sync(&hash);
        let signature = signed.map_err(|e| PredictionError::Signing(e.to_string()))?;
        let bytes = Bytes::from(signature.as_bytes().to_vec());
        Ok((hash, bytes.to_string()))
    }

    /// Signs a draft; the text is what is stored.
    pub(super) fn sign(&self, draft: &Draft) -> Result<Signed, PredictionError> {
        let receipt = self.receipt(draft)?;
        let text =
            serde_json::to_string(&receipt).map_err(|e| PredictionError::Broken(e.to_string()))?;
        Ok(Signed {
            receipt,
            ask: draft.submission.ask,
            nonce: draft.nonce,
            text,
        })
    }

    fn receipt(&self, draft: &Draft) -> Result<Receipt, PredictionError> {
        let (s, counted) = (&draft.submission, draft.counted);
        let typed = PredictionReceipt {
            roundId: self.chain_round(&s.round),
            model: s.model.to_string(),
            countedPpm: counted.ppm(),
            postedPpm: s.posted.ppm(),
            stakeNamed: s.ask.is_some(),
            stakeUnits: s.ask.map_or(0, TokenAmount::units),
            sequence: number(draft.sequence),
            receivedAtUs: number(s.received_us),
        };
        let hash = signing_hash(&typed, self.chain_id, self.registry);
        let signed = self.key.sign_hash_sync(&hash);
        let signature = signed.map_err(|e| PredictionError::Signing(e.to_string()))?;
        Ok(Receipt {
            round: s.round.clone(),
            model: s.model.clone(),
            p_ppm: counted.ppm(),
            posted_ppm: s.posted.ppm(),
            clamped: counted != s.posted,
            stake: s.ask.map(TokenAmount::tokens),
            sequence: draft.sequence,
            received_at: rfc3339(s.received_us),
            received_us: s.received_us,
            ms_to_deadline: (draft.deadline_us - s.received_us) / 1_000,
            hash: hash.to_string(),
            signature: Bytes::from(signature.as_bytes().to_vec()).to_string(),
            signer: self.key.address().to_string(),
        })
    }
}

/// Sequences and times are not negative.
fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or_default()
}

/// A genuine receipt without a stored row.
#[cfg(test)]
pub(crate) fn receipt_for_tests(signer: &ReceiptSigner, round: RoundId, model: ModelId) -> Receipt {
    let submission = Submission {
        round,
        model,
        account: "somebody".parse().expect("an account"),
        posted: Probability::HALF,
        ask: TokenAmount::from_tokens("1.5").ok(),
        nonce: None,
        received_us: 5,
    };
    let draft = Draft {
        submission,
        counted: Probability::HALF,
        deadline_us: 10,
        sequence: 3,
        nonce: super::nonce::NO_NONCE,
    };
    signer.receipt(&draft).expect("a receipt")
}
