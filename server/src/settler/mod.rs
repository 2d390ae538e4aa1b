//! The settler: the one process that signs for the chain. Holds the committer's and the operator's
//! key, takes the lease, and drives commitments and batches.
//!
//! Decides nothing about money: what is paid is settled in [`crate::settlement`]. Every pass runs
//! the same code, the first after a crash as any other.

mod drive;
mod failpoint;
mod gas;
mod missing;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::Context;
use domain::timestamp::SECOND_US;
use domain::{MarketClock, WallClock};
use tokio_util::sync::CancellationToken;

use crate::app::pause;
use crate::chain::{self, Chain, Deployment, Key, follower};
use crate::db::Db;
use crate::record;
use crate::settlement::intent::LostRule;
use crate::settlement::lease::{self, Lease};
use crate::settlement::{self, ChainView, Depth, Reconciliation, SettlementError, intent};

pub use failpoint::failpoint;

use drive::Seen;
use missing::MissingIntents;

/// Final events applied in one transaction need no more passes than this to catch up.
const MOST_GROUPS: usize = 1_000;
/// Ledger and chain are compared at least every so many polls: a replay has short seconds.
const RECONCILE_POLLS: u32 = 20;

/// The two keys that sign for the chain. A stuck proposal delays no commitment.
#[derive(Clone, Debug)]
pub struct SettlerKeys {
    /// Signs commitments.
    pub committer: Key,
    /// Signs proposals and acceptances.
    pub operator: Key,
}

/// How the settler works.
#[derive(Clone, Debug)]
pub struct SettlerSettings {
    /// Between two passes, wall.
    pub poll: Duration,
    /// A transaction not mined for so long is offered with a higher fee, wall.
    pub stuck_after: Duration,
    /// Nothing is offered above this, wei per gas.
    pub max_fee: u128,
    /// Others may take over when nothing was heard for so long, wall.
    pub lease: Duration,
    /// Ledger and chain are compared at least this often, wall; always before a proposal.
    pub reconcile_every: Duration,
    /// Every posting of the ledger is read again at least this often, wall.
    pub audit_every: Duration,
    /// When a transaction whose nonce somebody else seems to have used is believed to be lost.
    pub lost: LostRule,
    /// Record the chain and apply its events, for an installation whose server may be down.
    pub follows: bool,
}

impl Default for SettlerSettings {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(1),
            stuck_after: Duration::from_secs(45),
            max_fee: 500_000_000_000,
            lease: Duration::from_secs(5),
            reconcile_every: Duration::from_secs(60),
            audit_every: Duration::from_secs(3_600),
            lost: LostRule {
                looks: 5,
                spread_us: 30 * SECOND_US,
            },
            follows: true,
        }
    }
}

/// Everything a pass needs.
#[derive(Debug)]
pub(crate) struct Settler {
    db: Db,
    market: MarketClock,
    wall: WallClock,
    chain: Chain,
    keys: SettlerKeys,
    settings: SettlerSettings,
    deployment: Deployment,
    record: record::Folder,
    holder: String,
    missing: MissingIntents,
}

/// What a settler remembers between passes; losing it costs nothing but work.
#[derive(Debug, Default)]
struct Memory {
    lease: Option<Lease>,
    nonces_checked: bool,
    reconciled_wall_us: i64,
    audited_wall_us: i64,
    idle_since_us: i64,
}

/// Settles until `stop`. A second settler of the same installation waits for the lease.
///
/// # Errors
/// When there is no deployment, the keys are not its keys, or the chain is another one.
pub async fn run(
    db: Db,
    market: MarketClock,
    wall: WallClock,
    chain: Chain,
    (keys, settings): (SettlerKeys, SettlerSettings),
    record: record::Folder,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let settler = Settler::new(db, market, wall, chain, (keys, settings), record).await?;
    let mut memory = Memory::default();
    while !stop.is_cancelled() {
        if let Err(error) = settler.pass(&mut memory).await {
            settler.after_error(&mut memory, &error).await;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = pause(settler.settings.poll) => {}
        }
    }
    if let Some(lease) = &memory.lease {
        let mut tx = settler.db.begin().await?;
        lease::give_back(&mut tx, lease).await?;
        tx.commit().await?;
    }
    Ok(())
}

