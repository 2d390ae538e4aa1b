//! Call data of challenges: what anyone sends to a vault whose pending proposal is wrong.
//!
//! This module proves, it does not judge: whether the claim shows a fault is the contract's to say
//! (`FaultProof`, which answers a plain call too). Trees come from published leaves; a tree that the
//! operator built otherwise can only be challenged with the nodes that somebody has of it.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::fmt;

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::{SolCall, SolValue};
use thiserror::Error;

use crate::abi::{
    Entry, Fault, FaultProof, ModelClaim, NodeClaim, Outcome, Prediction, Reveal, StakeVault, Tree,
};
use crate::ledger::Ledger;
use crate::tree::{
    DEPTH, Leaf, LedgerSums, LedgerTree, Node, PredictionLeaf, PredictionSums, PredictionTree,
    Proof, RankingLeaf, SumTree, Sums, TreeError,
};

/// The published leaves of a round, by ascending index.
#[derive(Clone, Copy, Debug)]
pub enum Leaves<'a> {
    /// Of a direction round.
    Direction(&'a [PredictionLeaf]),
    /// Of a ranking round.
    Ranking(&'a [RankingLeaf]),
}

/// A round that a proposal reveals, with its leaves.
#[derive(Clone, Debug)]
pub struct RevealedRound<'a> {
    /// As in the proposal's call data.
    pub reveal: Reveal,
    /// Not looked at in a void round, nor in one of another tournament than the challenged model's.
    pub leaves: Leaves<'a>,
}

/// A node as its tree claims it, with the way to the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedNode<S> {
    /// 0 at the leaves, 20 at the top.
    pub level: u8,
    /// From the left, among the nodes of its level.
    pub position: u32,
    /// Hash and sums.
    pub node: Node<S>,
    /// From the node upwards, 20 − level of them.
    pub siblings: Vec<Node<S>>,
    /// What the hash is of; empty for the empty node.
    pub opening: Vec<u8>,
}

/// Why there is no challenge.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FaultError {
    /// The leaves are not those of the round.
    #[error(
        "the leaves of round {round} of the proposal lead to the root {built}, but it reveals \
         {revealed}: without the leaves that were committed nothing can be proven; veto instead"
    )]
    OtherLeaves {
        /// Place among the proposal's reveals.
        round: usize,
        /// Root of the leaves.
        built: B256,
        /// Root of the reveal.
        revealed: B256,
    },
    /// No tree, or no place in it.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// The call that challenges what a proposal does to one model: its entries in the ledger at the head
