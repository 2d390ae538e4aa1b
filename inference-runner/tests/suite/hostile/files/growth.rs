//! Small files that want much time or much memory.

use super::{features, file, linear, then};
use crate::onnx_writer::{
    Attributes, BOOL, FLOAT, Graph, INT64, Message, Size, floats, ints, model, model_of, node,
    node_of, tensor, value,
};

/// 2^34 float32 numbers: 64 GiB.
const HUGE: i64 = 1 << 34;

/// `q = p + max(of)`: what is large must be computed, and the answer stays small.
fn add_top_of(of: &str) -> [Message; 2] {
    [
        node("ReduceMax", &[of], &["top"]).with_int("keepdims", 0),
        node("Add", &["p", "top"], &["q"]),
    ]
}

/// A number that is 1 for every row count and that no optimiser can know.
fn one() -> [Message; 3] {
    [
        node("Shape", &["X"], &["shape"]),
        node("Gather", &["shape", "second"], &["columns"]),
        node("Div", &["columns", "eight"], &["one"]),
    ]
}

fn ones() -> Vec<Message> {
    vec![ints("second", &[1]), ints("eight", &[8])]
}

fn body(nodes: &[Message]) -> Message {
    let scalar = |name, element| value(name, element, &[]);
    Graph {
        nodes: nodes.to_vec(),
        inputs: vec![
            scalar("i", INT64),
            scalar("go", BOOL),
            value("state", FLOAT, &[Size::Open("N"), Size::Is(1)]),
        ],
        outputs: vec![
            scalar("go_on", BOOL),
            value("next", FLOAT, &[Size::Open("N"), Size::Is(1)]),
        ],
        ..Graph::default()
    }
    .message()
}

pub(crate) fn endless_loop() -> Vec<u8> {
    let body = body(&[
        node("Sin", &["state"], &["next"]),
        node("Identity", &["go"], &["go_on"]),
    ]);
    let endless = node("Loop", &["", "true", "p"], &["q"]).with_graph("body", &body);
    file(vec![endless], vec![tensor("true", BOOL, &[], &[1])])
}

/// A loop that ends after 2^62 turns.
pub(crate) fn long_loop() -> Vec<u8> {
    let body = body(&[
        node("Cos", &["state"], &["next"]),
        node("Identity", &["go"], &["go_on"]),
    ]);
    let long = node("Loop", &["turns", "", "p"], &["q"]).with_graph("body", &body);
    let turns = tensor("turns", INT64, &[], &(1_i64 << 62).to_le_bytes());
    file(vec![long], vec![turns])
}

/// Thirty functions, each of which calls the one before it twice: 2^30 nodes.
pub(crate) fn function_billion_laughs() -> Vec<u8> {
    let mut functions = Vec::new();
    for level in 0..30 {
        let calls = if level == 0 {
            vec![node("Neg", &["a"], &["m"]), node("Neg", &["m"], &["b"])]
        } else {
            let inner = format!("f{}", level - 1);
            vec![
                node_of("local", &inner, &["a"], &["m"]),
                node_of("local", &inner, &["m"], &["b"]),
            ]
        };
        functions.push(function(&format!("f{level}"), &calls));
    }
    let graph = then(vec![node_of("local", "f29", &["p"], &["q"])], vec![]);
    let opsets = [("", 17), ("local", 1)];
    model_of(&graph.message(), 8, &opsets)
        .messages(25, &functions)
        .0
}

pub(super) fn function(name: &str, nodes: &[Message]) -> Message {
    let default = Message::new().text(1, "").int(2, 17);
    let local = Message::new().text(1, "local").int(2, 1);
    Message::new()
        .text(1, name)
        .text(4, "a")
        .text(5, "b")
        .messages(7, nodes)
        .messages(9, [&default, &local])
        .text(10, "local")
}

pub(crate) fn constant_of_shape_64gib() -> Vec<u8> {
    let mut nodes = one().to_vec();
    nodes.push(node("Mul", &["one", "huge"], &["size"]));
    nodes.push(node("ConstantOfShape", &["size"], &["zeros"]));
    nodes.extend(add_top_of("zeros"));
    file(nodes, [ones(), vec![ints("huge", &[HUGE])]].concat())
}

/// The same with a size that is known before the model runs: it is folded while loading.
pub(crate) fn folded_constant_64gib() -> Vec<u8> {
    let mut nodes = vec![node("ConstantOfShape", &["huge"], &["zeros"])];
    nodes.extend(add_top_of("zeros"));
    file(nodes, vec![ints("huge", &[HUGE])])
}

pub(crate) fn expand_64gib() -> Vec<u8> {
    let mut nodes = vec![
        node("ReduceMean", &["p"], &["mean"]).with_int("keepdims", 0),
        node("Expand", &["mean", "huge"], &["wide"]),
    ];
    nodes.extend(add_top_of("wide"));
    file(nodes, vec![ints("huge", &[HUGE])])
}

pub(crate) fn range_64gib() -> Vec<u8> {
    let scalar = |name, value: i64| tensor(name, INT64, &[], &value.to_le_bytes());
    let mut nodes = vec![
        node("Range", &["from", "to", "step"], &["numbers"]),
        node("Cast", &["numbers"], &["wide"]).with_int("to", FLOAT),
    ];
    nodes.extend(add_top_of("wide"));
    let sizes = [("from", 0), ("to", HUGE / 2), ("step", 1)];
    file(
        nodes,
        sizes.map(|(name, value)| scalar(name, value)).to_vec(),
    )
}

