//! Tells webhooks of events: puts the messages down, sends those whose time has come, notes how it
//! went. Each receiver has a turn of its own, so that a slow one delays nobody.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::timestamp::SECOND_US;
use futures::future::join_all;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::events::{self, Event, Next};
use crate::wall::pause;
use crate::webhooks::{self, MOST_WAITING, Message, Webhook};

/// How often messages are looked for whose time has come, wall time.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Receivers that have a turn at a time.
const TURNS: usize = 16;
/// Messages of one turn.
const MESSAGES: i64 = 20;
/// Events of one turn.
const EVENTS: usize = 200;
/// For so long a turn belongs to this process; a process that died leaves it to others then.
const CLAIM_US: i64 = 60 * SECOND_US;
/// No message is sent this long after the turn began: its answer could come after the claim.
const LAST_SEND_US: i64 = 45 * SECOND_US;
/// A receiver that takes nothing more for now is looked at again after this, wall time.
const FULL_US: i64 = SECOND_US;

/// What there is to do for one webhook.
struct Work {
    webhook: Webhook,
    messages: Vec<Message>,
    /// Up to which event everything is in `messages` or not wanted.
    position: i64,
}

/// Gives turns to webhooks as they are due, until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut turns = JoinSet::new();
    let mut busy = HashSet::new();
    let mut news = app.events.listen();
    while !stop.is_cancelled() {
        match due(&app, &busy).await {
            Ok(due) => {
                let free = TURNS.saturating_sub(turns.len());
                for work in due.into_iter().take(free) {
                    let (app, id) = (Arc::clone(&app), work.webhook.id.clone());
                    busy.insert(id.clone());
                    turns.spawn(async move { (id, turn(&app, work).await) });
                }
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "webhooks cannot be read; tried again");
            }
        }
        let mut nap = std::pin::pin!(pause(LOOK_EVERY));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = news.changed() => break,
                () = &mut nap => break,
                Some(ended) = turns.join_next(), if !turns.is_empty() => {
                    if has_more(ended, &mut busy) {
                        break;
                    }
                }
            }
        }
    }
}

/// Whether the turn that ended did something, so that there may be more to do.
fn has_more(
    ended: Result<(String, anyhow::Result<usize>), tokio::task::JoinError>,
    busy: &mut HashSet<String>,
) -> bool {
    let (webhook, done) = match ended {
        Ok(ended) => ended,
        Err(error) => {
            // Whose turn it was is not known any more; the claims in the table keep turns apart.
            tracing::error!(%error, "a turn of a webhook panicked");
            busy.clear();
            return false;
        }
    };
    busy.remove(&webhook);
    match done {
        Ok(sent) => sent > 0,
        Err(error) => {
            let error = format!("{error:#}");
            tracing::error!(webhook, error, "a turn of a webhook failed; tried again");
            false
        }
    }
}

/// One turn for each webhook that is due; gives how many messages were sent.
///
/// # Errors
/// When the webhooks cannot be read, or the first error of a turn.
pub async fn look(app: &App) -> anyhow::Result<usize> {
    let due = due(app, &HashSet::new()).await?;
    let turns = due.into_iter().map(|work| turn(app, work));
    let sent: anyhow::Result<Vec<usize>> = join_all(turns).await.into_iter().collect();
    Ok(sent?.iter().sum())
}

/// What there is to do. Webhooks to which the new events say nothing are passed over, all in one
/// transaction, and stand behind the others then.
async fn due(app: &App, busy: &HashSet<String>) -> anyhow::Result<Vec<Work>> {
    let newest = app.events.newest().await;
    let now_us = app.wall.now_us();
    let due = {
        let mut conn = app.db.read().await?;
        webhooks::due(&mut conn, now_us, newest).await?
    };
    let (mut wanted, mut passed) = (Vec::new(), Vec::new());
    for webhook in due {
        if busy.contains(&webhook.id) {
            continue;
        }
        let (waits, is_full) = {
            let mut conn = app.db.read().await?;
            let waits = webhooks::waiting(&mut conn, &webhook.id, now_us, 1).await?;
            let count = webhooks::waiting_count(&mut conn, &webhook.id).await?;
            (!waits.is_empty(), count >= MOST_WAITING)
        };
        // Events wait in their own table meanwhile.
        let (messages, position) = match is_full {
            true => (Vec::new(), webhook.position),
            false => new_messages(app, &webhook).await?,
        };
        if waits || !messages.is_empty() {
            wanted.push(Work {
                webhook,
                messages,
                position,
            });
        } else {
            let next_us = now_us + if is_full { FULL_US } else { 0 };
            passed.push((webhook, position, next_us));
        }
    }
    if !passed.is_empty() {
        let mut tx = app.db.begin().await?;
        for (webhook, position, next_us) in &passed {
            webhooks::enqueue(&mut tx, now_us, &webhook.id, &[], *position).await?;
            webhooks::claim(&mut tx, webhook, *next_us).await?;
        }
        tx.commit().await?;
    }
    Ok(wanted)
}

