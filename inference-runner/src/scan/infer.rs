//! Type, shape, cost and memory of every tensor before anything runs. Shapes may follow the number
//! of rows; a shape that cannot be known is refused, and so is one that is too large.

mod bill;
mod call;
mod conv;
mod ml;
mod movement;
mod output;
mod pointwise;
mod products;
mod reduce;
mod resize;
mod window;

use bill::Bill;
pub(super) use call::Call;
pub(super) use ml::length;

use super::element::Element;
use super::graph::{FEATURES, Graph};
use super::operators::Rule;
use super::refusal::{Checked, misused, unbounded};
use super::size::{Size, product};
use super::tensor::{RANK_MAX, Tensor};
use super::{OutputKind, Rules};

/// Most numbers of a computed shape that are followed.
const VALUES_MAX: usize = 256;

/// Most outputs of one node: the parts of a `Split`.
const NODE_OUTPUTS_MAX: usize = 4_096;

/// Longest dimension, also of a tensor that is empty because another one is zero.
const DIMENSION_MAX: i128 = 1 << 40;

/// What is known of a tensor.
#[derive(Clone, Debug)]
pub(super) struct Info {
    pub(super) element: Element,
    pub(super) shape: Vec<Size>,
    /// The numbers of a small index tensor of at most one dimension: how models compute shapes.
    value: Option<Vec<Size>>,
    /// Depends on the features; everything else is computed once, while loading.
    varies: bool,
}

impl Info {
    fn new(element: Element, shape: Vec<Size>) -> Self {
        Self {
            element,
            shape,
            value: None,
            varies: true,
        }
    }

    fn with_value(mut self, value: Option<Vec<Size>>) -> Self {
        let count = product(&self.shape).and_then(Size::known);
        let fits = |value: &Vec<Size>| {
            self.shape.len() <= 1 && value.len() <= VALUES_MAX && count == Some(value.len() as i64)
        };
        self.value = value.filter(fits);
        self
    }

    fn of(tensor: &Tensor<'_>) -> Self {
        let shape = tensor.dims.iter().map(|&dim| size_of_dim(dim)).collect();
        let ints = tensor.ints(VALUES_MAX);
        let value = ints.map(|ints| ints.into_iter().map(Size::constant).collect());
        let info = Self::new(tensor.element, shape).with_value(value);
        Self {
            varies: false,
            ..info
        }
    }

    /// Elements in a full block; the largest when the tensor's size cannot be told.
    fn most(&self) -> u128 {
        let count = product(&self.shape).map_or(i128::MAX, Size::most);
        u128::try_from(count).unwrap_or(0)
    }