impl Settler {
    async fn new(
        db: Db,
        market: MarketClock,
        wall: WallClock,
        chain: Chain,
        (keys, settings): (SettlerKeys, SettlerSettings),
        record: record::Folder,
    ) -> anyhow::Result<Self> {
        let fitting = chain::fitting_deployment(&mut *db.read().await?, &chain).await?;
        let deployment = fitting.context("this database knows no contracts")?;
        anyhow::ensure!(
            keys.committer.address() == deployment.committer
                && keys.operator.address() == deployment.operator,
            "the keys are not those that the contracts know: {} and {} are wanted",
            deployment.committer,
            deployment.operator
        );
        let mut tx = db.begin().await?;
        settlement::complete_ledger(&mut tx).await?;
        settlement::warn_of_misfits(&mut tx, &deployment).await?;
        tx.commit().await?;
        let holder = format!("{}-{}", std::process::id(), wall.now_us());
        Ok(Self {
            db,
            market,
            wall,
            chain,
            keys,
            settings,
            deployment,
            record,
            holder,
            missing: MissingIntents::default(),
        })
    }

    /// One pass: lease, record, commitments, batches, transactions.
    async fn pass(&self, memory: &mut Memory) -> Result<(), SettlementError> {
        if self.settings.follows
            && let Err(error) = self.record().await
        {
            // What is signed still has to be brought to its end.
            self.after_error(memory, &error).await;
        }
        let Some(lease) = self.keep_lease(memory).await? else {
            return Ok(());
        };
        if !memory.nonces_checked {
            self.check_nonces(&lease).await?;
            memory.nonces_checked = true;
        }
        self.plan_commitments(&lease).await?;
        let newest = self.chain.latest().await?;
        let final_block = self
            .chain
            .finalized()
            .await?
            .map_or(0, |block| block.number);
        let latest_us = i64::try_from(newest.time_s)
            .unwrap_or(i64::MAX)
            .saturating_mul(SECOND_US);
        let seen = Seen {
            latest_us,
            final_block,
        };
        // Commitments first: nothing that is wrong with a batch may delay them.
        let committer = self.keys.committer.address();
        self.drive(&lease, committer, seen).await?;
        let settled = self.settle(&lease, memory, latest_us).await;
        let operator = self.keys.operator.address();
        self.drive(&lease, operator, seen).await?;
        settled
    }

    /// Records what the chain has said and applies what is final.
    async fn record(&self) -> Result<(), SettlementError> {
        follower::step(&self.db, &self.chain, &self.deployment).await?;
        for _ in 0..MOST_GROUPS {
            if chain::final_events(&mut *self.db.read().await?, 1)
                .await?
                .is_empty()
            {
                return Ok(());
            }
            let mut tx = self.db.begin().await?;
            settlement::apply_pending(&mut tx, self.market.now_us()).await?;
            tx.commit().await?;
            failpoint("events_applied");
        }
        Ok(())
    }

    /// Renews the lease when a third of it is gone, and takes it when it is free.
    async fn keep_lease(&self, memory: &mut Memory) -> Result<Option<Lease>, SettlementError> {
        let now_us = self.wall.now_us();
        let length_us = i64::try_from(self.settings.lease.as_micros()).unwrap_or(i64::MAX);
        let renew_at_us = |lease: &Lease| lease.until_us.saturating_sub(length_us / 3 * 2);
        if let Some(lease) = memory
            .lease
            .as_ref()
            .filter(|lease| now_us < renew_at_us(lease))
        {
            return Ok(Some(lease.clone()));
        }
        let mut tx = self.db.begin().await?;
        let until_us = now_us.saturating_add(length_us);
        let taken = lease::take(&mut tx, &self.holder, now_us, until_us).await?;
        tx.commit().await?;
        let had = memory.lease.as_ref().map(|lease| lease.fence);
        if taken.as_ref().map(|lease| lease.fence) != had {
            // Another holder may have done anything meanwhile.
            memory.nonces_checked = false;
            memory.reconciled_wall_us = 0;
            memory.audited_wall_us = 0;
        }
        memory.lease.clone_from(&taken);
        Ok(taken)
    }

