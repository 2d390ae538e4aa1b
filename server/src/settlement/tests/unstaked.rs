//! Models without a stake: scored, no leaf, no part of W, and nobody's opponent.

use alloy::primitives::Address;

use super::*;
use crate::predictions;
use crate::stakes::testing::model;

/// Locks a round over `staked` and one model without a stake, and scores it.
async fn settled_beside_a_free_one(
    conn: &mut Conn,
    start_us: i64,
    staked: &[ModelId],
    free: &ModelId,
) -> (Lock, Settled, Vec<Payout>) {
    let mut models = staked.to_vec();
    models.push(free.clone());
    let (round, lock) = committed(conn, start_us, &models).await;
    let counted = predictions::counted(conn, &round.id).await.expect("reads");
    assert_eq!(counted.len(), models.len(), "it is counted and scored");
    let of_free = counted.iter().find(|one| one.model == *free);
    let of_free = of_free.expect("counted");
    assert_eq!((of_free.model_index, of_free.at_risk), (None, tokens(0)));
    let settled = score(conn, &round).await;
    let paid = payouts(conn, &round.id).await.expect("reads");
    (lock, settled, paid)
}

#[tokio::test]
async fn a_model_without_a_stake_is_no_leaf_and_no_part_of_w() {
    each_database(|db| async move {
        let (models, _) = set_up(&db).await;
        let two = &models[..2];
        let mut tx = db.begin().await.expect("begins");
        let (_, alone) = committed(&mut tx, START_US, two).await;
        tx.rollback().await.expect("rolls back");
        let mut tx = db.begin().await.expect("begins");
        let free = model(&mut tx, "free", Address::repeat_byte(0x77)).await;
        let (lock, settled, paid) = settled_beside_a_free_one(&mut tx, START_US, two, &free).await;
        assert_eq!((lock.root, lock.top_hash), (alone.root, alone.top_hash));
        assert_eq!((lock.total_w, lock.total_p), (alone.total_w, alone.total_p));
        assert_eq!(lock.total_w, tokens(100));
        assert!(!settled.thin);
        assert_eq!((settled.payouts.len(), paid.len()), (2, 2));
        assert!(paid.iter().all(|one| one.model != free));
    })
    .await;
}

#[tokio::test]
async fn a_model_without_a_stake_is_nobodys_opponent() {
    each_database(|db| async move {
        let (models, _) = set_up(&db).await;
        let mut tx = db.begin().await.expect("begins");
        let free = model(&mut tx, "free", Address::repeat_byte(0x77)).await;
        let one = &models[..1];
        let (lock, settled, paid) = settled_beside_a_free_one(&mut tx, START_US, one, &free).await;
        assert_eq!(lock.total_w, tokens(50));
        assert!(settled.thin, "one staked model is alone");
        assert_eq!((paid.len(), paid[0].delta.units()), (1, 0));
        assert_eq!(settled.burned, tokens(0));
    })
    .await;
}
