//! Batches: scored rounds become changes of the ledger, its new root, and the transactions that
//! propose and accept it. One batch of a vault is on its way at a time.

use std::collections::BTreeMap;

use alloy::primitives::{B256, keccak256};
use alloy::sol_types::SolCall;
use contracts::abi::{self, Reveal, StakeVault};
use contracts::changes::{self, Change};
use contracts::tree::root;
use domain::timestamp::SECOND_US;
use domain::{Outcome, RoundId, RoundState, TokenAmount};

use super::intent::{self, Action, Intent};
use super::lease::{self, Lease};
use super::lock::start_s;
use super::store::batches::Stored;
use super::{Batch, BatchState, Lock, SettlementError, broken, record, store, sum, tree};
use crate::chain::Deployment;
use crate::db::Conn;
use crate::rounds::{self, NOT_DUE};
use crate::{prices, stakes};

/// The contract's limits.
const MOST_ROUNDS: usize = 192;
const MOST_ROUNDS_OF_TOURNAMENT: usize = 96;
/// A round is left out when less than this part of its time to settle is left, so that a late one
/// does not make the contract refuse its neighbours.
const SLACK_PART: i64 = 30;

/// Nodes take a transaction of 128 KiB; its signature and head need some of that.
const MOST_CALL_BYTES: usize = 120 * 1_024;

/// A batch with its fixed rounds, before its proposal.
pub type Planned = Batch;

/// Plans the next batch of the vault, if one is wanted: nothing is on its way, and rounds are
/// scored or the vault has been idle for long. Its rounds become BATCHED.
///
/// `chain_us` is the newest block's time, `idle_since_us` that of the last accepted batch.
///
/// # Errors
/// [`SettlementError::Broken`], [`SettlementError::Fenced`].
pub async fn plan(
    conn: &mut Conn,
    lease: &Lease,
    chain_us: i64,
    idle_since_us: i64,
    deployment: &Deployment,
) -> Result<Option<Planned>, SettlementError> {
    lease::hold(conn, lease).await?;
    let vault = deployment.vault.to_string();
    if store::batches::live(conn, &vault).await?.is_some() {
        return Ok(None);
    }
    let (mut scored, mut void) = candidates(conn, chain_us, deployment).await?;
    if scored.is_empty() && !is_idle(chain_us, idle_since_us, deployment) {
        return Ok(None);
    }
    let changes = fit(conn, &mut scored, &mut void, MOST_CALL_BYTES).await?;
    let burned = burned(&changes)?;
    let locks: Vec<Lock> = scored.iter().chain(&void).cloned().collect();
    let planned = assemble(conn, deployment, &locks, &changes, burned).await?;
    let is_new = store::batches::insert(conn, chain_us, &planned, &changes).await?;
    if !is_new {
        return Err(broken(format!("batch {} exists", planned.batch.id)));
    }
    for lock in &scored {
        let (from, to) = (RoundState::Scored, RoundState::Batched);
        rounds::advance(conn, &lock.round, from, to, NOT_DUE).await?;
    }
    read_back(conn, &planned, &changes).await?;
    Ok(Some(planned.batch))
}

/// Three sevenths of the idle limit: three days of the contract's seven.
pub(super) fn is_idle(chain_us: i64, idle_since_us: i64, deployment: &Deployment) -> bool {
    let limit_us = deployment
        .idle_limit_s
        .saturating_mul(SECOND_US)
        .saturating_mul(3)
        / 7;
    chain_us.saturating_sub(idle_since_us) > limit_us
}

/// Committed rounds that can still be proposed: those that are scored, and those that became void
/// after their commitment. The void ones ride along, so that the chain knows of them too.
async fn candidates(
    conn: &mut Conn,
    chain_us: i64,
    deployment: &Deployment,
) -> Result<(Vec<Lock>, Vec<Lock>), SettlementError> {
    let settle_by_us = deployment.settle_by_s.saturating_mul(SECOND_US);
    let slack_us = settle_by_us / SLACK_PART;
    let oldest_us = chain_us
        .saturating_sub(settle_by_us)
        .saturating_add(slack_us);
    let (mut scored, mut void) = (Vec::new(), Vec::new());
    for lock in store::rounds::without_batch(conn, oldest_us).await? {
        match rounds::get(conn, &lock.round).await?.state {
            RoundState::Scored => scored.push(lock),
            RoundState::Void if lock.round.start_us() <= chain_us => void.push(lock),
            _ => {}
        }
    }
    take_places(&mut scored, &mut void);
    Ok((scored, void))
}

