//! What handlers take from a request, with refusals as problems.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::{Json, RequestPartsExt};
use domain::timestamp::parse_rfc3339;
use domain::{ModelId, RoundId, TournamentId};
use serde::de::DeserializeOwned;

use super::BODY_LIMIT;
use super::client_address::ClientAddress;
use super::etag::KeyLookedAt;
use super::limit::bearer;
use super::problem::Problem;
use crate::accounts::{self, Account, AccountError, KeyEntry, Scope};
use crate::app::App;
use crate::wall::pause;

/// How long uses of keys gather before they are written together.
const USES_GATHER: Duration = Duration::from_secs(5);

/// A JSON body.
pub(super) struct ApiJson<T>(pub(super) T);

/// A request that posts predictions.
pub(super) struct Posted<T> {
    /// Whoever the request's key belongs to; none: what is posted is signed, or refused.
    pub(super) caller: Option<Caller>,
    pub(super) body: T,
    /// The body as it came.
    pub(super) text: Bytes,
    /// When the body had been read whole, market microseconds: the moment that is measured against
    /// deadlines. Nothing of ours comes before it, not even the look at the key.
    pub(super) received_us: i64,
}

/// A query string.
pub(super) struct ApiQuery<T>(pub(super) T);

/// Whoever the request's key belongs to.
pub(super) struct Caller {
    pub(super) account: Account,
    pub(super) key: KeyEntry,
}

/// As [`Caller`], for an endpoint that also answers without a key. A key that came must be right.
pub(super) struct MaybeCaller(pub(super) Option<Caller>);

impl Caller {
    /// Refuses a key that may not do this. `admin` may do everything of its account; taking jobs of
    /// other people's models is not of it, except for the operator.
    pub(super) fn require(&self, scope: Scope) -> Result<(), Problem> {
        let scopes = &self.key.rights.scopes;
        let is_covered = scope != Scope::Run || self.account.is_operator;
        if scopes.contains(&scope) || (is_covered && scopes.contains(&Scope::Admin)) {
            return Ok(());
        }
        let (needed, account) = (scope.name(), &self.account.name);
        let remedy = if scope == Scope::Run {
            "The operator makes such a key: `foretoken admin key create --scopes run`.".to_owned()
        } else {
            format!(
                "Use a key with the scope `{needed}`. One with `admin` makes it: \
                 `POST /api/v1/keys`; so does the operator: \
                 `foretoken admin key create --scopes {needed}`."
            )
        };
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "scope-missing",
            "The API key does not allow this",
            format!("The key of account {account:?} lacks the scope `{needed}`."),
            remedy,
        ))
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let MaybeCaller(caller) = parts.extract_with_state(app).await?;
        caller.ok_or_else(Problem::key_missing)
    }
}

impl FromRequestParts<Arc<App>> for MaybeCaller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if let Some(key) = parts.extensions.get::<KeyLookedAt>() {
            key.note();
        }
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(Self(None));
        }
        let key = bearer(&parts.headers).ok_or_else(Problem::key_missing)?;
        let ClientAddress(from) = ClientAddress::of(&parts.extensions);
        let now_us = app.wall.now_us();
        let found = app.gate.open(now_us, key, from).await;
        match &found {
            Ok(_) => app.limits.prove(key),
            Err(
                AccountError::KeyUnknown
                | AccountError::KeyRevoked { .. }
                | AccountError::KeyExpired { .. },
            ) => app.limits.disprove(key),
            // The key may be good all the same: whoever holds it elsewhere must not lose its limits.
            Err(_) => {}
        }
        let (account, key) = found?;
        note_use(app, &key, now_us);
        Ok(Self(Some(Caller { account, key })))
    }
}

/// Remembers when the key was used. What is remembered is written a little later, many keys at once,
/// by nobody who waits for an answer.
fn note_use(app: &Arc<App>, key: &KeyEntry, now_us: i64) {
    if !app.key_uses.note(key, now_us) {
        return;
    }
    let app = Arc::clone(app);
    tokio::spawn(async move {
        tokio::select! {
            () = pause(USES_GATHER) => {}
            () = app.stopping() => {}
        }
        if let Err(error) = write_uses(&app).await {
            tracing::warn!(%error, "when keys were used was not written");
        }
    });
}

