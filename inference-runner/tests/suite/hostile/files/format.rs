//! Files that are wrong as files: broken, lying, nested, of another time.

use super::growth::function;
use super::{features, linear, probability, then};
use crate::onnx_writer::{
    Attributes, FLOAT, Graph, ML, Message, floats, model, model_of, node, node_of, tensor,
};

pub(crate) fn garbage() -> Vec<u8> {
    (0..4_096_u32)
        .map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

pub(crate) fn truncated() -> Vec<u8> {
    let mut file = model(&linear()).0;
    file.truncate(file.len() / 2);
    file
}

pub(crate) fn empty() -> Vec<u8> {
    Vec::new()
}

/// A graph of 2^40 bytes, of which none follow.
pub(crate) fn lying_length() -> Vec<u8> {
    let mut file = Message::new().int(1, 8);
    file.length(7, 1 << 40);
    file.0
}

fn with_weight(weight: Message) -> Vec<u8> {
    let mut graph = linear();
    graph.initializers[0] = weight;
    model(&graph).0
}

/// Dimensions of a million numbers over four bytes.
pub(crate) fn lying_dims() -> Vec<u8> {
    with_weight(tensor("W", FLOAT, &[1_000, 1_000], &[0; 4]))
}

pub(crate) fn negative_dims() -> Vec<u8> {
    with_weight(tensor("W", FLOAT, &[-8, -1], &[0; 32]))
}

/// 2^62 × 8: the number of bytes wraps to zero.
pub(crate) fn overflowing_dims() -> Vec<u8> {
    with_weight(tensor("W", FLOAT, &[1 << 62, 8], &[]))
}

/// 70 graphs in each other.
pub(crate) fn deep_graphs() -> Vec<u8> {
    let mut graph = Graph {
        nodes: vec![node("Identity", &["p"], &["o"])],
        outputs: vec![probability("o")],
        ..Graph::default()
    };
    for _ in 0..70 {
        let branch = graph.message();
        let both = node("If", &["true"], &["o"])
            .with_graph("then_branch", &branch)
            .with_graph(
                "else_branch",
                &Graph {
                    nodes: vec![node("Identity", &["p"], &["o"])],
                    outputs: vec![probability("o")],
                    ..Graph::default()
                }
                .message(),
            );
        graph.nodes = vec![both];
    }
    let mut nodes = graph.nodes;
    nodes.push(node("Identity", &["o"], &["q"]));
    model(&then(nodes, vec![tensor("true", 9, &[], &[1])])).0
}

/// An input whose type is a sequence of sequences, 5,000 deep.
pub(crate) fn deep_types() -> Vec<u8> {
    let mut kind = Message::new().message(1, &Message::new().int(1, FLOAT));
    for _ in 0..5_000 {
        kind = Message::new().message(4, &Message::new().message(1, &kind));
    }
    let mut graph = linear();
    graph
        .inputs
        .push(Message::new().text(1, "Y").message(2, &kind));
    model(&graph).0
}

fn calling(functions: &[Message]) -> Vec<u8> {
    let graph = then(vec![node_of("local", "f", &["p"], &["q"])], vec![]);
    model_of(&graph.message(), 8, &[("", 17), ("local", 1)])
        .messages(25, functions)
        .0
}

pub(crate) fn recursive_function() -> Vec<u8> {
    calling(&[function("f", &[node_of("local", "f", &["a"], &["b"])])])
}

pub(crate) fn mutually_recursive_functions() -> Vec<u8> {
    calling(&[
        function("f", &[node_of("local", "g", &["a"], &["b"])]),
        function("g", &[node_of("local", "f", &["a"], &["b"])]),
    ])
}

pub(crate) fn future_ir() -> Vec<u8> {
    model_of(&linear().message(), 99, &[("", 17)]).0
}

pub(crate) fn future_opset() -> Vec<u8> {
    model_of(&linear().message(), 8, &[("", 99)]).0
}

pub(crate) fn no_opset() -> Vec<u8> {
    model_of(&linear().message(), 8, &[]).0
}

/// The bytes of ONNX Runtime's own format, which it would otherwise recognise.
pub(crate) fn ort_format() -> Vec<u8> {
    let mut file = vec![0x1c, 0, 0, 0];
    file.extend(b"ORTM");
    file.extend([0_u8; 256]);
    file
}

pub(crate) fn duplicate_initialisers() -> Vec<u8> {
    let mut graph = linear();
    graph.initializers.push(floats("B", &[1], &[100.0]));
    model(&graph).0
}

/// An initialiser that is an input as well, so that whoever runs the model may replace it.
pub(crate) fn overridable_initialiser() -> Vec<u8> {
    let mut graph = linear();
    graph.inputs = vec![features(), super::value("B", FLOAT, &[super::Size::Is(1)])];
    model(&graph).0
}

/// Two nodes that need each other's answer.
pub(crate) fn cyclic_graph() -> Vec<u8> {
    super::file(
        vec![
            node("Add", &["p", "b"], &["a"]),
            node("Add", &["p", "a"], &["b"]),
            node("Identity", &["b"], &["q"]),
        ],
        vec![],
    )
}

/// An operator set of a domain, twice, with two versions.
pub(crate) fn opset_twice() -> Vec<u8> {
    model_of(&linear().message(), 8, &[("", 17), ("", 7), (ML, 3)]).0
}

/// Names that are no text.
pub(crate) fn non_utf8_names() -> Vec<u8> {
    let bad: &[u8] = &[0xff, 0xfe, 0xc3, 0x28];
    let last = Message::new()
        .bytes(1, b"p")
        .bytes(2, bad)
        .text(4, "Identity");
    let mut graph = linear();
    graph.nodes.push(last);
    let output = probability("");
    graph.outputs = vec![Message(output.bytes(1, bad).0)];
    model(&graph).0
}

pub(crate) fn path_like_names() -> Vec<u8> {
    let name = "../../../etc/passwd\0\u{202e}\n";
    let mut graph = linear();
    graph.nodes.push(node("Identity", &["p"], &[name]));
    graph.outputs = vec![probability(name)];
    model(&graph).0
}