/// Scored rounds hold stakes, so they go first; the void ones take the places that are left.
pub(super) fn take_places(scored: &mut Vec<Lock>, void: &mut Vec<Lock>) {
    let mut places = Places::default();
    scored.retain(|lock| places.take(lock));
    void.retain(|lock| places.take(lock));
}

/// The contract's limits on one batch.
#[derive(Default)]
struct Places {
    of_tournament: BTreeMap<B256, usize>,
    total: usize,
}

impl Places {
    /// Takes a place for the round, if one is left.
    fn take(&mut self, lock: &Lock) -> bool {
        let held = self.of_tournament.entry(lock.tournament_key).or_default();
        let fits = *held < MOST_ROUNDS_OF_TOURNAMENT && self.total < MOST_ROUNDS;
        if fits {
            *held = held.saturating_add(1);
            self.total = self.total.saturating_add(1);
        }
        fits
    }
}

/// Leaves rounds for a later batch until the proposal's call data fits: the void ones, then the
/// newer half of the scored ones. Gives the changes of those that stay.
pub(super) async fn fit(
    conn: &mut Conn,
    scored: &mut Vec<Lock>,
    void: &mut Vec<Lock>,
    most_bytes: usize,
) -> Result<Vec<Change>, SettlementError> {
    let mut changes = changes_of(conn, scored).await?;
    loop {
        let rounds = scored.len().saturating_add(void.len());
        let bytes = call_bytes(rounds, changes.len());
        if bytes <= most_bytes {
            return Ok(changes);
        }
        if !void.is_empty() {
            void.clear();
        } else if scored.len() > 1 {
            scored.truncate(scored.len() / 2);
            changes = changes_of(conn, scored).await?;
        } else {
            return Err(broken(format!(
                "the proposal of a single round has {bytes} bytes, more than the {most_bytes} \
                 that a node takes"
            )));
        }
    }
}

/// Call data of a proposal: selector, eight words, and two lists with their lengths.
pub(super) fn call_bytes(rounds: usize, changes: usize) -> usize {
    let reveals = rounds.saturating_mul(256);
    let packed = changes.saturating_mul(20).div_ceil(32).saturating_mul(32);
    reveals
        .saturating_add(packed)
        .saturating_add(4 + 8 * 32 + 2 * 32)
}

/// Sums the payouts of the rounds by model; what sums to nothing changes nothing.
async fn changes_of(conn: &mut Conn, scored: &[Lock]) -> Result<Vec<Change>, SettlementError> {
    let mut by_index = BTreeMap::<u32, i64>::new();
    for lock in scored {
        for payout in store::rounds::payouts(conn, &lock.round).await? {
            let delta = by_index.entry(payout.model_index).or_default();
            let added = delta.checked_add(payout.delta.units());
            *delta = added.ok_or_else(|| broken(format!("{} overflows", payout.model)))?;
        }
    }
    let changes = by_index.into_iter().filter(|(_, delta)| *delta != 0);
    Ok(changes
        .map(|(index, stake_delta)| Change {
            index,
            stake_delta,
            pool_reward: 0,
        })
        .collect())
}

fn burned(changes: &[Change]) -> Result<TokenAmount, SettlementError> {
    let paid = sum(changes
        .iter()
        .map(|change| domain::Delta::from_units(change.stake_delta)));
    let burned = paid
        .checked_neg()
        .and_then(|burned| u64::try_from(burned).ok());
    burned
        .and_then(|burned| TokenAmount::from_units(burned).ok())
        .ok_or_else(|| broken(format!("a batch would pay {paid} more than it takes")))
}

