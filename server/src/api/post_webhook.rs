//! `POST /webhooks`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{ApiJson, Caller, tournament_id};
use super::problem::{BodyProblems, KeyProblems, NewWebhookProblems, Problem};
use super::webhook_body::NewWebhookBody;
use crate::accounts::Scope;
use crate::app::App;
use crate::events::{self, Kind};
use crate::rounds;
use crate::webhooks::{self, Draft};

/// Most names in a list.
const LIST_LIMIT: usize = 50;

/// Where messages go and what they are about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookDraft)]
pub(super) struct WebhookDraftBody {
    /// A public https address; redirects are not followed.
    #[schema(max_length = 1_000, example = "https://bots.example.com/foretoken")]
    url: String,
    /// Only these tournaments' events; all when empty or absent.
    #[serde(default)]
    #[schema(max_items = 50, example = json!(["btc-usd-5m"]))]
    tournaments: Vec<String>,
    /// Only these types; all, the account's own too, when empty or absent.
    #[serde(default)]
    #[schema(max_items = 50, example = json!(["round.open", "prediction.scored"]))]
    types: Vec<String>,
}

/// Make a webhook. What happens from now on is sent to its address, signed with the secret of this
/// answer, which is shown once.
#[utoipa::path(
    post,
    path = "/webhooks",
    tag = "webhooks",
    request_body = WebhookDraftBody,
    responses(
        (status = 201, body = NewWebhookBody),
        KeyProblems,
        BodyProblems,
        NewWebhookProblems
    ),
    security(("key" = []))
)]
pub(super) async fn post_webhook(
    State(app): State<Arc<App>>,
    caller: Caller,
    ApiJson(body): ApiJson<WebhookDraftBody>,
) -> Result<(StatusCode, Json<NewWebhookBody>), Problem> {
    caller.require(Scope::Admin)?;
    if body.tournaments.len().max(body.types.len()) > LIST_LIMIT {
        return Err(bad_body(format!(
            "A list has more than {LIST_LIMIT} names."
        )));
    }
    let tournaments = body.tournaments.iter().map(|id| tournament_id(id));
    let kinds = body.types.iter().map(|name| {
        let shown: String = name.chars().take(80).collect();
        Kind::parse(name).ok_or_else(|| bad_body(format!("{shown:?} is no type of event.")))
    });
    let draft = Draft {
        tournaments: tournaments.collect::<Result<_, _>>()?,
        kinds: kinds.collect::<Result<_, _>>()?,
        url: body.url,
    };
    let random = (app.random_bytes(), app.random_bytes());
    let mut tx = app.db.begin().await?;
    let moment = (app.wall.now_us(), events::newest(&mut tx).await?);
    for tournament in &draft.tournaments {
        rounds::tournament(&mut tx, tournament).await?;
    }
    let account = &caller.account.id;
    let (webhook, secret) =
        webhooks::create(&mut tx, moment, &app.webhooks, account, draft, random).await?;
    tx.commit().await?;
    let body = NewWebhookBody::new(&webhook, &secret);
    Ok((StatusCode::CREATED, Json(body)))
}

fn bad_body(detail: String) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "body-invalid",
        "A field of the body breaks its rule",
        detail,
        "Correct the field that `detail` names; the fields are in `/api/v1/openapi.json`.",
    )
}
