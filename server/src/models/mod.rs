//! Models: participants' entries in tournaments, and the artifacts of hosted ones.
//!
//! Owns the tables `models` and `artifacts` and the files `<artifacts_dir>/<sha256>.onnx`. Never
//! opens an artifact: every upload is a program by a hostile author, and only a runner's sandbox
//! reads it.

mod artifact;
mod store;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;

use domain::{AccountId, ModelId, TournamentId};
use thiserror::Error;

use crate::accounts::{is_name, slug, slug_with_hash};
use crate::db::Conn;
pub use artifact::{Artifact, Incoming, artifact_path, artifacts_dir, store_artifact};

/// Most bytes of an artifact: 64 MB.
pub const ARTIFACT_LIMIT: u64 = 64_000_000;
/// Most models of one account in one tournament that are not retired.
pub const MODEL_LIMIT: i64 = 50;
/// Most models that one list names.
pub const LIST_LIMIT: i64 = 1_000;

/// Failed runs in a row that pause a hosted model.
pub const STRIKE_LIMIT: i64 = 3;

/// Who computes a model's predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hosting {
    /// We do, from its artifact.
    Hosted,
    /// A bot posts them.
    External,
}

/// Where a model stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelState {
    /// Uploaded, not yet tried in the sandbox.
    Checking,
    /// Takes part.
    Active,
    /// The check failed; `reason` says why.
    Refused,
    /// Three runs in a row failed; `reason` says how. A new file under its name is checked anew.
    Paused,
    /// Its owner ended it, for good.
    Retired,
}

/// A participant's entry in one tournament.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Made from tournament and name.
    pub id: ModelId,
    /// Its owner.
    pub account: AccountId,
    /// The tournament.
    pub tournament: TournamentId,
    /// What people read; unique in the tournament.
    pub name: String,
    /// Who computes its predictions.
    pub hosting: Hosting,
    /// Where it stands.
    pub state: ModelState,
    /// Why it is refused, else empty.
    pub reason: String,
    /// SHA-256 of its artifact, hexadecimal; empty for an external model.
    pub artifact: String,
    /// The report card of the check as JSON; empty before it.
    pub card: String,
    /// Whether it is one of the public reference models.
    pub is_reference: bool,
    /// When it was registered, microseconds.
    pub created_us: i64,
}

/// What of a model decides whether it may predict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The model.
    pub id: ModelId,
    /// Its owner.
    pub account: AccountId,
    /// Its tournament.
    pub tournament: TournamentId,
    /// Where it stands.
    pub state: ModelState,
    /// Why it takes no part, else empty.
    pub reason: String,
}

/// Why a model is refused.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The name breaks the rule.
    #[error(
        "model name {0:?} is not 1 to 40 letters, digits, spaces and . _ - + ( ) # without spaces at its ends"
    )]
    Name(String),
    /// Somebody has the name in that tournament.
    #[error("model name {name:?} is taken in {tournament}")]
    NameTaken {
        /// The name.
        name: String,
        /// The tournament.
        tournament: TournamentId,
    },
    /// The account has as many as it may.
    #[error("account {account} has 50 models in {tournament} that are not retired")]
    TooMany {
        /// The account.
        account: AccountId,
        /// The tournament.
        tournament: TournamentId,
    },
    /// No such model.
    #[error("model {0} does not exist")]
    UnknownModel(ModelId),
    /// Somebody else's.
    #[error("model {0} belongs to another account")]
    NotOwner(ModelId),
    /// Nothing came.
    #[error("the artifact is empty")]
    EmptyArtifact,
    /// More than the limit came.
    #[error("the artifact has more than 64000000 bytes")]
    ArtifactTooLarge,
    /// The file could not be stored.
    #[error("storing the artifact: {0}")]
    Storage(#[from] std::io::Error),
    /// The database refused.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

impl Hosting {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hosted => "hosted",
            Self::External => "external",
        }
    }

    /// The hosting of a stored name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Hosted, Self::External]
            .into_iter()
            .find(|hosting| hosting.name() == text)
    }
}

impl ModelState {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Active => "active",
            Self::Refused => "refused",
            Self::Paused => "paused",
            Self::Retired => "retired",
        }
    }

    /// The state of a stored name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Checking,
            Self::Active,
            Self::Refused,
            Self::Paused,
            Self::Retired,
        ]
        .into_iter()
        .find(|state| state.name() == text)
    }
}

