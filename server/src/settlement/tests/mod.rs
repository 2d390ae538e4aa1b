//! Settlement on both databases, without a chain: what it says comes as events.

mod batches;
mod endings;
mod ledger;
mod unstaked;

use alloy::primitives::B256;
use domain::timestamp::SECOND_US;
use domain::{ModelId, RoundState};

use super::intent::{Action, Intent, IntentState};
use super::lease::Lease;
use super::testing::{lock as lock_round, score};
use super::*;
use crate::chain::testing::{deployment, event};
use crate::chain::{Fees, Said, set_deployment};
use crate::db::testing::each_database;
use crate::db::{Conn, Db};
use crate::events;
use crate::rounds::{self, Round};
use crate::stakes;
use crate::stakes::testing::{
    START_US, in_transaction, open_round, three_models, tokens, tournament,
};

async fn a_lease(conn: &mut Conn) -> Lease {
    lease::take(conn, "test", 1, 1_000_000)
        .await
        .expect("asks")
        .expect("free")
}

/// A locked round of three models; then the registry's event makes it committed.
async fn committed(conn: &mut Conn, start_us: i64, models: &[ModelId]) -> (Round, Lock) {
    let round = open_round(conn, start_us).await;
    let reports: Vec<_> = models
        .iter()
        .cloned()
        .zip([620_000, 400_000, 550_000])
        .collect();
    let lock = lock_round(
        conn,
        start_us - 50 * SECOND_US,
        &round,
        &deployment(),
        &reports,
    )
    .await;
    let said = Said::RoundCommitted {
        round: lock.chain_round,
        commitment: lock.commitment,
    };
    let mined = event(deployment().registry, start_us / SECOND_US, said);
    on_event(conn, 1, &mined).await.expect("applies");
    (round, lock)
}

async fn set_up(db: &Db) -> (Vec<ModelId>, Lease) {
    in_transaction(db, async |conn| {
        set_deployment(conn, &deployment()).await.expect("kept");
        (
            three_models(conn, tokens(10_000)).await,
            a_lease(conn).await,
        )
    })
    .await
}

async fn state(conn: &mut Conn, round: &Round) -> RoundState {
    rounds::get(conn, &round.id).await.expect("a round").state
}

#[tokio::test]
async fn a_tick_is_one_commitment_and_a_lock_is_written_once() {
    each_database(|db| async move {
        let (models, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let round = open_round(&mut tx, START_US).await;
        let reports: Vec<_> = models
            .iter()
            .map(|model| (model.clone(), 600_000))
            .collect();
        let lock = lock_round(&mut tx, START_US - 1, &round, &deployment(), &reports).await;
        assert_eq!(lock.total_w, tokens(150));
        assert_eq!(lock.total_p, 150_000_000_000 * 600_000);
        let again = freeze(&mut tx, 1, &round, &deployment(), &[], [1; 32]).await;
        assert!(matches!(again, Err(SettlementError::AlreadyLocked(_))));
        let early = START_US - 58 * SECOND_US;
        let plan = plan_commits(&mut tx, &lease, early, 5, &deployment()).await;
        assert_eq!(plan.expect("plans"), 0, "a block may be stamped too early");
        let now = START_US - 57 * SECOND_US;
        let plan = plan_commits(&mut tx, &lease, now, 5, &deployment()).await;
        assert_eq!(plan.expect("plans"), 1);
        let plan = plan_commits(&mut tx, &lease, now, 6, &deployment()).await;
        assert_eq!(plan.expect("plans"), 0, "once");
        let open = intent::open(&mut tx).await.expect("reads");
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].useless_from_us, START_US);
        tx.commit().await.expect("commits");
    })
    .await;
}

