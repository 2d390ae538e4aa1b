//! `GET /leaderboard`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::ModelId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{ApiQuery, page_length, tournament_id};
use super::problem::{Problem, QueryProblems, UnknownTournament};
use crate::app::App;
use crate::models::{self, Model};
use crate::rounds;
use crate::scores::{self, Estimate, Standing};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LeaderboardQuery {
    /// The tournament.
    tournament: String,
    /// At most so many, 1 to 1000; 1000 when absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// Leave out so many of the best, 0 when absent.
    #[param(minimum = 0)]
    skip: Option<u32>,
}

/// Standings, best first.
#[derive(Serialize, ToSchema)]
pub(super) struct LeaderboardBody {
    standings: Vec<StandingBody>,
    /// How many models have a standing, listed or not.
    total: usize,
}

/// One model's line; everything is about counted predictions.
#[derive(Serialize, ToSchema)]
struct StandingBody {
    /// From 1. Models of one group cannot be told apart from its best.
    rank_group: i64,
    model: String,
    name: String,
    account: String,
    /// `hosted` or `external`.
    hosting: &'static str,
    is_reference: bool,
    /// Scored rounds behind the numbers.
    rounds: i64,
    brier: f64,
    log: f64,
    accuracy: f64,
    skill_half: EstimateBody,
    skill_persistence: EstimateBody,
    /// Null when the model was alone in every round.
    skill_crowd: Option<EstimateBody>,
}

/// A mean with its 95 % interval; null ends under ten rounds.
#[derive(Serialize, ToSchema)]
struct EstimateBody {
    mean: f64,
    low: Option<f64>,
    high: Option<f64>,
}

/// Standings over the last week of rounds, best first by skill against ½.
#[utoipa::path(
    get,
    path = "/leaderboard",
    tag = "tournaments",
    params(LeaderboardQuery),
    responses((status = 200, body = LeaderboardBody), QueryProblems, UnknownTournament)
)]
pub(super) async fn get_leaderboard(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<LeaderboardQuery>,
) -> Result<Json<LeaderboardBody>, Problem> {
    let tournament = tournament_id(&query.tournament)?;
    let limit = page_length(query.limit, 1_000, 1_000)?;
    let mut conn = app.db.read().await?;
    rounds::tournament(&mut conn, &tournament).await?;
    let standings = scores::leaderboard(&mut conn, &tournament).await?;
    let total = standings.len();
    let (skip, limit) = (index(query.skip.unwrap_or(0).into()), index(limit));
    let standings: Vec<Standing> = standings.into_iter().skip(skip).take(limit).collect();
    let ids: Vec<ModelId> = standings.iter().map(|one| one.model.clone()).collect();
    let named = models::by_ids(&mut conn, &ids).await?;
    let named: HashMap<&ModelId, &Model> = named.iter().map(|model| (&model.id, model)).collect();
    let standings = standings
        .iter()
        .filter_map(|one| {
            let model = named.get(&one.model)?;
            Some(StandingBody::new(one, model))
        })
        .collect();
    Ok(Json(LeaderboardBody { standings, total }))
}

fn index(count: i64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

impl StandingBody {
    fn new(one: &Standing, model: &Model) -> Self {
        Self {
            rank_group: one.rank_group,
            model: one.model.to_string(),
            name: model.name.clone(),
            account: model.account.to_string(),
            hosting: model.hosting.name(),
            is_reference: model.is_reference,
            rounds: one.rounds,
            brier: one.brier_mean,
            log: one.log_mean,
            accuracy: one.accuracy,
            skill_half: one.skill_half.into(),
            skill_persistence: one.skill_persistence.into(),
            skill_crowd: one.skill_crowd.map(EstimateBody::from),
        }
    }
}

impl From<Estimate> for EstimateBody {
    fn from(estimate: Estimate) -> Self {
        Self {
            mean: estimate.mean,
            low: estimate.interval.map(|(low, _)| low),
            high: estimate.interval.map(|(_, high)| high),
        }
    }
}
