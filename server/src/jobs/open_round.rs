//! Makes rounds ahead of time and opens them.

use domain::RoundState;

use crate::app::App;
use crate::events::{self, Told};
use crate::rounds::{self, Round};

/// Makes the rounds that open within the next interval.
pub(super) async fn schedule(app: &App) -> anyhow::Result<()> {
    let now_us = app.market.now_us();
    let missing = {
        let mut conn = app.db.read().await?;
        rounds::missing(&mut conn, now_us, app.settings.replay_end_us).await?
    };
    if missing.is_empty() {
        return Ok(());
    }
    let mut tx = app.db.begin().await?;
    rounds::schedule(&mut tx, &missing).await?;
    tx.commit().await?;
    Ok(())
}

/// Takes predictions from now on; next look at the freeze.
pub(super) async fn open(app: &App, round: &Round) -> anyhow::Result<()> {
    let mut tx = app.db.begin().await?;
    let due_us = round.schedule.freeze_us;
    rounds::advance(
        &mut tx,
        &round.id,
        RoundState::Scheduled,
        RoundState::Open,
        due_us,
    )
    .await?;
    let told = Told::open(&round.schedule);
    events::append(&mut tx, app.market.now_us(), &[told]).await?;
    tx.commit().await?;
    Ok(())
}
