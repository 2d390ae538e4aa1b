//! Intents that a contract refuses, and batches that were given up too early.

use super::batches::{batch_state, proposed, say_proposed};
use super::*;
use crate::chain::Revert;

fn revert(name: &str) -> Revert {
    Revert {
        name: name.to_owned(),
        text: format!("{name} {{ seq: 1 }}"),
    }
}

async fn open(conn: &mut Conn, action: Action) -> Option<Intent> {
    let open = intent::open(conn).await.expect("reads");
    open.into_iter().find(|intent| intent.action == action)
}

/// The contract refuses the open intent so often; gives what is left open.
async fn refuse(
    conn: &mut Conn,
    lease: &Lease,
    (action, name): (Action, &str),
    times: i64,
) -> Option<Intent> {
    for time in 0..times {
        let intent = open(conn, action).await.expect("an open intent");
        assert_eq!(intent.failures, time);
        let done = refused(conn, lease, (5, 6), &intent, &revert(name), 77).await;
        done.expect("notes");
    }
    open(conn, action).await
}

/// A scored round whose batch is planned and its proposal begun.
async fn proposing(conn: &mut Conn, lease: &Lease, models: &[ModelId]) -> (Round, Batch) {
    let (round, _) = committed(conn, START_US, models).await;
    score(conn, &round).await;
    (round, again(conn, lease).await)
}

/// Plans the batch of what is scored, and begins its proposal.
async fn again(conn: &mut Conn, lease: &Lease) -> Batch {
    let now = START_US + 320 * SECOND_US;
    let planned = plan_batch(conn, lease, now, now, &deployment()).await;
    let planned = planned.expect("plans").expect("a batch");
    let begun = begin_proposal(conn, lease, 7, &deployment(), &planned.id).await;
    begun.expect("proposes");
    planned
}

