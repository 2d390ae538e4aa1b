//! Who makes each name of a graph: every name once, and before it is used. That is what makes the
//! graph free of cycles.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::element::Element;
use super::super::read::{Attribute, GraphFile, NodeFile, ValueFile};
use super::super::refusal::{Checked, shown};
use super::super::tensor::Tensor;
use crate::outcome::Reason;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Source {
    Input(usize),
    /// An initialiser or the value of a `Constant` node.
    Constant(usize),
    Node(usize),
}

#[derive(Debug)]
pub(super) struct Names<'g> {
    sources: BTreeMap<&'g [u8], Source>,
    constants: Vec<Tensor<'g>>,
    /// Inputs that are no initialisers, in order.
    pub(super) inputs: Vec<ValueFile<'g>>,
}

impl<'g> Names<'g> {
    pub(super) fn get(&self, name: &[u8]) -> Option<Source> {
        self.sources.get(name).copied()
    }

    pub(super) fn constant(&self, name: &[u8]) -> Option<&Tensor<'g>> {
        match self.get(name)? {
            Source::Constant(place) => self.constants.get(place),
            _ => None,
        }
    }

    /// The only input, once it is checked that there is one.
    pub(super) fn features(&self) -> Option<&ValueFile<'g>> {
        self.inputs.first()
    }

    pub(super) fn of(graph: &GraphFile<'g>) -> Checked<Self> {
        let mut names = Names {
            sources: BTreeMap::new(),
            constants: Vec::with_capacity(graph.initializers.len()),
            inputs: Vec::new(),
        };
        for (name, tensor) in &graph.initializers {
            names.constant_is(name, tensor.clone())?;
        }
        for input in &graph.inputs {
            // Files before IR 4 list every initialiser among the inputs, and later ones may, which
            // would let a caller replace it; nobody does here.
            if !matches!(names.get(input.name), Some(Source::Constant(_))) {
                names.is(input.name, Source::Input(names.inputs.len()))?;
                names.inputs.push(input.clone());
            }
        }
        for (place, node) in graph.nodes.iter().enumerate() {
            for input in node.inputs.iter().filter(|name| !name.is_empty()) {
                if names.get(input).is_none() {
                    return Err(undefined(input, node));
                }
            }
            names.outputs(place, node)?;
        }
        Ok(names)
    }

    fn outputs(&mut self, place: usize, node: &NodeFile<'g>) -> Checked<()> {
        let is_default = matches!(node.domain, b"" | b"ai.onnx");
        if is_default
            && node.operator == b"Constant"
            && let [name] = node.outputs[..]
            && let Some(value) = constant_value(node)
        {
            return self.constant_is(name, value);
        }
        let outputs = node.outputs.iter().filter(|name| !name.is_empty());
        for name in outputs {
            self.is(name, Source::Node(place))?;
        }
        Ok(())
    }

    /// Files `tensor` under `name`.
    fn constant_is(&mut self, name: &'g [u8], tensor: Tensor<'g>) -> Checked<()> {
        self.is(name, Source::Constant(self.constants.len()))?;
        self.constants.push(tensor);
        Ok(())
    }

    fn is(&mut self, name: &'g [u8], source: Source) -> Checked<()> {
        if name.is_empty() {
            return Err(Reason::new(
                "names",
                "an input or initialiser has no name",
                "export it again: onnx.checker.check_model(model) must pass",
            ));
        }
        match self.sources.insert(name, source) {
            None => Ok(()),
            Some(_) => Err(Reason::new(
                "names",
                format!("two values are named '{}'", shown(name)),
                "give each tensor one name: onnx.checker.check_model(model) must pass",
            )),
        }
    }
}

fn undefined(name: &[u8], node: &NodeFile<'_>) -> Reason {
    Reason::new(
        "graph-order",
        format!(
            "{} uses '{}' before anything makes it: the graph has a cycle, a gap or a wrong order",
            shown(node.operator),
            shown(name)
        ),
        "export it again: onnx.checker.check_model(model) must pass",
    )
}

/// The value of a `Constant` node. `None` when it has none of a kind that is run.
fn constant_value<'g>(node: &NodeFile<'g>) -> Option<Tensor<'g>> {
    let [(name, attribute)] = &node.attributes[..] else {
        return None;
    };
    let tensor = |element, count: Option<usize>, data: Vec<u8>| {
        Some(Tensor {
            element,
            dims: count.map(|count| count as u64).into_iter().collect(),
            data: Cow::Owned(data),
        })
    };
    match (*name, attribute) {
        (b"value", Attribute::Tensor(value)) => Some(value.clone()),
        (b"value_float", Attribute::Float(value)) => {
            tensor(Element::Float32, None, value.to_le_bytes().to_vec())
        }
        (b"value_int", Attribute::Int(value)) => {
            tensor(Element::Int64, None, value.to_le_bytes().to_vec())
        }
        (b"value_floats", Attribute::Floats(list)) => {
            let data = list.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensor(Element::Float32, Some(list.len()), data)
        }
        (b"value_ints", Attribute::Ints(list)) => {
            let data = list.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensor(Element::Int64, Some(list.len()), data)
        }
        (b"value_string" | b"value_strings", _) => tensor(Element::Text, None, Vec::new()),
        _ => None,
    }
}
