//! The checked graph: what of a file leads from the features to the answer. Everything else (the
//! label of a classifier, dead constants, doc strings) is left out, and every name is a number.

use std::collections::BTreeMap;

use super::operators::{self, Family, Operator};
use super::read::{Attribute, GraphFile, ModelFile, NodeFile, ValueFile};
use super::refusal::{Checked, broken, shown};
use super::tensor::Tensor;
use super::{ModelClass, Rules};
use crate::outcome::Reason;

mod answer;
mod attributes;
mod imports;
mod input;
mod known;
mod names;

use names::{Names, Source};

/// A tensor of the checked graph; 0 is the features.
pub(super) type TensorId = usize;

/// The features.
pub(super) const FEATURES: TensorId = 0;

#[derive(Debug)]
pub(super) struct Graph<'a> {
    /// In the order in which they run.
    pub(super) nodes: Vec<Node<'a>>,
    /// By id, for those tensors that are constants.
    pub(super) constants: BTreeMap<TensorId, Tensor<'a>>,
    pub(super) tensor_count: usize,
    pub(super) answer: TensorId,
    pub(super) answer_name: &'a [u8],
    pub(super) opsets: BTreeMap<String, i64>,
    /// Column of "up", where the upload names it.
    pub(super) positive_class: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) operator: &'static Operator,
    pub(super) inputs: Vec<Option<TensorId>>,
    pub(super) outputs: Vec<Option<TensorId>>,
    /// By name.
    pub(super) attributes: BTreeMap<&'a str, Attribute<'a>>,
}

/// Checks the structure and keeps what is alive.
pub(super) fn build<'a>(file: &ModelFile<'a>, rules: &Rules) -> Result<Graph<'a>, Vec<Reason>> {
    let one = |reason| vec![reason];
    imports::check_versions(file).map_err(one)?;
    let graph = &file.graph;
    if file.functions > 0 {
        return Err(vec![functions()]);
    }
    if graph.sparse > 0 {
        return Err(vec![sparse()]);
    }
    let names = Names::of(graph).map_err(one)?;
    input::check(&names, rules.columns)?;
    let answer = answer::find(graph, &names).map_err(one)?;
    let alive = alive(graph, &names, answer.source);
    operators_are_allowed(graph, &alive)?;
    let opsets = imports::opsets(file, graph, &alive).map_err(one)?;
    let mut built = number(graph, &names, &alive, &answer).map_err(one)?;
    built.opsets = opsets;
    built.positive_class = file.positive_class;
    Ok(built)
}

fn functions() -> Reason {
    Reason::new(
        "functions",
        "the model defines functions of its own",
        "inline them: onnx.inliner.inline_local_functions(model), or \
         torch.onnx.export(..., dynamo=False, export_modules_as_functions=False)",
    )
}

fn sparse() -> Reason {
    Reason::new(
        "sparse",
        "the model has sparse tensors",
        "export dense weights: X.toarray(), or tensor.to_dense()",
    )
}

/// For each node of the file, whether the answer needs it.
fn alive(graph: &GraphFile<'_>, names: &Names<'_>, answer: Source) -> Vec<bool> {
    let mut alive = vec![false; graph.nodes.len()];
    if let Source::Node(node) = answer {
        alive[node] = true;
    }
    // Every input is made by an earlier node, so one pass from the end sees all of them.
    for place in (0..graph.nodes.len()).rev() {
        if !alive[place] {
            continue;
        }
        for name in &graph.nodes[place].inputs {
            if let Some(Source::Node(maker)) = names.get(name) {
                alive[maker] = true;
            }
        }
    }
    alive
}

fn operators_are_allowed(graph: &GraphFile<'_>, alive: &[bool]) -> Result<(), Vec<Reason>> {
    let mut reasons: Vec<Reason> = Vec::new();
    for (node, _) in graph.nodes.iter().zip(alive).filter(|(_, alive)| **alive) {
        let refused = operators::find(node.domain, node.operator)
            .and_then(|operator| attributes::check(operator, node));
        if let Err(reason) = refused
            && !reasons.contains(&reason)
            && reasons.len() < REASONS_MAX
        {
            reasons.push(reason);
        }
    }
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(reasons)
    }
}

/// Reasons of one kind that are worth reading at once.
const REASONS_MAX: usize = 8;