#[tokio::test]
async fn a_refusal_is_kept_and_ends_the_proposal_only_when_it_can_never_succeed() {
    each_database(|db| async move {
        let (models, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let (round, batch) = proposing(&mut tx, &lease, &models).await;
        let still = refuse(&mut tx, &lease, (Action::Propose, "IsPaused"), 5).await;
        let still = still.expect("it may succeed later");
        assert_eq!((still.failures, still.next_try_us), (5, 77));
        assert_eq!(still.last_error, "IsPaused { seq: 1 }");
        let wrong = revert("WrongPrevRoot");
        let done = refused(&mut tx, &lease, (5, 6), &still, &wrong, 78).await;
        done.expect("notes");
        let still = open(&mut tx, Action::Propose)
            .await
            .expect("once is not enough");
        assert_eq!(halted(&mut tx).await.expect("reads"), None);
        let done = refused(&mut tx, &lease, (5, 6), &still, &wrong, 78).await;
        done.expect("ends");
        assert_eq!(open(&mut tx, Action::Propose).await, None);
        assert_eq!(batch_state(&mut tx, &batch.id).await, BatchState::Rejected);
        let shown = batches(&mut tx, 1).await.expect("reads").remove(0);
        assert!(
            shown.reason.contains("WrongPrevRoot { seq: 1 }"),
            "{}",
            shown.reason
        );
        assert_eq!(state(&mut tx, &round).await, RoundState::Scored);
        let halt = halted(&mut tx)
            .await
            .expect("reads")
            .expect("history is wrong");
        assert!(halt.reason.contains("WrongPrevRoot"), "{halt}");
    })
    .await;
}

#[tokio::test]
async fn what_came_too_late_is_rejected_and_halts_nothing() {
    each_database(|db| async move {
        let (models, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let (_, batch) = proposing(&mut tx, &lease, &models).await;
        let left = refuse(&mut tx, &lease, (Action::Propose, "RoundTooLate"), 3).await;
        assert_eq!(left, None);
        assert_eq!(batch_state(&mut tx, &batch.id).await, BatchState::Rejected);
        let second = again(&mut tx, &lease).await;
        say_proposed(&mut tx, &second, 1).await;
        let begun = begin_acceptance(&mut tx, &lease, 9, &deployment(), &second.id).await;
        begun.expect("begins");
        let waits = refuse(&mut tx, &lease, (Action::Accept, "NoProposal"), 2).await;
        let waits = waits.expect("an event will say what became of it");
        for _ in 0..2 {
            let waits = open(&mut tx, Action::Accept).await.unwrap_or(waits.clone());
            let dead = revert("ProposalDead");
            let done = refused(&mut tx, &lease, (5, 6), &waits, &dead, 7).await;
            done.expect("notes");
        }
        assert_eq!(open(&mut tx, Action::Accept).await, None);
        assert_eq!(batch_state(&mut tx, &second.id).await, BatchState::Rejected);
        assert_eq!(halted(&mut tx).await.expect("reads"), None);
    })
    .await;
}

#[test]
fn a_refused_intent_waits_twice_as_long_each_time_up_to_sixty_polls() {
    let poll_us = 1_000_000;
    for (failures, most_us) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (1_000, 60)] {
        let waits_us = backoff_us(poll_us, failures, "intent");
        let most_us = most_us * 1_000_000;
        assert!(
            waits_us <= most_us && waits_us > most_us / 2,
            "{failures}: {waits_us}"
        );
    }
    assert_ne!(
        backoff_us(poll_us, 7, "one"),
        backoff_us(poll_us, 7, "other")
    );
}

/// The settler was made to believe that the proposal's nonce was used by somebody else.
async fn lose(conn: &mut Conn, lease: &Lease) {
    let intent = open(conn, Action::Propose).await.expect("a proposal");
    let closed = close_intent(conn, lease, (5, 6), &intent, IntentState::Lost, None).await;
    closed.expect("closes");
}

async fn say_accepted(conn: &mut Conn, batch: &Batch) {
    let root: B256 = batch.new_root.parse().expect("a root");
    let (seq, number) = (1, 1);
    let said = Said::BatchAccepted { seq, number, root };
    let mined = event(deployment().vault, 200, said);
    on_event(conn, 1, &mined).await.expect("applies");
}

#[tokio::test]
async fn a_proposal_that_was_believed_lost_and_is_mined_lives_again() {
    each_database(|db| async move {
        let (models, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let (round, batch) = proposing(&mut tx, &lease, &models).await;
        lose(&mut tx, &lease).await;
        assert_eq!(batch_state(&mut tx, &batch.id).await, BatchState::Rejected);
        let reason = halted(&mut tx)
            .await
            .expect("reads")
            .expect("halted")
            .reason;
        assert!(reason.contains("not ours used the nonce"), "{reason}");
        say_proposed(&mut tx, &batch, 1).await;
        assert_eq!(batch_state(&mut tx, &batch.id).await, BatchState::Proposed);
        assert_eq!(state(&mut tx, &round).await, RoundState::Batched);
        say_accepted(&mut tx, &batch).await;
        assert_eq!(batch_state(&mut tx, &batch.id).await, BatchState::Final);
        assert_eq!(state(&mut tx, &round).await, RoundState::Final);
        let now = halted(&mut tx).await.expect("reads").expect("still halted");
        assert_eq!(now.reason, reason, "and for nothing else");
    })
    .await;
}

#[tokio::test]
async fn the_successor_of_a_batch_that_lives_again_gives_way_or_is_taken_for_it() {
    each_database(|db| async move {
        let (models, lease) = set_up(&db).await;
        // Another round was scored meanwhile, so that the successor has another root.
        let mut tx = db.begin().await.expect("begins");
        let (first_round, first) = proposing(&mut tx, &lease, &models).await;
        lose(&mut tx, &lease).await;
        let later_us = START_US + 300 * SECOND_US;
        let (second_round, _) = committed(&mut tx, later_us, &models).await;
        score(&mut tx, &second_round).await;
        let second = again(&mut tx, &lease).await;
        assert_ne!(second.new_root, first.new_root);
        say_proposed(&mut tx, &first, 1).await;
        assert_eq!(batch_state(&mut tx, &second.id).await, BatchState::Rejected);
        assert_eq!(batch_state(&mut tx, &first.id).await, BatchState::Proposed);
        assert_eq!(state(&mut tx, &first_round).await, RoundState::Batched);
        assert_eq!(state(&mut tx, &second_round).await, RoundState::Scored);
        tx.rollback().await.expect("rolls back");

        // With the same facts it has the same root: then it is the one that is proposed.
        let mut tx = db.begin().await.expect("begins");
        let (_, first) = proposing(&mut tx, &lease, &models).await;
        lose(&mut tx, &lease).await;
        let now = START_US + 320 * SECOND_US;
        let planned = plan_batch(&mut tx, &lease, now, now, &deployment()).await;
        let planned = planned.expect("plans").expect("a batch");
        assert_eq!(planned.new_root, first.new_root);
        say_proposed(&mut tx, &first, 1).await;
        assert_eq!(
            batch_state(&mut tx, &planned.id).await,
            BatchState::Proposed
        );
        say_accepted(&mut tx, &first).await;
        assert_eq!(batch_state(&mut tx, &planned.id).await, BatchState::Final);
        assert_eq!(batch_state(&mut tx, &first.id).await, BatchState::Rejected);
    })
    .await;
}

#[tokio::test]
async fn what_is_accepted_after_our_clock_had_given_it_up_is_booked() {
    each_database(|db| async move {
        let (models, lease) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let batch = proposed(&mut tx, &lease, &models).await;
        let dies_us = batch::get(&mut tx, &batch.id).await.expect("reads").dies_us;
        let expired = expire(&mut tx, &lease, dies_us, &deployment()).await;
        assert_eq!(expired.expect("expires"), 1);
        say_accepted(&mut tx, &batch).await;
        assert_eq!(batch_state(&mut tx, &batch.id).await, BatchState::Final);
        let entries = stakes::ledger(&mut tx, &batch.vault)
            .await
            .expect("a ledger");
        let booked: i64 = entries.iter().map(|entry| entry.stake_delta).sum();
        assert_eq!(booked, -batch.burned.stored());
        assert_eq!(halted(&mut tx).await.expect("reads"), None);
    })
    .await;
}
