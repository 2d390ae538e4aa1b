//! Tree ensembles that are no trees.

use super::{features, probability};
use crate::onnx_writer::{Attributes, Graph, ML, model, node, node_of};

/// One split and two leaves, changed by its arguments.
struct Tree {
    features: [i64; 3],
    yes: [i64; 3],
    no: [i64; 3],
    modes: [&'static str; 3],
    leaves: [i64; 2],
    targets: i64,
}

const HONEST: Tree = Tree {
    features: [0, 0, 0],
    yes: [1, 0, 0],
    no: [2, 0, 0],
    modes: ["BRANCH_LEQ", "LEAF", "LEAF"],
    leaves: [1, 2],
    targets: 1,
};

fn file(tree: &Tree) -> Vec<u8> {
    let ensemble = node_of(ML, "TreeEnsembleRegressor", &["X"], &["s"])
        .with_ints("nodes_treeids", &[0, 0, 0])
        .with_ints("nodes_nodeids", &[0, 1, 2])
        .with_ints("nodes_featureids", &tree.features)
        .with_floats("nodes_values", &[0.0; 3])
        .with_texts("nodes_modes", &tree.modes)
        .with_ints("nodes_truenodeids", &tree.yes)
        .with_ints("nodes_falsenodeids", &tree.no)
        .with_ints("target_treeids", &[0, 0])
        .with_ints("target_nodeids", &tree.leaves)
        .with_ints("target_ids", &[0, 0])
        .with_floats("target_weights", &[0.5, -0.5])
        .with_int("n_targets", tree.targets);
    let graph = Graph {
        nodes: vec![ensemble, node("Sigmoid", &["s"], &["p"])],
        inputs: vec![features()],
        outputs: vec![probability("p")],
        ..Graph::default()
    };
    model(&graph).0
}

/// A split whose two children are itself.
pub(crate) fn tree_cycle() -> Vec<u8> {
    file(&Tree {
        yes: [0, 0, 0],
        no: [0, 0, 0],
        ..HONEST
    })
}

/// Two splits that lead to each other.
pub(crate) fn tree_long_cycle() -> Vec<u8> {
    file(&Tree {
        yes: [1, 0, 0],
        no: [1, 0, 0],
        modes: ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"],
        ..HONEST
    })
}

pub(crate) fn tree_child_out_of_range() -> Vec<u8> {
    file(&Tree {
        yes: [1 << 30, 0, 0],
        no: [-1, 0, 0],
        ..HONEST
    })
}

/// Reads a feature far beyond the row.
pub(crate) fn tree_feature_out_of_range() -> Vec<u8> {
    file(&Tree {
        features: [1 << 30, 0, 0],
        ..HONEST
    })
}

/// Reads a feature just beyond the row, which is the next row's or nobody's.
pub(crate) fn tree_feature_next_row() -> Vec<u8> {
    file(&Tree {
        features: [8, 0, 0],
        ..HONEST
    })
}

pub(crate) fn tree_negative_feature() -> Vec<u8> {
    file(&Tree {
        features: [-1_000_000, 0, 0],
        ..HONEST
    })
}

pub(crate) fn tree_leaf_out_of_range() -> Vec<u8> {
    file(&Tree {
        leaves: [77, 1 << 40],
        ..HONEST
    })
}

pub(crate) fn tree_many_targets() -> Vec<u8> {
    file(&Tree {
        targets: 1 << 40,
        ..HONEST
    })
}
