//! The leaves of each tree of runs and the salt through which a round's commitment holds the roots.

use alloy_primitives::{B256, keccak256};

use super::tree::{RunTree, TreeKind, leaf};

/// A model that is to run in a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRun {
    /// The server's id of the model.
    pub model: String,
    /// SHA-256 of the uploaded file.
    pub artifact: B256,
    /// SHA-256 of its canonical re-encoding; zero where none was made.
    pub canonical: B256,
}

/// A block of float32 features: little-endian, row-major, `rows × columns × 4` bytes.
#[derive(Clone, Copy, Debug)]
pub struct InputBlock<'a> {
    /// Rows.
    pub rows: u64,
    /// Columns.
    pub columns: u64,
    /// The columns' names in their order; empty where they have none.
    pub names: &'a [&'a str],
    /// SHA-256 of `bytes`.
    pub sha256: B256,
    /// The numbers.
    pub bytes: &'a [u8],
}

/// keccak256(0x00 ‖ keccak256(model id) ‖ artifact ‖ canonical).
#[must_use]
pub fn model_leaf(run: &ModelRun) -> B256 {
    let key = keccak256(run.model.as_bytes());
    leaf(&[key.0, run.artifact.0, run.canonical.0].concat())
}

/// Root over the models of a round, by ascending model id (bytes).
#[must_use]
pub fn models_root(models: &[ModelRun]) -> B256 {
    RunTree::new(TreeKind::Models, models.iter().map(model_leaf).collect()).root()
}

/// The head, keccak256(0x00 ‖ rows u64 ‖ columns u64 ‖ keccak256(names joined by line feeds) ‖
/// SHA-256 of the block), and then each row, keccak256(0x00 ‖ row u64 ‖ its bytes).
#[must_use]
pub fn input_leaves(block: &InputBlock<'_>) -> Vec<B256> {
    let names = keccak256(block.names.join("\n").as_bytes());
    let (rows, columns) = (block.rows.to_be_bytes(), block.columns.to_be_bytes());
    let head = [&rows, &columns, names.as_slice(), block.sha256.as_slice()].concat();
    let mut leaves = vec![leaf(&head)];
    let width = usize::try_from(block.columns).unwrap_or(usize::MAX);
    let rows = block.bytes.chunks(width.saturating_mul(4).max(1));
    leaves.extend((0_u64..).zip(rows).map(|(row, bytes)| {
        let row = row.to_be_bytes();
        leaf(&[row.as_slice(), bytes].concat())
    }));
    leaves
}

/// Root over the features of a round.
#[must_use]
pub fn input_root(block: &InputBlock<'_>) -> B256 {
    RunTree::new(TreeKind::Input, input_leaves(block)).root()
}

/// keccak256(0x00 ‖ row u64 ‖ its float32, little-endian).
#[must_use]
pub fn output_leaf(row: u64, answer: f32) -> B256 {
    let row = row.to_be_bytes();
    leaf(&[row.as_slice(), &answer.to_le_bytes()].concat())
}

/// Root over what one model answered, a leaf a row; a model that did not answer has none.
#[must_use]
pub fn output_root(answers: &[f32]) -> B256 {
    let leaves = (0_u64..)
        .zip(answers)
        .map(|(row, &answer)| output_leaf(row, answer));
    RunTree::new(TreeKind::Output, leaves.collect()).root()
}

/// keccak256(0x00 ‖ keccak256(model id) ‖ signing hash of its receipt).
#[must_use]
pub fn receipt_leaf(model: &str, receipt: B256) -> B256 {
    leaf(&[keccak256(model.as_bytes()).0, receipt.0].concat())
}

/// Root over the receipts of a round as its lock found them, by ascending model id (bytes).
#[must_use]
pub fn receipts_root(receipts: &[(&str, B256)]) -> B256 {
    let leaves = receipts
        .iter()
        .map(|(model, hash)| receipt_leaf(model, *hash));
    RunTree::new(TreeKind::Receipts, leaves.collect()).root()
}

/// The salt of a round's commitment, keccak256(0x05 ‖ seed ‖ models root ‖ input root ‖ receipts
/// root): whoever is shown the seed sees that the commitment of before T holds the three roots.
#[must_use]
pub fn salt(seed: B256, models: B256, input: B256, receipts: B256) -> B256 {
    keccak256([&[5], [seed.0, models.0, input.0, receipts.0].as_flattened()].concat())
}
