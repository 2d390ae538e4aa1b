//! Jobs: one deadline loop that moves rounds on, and the calendar's chores.
//!
//! A job reads what slices hold, calls their verbs in one transaction and says when to look again.
//! Jobs are idempotent: a restart runs the same code as every tick.

pub mod apply_chain_events;
pub mod calendar;
pub mod check_model;
pub mod deliver_webhooks;
pub mod diagnose_model;
#[cfg(test)]
mod diagnose_tests;
mod diagnosis_material;
mod lock_round;
mod open_round;
pub mod publish_dataset;
mod resolve_round;
mod run_round;
mod score_round;
#[cfg(test)]
mod sealed_tests;
mod watch_runners;

use std::sync::Arc;
use std::time::Duration;

use domain::RoundState;
use domain::timestamp::SECOND_US;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::chain;
use crate::db::Conn;
use crate::rounds::{self, Round, RoundError};
use crate::wall::pause;

/// The longest nap of the deadline loop on the wall: another process may have added a round.
const LONGEST_NAP: Duration = Duration::from_millis(200);

/// Nothing locks or resolves by an older view of the chain (protocol.md §1), market time.
const OLDEST_CHAIN_VIEW_US: i64 = 300 * SECOND_US;

/// Moves every round on as its moments come, until `stop`.
pub async fn run_deadlines(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = tick(&app).await {
            tracing::error!(
                error = format!("{error:#}"),
                "the deadline loop could not read its rounds"
            );
            pause(LONGEST_NAP).await;
            continue;
        }
        let nap = next_nap(&app).await.min(LONGEST_NAP);
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.timetable_wake.notified() => {}
            () = pause(nap) => {}
        }
    }
}

/// Everything that is due now, once.
///
/// # Errors
/// When the rounds cannot be read; a job's own failure is logged and retried.
pub async fn tick(app: &App) -> anyhow::Result<()> {
    open_round::schedule(app).await?;
    check_model::publish(app).await?;
    if let Err(error) = watch_runners::sweep(app).await {
        // Rounds must not wait for it.
        let error = format!("{error:#}");
        tracing::error!(error, "the runners' leases could not be looked at");
    }
    let due = {
        let mut conn = app.db.read().await?;
        rounds::due(&mut conn, app.market.now_us()).await?
    };
    for round in due {
        if let Err(error) = act(app, &round).await {
            if was_moved(&error) {
                tracing::debug!(round = %round.id, "an event moved the round first");
                continue;
            }
            let error = format!("{error:#}");
            tracing::warn!(round = %round.id, state = %round.state, error, "a round's job failed; it is tried again");
            retry_later(app, &round).await;
            continue;
        }
        app.events.wake();
    }
    Ok(())
}

async fn act(app: &App, round: &Round) -> anyhow::Result<()> {
    match round.state {
        RoundState::Scheduled => open_round::open(app, round).await,
        RoundState::Open if app.market.now_us() < round.schedule.deadline_us => {
            run_round::publish(app, round).await
        }
        RoundState::Open => lock_round::lock(app, round).await,
        RoundState::Locked => lock_round::void_if_not_committed(app, round).await,
        RoundState::Committed | RoundState::Evidenced => resolve_round::resolve(app, round).await,
        RoundState::Resolved => score_round::score(app, round).await,
        RoundState::Scored => score_round::void_if_not_proposed(app, round).await,
        RoundState::Batched | RoundState::Final | RoundState::Void => Ok(()),
    }
}

/// Whether somebody else moved the round between our look and our write: nothing is lost.
fn was_moved(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<RoundError>(),
        Some(RoundError::Moved { .. })
    )
}

/// A failing round must not keep the others from their moments.
async fn retry_later(app: &App, round: &Round) {
    let later = app.market.now_us() + in_market_us(app, Duration::from_millis(250));
    let Ok(mut tx) = app.db.begin().await else {
        return;
    };
    if rounds::look_again(&mut tx, &round.id, round.state, later)
        .await
        .is_ok()
    {
        tx.commit().await.ok();
    }
}

async fn next_nap(app: &App) -> Duration {
    let Ok(mut conn) = app.db.read().await else {
        return LONGEST_NAP;
    };
    match rounds::next_due_us(&mut conn).await {
        Ok(Some(due_us)) => app.market.wall_until(due_us),
        _ => LONGEST_NAP,
    }
}

/// Whether our view of the chain is too old to lock or resolve by.
async fn chain_view_is_old(conn: &mut Conn, now_us: i64) -> anyhow::Result<bool> {
    let newest_s = chain::newest_head(conn)
        .await?
        .map_or(0, |head| head.time_s);
    Ok(now_us - newest_s * SECOND_US > OLDEST_CHAIN_VIEW_US)
}

/// Why nothing may lock or resolve by our clock; none when it is right or prices are a replay.
fn clock_alert(app: &App) -> Option<String> {
    app.feeds.as_ref()?.clock_alert()
}

/// A wall duration in market microseconds.
fn in_market_us(app: &App, wall: Duration) -> i64 {
    app.market.market_us(wall)
}
