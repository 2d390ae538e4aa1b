//! The fixture that Foundry checks too: the protocol's vectors, and that the generated half is what
//! this crate makes today.

#[path = "../fixture/mod.rs"]
mod fixture;

use alloy_primitives::B256;
use contracts::round;
use contracts::tree::{
    Leaf, LedgerSums, LedgerTree, Node, PredictionSums, PredictionTree, TreeError,
};
use fixture::columns::{all, ledger, one, prediction};

#[test]
fn the_generated_half_is_what_the_crate_makes() {
    let file = fixture::read();
    assert_eq!(
        file["generated"],
        fixture::generated(&file["protocol"]),
        "run `cargo run -p contracts --example fixtures` and look at the difference"
    );
}

#[test]
fn the_challenges_are_what_the_crate_makes() {
    let text = std::fs::read_to_string(fixture::faults::path()).expect("the fixture is committed");
    let committed: serde_json::Value = serde_json::from_str(&text).expect("the fixture is JSON");
    assert_eq!(
        committed,
        fixture::faults::file(),
        "run `cargo run -p contracts --example fixtures` and look at the difference"
    );
}

#[test]
fn the_forecasts_are_what_the_crate_makes() {
    let text = std::fs::read_to_string(fixture::aggregates::path()).expect("it is committed");
    let committed: serde_json::Value = serde_json::from_str(&text).expect("the fixture is JSON");
    assert_eq!(
        committed,
        fixture::aggregates::file(),
        "run `cargo run -p contracts --example fixtures` and look at the difference"
    );
}

#[test]
fn prediction_tree_of_the_protocol() {
    let vectors = &fixture::read()["protocol"]["prediction"];
    let leaves = prediction(vectors);
    let hashes: Vec<B256> = leaves.iter().map(|leaf| leaf.node().hash).collect();
    assert_eq!(hashes, all::<B256>(&vectors["hash"]));
    let tree = PredictionTree::from_leaves(&leaves).expect("ascending");
    let sums: Vec<u128> = all(&vectors["sums"]);
    let expected = PredictionSums {
        stake: sums[0],
        weighted: sums[1],
    };
    assert_eq!(tree.top().sums, expected);
    assert_eq!(tree.top().hash, one::<B256>(&vectors["top"]));
    assert_eq!(tree.root(), one::<B256>(&vectors["root"]));
}

#[test]
fn ledger_tree_of_the_protocol() {
    let vectors = &fixture::read()["protocol"]["ledger"];
    let leaves = ledger(vectors);
    let hashes: Vec<B256> = leaves.iter().map(|leaf| leaf.node().hash).collect();
    assert_eq!(hashes, all::<B256>(&vectors["hash"]));
    let tree = LedgerTree::from_leaves(&leaves).expect("ascending");
    let sums: Vec<i128> = all(&vectors["sums"]);
    assert_eq!(tree.top().sums.stake_delta, sums[0]);
    assert_eq!(tree.top().sums.pool_reward, sums[1].unsigned_abs());
    assert_eq!(tree.top().hash, one::<B256>(&vectors["top"]));
    assert_eq!(tree.root(), one::<B256>(&vectors["root"]));
    let empty = LedgerTree::from_leaves::<contracts::tree::LedgerLeaf>(&[]).expect("no leaves");
    assert_eq!(empty.root(), one::<B256>(&vectors["empty_root"]));
}

#[test]
fn round_hashes_of_the_protocol() {
    let file = fixture::read();
    let vectors = &file["protocol"]["round"];
    let id = round::round_id(
        one(&vectors["chain_id"]),
        one(&vectors["registry"]),
        one(&vectors["tournament"]),
        one(&vectors["starts_at"]),
    );
    assert_eq!(id, one::<B256>(&vectors["round_id"]));
    let salt = one(&vectors["salt"]);
    let root = one(&file["protocol"]["prediction"]["root"]);
    let commitment = round::commitment(id, root, salt);
    assert_eq!(commitment, one::<B256>(&vectors["commitment"]));
    assert_eq!(round::kept(commitment), commitment[..28]);
    let first = prediction(&file["protocol"]["prediction"])[0];
    let seal = round::seal(id, first.index, first.w, first.p, salt);
    assert_eq!(seal, one::<B256>(&vectors["seal_of_index_0"]));
}

#[test]
fn payouts_of_the_protocol() {
    let file = fixture::read();
    for case in file["protocol"]["wager"].as_array().expect("cases") {
        let (a, y) = (one(&case["a"]), one(&case["y"]));
        let (total, weighted) = (one(&case["W"]), one(&case["P"]));
        let rows = all::<u64>(&case["w"])
            .into_iter()
            .zip(all::<u32>(&case["p"]));
        let payouts: Vec<i128> = rows
            .map(|(w, p)| fixture::payout(a, y, w, p, total, weighted))
            .collect();
        assert_eq!(payouts, all::<i128>(&case["D"]), "{}", case["name"]);
        let burned: i128 = one(&case["burned"]);
        assert_eq!(-payouts.iter().sum::<i128>(), burned, "{}", case["name"]);
    }
}

#[test]
fn proofs_of_the_file_lead_to_its_roots() {
    let file = fixture::read();
    let vectors = &file["generated"]["prediction"];
    let root: B256 = one(&vectors["root"]);
    let leaves = prediction(vectors);
    let proofs = fixture::read_proofs::<PredictionSums>(&vectors["proofs"]);
    for (index, proof) in all::<u32>(&vectors["proof_of"]).into_iter().zip(&proofs) {
        let leaf = leaves
            .iter()
            .find(|leaf| leaf.index == index)
            .expect("a leaf");
        assert!(proof.verify(root, leaf));
        assert!(!proof.verify_absence(root, index));
        let mut other = *leaf;
        other.w += 1;
        assert!(!proof.verify(root, &other));
    }
    let absent = fixture::read_proofs::<PredictionSums>(&vectors["absent_proofs"]);
    for (index, proof) in all::<u32>(&vectors["absent"]).into_iter().zip(&absent) {
        assert!(proof.verify_absence(root, index));
        assert!(!proof.verify_absence(root, index + 1));
    }
}

#[test]
fn an_entry_of_zero_is_no_leaf() {
    let file = fixture::read();
    let last = &file["generated"]["ledger"][2];
    assert!(!all::<u32>(&last["index"]).contains(&7));
    let proof = fixture::read_proofs::<LedgerSums>(&last["proofs"])[1];
    assert!(proof.verify_absence(one(&last["root"]), 7));
    assert_eq!(
        proof.climb(1 << 20, fixture::empty()),
        Err(TreeError::IndexOutOfTree(1 << 20))
    );
    assert_eq!(fixture::empty::<LedgerSums>(), Node::default());
}
