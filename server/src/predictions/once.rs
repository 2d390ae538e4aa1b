//! Idempotency keys: the answer of a request, stored in the transaction of its predictions, so
//! that a request which is sent again is answered again and never done again.

use domain::AccountId;
use domain::timestamp::SECOND_US;

use super::group::{Outcome, Verdict};
use super::{PredictionError, store};
use crate::db::Conn;

/// How long an answer is kept, wall microseconds.
pub const ANSWER_KEPT_US: i64 = 24 * 3_600 * SECOND_US;
/// Most answers that are kept for one account.
pub const ANSWER_LIMIT: i64 = 2_000;
/// Most characters of an idempotency key.
const KEY_LIMIT: usize = 64;

/// What a caller names a request by: 1 to 64 printable ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// Makes the text of an answer from the verdicts.
pub type Render = Box<dyn FnOnce(Vec<Verdict>) -> String + Send + Sync>;

/// A request that is done once, however often it comes.
pub struct Once {
    /// Whose key it is.
    pub account: AccountId,
    /// The key.
    pub key: IdempotencyKey,
    /// SHA-256 of the request's body, hex.
    pub request: String,
    /// When it came, wall microseconds.
    pub now_us: i64,
    /// What is stored as its answer.
    pub render: Render,
}

/// Whether a request is to be done.
pub(super) enum Claim {
    Ours,
    Answered(String),
    Refused(PredictionError),
}

impl IdempotencyKey {
    /// The key of a header's value; `None` when it breaks the rule.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let is_key = (1..=KEY_LIMIT).contains(&text.len()) && is_printable;
        is_key.then(|| Self(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Takes the key for this request, or says what stands under it.
pub(super) async fn claim(conn: &mut Conn, once: Option<&Once>) -> Result<Claim, PredictionError> {
    let Some(once) = once else {
        return Ok(Claim::Ours);
    };
    let expired_us = once.now_us - ANSWER_KEPT_US;
    if store::claim_key(conn, once, expired_us).await? {
        let kept = store::kept_keys(conn, &once.account, expired_us).await?;
        if kept <= ANSWER_LIMIT {
            return Ok(Claim::Ours);
        }
        store::forget_key(conn, once).await?;
        return Ok(Claim::Refused(PredictionError::TooManyKeys));
    }
    let (request, answer) = store::answer(conn, once).await?;
    Ok(if request != once.request {
        Claim::Refused(PredictionError::KeyReused)
    } else if answer.is_empty() {
        // Another request of this very group has the key.
        Claim::Refused(PredictionError::KeyInProgress)
    } else {
        Claim::Answered(answer)
    })
}

/// Stores the answer of a request that was done, if it has a key.
pub(super) async fn keep(
    conn: &mut Conn,
    once: Option<Once>,
    verdicts: Vec<Verdict>,
) -> Result<Outcome, PredictionError> {
    let Some(once) = once else {
        return Ok(Outcome::Verdicts(verdicts));
    };
    let (account, key) = (once.account, once.key);
    let text = (once.render)(verdicts);
    store::set_answer(conn, &account, &key, &text).await?;
    Ok(Outcome::Answer {
        text,
        is_replay: false,
    })
}

/// Forgets answers that are kept no longer. Gives how many.
///
/// # Errors
/// Database errors.
pub async fn forget_answers(conn: &mut Conn, now_us: i64) -> Result<u64, PredictionError> {
    Ok(store::forget_keys_before(conn, now_us - ANSWER_KEPT_US).await?)
}

impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Once")
            .field("account", &self.account)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
