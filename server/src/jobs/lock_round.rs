//! The lock: one transaction freezes predictions, stakes, tree, salt and aggregate.

use std::time::Duration;

use anyhow::Context;
use domain::RoundState;
use domain::timestamp::SECOND_US;

use super::{chain_view_is_old, clock_alert, in_market_us};
use crate::app::App;
use crate::db::Conn;
use crate::events::{self, Told};
use crate::predictions::{self, Counted};
use crate::rounds::{self, Round};
use crate::{aggregates, chain, receipts, scores, settlement, stakes};

/// Locks a round whose deadline has passed, or voids it where it cannot be settled. While a seal is
/// closed it waits, until the lock's moment at the latest; a seal that is closed then counts nothing.
pub(super) async fn lock(app: &App, round: &Round) -> anyhow::Result<()> {
    let deployment = app
        .deployment
        .as_ref()
        .context("no chain is configured: `serve --rpc URL`")?;
    let began_us = app.wall.now_us();
    // Predictions received before the deadline may still wait for the writer.
    app.writer.barrier().await?;
    let mut tx = app.db.begin().await?;
    // First of all: the writer waits for us from here, or we have waited for it.
    if !rounds::hold(&mut tx, &round.id, RoundState::Open).await? {
        return Ok(());
    }
    let now_us = app.market.now_us();
    let lock_us = round.schedule.lock_us;
    if now_us < lock_us && predictions::is_any_sealed(&mut tx, &round.id).await? {
        // Whoever opens the last seal makes the round due at once.
        rounds::look_again(&mut tx, &round.id, RoundState::Open, lock_us).await?;
        return Ok(tx.commit().await?);
    }
    let alert = clock_alert(app);
    // The clock may come right before T.
    if alert.is_some() && now_us < round.schedule.start_us {
        let due_us = now_us + in_market_us(app, Duration::from_secs(1));
        let due_us = due_us.min(round.schedule.start_us);
        rounds::look_again(&mut tx, &round.id, RoundState::Open, due_us).await?;
        return Ok(tx.commit().await?);
    }
    if let Some(reason) = alert.or(why_void(&mut tx, round, now_us).await?) {
        receipts::close(&mut tx, &app.receipts, now_us, &round.id, &[]).await?;
        return void(app, tx, round, &reason).await;
    }
    let counted = count(&mut tx, round).await?;
    receipts::close(&mut tx, &app.receipts, now_us, &round.id, &counted).await?;
    if counted.is_empty() {
        return void(app, tx, round, "nobody predicted").await;
    }
    predictions::freeze(&mut tx, &round.id, &counted).await?;
    let salt = receipts::seal(&mut tx, now_us, &round.id, app.random_bytes()).await?;
    settlement::freeze(&mut tx, now_us, round, deployment, &counted, salt).await?;
    let aggregate_began_us = app.wall.now_us();
    let skills = scores::skills_of_round(&mut tx, &counted).await?;
    aggregates::build(&mut tx, now_us, round, &counted, &skills).await?;
    let aggregate_us = app.wall.now_us() - aggregate_began_us;
    rounds::record_stage(&mut tx, &round.id, "aggregate", now_us, aggregate_us).await?;
    let due_us = round.schedule.start_us;
    rounds::advance(
        &mut tx,
        &round.id,
        RoundState::Open,
        RoundState::Locked,
        due_us,
    )
    .await?;
    let took_us = app.wall.now_us() - began_us;
    rounds::record_stage(&mut tx, &round.id, "lock", now_us, took_us).await?;
    events::append(&mut tx, now_us, &[Told::locked(&round.id)]).await?;
    tx.commit().await?;
    Ok(())
}

/// A locked round whose commitment was not mined before T can never settle.
pub(super) async fn void_if_not_committed(app: &App, round: &Round) -> anyhow::Result<()> {
    let mut tx = app.db.begin().await?;
    let final_s = chain::final_head(&mut tx)
        .await?
        .map_or(0, |head| head.time_s);
    let all_applied = chain::final_events(&mut tx, 1).await?.is_empty();
    if final_s * SECOND_US >= round.schedule.start_us && all_applied {
        let reason = "the commitment was not mined before T";
        rounds::void(&mut tx, &round.id, RoundState::Locked, reason).await?;
        stakes::release(&mut tx, &round.id).await?;
        let told = Told::void(&round.id, reason);
        events::append(&mut tx, app.market.now_us(), &[told]).await?;
        tx.commit().await?;
        return Ok(());
    }
    let due_us = app.market.now_us() + in_market_us(app, Duration::from_millis(100));
    rounds::look_again(&mut tx, &round.id, RoundState::Locked, due_us).await?;
    tx.commit().await?;
    Ok(())
}

async fn why_void(conn: &mut Conn, round: &Round, now_us: i64) -> anyhow::Result<Option<String>> {
    if now_us >= round.schedule.start_us {
        return Ok(Some("the lock came after T".into()));
    }
    if let Some(reason) = settlement::halted(conn).await? {
        return Ok(Some(format!("settlement is halted: {reason}")));
    }
    let is_old = chain_view_is_old(conn, now_us).await?;
    Ok(is_old.then(|| "our view of the chain is over five minutes old".into()))
}

async fn count(conn: &mut Conn, round: &Round) -> anyhow::Result<Vec<Counted>> {
    let entered = rounds::tournament(conn, round.id.tournament()).await?;
    let latest = predictions::latest(conn, &round.id).await?;
    let asks: Vec<_> = latest.iter().map(|l| (l.model.clone(), l.ask)).collect();
    let at_risk = stakes::snapshot(conn, &round.id, &entered.tournament.stake, &asks).await?;
    anyhow::ensure!(
        at_risk.len() == latest.len(),
        "the stake snapshot lost a model"
    );
    let counted = latest.into_iter().zip(at_risk).map(|(latest, risk)| {
        anyhow::ensure!(
            latest.model == risk.model,
            "the stake snapshot changed the order"
        );
        Ok(Counted {
            model: latest.model,
            sequence: latest.sequence,
            model_index: risk.model_index,
            at_risk: risk.at_risk,
            counted: latest.counted,
            posted: latest.posted,
        })
    });
    counted.collect()
}

async fn void(app: &App, mut tx: crate::db::Tx, round: &Round, reason: &str) -> anyhow::Result<()> {
    rounds::void(&mut tx, &round.id, RoundState::Open, reason).await?;
    let told = Told::void(&round.id, reason);
    events::append(&mut tx, app.market.now_us(), &[told]).await?;
    tx.commit().await?;
    tracing::info!(round = %round.id, reason, "void");
    Ok(())
}
