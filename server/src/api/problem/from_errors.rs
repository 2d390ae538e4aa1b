//! What each slice's errors say to a caller.

use axum::http::StatusCode;
use domain::timestamp::rfc3339;

use super::Problem;
use super::seals::seal_problem;
use crate::lives::LifeError;
use crate::models::ModelError;
use crate::predictions::PredictionError;
use crate::releases::ReleaseError;
use crate::rounds::RoundError;
use crate::runners::RunnerError;
use crate::webhooks::WebhookError;

impl Problem {
    /// No version of the datasets is called so.
    pub(in crate::api) fn unknown_dataset(name: &str) -> Self {
        let name: String = name.chars().take(80).collect();
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown-dataset",
            "There is no such version of the datasets",
            format!("No version of the datasets is called {name:?}."),
            "`GET /api/v1/datasets` lists the published versions.",
        )
    }
}

impl From<ReleaseError> for Problem {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::UnknownVersion(version) => Self::unknown_dataset(&version.to_string()),
            error => Self::internal(&error),
        }
    }
}

/// Errors of verbs that read what is stored: none of them is the caller's to mend.
macro_rules! internal {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Self::internal(&error)
            }
        }
    )+};
}

internal!(
    sqlx::Error,
    crate::aggregates::AggregateError,
    crate::diagnostics::DiagnosticError,
    crate::events::EventError,
    crate::own_events::OwnEventError,
    crate::prices::PriceError,
    crate::receipts::ReceiptsError,
    crate::scores::ScoreError,
    crate::settlement::SettlementError,
    crate::stakes::StakeError,
);

impl From<ModelError> for Problem {
    fn from(error: ModelError) -> Self {
        let said = error.to_string();
        let conflict = StatusCode::CONFLICT;
        match &error {
            ModelError::Name(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "model-name-invalid",
                "The model name breaks the rule",
                said,
                "Send a name of 1 to 40 letters, digits, spaces and . _ - + ( ) #.",
            ),
            ModelError::NameTaken { .. } => Self::new(
                conflict,
                "model-name-taken",
                "The model name is taken",
                said,
                "Choose another name. If the model is yours, use it: `GET /api/v1/models?mine=true`.",
            ),
            ModelError::TooMany { .. } => Self::new(
                conflict,
                "too-many-models",
                "The account has as many models as it may",
                said,
                "Retire a model that you no longer need, or enter another tournament.",
            ),
            ModelError::UnknownModel(_) => Self::new(
                StatusCode::NOT_FOUND,
                "unknown-model",
                "There is no such model",
                said,
                "`GET /api/v1/models?mine=true` lists your models.",
            ),
            ModelError::NotOwner(_) => not_owner(said),
            ModelError::EmptyArtifact => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "artifact-empty",
                "The upload has no bytes",
                said,
                "Send the ONNX file itself as the request's body: `curl --data-binary @model.onnx`.",
            ),
            ModelError::ArtifactTooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "The body is too large",
                said,
                "An artifact has at most 64000000 bytes: prune or quantise the model.",
            ),
            ModelError::Storage(_) | ModelError::Database(_) => Self::internal(&error),
        }
    }
}

impl From<RoundError> for Problem {
    fn from(error: RoundError) -> Self {
        let said = error.to_string();
        match &error {
            RoundError::UnknownTournament(_) => Self::new(
                StatusCode::NOT_FOUND,
                "unknown-tournament",
                "There is no such tournament",
                said,
                "`GET /api/v1/tournaments` lists the tournaments.",
            ),
            RoundError::UnknownRound(_) | RoundError::Id(_) => Self::new(
                StatusCode::NOT_FOUND,
                "unknown-round",
                "There is no such round",
                said,
                "`GET /api/v1/rounds?state=open` lists the rounds that take predictions.",
            ),
            _ => Self::internal(&error),
        }
    }
}

