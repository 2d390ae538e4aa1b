//! Batches that die, are tried again, or have to leave something for the next one.

use super::*;
use crate::chain::ChainAddress;

/// A scored round whose batch is proposed on the chain; gives the batch.
pub(super) async fn proposed(conn: &mut Conn, lease: &Lease, models: &[ModelId]) -> Batch {
    let (round, _) = committed(conn, START_US, models).await;
    score(conn, &round).await;
    let now = START_US + 320 * SECOND_US;
    let planned = plan_batch(conn, lease, now, now, &deployment()).await;
    let planned = planned.expect("plans").expect("a batch");
    let proposal = begin_proposal(conn, lease, 7, &deployment(), &planned.id).await;
    proposal.expect("proposes");
    say_proposed(conn, &planned, 1).await;
    planned
}

pub(super) async fn say_proposed(conn: &mut Conn, batch: &Batch, number: u32) {
    let new_root: B256 = batch.new_root.parse().expect("a root");
    let said = Said::BatchProposed {
        seq: 1,
        number,
        new_root,
    };
    let mined = event(deployment().vault, i64::from(number), said);
    on_event(conn, 1, &mined).await.expect("applies");
}

async fn say_expired(conn: &mut Conn, batch: &Batch, number: u32) {
    let root: B256 = batch.new_root.parse().expect("a root");
    let said = Said::BatchDied {
        seq: 1,
        number,
        root,
        vetoed: false,
    };
    let mined = event(deployment().vault, 100 + i64::from(number), said);
    on_event(conn, 1, &mined).await.expect("applies");
}

pub(super) async fn batch_state(conn: &mut Conn, id: &str) -> BatchState {
    batch::get(conn, id).await.expect("reads").batch.state
}

#[tokio::test]
async fn the_end_of_a_dead_proposal_does_not_end_its_successor() {
    each_database(|db| async move {
        let (models, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let first = proposed(&mut tx, &lease, &models).await;
        // Three windows later nobody has accepted it; our own clock says so first.
        let dead = batch::get(&mut tx, &first.id).await.expect("reads").dies_us;
        expire(&mut tx, &lease, dead, &deployment())
            .await
            .expect("expires");
        assert_eq!(batch_state(&mut tx, &first.id).await, BatchState::Rejected);
        let now = START_US + 330 * SECOND_US;
        let second = plan_batch(&mut tx, &lease, now, now, &deployment()).await;
        let second = second.expect("plans").expect("a batch");
        assert_eq!(
            second.new_root, first.new_root,
            "the same facts, the same root"
        );
        let proposal = begin_proposal(&mut tx, &lease, 8, &deployment(), &second.id).await;
        proposal.expect("proposes");
        // The contract says both in the transaction that proposes the second.
        say_expired(&mut tx, &first, 1).await;
        say_proposed(&mut tx, &second, 2).await;
        assert_eq!(batch_state(&mut tx, &second.id).await, BatchState::Proposed);
        assert!(halted(&mut tx).await.expect("reads").is_none());
    })
    .await;
}

#[tokio::test]
async fn a_challenge_rejects_the_batch_and_halts_with_challenger_and_fault() {
    each_database(|db| async move {
        let (models, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let batch = proposed(&mut tx, &lease, &models).await;
        let challenger = ChainAddress::repeat_byte(0xc4);
        let challenged = |seq: u64, fault: u8| Said::BatchChallenged {
            seq,
            number: 1,
            root: batch.new_root.parse().expect("a root"),
            challenger,
            fault,
        };
        let other = event(deployment().vault, 150, challenged(2, 1));
        on_event(&mut tx, 1, &other).await.expect("applies");
        assert_eq!(batch_state(&mut tx, &batch.id).await, BatchState::Proposed);
        let mined = event(deployment().vault, 151, challenged(1, 1));
        on_event(&mut tx, 1, &mined).await.expect("applies");
        assert_eq!(batch_state(&mut tx, &batch.id).await, BatchState::Rejected);
        for round in &batch.rounds {
            let state = rounds::get(&mut tx, round).await.expect("a round").state;
            assert_eq!(state, RoundState::Scored);
        }
        let halt = halted(&mut tx).await.expect("reads").expect("halted");
        let reason = format!(
            "batch 1 with root {} was challenged by {challenger}: the stake of a model changes by \
             other than its predictions earn (fault 1)",
            batch.new_root
        );
        assert_eq!(halt.reason, reason);
    })
    .await;
}

#[tokio::test]
async fn an_acceptance_that_failed_is_tried_again() {
    each_database(|db| async move {
        let (models, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let batch = proposed(&mut tx, &lease, &models).await;
        let mut ids = Vec::new();
        for _ in 0..2 {
            let begun = begin_acceptance(&mut tx, &lease, 9, &deployment(), &batch.id).await;
            begun.expect("begins");
            let open = intent::open(&mut tx).await.expect("reads");
            let accept = open.into_iter().find(|one| one.action == Action::Accept);
            let accept = accept.expect("an acceptance");
            let state = IntentState::Abandoned;
            let closed = close_intent(&mut tx, &lease, (1, 10), &accept, state, None).await;
            closed.expect("closes");
            ids.push(accept.id);
            assert_eq!(batch_state(&mut tx, &batch.id).await, BatchState::Proposed);
        }
        assert_ne!(ids[0], ids[1], "each try is an intent of its own");
    })
    .await;
}

#[tokio::test]
async fn scored_rounds_go_first_and_a_proposal_fits_what_a_node_takes() {
    each_database(|db| async move {
        let (models, _) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let (round, lock) = committed(&mut tx, START_US, &models).await;
        score(&mut tx, &round).await;
        let (mut scored, mut void) = (vec![lock.clone(); 60], vec![lock.clone(); 100]);
        batch::take_places(&mut scored, &mut void);
        assert_eq!((scored.len(), void.len()), (60, 36), "96 of a tournament");
        let most = batch::call_bytes(20, 3);
        let fits = batch::fit(&mut tx, &mut scored, &mut void, most).await;
        assert_eq!(fits.expect("fits").len(), 3);
        assert_eq!((scored.len(), void.len()), (15, 0), "halved twice");
        let refused = batch::fit(&mut tx, &mut scored, &mut void, 500).await;
        let refused = refused.expect_err("a single round is too much");
        assert!(!refused.is_passing(), "it halts: {refused}");
    })
    .await;
}

#[tokio::test]
async fn the_size_of_a_proposal_is_known_before_it_is_made() {
    each_database(|db| async move {
        let (models, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        proposed(&mut tx, &lease, &models).await;
        let open = intent::open(&mut tx).await.expect("reads");
        let proposal = open.iter().find(|one| one.action == Action::Propose);
        let bytes = proposal.expect("a proposal").calldata.len();
        assert_eq!(bytes, batch::call_bytes(1, models.len()));
    })
    .await;
}

#[tokio::test]
async fn a_stored_number_that_cannot_be_read_is_no_passing_trouble() {
    each_database(|db| async move {
        let mut conn = db.read().await.expect("reads");
        let wrong = sqlx::query_scalar::<_, i64>("SELECT 'seven'");
        let wrong = wrong.fetch_one(&mut *conn).await.expect_err("no number");
        assert!(!SettlementError::from(wrong).is_passing());
        assert!(SettlementError::from(sqlx::Error::PoolTimedOut).is_passing());
    })
    .await;
}
