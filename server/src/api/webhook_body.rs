//! Webhooks and their messages as they are shown.

use domain::timestamp::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use crate::webhooks::{Delivery, DeliveryState, Secret, Webhook};

/// An address that is told of events.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookBody {
    #[schema(example = "wh_0123456789abcdef")]
    id: String,
    #[schema(example = "https://bots.example.com/foretoken")]
    url: String,
    /// Only these tournaments' events; empty: all.
    tournaments: Vec<String>,
    /// Only these types; empty: all, the account's own too.
    types: Vec<&'static str>,
    /// `active` or `disabled`.
    state: &'static str,
    /// Why it is disabled; empty while it is not.
    reason: String,
    created_at: String,
    /// Since when no message was taken; null while the last one was.
    failing_since: Option<String>,
    /// Everything up to this event was put down for it or is not wanted.
    sequence: i64,
}

/// A webhook with its secret, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = NewWebhook)]
pub(super) struct NewWebhookBody {
    #[serde(flatten)]
    webhook: WebhookBody,
    /// Signs every message: `whsec_` and 32 bytes in base64.
    #[schema(example = "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=")]
    secret: String,
}

/// A message and how sending it went.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct DeliveryBody {
    /// Its number among the webhook's, from 1.
    number: i64,
    /// The header `webhook-id` of every attempt.
    message: String,
    /// The event's type, or `webhook.test`.
    r#type: String,
    /// `waiting`, `delivered` or `failed` (given up).
    state: &'static str,
    created_at: String,
    attempts: i64,
    /// When it is sent again; null unless it waits.
    next_at: Option<String>,
    /// When it was last sent; null when it never was.
    attempted_at: Option<String>,
    /// What the last attempt was answered; null when there was no answer.
    status: Option<u16>,
    /// How long that took, milliseconds.
    took_ms: Option<i64>,
    /// The first bytes of the answer, at most 1024.
    answer: String,
    /// Why the last attempt failed; empty when it did not.
    error: String,
    /// What is sent.
    body: String,
}

impl From<&Webhook> for WebhookBody {
    fn from(webhook: &Webhook) -> Self {
        let named = |id: &domain::TournamentId| id.to_string();
        Self {
            id: webhook.id.clone(),
            url: webhook.url.clone(),
            tournaments: webhook.filter.tournaments().iter().map(named).collect(),
            types: webhook
                .filter
                .kinds()
                .iter()
                .map(|kind| kind.name())
                .collect(),
            state: match webhook.disabled_us {
                0 => "active",
                _ => "disabled",
            },
            reason: webhook.reason.clone(),
            created_at: rfc3339(webhook.created_us),
            failing_since: moment(webhook.failing_since_us),
            sequence: webhook.position,
        }
    }
}

impl NewWebhookBody {
    pub(super) fn new(webhook: &Webhook, secret: &Secret) -> Self {
        Self {
            webhook: webhook.into(),
            secret: secret.text().to_owned(),
        }
    }
}

impl From<Delivery> for DeliveryBody {
    fn from(delivery: Delivery) -> Self {
        let was_sent = delivery.attempted_us != 0;
        let waits = delivery.state == DeliveryState::Waiting;
        Self {
            number: delivery.number,
            message: delivery.message.id,
            r#type: delivery.message.kind,
            state: delivery.state.name(),
            created_at: rfc3339(delivery.created_us),
            attempts: delivery.attempts,
            next_at: waits.then(|| rfc3339(delivery.next_us)),
            attempted_at: moment(delivery.attempted_us),
            status: (delivery.last.status != 0).then_some(delivery.last.status),
            took_ms: was_sent.then_some(delivery.last.took_us / 1_000),
            answer: delivery.last.answer,
            error: delivery.last.error,
            body: delivery.message.body,
        }
    }
}

/// 0 stands for never.
fn moment(us: i64) -> Option<String> {
    (us != 0).then(|| rfc3339(us))
}