/// Puts down what is new for one webhook and sends what is due; gives how many messages were sent.
async fn turn(app: &App, work: Work) -> anyhow::Result<usize> {
    let (mut webhook, began_us) = (work.webhook, app.wall.now_us());
    let until_us = began_us + CLAIM_US;
    let mut tx = app.db.begin().await?;
    if !webhooks::claim(&mut tx, &webhook, until_us).await? {
        return Ok(0);
    }
    let (messages, position) = (&work.messages, work.position);
    webhooks::enqueue(&mut tx, began_us, &webhook.id, messages, position).await?;
    tx.commit().await?;
    webhook.next_us = until_us;
    let sent = send_waiting(app, &webhook, began_us).await?;
    // A failure has set another moment, and that stays.
    let mut tx = app.db.begin().await?;
    webhooks::claim(&mut tx, &webhook, app.wall.now_us()).await?;
    tx.commit().await?;
    Ok(sent)
}

/// Sends messages in their order until one fails.
async fn send_waiting(app: &App, webhook: &Webhook, began_us: i64) -> anyhow::Result<usize> {
    let (waiting, secrets) = {
        let mut conn = app.db.read().await?;
        (
            webhooks::waiting(&mut conn, &webhook.id, began_us, MESSAGES).await?,
            webhooks::secrets(&mut conn, &webhook.id, began_us).await?,
        )
    };
    let mut sent = 0;
    for delivery in &waiting {
        if app.stop.is_cancelled() || app.wall.now_us() - began_us > LAST_SEND_US {
            break;
        }
        let message = &delivery.message;
        let attempt = webhooks::send(&app.webhooks, &app.wall, webhook, message, &secrets).await;
        let outcome = if attempt.is_delivered() {
            "delivered"
        } else {
            "failed"
        };
        metrics::counter!("foretoken_webhook_attempts_total", "outcome" => outcome).increment(1);
        let random = u32::from_le_bytes(app.random_bytes());
        let mut tx = app.db.begin().await?;
        let now_us = app.wall.now_us();
        webhooks::record(&mut tx, now_us, &webhook.id, delivery, &attempt, random).await?;
        tx.commit().await?;
        sent += 1;
        if !attempt.is_delivered() {
            break;
        }
    }
    Ok(sent)
}

/// What the events after the webhook's position say to it, and the position after them.
async fn new_messages(app: &App, webhook: &Webhook) -> anyhow::Result<(Vec<Message>, i64)> {
    let mut position = webhook.position;
    let mut messages = Vec::new();
    for event in next_events(app, position).await? {
        position = event.sequence;
        if !webhook.filter.covers(&event.tournament) {
            continue;
        }
        let own = app.own_events.of(&app.db, &app.market, &event).await?;
        let own = own.get(&webhook.account).into_iter().flatten();
        for one in own.filter(|one| webhook.filter.wants(one.kind)) {
            let id = format!("evt_{position}_{}_{}", one.kind, one.model);
            messages.push(message(id, one.kind.name(), &one.frame.object()));
        }
        if webhook.filter.admits(&event) {
            let id = format!("evt_{position}");
            messages.push(message(id, event.kind.name(), &event.frame.object()));
        }
    }
    Ok((messages, position))
}

async fn next_events(app: &App, position: i64) -> anyhow::Result<Vec<Arc<Event>>> {
    match app.events.after(position, EVENTS) {
        Next::Events(events) => Ok(events),
        Next::Behind => {
            let limit = i64::try_from(EVENTS).unwrap_or(i64::MAX);
            let mut conn = app.db.read().await?;
            let page = events::after(&mut conn, position, limit).await?;
            Ok(page.into_iter().map(Arc::new).collect())
        }
    }
}

fn message(id: String, kind: &str, body: &[u8]) -> Message {
    Message {
        id,
        kind: kind.to_owned(),
        body: String::from_utf8_lossy(body).into_owned(),
    }
}