    fn bytes(&self) -> u64 {
        let bytes = self.most().saturating_mul(u128::from(self.element.bytes()));
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

fn size_of_dim(dim: u64) -> Size {
    Size::constant(i64::try_from(dim).unwrap_or(i64::MAX))
}

/// What one node makes.
struct Made {
    outputs: Vec<Info>,
    /// Multiply-adds in a full block beyond the operator's weight for each element made.
    cost: u128,
}

impl From<Info> for Made {
    fn from(info: Info) -> Self {
        Self {
            outputs: vec![info],
            cost: 0,
        }
    }
}

/// What is known of the whole model.
#[derive(Debug)]
pub(super) struct Inferred {
    /// Shape of the features.
    pub(super) features: Vec<Size>,
    pub(super) answer: Info,
    pub(super) output: OutputKind,
    pub(super) cost_per_row: u64,
    pub(super) peak_bytes: u64,
}

pub(super) fn infer(graph: &Graph<'_>, rules: &Rules) -> Checked<Inferred> {
    let mut known: Vec<Option<Info>> = vec![None; graph.tensor_count];
    let columns = Size::constant(i64::try_from(rules.columns).unwrap_or(i64::MAX));
    known[FEATURES] = Some(Info::new(Element::Float32, vec![Size::ROWS, columns]));
    for (id, tensor) in &graph.constants {
        known[*id] = Some(Info::of(tensor));
    }
    let mut bill = Bill::new(graph, &known, *rules);
    for (place, node) in graph.nodes.iter().enumerate() {
        if node.outputs.len() > NODE_OUTPUTS_MAX {
            return Err(misused(node.operator.name, "too many outputs"));
        }
        let call = Call::new(graph, node, &known)?;
        let made = make(&call)?;
        if made.outputs.len() < node.outputs.len() {
            return Err(misused(node.operator.name, "more outputs than are run"));
        }
        let varies = call.varies();
        let mut outputs = Vec::new();
        for (id, info) in node.outputs.iter().zip(made.outputs) {
            check_size(node.operator.name, &info, rules)?;
            outputs.push((*id, Info { varies, ..info }));
        }
        bill.add(place, node.operator, &outputs, made.cost, varies)?;
        for (id, info) in outputs {
            if let Some(id) = id {
                known[id] = Some(info);
            }
        }
    }
    let answer = known.into_iter().nth(graph.answer).flatten();
    let answer = answer.ok_or_else(|| misused("the graph", "nothing makes its output"))?;
    Ok(Inferred {
        features: vec![Size::ROWS, columns],
        output: output::check(graph, &answer)?,
        answer,
        cost_per_row: bill.cost_per_row(),
        peak_bytes: bill.peak_bytes,
    })
}

fn check_size(operator: &str, info: &Info, rules: &Rules) -> Checked<()> {
    if info.shape.len() > RANK_MAX {
        return Err(misused(operator, "a result of more than 8 dimensions"));
    }
    if info.shape.iter().any(|size| size.least() < 0) {
        return Err(unbounded(operator, "a dimension may fall below zero"));
    }
    if info.shape.iter().any(|size| size.most() > DIMENSION_MAX) {
        return Err(unbounded(
            operator,
            "a dimension is larger than any model needs",
        ));
    }
    if product(&info.shape).is_none() {
        return Err(unbounded(
            operator,
            "the result grows with the square of the rows",
        ));
    }
    if info.bytes() > rules.peak_bytes {
        return Err(bill::too_much_memory(
            operator,
            info.bytes(),
            rules.peak_bytes,
        ));
    }
    Ok(())
}

fn make(call: &Call<'_>) -> Checked<Made> {
    match call.rule() {
        Rule::Same | Rule::SameFloat | Rule::SameBool | Rule::Cast | Rule::CastLike => {
            pointwise::same(call)
        }
        Rule::Dropout => pointwise::dropout(call),
        Rule::Normalization => pointwise::normalization(call),
        Rule::Stretch => pointwise::stretched(call),
        Rule::Compare => pointwise::compare(call),
        Rule::Where => pointwise::choose(call),
        Rule::Reduce => reduce::reduce(call),
        Rule::ArgReduce => reduce::arg(call),
        Rule::TopK => reduce::top_k(call),
        Rule::MatMul => products::matmul(call),
        Rule::Gemm => products::gemm(call),
        Rule::Einsum => products::einsum(call),
        Rule::Recurrent => products::recurrent(call),
        Rule::Conv => conv::conv(call),
        Rule::Pool => conv::pool(call),
        Rule::GlobalPool => conv::global_pool(call),
        Rule::Shape => movement::shape(call),
        Rule::Size => movement::size(call),
        Rule::Reshape => movement::reshape(call),
        Rule::Flatten => movement::flatten(call),
        Rule::Squeeze => movement::squeeze(call),
        Rule::Unsqueeze => movement::unsqueeze(call),
        Rule::Transpose => movement::transpose(call),
        Rule::Concat => movement::concat(call),
        Rule::Split => window::split(call),
        Rule::Slice => window::slice(call),
        Rule::Gather => window::gather(call),
        Rule::GatherElements => window::gather_elements(call),
        Rule::Expand => resize::expand(call),
        Rule::Tile => resize::tile(call),
        Rule::Pad => resize::pad(call),
        Rule::Fill => resize::fill(call),
        Rule::Range => resize::range(call),
        Rule::OneHot => resize::one_hot(call),
        _ => ml::make(call),
    }
}
