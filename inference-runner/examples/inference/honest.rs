//! Honest models of the two common kinds, with weights that differ from one seed to the next.

use crate::onnx_writer::{
    Attributes, FLOAT, Graph, ML, Message, Size, floats, model, node, node_of, value,
};

/// splitmix64, uniform in −1 to 1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    #[expect(clippy::cast_precision_loss, reason = "24 bits fit a float32 exactly")]
    fn uniform(&mut self) -> f32 {
        (self.next() >> 40) as f32 / 8_388_608.0 - 1.0
    }

    fn many(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.uniform() * scale).collect()
    }
}

fn number(size: usize) -> i64 {
    i64::try_from(size).unwrap_or_default()
}

fn features(columns: usize) -> Message {
    value("X", FLOAT, &[Size::Open("N"), Size::Is(number(columns))])
}

fn probability() -> Message {
    value("p", FLOAT, &[Size::Open("N"), Size::Is(1)])
}

/// A dense net `columns`-64-32-1 with ReLU and a sigmoid at the end.
pub(crate) fn dense(columns: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut graph = Graph {
        inputs: vec![features(columns)],
        outputs: vec![probability()],
        ..Graph::default()
    };
    let mut from = ("X".to_owned(), columns);
    for (layer, width) in [64, 32, 1].into_iter().enumerate() {
        let (weight, bias) = (format!("W{layer}"), format!("B{layer}"));
        let (sum, to) = (format!("z{layer}"), format!("a{layer}"));
        let scale = (3.0 / f32::from(u16::try_from(from.1).unwrap_or(u16::MAX))).sqrt();
        let values = random.many(from.1 * width, scale);
        let shape = [number(from.1), number(width)];
        graph.initializers.push(floats(&weight, &shape, &values));
        let values = random.many(width, 0.1);
        graph
            .initializers
            .push(floats(&bias, &[number(width)], &values));
        graph
            .nodes
            .push(node("Gemm", &[&from.0, &weight, &bias], &[&sum]));
        let last = if width == 1 {
            ("Sigmoid", "p")
        } else {
            ("Relu", to.as_str())
        };
        graph.nodes.push(node(last.0, &[&sum], &[last.1]));
        from = (to, width);
    }
    model(&graph).0
}

/// The columns of a TreeEnsembleRegressor's nodes and leaves.
#[derive(Default)]
struct Nodes {
    trees: Vec<i64>,
    ids: Vec<i64>,
    features: Vec<i64>,
    values: Vec<f32>,
    modes: Vec<&'static str>,
    yes: Vec<i64>,
    no: Vec<i64>,
    leaf_trees: Vec<i64>,
    leaf_ids: Vec<i64>,
    leaf_weights: Vec<f32>,
}

/// `trees` full trees of depth 5 (31 splits, 32 leaves each) over `columns` features.
pub(crate) fn trees(columns: usize, trees: usize, seed: u64) -> Vec<u8> {
    const SPLITS: i64 = 31;
    let mut random = Random(seed);
    let mut all = Nodes::default();
    for tree in 0..number(trees) {
        for id in 0..2 * SPLITS + 1 {
            let is_split = id < SPLITS;
            all.trees.push(tree);
            all.ids.push(id);
            let feature = random.next() % columns as u64;
            all.features
                .push(if is_split { feature.cast_signed() } else { 0 });
            all.values.push(if is_split {
                random.uniform() * 2.0
            } else {
                0.0
            });
            all.modes.push(if is_split { "BRANCH_LEQ" } else { "LEAF" });
            all.yes.push(if is_split { 2 * id + 1 } else { 0 });
            all.no.push(if is_split { 2 * id + 2 } else { 0 });
            if !is_split {
                all.leaf_trees.push(tree);
                all.leaf_ids.push(id);
                all.leaf_weights.push(random.uniform() * 0.1);
            }
        }
    }
    ensemble(&all, columns)
}

fn ensemble(all: &Nodes, columns: usize) -> Vec<u8> {
    let targets = vec![0; all.leaf_ids.len()];
    let ensemble = node_of(ML, "TreeEnsembleRegressor", &["X"], &["s"])
        .with_ints("nodes_treeids", &all.trees)
        .with_ints("nodes_nodeids", &all.ids)
        .with_ints("nodes_featureids", &all.features)
        .with_floats("nodes_values", &all.values)
        .with_texts("nodes_modes", &all.modes)
        .with_ints("nodes_truenodeids", &all.yes)
        .with_ints("nodes_falsenodeids", &all.no)
        .with_ints("target_treeids", &all.leaf_trees)
        .with_ints("target_nodeids", &all.leaf_ids)
        .with_ints("target_ids", &targets)
        .with_floats("target_weights", &all.leaf_weights)
        .with_int("n_targets", 1);
    let graph = Graph {
        nodes: vec![ensemble, node("Sigmoid", &["s"], &["p"])],
        inputs: vec![features(columns)],
        outputs: vec![probability()],
        ..Graph::default()
    };
    model(&graph).0
}
