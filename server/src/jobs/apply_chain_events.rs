//! Tells the slices what the chain has said, each final event once and in the chain's order.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::wall::pause;
use crate::{chain, settlement};

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
    let waits = {
        let mut conn = app.db.read().await?;
        !chain::final_events(&mut conn, 1).await?.is_empty()
    };
    if !waits {
        return Ok(0);
    }
    let mut tx = app.db.begin().await?;
    let applied = settlement::apply_pending(&mut tx, app.market.now_us()).await?;
    tx.commit().await?;
    app.events.wake();
    Ok(applied)
}
