//! The suite in the server's place: locks a round a market minute, scores what is committed, voids
//! what came too late. The same verbs in the same order as the server's jobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use alloy::primitives::{B256, keccak256};
use anyhow::Context;
use domain::timestamp::SECOND_US;
use domain::{Direction, Outcome, Probability, RoundState};
use server::app::pause;
use server::predictions::{self, Counted};
use server::prices::{self, Resolution};
use server::rounds::{self, NOT_DUE, Round};
use server::{chain, settlement, stakes};

use super::dice::Dice;
use super::world::World;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(60);
/// A grid of rounds.
const INTERVAL_US: i64 = 60 * SECOND_US;

/// What runs beside the settler, and its switches.
#[derive(Debug)]
pub struct Flow {
    locks: AtomicBool,
    scores: AtomicBool,
    next_start_us: AtomicI64,
    lead_us: i64,
    every_us: i64,
    dice: Dice,
}

impl Flow {
    /// Keeps rounds locked from `lead_s` market seconds before their T on, one every `minutes`.
    pub fn start(world: &Arc<World>, lead_s: i64, minutes: i64, seed: u64) -> Arc<Self> {
        let first_us =
            (world.market.now_us() + 200 * SECOND_US).div_euclid(INTERVAL_US) * INTERVAL_US;
        let flow = Arc::new(Self {
            locks: AtomicBool::new(true),
            scores: AtomicBool::new(true),
            next_start_us: AtomicI64::new(first_us),
            lead_us: lead_s * SECOND_US,
            every_us: minutes * INTERVAL_US,
            dice: Dice::new(seed),
        });
        let (shared, world) = (Arc::clone(&flow), Arc::clone(world));
        tokio::task::spawn_local(async move {
            while !world.stop.is_cancelled() {
                // A full disk or a database that is away stops the server as well: tried again.
                shared.step(&world).await.ok();
                pause(LOOK).await;
            }
        });
        flow
    }

    /// Whether rounds are locked.
    pub fn set_locks(&self, locks: bool) {
        self.locks.store(locks, Ordering::SeqCst);
    }

    /// Whether rounds are scored.
    pub fn set_scores(&self, scores: bool) {
        self.scores.store(scores, Ordering::SeqCst);
    }

    async fn step(&self, world: &World) -> anyhow::Result<()> {
        let market_us = world.market.now_us();
        let last = world.models.last().context("a world has models")?;
        let staked = stakes::of_model(&mut *world.db.read().await?, last).await?;
        while staked.is_some() && self.locks.load(Ordering::SeqCst) {
            let start_us = self.next_start_us.load(Ordering::SeqCst);
            if start_us > market_us + self.lead_us {
                break;
            }
            // A round that nobody could commit in time any more is not begun.
            if start_us > market_us + 30 * SECOND_US && start_us > world.miner.newest_us() {
                self.lock(world, start_us).await?;
            }
            self.next_start_us
                .store(start_us + self.every_us, Ordering::SeqCst);
        }
        if self.scores.load(Ordering::SeqCst) {
            let committed =
                rounds::in_state(&mut *world.db.read().await?, RoundState::Committed).await?;
            for round in committed {
                if round.schedule.start_us <= world.miner.newest_us() {
                    self.score(world, &round).await?;
                }
            }
        }
        void_late(world).await
    }

    async fn lock(&self, world: &World, start_us: i64) -> anyhow::Result<()> {
        let reports: Vec<u32> = world
            .models
            .iter()
            .map(|_| 350_000 + u32::try_from(self.dice.below(300_001)).unwrap_or(0))
            .collect();
        let moments = world.entered.tournament.round(start_us)?;
        let rule = world.entered.tournament.stake.clone();
        let salt = keccak256(start_us.to_be_bytes()).0;
        world
            .write(async |conn| {
                rounds::schedule(conn, std::slice::from_ref(&moments)).await?;
                let (from, to) = (RoundState::Scheduled, RoundState::Open);
                rounds::advance(conn, &moments.id, from, to, NOT_DUE).await?;
                let round = rounds::get(conn, &moments.id).await?;
                let asks: Vec<_> = world
                    .models
                    .iter()
                    .map(|model| (model.clone(), None))
                    .collect();
                let at_risk = stakes::snapshot(conn, &round.id, &rule, &asks).await?;
                let mut counted = Vec::new();
                for (risk, ppm) in at_risk.into_iter().zip(reports) {
                    counted.push(Counted {
                        model: risk.model,
                        sequence: 1,
                        model_index: risk.model_index,
                        at_risk: risk.at_risk,
                        counted: Probability::from_ppm(ppm)?,
                        posted: Probability::from_ppm(ppm)?,
                    });
                }
                predictions::freeze(conn, &round.id, &counted).await?;
                let now_us = world.market.now_us();
                settlement::freeze(conn, now_us, &round, &world.deployment, &counted, salt).await?;
                rounds::advance(
                    conn,
                    &round.id,
                    RoundState::Open,
                    RoundState::Locked,
                    NOT_DUE,
                )
                .await?;
                Ok(())
            })
            .await
    }

    async fn score(&self, world: &World, round: &Round) -> anyhow::Result<()> {
        let direction = if self.dice.below(2) == 0 {
            Direction::Up
        } else {
            Direction::Down
        };
        let outcome = Outcome::Direction(direction);
        let evidence = format!("{{\"up\":{}}}", direction == Direction::Up);
        let resolution = Resolution {
            outcome,
            reason: String::new(),
            p0: None,
            p1: None,
            return_e12: if direction == Direction::Up { 1 } else { -1 },
            evidence_hash: B256::from(keccak256(&evidence).0).to_string(),
            evidence,
            resolved_us: round.schedule.end_us,
        };
        let rule = &world.entered.tournament.stake;
        world
            .write(async |conn| {
                prices::write_resolution(conn, &round.id, &resolution).await?;
                let counted = predictions::counted(conn, &round.id).await?;
                let settled = settlement::settle(conn, round, rule, outcome, &counted).await?;
                stakes::keep_only_losses(conn, &round.id, &settled.payouts).await?;
                use RoundState as S;
                for (from, to) in [
                    (S::Committed, S::Evidenced),
                    (S::Evidenced, S::Resolved),
                    (S::Resolved, S::Scored),
                ] {
                    rounds::advance(conn, &round.id, from, to, NOT_DUE).await?;
                }
                Ok(())
            })
            .await
    }
}

/// A locked round whose commitment was not mined before T can never settle.
async fn void_late(world: &World) -> anyhow::Result<()> {
    let locked = rounds::in_state(&mut *world.db.read().await?, RoundState::Locked).await?;
    for round in locked {
        if round.schedule.start_us > world.miner.newest_us() {
            continue;
        }
        world
            .write(async |conn| {
                let head = chain::final_head(conn).await?;
                let final_us = head.map_or(0, |head| head.time_s * SECOND_US);
                let all_applied = chain::final_events(conn, 1).await?.is_empty();
                if final_us >= round.schedule.start_us && all_applied {
                    let reason = "the commitment was not mined before T";
                    rounds::void(conn, &round.id, RoundState::Locked, reason).await?;
                    stakes::release(conn, &round.id).await?;
                }
                Ok(())
            })
            .await?;
    }
    Ok(())
}
