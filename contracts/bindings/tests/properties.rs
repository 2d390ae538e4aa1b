//! Properties of trees, proofs, changes and the ledger over random leaves.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use contracts::changes::{self, Change, ChangesError};
use contracts::ledger::Ledger;
use contracts::tree::{
    DEPTH, Leaf, LedgerLeaf, LedgerSums, LedgerTree, MAX_MODELS, Node, PredictionLeaf,
    PredictionTree, Proof, Sums, TreeError,
};
use proptest::collection::btree_map;
use proptest::prelude::*;

fn ledger_leaves() -> impl Strategy<Value = Vec<LedgerLeaf>> {
    let index = prop_oneof![0..64_u32, 0..MAX_MODELS];
    btree_map(index, (-1_000_000_i64..1_000_000, 0..1_000_000_u64), 0..40).prop_map(|entries| {
        entries
            .into_iter()
            .map(|(index, (stake, pool))| LedgerLeaf {
                index,
                stake_delta: i128::from(stake),
                pool_reward: u128::from(pool),
            })
            .collect()
    })
}

/// The definition, node by node, with no sparse levels: slow and plain.
fn plain_root(leaves: &[LedgerLeaf]) -> B256 {
    let mut level: BTreeMap<u32, Node<LedgerSums>> = leaves
        .iter()
        .map(|leaf| (leaf.index, leaf.node()))
        .collect();
    for _ in 0..DEPTH {
        let parents: Vec<u32> = level.keys().map(|position| position / 2).collect();
        let at = |position: u32| level.get(&position).copied().unwrap_or_default();
        level = parents
            .into_iter()
            .map(|parent| {
                let node = Node::above(at(2 * parent), at(2 * parent + 1)).expect("fits");
                (parent, node)
            })
            .collect();
    }
    level.get(&0).copied().unwrap_or_default().root()
}

proptest! {
    #[test]
    fn the_tree_is_the_definition_and_every_proof_holds(leaves in ledger_leaves(), probe in 0..MAX_MODELS) {
        let tree = LedgerTree::from_leaves(&leaves).expect("ascending");
        prop_assert_eq!(tree.root(), plain_root(&leaves));
        for leaf in &leaves {
            let proof = tree.proof(leaf.index).expect("inside");
            prop_assert!(proof.verify(tree.root(), leaf));
            prop_assert_eq!(Proof::from_words(&proof.to_words()), proof);
        }
        let absent = !leaves.iter().any(|leaf| leaf.index == probe);
        let proof = tree.proof(probe).expect("inside");
        prop_assert_eq!(proof.verify_absence(tree.root(), probe), absent || tree.leaf(probe) == Node::default());
        let stake: i128 = leaves.iter().map(|leaf| leaf.stake_delta).sum();
        let pool: u128 = leaves.iter().map(|leaf| leaf.pool_reward).sum();
        prop_assert_eq!(tree.top().sums, LedgerSums { stake_delta: stake, pool_reward: pool });
    }

    #[test]
    fn a_proof_holds_for_nothing_else(
        leaves in ledger_leaves(),
        pick in any::<prop::sample::Index>(),
        shift in 1..1_000_i128,
        level in 0..DEPTH,
        byte in 0..64_usize,
    ) {
        prop_assume!(!leaves.is_empty());
        let leaf = leaves[pick.index(leaves.len())];
        let tree = LedgerTree::from_leaves(&leaves).expect("ascending");
        let proof = tree.proof(leaf.index).expect("inside");
        let root = tree.root();
        let stake = LedgerLeaf { stake_delta: leaf.stake_delta + shift, ..leaf };
        let pool = LedgerLeaf { pool_reward: leaf.pool_reward + shift.unsigned_abs(), ..leaf };
        prop_assert!(!proof.verify(root, &stake));
        prop_assert!(!proof.verify(root, &pool));
        if leaf.node() != Node::default() {
            let neighbour = LedgerLeaf { index: leaf.index ^ (1 << level), ..leaf };
            prop_assert!(!proof.verify(root, &neighbour));
        }
        let mut words = proof.to_words();
        words[2 * level + byte / 32].0[byte % 32] ^= 1;
        prop_assert!(!Proof::from_words(&words).verify(root, &leaf));
    }

    #[test]
    fn changes_survive_packing(entries in btree_map(0..MAX_MODELS, any::<(i64, u64)>(), 0..50)) {
        let list: Vec<Change> = entries
            .into_iter()
            .map(|(index, (stake_delta, pool_reward))| Change { index, stake_delta, pool_reward })
            .collect();
        let bytes = changes::pack(&list).expect("ascending");
        prop_assert_eq!(bytes.len(), 20 * list.len());
        prop_assert_eq!(changes::unpack(&bytes), Ok(list));
    }

    #[test]
    fn unpacking_takes_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(list) = changes::unpack(&bytes) {
            prop_assert_eq!(changes::pack(&list), Ok(bytes));
        }
    }

    #[test]
    fn a_ledger_is_the_sum_of_its_batches(
        batches in prop::collection::vec(
            btree_map(0..30_u32, (-1_000_i64..1_000, 0..1_000_u64), 0..20), 0..5),
    ) {
        let mut ledger = Ledger::default();
        let mut total = (0_i128, 0_u128);
        for batch in batches {
            let list: Vec<Change> = batch
                .into_iter()
                .map(|(index, (stake_delta, pool_reward))| Change { index, stake_delta, pool_reward })
                .collect();
            let (stake, pool) = changes::sums(&list);
            total = (total.0 + stake, total.1 + pool);
            ledger.apply(&list).expect("fits");
        }
        let tree = ledger.tree().expect("fits");
        prop_assert_eq!((tree.top().sums.stake_delta, tree.top().sums.pool_reward), total);
    }
}

