//! The hostile files. Each is a function that writes one small file; the rest of a file is as
//! honest as it can be, so that the one hostile thing is what is tried.

pub(super) mod contract;
pub(super) mod format;
pub(super) mod growth;
pub(super) mod outside;
pub(super) mod trees;

use crate::onnx_writer::{FLOAT, Graph, Message, Size, floats, model, node, value};

/// `X [N,8]`.
fn features() -> Message {
    value("X", FLOAT, &[Size::Open("N"), Size::Is(8)])
}

/// `name [N,1]`.
fn probability(name: &str) -> Message {
    value(name, FLOAT, &[Size::Open("N"), Size::Is(1)])
}

/// A graph that computes a probability `p [N,1]` from `X [N,8]` and answers it.
fn linear() -> Graph {
    let weights = [0.1, -0.2, 0.3, -0.4, 0.05, 0.15, -0.25, 0.2];
    Graph {
        nodes: vec![
            node("Gemm", &["X", "W", "B"], &["z"]),
            node("Sigmoid", &["z"], &["p"]),
        ],
        initializers: vec![floats("W", &[8, 1], &weights), floats("B", &[1], &[0.1])],
        inputs: vec![features()],
        outputs: vec![probability("p")],
    }
}

/// [`linear`] and then `nodes`, which make `q`, the answer.
fn then(nodes: Vec<Message>, initializers: Vec<Message>) -> Graph {
    let mut graph = linear();
    graph.nodes.extend(nodes);
    graph.initializers.extend(initializers);
    graph.outputs = vec![probability("q")];
    graph
}

/// [`then`] as a file.
fn file(nodes: Vec<Message>, initializers: Vec<Message>) -> Vec<u8> {
    model(&then(nodes, initializers)).0
}
