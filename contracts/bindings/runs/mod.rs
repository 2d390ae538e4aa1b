//! What a run of hosted models commits to and signs: trees over models, features, outputs and
//! receipts, the digest of the runtime, and the receipt of one run (EIP-712).
//!
//! Files are named by their SHA-256, which callers bring; trees and typed data are keccak256. These
//! trees carry their leaf count and are no trees of money: those are in [`crate::tree`].

mod receipt;
mod roots;
mod tree;

pub use receipt::{RunReceipt, Runtime, runtime_digest, signing_hash};
pub use roots::{
    InputBlock, ModelRun, input_leaves, input_root, model_leaf, models_root, output_leaf,
    output_root, receipt_leaf, receipts_root, salt,
};
pub use tree::{Inclusion, RunTree, TreeKind, leaf};
