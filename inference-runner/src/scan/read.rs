//! `ModelProto` and what is in it, read into borrowed parts. Graphs inside attributes are not
//! entered: an operator that needs one is refused, so the depth of the reading is fixed.

mod attribute;
mod declared;

use super::refusal::{Checked, broken};
use super::tensor::{self, Tensor};
use super::wire::Fields;
use crate::outcome::Reason;

/// What reading may still use, and what was dropped.
#[derive(Debug)]
pub(super) struct Budget {
    /// Numbers and names that may still be stored.
    left: usize,
    /// Fields that ONNX does not know or that carry no computation.
    pub(super) unknown: u64,
}

/// Most numbers and names outside tensors: the lists of a tree ensemble. 16 bytes each at most.
const ITEMS_MAX: usize = 16 << 20;

/// Most nodes of a graph.
pub(super) const NODES_MAX: usize = 20_000;

/// Most initialisers, and most inputs, which old files list them among.
const INITIALIZERS_MAX: usize = 100_000;

/// A name of a node's input or output is looked up as well as stored.
const NAME_COST: usize = 16;

const OUTPUTS_MAX: usize = 64;
const ATTRIBUTES_MAX: usize = 64;
const OPSETS_MAX: usize = 256;

impl Budget {
    pub(super) fn spend(&mut self, items: usize) -> Checked<()> {
        match self.left.checked_sub(items) {
            Some(left) => self.left = left,
            None => return Err(too_many("numbers outside tensors", ITEMS_MAX)),
        }
        Ok(())
    }
}

fn too_many(what: &str, most: usize) -> Reason {
    Reason::new(
        "graph-size",
        format!("the model has too many {what}; at most {most} are allowed"),
        "use fewer trees or fewer layers",
    )
}

#[derive(Debug, Default)]
pub(super) struct ModelFile<'a> {
    pub(super) ir: i64,
    /// Domain and version, as often as the file imports them.
    pub(super) opsets: Vec<(&'a [u8], i64)>,
    pub(super) graph: GraphFile<'a>,
    pub(super) functions: usize,
    /// Column of "up", where the author's metadata name it under [`POSITIVE_CLASS`].
    pub(super) positive_class: Option<usize>,
    /// Fields that carry no computation or that ONNX does not know.
    pub(super) dropped: u64,
}

#[derive(Debug, Default)]
pub(super) struct GraphFile<'a> {
    pub(super) nodes: Vec<NodeFile<'a>>,
    pub(super) initializers: Vec<(&'a [u8], Tensor<'a>)>,
    pub(super) inputs: Vec<ValueFile<'a>>,
    pub(super) outputs: Vec<ValueFile<'a>>,
    pub(super) sparse: usize,
}

#[derive(Debug, Default)]
pub(super) struct NodeFile<'a> {
    pub(super) inputs: Vec<&'a [u8]>,
    pub(super) outputs: Vec<&'a [u8]>,
    pub(super) operator: &'a [u8],
    pub(super) domain: &'a [u8],
    pub(super) attributes: Vec<(&'a [u8], Attribute<'a>)>,
}

#[derive(Clone, Debug)]
pub(super) enum Attribute<'a> {
    Float(f32),
    Int(i64),
    Text(&'a [u8]),
    Tensor(Tensor<'a>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Texts(Vec<&'a [u8]>),
    /// Its kind, for the message: a graph, a sparse tensor, a type, …
    Other(&'static str),
}

/// An input or output as the graph declares it.
#[derive(Clone, Debug)]
pub(super) struct ValueFile<'a> {
    pub(super) name: &'a [u8],
    /// Element code; `None` when it is no tensor.
    pub(super) element: Option<i64>,
    /// `None` is an open dimension; absent when no shape is declared.
    pub(super) dims: Option<Vec<Option<i64>>>,
}

