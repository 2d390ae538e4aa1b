//! Closes the evidence of a round and writes its outcome.

use std::time::Duration;

use domain::{Outcome, RoundState};

use super::{chain_view_is_old, clock_alert, in_market_us};
use crate::app::App;
use crate::events::{self, Told};
use crate::prices::{self, Evidence};
use crate::rounds::{self, NOT_DUE, Round};
use crate::stakes;

/// Trades are written this long after they were received, about.
const RECORDING: Duration = Duration::from_millis(500);

/// Resolves a round whose interval has passed; looks again while evidence is open.
pub(super) async fn resolve(app: &App, round: &Round) -> anyhow::Result<()> {
    let began_us = app.wall.now_us();
    let mut tx = app.db.begin().await?;
    let now_us = app.market.now_us();
    let entered = rounds::tournament(&mut tx, round.id.tournament()).await?;
    if clock_alert(app).is_some() || chain_view_is_old(&mut tx, now_us).await? {
        let due_us = now_us + in_market_us(app, Duration::from_secs(1));
        rounds::look_again(&mut tx, &round.id, round.state, due_us).await?;
        return Ok(tx.commit().await?);
    }
    // What was received by now may still wait to be written.
    let recorded_us = app.feeds.as_ref().map_or(now_us, |feeds| {
        feeds.recorded_through_us(&entered.tournament, now_us)
    });
    let evidence = prices::close_evidence(&mut tx, recorded_us, round, &entered.tournament).await?;
    let resolution = match evidence {
        Evidence::NotYet { look_again_us } => {
            let wait_us = match app.feeds {
                Some(_) => in_market_us(app, RECORDING),
                None => 1,
            };
            let due_us = look_again_us.max(now_us + wait_us);
            rounds::look_again(&mut tx, &round.id, round.state, due_us).await?;
            tx.commit().await?;
            return Ok(());
        }
        Evidence::Closed(resolution) => resolution,
    };
    prices::write_resolution(&mut tx, &round.id, &resolution).await?;
    if round.state == RoundState::Committed {
        let (from, to) = (RoundState::Committed, RoundState::Evidenced);
        rounds::advance(&mut tx, &round.id, from, to, NOT_DUE).await?;
    }
    let told = if resolution.outcome == Outcome::Void {
        rounds::void(
            &mut tx,
            &round.id,
            RoundState::Evidenced,
            &resolution.reason,
        )
        .await?;
        stakes::release(&mut tx, &round.id).await?;
        Told::void(&round.id, &resolution.reason)
    } else {
        let (from, to) = (RoundState::Evidenced, RoundState::Resolved);
        rounds::advance(&mut tx, &round.id, from, to, now_us).await?;
        Told::resolved(&round.id, resolution.outcome)
    };
    let took_us = app.wall.now_us() - began_us;
    rounds::record_stage(&mut tx, &round.id, "resolve", now_us, took_us).await?;
    events::append(&mut tx, now_us, &[told]).await?;
    tx.commit().await?;
    app.timetable_wake.notify_one();
    Ok(())
}
