//! Freezes the features of a round and asks the runners for the hosted models' predictions.

use datasets::features::FEATURES;
use domain::RoundState;

use crate::app::App;
use crate::db::Conn;
use crate::prices::{Frozen, PriceError};
use crate::receipts::{self, Given};
use crate::rounds::{self, Round};
use crate::{models, prices, runners};

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
    }
    Ok(Frozen::row(now_us, &row))
}
