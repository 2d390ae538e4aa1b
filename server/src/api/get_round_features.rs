//! `GET /rounds/{round}/features`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use datasets::features::FEATURES;
use domain::timestamp::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::round_id;
use super::problem::{FeatureProblems, Problem};
use crate::app::App;
use crate::db::Conn;
use crate::prices::{self, Frozen, PriceError};
use crate::rounds::{self, Round};
use crate::runners;

/// The feature row of a round: what hosted models are given, bit for bit.
#[derive(Serialize, ToSchema)]
pub(super) struct FeaturesBody {
    round: String,
    /// In the order of `values`.
    names: Vec<&'static str>,
    /// Single precision: read as float32 they have the bits that hosted models get.
    values: Vec<f32>,
    /// SHA-256 of the values as little-endian float32, hexadecimal.
    digest: String,
    /// T − 300 s: no bar that closes later is in it.
    bars_closed_by: String,
    bars_closed_by_us: i64,
    /// When the row was frozen for hosted models; null before, and when they were given none.
    frozen_at: Option<String>,
}

/// The features of a round, as soon as the bars that closed by T − 300 s are here; the same row that
/// hosted models are given at the freeze and that the datasets will have for this round.
#[utoipa::path(
    get,
    path = "/rounds/{round}/features",
    tag = "rounds",
    params(("round" = String, Path, description = "Round id", example = "btc-usd-5m-20240305T1200Z")),
    responses((status = 200, body = FeaturesBody), FeatureProblems)
)]
pub(super) async fn get_round_features(
    State(app): State<Arc<App>>,
    Path(round): Path<String>,
) -> Result<Json<FeaturesBody>, Problem> {
    let id = round_id(&round)?;
    let mut conn = app.db.read().await?;
    let round = rounds::get(&mut conn, &id).await?;
    let ready_us = prices::features_closed_by_us(round.schedule.start_us);
    if app.market.now_us() < ready_us {
        let why = format!("Its bars close at {}.", rfc3339(ready_us));
        return Err(not_ready(&round, &why));
    }
    let frozen = prices::frozen(&mut conn, &id).await?;
    let frozen = frozen.filter(|frozen| !frozen.digest.is_empty());
    let values = values(&mut conn, &round, frozen.as_ref()).await?;
    Ok(Json(FeaturesBody {
        round: id.to_string(),
        names: FEATURES.iter().map(|feature| feature.name).collect(),
        digest: Frozen::row(ready_us, &values).digest,
        values,
        bars_closed_by: rfc3339(ready_us),
        bars_closed_by_us: ready_us,
        frozen_at: frozen.map(|frozen| rfc3339(frozen.frozen_us)),
    }))
}

/// The block that was frozen where runners were given one, else the row made anew from the same bars.
async fn values(
    conn: &mut Conn,
    round: &Round,
    frozen: Option<&Frozen>,
) -> Result<Vec<f32>, Problem> {
    if let Some(frozen) = frozen
        && let Some(bytes) = runners::feature_bytes(conn, &frozen.digest).await?
    {
        let (values, _) = bytes.as_chunks::<4>();
        return Ok(values.iter().map(|one| f32::from_le_bytes(*one)).collect());
    }
    let entered = rounds::tournament(conn, round.id.tournament()).await?;
    let asset = &entered.tournament.asset;
    let row = match prices::feature_row(conn, asset, round.schedule.start_us).await {
        Err(PriceError::UnknownAsset(_)) => return Err(no_features(round)),
        Err(PriceError::Features(missing)) => {
            let why = format!("A bar is not here: {missing}.");
            return Err(not_ready(round, &why));
        }
        row => row?,
    };
    // Candles never change, so this holds unless somebody changed the database by hand.
    if frozen.is_some_and(|frozen| frozen.digest != Frozen::row(0, &row).digest) {
        let what = format!("features of {} are not those that were frozen", round.id);
        return Err(Problem::internal(&std::io::Error::other(what)));
    }
    Ok(row)
}

fn not_ready(round: &Round, why: &str) -> Problem {
    let ready_us = prices::features_closed_by_us(round.schedule.start_us);
    Problem::new(
        StatusCode::CONFLICT,
        "features-not-ready",
        "The features of the round are not ready",
        format!("The features of round {} are not ready. {why}", round.id),
        "Ask again at `ready_at` by the clock of `GET /api/v1/time`; after it, once a second. If a \
         bar stays away, predict without features: hosted models sit the round out too.",
    )
    .with("ready_at", rfc3339(ready_us))
    .with("ready_us", ready_us)
}

fn no_features(round: &Round) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no-features",
        "The tournament has no features",
        format!("Round {} is decided by a numeric source.", round.id),
        "Features are for tournaments on `btc` and `eth`: `GET /api/v1/tournaments`.",
    )
}
