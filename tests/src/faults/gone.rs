//! R7: the operator is gone for good. With every key dead anyone voids what was committed, shuts the
//! vault down, and every stake leaves, with proofs rebuilt from the chain alone.

use std::sync::Arc;

use alloy::primitives::U256;
use alloy::sol_types::SolCall;
use anyhow::{Context, ensure};
use contracts::abi::{ForeToken, RoundRegistry, StakeVault, WEI_PER_UNIT};
use contracts::changes;
use contracts::ledger::Ledger;
use serde_json::{Value, json};
use server::chain::{ChainAddress, Fees, Unsigned, sign};

use super::check;
use super::flow::Flow;
use super::world::{LIMIT, Plan, Start, World, key, kill};
use crate::wait;

const FINAL: &str = "SELECT count(*) FROM batches WHERE state = 'final'";
/// Longer than any call of an exit needs.
const GAS: u64 = 3_000_000;

/// One world that is left by its operator.
///
/// # Errors
/// When something cannot be voided, shut down or withdrawn by a stranger.
pub async fn run() -> anyhow::Result<(bool, Value)> {
    World::with("gone", Plan::default(), leave).await
}

async fn leave(world: &Arc<World>) -> anyhow::Result<(bool, Value)> {
    let running = world.settler(Start::default())?;
    let flow = Flow::start(world, 400, 1, 11);
    world
        .until_at_least("some batches", 3, FINAL, LIMIT)
        .await?;
    // Commitments that will never be opened, when the operator goes.
    flow.set_scores(false);
    world
        .until_at_least(
            "committed rounds",
            3,
            "SELECT count(*) FROM rounds WHERE state = 'committed'",
            LIMIT,
        )
        .await?;
    kill(running);
    flow.set_locks(false);
    world.stop.cancel();
    let stranger = Stranger::new(world).await?;
    // Into a future in which nobody has settled for long: all from here on is the chain's alone.
    let idle_s = world.deployment.idle_limit_s + world.deployment.settle_by_s + 100_000;
    stranger.pass_time(u64::try_from(idle_s)?).await?;
    let voided = void_all(world, &stranger).await?;
    stranger
        .call(world.deployment.vault, &StakeVault::shutDownCall {})
        .await
        .context("shutDown")?;
    let (models, units, left) = exit_all(world, &stranger).await?;
    let staked = units;
    let books = world
        .chain
        .view(world.deployment.vault, &StakeVault::booksCall {}, None)
        .await?;
    let is_met = left == U256::ZERO && books.staked == 0;
    Ok((
        is_met,
        json!({
            "rounds_voided_by_a_stranger": voided,
            "models": models,
            "units_out": staked,
            "units_left_in_the_vault": books.staked,
            "wei_left_in_the_vault": left.to_string(),
            "percent_of_stakes_out": if is_met { 100 } else { 0 },
        }),
    ))
}

/// Every round that was committed and never settled; gives how many were voided.
async fn void_all(world: &World, stranger: &Stranger<'_>) -> anyhow::Result<usize> {
    let registry = world.deployment.registry;
    let mut voided = 0;
    for (event, _) in world
        .node
        .events::<RoundRegistry::RoundCommitted>(registry)
        .await?
    {
        let question = RoundRegistry::roundOfCall {
            tournament: event.tournament,
            startsAt: event.startsAt,
        };
        let held = world.chain.view(registry, &question, None).await?;
        if held.state != contracts::abi::RoundState::Settled as u8 {
            let call = RoundRegistry::voidRoundCall {
                tournament: event.tournament,
                startsAt: event.startsAt,
            };
            stranger
                .call(registry, &call)
                .await
                .with_context(|| format!("voidRound {}", event.startsAt))?;
            voided += 1;
        }
    }
    ensure!(voided > 0, "the operator left no committed round behind");
    Ok(voided)
}

/// Rebuilds the ledger from the proposals' call data and takes everybody's stake out; gives models,
/// units that left, and the wei that stayed.
async fn exit_all(world: &World, stranger: &Stranger<'_>) -> anyhow::Result<(usize, u64, U256)> {
    let vault = world.deployment.vault;
    let accepted = world
        .node
        .events::<StakeVault::BatchAccepted>(vault)
        .await?;
    let accepted: Vec<u32> = accepted
        .into_iter()
        .map(|(event, _)| event.number)
        .collect();
    let mut ledger = Ledger::default();
    for batch in check::proposals(world, &accepted).await? {
        ensure!(
            changes::sums(&batch.changes).0 == -i128::from(batch.burned),
            "a batch does not conserve"
        );
        ledger.apply(&batch.changes)?;
    }
    let tree = ledger.tree()?;
    let registered = world
        .node
        .events::<StakeVault::ModelRegistered>(vault)
        .await?;
    let mut units = 0_u64;
    for (model, _) in &registered {
        let before = balance(world, model.owner).await?;
        let leaf = ledger.leaf(model.index);
        let call = StakeVault::withdrawCall {
            index: leaf.index,
            stakeDelta: leaf.stake_delta,
            poolReward: leaf.pool_reward,
            proof: tree.proof(model.index)?.to_words(),
        };
        stranger
            .call(vault, &call)
            .await
            .with_context(|| format!("withdraw of model {}", model.index))?;
        let paid = balance(world, model.owner).await?.saturating_sub(before);
        let claimable =
            i128::from(model.amount) + leaf.stake_delta + i128::try_from(leaf.pool_reward)?;
        let expected = U256::from(u64::try_from(claimable)?) * U256::from(WEI_PER_UNIT);
        ensure!(
            paid == expected,
            "model {} got {paid} wei, {expected} were its own",
            model.index
        );
        units += u64::try_from(claimable)?;
    }
    Ok((registered.len(), units, balance(world, vault).await?))
}

async fn balance(world: &World, account: ChainAddress) -> anyhow::Result<U256> {
    Ok(world
        .chain
        .view(
            world.deployment.token,
            &ForeToken::balanceOfCall { account },
            None,
        )
        .await?)
}

/// Somebody with gas and no role, who also makes the blocks now.
struct Stranger<'a> {
    world: &'a World,
}

impl<'a> Stranger<'a> {
    async fn new(world: &'a World) -> anyhow::Result<Self> {
        let stranger = Self { world };
        server::chain::anvil::give_gas(&world.chain, key(0x77)?.address()).await?;
        Ok(stranger)
    }

    async fn pass_time(&self, seconds: u64) -> anyhow::Result<()> {
        let (_, newest_s) = self.world.node.newest().await?;
        let next = json!([newest_s + seconds]);
        self.world
            .node
            .commands(&[("evm_setNextBlockTimestamp", next), ("evm_mine", json!([]))])
            .await
    }

    async fn call<C: SolCall>(&self, contract: ChainAddress, call: &C) -> anyhow::Result<()> {
        let key = key(0x77)?;
        let unsigned = Unsigned {
            chain_id: self.world.chain.chain_id(),
            nonce: self.world.chain.nonce(key.address(), false).await?,
            to: Some(contract),
            input: call.abi_encode().into(),
            gas_limit: GAS,
            fees: Fees::over_base(10_000_000_000),
        };
        let signed = sign(&key, &unsigned)?;
        self.world.chain.send(&signed.raw).await?;
        self.pass_time(1).await?;
        let receipt = wait::until("a receipt", LIMIT, async || {
            Ok(self.world.chain.receipt(signed.tx_hash).await?)
        })
        .await?;
        ensure!(receipt.succeeded, "the chain refused {}", C::SIGNATURE);
        Ok(())
    }
}
