//! Sends uploaded models to a runner for their trial.

use std::sync::OnceLock;

use anyhow::Context;
use datasets::candle::Asset;
use datasets::features::FEATURE_COUNT;
use datasets::split::Part;

use crate::app::App;
use crate::{models, rounds, runners};

/// Rounds of the validation part that a model answers in its trial.
pub(crate) const TRIAL_ROWS: usize = 256;

/// Publishes a trial for every model that waits for one; a published one is not published again.
pub(super) async fn publish(app: &App) -> anyhow::Result<()> {
    let waiting = {
        let mut conn = app.db.read().await?;
        let mut waiting = Vec::new();
        for entered in rounds::tournaments(&mut conn).await? {
            waiting.extend(models::to_check(&mut conn, &entered.tournament.id).await?);
        }
        waiting
    };
    for model in waiting {
        // Publishing twice changes nothing; remembering it here only saves the write.
        if !app.remember_trial(&model.id, &model.artifact) {
            continue;
        }
        let mut tx = app.db.begin().await?;
        let features = trial_features()?;
        let rows = features.len() / FEATURE_COUNT;
        let now_us = app.wall.now_us();
        runners::publish_check(&mut tx, now_us, &model, features, rows, FEATURE_COUNT).await?;
        tx.commit().await?;
        app.runner_wake.notify_waiters();
    }
    Ok(())
}

/// Real rows that no training saw: what the model will meet. Row-major, the same for everybody.
pub(crate) fn trial_features() -> anyhow::Result<&'static [f32]> {
    static ROWS: OnceLock<Result<Vec<f32>, String>> = OnceLock::new();
    let made = ROWS.get_or_init(|| {
        let history = datasets::bundled::candles().map_err(|e| e.to_string())?;
        let rows = datasets::dataset::rows(&history, Asset::Btc, Part::Validation);
        let rows = rows.map_err(|e| e.to_string())?;
        Ok(rows
            .rows
            .into_iter()
            .take(TRIAL_ROWS)
            .flat_map(|row| row.features)
            .collect())
    });
    made.as_deref()
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("the trial's rows")
}
