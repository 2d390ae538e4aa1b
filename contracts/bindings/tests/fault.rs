//! The call data of challenges: what is in it leads to the roots that the contract compares with.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::SolCall;
use contracts::abi::{FaultProof, Outcome, Reveal};
use contracts::changes::Change;
use contracts::fault::{self, ClaimedNode, FaultError, Leaves, RevealedRound};
use contracts::ledger::Ledger;
use contracts::tree::{
    self, DEPTH, Leaf, MAX_MODELS, Node, PredictionLeaf, PredictionSums, PredictionTree, Proof,
    RankingLeaf, Sums, TreeError,
};
use proptest::collection::btree_map;
use proptest::prelude::*;

const OURS: B256 = B256::repeat_byte(1);
const OTHER: B256 = B256::repeat_byte(2);

fn reveal(tournament: B256, top: Node<PredictionSums>, outcome: Outcome) -> Reveal {
    Reveal {
        tournament,
        startsAt: 1_709_251_200,
        top: top.hash,
        totalStake: u64::try_from(top.sums.stake).expect("below 2^63"),
        totalWeighted: top.sums.weighted,
        outcome: outcome as u8,
        salt: B256::repeat_byte(7),
        evidence: B256::repeat_byte(8),
    }
}

fn round(tournament: B256, leaves: &[PredictionLeaf], outcome: Outcome) -> RevealedRound<'_> {
    let top = PredictionTree::from_leaves(leaves)
        .expect("ascending")
        .top();
    RevealedRound {
        reveal: reveal(tournament, top, outcome),
        leaves: Leaves::Direction(leaves),
    }
}

fn root_of(reveal: &Reveal) -> B256 {
    let sums = PredictionSums {
        stake: u128::from(reveal.totalStake),
        weighted: reveal.totalWeighted,
    };
    tree::root(reveal.top, sums)
}

fn prediction_leaves() -> impl Strategy<Value = Vec<PredictionLeaf>> {
    let index = prop_oneof![0..16_u32, 0..MAX_MODELS];
    btree_map(index, (1..1_u64 << 50, 0..1_000_000_u32), 0..12).prop_map(|leaves| {
        leaves
            .into_iter()
            .map(|(index, (w, p))| PredictionLeaf { index, w, p })
            .collect()
    })
}

fn ledger() -> impl Strategy<Value = Ledger> {
    btree_map(0..16_u32, (any::<i64>(), any::<u64>()), 0..12).prop_map(|entries| {
        let changes: Vec<Change> = entries
            .into_iter()
            .map(|(index, (stake_delta, pool_reward))| Change {
                index,
                stake_delta,
                pool_reward,
            })
            .collect();
        let mut ledger = Ledger::default();
        ledger.apply(&changes).expect("fits");
        ledger
    })
}

proptest! {
    #[test]
    fn everything_in_a_challenge_leads_to_its_root(
        first in prediction_leaves(),
        second in prediction_leaves(),
        head in ledger(),
        next in ledger(),
        index in 0..20_u32,
    ) {
        let rounds = [
            round(OURS, &first, Outcome::One),
            round(OTHER, &second, Outcome::One),
            round(OURS, &second, Outcome::Zero),
        ];
        let call = fault::challenge(index, OURS, &head, &next, &rounds).expect("is proven");
        prop_assert_eq!(call.reveals.len(), 3);
        for (entry, ledger) in [(&call.claim.head, &head), (&call.claim.next, &next)] {
            let leaf = ledger.leaf(index);
            prop_assert_eq!((entry.stakeDelta, entry.poolReward), (leaf.stake_delta, leaf.pool_reward));
            let root = ledger.tree().expect("fits").root();
            prop_assert!(Proof::from_words(&entry.proof).verify(root, &leaf));
        }
        prop_assert_eq!(call.predictions.len(), 2, "one for each round of the tournament");
        let words = call.siblings.len() / 2;
        prop_assert_eq!((call.siblings.len() % 4, words <= 2 * DEPTH), (0, true));
        let shown = call.predictions.iter().zip([(&first, 0), (&second, 2)]);
        for (number, (said, (leaves, place))) in shown.enumerate() {
            let root = root_of(&call.reveals[place]);
            let mut padded = [B256::ZERO; 2 * DEPTH];
            padded[..words].copy_from_slice(&call.siblings[number * words..][..words]);
            let proof = Proof::<PredictionSums>::from_words(&padded);
            match leaves.iter().find(|leaf| leaf.index == index) {
                Some(leaf) => {
                    prop_assert!(said.present && said.w == leaf.w);
                    prop_assert_eq!(said.report, B256::from(U256::from(leaf.p)));
                    prop_assert!(proof.verify(root, leaf));
                }
                None => prop_assert!(!said.present && proof.verify_absence(root, index)),
            }
        }
    }

    #[test]
    fn a_claimed_node_is_on_its_way_to_the_top(leaves in prediction_leaves(), level in 0..=20_u8, pick in any::<u32>()) {
        prop_assume!(!leaves.is_empty());
        let tree = PredictionTree::from_leaves(&leaves).expect("ascending");
        let leaf = &leaves[pick as usize % leaves.len()];
        let node = match level {
            0 => ClaimedNode::leaf(&tree, leaf),
            _ => ClaimedNode::inner(&tree, level, leaf.index >> level),
        };
        prop_assert_eq!(node.siblings.len(), DEPTH - usize::from(level));
        prop_assert_eq!(keccak256(&node.opening), node.node.hash);
        let (mut top, mut position) = (node.node, node.position);
        for sibling in &node.siblings {
            let pair = if position & 1 == 0 { (top, *sibling) } else { (*sibling, top) };
            top = Node::above(pair.0, pair.1).expect("fits");
            position >>= 1;
        }
        prop_assert_eq!(top, tree.top());
        let call = fault::challenge_prediction_node(5, node.clone(), Vec::new());
        prop_assert_eq!((call.claim.round, call.claim.level), (5, level));
        prop_assert_eq!(call.claim.sums, U256::from_be_bytes(node.node.sums.to_word().0));
        prop_assert_eq!(call.claim.siblings.len(), 2 * node.siblings.len());
    }
}

