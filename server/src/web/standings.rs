//! The leaderboard's numbers, kept until a new round is scored: their intervals are thousands of
//! bootstrap draws and their payouts thousands of rows, too many for every page view.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{Delta, ModelId, RoundId, RoundState, TournamentId};

use super::bars::Interval;
use super::error::WebError;
use super::text;
use crate::db::Conn;
use crate::models::{self, Model};
use crate::rounds::{self, RoundFilter};
use crate::scores::{self, Estimate, LEAST_ROUNDS, Standing};
use crate::settlement;

/// What is known of each tournament, as of its newest scored round.
type Known<T> = Mutex<HashMap<TournamentId, (Option<RoundId>, Arc<T>)>>;

/// Remembers the standings of each tournament and what its models won.
#[derive(Debug, Default)]
pub(super) struct Standings {
    standings: Known<Vec<Standing>>,
    payouts: Known<HashMap<ModelId, Delta>>,
}

impl Standings {
    /// The standings of a tournament, best first.
    pub(super) async fn of(
        &self,
        conn: &mut Conn,
        id: &TournamentId,
    ) -> Result<Arc<Vec<Standing>>, WebError> {
        let as_of = newest_scored(conn, id).await?;
        if let Some(known) = kept(&self.standings, id, &as_of) {
            return Ok(known);
        }
        Ok(keep(
            &self.standings,
            id,
            as_of,
            scores::leaderboard(conn, id).await?,
        ))
    }

    /// What each of `models`, those shown of the tournament, has won or lost in all.
    pub(super) async fn payouts(
        &self,
        conn: &mut Conn,
        id: &TournamentId,
        models: &[ModelId],
    ) -> Result<Arc<HashMap<ModelId, Delta>>, WebError> {
        let as_of = newest_scored(conn, id).await?;
        if let Some(known) = kept(&self.payouts, id, &as_of) {
            return Ok(known);
        }
        let mut payouts = HashMap::new();
        for model in models {
            let paid = settlement::payouts_of_model(conn, model).await?;
            if !paid.is_empty() {
                let total = paid
                    .iter()
                    .fold(0_i64, |sum, p| sum.saturating_add(p.delta.units()));
                payouts.insert(model.clone(), Delta::from_units(total));
            }
        }
        Ok(keep(&self.payouts, id, as_of, payouts))
    }
}

async fn newest_scored(conn: &mut Conn, id: &TournamentId) -> Result<Option<RoundId>, WebError> {
    let filter = RoundFilter {
        tournament: Some(id.clone()),
        states: vec![RoundState::Scored, RoundState::Batched, RoundState::Final],
        before_start_us: None,
        limit: 1,
    };
    Ok(rounds::list(conn, &filter)
        .await?
        .into_iter()
        .next()
        .map(|round| round.id))
}

// A map of finished values is good whatever happened to another thread: a poisoned lock is taken.

fn kept<T>(known: &Known<T>, id: &TournamentId, as_of: &Option<RoundId>) -> Option<Arc<T>> {
    let known = known.lock().unwrap_or_else(PoisonError::into_inner);
    known
        .get(id)
        .filter(|(then, _)| then == as_of)
        .map(|(_, value)| Arc::clone(value))
}

fn keep<T>(known: &Known<T>, id: &TournamentId, as_of: Option<RoundId>, value: T) -> Arc<T> {
    let value = Arc::new(value);
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    known.insert(id.clone(), (as_of, Arc::clone(&value)));
    value
}

/// The models of ids, for their names.
pub(super) async fn named(
    conn: &mut Conn,
    ids: &[ModelId],
) -> Result<HashMap<ModelId, Model>, WebError> {
    let models = models::by_ids(conn, ids).await?;
    Ok(models
        .into_iter()
        .map(|model| (model.id.clone(), model))
        .collect())
}

/// `−0.4 to +6.6`.
pub(super) fn ends(of: &Estimate) -> String {
    of.interval.map_or_else(
        || format!("under {LEAST_ROUNDS} rounds"),
        |(low, high)| format!("{} to {}", text::mean_skill(low), text::mean_skill(high)),
    )
}

/// For a bar; without an interval the mean alone.
pub(super) fn interval(of: &Estimate) -> Interval {
    let (low, high) = of.interval.unwrap_or((of.mean, of.mean));
    let is_known = of.interval.is_some();
    Interval {
        mean: of.mean,
        low,
        high,
        is_known,
    }
}

/// A bar's words.
pub(super) fn in_words(of: &Interval) -> String {
    let mean = text::mean_skill(of.mean);
    if !of.is_known {
        return format!("mean {mean} ten-thousandths, too few rounds for an interval");
    }
    format!(
        "mean {mean} ten-thousandths, 95 % interval {} to {}",
        text::mean_skill(of.low),
        text::mean_skill(of.high)
    )
}
