//! Files that reach outside of themselves: other files, memory, libraries, providers.

use super::{file, linear};
use crate::onnx_writer::{
    Attributes, FLOAT, INT64, Message, floats, model, model_of, node, node_of,
};

/// The weight `W` in another file.
fn elsewhere(location: &str, more: &[(&str, &str)]) -> Message {
    let entries = [("location", location)]
        .into_iter()
        .chain(more.iter().copied());
    let entries: Vec<Message> = entries
        .map(|(key, value)| Message::new().text(1, key).text(2, value))
        .collect();
    Message::new()
        .int(1, 8)
        .int(1, 1)
        .int(2, FLOAT)
        .text(8, "W")
        .messages(13, &entries)
        .int(14, 1)
}

fn with_weight(weight: Message) -> Vec<u8> {
    let mut graph = linear();
    graph.initializers[0] = weight;
    model(&graph).0
}

pub(crate) fn external_data_absolute() -> Vec<u8> {
    with_weight(elsewhere("/etc/passwd", &[("length", "32")]))
}

pub(crate) fn external_data_relative() -> Vec<u8> {
    with_weight(elsewhere("etc/passwd", &[("length", "32")]))
}

pub(crate) fn external_data_parent() -> Vec<u8> {
    with_weight(elsewhere("../../../etc/passwd", &[("length", "32")]))
}

/// The mark by which ONNX Runtime notes that a tensor lies in its own memory: the offset is an
/// address, which would be read.
pub(crate) fn external_data_memory_marker() -> Vec<u8> {
    let place = [("offset", "4096"), ("length", "32")];
    with_weight(elsewhere("*/_ORT_MEM_ADDR_/*", &place))
}

/// A sparse weight whose values lie in another file.
pub(crate) fn external_data_sparse() -> Vec<u8> {
    let mut graph = linear();
    graph.initializers.remove(0);
    let places: Vec<u8> = (0..8_i64).flat_map(i64::to_le_bytes).collect();
    let places = Message::new().int(1, 8).int(2, INT64).bytes(9, &places);
    let sparse = Message::new()
        .message(1, &elsewhere("/etc/passwd", &[("length", "64")]))
        .message(2, &places)
        .int(3, 8)
        .int(3, 1);
    let whole = graph.message().message(15, &sparse);
    model_of(&whole, 8, &[("", 17)]).0
}

pub(crate) fn custom_domain() -> Vec<u8> {
    let graph = super::then(vec![node_of("evil", "Run", &["p"], &["q"])], vec![]);
    model_of(&graph.message(), 8, &[("", 17), ("evil", 1)]).0
}

pub(crate) fn contrib_domain() -> Vec<u8> {
    let graph = super::then(
        vec![node_of("com.microsoft", "Gelu", &["p"], &["q"])],
        vec![],
    );
    model_of(&graph.message(), 8, &[("", 17), ("com.microsoft", 1)]).0
}

/// A node that names a compiled blob of an execution provider.
pub(crate) fn ep_context() -> Vec<u8> {
    let context = node_of("com.microsoft", "EPContext", &["p"], &["q"])
        .with_int("embed_mode", 0)
        .with_text("ep_cache_context", "/etc/passwd");
    let graph = super::then(vec![context], vec![]);
    model_of(&graph.message(), 8, &[("", 17), ("com.microsoft", 1)]).0
}

/// Reads beyond the end of the weights.
pub(crate) fn gather_out_of_range() -> Vec<u8> {
    let nodes = vec![
        node("Gather", &["few", "far"], &["secret"]),
        node("Add", &["p", "secret"], &["q"]),
    ];
    let few = floats("few", &[4], &[0.0; 4]);
    file(
        nodes,
        vec![few, crate::onnx_writer::ints("far", &[1 << 40])],
    )
}

/// The same with a place that depends on the rows, so that nothing is known while loading.
pub(crate) fn gather_far_at_run() -> Vec<u8> {
    let nodes = vec![
        node("Mul", &["z", "million"], &["far"]),
        node("Cast", &["far"], &["places"]).with_int("to", INT64),
        node("Gather", &["few", "places"], &["secret"]),
        node("Add", &["p", "secret"], &["q"]),
    ];
    let few = floats("few", &[4], &[0.0; 4]);
    file(nodes, vec![few, floats("million", &[1], &[1.0e6])])
}