pub(super) fn model(bytes: &[u8]) -> Checked<ModelFile<'_>> {
    let mut budget = Budget {
        left: ITEMS_MAX,
        unknown: 0,
    };
    let mut file = ModelFile::default();
    let mut graph = None;
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => file.ir = value.int()?,
            7 => once(&mut graph, value.bytes()?, "two graphs")?,
            8 => {
                if file.opsets.len() >= OPSETS_MAX {
                    return Err(too_many("operator set imports", OPSETS_MAX));
                }
                file.opsets.push(opset(value.bytes()?)?);
            }
            14 => match metadata(value.bytes()?)? {
                (POSITIVE_CLASS, column) => name_class(&mut file.positive_class, column)?,
                _ => budget.unknown += 1,
            },
            25 => file.functions += 1,
            _ => budget.unknown += 1,
        }
    }
    let graph = graph.ok_or_else(|| broken("no graph"))?;
    file.graph = read_graph(graph, &mut budget)?;
    file.dropped = budget.unknown;
    Ok(file)
}

/// The one piece of metadata that is read: an exporter cannot say otherwise which class is "up".
pub(super) const POSITIVE_CLASS: &[u8] = b"positive_class";

/// Key and value.
fn metadata(message: &[u8]) -> Checked<(&[u8], &[u8])> {
    let (mut key, mut text) = (&[][..], &[][..]);
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => key = value.bytes()?,
            2 => text = value.bytes()?,
            _ => {}
        }
    }
    Ok((key, text))
}

fn name_class(place: &mut Option<usize>, text: &[u8]) -> Checked<()> {
    let digits = text.len() <= 6 && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| digits);
    let column = number.and_then(|number| number.parse().ok());
    if column.is_none() || place.is_some() {
        return Err(Reason::new(
            "positive-class",
            "the metadata 'positive_class' are not one column number",
            "entry = model.metadata_props.add(); entry.key, entry.value = 'positive_class', '2'",
        ));
    }
    *place = column;
    Ok(())
}

/// Protobuf would merge two of a kind; no exporter writes that.
fn once<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8], twice: &str) -> Checked<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(broken(twice)),
    }
}

fn opset(message: &[u8]) -> Checked<(&[u8], i64)> {
    let (mut domain, mut version) = (&[][..], 0);
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => domain = value.bytes()?,
            2 => version = value.int()?,
            _ => {}
        }
    }
    Ok((domain, version))
}

fn push<T>(list: &mut Vec<T>, item: T, what: &str, most: usize) -> Checked<()> {
    if list.len() >= most {
        return Err(too_many(what, most));
    }
    list.push(item);
    Ok(())
}

fn read_graph<'a>(message: &'a [u8], budget: &mut Budget) -> Checked<GraphFile<'a>> {
    let mut graph = GraphFile::default();
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => push(
                &mut graph.nodes,
                node(value.bytes()?, budget)?,
                "nodes",
                NODES_MAX,
            )?,
            5 => {
                let tensor = tensor::read(value.bytes()?, budget)?;
                let most = INITIALIZERS_MAX;
                push(&mut graph.initializers, tensor, "initialisers", most)?;
            }
            11 => {
                let input = declared::read(value.bytes()?)?;
                push(&mut graph.inputs, input, "inputs", INITIALIZERS_MAX)?;
            }
            12 => push(
                &mut graph.outputs,
                declared::read(value.bytes()?)?,
                "outputs",
                OUTPUTS_MAX,
            )?,
            15 => graph.sparse += 1,
            _ => budget.unknown += 1,
        }
    }
    Ok(graph)
}

fn node<'a>(message: &'a [u8], budget: &mut Budget) -> Checked<NodeFile<'a>> {
    let mut node = NodeFile::default();
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 | 2 => {
                budget.spend(NAME_COST)?;
                let list = if number == 1 {
                    &mut node.inputs
                } else {
                    &mut node.outputs
                };
                list.push(value.bytes()?);
            }
            4 => node.operator = value.bytes()?,
            5 => {
                let read = attribute::read(value.bytes()?, budget)?;
                push(
                    &mut node.attributes,
                    read,
                    "attributes of a node",
                    ATTRIBUTES_MAX,
                )?;
            }
            7 => node.domain = value.bytes()?,
            _ => budget.unknown += 1,
        }
    }
    Ok(node)
}
