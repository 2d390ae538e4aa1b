//! Webhooks: addresses that are told of events by signed requests, and the log of how that went.
//!
//! Owns `webhooks` and `webhook_deliveries`. A message is kept until it was taken, so it is sent at
//! least once, under an id that stays. Secrets are stored as they are, because messages are signed
//! with them. Must never send to an address that is not public unless the operator said so, and
//! never decides what an event is: its caller hands over the messages.

mod address;
mod backoff;
mod sender;
mod signature;
mod store;
#[cfg(test)]
mod tests;

use domain::{AccountId, TournamentId};
use thiserror::Error;

use crate::db::Conn;
use crate::events::{Filter, Kind};

pub use address::URL_LIMIT;
pub use sender::{ANSWER_LIMIT, Attempt, Sender};
pub use signature::{SECRET_BYTES, Secret};

/// Webhooks of one account.
pub const MOST: i64 = 5;
/// A receiver that has failed for so long is disabled, and a message is given up; wall microseconds.
pub const GIVE_UP_US: i64 = 24 * 3_600 * 1_000_000;
/// Messages that may wait for one receiver; later events wait in their own table.
pub const MOST_WAITING: i64 = 1_000;
/// For how long a replaced secret still signs beside the new one, wall microseconds.
const OLD_SECRET_US: i64 = 24 * 3_600 * 1_000_000;
/// The status that says that nobody is there any more and never will be.
const GONE: u16 = 410;
/// The type of a message that its owner asked for.
pub const TEST: &str = "webhook.test";

/// An address that wants to be told.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// `wh_` and 16 digits.
    pub id: String,
    /// Whose it is.
    pub account: AccountId,
    /// Where messages go.
    pub url: String,
    /// Which events.
    pub filter: Filter,
    /// When it was made, wall microseconds.
    pub created_us: i64,
    /// The number of the last event that was looked at for it.
    pub position: i64,
    /// Failures since the last message that was taken.
    pub failures: i64,
    /// When they began, wall microseconds; 0: the last message was taken.
    pub failing_since_us: i64,
    /// Nothing is sent before this, wall microseconds.
    pub next_us: i64,
    /// When it was disabled, wall microseconds; 0: it is not.
    pub disabled_us: i64,
    /// Why it is disabled.
    pub reason: String,
}

/// A message for a webhook, before it has a number.
#[derive(Clone, Debug)]
pub struct Message {
    /// Stays the same however often it is sent.
    pub id: String,
    /// The event's type.
    pub kind: String,
    /// JSON.
    pub body: String,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// Sent again at its time.
    Waiting,
    /// Taken by the receiver.
    Delivered,
    /// Given up.
    Failed,
}

/// A message for a webhook and how sending it went.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its number among the webhook's, from 1.
    pub number: i64,
    /// The message.
    pub message: Message,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it was put down, wall microseconds.
    pub created_us: i64,
    /// How often it was sent.
    pub attempts: i64,
    /// When it is sent again, if it waits, wall microseconds.
    pub next_us: i64,
    /// When it was last sent, wall microseconds; 0: never.
    pub attempted_us: i64,
    /// What came of that.
    pub last: Attempt,
}

/// Why a webhook is refused.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// The address may not be one.
    #[error("{0}")]
    Url(String),
    /// The account has as many as it may.
    #[error("account {0} has {MOST} webhooks")]
    TooMany(AccountId),
    /// Not the account's, or nobody's.
    #[error("the account has no webhook {0}")]
    Unknown(String),
    /// A stored row breaks its own rules.
    #[error("stored webhook is broken: {0}")]
    Broken(String),
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl DeliveryState {
    const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Failed];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == text)
    }
}

/// What a new webhook is made of.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Where messages go.
    pub url: String,
    /// Of which tournaments; none: all.
    pub tournaments: Vec<TournamentId>,
    /// Of which kinds; none: all.
    pub kinds: Vec<Kind>,
}

/// Makes a webhook that is told what happens after the event `newest`. Its secret is shown to the
/// owner now and never again.
///
/// # Errors
/// [`WebhookError::Url`], [`WebhookError::TooMany`].
pub async fn create(
    conn: &mut Conn,
    (now_us, newest): (i64, i64),
    sender: &Sender,
    account: &AccountId,
    draft: Draft,
    (id, secret): ([u8; 8], [u8; SECRET_BYTES]),
) -> Result<(Webhook, Secret), WebhookError> {
    address::parse(&draft.url, sender.may_be_private()).map_err(WebhookError::Url)?;
    let webhook = Webhook {
        id: format!("wh_{}", hex::encode(id)),
        account: account.clone(),
        url: draft.url,
        filter: Filter::new(draft.tournaments, draft.kinds, Some(account.clone())),
        created_us: now_us,
        position: newest,
        failures: 0,
        failing_since_us: 0,
        next_us: now_us,
        disabled_us: 0,
        reason: String::new(),
    };
    let secret = Secret::from_random(&secret);
    // The account's row first: two requests at once must not both be the fifth.
    store::hold_account(conn, account).await?;
    if store::count(conn, account).await? >= MOST {
        return Err(WebhookError::TooMany(account.clone()));
    }
    store::insert(conn, &webhook, &secret).await?;
    Ok((webhook, secret))
}

