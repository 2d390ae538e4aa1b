//! What must hold after every row, read from the chain and from the database, never from the
//! settler.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use anyhow::{Context, ensure};
use contracts::abi::{ForeToken, StakeVault, WEI_PER_UNIT};
use contracts::changes::{self, Change};
use contracts::ledger::Ledger;
use domain::RoundState;
use server::settlement;

use super::flow::Flow;
use super::world::World;
use crate::process::{Running, last_lines};
use crate::wait;

const OPEN_ROUNDS: &str =
    "SELECT count(*) FROM rounds WHERE state NOT IN ('scheduled', 'open', 'final', 'void')";
const OPEN_INTENTS: &str = "SELECT count(*) FROM intents WHERE state IN ('planned', 'sent')";

/// What a row leaves behind.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Batches accepted on chain.
    pub batches: u64,
    /// Rounds that are final.
    pub rounds: usize,
    /// Rounds whose commitment came too late; their stakes are free again.
    pub voided: usize,
    /// Batches that were proposed and died.
    pub rejected: i64,
    /// Attempts that raised a fee or replaced.
    pub replacements: i64,
}

impl Left {
    /// Adds another world's.
    pub fn add(&mut self, other: &Self) {
        self.batches += other.batches;
        self.rounds += other.rounds;
        self.voided += other.voided;
        self.rejected += other.rejected;
        self.replacements += other.replacements;
    }
}

/// Lets everything that has begun come to its end.
///
/// # Errors
/// When it does not within the limit.
pub async fn drain(world: &World, flow: &Flow, limit: Duration) -> anyhow::Result<()> {
    flow.set_locks(false);
    flow.set_scores(true);
    world.miner.free();
    let drained = wait::until(
        "every round and every transaction to end",
        limit,
        async || {
            let open = world.number(OPEN_ROUNDS).await? + world.number(OPEN_INTENTS).await?;
            Ok((open == 0).then_some(()))
        },
    );
    drained.await
}

/// What a message should say of a world that does not go on.
pub async fn told(world: &World, settler: &Running) -> String {
    let halted = match world.db.read().await {
        Ok(mut conn) => settlement::halted(&mut conn).await.ok().flatten(),
        Err(_) => None,
    };
    let rounds = "SELECT state || ' ' || CAST(count(*) AS TEXT) FROM rounds GROUP BY state";
    let intents = "SELECT action || ' ' || state || ' ' || CAST(count(*) AS TEXT) FROM intents \
                   GROUP BY action, state";
    let batches = "SELECT state || ' ' || CAST(count(*) AS TEXT) FROM batches GROUP BY state";
    let mut lines = vec![format!("halted: {halted:?}")];
    for sql in [rounds, intents, batches] {
        lines.push(format!("{:?}", world.texts(sql).await.unwrap_or_default()));
    }
    let market_s = (world.market.now_us() - world.miner.newest_us()) / 1_000_000;
    lines.push(format!(
        "the chain is {market_s} s behind the market; the settler said:"
    ));
    lines.push(last_lines(&settler.stderr()));
    lines.join("\n")
}

/// Every invariant of a world at rest.
///
/// # Errors
/// Names the first that does not hold.
pub async fn invariants(world: &World) -> anyhow::Result<Left> {
    let vault = world.deployment.vault;
    let head = world
        .chain
        .view(vault, &StakeVault::headCall {}, None)
        .await?;
    let accepted = accepted_once(world, head.seq).await?;
    let (rounds, voided) = rounds_once(world).await?;
    transactions_once(world).await?;
    equal_to_the_wei(world).await?;
    let ledger = conserved(world, &accepted).await?;
    let root = ledger.tree()?.root();
    ensure!(
        root == head.root,
        "the ledger rebuilt from call data has root {root}, the chain {}",
        head.root
    );
    Ok(Left {
        batches: head.seq,
        rounds,
        voided,
        rejected: world
            .number("SELECT count(*) FROM batches WHERE state = 'rejected'")
            .await?,
        replacements: world
            .number("SELECT count(*) FROM attempts WHERE number > 1")
            .await?,
    })
}

/// Each seq from 1 to the head was accepted exactly once, and the database says the same. Gives the
/// accepted proposals' numbers.
async fn accepted_once(world: &World, head_seq: u64) -> anyhow::Result<Vec<u32>> {
    let events = world
        .node
        .events::<StakeVault::BatchAccepted>(world.deployment.vault)
        .await?;
    let seqs: Vec<u64> = events.iter().map(|(event, _)| event.seq).collect();
    let expected: Vec<u64> = (1..=head_seq).collect();
    ensure!(
        seqs == expected,
        "accepted on chain: {seqs:?}, head {head_seq}"
    );
    let booked = world
        .numbers("SELECT seq FROM batches WHERE state = 'final' ORDER BY seq")
        .await?;
    let booked: Vec<u64> = booked
        .into_iter()
        .filter_map(|seq| u64::try_from(seq).ok())
        .collect();
    ensure!(
        booked == expected,
        "final in the database: {booked:?}, head {head_seq}"
    );
    let live = world
        .number("SELECT count(*) FROM batches WHERE state NOT IN ('final', 'rejected')")
        .await?;
    ensure!(
        live == 0,
        "{live} batches are on their way in a world at rest"
    );
    Ok(events.into_iter().map(|(event, _)| event.number).collect())
}

