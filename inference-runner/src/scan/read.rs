//! `ModelProto` and what is in it, read into borrowed parts. Graphs inside attributes are not
//! entered: an operator that needs one is refused, so the depth of the reading is fixed.

use super::refusal::{Checked, broken};
use super::tensor::{self, Tensor};
use super::wire::{Fields, Value};
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
            25 => file.functions += 1,
            _ => budget.unknown += 1,
        }
    }
    let graph = graph.ok_or_else(|| broken("no graph"))?;
    file.graph = read_graph(graph, &mut budget)?;
    file.dropped = budget.unknown;
    Ok(file)
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
                let input = declared(value.bytes()?)?;
                push(&mut graph.inputs, input, "inputs", INITIALIZERS_MAX)?;
            }
            12 => push(
                &mut graph.outputs,
                declared(value.bytes()?)?,
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
                budget.spend(1)?;
                let list = if number == 1 {
                    &mut node.inputs
                } else {
                    &mut node.outputs
                };
                list.push(value.bytes()?);
            }
            4 => node.operator = value.bytes()?,
            5 => {
                let read = attribute(value.bytes()?, budget)?;
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

/// The fields of `AttributeProto` as they come; its type says which one counts.
#[derive(Default)]
struct Parts<'a> {
    name: &'a [u8],
    kind: i64,
    float: f32,
    int: i64,
    text: Option<&'a [u8]>,
    tensor: Option<&'a [u8]>,
    floats: Vec<f32>,
    ints: Vec<i64>,
    texts: Vec<&'a [u8]>,
    /// Type that the fields show, for files that name none (IR 1).
    seen: i64,
}

fn attribute<'a>(message: &'a [u8], budget: &mut Budget) -> Checked<(&'a [u8], Attribute<'a>)> {
    let mut parts = Parts::default();
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        part(&mut parts, number, value, budget)?;
    }
    let kind = if parts.kind == 0 {
        parts.seen
    } else {
        parts.kind
    };
    let value = match kind {
        1 => Attribute::Float(parts.float),
        2 => Attribute::Int(parts.int),
        3 => Attribute::Text(parts.text.unwrap_or_default()),
        4 => {
            let message = parts
                .tensor
                .ok_or_else(|| broken("an attribute without its tensor"))?;
            Attribute::Tensor(tensor::read(message, budget)?.1)
        }
        5 | 10 => Attribute::Other("a graph"),
        6 => Attribute::Floats(parts.floats),
        7 => Attribute::Ints(parts.ints),
        8 => Attribute::Texts(parts.texts),
        9 => Attribute::Other("a list of tensors"),
        11 | 12 => Attribute::Other("a sparse tensor"),
        _ => Attribute::Other("a type that is not run here"),
    };
    Ok((parts.name, value))
}

fn part<'a>(
    parts: &mut Parts<'a>,
    number: u32,
    value: Value<'a>,
    budget: &mut Budget,
) -> Checked<()> {
    if (2..=11).contains(&number) {
        // The types are numbered as the fields are, one lower.
        parts.seen = i64::from(number) - 1;
    }
    match number {
        1 => parts.name = value.bytes()?,
        2 => parts.float = value.float()?,
        3 => parts.int = value.int()?,
        4 => parts.text = Some(value.bytes()?),
        5 => once(
            &mut parts.tensor,
            value.bytes()?,
            "two tensors in one attribute",
        )?,
        7 => value.floats(&mut |number| {
            budget.spend(1)?;
            parts.floats.push(number);
            Ok(())
        })?,
        8 => value.ints(&mut |number| {
            budget.spend(1)?;
            parts.ints.push(number);
            Ok(())
        })?,
        9 => {
            budget.spend(1)?;
            parts.texts.push(value.bytes()?);
        }
        20 => parts.kind = value.int()?,
        21 => return Err(broken("an attribute that refers to a function's")),
        _ => budget.unknown += 1,
    }
    Ok(())
}

/// `ValueInfoProto` as far as a tensor's type and shape go.
fn declared(message: &[u8]) -> Checked<ValueFile<'_>> {
    let mut value_file = ValueFile {
        name: &[],
        element: None,
        dims: None,
    };
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => value_file.name = value.bytes()?,
            2 => {
                let mut kinds = Fields::of(value.bytes()?);
                while let Some((number, value)) = kinds.next()? {
                    if number == 1 {
                        tensor_type(value.bytes()?, &mut value_file)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(value_file)
}

fn tensor_type(message: &[u8], into: &mut ValueFile<'_>) -> Checked<()> {
    into.element = Some(0);
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => into.element = Some(value.int()?),
            2 => {
                let mut dims = Vec::new();
                let mut shape = Fields::of(value.bytes()?);
                while let Some((number, value)) = shape.next()? {
                    if number == 1 {
                        push(&mut dims, dimension(value.bytes()?)?, "dimensions", 64)?;
                    }
                }
                into.dims = Some(dims);
            }
            _ => {}
        }
    }
    Ok(())
}

/// A named dimension is open, and so is a negative one, which some converters write.
fn dimension(message: &[u8]) -> Checked<Option<i64>> {
    let mut size = None;
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            size = Some(value.int()?).filter(|size| *size >= 0);
        }
    }
    Ok(size)
}
