//! `POST /predictions`: many rounds at once.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::extract::{Caller, Posted};
use super::notice_body::NoticeBody;
use super::prediction_body::PredictionBody;
use super::problem::{KeyProblems, PostPredictionsProblems, Problem, ProblemBody};
use super::receipt_body::ReceiptBody;
use super::signed_prediction::SignedBody;
use crate::accounts::{Scope, without_keys};
use crate::app::App;
use crate::predictions::{self, IdempotencyKey, Once, Submission, Verdict};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Most predictions of one request.
const LIMIT: usize = 100;
/// Most characters of an id that is no id, in an answer.
const SHOWN: usize = 80;

/// Predictions for one or more rounds.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Predictions)]
pub(super) struct PredictionsBody {
    /// Where one round and model come twice, the later one counts.
    #[schema(min_items = 1, max_items = 100)]
    predictions: Vec<ItemBody>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PredictionOfMany)]
struct ItemBody {
    /// Round id.
    #[schema(example = "btc-usd-5m-20240305T1200Z")]
    round: String,
    /// Model id.
    #[schema(example = "btc-usd-5m-momentum-1")]
    model: String,
    /// Probability that the price rises, 0 to 1; 1e6·p rounds half to even.
    #[schema(minimum = 0, maximum = 1, example = 0.53)]
    p: Option<f64>,
    /// What to risk, decimal tokens; absent: the model's default limit.
    #[schema(max_length = 64, example = "10.5")]
    stake: Option<String>,
    /// A commitment instead of `p` and `stake`.
    #[schema(
        pattern = "^0x[0-9a-fA-F]{64}$",
        example = "0x0405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
    )]
    seal: Option<String>,
    /// With `p` and `stake`: opens the model's latest seal.
    #[schema(
        pattern = "^0x[0-9a-fA-F]{64}$",
        example = "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    )]
    salt: Option<String>,
    /// In place of a key.
    signed: Option<SignedBody>,
}

/// What became of each prediction, in the order in which they were sent.
#[derive(Serialize, ToSchema)]
#[schema(as = PredictionResults)]
pub(super) struct ResultsBody {
    results: Vec<ResultBody>,
}

/// Has a receipt or a problem.
#[derive(Serialize, ToSchema)]
#[schema(as = PredictionResult)]
struct ResultBody {
    /// As it was sent.
    round: String,
    /// As it was sent.
    model: String,
    /// It is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    receipt: Option<ReceiptBody>,
    /// Not signed: what to know beside the receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    notices: Option<Vec<NoticeBody>>,
    /// It is not stored, and why: what `PUT` would have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<ProblemBody>,
}

/// One prediction of the request: refused by its form alone, or handed on.
struct Item {
    round: String,
    model: String,
    refused: Option<Problem>,
}

/// Post predictions for several rounds or models at once, stored in one commit, each with its own
/// verdict.
///
/// With the header `Idempotency-Key` the same request within 24 hours is answered again from what
/// was stored, with the header `Idempotency-Replayed: true`, and nothing is done again.
#[utoipa::path(
    post,
    path = "/predictions",
    tag = "predictions",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 64,
         pattern = "^[ -~]{1,64}$",
         description = "Names the request: 1 to 64 printable ASCII characters, new for every request")
    ),
    request_body = PredictionsBody,
    responses(
        (status = 200, description = "A receipt or a problem for each prediction", body = ResultsBody,
         headers(("Idempotency-Replayed" = Option<String>, description = "`true`: the stored answer of the same request"))),
        KeyProblems,
        PostPredictionsProblems
    ),
    security((), ("key" = []))
)]
pub(super) async fn post_predictions(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    posted: Posted<PredictionsBody>,
) -> Result<Response, Problem> {
    if let Some(caller) = &posted.caller {
        caller.require(Scope::Predict)?;
    }
    let key = idempotency_key(&headers)?;
    let sent = posted.body.predictions;
    if !(1..=LIMIT).contains(&sent.len()) {
        return Err(wrong_count(sent.len()));
    }
    let (mut items, mut submissions) = (Vec::new(), Vec::new());
    for one in sent {
        let (item, submission) = one
            .read(&app, posted.caller.as_ref(), posted.received_us)
            .await;
        items.push(item);
        submissions.extend(submission);
    }
    let render = move |verdicts| text(items, verdicts);
    let Some(key) = key else {
        let verdicts = predictions::submit_all(&app.writer, submissions).await?;
        return Ok(answer(render(verdicts), false));
    };
    // Answers are kept for an account; what is signed has a nonce to be sent again with.
    let caller = posted.caller.ok_or_else(Problem::key_missing)?;
    let once = Once {
        account: caller.account.id,
        key,
        request: hex::encode(Sha256::digest(&posted.text)),
        now_us: app.wall.now_us(),
        render: Box::new(render),
    };
    let (text, is_replay) = predictions::submit_once(&app.writer, submissions, once).await?;
    Ok(answer(text, is_replay))
}

