//! The reference models inside the binary.
//!
//! Owns their names, bytes and hashes. `models/train.py` writes the files from the train part alone;
//! each serves both assets. Must never be changed by hand.

use std::sync::LazyLock;

use crate::manifest::sha256_hex;

/// One ONNX model: input `[N, FEATURE_COUNT]` single precision in the order of
/// [`crate::features::FEATURES`], output `probabilities` `[N, 2]`, column 1 = up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceModel {
    /// Short name, unique.
    pub name: &'static str,
    /// File name in `models/`.
    pub file_name: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// The file.
    pub bytes: &'static [u8],
    /// SHA-256 of the file, hex.
    pub sha256: String,
}

/// All reference models, in a fixed order.
pub fn reference_models() -> &'static [ReferenceModel] {
    static MODELS: LazyLock<[ReferenceModel; 4]> = LazyLock::new(|| {
        [
            model(
                "lightgbm",
                "lightgbm.onnx",
                "Gradient-boosted trees (LightGBM), shallow and strongly regularised.",
                include_bytes!("../models/lightgbm.onnx"),
            ),
            model(
                "logistic",
                "logistic.onnx",
                "Standardised features into a logistic regression.",
                include_bytes!("../models/logistic.onnx"),
            ),
            model(
                "forest",
                "forest.onnx",
                "Random forest of shallow trees.",
                include_bytes!("../models/forest.onnx"),
            ),
            model(
                "mlp",
                "mlp.onnx",
                "Standardised features into a small neural net with one hidden layer.",
                include_bytes!("../models/mlp.onnx"),
            ),
        ]
    });
    MODELS.as_slice()
}

fn model(
    name: &'static str,
    file_name: &'static str,
    description: &'static str,
    bytes: &'static [u8],
) -> ReferenceModel {
    ReferenceModel {
        name,
        file_name,
        description,
        bytes,
        sha256: sha256_hex(bytes),
    }
}