impl From<PredictionError> for Problem {
    fn from(error: PredictionError) -> Self {
        let said = error.to_string();
        let conflict = |code, title, detail: String, remedy: &str| {
            Self::new(StatusCode::CONFLICT, code, title, detail, remedy)
        };
        match error {
            PredictionError::Round(error) => error.into(),
            PredictionError::Model(error) => error.into(),
            PredictionError::NotOwner(_) => not_owner(said),
            PredictionError::WrongTournament { .. } => conflict(
                "wrong-tournament",
                "The model enters another tournament",
                said,
                "Post to a round of the model's own tournament, or register a model in this one.",
            ),
            PredictionError::ModelInactive { .. } => conflict(
                "model-inactive",
                "The model takes no part",
                said,
                "`GET /api/v1/models/{id}` names its state and the reason.",
            ),
            PredictionError::NotOpenYet { round, opens_us } => conflict(
                "round-not-open",
                "The round does not take predictions yet",
                format!("Round {round} opens at {}.", rfc3339(opens_us)),
                "Post again at `opens_at` by the clock of `GET /api/v1/time`.",
            )
            .with("opens_at", rfc3339(opens_us))
            .with("opens_us", opens_us),
            PredictionError::NonceUsed { highest, .. } => {
                Self::prediction_nonce_used(said).with("highest", highest)
            }
            PredictionError::Late {
                round,
                missed_us,
                deadline_us,
            } => late(&round.to_string(), missed_us, deadline_us),
            error @ (PredictionError::SealUnknown { .. }
            | PredictionError::SealNotOpened { .. }
            | PredictionError::SealLate { .. }) => seal_problem(&error, &said),
            PredictionError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "The idempotency key stands for another request",
                "The body differs from that of the request which used this `Idempotency-Key`.",
                "Send a new key with every new request; a key stands for its request for 24 hours.",
            ),
            PredictionError::KeyInProgress => conflict(
                "idempotency-in-progress",
                "The request is being done",
                "A request with this `Idempotency-Key` is being done.".to_owned(),
                "Send it again in a second: the answer of the first is stored then.",
            ),
            PredictionError::TooManyKeys => conflict(
                "too-many-idempotency-keys",
                "The account has used as many idempotency keys as it may",
                format!("{said}."),
                "Send the predictions without a key: the same prediction again gives the same receipt.",
            ),
            PredictionError::Stopped(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                "The server is stopping",
                "The prediction was not stored: the server is stopping.",
                "Post again in a few seconds.",
            ),
            error => Self::internal(&error),
        }
    }
}

impl From<LifeError> for Problem {
    fn from(error: LifeError) -> Self {
        match error {
            LifeError::Round(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<RunnerError> for Problem {
    fn from(error: RunnerError) -> Self {
        let said = error.to_string();
        let conflict = StatusCode::CONFLICT;
        match &error {
            RunnerError::NameTaken(_) => Self::new(
                conflict,
                "runner-name-taken",
                "The runner name belongs to another account",
                said,
                "Start the runner with another `--name`.",
            ),
            RunnerError::UnknownRunner(_) => Self::new(
                StatusCode::NOT_FOUND,
                "unknown-runner",
                "No runner has registered under this name",
                said,
                "Register it first: `POST /api/v1/runner/registrations`.",
            ),
            RunnerError::UnknownLease(_) => Self::new(
                StatusCode::NOT_FOUND,
                "unknown-lease",
                "There is no such lease",
                said,
                "Send the `lease` of a job that `POST /api/v1/runner/jobs/next` gave.",
            ),
            RunnerError::LeaseLost { .. } => Self::new(
                conflict,
                "lease-lost",
                "The lease is not yours any more",
                said,
                "Drop the results and ask for the next job.",
            ),
            RunnerError::NotInJob { .. } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "model-not-in-job",
                "The job has no such model",
                said,
                "Answer for each model of the job once, under the `model` that the job named.",
            ),
            _ => Self::internal(&error),
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        let said = error.to_string();
        match &error {
            WebhookError::Url(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "webhook-url-refused",
                "Messages cannot be sent to this address",
                said,
                "Send the https address of a public server, without user name, password and `#`.",
            ),
            WebhookError::TooMany(_) => Self::new(
                StatusCode::CONFLICT,
                "too-many-webhooks",
                "The account has as many webhooks as it may",
                said,
                "Remove one: `DELETE /api/v1/webhooks/{id}`.",
            ),
            WebhookError::Unknown(_) => Self::new(
                StatusCode::NOT_FOUND,
                "unknown-webhook",
                "There is no such webhook",
                said,
                "`GET /api/v1/webhooks` lists your webhooks.",
            ),
            WebhookError::Broken(_) | WebhookError::Database(_) => Self::internal(&error),
        }
    }
}

fn not_owner(said: String) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "not-owner",
        "The model belongs to another account",
        said,
        "Use the key of the account that registered the model.",
    )
}

fn late(round: &str, missed_us: i64, deadline_us: i64) -> Problem {
    let missed_ms = milliseconds_up(missed_us);
    Problem::new(
        StatusCode::CONFLICT,
        "late",
        "The deadline has passed",
        format!("Round {round} closed {missed_ms} ms before the request had been read whole."),
        "Post to the next round: `GET /api/v1/rounds?state=open`. Compare your clock with \
         `GET /api/v1/time`.",
    )
    .with("missed_ms", missed_ms)
    .with("deadline_at", rfc3339(deadline_us))
    .with("deadline_us", deadline_us)
}

/// Rounded up: who is late by less than a millisecond missed by 1, not by 0.
pub(super) fn milliseconds_up(missed_us: i64) -> i64 {
    missed_us.saturating_add(999).div_euclid(1_000)
}
