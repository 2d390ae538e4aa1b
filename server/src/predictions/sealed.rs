//! Seals of a round: which are closed, which were opened and with what. A closed seal is a secret of
//! its owner until the outcome; whoever shows these must have asked whether the round is revealed.

use std::collections::HashMap;

use domain::{ModelId, RoundId};

use super::{PredictionError, store};
use crate::chain::B256;
use crate::db::Conn;

/// A seal that is its model's latest prediction and closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unopened {
    /// The model.
    pub model: ModelId,
    /// The number of the seal.
    pub sequence: i64,
    /// The commitment.
    pub seal: B256,
}

/// A seal that was opened, with all that opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The number of the seal; what opened it has a later one.
    pub sequence: i64,
    /// The commitment.
    pub seal: B256,
    /// Hid it.
    pub salt: B256,
    /// The index that it was made with; [`super::NO_INDEX`] for none.
    pub index: u32,
    /// The stake that it names, units; [`super::NO_STAKE`] for none.
    pub stake_units: u64,
}

/// Whether the latest prediction of any model is a closed seal: then the lock waits.
///
/// # Errors
/// Database errors.
pub async fn is_any_sealed(conn: &mut Conn, round: &RoundId) -> Result<bool, PredictionError> {
    Ok(store::is_any_sealed(conn, round).await?)
}

/// The closed seals that are their models' latest predictions, by model id. After the lock these
/// models are absent: sealed and never revealed.
///
/// # Errors
/// Database errors and broken rows.
pub async fn unopened(conn: &mut Conn, round: &RoundId) -> Result<Vec<Unopened>, PredictionError> {
    store::unopened(conn, round).await
}

/// The seals that were opened, by the number of the prediction that opened them.
///
/// # Errors
/// Database errors and broken rows.
pub async fn openings(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<HashMap<i64, Opening>, PredictionError> {
    store::openings(conn, round).await
}

/// How many models the round has heard, sealed or open; opening a seal does not change it.
///
/// # Errors
/// Database errors.
pub async fn models_heard(conn: &mut Conn, round: &RoundId) -> Result<usize, PredictionError> {
    Ok(store::models_heard(conn, round).await?)
}
