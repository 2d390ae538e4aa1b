//! `foretoken guardian` against real contracts: a lie about a stake is challenged by anyone, and
//! what does not follow from its evidence is vetoed by the guardian's key only.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;
use contracts::abi::{ForeToken, StakeVault};
use contracts::changes::{self, Change};
use contracts::ledger::Ledger;
use server::chain::{Key, Unsigned, anvil, sign};
use tests::faults::flow::Flow;
use tests::faults::world::{LIMIT, Plan, Start, World, key};
use tests::process::{self, Running};
use tests::wait;

const HALTS: &str = "SELECT reason FROM halts";
const PLANNED: &str = "SELECT calldata FROM intents WHERE action = 'propose'";
/// Market seconds: long enough to be looked at on a busy machine, at a hundred a second of wall.
const WINDOW_S: u32 = 1_000;

fn plan() -> Plan {
    Plan {
        window_s: WINDOW_S,
        ..Plan::default()
    }
}

/// Runs on one thread, as the suite's worlds do.
fn in_world(name: &str, work: impl AsyncFnOnce(&Arc<World>)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let _inside = runtime.enter();
    let local = tokio::task::LocalSet::new();
    let world = World::with(name, plan(), async |world| {
        work(world).await;
        Ok(())
    });
    local.block_on(&runtime, world).expect("the world runs");
}

async fn guardian(world: &World, key: &Key) -> Running {
    let gas = anvil::give_gas(&world.chain, key.address()).await;
    gas.expect("gas");
    let mut command = process::foretoken(["guardian", "--poll-ms", "50"]).expect("built");
    command
        .args(["--rpc", world.chain.url(), "--record"])
        .arg(world.data().join("record"))
        .args(["--vault", &world.deployment.vault.to_string()])
        .env("FORETOKEN_GUARDIAN_KEY", key.to_hex());
    let logs: &Path = world.data();
    Running::start(command, logs, &format!("guardian-{}", key.address())).expect("starts")
}

/// The proposal that the settler has planned and not sent, its record published.
async fn planned(world: &World) -> StakeVault::proposeBatchCall {
    let failing = Start {
        failpoint: Some("proposal_planned"),
        ..Start::default()
    };
    let settler = world.settler(failing).expect("a settler");
    wait::until("the planned proposal", LIMIT, async || Ok(settler.ended()))
        .await
        .expect("the settler ends at its fail-point");
    let texts = world.texts(PLANNED).await.expect("reads");
    let calldata: Bytes = texts.first().expect("one intent").parse().expect("hex");
    StakeVault::proposeBatchCall::abi_decode(&calldata).expect("a proposal")
}

/// One unit goes from the first changed model to the second; everything else is made to fit.
fn lie(honest: &StakeVault::proposeBatchCall) -> StakeVault::proposeBatchCall {
    let mut changed: Vec<Change> = changes::unpack(&honest.changes).expect("changes");
    let [first, second, ..] = changed.as_mut_slice() else {
        panic!("a batch of one model")
    };
    first.stake_delta -= 1;
    second.stake_delta += 1;
    let mut ledger = Ledger::default();
    ledger.apply(&changed).expect("applies to the empty ledger");
    StakeVault::proposeBatchCall {
        newTop: ledger.tree().expect("a tree").top().hash,
        changes: changes::pack(&changed).expect("packs").into(),
        ..honest.clone()
    }
}

async fn propose(world: &World, call: &StakeVault::proposeBatchCall) {
    let operator = &world.keys.operator;
    let unsigned = Unsigned {
        chain_id: world.chain.chain_id(),
        nonce: world
            .chain
            .nonce(operator.address(), false)
            .await
            .expect("a nonce"),
        to: Some(world.deployment.vault),
        input: call.abi_encode().into(),
        gas_limit: 8_000_000,
        fees: world.chain.fees().await.expect("fees"),
    };
    let signed = sign(operator, &unsigned).expect("signs");
    world.chain.send(&signed.raw).await.expect("sends");
    wait::until("the lying proposal", LIMIT, async || {
        Ok((pending(world).await != 0).then_some(()))
    })
    .await
    .expect("is mined");
}

/// The number of the pending proposal, 0 if there is none.
async fn pending(world: &World) -> u32 {
    let call = StakeVault::proposalCall {};
    let vault = world.deployment.vault;
    world
        .chain
        .view(vault, &call, None)
        .await
        .expect("reads")
        .number
}

async fn tokens_of(world: &World, account: Address) -> U256 {
    let call = ForeToken::balanceOfCall { account };
    let token = world.deployment.token;
    world.chain.view(token, &call, None).await.expect("reads")
}

#[test]
fn a_lie_about_a_stake_is_challenged_by_a_stranger_for_half_of_the_bond() {
    in_world("challenged", async |world| {
        let _flow = Flow::start(world, 300, 2, 3);
        let honest = planned(world).await;
        propose(world, &lie(&honest)).await;
        let stranger = key(0x77).expect("a key");
        let guardian = guardian(world, &stranger).await;
        wait::until("the challenge", LIMIT, async || {
            Ok((pending(world).await == 0).then_some(()))
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", guardian.stderr()));
        let half = U256::from(world.deployment.bond / 2) * U256::from(1_000_000_000_u64);
        assert_eq!(tokens_of(world, stranger.address()).await, half);
        let said = guardian.stderr();
        assert!(said.contains("provably wrong"), "{said}");
        // The operator's own software stops as well: the history is not what it has signed.
        let _settler = world.settler(Start::default()).expect("a settler");
        let halt = wait::until("a halt", LIMIT, async || {
            Ok(world.texts(HALTS).await?.first().cloned())
        });
        let reason = halt.await.expect("settlement halts");
        assert!(reason.contains("batch 1"), "{reason}");
    });
}

#[test]
fn what_does_not_follow_from_its_evidence_is_vetoed_by_the_guardian_alone() {
    in_world("vetoed", async |world| {
        // The world's evidence names an outcome and no trades, so no outcome follows from it.
        let _flow = Flow::start(world, 300, 2, 5);
        let _settler = world.settler(Start::default()).expect("a settler");
        let stranger = guardian(world, &key(0x77).expect("a key")).await;
        wait::until("a stranger's judgement", LIMIT, async || {
            let said = stranger.stderr();
            Ok(said.contains("does not follow").then_some(()))
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", stranger.stderr()));
        assert_ne!(pending(world).await, 0, "a stranger cannot veto");
        let _guardian = guardian(world, &world.keys.guardian).await;
        let halt = wait::until("a halt", Duration::from_secs(60), async || {
            Ok(world.texts(HALTS).await?.first().cloned())
        });
        let reason = halt.await.expect("settlement halts");
        assert!(reason.contains("vetoed"), "{reason}");
    });
}
