//! Receipts: our signed word that a prediction was stored in time.

use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use contracts::receipt::{PredictionReceipt, signing_hash};
use contracts::round::round_id;
use contracts::runs::{self, RunReceipt};
use domain::timestamp::{SECOND_US, rfc3339};
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
    /// As counted, ppm; null while it is sealed.
    pub p_ppm: Option<u32>,
    /// As posted, ppm; null while it is sealed.
    pub posted_ppm: Option<u32>,
    /// Whether p was moved into [a, 1 − a].
    pub clamped: bool,
    /// The amount named, decimal tokens; null: the model's default limit.
    pub stake: Option<String>,
    /// What the model would risk if the round locked now, decimal tokens.
    #[serde(default = "nothing")]
    pub stake_counted: String,
    /// The seal that it is or opens, `0x…`; null when open.
    #[serde(default)]
    pub seal: Option<String>,
    /// Grows by one with every stored prediction.
    pub sequence: i64,
    /// When the request had been read whole, market time.
    pub received_at: String,
    /// The same in microseconds.
    pub received_us: i64,
    /// Market milliseconds that were left: to the deadline; of what opens a seal, to the lock.
    pub ms_to_deadline: i64,
    /// EIP-712 hash that is signed, `0x…`.
    pub hash: String,
    /// 65-byte signature, `0x…`.
    pub signature: String,
    /// The signer's address.
    pub signer: String,
}

impl Receipt {
    /// What the model would have risked by it.
    pub(super) fn would_risk(&self) -> TokenAmount {
        TokenAmount::from_tokens(&self.stake_counted).unwrap_or(TokenAmount::ZERO)
    }
}

fn nothing() -> String {
    TokenAmount::ZERO.tokens()
}

/// What a receipt is made from, with its place in the order of all.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) submission: Submission,
    /// None while it is sealed.
    pub(super) counted: Option<Probability>,
    pub(super) stake_counted: TokenAmount,
    /// The seal that it is or opens.
    pub(super) seal: Option<B256>,
    /// The index that the seal was made with, of what opens it.
    pub(super) index: u32,
    /// The moment that it must not miss: the deadline or, of what opens a seal, the lock.
    pub(super) until_us: i64,
    pub(super) sequence: i64,
    /// The highest that was signed so far.
    pub(super) nonce: i64,
}

/// A receipt, what it was made from, and its text as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) receipt: Receipt,
    pub(super) draft: Draft,
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

    /// The contracts' name of the round.
    #[must_use]
    pub fn chain_round(&self, round: &RoundId) -> B256 {
        let tournament = keccak256(round.tournament().as_str());
        let start_s = number(round.start_us() / SECOND_US);
        round_id(self.chain_id, self.registry, tournament, start_s)
    }

    /// Signs a draft; the text is what is stored.
    pub(super) fn sign(&self, draft: Draft) -> Result<Signed, PredictionError> {
        let receipt = self.receipt(&draft)?;
        let text =
            serde_json::to_string(&receipt).map_err(|e| PredictionError::Broken(e.to_string()))?;
        Ok(Signed {
            receipt,
            draft,
            text,
        })
    }

    fn receipt(&self, draft: &Draft) -> Result<Receipt, PredictionError> {
        let s = &draft.submission;
        let (posted, ask) = (s.said.posted(), s.said.ask());
        let typed = PredictionReceipt {
            roundId: self.chain_round(&s.round),
            model: s.model.to_string(),
            countedPpm: draft.counted.map_or(0, Probability::ppm),
            postedPpm: posted.map_or(0, Probability::ppm),
            stakeNamed: ask.is_some(),
            stakeUnits: ask.map_or(0, TokenAmount::units),
            sequence: number(draft.sequence),
            receivedAtUs: number(s.received_us),
            stakeCountedUnits: draft.stake_counted.units(),
            seal: draft.seal.unwrap_or_default(),
        };
        let hash = signing_hash(&typed, self.chain_id, self.registry);
        let signed = self.key.sign_hash_sync(&hash);
        let signature = signed.map_err(|e| PredictionError::Signing(e.to_string()))?;
        Ok(Receipt {
            round: s.round.clone(),
            model: s.model.clone(),
            p_ppm: draft.counted.map(Probability::ppm),
            posted_ppm: posted.map(Probability::ppm),
            clamped: draft.counted != posted,
            stake: ask.map(TokenAmount::tokens),
            stake_counted: draft.stake_counted.tokens(),
            seal: draft.seal.map(|seal| seal.to_string()),
            sequence: draft.sequence,
            received_at: rfc3339(s.received_us),
            received_us: s.received_us,
            ms_to_deadline: (draft.until_us - s.received_us) / 1_000,
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

/// A genuine receipt without a stored row; of what is or opens `seal`, if there is one.
#[cfg(test)]
pub(crate) fn receipt_for_tests(
    signer: &ReceiptSigner,
    submission: Submission,
    seal: Option<B256>,
) -> Receipt {
    let draft = Draft {
        counted: submission.said.posted(),
        submission,
        stake_counted: TokenAmount::from_tokens("1").expect("an amount"),
        seal,
        index: 0,
        until_us: 10,
        sequence: 3,
        nonce: super::nonce::NO_NONCE,
    };
    signer.receipt(&draft).expect("a receipt")
}
