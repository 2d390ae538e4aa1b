//! Builds the ledger tree of 100,000 models and all their proofs; run with `--release` and time it.
//! The tree alone is built when the argument `tree` is given.

use contracts::tree::{LedgerLeaf, LedgerTree};

fn main() {
    let leaves: Vec<LedgerLeaf> = (0..100_000)
        .map(|index| LedgerLeaf {
            index,
            stake_delta: i128::from(index) - 50_000,
            pool_reward: 1,
        })
        .collect();
    let tree = LedgerTree::from_leaves(&leaves).expect("indexes ascend");
    if std::env::args().any(|argument| argument == "tree") {
        return;
    }
    let zero = leaves
        .iter()
        .map(|leaf| tree.proof(leaf.index).expect("inside the tree"))
        .filter(|proof| proof.0[0].hash.is_zero())
        .count();
    assert_eq!(zero, 0, "every leaf has a neighbour");
}
