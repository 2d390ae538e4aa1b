//! `GET /batches`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::RoundId;
use domain::timestamp::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{ApiQuery, page_length};
use super::problem::{Problem, QueryProblems};
use crate::app::App;
use crate::settlement::{self, Batch};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BatchesQuery {
    /// At most so many, 1 to 200; 50 when absent.
    limit: Option<i64>,
}

/// Settlement batches, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct BatchesBody {
    batches: Vec<BatchListBody>,
}

/// A settlement batch: the rounds settled by one on-chain root.
#[derive(Serialize, ToSchema)]
#[schema(as = Batch)]
struct BatchListBody {
    id: String,
    vault: String,
    /// Its place in the vault's sequence, from 1.
    seq: i64,
    /// Counts the batches that tried this place, from 1.
    attempt: i64,
    /// `planned`, `proposing`, `proposed`, `accepting`, `accepted`, `final` or `rejected`.
    state: &'static str,
    prev_root: String,
    new_root: String,
    /// Oldest first.
    rounds: Vec<String>,
    propose_tx: Option<String>,
    accept_tx: Option<String>,
    gas_used: i64,
    /// Decimal tokens.
    burned: String,
    /// The window ends here; null before the proposal is final.
    accept_after_at: Option<String>,
    record_hash: Option<String>,
}

/// Settlement batches, newest first.
#[utoipa::path(
    get,
    path = "/batches",
    tag = "rounds",
    params(BatchesQuery),
    responses((status = 200, body = BatchesBody), QueryProblems)
)]
pub(super) async fn list_batches(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<BatchesQuery>,
) -> Result<Json<BatchesBody>, Problem> {
    let limit = page_length(query.limit, 50, 200)?;
    let mut conn = app.db.read().await?;
    let batches = settlement::batches(&mut conn, limit).await?;
    let batches = batches.into_iter().map(BatchListBody::from).collect();
    Ok(Json(BatchesBody { batches }))
}

impl From<Batch> for BatchListBody {
    fn from(batch: Batch) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            state: batch.state.name(),
            rounds: batch.rounds.iter().map(RoundId::to_string).collect(),
            propose_tx: some(batch.propose_tx),
            accept_tx: some(batch.accept_tx),
            burned: batch.burned.tokens(),
            accept_after_at: (batch.accept_after_us > 0).then(|| rfc3339(batch.accept_after_us)),
            record_hash: some(batch.record_hash),
            id: batch.id,
            vault: batch.vault,
            seq: batch.seq,
            attempt: batch.attempt,
            prev_root: batch.prev_root,
            new_root: batch.new_root,
            gas_used: batch.gas_used,
        }
    }
}
