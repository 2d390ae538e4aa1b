//! The proof of inclusion as the API shows it: everything that a stranger needs to compute the
//! commitment that stands on the chain.

use contracts::tree::{Leaf, Node, PredictionLeaf, PredictionSums};
use serde::Serialize;
use utoipa::ToSchema;

use crate::predictions::ReceiptSigner;
use crate::settlement::Inclusion;

/// From a leaf to the commitment (protocol: trees of depth 20, big-endian and packed). Hash the leaf,
/// go up with the siblings, hash the top into the root and the root into the commitment; it must be
/// the one that the registry has of `chain_round`. Amounts are integers in units of 1e-9 token.
#[derive(Serialize, ToSchema)]
pub(super) struct ProofBody {
    chain_id: u64,
    /// The contract that holds the commitment.
    registry: String,
    /// keccak256 of the tournament's id.
    tournament_key: String,
    /// T, seconds.
    starts_at_s: i64,
    /// keccak256(abi.encode(chain_id, registry, tournament_key, starts_at_s)).
    chain_round: String,
    leaf: LeafBody,
    /// From the leaf upwards, always 20. Where bit i of the index is 0 sibling i stands on the right,
    /// else on the left. The node above two is keccak256(0x01 ‖ left hash ‖ left sums ‖ right hash ‖
    /// right sums), its sums are those of both added; above two empty nodes, all zero, it is empty.
    siblings: Vec<NodeBody>,
    /// Where the siblings lead to; its sums are W and P of the round.
    top: NodeBody,
    /// keccak256(0x02 ‖ top hash ‖ top sums).
    root: String,
    salt: String,
    /// keccak256(0x03 ‖ chain_round ‖ root ‖ salt).
    commitment: String,
    /// The commitment's transaction; null until it is final.
    commit_tx: Option<String>,
}

/// The counted prediction.
#[derive(Serialize, ToSchema)]
struct LeafBody {
    /// The model's position in the tree.
    index: u32,
    /// Stake at risk, units.
    #[schema(example = "10500000000")]
    w: String,
    /// As counted, parts per million.
    p_ppm: u32,
    /// keccak256(0x00 ‖ index u32 ‖ w u64 ‖ p u32).
    hash: String,
}

/// A node: its hash and its sums, two 128-bit halves in this order.
#[derive(Serialize, ToSchema)]
struct NodeBody {
    hash: String,
    /// Σ w, units.
    #[schema(example = "10500000000")]
    w: String,
    /// Σ w·p, units · ppm.
    #[schema(example = "5565000000000000")]
    wp: String,
}

impl ProofBody {
    pub(super) fn new(inclusion: &Inclusion, signer: &ReceiptSigner) -> Self {
        let lock = &inclusion.lock;
        Self {
            chain_id: signer.chain_id(),
            registry: signer.registry().to_string(),
            tournament_key: lock.tournament_key.to_string(),
            starts_at_s: lock.round.start_us() / domain::timestamp::SECOND_US,
            chain_round: lock.chain_round.to_string(),
            leaf: LeafBody::from(&inclusion.leaf),
            siblings: inclusion.proof.0.iter().map(NodeBody::from).collect(),
            top: NodeBody::from(&inclusion.top),
            root: lock.root.to_string(),
            salt: lock.salt.to_string(),
            commitment: lock.commitment.to_string(),
            commit_tx: Some(lock.commit_tx.clone()).filter(|tx| !tx.is_empty()),
        }
    }
}

impl From<&PredictionLeaf> for LeafBody {
    fn from(leaf: &PredictionLeaf) -> Self {
        Self {
            index: leaf.index,
            w: leaf.w.to_string(),
            p_ppm: leaf.p,
            hash: leaf.node().hash.to_string(),
        }
    }
}

impl From<&Node<PredictionSums>> for NodeBody {
    fn from(node: &Node<PredictionSums>) -> Self {
        Self {
            hash: node.hash.to_string(),
            w: node.sums.stake.to_string(),
            wp: node.sums.weighted.to_string(),
        }
    }
}