#[tokio::test]
async fn a_batch_conserves_money_and_books_it_once() {
    each_database(|db| async move {
        let (models, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let (round, _) = committed(&mut tx, START_US, &models).await;
        let settled = score(&mut tx, &round).await;
        let paid: i64 = settled.payouts.iter().map(|(_, delta)| delta.units()).sum();
        assert_eq!(paid + settled.burned.stored(), 0);
        let twice = score_again(&mut tx, &round).await;
        assert!(
            matches!(twice, Err(SettlementError::Broken(_))),
            "payouts are written once"
        );
        tx.rollback().await.expect("rolls back");

        let mut tx = db.begin().await.expect("begins");
        let (round, _) = committed(&mut tx, START_US, &models).await;
        let settled = score(&mut tx, &round).await;
        let now = START_US + 320 * SECOND_US;
        assert_eq!(
            work(&mut tx, now, now, &deployment()).await.expect("reads"),
            Work::Plan
        );
        let batch = plan_batch(&mut tx, &lease, now, now, &deployment()).await;
        let batch = batch.expect("plans").expect("a batch");
        assert_eq!(
            (batch.seq, batch.attempt, batch.burned),
            (1, 1, settled.burned)
        );
        assert_eq!(state(&mut tx, &round).await, RoundState::Batched);
        begin_proposal(&mut tx, &lease, 7, &deployment(), &batch.id)
            .await
            .expect("proposes");
        let second = begin_proposal(&mut tx, &lease, 7, &deployment(), &batch.id).await;
        assert!(matches!(second, Err(SettlementError::Moved { .. })));
        let new_root: B256 = batch.new_root.parse().expect("a root");
        let said = Said::BatchProposed {
            seq: 1,
            number: 1,
            new_root,
        };
        on_event(&mut tx, 1, &event(deployment().vault, 1, said))
            .await
            .expect("applies");
        let said = Said::BatchAccepted {
            seq: 1,
            number: 1,
            root: new_root,
        };
        let accepted = event(deployment().vault, 2, said);
        let told = on_event(&mut tx, 1, &accepted).await.expect("applies");
        assert_eq!(told.len(), 1, "its round is settled");
        assert_eq!(state(&mut tx, &round).await, RoundState::Final);
        let ledger = stakes::ledger(&mut tx, &batch.vault).await;
        let ledger = ledger.expect("a ledger");
        let booked: i64 = ledger.iter().map(|entry| entry.stake_delta).sum();
        assert_eq!(booked, -settled.burned.stored());
        assert_eq!(halted(&mut tx).await.expect("reads"), None);
        let told = on_event(&mut tx, 1, &accepted).await.expect("applies");
        assert!(told.is_empty(), "told once");
        assert!(
            halted(&mut tx).await.expect("reads").is_some(),
            "a second one is not ours"
        );
        let again = stakes::ledger(&mut tx, &batch.vault).await;
        assert_eq!(again.expect("a ledger"), ledger, "booked once");
    })
    .await;
}

async fn score_again(conn: &mut Conn, round: &Round) -> Result<Settled, SettlementError> {
    let rule = tournament(conn).await.tournament.stake;
    let counted = crate::predictions::counted(conn, &round.id)
        .await
        .expect("counted");
    let up = domain::Outcome::Direction(domain::Direction::Up);
    settle(conn, round, &rule, up, &counted).await
}

#[tokio::test]
async fn a_rejected_batch_gives_its_rounds_back_and_a_new_row_takes_the_seq() {
    each_database(|db| async move {
        let (models, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let (round, _) = committed(&mut tx, START_US, &models).await;
        score(&mut tx, &round).await;
        let now = START_US + 320 * SECOND_US;
        let first = plan_batch(&mut tx, &lease, now, now, &deployment()).await;
        let first = first.expect("plans").expect("a batch");
        begin_proposal(&mut tx, &lease, 7, &deployment(), &first.id)
            .await
            .expect("proposes");
        let new_root: B256 = first.new_root.parse().expect("a root");
        let said = Said::BatchProposed {
            seq: 1,
            number: 1,
            new_root,
        };
        on_event(&mut tx, 1, &event(deployment().vault, 1, said))
            .await
            .expect("applies");
        let said = Said::BatchDied {
            seq: 1,
            number: 1,
            root: new_root,
            vetoed: true,
        };
        on_event(&mut tx, 1, &event(deployment().vault, 2, said))
            .await
            .expect("applies");
        assert_eq!(state(&mut tx, &round).await, RoundState::Scored);
        let second = plan_batch(&mut tx, &lease, now, now, &deployment()).await;
        let second = second.expect("plans").expect("a batch");
        assert_eq!((second.seq, second.attempt), (1, 2));
        assert_eq!(second.new_root, first.new_root);
        assert_ne!(second.id, first.id);
        let halt = halted(&mut tx).await.expect("reads");
        assert!(halt.is_some(), "somebody has to look why it was vetoed");
        let none = plan_batch(&mut tx, &lease, now, now, &deployment())
            .await
            .expect("plans");
        assert_eq!(none, None, "one batch at a time");
    })
    .await;
}

#[tokio::test]
async fn a_scored_round_past_its_time_is_void_and_holds_nothing() {
    each_database(|db| async move {
        let (models, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let (round, _) = committed(&mut tx, START_US, &models).await;
        score(&mut tx, &round).await;
        let late = START_US + 901 * SECOND_US;
        assert!(overdue(&mut tx, late, &deployment()).await.expect("reads"));
        let none = plan_batch(&mut tx, &lease, late, late, &deployment())
            .await
            .expect("plans");
        assert_eq!(none, None, "the contract would refuse it");
        assert_eq!(
            expire(&mut tx, &lease, late, &deployment())
                .await
                .expect("expires"),
            1
        );
        assert_eq!(state(&mut tx, &round).await, RoundState::Void);
        let told = events::after(&mut tx, 0, 10).await.expect("reads");
        let told: Vec<_> = told.iter().map(|event| event.kind.name()).collect();
        assert_eq!(told, ["round.void"]);
        for model in &models {
            let stake = stakes::of_model(&mut tx, model)
                .await
                .expect("reads")
                .expect("a stake");
            assert_eq!(stake.free, tokens(10_000));
        }
    })
    .await;
}

#[tokio::test]
async fn a_foreign_commitment_halts_and_a_lease_fences() {
    each_database(|db| async move {
        let (_, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let said = Said::RoundCommitted {
            round: B256::ZERO,
            commitment: B256::ZERO,
        };
        on_event(&mut tx, 5, &event(deployment().registry, 1, said))
            .await
            .expect("applies");
        assert!(halted(&mut tx).await.expect("reads").is_some());
        assert!(
            resume(&mut tx, 6, "because").await.is_err(),
            "nothing was reconciled"
        );
        assert_eq!(
            lease::take(&mut tx, "other", 2, 9).await.expect("asks"),
            None
        );
        let other = lease::take(&mut tx, "other", 1_000_000, 2_000_000)
            .await
            .expect("asks");
        assert_eq!(other.expect("run out").fence, lease.fence + 1);
        let late = lease::hold(&mut tx, &lease).await;
        assert!(matches!(late, Err(SettlementError::Fenced)));
    })
    .await;
}

#[tokio::test]
async fn a_nonce_is_taken_once_and_a_chain_that_is_ahead_is_noticed() {
    each_database(|db| async move {
        let (_, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let signer = deployment().operator;
        intent::check_nonce(&mut tx, signer, 7)
            .await
            .expect("seeds");
        let offer = intent::Offer {
            is_cancel: false,
            gas_limit: 1,
            fees: Fees { max: 1, tip: 1 },
            wall_us: 1,
        };
        for (subject, expected) in [("a", 7), ("b", 8)] {
            let action = Action::Accept;
            let to = deployment().vault;
            let planned = Intent::new(
                action,
                subject.into(),
                signer,
                to,
                vec![1].into(),
                i64::MAX,
                1,
            );
            intent::plan(&mut tx, &planned).await.expect("plans");
            let sign = |nonce: u64| {
                let byte = u8::try_from(nonce).expect("small");
                Ok(crate::chain::Signed {
                    raw: vec![byte],
                    tx_hash: B256::repeat_byte(byte),
                })
            };
            let attempt = intent::first_attempt(&mut tx, &lease, &planned, offer, sign).await;
            let attempt = attempt.expect("stores");
            assert_eq!(attempt.nonce, expected);
            let stored = intent::attempts(&mut tx, &planned).await.expect("reads");
            assert_eq!(stored, vec![attempt]);
        }
        intent::check_nonce(&mut tx, signer, 9).await.expect("fits");
        let ahead = intent::check_nonce(&mut tx, signer, 10).await;
        assert!(matches!(ahead, Err(SettlementError::Differs(_))));
    })
    .await;
}