#[test]
fn leaves_out_of_order_or_out_of_the_tree_are_refused() {
    let leaf = |index| PredictionLeaf {
        index,
        w: 1,
        p: 500_000,
    };
    let unordered = PredictionTree::from_leaves(&[leaf(2), leaf(2)]);
    assert_eq!(unordered.err(), Some(TreeError::Unordered(2)));
    let outside = PredictionTree::from_leaves(&[leaf(MAX_MODELS)]);
    assert_eq!(outside.err(), Some(TreeError::IndexOutOfTree(MAX_MODELS)));
    let tree = PredictionTree::from_leaves(&[leaf(MAX_MODELS - 1)]).expect("the last place");
    let refused = TreeError::IndexOutOfTree(MAX_MODELS);
    assert_eq!(tree.proof(MAX_MODELS).err(), Some(refused));
}

#[test]
fn sums_that_overflow_are_no_tree() {
    let leaf = |index| LedgerLeaf {
        index,
        stake_delta: i128::MIN,
        pool_reward: 0,
    };
    let tree = LedgerTree::from_leaves(&[leaf(0), leaf(1)]);
    assert_eq!(tree.err(), Some(TreeError::SumOverflow));
    let sums = LedgerSums {
        stake_delta: i128::MIN,
        pool_reward: u128::MAX,
    };
    assert_eq!(LedgerSums::from_word(sums.to_word()), sums);
}

#[test]
fn changes_out_of_order_or_cut_are_refused() {
    let change = |index| Change {
        index,
        stake_delta: -1,
        pool_reward: 1,
    };
    let unordered = Err(ChangesError::Unordered(4));
    assert_eq!(changes::pack(&[change(4), change(4)]), unordered);
    let bytes = changes::pack(&[change(4)]).expect("one");
    assert_eq!(changes::unpack(&bytes[..19]), Err(ChangesError::Length(19)));
    assert_eq!(
        changes::unpack(&[bytes.clone(), bytes].concat()).err(),
        unordered.err()
    );
}

#[test]
fn a_ledger_takes_all_of_a_batch_or_nothing() {
    let mut ledger = Ledger::default();
    let good = Change {
        index: 0,
        stake_delta: 5,
        pool_reward: 0,
    };
    let bad = Change {
        index: MAX_MODELS,
        ..good
    };
    assert!(ledger.apply(&[good, bad]).is_err());
    assert_eq!(ledger, Ledger::default());
}