/// Registers a model whose predictions a bot posts. The caller has checked that the tournament
/// exists.
///
/// # Errors
/// When the name breaks a rule or is taken, or the account has too many.
pub async fn register_external(
    conn: &mut Conn,
    now_us: i64,
    account: &AccountId,
    tournament: &TournamentId,
    name: &str,
) -> Result<Model, ModelError> {
    check_place(conn, account, tournament, name).await?;
    let model = Model {
        id: free_id(conn, tournament, name).await?,
        account: account.clone(),
        tournament: tournament.clone(),
        name: name.to_owned(),
        hosting: Hosting::External,
        state: ModelState::Active,
        reason: String::new(),
        artifact: String::new(),
        card: String::new(),
        is_reference: false,
        created_us: now_us,
    };
    insert(conn, model).await
}

/// Stores `bytes` and registers a hosted model in state `Checking`. The file is written and synced
/// while the caller's transaction is open; a server that takes uploads from outside stores first
/// ([`Incoming`]) and then calls [`register_hosted`].
///
/// # Errors
/// As [`register_hosted`], and when the file cannot be stored or breaks the size limit.
#[expect(clippy::too_many_arguments, reason = "one plain value each")]
pub async fn upload(
    conn: &mut Conn,
    artifacts_dir: &Path,
    now_us: i64,
    account: &AccountId,
    tournament: &TournamentId,
    name: &str,
    bytes: &[u8],
    is_reference: bool,
) -> Result<Model, ModelError> {
    check_place(conn, account, tournament, name).await?;
    let artifact = store_artifact(artifacts_dir, bytes).await?;
    register_hosted(
        conn,
        now_us,
        account,
        tournament,
        name,
        &artifact,
        is_reference,
    )
    .await
}

/// Registers a hosted model over a stored artifact, in state `Checking`. A refused or paused model
/// of the same owner and name takes the new artifact and is checked again.
///
/// # Errors
/// When the name breaks a rule or is taken, or the account has too many.
pub async fn register_hosted(
    conn: &mut Conn,
    now_us: i64,
    account: &AccountId,
    tournament: &TournamentId,
    name: &str,
    artifact: &Artifact,
    is_reference: bool,
) -> Result<Model, ModelError> {
    let earlier = check_place(conn, account, tournament, name).await?;
    store::insert_artifact(conn, artifact, now_us).await?;
    if let Some(refused) = earlier {
        store::replace_artifact(conn, &refused.id, &artifact.digest).await?;
        return get(conn, &refused.id).await;
    }
    let model = Model {
        id: free_id(conn, tournament, name).await?,
        account: account.clone(),
        tournament: tournament.clone(),
        name: name.to_owned(),
        hosting: Hosting::Hosted,
        state: ModelState::Checking,
        reason: String::new(),
        artifact: artifact.digest.clone(),
        card: String::new(),
        is_reference,
        created_us: now_us,
    };
    insert(conn, model).await
}

/// Whether `account` may register `name` in `tournament`: asked before a body of 64 MB is read.
/// Returns the refused or paused hosted model of that name that an upload would replace.
///
/// # Errors
/// When the name breaks a rule or is taken, or the account has too many.
pub async fn check_place(
    conn: &mut Conn,
    account: &AccountId,
    tournament: &TournamentId,
    name: &str,
) -> Result<Option<Model>, ModelError> {
    if !is_name(name) {
        return Err(ModelError::Name(name.chars().take(80).collect()));
    }
    if let Some(model) = store::by_name(conn, tournament, name).await? {
        let is_replaceable = model.account == *account
            && model.hosting == Hosting::Hosted
            && matches!(model.state, ModelState::Refused | ModelState::Paused);
        if is_replaceable {
            return Ok(Some(model));
        }
        return Err(ModelError::NameTaken {
            name: name.to_owned(),
            tournament: tournament.clone(),
        });
    }
    if store::count(conn, account, tournament).await? >= MODEL_LIMIT {
        return Err(ModelError::TooMany {
            account: account.clone(),
            tournament: tournament.clone(),
        });
    }
    Ok(None)
}

/// The model of an id.
///
/// # Errors
/// [`ModelError::UnknownModel`].
pub async fn get(conn: &mut Conn, id: &ModelId) -> Result<Model, ModelError> {
    let model = store::get(conn, id).await?;
    model.ok_or_else(|| ModelError::UnknownModel(id.clone()))
}

/// Models by their ids, in one query for each 500; unknown ids are left out.
///
/// # Errors
/// Database errors.
pub async fn by_ids(conn: &mut Conn, ids: &[ModelId]) -> Result<Vec<Model>, ModelError> {
    Ok(store::by_ids(conn, ids).await?)
}