async fn assemble(
    conn: &mut Conn,
    deployment: &Deployment,
    locks: &[Lock],
    changes: &[Change],
    burned: TokenAmount,
) -> Result<Stored, SettlementError> {
    tree::conserve(changes, burned.units(), 0)?;
    let vault = &deployment.vault.to_string();
    let ledger = stakes::ledger(conn, vault).await?;
    for change in changes {
        let entry = ledger
            .iter()
            .find(|entry| entry.model_index == change.index);
        let left = entry
            .and_then(|entry| i64::try_from(entry.claimable.units()).ok())
            .and_then(|claimable| claimable.checked_add(change.stake_delta));
        if left.is_none_or(|left| left < 0) {
            return Err(broken(format!("{change:?} takes more than there is")));
        }
    }
    let before = tree::of_ledger(&ledger, &[])?.top();
    let after = tree::of_ledger(&ledger, changes)?.top();
    let grown = after.sums.stake_delta.checked_sub(before.sums.stake_delta);
    if grown.and_then(|grown| grown.checked_add(i128::from(burned.units()))) != Some(0) {
        return Err(broken(
            "the new ledger does not differ from the old by what burns",
        ));
    }
    let seq = store::batches::final_seq(conn, vault)
        .await?
        .saturating_add(1);
    let attempt = store::batches::attempts_of(conn, vault, seq)
        .await?
        .saturating_add(1);
    let batch = Batch {
        id: keccak256(format!("{vault} {seq} {attempt}")).to_string(),
        vault: vault.to_owned(),
        seq,
        attempt,
        state: BatchState::Planned,
        prev_root: before.root().to_string(),
        new_root: root(after.hash, after.sums).to_string(),
        rounds: rounds_of(locks),
        propose_tx: String::new(),
        accept_tx: String::new(),
        gas_used: 0,
        burned,
        accept_after_us: 0,
        record_hash: String::new(),
        reason: String::new(),
    };
    let mut planned = Stored {
        batch,
        new_top: after.hash,
        pool_used: 0,
        dies_us: 0,
    };
    let record = record::build(conn, deployment, &planned, changes).await?;
    planned.batch.record_hash = record.entry.keccak256.to_string();
    Ok(planned)
}

fn rounds_of(locks: &[Lock]) -> Vec<RoundId> {
    let mut rounds: Vec<RoundId> = locks.iter().map(|lock| lock.round.clone()).collect();
    rounds.sort_by(|a, b| (a.start_us(), a.tournament()).cmp(&(b.start_us(), b.tournament())));
    rounds
}

async fn read_back(
    conn: &mut Conn,
    planned: &Stored,
    changes: &[Change],
) -> Result<(), SettlementError> {
    let stored = store::batches::get(conn, &planned.batch.id).await?;
    let stored_changes = store::batches::changes(conn, &planned.batch.id).await?;
    tree::conserve(&stored_changes, planned.batch.burned.units(), 0)?;
    let same = stored
        .is_some_and(|stored| stored.batch == planned.batch && stored.new_top == planned.new_top);
    if same && stored_changes == changes {
        return Ok(());
    }
    Err(broken(format!(
        "batch {} reads back differently",
        planned.batch.id
    )))
}

/// Plans the proposal of a planned batch: PLANNED → PROPOSING.
///
/// # Errors
/// [`SettlementError::Moved`], [`SettlementError::Fenced`], [`SettlementError::Broken`].
pub async fn begin_proposal(
    conn: &mut Conn,
    lease: &Lease,
    wall_us: i64,
    deployment: &Deployment,
    id: &str,
) -> Result<(), SettlementError> {
    lease::hold(conn, lease).await?;
    let stored = get(conn, id).await?;
    let changes = store::batches::changes(conn, id).await?;
    tree::conserve(
        &changes,
        stored.batch.burned.units(),
        stored_units(stored.pool_used)?,
    )?;
    let reveals = reveals(conn, &stored.batch.rounds).await?;
    let settle_by_us = deployment.settle_by_s.saturating_mul(SECOND_US);
    let useless_from_us = stored
        .batch
        .rounds
        .iter()
        .map(|round| round.start_us().saturating_add(settle_by_us))
        .min()
        .unwrap_or(i64::MAX);
    let call = StakeVault::proposeBatchCall {
        seq: seq_of(&stored.batch)?,
        prevRoot: hash(&stored.batch.prev_root)?,
        newTop: stored.new_top,
        burned: stored.batch.burned.units(),
        poolUsed: stored_units(stored.pool_used)?,
        reveals,
        changes: changes::pack(&changes)
            .map_err(|error| broken(error.to_string()))?
            .into(),
        recordHash: hash(&stored.batch.record_hash)?,
    };
    advance(conn, id, BatchState::Planned, BatchState::Proposing).await?;
    let calldata = call.abi_encode().into();
    let intent = Intent::new(
        Action::Propose,
        id.to_owned(),
        deployment.operator,
        deployment.vault,
        calldata,
        useless_from_us,
        wall_us,
    );
    intent::plan(conn, &intent).await
}

