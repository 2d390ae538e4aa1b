//! The settler against a real development chain: from a deposit to a withdrawal with a proof, with
//! two settlers at once, and through a crash between storing and sending.

mod world;

use std::time::Duration;

use alloy::sol_types::SolCall;
use contracts::abi::StakeVault;
use domain::timestamp::SECOND_US;
use domain::{ModelId, RoundState};

use super::*;
use crate::chain::wallet::Wallet;
use crate::chain::{B256, ChainError, anvil};
use crate::rounds::Round;
use crate::settlement::BatchState;
use crate::settlement::testing::{lock, score};
use crate::stakes;
use crate::stakes::testing::{START_US, in_transaction, open_round, tokens};

use world::World;

/// Milliseconds of wall from `began_us` until now.
fn ms_since(world: &World, began_us: i64) -> i64 {
    (world.wall.now_us() - began_us) / 1_000
}

/// Three staked models, known to the ledger; the wallet is the first one's.
async fn three_staked(world: &World) -> ([ModelId; 3], Wallet) {
    let (ada, wallet) = world.staked_model("ada", 0x51).await;
    let (bob, _) = world.staked_model("bob", 0x52).await;
    let (cleo, _) = world.staked_model("cleo", 0x53).await;
    let models = [ada, bob, cleo];
    for model in &models {
        world
            .until("a stake", async |conn| {
                stakes::of_model(conn, model)
                    .await
                    .expect("reads")
                    .is_some()
            })
            .await;
    }
    (models, wallet)
}

/// A round with these reports, locked now.
async fn locked(world: &World, round: &Round, reports: &[(ModelId, u32)]) {
    let now_us = world.market.now_us();
    in_transaction(&world.db, async |conn| {
        lock(conn, now_us, round, &world.deployment, reports).await
    })
    .await;
}

