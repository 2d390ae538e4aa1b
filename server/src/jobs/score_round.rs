//! Scores a resolved round and works out what it pays.

use anyhow::Context;
use domain::RoundState;

use crate::app::App;
use crate::db::Tx;
use crate::events::{self, Told};
use crate::rounds::{self, Round};
use crate::{models, predictions, prices, scores, settlement, stakes};

/// Writes scores and payouts in one transaction; a settlement batch takes the round from there.
pub(super) async fn score(app: &App, round: &Round) -> anyhow::Result<()> {
    let began_us = app.wall.now_us();
    let mut tx = app.db.begin().await?;
    if app.market.now_us() >= round.schedule.settle_by_us {
        return void(app, tx, round, "it was not scored in time").await;
    }
    let entered = rounds::tournament(&mut tx, round.id.tournament()).await?;
    let resolution = prices::resolution(&mut tx, &round.id)
        .await?
        .context("no resolution")?;
    let counted = predictions::counted(&mut tx, &round.id).await?;
    let ids: Vec<_> = counted.iter().map(|one| one.model.clone()).collect();
    let reference: Vec<_> = models::by_ids(&mut tx, &ids)
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
    let (took_us, now_us) = (app.wall.now_us() - began_us, app.market.now_us());
    rounds::record_stage(&mut tx, &round.id, "score", now_us, took_us).await?;
    events::append(&mut tx, now_us, &[Told::scored(&round.id)]).await?;
    tx.commit().await?;
    Ok(())
}

/// A round that no batch took by its settle-by can never settle.
pub(super) async fn void_if_not_proposed(app: &App, round: &Round) -> anyhow::Result<()> {
    let tx = app.db.begin().await?;
    void(app, tx, round, "no batch was proposed in time").await
}

async fn void(app: &App, mut tx: Tx, round: &Round, reason: &str) -> anyhow::Result<()> {
    rounds::void(&mut tx, &round.id, round.state, reason).await?;
    stakes::release(&mut tx, &round.id).await?;
    let told = Told::void(&round.id, reason);
    events::append(&mut tx, app.market.now_us(), &[told]).await?;
    tx.commit().await?;
    tracing::warn!(round = %round.id, reason, at_us = app.market.now_us(), "void");
    Ok(())
}
