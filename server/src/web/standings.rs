//! The leaderboard's numbers, kept until a new round is scored: their intervals are thousands of
//! bootstrap draws, too many for every page view.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{ModelId, RoundId, RoundState, TournamentId};

use super::chart::Interval;
use super::error::WebError;
use super::text;
use crate::db::Conn;
use crate::models::{self, Model};
use crate::rounds::{self, RoundFilter};
use crate::scores::{self, Estimate, Standing};

type Known = HashMap<TournamentId, (Option<RoundId>, Arc<Vec<Standing>>)>;

/// Remembers the standings of each tournament as of its newest scored round.
#[derive(Debug, Default)]
pub(super) struct Standings(Mutex<Known>);

impl Standings {
    /// The standings of a tournament, best first.
    pub(super) async fn of(
        &self,
        conn: &mut Conn,
        id: &TournamentId,
    ) -> Result<Arc<Vec<Standing>>, WebError> {
        let filter = RoundFilter {
            tournament: Some(id.clone()),
            states: vec![RoundState::Scored, RoundState::Batched, RoundState::Final],
            before_start_us: None,
            limit: 1,
        };
        let newest = rounds::list(conn, &filter)
            .await?
            .into_iter()
            .next()
            .map(|round| round.id);
        if let Some((as_of, standings)) = self.lock().get(id)
            && *as_of == newest
        {
            return Ok(Arc::clone(standings));
        }
        let standings = Arc::new(scores::leaderboard(conn, id).await?);
        self.lock()
            .insert(id.clone(), (newest, Arc::clone(&standings)));
        Ok(standings)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        // A map of finished values is good whatever happened to another thread.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    format!(
        "{} to {}",
        text::mean_skill(of.low),
        text::mean_skill(of.high)
    )
}

/// For a bar.
pub(super) fn interval(of: &Estimate) -> Interval {
    Interval {
        mean: of.mean,
        low: of.low,
        high: of.high,
    }
}

/// A bar's words.
pub(super) fn in_words(of: &Interval) -> String {
    let (mean, low, high) = (of.mean, of.low, of.high);
    format!(
        "mean {} ten-thousandths, 95 % interval {} to {}",
        text::mean_skill(mean),
        text::mean_skill(low),
        text::mean_skill(high)
    )
}
