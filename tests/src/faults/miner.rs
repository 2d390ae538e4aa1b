//! Who mines: a block every few milliseconds, at the market's pace, and held back on demand.
//!
//! A block's time follows the market clock while no proposal waits. While one does, time goes in
//! small steps and jumps to the end of its window at most, so that a settler which is down for some
//! seconds of wall does not find its proposal dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use domain::MarketClock;
use domain::timestamp::SECOND_US;
use serde_json::json;
use server::app::pause;
use server::db::Db;
use server::settlement::{self, BatchState};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use super::node::Node;

/// The base fee of an idle chain, wei.
const BASE_FEE: u64 = 1_000_000_000;
/// Seconds between two blocks while a proposal waits.
const STEP_S: u64 = 1;

/// The shared controls of a mining task.
#[derive(Debug)]
pub struct Miner {
    budget: AtomicI64,
    base_fee: AtomicU64,
    newest_s: AtomicU64,
    at_work: Mutex<()>,
}

impl Miner {
    /// Mines until `stop`, one block a `pace`.
    pub fn start(
        node: Node,
        market: MarketClock,
        db: Db,
        pace: Duration,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let miner = Arc::new(Self {
            budget: AtomicI64::new(i64::MAX),
            base_fee: AtomicU64::new(BASE_FEE),
            newest_s: AtomicU64::new(0),
            at_work: Mutex::new(()),
        });
        let shared = Arc::clone(&miner);
        tokio::task::spawn_local(async move {
            while !stop.is_cancelled() {
                // The node is killed at the end of a row, and a database may be down on purpose.
                shared.mine(&node, &market, &db).await.ok();
                pause(pace).await;
            }
        });
        miner
    }

    /// Mines so many more blocks, then none until [`Miner::free`].
    pub fn hold_after(&self, blocks: i64) {
        self.budget.store(blocks, Ordering::SeqCst);
    }

    /// Mines on.
    pub fn free(&self) {
        self.budget.store(i64::MAX, Ordering::SeqCst);
    }

    /// The base fee of the blocks to come, wei; `None`: that of an idle chain.
    pub fn set_base_fee(&self, wei: Option<u64>) {
        self.base_fee
            .store(wei.unwrap_or(BASE_FEE), Ordering::SeqCst);
    }

    /// Time of the newest block, market microseconds.
    #[must_use]
    pub fn newest_us(&self) -> i64 {
        let newest_s = self.newest_s.load(Ordering::SeqCst);
        i64::try_from(newest_s)
            .unwrap_or(i64::MAX)
            .saturating_mul(SECOND_US)
    }

    /// No block is mined while this is held.
    pub async fn stopped(&self) -> MutexGuard<'_, ()> {
        self.at_work.lock().await
    }

    async fn mine(&self, node: &Node, market: &MarketClock, db: &Db) -> anyhow::Result<()> {
        let _at_work = self.at_work.lock().await;
        if self.budget.load(Ordering::SeqCst) <= 0 {
            return Ok(());
        }
        let (_, newest_s) = node.newest().await?;
        let slow_us = slow_until_us(db).await;
        let market_s = u64::try_from(market.now_us() / SECOND_US)?;
        let next_s = match slow_us {
            Some(until_us) => market_s.min(u64::try_from(until_us / SECOND_US)?),
            None => market_s,
        };
        let next_s = next_s.max(newest_s + STEP_S);
        let base_fee = self.base_fee.load(Ordering::SeqCst);
        node.commands(&[
            ("evm_setNextBlockTimestamp", json!([next_s])),
            (
                "anvil_setNextBlockBaseFeePerGas",
                json!([format!("{base_fee:#x}")]),
            ),
            ("evm_mine", json!([])),
        ])
        .await?;
        self.newest_s.store(next_s, Ordering::SeqCst);
        self.budget
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                (left < i64::MAX).then(|| left - 1)
            })
            .ok();
        Ok(())
    }
}

/// While a proposal may wait on the chain: the moment up to which its time may jump.
async fn slow_until_us(db: &Db) -> Option<i64> {
    let newest = async {
        let mut conn = db.read().await.ok()?;
        settlement::batches(&mut conn, 1).await.ok()
    };
    let Some(newest) = newest.await else {
        return Some(0);
    };
    let batch = newest.first()?;
    match batch.state {
        BatchState::Proposing | BatchState::Accepting => Some(0),
        BatchState::Proposed => Some(batch.accept_after_us),
        _ => None,
    }
}