/// Where models stand, by their ids, in one query for each 256; unknown ids are left out.
///
/// # Errors
/// Database errors.
pub async fn standings(
    conn: &mut Conn,
    ids: &[&ModelId],
) -> Result<HashMap<ModelId, Standing>, ModelError> {
    let found = store::standings(conn, ids).await?;
    Ok(found.into_iter().map(|one| (one.id.clone(), one)).collect())
}

/// Models of a tournament, of an account, of both or of all, by id, at most [`LIST_LIMIT`].
///
/// # Errors
/// Database errors.
pub async fn list(
    conn: &mut Conn,
    tournament: Option<&TournamentId>,
    account: Option<&AccountId>,
) -> Result<Vec<Model>, ModelError> {
    Ok(store::list(conn, tournament, account).await?)
}

/// The models that take part in a tournament, hosted or not, by id, at most 20,000.
///
/// # Errors
/// Database errors.
pub async fn active(conn: &mut Conn, tournament: &TournamentId) -> Result<Vec<Model>, ModelError> {
    Ok(store::active(conn, tournament).await?)
}

/// The hosted models that take part in a tournament, by id.
///
/// # Errors
/// Database errors.
pub async fn active_hosted(
    conn: &mut Conn,
    tournament: &TournamentId,
) -> Result<Vec<Model>, ModelError> {
    Ok(store::in_state(conn, tournament, ModelState::Active).await?)
}

/// The hosted models that wait for their check, by id.
///
/// # Errors
/// Database errors.
pub async fn to_check(
    conn: &mut Conn,
    tournament: &TournamentId,
) -> Result<Vec<Model>, ModelError> {
    Ok(store::in_state(conn, tournament, ModelState::Checking).await?)
}

/// What the check of an upload found. Only a model in state `Checking` changes, so a late answer
/// about a retired or replaced model changes nothing.
///
/// # Errors
/// [`ModelError::UnknownModel`].
pub async fn set_checked(
    conn: &mut Conn,
    id: &ModelId,
    ok: bool,
    reason: &str,
    card: &str,
) -> Result<(), ModelError> {
    get(conn, id).await?;
    let state = if ok {
        ModelState::Active
    } else {
        ModelState::Refused
    };
    store::set_checked(conn, id, state, reason, card).await?;
    Ok(())
}

/// How a run of an active hosted model ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd<'a> {
    /// It answered.
    Answered,
    /// It failed by itself, and how; never what was our fault.
    Failed(&'a str),
}

/// Counts failures in a row: [`STRIKE_LIMIT`] of them pause the model, one answer clears them. A
/// model that has another artifact by now, or is not active, is left alone. Gives why it was paused,
/// if this end paused it.
///
/// # Errors
/// Database errors.
pub async fn note_run(
    conn: &mut Conn,
    id: &ModelId,
    artifact: &str,
    end: RunEnd<'_>,
) -> Result<Option<String>, ModelError> {
    match end {
        RunEnd::Answered => {
            store::clear_strikes(conn, id, artifact).await?;
            Ok(None)
        }
        RunEnd::Failed(how) => {
            store::add_strike(conn, id, artifact).await?;
            let reason = format!(
                "paused after {STRIKE_LIMIT} failed runs in a row, the last one: {how}; upload a \
                 corrected file under the same name"
            );
            let is_paused = store::pause(conn, id, artifact, STRIKE_LIMIT, &reason).await?;
            Ok(is_paused.then_some(reason))
        }
    }
}

/// Ends a model for good; its name stays taken. Retiring twice changes nothing.
///
/// # Errors
/// When it does not exist or belongs to another account.
pub async fn retire(conn: &mut Conn, id: &ModelId, account: &AccountId) -> Result<(), ModelError> {
    if get(conn, id).await?.account != *account {
        return Err(ModelError::NotOwner(id.clone()));
    }
    store::retire(conn, id).await?;
    Ok(())
}

async fn insert(conn: &mut Conn, model: Model) -> Result<Model, ModelError> {
    if store::insert(conn, &model).await? {
        return Ok(model);
    }
    Err(ModelError::NameTaken {
        name: model.name,
        tournament: model.tournament,
    })
}

async fn free_id(
    conn: &mut Conn,
    tournament: &TournamentId,
    name: &str,
) -> Result<ModelId, ModelError> {
    let whole = format!("{tournament}-{name}");
    let plain = slug(&whole);
    let is_whole = !slug(name).is_empty() && whole.len() <= 64;
    if let Ok(id) = plain.parse()
        && is_whole
        && store::get(conn, &id).await?.is_none()
    {
        return Ok(id);
    }
    slug_with_hash(&plain, &whole)
        .parse()
        .map_err(|_| ModelError::Name(name.to_owned()))
}