/// and after the batch, and its leaf, or that it has none, in every round of its tournament.
///
/// # Errors
/// Leaves that are not those of a round, indexes outside the trees.
pub fn challenge(
    index: u32,
    tournament: B256,
    head: &Ledger,
    next: &Ledger,
    rounds: &[RevealedRound<'_>],
) -> Result<StakeVault::challengeCall, FaultError> {
    let (mut predictions, mut proofs) = (Vec::new(), Vec::new());
    for (place, round) in rounds.iter().enumerate() {
        if round.reveal.tournament == tournament {
            let (prediction, proof) = prediction(index, place, round)?;
            predictions.push(prediction);
            proofs.push(proof);
        }
    }
    Ok(StakeVault::challengeCall {
        claim: ModelClaim {
            index,
            head: entry(head, index)?,
            next: entry(next, index)?,
        },
        reveals: rounds.iter().map(|round| round.reveal.clone()).collect(),
        predictions,
        siblings: siblings(&proofs),
    })
}

/// The call that challenges a node of the ledger that the proposal would make.
#[must_use]
pub fn challenge_ledger_node(node: ClaimedNode<LedgerSums>) -> StakeVault::challengeNodeCall {
    StakeVault::challengeNodeCall {
        claim: node_claim(Tree::Ledger, 0, node),
        reveals: Vec::new(),
    }
}

/// The call that challenges a node in the tree of one of the proposal's rounds, `round` being its
/// place among the reveals.
#[must_use]
pub fn challenge_prediction_node(
    round: u16,
    node: ClaimedNode<PredictionSums>,
    reveals: Vec<Reveal>,
) -> StakeVault::challengeNodeCall {
    StakeVault::challengeNodeCall {
        claim: node_claim(Tree::Prediction, round, node),
        reveals,
    }
}

/// Call data that asks `FaultProof` what a challenge of a model would show, before it is sent. The
/// answer is a number of [`Fault`].
#[must_use]
pub fn ask_model(vault: Address, call: &StakeVault::challengeCall) -> Bytes {
    let call = call.clone();
    let arguments = (
        vault,
        call.claim,
        call.reveals,
        call.predictions,
        call.siblings,
    )
        .abi_encode_params();
    [&FaultProof::modelFaultCall::SELECTOR[..], &arguments]
        .concat()
        .into()
}

/// As [`ask_model`], of a node.
#[must_use]
pub fn ask_node(vault: Address, call: &StakeVault::challengeNodeCall) -> Bytes {
    let call = call.clone();
    let arguments = (vault, call.claim, call.reveals).abi_encode_params();
    [&FaultProof::nodeFaultCall::SELECTOR[..], &arguments]
        .concat()
        .into()
}

impl<S: Sums> ClaimedNode<S> {
    /// A leaf of a tree that was built from leaves.
    #[must_use]
    pub fn leaf(tree: &SumTree<S>, leaf: &impl Leaf<Sums = S>) -> Self {
        Self {
            level: 0,
            position: leaf.index(),
            node: leaf.node(),
            siblings: tree.siblings(0, leaf.index()),
            opening: leaf.opening(),
        }
    }

    /// A node of such a tree above the leaves, levels 1 to 20.
    #[must_use]
    pub fn inner(tree: &SumTree<S>, level: u8, position: u32) -> Self {
        let height = usize::from(level);
        let left = position.wrapping_mul(2);
        let below = |place: u32| tree.node(height.saturating_sub(1), place);
        Self {
            level,
            position,
            node: tree.node(height, position),
            siblings: tree.siblings(height, position),
            opening: Node::opening(below(left), below(left | 1)).to_vec(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "nothing is wrong",
            Self::StakeDelta => "the stake of a model changes by other than its predictions earn",
            Self::PoolReward => "the pool reward of a model falls",
            Self::Report => "a counted report is outside the clamp",
            Self::StakeAtRisk => "one round could take more than its model could claim",
            Self::Claimable => "a model would owe",
            Self::UnregisteredModel => "the entry of an index that nobody registered changes",
            Self::NodeSums => "the sums of a node are not those below it",
            Self::EmptyNode => "an empty node has sums",
            Self::NodeShape => "a hash in a tree is of nothing that may stand there",
            Self::LeafPosition => "a leaf stands at the position of another model",
            Self::ForeignLeaf => "a model that is not in the tournament has a prediction",
        })
    }
}

fn entry(ledger: &Ledger, index: u32) -> Result<Entry, FaultError> {
    let leaf = ledger.leaf(index);
    let tree: LedgerTree = ledger.tree()?;
    Ok(Entry {
        stakeDelta: leaf.stake_delta,
        poolReward: leaf.pool_reward,
        proof: tree.proof(index)?.to_words(),
    })
}

fn prediction(
    index: u32,
    place: usize,
    round: &RevealedRound<'_>,
) -> Result<(Prediction, Proof<PredictionSums>), FaultError> {
    if round.reveal.outcome == Outcome::Void as u8 {
        return Ok(said(None, Proof([Node::default(); DEPTH])));
    }
    let (tree, leaf) = match round.leaves {
        Leaves::Direction(leaves) => {
            let leaf = leaves.iter().find(|leaf| leaf.index == index);
            let word = |p: u32| B256::from(alloy_primitives::U256::from(p));
            (
                PredictionTree::from_leaves(leaves)?,
                leaf.map(|leaf| (leaf.w, word(leaf.p))),
            )
        }
        Leaves::Ranking(leaves) => {
            let leaf = leaves.iter().find(|leaf| leaf.index == index);
            (
                SumTree::from_leaves(leaves)?,
                leaf.map(|leaf| (leaf.w, leaf.file)),
            )
        }
    };
    let reveal = &round.reveal;
    let revealed = Node {
        hash: reveal.top,
        sums: PredictionSums {
            stake: u128::from(reveal.totalStake),
            weighted: reveal.totalWeighted,
        },
    };
    if tree.top() != revealed {
        return Err(FaultError::OtherLeaves {
            round: place,
            built: tree.root(),
            revealed: revealed.root(),
        });
    }
    Ok(said(leaf, tree.proof(index)?))
}

fn said(
    leaf: Option<(u64, B256)>,
    proof: Proof<PredictionSums>,
) -> (Prediction, Proof<PredictionSums>) {
    let (w, report) = leaf.unwrap_or_default();
    let present = leaf.is_some();
    (Prediction { present, w, report }, proof)
}

/// The words of all proofs, of as few levels as every one of them needs: above the last model that a
/// tournament has, siblings are empty.
fn siblings(proofs: &[Proof<PredictionSums>]) -> Vec<B256> {
    let needed = |proof: &Proof<PredictionSums>| {
        let last = proof.0.iter().rposition(|node| *node != Node::default());
        last.map_or(0, |last| last.saturating_add(1))
    };
    let levels = proofs.iter().map(needed).max().unwrap_or_default();
    let words = |node: &Node<PredictionSums>| [node.hash, node.sums.to_word()];
    proofs
        .iter()
        .flat_map(|proof| proof.0.iter().take(levels).flat_map(words))
        .collect()
}

fn node_claim<S: Sums>(tree: Tree, round: u16, claimed: ClaimedNode<S>) -> NodeClaim {
    let words = |node: Node<S>| [node.hash, node.sums.to_word()];
    NodeClaim {
        tree: tree as u8,
        round,
        level: claimed.level,
        position: claimed.position,
        hash: claimed.node.hash,
        sums: claimed.node.sums.to_word().into(),
        siblings: claimed.siblings.into_iter().flat_map(words).collect(),
        opening: claimed.opening.into(),
    }
}
