//! `POST /models`: registers an external model.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{ApiJson, Caller, tournament_id};
use super::model_body::ModelBody;
use super::problem::{BodyProblems, KeyProblems, ModelNameProblems, Problem};
use crate::accounts::Scope;
use crate::app::App;
use crate::{models, rounds};

/// A model whose predictions a bot posts.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewModelBody {
    /// The tournament that it enters.
    #[schema(example = "btc-usd-5m")]
    tournament: String,
    /// 1 to 40 letters, digits, spaces and . _ - + ( ) #; unique in the tournament.
    #[schema(example = "momentum 1")]
    name: String,
}

/// Register a model whose predictions a bot posts.
#[utoipa::path(
    post,
    path = "/models",
    tag = "models",
    request_body = NewModelBody,
    responses(
        (status = 201, body = ModelBody),
        KeyProblems,
        BodyProblems,
        ModelNameProblems
    ),
    security(("key" = []))
)]
pub(super) async fn post_model(
    State(app): State<Arc<App>>,
    caller: Caller,
    ApiJson(body): ApiJson<NewModelBody>,
) -> Result<(StatusCode, Json<ModelBody>), Problem> {
    caller.require(Scope::Upload)?;
    let tournament = tournament_id(&body.tournament)?;
    let (account, now_us) = (&caller.account.id, app.wall.now_us());
    let mut tx = app.db.begin().await?;
    rounds::tournament(&mut tx, &tournament).await?;
    let model =
        models::register_external(&mut tx, now_us, account, &tournament, &body.name).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(ModelBody::from(&model))))
}