/// What the proposal opens of each round, by tournament and T.
async fn reveals(conn: &mut Conn, rounds: &[RoundId]) -> Result<Vec<Reveal>, SettlementError> {
    let mut reveals = Vec::with_capacity(rounds.len());
    for round in rounds {
        let lock = store::rounds::lock(conn, round).await?;
        let lock = lock.ok_or_else(|| SettlementError::NotLocked(round.clone()))?;
        let resolution = prices::resolution(conn, round).await?;
        let is_void = rounds::get(conn, round).await?.state == RoundState::Void;
        let outcome = match resolution.as_ref().map(|resolution| resolution.outcome) {
            Some(Outcome::Direction(direction)) if !is_void && direction.y_ppm() == 0 => {
                abi::Outcome::Zero
            }
            Some(Outcome::Direction(_)) if !is_void => abi::Outcome::One,
            _ if is_void => abi::Outcome::Void,
            _ => return Err(broken(format!("{round} has no outcome"))),
        };
        let evidence = resolution
            .map(|resolution| hash(&resolution.evidence_hash))
            .transpose()?;
        reveals.push(Reveal {
            tournament: lock.tournament_key,
            startsAt: start_s(round)?,
            top: lock.top_hash,
            totalStake: lock.total_w.units(),
            totalWeighted: lock.total_p,
            outcome: outcome as u8,
            salt: lock.salt,
            evidence: evidence.unwrap_or_default(),
        });
    }
    reveals.sort_by_key(|reveal| (reveal.tournament, reveal.startsAt));
    Ok(reveals)
}

/// Plans the acceptance of a proposed batch: PROPOSED → ACCEPTING.
///
/// # Errors
/// [`SettlementError::Moved`], [`SettlementError::Fenced`].
pub async fn begin_acceptance(
    conn: &mut Conn,
    lease: &Lease,
    wall_us: i64,
    deployment: &Deployment,
    id: &str,
) -> Result<(), SettlementError> {
    lease::hold(conn, lease).await?;
    let stored = get(conn, id).await?;
    let call = StakeVault::acceptBatchCall {
        seq: seq_of(&stored.batch)?,
        root: hash(&stored.batch.new_root)?,
    };
    advance(conn, id, BatchState::Proposed, BatchState::Accepting).await?;
    let calldata = call.abi_encode().into();
    let tries = store::intents::accepts_of(conn, id).await?;
    let intent = Intent::new(
        Action::Accept,
        intent::subject_of_try(id, tries),
        deployment.operator,
        deployment.vault,
        calldata,
        stored.dies_us,
        wall_us,
    );
    intent::plan(conn, &intent).await
}

pub(super) async fn get(conn: &mut Conn, id: &str) -> Result<Stored, SettlementError> {
    let stored = store::batches::get(conn, id).await?;
    stored.ok_or_else(|| broken(format!("batch {id} is gone")))
}

pub(super) async fn advance(
    conn: &mut Conn,
    id: &str,
    from: BatchState,
    to: BatchState,
) -> Result<(), SettlementError> {
    if store::batches::set_state(conn, id, from, to).await? {
        return Ok(());
    }
    Err(SettlementError::Moved {
        what: format!("batch {id}"),
        expected: from.name(),
    })
}

fn seq_of(batch: &Batch) -> Result<u64, SettlementError> {
    u64::try_from(batch.seq).map_err(|_| broken(format!("seq {}", batch.seq)))
}

pub(super) fn stored_units(units: i64) -> Result<u64, SettlementError> {
    u64::try_from(units).map_err(|_| broken(format!("{units} units")))
}

pub(super) fn hash(text: &str) -> Result<B256, SettlementError> {
    text.parse()
        .map_err(|_| broken(format!("{text:?} is no hash")))
}
