//! A receipt as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;

use super::notice_body::NoticeBody;
use crate::predictions::{Answer, Notice, Receipt};

/// The server's signed word that a prediction was stored in time. Keep it:
/// `foretoken verify --receipt FILE` says what became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(super) struct ReceiptBody {
    round: String,
    model: String,
    /// As counted, parts per million; null while it is sealed.
    p_ppm: Option<u32>,
    /// As posted, parts per million, rounded half to even; null while it is sealed.
    posted_ppm: Option<u32>,
    /// Whether p was moved into [a, 1 − a].
    clamped: bool,
    /// The amount named, decimal tokens; null: the model's default limit.
    stake: Option<String>,
    /// What the model would risk if the round locked now, decimal tokens: the least of its free
    /// stake, the amount named (else its default limit) and its cap; "0" when that is under the
    /// minimum, when it has no stake, and while it is sealed.
    stake_counted: String,
    /// The seal that it is or opens; null when open.
    seal: Option<String>,
    /// Grows by one with every stored prediction.
    sequence: i64,
    /// When the request had been read whole, market time.
    received_at: String,
    received_us: i64,
    /// Market milliseconds that were left: to the deadline; of what opens a seal, to the round's
    /// `reveal_until_at`.
    ms_to_deadline: i64,
    /// EIP-712 hash that is signed.
    hash: String,
    /// 65 bytes.
    signature: String,
    /// Who signed.
    signer: String,
}

/// A receipt, and what to know beside it.
#[derive(Serialize, ToSchema)]
#[schema(as = Acknowledged)]
pub(super) struct AcknowledgedBody {
    #[serde(flatten)]
    receipt: ReceiptBody,
    /// Not signed and of this moment: it may differ when the same receipt is given again.
    notices: Vec<NoticeBody>,
}

impl AcknowledgedBody {
    pub(super) fn new(receipt: Receipt, notices: &[Notice]) -> Self {
        Self {
            receipt: receipt.into(),
            notices: notices.iter().map(NoticeBody::from).collect(),
        }
    }
}

impl From<Answer> for AcknowledgedBody {
    fn from(answer: Answer) -> Self {
        Self::new(answer.receipt, &answer.notices)
    }
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
            stake_counted: receipt.stake_counted,
            seal: receipt.seal,
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
