//! Transactions as the operator's page shows them: the open ones with every signed form, and the
//! ones closed last.

use super::error::WebError;
use super::operator::Now;
use super::text;
use crate::db::Conn;
use crate::settlement::intent::{self, Attempt, Intent};
use crate::settlement::{self, Closed};

/// Open transactions shown; there are a few at most while all is well.
const SHOWN: usize = 40;

/// A transaction whose fate is not known.
pub(super) struct OpenRow {
    pub(super) action: &'static str,
    pub(super) id: String,
    pub(super) state: &'static str,
    pub(super) age: String,
    pub(super) until_us: Option<i64>,
    pub(super) left: String,
    pub(super) refusal: Option<Refusal>,
    pub(super) attempts: Vec<AttemptRow>,
}

/// Why a contract refuses it as things stand.
pub(super) struct Refusal {
    pub(super) error: String,
    pub(super) times: String,
    pub(super) next_in: String,
}

/// A signed form.
pub(super) struct AttemptRow {
    pub(super) number: i64,
    pub(super) kind: &'static str,
    pub(super) nonce: String,
    pub(super) fee: String,
    pub(super) hash: String,
    pub(super) hash_short: String,
    pub(super) age: String,
}

/// A transaction whose fate is final.
pub(super) struct ClosedRow {
    pub(super) action: &'static str,
    pub(super) state: &'static str,
    pub(super) nonce: String,
    pub(super) gas: String,
    pub(super) took: String,
    pub(super) age: String,
    pub(super) tx: String,
    pub(super) tx_short: String,
    pub(super) error: String,
}

pub(super) async fn open(conn: &mut Conn, now: Now) -> Result<Vec<OpenRow>, WebError> {
    let mut rows = Vec::new();
    for intent in intent::open(conn).await?.iter().take(SHOWN) {
        let attempts = intent::attempts(conn, intent).await?;
        rows.push(open_row(intent, &attempts, now));
    }
    Ok(rows)
}

fn open_row(intent: &Intent, attempts: &[Attempt], now: Now) -> OpenRow {
    let refusal = (intent.failures > 0).then(|| Refusal {
        error: intent.last_error.clone(),
        times: text::count(intent.failures),
        next_in: text::span(intent.next_try_us - now.wall_us),
    });
    let left_us = intent.useless_from_us.saturating_sub(now.market_us);
    OpenRow {
        action: intent.action.name(),
        id: intent.id.clone(),
        state: intent.state.name(),
        age: text::span(now.wall_us - intent.created_us),
        until_us: (intent.useless_from_us != i64::MAX).then_some(intent.useless_from_us),
        left: if intent.useless_from_us == i64::MAX {
            "never".to_owned()
        } else if left_us > 0 {
            text::span(left_us)
        } else {
            "passed".to_owned()
        },
        refusal,
        attempts: attempts.iter().map(|one| attempt_row(one, now)).collect(),
    }
}

fn attempt_row(attempt: &Attempt, now: Now) -> AttemptRow {
    let kind = match (attempt.is_cancel, attempt.number) {
        (true, _) => "cancel",
        (false, 1) => "first",
        (false, _) => "higher fee",
    };
    AttemptRow {
        number: attempt.number,
        kind,
        nonce: attempt.nonce.to_string(),
        fee: gwei(attempt.fees.max),
        hash: attempt.tx_hash.to_string(),
        hash_short: text::short_hash(&attempt.tx_hash.to_string()),
        age: text::span(now.wall_us - attempt.created_us),
    }
}

/// Gwei to three decimals, rounded up: `3.001`.
fn gwei(wei: u128) -> String {
    let thousandths = wei.div_ceil(1_000_000);
    let whole = text::grouped(&(thousandths / 1_000).to_string());
    format!("{whole}.{:03}", thousandths % 1_000)
}

pub(super) async fn closed(
    conn: &mut Conn,
    now: Now,
    limit: i64,
) -> Result<Vec<ClosedRow>, WebError> {
    let closed = settlement::closed_intents(conn, limit).await?;
    Ok(closed.iter().map(|one| closed_row(one, now)).collect())
}

fn closed_row(one: &Closed, now: Now) -> ClosedRow {
    let intent = &one.intent;
    ClosedRow {
        action: intent.action.name(),
        state: intent.state.name(),
        nonce: intent
            .nonce
            .map_or("–".to_owned(), |nonce| nonce.to_string()),
        gas: if one.gas_used == 0 {
            "–".to_owned()
        } else {
            text::count(one.gas_used)
        },
        took: text::took(one.closed_us - intent.created_us),
        age: text::span(now.wall_us - one.closed_us),
        tx: intent.mined_tx.clone(),
        tx_short: text::short_hash(&intent.mined_tx),
        error: intent.last_error.clone(),
    }
}