/// Forty times the double.
pub(crate) fn concat_doubling() -> Vec<u8> {
    let names: Vec<String> = (0..=40).map(|level| format!("c{level}")).collect();
    let mut nodes = vec![node("Identity", &["p"], &[&names[0]])];
    for pair in names.windows(2) {
        nodes.push(node("Concat", &[&pair[0], &pair[0]], &[&pair[1]]).with_int("axis", 1));
    }
    nodes.extend(add_top_of(&names[40]));
    file(nodes, vec![])
}

fn folded_matmul(size: i64) -> Vec<u8> {
    let one = Message::new().int(1, 1).int(2, 1).float(4, 1.0);
    let filled = Message::new().text(1, "value").message(5, &one).int(20, 4);
    let mut nodes = vec![
        node("ConstantOfShape", &["size"], &["square"]).with(filled),
        node("MatMul", &["square", "square"], &["product"]),
    ];
    nodes.extend(add_top_of("product"));
    file(nodes, vec![ints("size", &[size, size])])
}

/// 1 GiB each.
pub(crate) fn folded_matmul_16384() -> Vec<u8> {
    folded_matmul(16_384)
}

/// 64 MiB each and 137 thousand million multiply-adds, which are done while loading.
pub(crate) fn folded_matmul_4096() -> Vec<u8> {
    folded_matmul(4_096)
}

pub(crate) fn einsum_blow_up() -> Vec<u8> {
    let ones = vec![1.0; 4_096];
    let mut nodes =
        vec![node("Einsum", &["v", "v", "v"], &["cube"]).with_text("equation", "a,b,c->abc")];
    nodes.extend(add_top_of("cube"));
    file(nodes, vec![floats("v", &[4_096], &ones)])
}

pub(crate) fn tile_blow_up() -> Vec<u8> {
    let mut nodes = vec![node("Tile", &["p", "often"], &["wide"])];
    nodes.extend(add_top_of("wide"));
    file(nodes, vec![ints("often", &[1 << 17, 1 << 17])])
}

pub(crate) fn pad_blow_up() -> Vec<u8> {
    let mut nodes = vec![node("Pad", &["p", "pads"], &["wide"])];
    nodes.extend(add_top_of("wide"));
    file(nodes, vec![ints("pads", &[0, 0, 0, 1 << 40])])
}

pub(crate) fn one_hot_blow_up() -> Vec<u8> {
    let mut nodes = one().to_vec();
    nodes.push(node("OneHot", &["one", "depth", "pair"], &["wide"]));
    nodes.extend(add_top_of("wide"));
    let pair = floats("pair", &[2], &[0.0, 1.0]);
    let depth = tensor("depth", INT64, &[], &HUGE.to_le_bytes());
    file(nodes, [ones(), vec![depth, pair]].concat())
}

pub(crate) fn resize_blow_up() -> Vec<u8> {
    let scales = floats("scales", &[2], &[1.0e5, 1.0e5]);
    let mut nodes = vec![node("Resize", &["p", "", "scales"], &["wide"])];
    nodes.extend(add_top_of("wide"));
    file(nodes, vec![scales])
}

pub(crate) fn topk_2_62() -> Vec<u8> {
    let mut nodes = one().to_vec();
    nodes.push(node("Mul", &["one", "many"], &["k"]));
    nodes.push(node("TopK", &["p", "k"], &["best", "places"]).with_int("axis", 0));
    nodes.extend(add_top_of("best"));
    file(nodes, [ones(), vec![ints("many", &[1 << 62])]].concat())
}

/// 1,500 layers of 8 by 8 for every row and a thousand rows more: slow without being large.
pub(crate) fn many_layers() -> Vec<u8> {
    let mut graph = linear();
    let weights: Vec<f32> = (0..64)
        .map(|place| if place % 9 == 0 { 1.0 } else { 0.0 })
        .collect();
    graph.initializers.push(floats("E", &[8, 8], &weights));
    let names: Vec<String> = (0..=19_000).map(|layer| format!("l{layer}")).collect();
    graph.nodes = vec![node("Tanh", &["X"], &[&names[0]])];
    for pair in names.windows(2) {
        graph
            .nodes
            .push(node("MatMul", &[&pair[0], "E"], &[&pair[1]]));
    }
    let last = names.last().map_or("X", String::as_str);
    graph.nodes.push(node("Gemm", &[last, "W", "B"], &["z"]));
    graph.nodes.push(node("Sigmoid", &["z"], &["p"]));
    graph.inputs = vec![features()];
    model(&graph).0
}

/// An initialiser of 16 MB that nothing reads.
pub(crate) fn dead_initialiser_16mb() -> Vec<u8> {
    let mut graph = linear();
    let size = 4 << 20;
    let raw = vec![0_u8; 16 << 20];
    graph
        .initializers
        .push(tensor("dead", FLOAT, &[size], &raw));
    model(&graph).0
}

/// Eight megabytes of metadata.
pub(crate) fn huge_metadata() -> Vec<u8> {
    let entry = Message::new()
        .text(1, "note")
        .bytes(2, &vec![b'n'; 8 << 20]);
    model(&linear()).message(14, &entry).0
}