/// Every round that was scored is in exactly one final batch, and nothing is reserved any more.
async fn rounds_once(world: &World) -> anyhow::Result<(usize, usize)> {
    // Counted, not listed: a list of rounds has a limit.
    let count = async |state: RoundState| {
        let text = format!(
            "SELECT count(*) FROM rounds WHERE state = '{}'",
            state.name()
        );
        anyhow::Ok(usize::try_from(world.number(&text).await?)?)
    };
    let done = count(RoundState::Final).await?;
    let voided = count(RoundState::Void).await?;
    let scored = world
        .number("SELECT count(DISTINCT round_id) FROM payouts")
        .await?;
    ensure!(
        usize::try_from(scored)? == done,
        "{scored} rounds were scored, {done} are final"
    );
    let places = "SELECT count(*) FROM batch_rounds JOIN batches ON batches.id = batch_rounds.batch_id \
                  JOIN rounds ON rounds.id = batch_rounds.round_id \
                  WHERE batches.state = 'final' AND rounds.state = 'final'";
    let placed = world.number(places).await?;
    ensure!(
        usize::try_from(placed)? == done,
        "{done} final rounds have {placed} places in final batches"
    );
    let lost = world.number("SELECT count(*) FROM rounds WHERE state = 'void' AND id IN (SELECT round_id FROM payouts)").await?;
    ensure!(lost == 0, "{lost} scored rounds became void");
    let reserved = world
        .number("SELECT count(*) FROM reservations WHERE reserved > 0")
        .await?;
    ensure!(reserved == 0, "{reserved} reservations are left");
    Ok((done, voided))
}

/// The keys sent nothing that is not an attempt of an intent, no nonce serves two intents, and what
/// is mined of an intent is one transaction.
async fn transactions_once(world: &World) -> anyhow::Result<()> {
    let shared = "SELECT count(*) FROM (SELECT signer, nonce FROM attempts GROUP BY signer, nonce \
                  HAVING count(DISTINCT intent_id) > 1) AS shared";
    ensure!(
        world.number(shared).await? == 0,
        "two intents share a nonce"
    );
    let twice = "SELECT count(*) FROM (SELECT action, subject FROM intents WHERE state = 'done' \
                 GROUP BY action, subject HAVING count(*) > 1) AS twice";
    ensure!(world.number(twice).await? == 0, "an action was done twice");
    // The operator's allowance is the one transaction from before the settler.
    for (signer, before) in [(&world.keys.committer, 0), (&world.keys.operator, 1)] {
        let address = signer.address();
        let mined = world.chain.nonce(address, false).await?;
        let known = "SELECT count(DISTINCT nonce) FROM attempts WHERE signer = '";
        let known = world.number(&format!("{known}{address}'")).await?;
        ensure!(
            u64::try_from(known)? + before == mined,
            "{address} has {mined} transactions on chain, {known} nonces in the database"
        );
    }
    let committed = world
        .node
        .events::<contracts::abi::RoundRegistry::RoundCommitted>(world.deployment.registry)
        .await?;
    let mut rounds: Vec<B256> = committed.iter().map(|(event, _)| event.roundId).collect();
    let all = rounds.len();
    rounds.sort_unstable();
    rounds.dedup();
    ensure!(rounds.len() == all, "a round was committed twice");
    Ok(())
}

async fn equal_to_the_wei(world: &World) -> anyhow::Result<()> {
    let compared = wait::until("a comparison", Duration::from_secs(30), async || {
        Ok(
            settlement::compare(&world.db, &world.chain, &world.deployment)
                .await
                .ok(),
        )
    });
    let compared = compared.await?;
    ensure!(
        compared.equal,
        "ledger and chain differ: {}",
        compared.differs
    );
    Ok(())
}

/// Σ D + burned = 0 in every accepted batch, and the token's supply fell by what burned.
async fn conserved(world: &World, accepted: &[u32]) -> anyhow::Result<Ledger> {
    let mut ledger = Ledger::default();
    let mut burned_in_all = 0_u64;
    for batch in proposals(world, accepted).await? {
        let (stake, pool) = changes::sums(&batch.changes);
        ensure!(
            stake + i128::from(batch.burned) == 0 && pool == 0,
            "a batch pays {stake} and burns {}",
            batch.burned
        );
        ledger.apply(&batch.changes)?;
        burned_in_all = burned_in_all.saturating_add(batch.burned);
    }
    let token: Address = world.deployment.token;
    let supply = world
        .chain
        .view(token, &ForeToken::totalSupplyCall {}, None)
        .await?;
    let first = U256::from(server::chain::DeploySettings::demo().supply);
    let expected = first
        .saturating_sub(U256::from(burned_in_all))
        .saturating_mul(U256::from(WEI_PER_UNIT));
    ensure!(
        supply == expected,
        "the supply is {supply}, after burning {burned_in_all} units it must be {expected}"
    );
    Ok(ledger)
}

/// An accepted batch as its proposal's call data tells it.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// What it changed.
    pub changes: Vec<Change>,
    /// What it burned.
    pub burned: u64,
}

/// The accepted proposals in their order, from the chain alone.
///
/// # Errors
/// Those of the node, and call data that cannot be read.
pub async fn proposals(world: &World, accepted: &[u32]) -> anyhow::Result<Vec<Proposed>> {
    let events = world
        .node
        .events::<StakeVault::BatchProposed>(world.deployment.vault)
        .await?;
    let by_number: BTreeMap<u32, B256> = events
        .into_iter()
        .map(|(event, tx)| (event.number, tx))
        .collect();
    let mut found = Vec::new();
    for number in accepted {
        let tx = by_number
            .get(number)
            .with_context(|| format!("proposal {number} left no event"))?;
        let input = world.node.calldata(*tx).await?;
        let call = StakeVault::proposeBatchCall::abi_decode(&input)?;
        found.push(Proposed {
            changes: changes::unpack(&call.changes)?,
            burned: call.burned,
        });
    }
    Ok(found)
}
