//! Chores of the calendar: the scheduler polls the machine's clock every 500 ms, which is good
//! enough for what must happen some time in an hour and never for a round.

use std::sync::Arc;

use tokio_cron_scheduler::{Job, JobScheduler};

use crate::app::App;
use crate::prices::feeds::live;
use crate::settings::frames_folder;
use crate::{events, predictions, prices, webhooks};

/// Trades older than this are forgotten; resolutions keep their evidence. Market microseconds.
const TICKS_KEPT_US: i64 = 2 * 24 * 3_600 * 1_000_000;
/// Events older than this are forgotten, market microseconds; messages to webhooks, wall.
const EVENTS_KEPT_US: i64 = 7 * 24 * 3_600 * 1_000_000;

/// Starts the chores; they end when the scheduler is shut down.
///
/// # Errors
/// When the scheduler does not start.
pub async fn start(app: &Arc<App>) -> anyhow::Result<JobScheduler> {
    let scheduler = JobScheduler::new().await?;
    let shared = Arc::clone(app);
    // Minute 7 of every hour: not when everybody else's chores run.
    let clean_up = Job::new_async("0 7 * * * *", move |_, _| {
        let app = Arc::clone(&shared);
        Box::pin(async move {
            if let Err(error) = forget_old_ticks(&app).await {
                tracing::warn!(error = format!("{error:#}"), "clean-up of trades failed");
            }
            if let Err(error) = forget_old_events(&app).await {
                tracing::warn!(error = format!("{error:#}"), "clean-up of events failed");
            }
        })
    })?;
    scheduler.add(clean_up).await?;
    let shared = Arc::clone(app);
    let forget = Job::new_async("0 17 * * * *", move |_, _| {
        let app = Arc::clone(&shared);
        Box::pin(async move {
            if let Err(error) = forget_old_answers(&app).await {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "clean-up of idempotency keys failed"
                );
            }
        })
    })?;
    scheduler.add(forget).await?;
    scheduler.start().await?;
    Ok(scheduler)
}

async fn forget_old_ticks(app: &App) -> anyhow::Result<()> {
    let before_us = app.market.now_us() - TICKS_KEPT_US;
    let mut tx = app.db.begin().await?;
    let forgotten = prices::forget_ticks_before(&mut tx, before_us).await?;
    tx.commit().await?;
    tracing::info!(forgotten, "old trades forgotten");
    let (frames, now_us) = (frames_folder(&app.settings.data_dir), app.market.now_us());
    let files = tokio::task::spawn_blocking(move || live::forget_old_frames(&frames, now_us));
    let forgotten = files.await??;
    tracing::info!(forgotten, "files of old raw frames forgotten");
    Ok(())
}

async fn forget_old_events(app: &App) -> anyhow::Result<()> {
    let (market_us, wall_us) = (app.market.now_us(), app.wall.now_us());
    let mut tx = app.db.begin().await?;
    let forgotten = events::forget_before(&mut tx, market_us - EVENTS_KEPT_US).await?;
    let messages = webhooks::forget_before(&mut tx, wall_us - EVENTS_KEPT_US).await?;
    tx.commit().await?;
    tracing::info!(forgotten, messages, "old events forgotten");
    Ok(())
}

async fn forget_old_answers(app: &App) -> anyhow::Result<()> {
    let mut tx = app.db.begin().await?;
    let forgotten = predictions::forget_answers(&mut tx, app.wall.now_us()).await?;
    tx.commit().await?;
    tracing::info!(forgotten, "old idempotency keys forgotten");
    Ok(())
}