impl ItemBody {
    async fn read(
        self,
        app: &App,
        caller: Option<&Caller>,
        received_us: i64,
    ) -> (Item, Option<Submission>) {
        let body = PredictionBody {
            p: self.p,
            stake: self.stake,
            seal: self.seal,
            salt: self.salt,
            signed: self.signed,
        };
        let about = (self.round.as_str(), self.model.as_str());
        let read = body.submission(app, caller, about, received_us).await;
        let (refused, submission) = match read {
            Ok(submission) => (None, Some(submission)),
            Err(problem) => (Some(problem), None),
        };
        let shown = |text: &str| without_keys(text).chars().take(SHOWN).collect();
        let item = Item {
            round: shown(&self.round),
            model: shown(&self.model),
            refused,
        };
        (item, submission)
    }
}

/// The body of the answer; `verdicts` are those of the items that were handed on.
fn text(items: Vec<Item>, verdicts: Vec<Verdict>) -> String {
    let mut verdicts = verdicts.into_iter();
    let mut result = |item: Item| {
        let verdict = match item.refused {
            Some(problem) => Err(problem),
            None => match verdicts.next() {
                Some(verdict) => verdict.map_err(Problem::from),
                None => Err(Problem::internal(&std::io::Error::other(
                    "a verdict is missing",
                ))),
            },
        };
        let (acknowledged, problem) = match verdict {
            Ok(acknowledged) => (Some(acknowledged), None),
            Err(problem) => (None, Some(problem.into_body())),
        };
        let (receipt, notices) = acknowledged
            .map(|one| {
                (
                    one.receipt.into(),
                    one.notices.iter().map(NoticeBody::from).collect(),
                )
            })
            .unzip();
        ResultBody {
            round: item.round,
            model: item.model,
            receipt,
            notices,
            problem,
        }
    };
    let results = items.into_iter().map(&mut result).collect();
    serde_json::to_string(&ResultsBody { results }).unwrap_or_default()
}

fn answer(text: String, is_replay: bool) -> Response {
    let json = HeaderValue::from_static("application/json");
    let mut response = ([(header::CONTENT_TYPE, json)], text).into_response();
    if is_replay {
        let replayed = HeaderValue::from_static("true");
        response
            .headers_mut()
            .insert(IDEMPOTENCY_REPLAYED, replayed);
    }
    response
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = value.to_str().ok().and_then(IdempotencyKey::parse);
    key.map(Some).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "idempotency-key-invalid",
            "The idempotency key breaks the rule",
            "The header `Idempotency-Key` is not 1 to 64 printable ASCII characters.",
            "Send a new random key for every new request, a UUID for example, and the same key \
             when you send the same request again.",
        )
    })
}

fn wrong_count(count: usize) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "body-invalid",
        "A field of the body breaks its rule",
        format!("`predictions` has {count} items."),
        format!("Send 1 to {LIMIT} predictions in one request."),
    )
}