/// Writes when keys were used.
pub(super) async fn write_uses(app: &App) -> Result<(), AccountError> {
    let uses = app.key_uses.take();
    let mut tx = app.db.begin().await?;
    accounts::write_uses(&mut tx, &uses).await?;
    tx.commit().await?;
    Ok(())
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for ApiJson<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, app).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(json_problem(&rejection)),
        }
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Posted<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let request = Request::from_parts(parts.clone(), body);
        let text = Bytes::from_request(request, app)
            .await
            .map_err(|rejection| json_problem(&rejection.into()))?;
        let received_us = app.market.now_us();
        let MaybeCaller(caller) = parts.extract_with_state(app).await?;
        let request = Request::from_parts(parts, Body::from(text.clone()));
        let ApiJson(body) = ApiJson::from_request(request, app).await?;
        Ok(Self {
            caller,
            body,
            text,
            received_us,
        })
    }
}

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for ApiQuery<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, app).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(query_problem(&rejection)),
        }
    }
}

/// The round of a path; what is no round id names no round.
pub(super) fn round_id(text: &str) -> Result<RoundId, Problem> {
    text.parse()
        .map_err(|error| crate::rounds::RoundError::Id(error).into())
}

/// The model of a path.
pub(super) fn model_id(text: &str) -> Result<ModelId, Problem> {
    text.parse().map_err(|error: domain::IdError| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "unknown-model",
            "There is no such model",
            error.to_string(),
            "`GET /api/v1/models` lists the models.",
        )
    })
}

/// The tournament of a path, query or body.
pub(super) fn tournament_id(text: &str) -> Result<TournamentId, Problem> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        crate::rounds::RoundError::UnknownTournament(shown).into()
    })
}

/// A moment of a body: RFC 3339, microseconds since 1970.
pub(super) fn moment_of(field: &str, text: &str) -> Result<i64, Problem> {
    parse_rfc3339(text).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        bad_field(format!(
            "`{field}` is {shown:?}: RFC 3339 is `2024-03-05T12:00:00Z`."
        ))
    })
}

/// A body that parses and has a field that breaks its rule.
pub(super) fn bad_field(detail: String) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "body-invalid",
        "A field of the body breaks its rule",
        detail,
        "Correct the field that `detail` names; the fields are in `/api/v1/openapi.json`.",
    )
}

/// A page's length: `limit` or `usual`, within 1 to `most`.
pub(super) fn page_length(limit: Option<i64>, usual: i64, most: i64) -> Result<i64, Problem> {
    let limit = limit.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(bad_query(
        format!("`limit` is {limit}."),
        format!("Send a `limit` from 1 to {most}."),
    ))
}

/// A moment of a query: RFC 3339, or microseconds as a page's `next_before` gives them.
pub(super) fn moment(text: &str) -> Result<i64, Problem> {
    let us = text.parse().ok().or_else(|| parse_rfc3339(text));
    us.ok_or_else(|| {
        bad_query(
            format!(
                "`before` is {:?}.",
                text.chars().take(40).collect::<String>()
            ),
            "Send RFC 3339, `2024-03-05T12:00:00Z`, or the `next_before` of a page.".to_owned(),
        )
    })
}

/// A query that parses and still makes no sense.
pub(super) fn bad_query(detail: String, remedy: String) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "query-invalid",
        "The query cannot be read",
        detail,
        remedy,
    )
}

fn json_problem(rejection: &JsonRejection) -> Problem {
    let detail = rejection.body_text();
    match rejection {
        JsonRejection::JsonDataError(_) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "body-invalid",
            "A field of the body breaks its rule",
            detail,
            "Correct the field that `detail` names; the fields are in `/api/v1/openapi.json`.",
        ),
        JsonRejection::MissingJsonContentType(_) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content-type-wrong",
            "The body is not declared as JSON",
            detail,
            "Send the header `Content-Type: application/json`.",
        ),
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => body_too_large(),
        _ => Problem::new(
            StatusCode::BAD_REQUEST,
            "body-not-json",
            "The body is not JSON",
            detail,
            "Send one JSON object.",
        ),
    }
}

/// A JSON body over the limit.
pub(super) fn body_too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body-too-large",
        "The body is too large",
        format!("The body has more than {BODY_LIMIT} bytes."),
        "Send less at once. Artifacts go to `POST /api/v1/models/upload`.",
    )
}

fn query_problem(rejection: &QueryRejection) -> Problem {
    bad_query(
        rejection.body_text(),
        "Correct the parameter that `detail` names; they are in `/api/v1/openapi.json`.".to_owned(),
    )
}