/// A round of one model, locked shortly before its start.
async fn one_locked(world: &World, model: &ModelId) -> Round {
    let round = in_transaction(&world.db, async |conn| open_round(conn, START_US).await).await;
    world.move_to(START_US - 50 * SECOND_US);
    locked(world, &round, &[(model.clone(), 600_000)]).await;
    round
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn from_a_deposit_to_a_withdrawal_with_two_settlers_at_once() {
    let world = World::new(START_US - 1_200 * SECOND_US).await;
    let stop = CancellationToken::new();
    let settlers = [world.run_settler(&stop), world.run_settler(&stop)];
    let ([ada, bob, cleo], mut wallet) = three_staked(&world).await;
    let asked = wallet
        .request_withdrawal(0, tokens(2_000))
        .await
        .expect("asks");
    wallet.wait(asked).await.expect("asked");
    let round = in_transaction(&world.db, async |conn| open_round(conn, START_US).await).await;
    world.move_to(START_US - 50 * SECOND_US);
    let reports = [
        (ada.clone(), 620_000),
        (bob.clone(), 400_000),
        (cleo.clone(), 550_000),
    ];
    let began_us = world.wall.now_us();
    locked(&world, &round, &reports).await;
    world
        .until("a mined commitment", async |_| {
            world
                .chain
                .nonce(world.keys.committer.address(), false)
                .await
                .expect("a nonce")
                == 1
        })
        .await;
    let mined_ms = ms_since(&world, began_us);
    world.until_state(&round.id, RoundState::Committed).await;
    println!(
        "lock → mined {mined_ms} ms, → final {} ms of wall",
        ms_since(&world, began_us)
    );
    world.move_to(round.schedule.end_us);
    let began_us = world.wall.now_us();
    let settled = in_transaction(&world.db, async |conn| score(conn, &round).await).await;
    world.until_state(&round.id, RoundState::Final).await;
    println!(
        "score → final batch {} ms of wall, at ten blocks a second",
        ms_since(&world, began_us)
    );
    let delta = settled
        .payouts
        .iter()
        .find(|(model, _)| *model == ada)
        .expect("paid")
        .1;
    let stake = stakes::of_model(&mut world.db.read().await.expect("reads"), &ada).await;
    let stake = stake.expect("reads").expect("a stake");
    assert_eq!(stake.stake_delta, delta.units());
    assert_eq!(stake.reserved.units(), 0);
    let compared = agree(&world).await;
    assert_eq!(compared.ledger, compared.chain);
    withdraw(&world, &ada, &mut wallet, stake.matures_us).await;
    exactly_once(&world).await;
    a_difference_halts_until_resumed(&world, &ada).await;
    stop.cancel();
    for settler in settlers {
        settler.await.expect("joins").expect("settled");
    }
    world.end().await;
}

async fn agree(world: &World) -> settlement::Comparison {
    for _ in 0..200 {
        if let Ok(one) = settlement::compare(&world.db, &world.chain, &world.deployment).await {
            assert!(one.equal, "{}", one.differs);
            return one;
        }
        pause(Duration::from_millis(10)).await;
    }
    panic!("ledger and chain could not be compared");
}

async fn withdraw(world: &World, model: &ModelId, wallet: &mut Wallet, matures_us: i64) {
    assert!(matures_us > 0, "the request is seen");
    world.move_to(matures_us + 15 * SECOND_US);
    let before = wallet.tokens().await.expect("a balance");
    let proof =
        settlement::withdrawal_proof(&mut world.db.read().await.expect("reads"), model).await;
    let (leaf, proof) = proof.expect("a proof");
    let sent = wallet.withdraw(&leaf, &proof).await.expect("sends");
    wallet.wait(sent).await.expect("withdraws");
    let paid = wallet.tokens().await.expect("a balance") - before;
    assert_eq!(paid.to_string(), format!("{}000000000", tokens(2_000)));
    world
        .until("the payment in the ledger", async |conn| {
            let stake = stakes::of_model(conn, model)
                .await
                .expect("reads")
                .expect("a stake");
            stake.withdrawn == tokens(2_000) && stake.requested.units() == 0
        })
        .await;
    agree(world).await;
}

/// Two settlers ran all the time: one commitment, one proposal, one acceptance, one batch.
async fn exactly_once(world: &World) {
    let batches = settlement::batches(&mut world.db.read().await.expect("reads"), 100).await;
    let batches = batches.expect("reads");
    let places: Vec<_> = batches
        .iter()
        .map(|b| (b.seq, b.attempt, b.state))
        .collect();
    assert_eq!(places, vec![(1, 1, BatchState::Final)]);
    let sent = world
        .chain
        .nonce(world.keys.committer.address(), false)
        .await
        .expect("a nonce");
    assert_eq!(sent, 1, "one commitment");
    let sent = world
        .chain
        .nonce(world.keys.operator.address(), false)
        .await
        .expect("a nonce");
    assert_eq!(sent, 3, "allowance, proposal, acceptance");
}

async fn a_difference_halts_until_resumed(world: &World, model: &ModelId) {
    let off_by_one = async |units: i64| {
        in_transaction(&world.db, async |conn| {
            sqlx::query("UPDATE stake_accounts SET deposited = deposited + $1 WHERE model_id = $2")
                .bind(units)
                .bind(model.as_str())
                .execute(conn)
                .await
                .expect("updates");
        })
        .await;
    };
    off_by_one(1).await;
    world
        .until("a halt", async |conn| {
            settlement::halted(conn).await.expect("reads").is_some()
        })
        .await;
    let resume = async || {
        // A reconciliation counts when it is younger than the halt.
        world.move_to(world.market.now_us() + SECOND_US);
        in_transaction(&world.db, async |conn| {
            settlement::resume(conn, world.market.now_us(), "repaired").await
        })
        .await
    };
    assert!(resume().await.is_err(), "they still differ");
    off_by_one(-1).await;
    world
        .until("a fresh reconciliation", async |_| resume().await.is_ok())
        .await;
    let sql =
        "UPDATE ledger_balances SET balance = balance + 1 WHERE kind = 'pool' OR model_index = 1";
    change(world, sql).await;
    world
        .until("a halt that names the account", async |conn| {
            let halt = settlement::halted(conn).await.expect("reads");
            halt.is_some_and(|halt| {
                halt.reason
                    .contains(&format!("account model:{}:1", world.deployment.vault))
            })
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_crash_before_sending_the_same_bytes_are_sent() {
    let world = World::new(START_US - 1_200 * SECOND_US).await;
    let (ada, _) = world.staked_model("ada", 0x51).await;
    let crashed = world.settler().await;
    let round = one_locked(&world, &ada).await;
    let mut memory = Memory::default();
    let lease = crashed
        .keep_lease(&mut memory)
        .await
        .expect("a lease")
        .expect("free");
    crashed.check_nonces(&lease).await.expect("fits");
    crashed.plan_commitments(&lease).await.expect("plans");
    let planned = intent::open(&mut world.db.read().await.expect("reads"))
        .await
        .expect("reads");
    let offer = intent::Offer {
        is_cancel: false,
        gas_limit: 300_000,
        fees: world.chain.fees().await.expect("fees"),
        wall_us: world.wall.now_us(),
    };
    let stored = in_transaction(&world.db, async |conn| {
        intent::first_attempt(conn, &lease, &planned[0], offer, |nonce| {
            crashed.signed(&planned[0], nonce, offer)
        })
        .await
        .expect("stores")
    })
    .await;
    // The process ends here: nothing was sent. Another one takes over when the lease ends.
    in_transaction(&world.db, async |conn| {
        lease::give_back(conn, &lease).await.expect("ends");
    })
    .await;
    let stop = CancellationToken::new();
    let next = world.run_settler(&stop);
    world.until_state(&round.id, RoundState::Committed).await;
    let receipt = world.chain.receipt(stored.tx_hash).await.expect("answers");
    assert!(
        receipt.expect("mined").succeeded,
        "the stored bytes were mined"
    );
    assert_eq!(
        world
            .chain
            .nonce(world.keys.committer.address(), false)
            .await
            .expect("a nonce"),
        1
    );
    let fenced = in_transaction(&world.db, async |conn| lease::hold(conn, &lease).await).await;
    assert!(
        matches!(fenced, Err(SettlementError::Fenced)),
        "the old lease is worth nothing"
    );
    stop.cancel();
    next.await.expect("joins").expect("settled");
    world.end().await;
}

/// The attempts of an intent, oldest first.
async fn attempts(world: &World, intent: &intent::Intent) -> Vec<intent::Attempt> {
    let mut conn = world.db.read().await.expect("reads");
    intent::attempts(&mut conn, intent).await.expect("reads")
}

async fn open_intents(world: &World) -> Vec<intent::Intent> {
    let mut conn = world.db.read().await.expect("reads");
    intent::open(&mut conn).await.expect("reads")
}

/// A world in which nobody mines any more, with a locked round that waits for its commitment.
async fn unmined() -> (World, Settler) {
    let world = World::new(START_US - 1_200 * SECOND_US).await;
    let (ada, _) = world.staked_model("ada", 0x51).await;
    let mut settler = world.settler().await;
    settler.settings.stuck_after = Duration::from_secs(3_600);
    let owner = world.keys.owner.address();
    world
        .until("final contracts", async |_| {
            let all = world.chain.nonce(owner, false).await.expect("a nonce");
            world.chain.nonce(owner, true).await.expect("a nonce") == all
        })
        .await;
    world.miner.0.cancel();
    pause(Duration::from_millis(200)).await;
    one_locked(&world, &ada).await;
    (world, settler)
}

/// The only intent and its first attempt, which the node knows.
async fn sent(world: &World) -> (intent::Intent, intent::Attempt) {
    let mut open = open_intents(world).await;
    assert_eq!(open.len(), 1, "one intent is open: {open:?}");
    let intent = open.remove(0);
    let first = attempts(world, &intent).await.remove(0);
    assert!(world.chain.knows(first.tx_hash).await.expect("answers"));
    (intent, first)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_dropped_is_sent_again_what_is_stuck_costs_more_what_is_useless_is_replaced() {
    let (world, mut settler) = unmined().await;
    let mut memory = Memory::default();
    settler.pass(&mut memory).await.expect("passes");
    let (intent, first) = sent(&world).await;
    let hash = serde_json::json!([first.tx_hash]);
    let dropped = world.chain.command("anvil_dropTransaction", hash).await;
    dropped.expect("drops");
    assert!(!world.chain.knows(first.tx_hash).await.expect("answers"));
    settler.pass(&mut memory).await.expect("passes");
    let known = world.chain.knows(first.tx_hash).await.expect("answers");
    assert!(known, "the same bytes again");
    assert_eq!(attempts(&world, &intent).await.len(), 1);

    let (vault, operator) = (world.deployment.vault, world.deployment.operator);
    let call = StakeVault::acceptBatchCall {
        seq: 1,
        root: B256::ZERO,
    };
    let input = call.abi_encode().into();
    let refused = world.chain.estimate(operator, vault, &input).await;
    let refused = refused.expect_err("there is no proposal");
    assert!(matches!(refused, ChainError::Reverted(revert) if revert.name == "NoProposal"));

    settler.settings.stuck_after = Duration::ZERO;
    settler.pass(&mut memory).await.expect("passes");
    settler.settings.stuck_after = Duration::from_secs(3_600);
    let second = attempts(&world, &intent).await.remove(1);
    assert_eq!(second.nonce, first.nonce);
    let is_more = second.fees.max * 10 >= first.fees.max * 11;
    assert!(is_more, "at least ten percent more");

    let third = replaced(&world, &settler, &memory, &intent, START_US).await;
    assert!(third.is_cancel && third.nonce == first.nonce);
    for _ in 0..12 {
        let mined = anvil::mine_once(&world.chain, START_US).await;
        mined.expect("mines");
    }
    settler.pass(&mut memory).await.expect("passes");
    let open = open_intents(&world).await;
    assert!(open.is_empty(), "its fate is final: {open:?}");
    let receipt = world.chain.receipt(third.tx_hash).await.expect("answers");
    let succeeded = receipt.expect("mined").succeeded;
    assert!(succeeded, "the replacement took the nonce");
    let receipt = world.chain.receipt(first.tx_hash).await.expect("answers");
    assert!(receipt.is_none());
    world.end().await;
}

/// Drives the intent at this block time; gives its newest attempt.
async fn replaced(
    world: &World,
    settler: &Settler,
    memory: &Memory,
    intent: &intent::Intent,
    latest_us: i64,
) -> intent::Attempt {
    let lease = memory.lease.clone().expect("held");
    let seen = Seen {
        latest_us,
        final_block: 0,
    };
    let driven = settler.drive(&lease, intent.signer, seen).await;
    driven.expect("drives");
    attempts(world, intent).await.pop().expect("an attempt")
}

async fn change(world: &World, sql: &'static str) {
    in_transaction(&world.db, async |conn| {
        let done = sqlx::query(sql).execute(conn).await;
        done.expect("changes");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_settlement_that_fails_delays_no_commitment_and_a_halt_stops_what_is_not_mined() {
    let (world, settler) = unmined().await;
    change(&world, "ALTER TABLE batches RENAME TO hidden").await;
    let mut memory = Memory::default();
    let passed = settler.pass(&mut memory).await;
    assert!(passed.is_err(), "settlement cannot read its batches");
    let (intent, first) = sent(&world).await;
    change(&world, "ALTER TABLE hidden RENAME TO batches").await;

    let now_us = world.market.now_us();
    in_transaction(&world.db, async |conn| {
        settlement::halt(conn, now_us, "somebody has to look")
            .await
            .expect("halts");
    })
    .await;
    let last = replaced(&world, &settler, &memory, &intent, now_us).await;
    assert_eq!(last, first, "a commitment goes on while halted");
    // Seen as an acceptance, the same transaction has to go.
    change(&world, "UPDATE intents SET action = 'accept'").await;
    let intent = open_intents(&world).await.remove(0);
    let last = replaced(&world, &settler, &memory, &intent, now_us).await;
    assert!(last.is_cancel && last.nonce == first.nonce);
    world.end().await;
}
