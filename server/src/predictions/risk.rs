//! What the predictions of a group would risk, by the rule of stakes, and whether anybody else of
//! their rounds would.

use std::collections::{BTreeMap, HashMap};

use domain::{ModelId, RoundId, Tournament, TournamentId};

use super::{PredictionError, Submission, store};
use crate::db::Conn;
use crate::rounds::Ruled;
use crate::stakes::{self, WouldRisk};

/// What each submission that is readable and may count would risk, in their order. Asks once for
/// each tournament.
pub(super) async fn would_risk(
    conn: &mut Conn,
    submissions: &[&Submission],
    may_count: &[bool],
    rounds: &HashMap<RoundId, Ruled>,
) -> Result<Vec<Option<WouldRisk>>, PredictionError> {
    let mut asked = BTreeMap::<&TournamentId, (&Tournament, Vec<usize>)>::new();
    for (place, (s, may_count)) in submissions.iter().zip(may_count).enumerate() {
        if let Some(ruled) = rounds.get(&s.round)
            && *may_count
            && !s.said.is_sealed()
        {
            let entry = asked.entry(s.round.tournament());
            let (_, places) = entry.or_insert((&ruled.tournament, Vec::new()));
            places.push(place);
        }
    }
    let mut would = vec![None; submissions.len()];
    for (tournament, places) in asked.into_values() {
        let these = places.iter().filter_map(|place| submissions.get(*place));
        let asks: Vec<_> = these.map(|s| (s.model.clone(), s.said.ask())).collect();
        let found = stakes::would_risk(conn, tournament, &asks).await?;
        for (place, one) in places.into_iter().zip(found) {
            if let Some(slot) = would.get_mut(place) {
                *slot = Some(one);
            }
        }
    }
    Ok(would)
}

/// The models of rounds that would risk something, two of each round at most: enough to say whether
/// a model is alone.
pub(super) struct Rivals(HashMap<RoundId, Vec<String>>);

impl Rivals {
    pub(super) async fn read(
        conn: &mut Conn,
        rounds: impl Iterator<Item = &RoundId>,
    ) -> Result<Self, PredictionError> {
        let mut found = HashMap::new();
        for round in rounds {
            if !found.contains_key(round) {
                found.insert(round.clone(), store::staked(conn, round).await?);
            }
        }
        Ok(Self(found))
    }

    pub(super) fn of(&self, round: &RoundId, model: &ModelId) -> bool {
        let staked = self.0.get(round);
        staked.is_some_and(|staked| staked.iter().any(|other| other != model.as_str()))
    }
}