    async fn check_nonces(&self, lease: &Lease) -> Result<(), SettlementError> {
        for key in [&self.keys.committer, &self.keys.operator] {
            let on_chain = self.chain.nonce(key.address(), false).await?;
            let mut tx = self.db.begin().await?;
            lease::hold(&mut tx, lease).await?;
            intent::check_nonce(&mut tx, key.address(), on_chain).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn plan_commitments(&self, lease: &Lease) -> Result<(), SettlementError> {
        let market_us = self.market.now_us();
        if !settlement::commits_waiting(&mut *self.db.read().await?, market_us, &self.deployment)
            .await?
        {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        let wall_us = self.wall.now_us();
        settlement::plan_commits(&mut tx, lease, market_us, wall_us, &self.deployment).await?;
        tx.commit().await?;
        failpoint("commitments_planned");
        Ok(())
    }

    /// Moves the vault's batch on by at most one state.
    async fn settle(
        &self,
        lease: &Lease,
        memory: &mut Memory,
        latest_us: i64,
    ) -> Result<(), SettlementError> {
        self.expire(lease).await?;
        let every = self
            .settings
            .reconcile_every
            .min(self.settings.poll.saturating_mul(RECONCILE_POLLS));
        let due_us = i64::try_from(every.as_micros()).unwrap_or(i64::MAX);
        if self.wall.now_us().saturating_sub(memory.reconciled_wall_us) >= due_us {
            self.reconcile(lease, memory).await?;
            self.note_balances().await?;
        }
        if self.is_halted().await? {
            return Ok(());
        }
        let work = settlement::work(
            &mut *self.db.read().await?,
            latest_us,
            memory.idle_since_us,
            &self.deployment,
        )
        .await?;
        match work {
            settlement::Work::Nothing => Ok(()),
            settlement::Work::Accept(id) => {
                let mut tx = self.db.begin().await?;
                let wall_us = self.wall.now_us();
                settlement::begin_acceptance(&mut tx, lease, wall_us, &self.deployment, &id)
                    .await?;
                tx.commit().await?;
                failpoint("acceptance_planned");
                Ok(())
            }
            settlement::Work::Plan | settlement::Work::Propose(_) => {
                // Never before ledger and chain agree at a final block.
                if !self.reconcile(lease, memory).await? {
                    return Ok(());
                }
                self.propose(lease, latest_us, memory.idle_since_us, work)
                    .await
            }
        }
    }

    async fn propose(
        &self,
        lease: &Lease,
        latest_us: i64,
        idle_since_us: i64,
        work: settlement::Work,
    ) -> Result<(), SettlementError> {
        let id = if let settlement::Work::Propose(id) = work {
            id
        } else {
            let mut tx = self.db.begin().await?;
            let planned =
                settlement::plan_batch(&mut tx, lease, latest_us, idle_since_us, &self.deployment)
                    .await?;
            tx.commit().await?;
            failpoint("batch_planned");
            let Some(planned) = planned else {
                return Ok(());
            };
            planned.id
        };
        self.publish(&id).await?;
        let mut tx = self.db.begin().await?;
        let wall_us = self.wall.now_us();
        settlement::begin_proposal(&mut tx, lease, wall_us, &self.deployment, &id).await?;
        tx.commit().await?;
        failpoint("proposal_planned");
        Ok(())
    }

    /// Publishes the record of a batch; nothing is proposed before all of it is durable.
    async fn publish(&self, id: &str) -> Result<(), SettlementError> {
        let rpc = Some(self.chain.url().to_owned()).filter(|url| chain::is_of_this_computer(url));
        let mut conn = self.db.read().await?;
        let record = settlement::record(&mut conn, &self.deployment, rpc, id).await?;
        let folder = self.record.clone();
        let published =
            tokio::task::spawn_blocking(move || folder.publish(&record.files, record.entry));
        let stopped = |error: tokio::task::JoinError| SettlementError::Broken(error.to_string());
        published.await.map_err(stopped)??;
        failpoint("record_published");
        Ok(())
    }

    async fn expire(&self, lease: &Lease) -> Result<(), SettlementError> {
        let final_us = {
            let mut conn = self.db.read().await?;
            let Some(head) = chain::final_head(&mut conn).await? else {
                return Ok(());
            };
            let final_us = head.time_s.saturating_mul(SECOND_US);
            let all_applied = chain::final_events(&mut conn, 1).await?.is_empty();
            let overdue = settlement::overdue(&mut conn, final_us, &self.deployment).await?;
            if !all_applied || !overdue {
                return Ok(());
            }
            final_us
        };
        let mut tx = self.db.begin().await?;
        settlement::expire(&mut tx, lease, final_us, &self.deployment).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Compares ledger and chain; a difference halts. `false` when that or when not yet comparable.
    async fn reconcile(&self, lease: &Lease, memory: &mut Memory) -> Result<bool, SettlementError> {
        let head = chain::final_head(&mut *self.db.read().await?).await?;
        let Some(head) = head else { return Ok(false) };
        // Before the contracts are final there is nothing to compare.
        let vault = self.deployment.vault;
        if memory.idle_since_us == 0 && !self.chain.had_code(vault, head.number).await? {
            return Ok(false);
        }
        let view: ChainView = settlement::read_chain(&self.chain, &self.deployment, head).await?;
        memory.idle_since_us = view.accepted_at_s.saturating_mul(SECOND_US);
        let depth = self.depth(memory).await?;
        let now_us = self.market.now_us();
        let mut tx = self.db.begin().await?;
        settlement::of_one_moment(&mut tx, &self.db).await?;
        lease::hold(&mut tx, lease).await?;
        let done: Option<Reconciliation> =
            settlement::reconcile(&mut tx, now_us, &self.deployment, &view, depth).await?;
        if let Some(one) = done.as_ref().filter(|one| !one.equal) {
            let reason = format!(
                "ledger and chain differ at block {}: {}",
                one.block_number, one.differs
            );
            settlement::halt(&mut tx, now_us, &reason).await?;
        }
        tx.commit().await?;
        if done.is_some() {
            memory.reconciled_wall_us = self.wall.now_us();
            if depth == Depth::Postings {
                memory.audited_wall_us = memory.reconciled_wall_us;
            }
        }
        Ok(done.is_some_and(|one| one.equal))
    }

    /// Every posting is read when a settler begins, now and then, and always while halted, so that
    /// nobody resumes over a broken ledger.
    async fn depth(&self, memory: &Memory) -> Result<Depth, SettlementError> {
        let every_us = i64::try_from(self.settings.audit_every.as_micros()).unwrap_or(i64::MAX);
        let age_us = self.wall.now_us().saturating_sub(memory.audited_wall_us);
        if age_us >= every_us || self.is_halted().await? {
            return Ok(Depth::Postings);
        }
        Ok(Depth::Balances)
    }

    async fn is_halted(&self) -> Result<bool, SettlementError> {
        Ok(settlement::halted(&mut *self.db.read().await?)
            .await?
            .is_some())
    }

    /// A pass that failed is tried again. What says that money or history is wrong halts.
    async fn after_error(&self, memory: &mut Memory, error: &SettlementError) {
        if matches!(error, SettlementError::Fenced) {
            tracing::warn!("another settler took the lease");
            memory.lease = None;
        } else if error.is_passing() {
            tracing::warn!(%error, "a pass of the settler failed; tried again");
        } else if let Err(second) = self.halt(&error.to_string()).await {
            tracing::error!(%error, %second, "settlement could not even be halted");
        }
    }

    async fn halt(&self, reason: &str) -> Result<(), SettlementError> {
        let mut tx = self.db.begin().await?;
        settlement::halt(&mut tx, self.market.now_us(), reason).await?;
        tx.commit().await?;
        Ok(())
    }
}
