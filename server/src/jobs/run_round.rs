//! Freezes the features of a round and asks the runners for the hosted models' predictions.

use domain::RoundState;

use crate::app::App;
use crate::rounds::{self, Round};
use crate::{models, prices, runners};

/// Publishes the job of one round; next look at the deadline.
///
/// When features are missing the hosted models are absent from the round and lose nothing.
pub(super) async fn publish(app: &App, round: &Round) -> anyhow::Result<()> {
    let mut tx = app.db.begin().await?;
    let hosted = models::active_hosted(&mut tx, round.id.tournament()).await?;
    if !hosted.is_empty() && app.market.now_us() < round.schedule.answer_us {
        let entered = rounds::tournament(&mut tx, round.id.tournament()).await?;
        let asset = &entered.tournament.asset;
        match prices::feature_row(&mut tx, asset, round.schedule.start_us).await {
            Ok(row) => {
                let (now_us, answer_us) = (app.wall.now_us(), round.schedule.answer_us);
                runners::publish_run(
                    &mut tx,
                    now_us,
                    &round.id,
                    answer_us,
                    &row,
                    row.len(),
                    &hosted,
                )
                .await?;
            }
            Err(error) => {
                tracing::warn!(round = %round.id, %error, "no features: hosted models are absent");
            }
        }
    }
    let due_us = round.schedule.deadline_us;
    rounds::look_again(&mut tx, &round.id, RoundState::Open, due_us).await?;
    tx.commit().await?;
    app.runner_wake.notify_waiters();
    Ok(())
}
