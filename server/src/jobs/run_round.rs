//! Freezes the features of a round and asks the runners for the hosted models' predictions.

use anyhow::Context;
use datasets::features::FEATURES;
use domain::RoundState;

use crate::app::App;
use crate::db::Conn;
use crate::prices::{Frozen, PriceError};
use crate::receipts::{self, Given};
use crate::rounds::{self, Round};
use crate::{db, models, prices, runners};

/// Name of the fact that keys the choice of models that run twice; no runner can know it.
const SAMPLE_SECRET: &str = "runner_sample_secret";

/// Publishes the job of one round; next look at the deadline.
///
/// When features are missing the hosted models are absent from the round and lose nothing.
pub(super) async fn publish(app: &App, round: &Round) -> anyhow::Result<()> {
    let mut tx = app.db.begin().await?;
    let now_us = app.market.now_us();
    let is_frozen = prices::frozen(&mut tx, &round.id).await?.is_some();
    if !is_frozen && now_us < round.schedule.answer_us {
        let frozen = freeze(&mut tx, app, round, now_us).await?;
        prices::write_frozen(&mut tx, &round.id, &frozen).await?;
    }
    let due_us = round.schedule.deadline_us;
    rounds::look_again(&mut tx, &round.id, RoundState::Open, due_us).await?;
    tx.commit().await?;
    app.runner_wake.notify_waiters();
    Ok(())
}

/// Freezes the features and publishes the job; without features, the reason.
async fn freeze(conn: &mut Conn, app: &App, round: &Round, now_us: i64) -> anyhow::Result<Frozen> {
    let entered = rounds::tournament(conn, round.id.tournament()).await?;
    let asset = &entered.tournament.asset;
    let row = match prices::feature_row(conn, asset, round.schedule.start_us).await {
        Ok(row) => row,
        Err(error @ (PriceError::Features(_) | PriceError::UnknownAsset(_))) => {
            tracing::warn!(round = %round.id, %error, "no features: hosted models are absent");
            return Ok(Frozen::nothing(now_us, error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    let hosted = models::active_hosted(conn, round.id.tournament()).await?;
    if !hosted.is_empty() {
        let (wall_us, answer_us) = (app.wall.now_us(), round.schedule.answer_us);
        let columns = row.len();
        runners::publish_run(conn, wall_us, &round.id, answer_us, &row, columns, &hosted).await?;
        let names: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
        let given = Given {
            features: &row,
            names: &names,
            columns,
        };
        receipts::open(conn, now_us, &round.id, given, &hosted).await?;
        let (secret, share_ppm) = (sample_secret(conn, app).await?, app.settings.replicated_ppm);
        runners::sample_run(conn, wall_us, &round.id, &hosted, &secret, share_ppm).await?;
    }
    Ok(Frozen::row(now_us, &row))
}

/// Made on the first use, then always the same.
async fn sample_secret(conn: &mut Conn, app: &App) -> anyhow::Result<[u8; 32]> {
    let mut secret = [0; 32];
    if let Some(kept) = db::fact(conn, SAMPLE_SECRET).await? {
        hex::decode_to_slice(&kept, &mut secret).context("the secret of the runners' samples")?;
        return Ok(secret);
    }
    secret = app.random_bytes();
    db::set_fact(conn, SAMPLE_SECRET, &hex::encode(secret)).await?;
    Ok(secret)
}
