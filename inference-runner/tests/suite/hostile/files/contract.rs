//! Files that load and are not what a tournament asks for.

use super::{features, file, linear, probability, then};
use crate::onnx_writer::{
    Attributes, DOUBLE, FLOAT, Graph, INT64, ML, Message, STRING, Size, floats, ints, model, node,
    node_of, tensor, value,
};

fn answering(nodes: Vec<Message>, initializers: Vec<Message>, output: Message) -> Vec<u8> {
    let mut graph = then(nodes, initializers);
    graph.outputs = vec![output];
    model(&graph).0
}

pub(crate) fn two_inputs() -> Vec<u8> {
    let mut graph = linear();
    let second = value("Y", FLOAT, &[Size::Open("N"), Size::Is(1)]);
    graph.nodes.push(node("Add", &["p", "Y"], &["q"]));
    graph.inputs.push(second);
    graph.outputs = vec![probability("q")];
    model(&graph).0
}

pub(crate) fn string_input() -> Vec<u8> {
    let words = node_of(ML, "LabelEncoder", &["X"], &["f"])
        .with_texts("keys_strings", &["up", "down"])
        .with_floats("values_floats", &[1.0, 0.0]);
    let mean = node("ReduceMean", &["f"], &["p"]).with_ints("axes", &[1]);
    let graph = Graph {
        nodes: vec![words, mean],
        inputs: vec![value("X", STRING, &[Size::Open("N"), Size::Is(8)])],
        outputs: vec![probability("p")],
        ..Graph::default()
    };
    model(&graph).0
}

pub(crate) fn string_output() -> Vec<u8> {
    let words = node("Cast", &["p"], &["q"]).with_int("to", STRING);
    let output = value("q", STRING, &[Size::Open("N"), Size::Is(1)]);
    answering(vec![words], vec![], output)
}

pub(crate) fn fixed_batch() -> Vec<u8> {
    let mut graph = linear();
    graph.inputs = vec![value("X", FLOAT, &[Size::Is(1), Size::Is(8)])];
    graph.outputs = vec![value("p", FLOAT, &[Size::Is(1), Size::Is(1)])];
    model(&graph).0
}

pub(crate) fn float64_output() -> Vec<u8> {
    let wide = node("Cast", &["p"], &["q"]).with_int("to", DOUBLE);
    let output = value("q", DOUBLE, &[Size::Open("N"), Size::Is(1)]);
    answering(vec![wide], vec![], output)
}

pub(crate) fn int64_output() -> Vec<u8> {
    let whole = node("Cast", &["p"], &["q"]).with_int("to", INT64);
    let output = value("q", INT64, &[Size::Open("N"), Size::Is(1)]);
    answering(vec![whole], vec![], output)
}

pub(crate) fn one_by_n_output() -> Vec<u8> {
    let turned = node("Transpose", &["p"], &["q"]);
    let output = value("q", FLOAT, &[Size::Is(1), Size::Open("N")]);
    answering(vec![turned], vec![], output)
}

pub(crate) fn n_by_k_output() -> Vec<u8> {
    let wide = node("Concat", &["p", "p", "p"], &["q"]).with_int("axis", 1);
    let output = value("q", FLOAT, &[Size::Open("N"), Size::Is(3)]);
    answering(vec![wide], vec![], output)
}

/// Answers no row at all.
pub(crate) fn zero_rows() -> Vec<u8> {
    let none = node("Slice", &["p", "zero", "zero", "zero"], &["q"]);
    let output = value("q", FLOAT, &[Size::Open("M"), Size::Is(1)]);
    answering(vec![none], vec![ints("zero", &[0])], output)
}

pub(crate) fn random_uniform_like() -> Vec<u8> {
    file(vec![node("RandomUniformLike", &["p"], &["q"])], vec![])
}

/// Dropout that keeps on dropping.
pub(crate) fn training_dropout() -> Vec<u8> {
    let half = tensor("half", FLOAT, &[], &0.5_f32.to_le_bytes());
    let training = tensor("training", 9, &[], &[1]);
    let mut dropped = vec![node("Dropout", &["p", "half", "training"], &["d"])];
    dropped.push(node("Sigmoid", &["d"], &["q"]));
    file(dropped, vec![half, training])
}

pub(crate) fn nan_output() -> Vec<u8> {
    let nodes = vec![
        node("Sub", &["z", "z"], &["o"]),
        node("Div", &["o", "o"], &["q"]),
    ];
    file(nodes, vec![])
}

pub(crate) fn infinite_output() -> Vec<u8> {
    let nodes = vec![
        node("Sub", &["z", "z"], &["o"]),
        node("Div", &["p", "o"], &["q"]),
    ];
    file(nodes, vec![])
}

pub(crate) fn output_1e38() -> Vec<u8> {
    let nodes = vec![node("Mul", &["p", "large"], &["q"])];
    file(nodes, vec![floats("large", &[1], &[1.0e38])])
}

/// Each answer depends on the other rows of its block.
pub(crate) fn cross_row_mean() -> Vec<u8> {
    let nodes = vec![
        node("ReduceMean", &["p"], &["m"]).with_ints("axes", &[0]),
        node("Add", &["p", "m"], &["s"]),
        node("Mul", &["s", "half"], &["q"]),
    ];
    file(nodes, vec![floats("half", &[1], &[0.5])])
}

/// Answers differently when it is tried on many rows than when a round asks for one.
pub(crate) fn batch_size_oracle() -> Vec<u8> {
    let nodes = vec![
        node("Shape", &["X"], &["shape"]),
        node("Gather", &["shape", "first"], &["rows"]),
        node("Cast", &["rows"], &["count"]).with_int("to", FLOAT),
        node("Div", &["p", "count"], &["q"]),
    ];
    file(nodes, vec![ints("first", &[0])])
}

/// The same answer for everybody.
pub(crate) fn constant_output() -> Vec<u8> {
    let nodes = vec![
        node("Mul", &["p", "nothing"], &["n"]),
        node("Add", &["n", "half"], &["q"]),
    ];
    let numbers = vec![
        floats("nothing", &[1], &[0.0]),
        floats("half", &[1], &[0.5]),
    ];
    file(nodes, numbers)
}

/// No output at all.
pub(crate) fn no_output() -> Vec<u8> {
    let graph = Graph {
        outputs: vec![],
        inputs: vec![features()],
        ..linear()
    };
    model(&graph).0
}
