//! Scores a resolved round and works out what it pays.

use anyhow::Context;
use domain::RoundState;

use crate::app::App;
use crate::rounds::{self, Round};
use crate::{models, predictions, prices, scores, settlement, stakes};

/// Writes scores and payouts in one transaction; a settlement batch takes the round from there.
pub(super) async fn score(app: &App, round: &Round) -> anyhow::Result<()> {
    let began_us = app.wall.now_us();
    let mut tx = app.db.begin().await?;
    let entered = rounds::tournament(&mut tx, round.id.tournament()).await?;
    let resolution = prices::resolution(&mut tx, &round.id)
        .await?
        .context("no resolution")?;
    let counted = predictions::counted(&mut tx, &round.id).await?;
    let reference: Vec<_> = models::list(&mut tx, Some(round.id.tournament()), None)
        .await?
        .into_iter()
        .filter(|model| model.is_reference)
        .map(|model| model.id)
        .collect();
    scores::score(&mut tx, round, &resolution, &counted, &reference).await?;
    let stake = &entered.tournament.stake;
    let settled = settlement::settle(&mut tx, round, stake, resolution.outcome, &counted).await?;
    stakes::keep_only_losses(&mut tx, &round.id, &settled.payouts).await?;
    let due_us = round.schedule.settle_by_us;
    rounds::advance(
        &mut tx,
        &round.id,
        RoundState::Resolved,
        RoundState::Scored,
        due_us,
    )
    .await?;
    let took_us = app.wall.now_us() - began_us;
    rounds::record_stage(&mut tx, &round.id, "score", app.market.now_us(), took_us).await?;
    tx.commit().await?;
    Ok(())
}

/// A round that no batch took by its settle-by can never settle.
pub(super) async fn void_if_not_proposed(app: &App, round: &Round) -> anyhow::Result<()> {
    let mut tx = app.db.begin().await?;
    rounds::void(
        &mut tx,
        &round.id,
        RoundState::Scored,
        "no batch was proposed in time",
    )
    .await?;
    stakes::release(&mut tx, &round.id).await?;
    tx.commit().await?;
    tracing::warn!(round = %round.id, by_us = app.market.now_us(), "void: not proposed in time");
    Ok(())
}