/// The webhooks of an account, oldest first.
///
/// # Errors
/// Database errors and broken rows.
pub async fn list(conn: &mut Conn, account: &AccountId) -> Result<Vec<Webhook>, WebhookError> {
    store::of_account(conn, account).await
}

/// One webhook of an account.
///
/// # Errors
/// [`WebhookError::Unknown`], also for somebody else's.
pub async fn get(conn: &mut Conn, account: &AccountId, id: &str) -> Result<Webhook, WebhookError> {
    let found = store::get(conn, id).await?;
    let own = found.filter(|webhook| webhook.account == *account);
    own.ok_or_else(|| WebhookError::Unknown(id.chars().take(40).collect()))
}

/// Removes a webhook with its log.
///
/// # Errors
/// [`WebhookError::Unknown`].
pub async fn delete(conn: &mut Conn, account: &AccountId, id: &str) -> Result<(), WebhookError> {
    let webhook = get(conn, account, id).await?;
    Ok(store::delete(conn, &webhook.id).await?)
}

/// Gives a webhook another secret; messages are signed with both for a day.
///
/// # Errors
/// [`WebhookError::Unknown`].
pub async fn rotate(
    conn: &mut Conn,
    now_us: i64,
    account: &AccountId,
    id: &str,
    random: [u8; SECRET_BYTES],
) -> Result<(Webhook, Secret), WebhookError> {
    let webhook = get(conn, account, id).await?;
    let secret = Secret::from_random(&random);
    store::set_secret(conn, id, &secret, now_us.saturating_add(OLD_SECRET_US)).await?;
    Ok((webhook, secret))
}

/// Takes up a webhook that was disabled: messages that wait are sent again, and what happens after
/// the event `newest`. One that is not disabled stays as it is, but that its wait ends.
///
/// # Errors
/// [`WebhookError::Unknown`].
pub async fn enable(
    conn: &mut Conn,
    (now_us, newest): (i64, i64),
    account: &AccountId,
    id: &str,
) -> Result<Webhook, WebhookError> {
    let webhook = get(conn, account, id).await?;
    if webhook.disabled_us != 0 {
        store::set_position(conn, id, newest).await?;
    }
    store::enable(conn, id, now_us).await?;
    get(conn, account, id).await
}

