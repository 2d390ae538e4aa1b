//! What a seal that is not opened says to its owner.

use axum::http::StatusCode;
use domain::timestamp::rfc3339;

use super::Problem;
use super::from_errors::milliseconds_up;
use crate::predictions::PredictionError;

/// The problem of a seal; `said` is the error's own text.
pub(super) fn seal_problem(error: &PredictionError, said: &str) -> Problem {
    match error {
        PredictionError::SealUnknown { is_replaced, .. } => unknown(said, *is_replaced),
        PredictionError::SealNotOpened {
            seal, model_index, ..
        } => not_opened(said)
            .with("seal", seal.to_string())
            .with("model_index", *model_index),
        PredictionError::SealLate {
            round,
            missed_us,
            lock_us,
        } => late(&round.to_string(), *missed_us, *lock_us),
        other => Problem::internal(other),
    }
}

fn unknown(said: &str, is_replaced: bool) -> Problem {
    let why = if is_replaced {
        "its latest prediction is an open one"
    } else {
        "it has no prediction there"
    };
    Problem::new(
        StatusCode::CONFLICT,
        "seal-unknown",
        "There is no seal to open",
        format!("{said}: {why}."),
        "Before the deadline, post an open prediction by leaving out `salt`, or a new seal.",
    )
}

fn not_opened(said: &str) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "seal-not-opened",
        "This does not open the seal",
        format!("{said} than this `p`, `stake` and `salt`."),
        "Send exactly what was sealed: p in ppm, the stake in units of 1e-9 token \
         (18446744073709551615 for none), `model_index` (4294967295 for none), the salt. The seal \
         stays; before the deadline another prediction may replace it.",
    )
}

fn late(round: &str, missed_us: i64, lock_us: i64) -> Problem {
    let missed_ms = milliseconds_up(missed_us);
    let until = rfc3339(lock_us);
    Problem::new(
        StatusCode::CONFLICT,
        "seal-late",
        "Seals are not opened any more",
        format!(
            "Round {round} has locked; its seals could be opened before {until} at the latest."
        ),
        "A model whose seal is still closed is absent from this round. Reveal the next one before \
         the round's `reveal_until_at`.",
    )
    .with("missed_ms", missed_ms)
    .with("reveal_until_at", until)
    .with("reveal_until_us", lock_us)
}
