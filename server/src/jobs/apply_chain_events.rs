//! Tells the slices what the chain has said, each final event once and in the chain's order.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::wall::pause;
use crate::{chain, settlement, stakes};

/// Events that share one transaction.
const GROUP: i64 = 200;

/// Applies events as they become final, until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match apply(&app).await {
            Ok(0) => {}
            Ok(_) => {
                app.timetable_wake.notify_one();
                continue;
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "the chain's events could not be applied; tried again"
                );
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = pause(app.settings.chain_poll) => {}
        }
    }
}

/// Applies what waits, in one transaction: all of it or nothing. Gives how many.
///
/// # Errors
/// When a slice refuses an event; nothing is marked as applied then.
pub async fn apply(app: &App) -> anyhow::Result<usize> {
    let events = {
        let mut conn = app.db.read().await?;
        chain::final_events(&mut conn, GROUP).await?
    };
    if events.is_empty() {
        return Ok(0);
    }
    let mut tx = app.db.begin().await?;
    for event in &events {
        if chain::mark_applied(&mut tx, event).await? {
            stakes::apply(&mut tx, event).await?;
            settlement::on_event(&mut tx, app.market.now_us(), event).await?;
        }
    }
    tx.commit().await?;
    Ok(events.len())
}
