//! A model as the API shows it.

use domain::timestamp::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use crate::models::Model;

/// A model: a participant's entry in one tournament.
#[derive(Serialize, ToSchema)]
#[schema(as = Model)]
pub(super) struct ModelBody {
    id: String,
    tournament: String,
    name: String,
    /// The owner's account.
    account: String,
    /// `hosted` or `external`.
    hosting: &'static str,
    /// `checking`, `active`, `refused`, `paused` or `retired`.
    state: &'static str,
    /// Why it is refused, else null.
    reason: Option<String>,
    /// SHA-256 of its artifact; null for an external model.
    artifact: Option<String>,
    /// Whether it is one of the public reference models.
    is_reference: bool,
    created_at: String,
}

impl From<&Model> for ModelBody {
    fn from(model: &Model) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            id: model.id.to_string(),
            tournament: model.tournament.to_string(),
            name: model.name.clone(),
            account: model.account.to_string(),
            hosting: model.hosting.name(),
            state: model.state.name(),
            reason: some(&model.reason),
            artifact: some(&model.artifact),
            is_reference: model.is_reference,
            created_at: rfc3339(model.created_us),
        }
    }
}