#[test]
fn the_question_to_the_judge_has_the_words_of_the_challenge() {
    let leaves = [PredictionLeaf {
        index: 3,
        w: 5,
        p: 400_000,
    }];
    let rounds = [round(OURS, &leaves, Outcome::One)];
    let (head, next) = (Ledger::default(), Ledger::default());
    let call = fault::challenge(3, OURS, &head, &next, &rounds).expect("is proven");
    let vault = Address::repeat_byte(9);
    let asked = FaultProof::modelFaultCall::abi_decode(&fault::ask_model(vault, &call));
    let asked = asked.expect("is a question");
    assert_eq!(asked.vault, vault);
    assert_eq!(asked.claim.index, 3);
    assert_eq!(asked.claim.next.proof, call.claim.next.proof);
    assert_eq!(asked.predictions[0].w, call.predictions[0].w);
    assert_eq!(asked.siblings, call.siblings);
    assert_eq!(asked.reveals[0].top, call.reveals[0].top);
    let tree = PredictionTree::from_leaves(&leaves).expect("ascending");
    let node = ClaimedNode::leaf(&tree, &leaves[0]);
    let call = fault::challenge_prediction_node(0, node, call.reveals);
    let asked = FaultProof::nodeFaultCall::abi_decode(&fault::ask_node(vault, &call));
    let asked = asked.expect("is a question");
    assert_eq!((asked.vault, asked.claim.tree), (vault, 1));
    assert_eq!(asked.claim.opening, leaves[0].opening());
    assert_eq!(asked.reveals.len(), 1);
}

#[test]
fn other_leaves_than_the_committed_prove_nothing() {
    let leaves = [PredictionLeaf {
        index: 3,
        w: 5,
        p: 400_000,
    }];
    let other = [PredictionLeaf {
        index: 3,
        w: 6,
        p: 400_000,
    }];
    let (head, next) = (Ledger::default(), Ledger::default());
    let mut changed = round(OURS, &leaves, Outcome::One);
    changed.leaves = Leaves::Direction(&other);
    let mut rounds = [round(OURS, &leaves, Outcome::One), changed];
    let refused = fault::challenge(3, OURS, &head, &next, &rounds);
    let [built, revealed] = [&other, &leaves].map(|leaves| {
        PredictionTree::from_leaves(leaves)
            .expect("ascending")
            .root()
    });
    assert_eq!(
        refused,
        Err(FaultError::OtherLeaves {
            round: 1,
            built,
            revealed
        })
    );
    // In a void round nothing is at stake: its leaves are not looked at.
    rounds[1].reveal.outcome = Outcome::Void as u8;
    let call = fault::challenge(3, OURS, &head, &next, &rounds).expect("is proven");
    assert!(call.predictions[0].present && !call.predictions[1].present);
    let outside = fault::challenge(MAX_MODELS, OURS, &head, &next, &[]);
    assert_eq!(
        outside,
        Err(FaultError::Tree(TreeError::IndexOutOfTree(MAX_MODELS)))
    );
}

#[test]
fn in_a_ranking_the_file_stands_for_the_report() {
    let leaves = [RankingLeaf {
        index: 4,
        w: 9,
        file: keccak256("file"),
    }];
    let tree = tree::SumTree::from_leaves(&leaves).expect("ascending");
    let rounds = [RevealedRound {
        reveal: reveal(OURS, tree.top(), Outcome::Zero),
        leaves: Leaves::Ranking(&leaves),
    }];
    let (head, next) = (Ledger::default(), Ledger::default());
    let call = fault::challenge(4, OURS, &head, &next, &rounds).expect("is proven");
    assert_eq!(call.predictions[0].report, keccak256("file"));
    assert_eq!(call.predictions[0].w, 9);
    let absent = fault::challenge(5, OURS, &head, &next, &rounds).expect("is proven");
    assert!(!absent.predictions[0].present);
}
