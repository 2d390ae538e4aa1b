//! A receipt as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::predictions::Receipt;

/// The server's signed word that a prediction was stored in time. Keep it:
/// `foretoken verify --receipt FILE` says what became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(super) struct ReceiptBody {
    round: String,
    model: String,
    /// As counted, parts per million.
    p_ppm: u32,
    /// As posted, parts per million, rounded half to even.
    posted_ppm: u32,
    /// Whether p was moved into [a, 1 − a].
    clamped: bool,
    /// The amount named, decimal tokens; null: the model's default limit.
    stake: Option<String>,
    /// Grows by one with every stored prediction.
    sequence: i64,
    /// When the request had been read whole, market time.
    received_at: String,
    received_us: i64,
    /// Market milliseconds that were left.
    ms_to_deadline: i64,
    /// EIP-712 hash that is signed.
    hash: String,
    /// 65 bytes.
    signature: String,
    /// Who signed.
    signer: String,
}

impl From<Receipt> for ReceiptBody {
    fn from(receipt: Receipt) -> Self {
        Self {
            round: receipt.round.to_string(),
            model: receipt.model.to_string(),
            p_ppm: receipt.p_ppm,
            posted_ppm: receipt.posted_ppm,
            clamped: receipt.clamped,
            stake: receipt.stake,
            sequence: receipt.sequence,
            received_at: receipt.received_at,
            received_us: receipt.received_us,
            ms_to_deadline: receipt.ms_to_deadline,
            hash: receipt.hash,
            signature: receipt.signature,
            signer: receipt.signer,
        }
    }
}