/// Numbers the tensors in the order in which the nodes name them.
fn number<'a>(
    graph: &GraphFile<'a>,
    names: &Names<'a>,
    alive: &[bool],
    answer: &answer::Answer<'a>,
) -> Checked<Graph<'a>> {
    let mut numbers = Numbers {
        names,
        ids: BTreeMap::new(),
        constants: BTreeMap::new(),
        count: 1,
    };
    if let Some(features) = names.features() {
        numbers.ids.insert(features.name, FEATURES);
    }
    let mut nodes = Vec::new();
    for (node, _) in graph.nodes.iter().zip(alive).filter(|(_, alive)| **alive) {
        nodes.push(numbers.node(node)?);
    }
    let id = numbers.id(answer.name)?;
    Ok(Graph {
        nodes,
        answer: id.ok_or_else(|| broken("an output without a name"))?,
        answer_name: answer.declared,
        constants: numbers.constants,
        tensor_count: numbers.count,
        opsets: BTreeMap::new(),
        positive_class: None,
    })
}

struct Numbers<'a, 'n> {
    names: &'n Names<'a>,
    ids: BTreeMap<&'a [u8], TensorId>,
    constants: BTreeMap<TensorId, Tensor<'a>>,
    count: usize,
}

impl<'a> Numbers<'a, '_> {
    fn node(&mut self, node: &NodeFile<'a>) -> Checked<Node<'a>> {
        let operator = operators::find(node.domain, node.operator)?;
        Ok(Node {
            operator,
            inputs: self.list(&node.inputs)?,
            outputs: self.list(&node.outputs)?,
            attributes: attributes::kept(node),
        })
    }

    /// Empty names stand for what is left out; at the end they say nothing.
    fn list(&mut self, names: &[&'a [u8]]) -> Checked<Vec<Option<TensorId>>> {
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            ids.push(self.id(name)?);
        }
        while ids.last() == Some(&None) {
            ids.pop();
        }
        Ok(ids)
    }

    fn id(&mut self, name: &'a [u8]) -> Checked<Option<TensorId>> {
        if name.is_empty() {
            return Ok(None);
        }
        if let Some(id) = self.ids.get(name) {
            return Ok(Some(*id));
        }
        let id = self.count;
        if let Some(constant) = self.names.constant(name) {
            if constant.element == super::element::Element::Text {
                return Err(text_tensor(name));
            }
            self.constants.insert(id, constant.clone());
        }
        self.ids.insert(name, id);
        self.count += 1;
        Ok(Some(id))
    }
}

fn text_tensor(name: &[u8]) -> Reason {
    Reason::new(
        "string-tensor",
        format!("the tensor '{}' holds text", shown(name)),
        "encode categories as numbers before the export; the features are float32",
    )
}

impl Graph<'_> {
    /// How often each operator runs.
    pub(super) fn ops(&self) -> BTreeMap<String, usize> {
        let mut ops = BTreeMap::new();
        for node in &self.nodes {
            *ops.entry(node.operator.title()).or_default() += 1;
        }
        ops
    }

    /// Numbers in constants and in the float lists of operators.
    pub(super) fn params(&self) -> u64 {
        let constants = self.constants.values().map(Tensor::count);
        let lists = self.nodes.iter().flat_map(|node| node.attributes.values());
        let lists = lists.map(|attribute| match attribute {
            Attribute::Floats(list) => list.len() as u64,
            Attribute::Tensor(tensor) => tensor.count(),
            _ => 0,
        });
        constants.chain(lists).sum()
    }

    pub(super) fn class(&self) -> ModelClass {
        let is = |family| move |node: &&Node<'_>| node.operator.family == family;
        if self.nodes.iter().any(|node| is(Family::Tree)(&node)) {
            return ModelClass::Tree;
        }
        let layers = self.nodes.iter().filter(is(Family::Layer)).count();
        if layers >= 2 {
            return ModelClass::Dense;
        }
        ModelClass::Linear
    }
}

/// An input or output as people write it: `[N,64]`.
pub(super) fn written(value: &ValueFile<'_>) -> String {
    let Some(dims) = &value.dims else {
        return "of no declared shape".to_owned();
    };
    let dims = dims.iter().take(8).enumerate();
    let dims: Vec<String> = dims
        .map(|(place, dim)| match (place, dim) {
            (0, None) => "N".to_owned(),
            (_, None) => "?".to_owned(),
            (_, Some(size)) => size.to_string(),
        })
        .collect();
    format!("[{}]", dims.join(","))
}