/// Messages of a webhook, the newest first, numbered below `before` where it is given.
///
/// # Errors
/// Database errors and broken rows.
pub async fn deliveries(
    conn: &mut Conn,
    webhook: &Webhook,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Delivery>, WebhookError> {
    store::deliveries(conn, &webhook.id, before.unwrap_or(i64::MAX), limit).await
}

/// Webhooks for which there may be something to do: events after their position up to `newest`, or
/// messages whose time has come. At most 200, the longest due first.
///
/// # Errors
/// Database errors and broken rows.
pub async fn due(conn: &mut Conn, now_us: i64, newest: i64) -> Result<Vec<Webhook>, WebhookError> {
    store::due(conn, now_us, newest).await
}

/// Takes a webhook until `until_us`, wall; `false` when another process was faster.
///
/// # Errors
/// Database errors.
pub async fn claim(
    conn: &mut Conn,
    webhook: &Webhook,
    until_us: i64,
) -> Result<bool, WebhookError> {
    Ok(store::set_next(conn, webhook, until_us).await?)
}

/// Puts messages down for a webhook and moves its position; a message that is there stays.
///
/// # Errors
/// Database errors.
pub async fn enqueue(
    conn: &mut Conn,
    now_us: i64,
    webhook: &str,
    messages: &[Message],
    position: i64,
) -> Result<(), WebhookError> {
    if !messages.is_empty() {
        let count = i64::try_from(messages.len()).unwrap_or(i64::MAX);
        let last = store::take_numbers(conn, webhook, count).await?;
        let numbers = last.saturating_sub(count).saturating_add(1)..;
        for (number, message) in numbers.zip(messages) {
            store::insert_delivery(conn, webhook, number, message, now_us).await?;
        }
    }
    Ok(store::set_position(conn, webhook, position).await?)
}

/// How many messages wait for a webhook.
///
/// # Errors
/// Database errors.
pub async fn waiting_count(conn: &mut Conn, webhook: &str) -> Result<i64, WebhookError> {
    Ok(store::waiting_count(conn, webhook).await?)
}

/// Messages of a webhook whose time has come, the oldest first.
///
/// # Errors
/// Database errors and broken rows.
pub async fn waiting(
    conn: &mut Conn,
    webhook: &str,
    now_us: i64,
    limit: i64,
) -> Result<Vec<Delivery>, WebhookError> {
    store::waiting(conn, webhook, now_us, limit).await
}

/// The secrets that sign a webhook's messages now, the newest first.
///
/// # Errors
/// Database errors.
pub async fn secrets(
    conn: &mut Conn,
    webhook: &str,
    now_us: i64,
) -> Result<Vec<Secret>, WebhookError> {
    Ok(store::secrets(conn, webhook, now_us).await?)
}

/// Sends a message once.
pub async fn send(
    sender: &Sender,
    wall: &domain::WallClock,
    webhook: &Webhook,
    message: &Message,
    secrets: &[Secret],
) -> Attempt {
    let message = sender::Message {
        url: &webhook.url,
        id: &message.id,
        body: &message.body,
        secrets,
    };
    sender.send(wall, &message).await
}

/// Notes what came of sending a message, and what follows from it for the webhook: after a failure
/// it is left alone for a while, after a day of failures it is disabled.
///
/// # Errors
/// Database errors and broken rows.
pub async fn record(
    conn: &mut Conn,
    now_us: i64,
    webhook: &str,
    delivery: &Delivery,
    attempt: &Attempt,
    random: u32,
) -> Result<(), WebhookError> {
    let Some(hook) = store::get(conn, webhook).await? else {
        return Ok(());
    };
    let wait = |failures, longest| {
        let wait = backoff::wait(failures, longest, random);
        now_us.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
    };
    let mut after = delivery.clone();
    after.attempts = delivery.attempts.saturating_add(1);
    after.attempted_us = now_us;
    after.last = attempt.clone();
    if attempt.is_delivered() {
        after.state = DeliveryState::Delivered;
        store::set_delivery(conn, webhook, &after).await?;
        return Ok(store::set_health(conn, webhook, 0, 0).await?);
    }
    after.next_us = wait(after.attempts, backoff::LONGEST);
    if now_us.saturating_sub(delivery.created_us) >= GIVE_UP_US {
        after.state = DeliveryState::Failed;
    }
    store::set_delivery(conn, webhook, &after).await?;
    let since_us = match hook.failing_since_us {
        0 => now_us,
        since_us => since_us,
    };
    let failures = hook.failures.saturating_add(1);
    store::set_health(conn, webhook, failures, since_us).await?;
    let next_us = wait(failures, backoff::LONGEST_OF_RECEIVER);
    store::set_next(conn, &hook, next_us).await?;
    let why = if attempt.status == GONE {
        "the receiver answered 410 Gone".to_owned()
    } else if now_us.saturating_sub(since_us) >= GIVE_UP_US {
        format!(
            "every message failed for 24 hours; the last one: {}",
            attempt.error
        )
    } else {
        return Ok(());
    };
    tracing::warn!(webhook, why, "a webhook was disabled");
    Ok(store::disable(conn, webhook, now_us, &why).await?)
}

/// Notes a message that its owner asked for and what came of it; it is never sent again.
///
/// # Errors
/// Database errors.
pub async fn record_test(
    conn: &mut Conn,
    now_us: i64,
    webhook: &Webhook,
    message: &Message,
    attempt: &Attempt,
) -> Result<Delivery, WebhookError> {
    let number = store::take_numbers(conn, &webhook.id, 1).await?;
    store::insert_delivery(conn, &webhook.id, number, message, now_us).await?;
    let delivery = Delivery {
        number,
        message: message.clone(),
        state: if attempt.is_delivered() {
            DeliveryState::Delivered
        } else {
            DeliveryState::Failed
        },
        created_us: now_us,
        attempts: 1,
        next_us: 0,
        attempted_us: now_us,
        last: attempt.clone(),
    };
    store::set_delivery(conn, &webhook.id, &delivery).await?;
    Ok(delivery)
}

/// Forgets messages put down before `before_us`, wall microseconds. Gives how many.
///
/// # Errors
/// Database errors.
pub async fn forget_before(conn: &mut Conn, before_us: i64) -> Result<u64, WebhookError> {
    Ok(store::forget_before(conn, before_us).await?)
}
