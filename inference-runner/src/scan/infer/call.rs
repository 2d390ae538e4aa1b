//! One node with what is known of its inputs, and the checked reading of its attributes.

use super::super::element::Element;
use super::super::graph::{Graph, Node};
use super::super::operators::Rule;
use super::super::read::Attribute;
use super::super::refusal::{Checked, misused, unbounded};
use super::super::size::Size;
use super::super::tensor::Tensor;
use super::{Info, Made};

pub(in crate::scan) struct Call<'c> {
    graph: &'c Graph<'c>,
    node: &'c Node<'c>,
    inputs: Vec<Option<&'c Info>>,
}

impl<'c> Call<'c> {
    pub(in crate::scan) fn new(
        graph: &'c Graph<'c>,
        node: &'c Node<'c>,
        known: &'c [Option<Info>],
    ) -> Checked<Self> {
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for id in &node.inputs {
            let info = id.map(|id| known.get(id).and_then(Option::as_ref));
            inputs.push(match info {
                None => None,
                Some(Some(info)) => Some(info),
                Some(None) => return Err(misused(node.operator.name, "an input nobody makes")),
            });
        }
        Ok(Self {
            graph,
            node,
            inputs,
        })
    }

    pub(in crate::scan) fn rule(&self) -> Rule {
        self.node.operator.rule
    }

    pub(in crate::scan) fn name(&self) -> &'static str {
        self.node.operator.name
    }

    pub(in crate::scan) fn outputs(&self) -> usize {
        self.node.outputs.len()
    }

    /// Whether the result depends on the features.
    pub(in crate::scan) fn varies(&self) -> bool {
        self.inputs.iter().flatten().any(|info| info.varies)
    }

    pub(in crate::scan) fn inputs(&self) -> impl Iterator<Item = &'c Info> {
        self.inputs.iter().flatten().copied()
    }

    pub(in crate::scan) fn optional(&self, place: usize) -> Option<&'c Info> {
        self.inputs.get(place).copied().flatten()
    }

    pub(in crate::scan) fn input(&self, place: usize) -> Checked<&'c Info> {
        self.optional(place)
            .ok_or_else(|| misused(self.name(), format!("input {place} is missing")))
    }

    /// Refuses inputs of different element types from the input `first` on.
    pub(super) fn of_one_element(&self, first: usize) -> Checked<Element> {
        let element = self.input(first)?.element;
        let mut rest = self.inputs.iter().skip(first).flatten();
        match rest.find(|info| info.element != element) {
            None => Ok(element),
            Some(other) => {
                let what = format!("{} beside {}", element.name(), other.element.name());
                Err(misused(self.name(), what))
            }
        }
    }

    /// Refuses anything but floats, for operators that are defined on them alone.
    pub(super) fn of_floats(&self, place: usize) -> Checked<()> {
        let element = self.input(place)?.element;
        if matches!(
            element,
            Element::Float32 | Element::Float64 | Element::Float16
        ) {
            return Ok(());
        }
        Err(misused(
            self.name(),
            format!("an input of {}", element.name()),
        ))
    }

    /// The constant that is given as an input.
    pub(in crate::scan) fn constant(&self, place: usize) -> Option<&'c Tensor<'c>> {
        let id = self.node.inputs.get(place).copied().flatten()?;
        self.graph.constants.get(&id)
    }

    /// The numbers of an index input, or why they cannot be told.
    pub(in crate::scan) fn value(&self, place: usize) -> Checked<&'c [Size]> {
        let info = self.input(place)?;
        info.value.as_deref().ok_or_else(|| {
            let what = format!("input {place} is computed from the rows");
            unbounded(self.name(), &what)
        })
    }

    /// The numbers of an index input that do not depend on the rows.
    pub(in crate::scan) fn known(&self, place: usize) -> Checked<Vec<i64>> {
        let value = self.value(place)?;
        let known: Option<Vec<i64>> = value.iter().map(|size| size.known()).collect();
        known.ok_or_else(|| unbounded(self.name(), "an index follows the number of rows"))
    }

    /// Axes, steps and the like: an attribute in old operator sets, an input in new ones.
    pub(in crate::scan) fn list(&self, attribute: &str, place: usize) -> Checked<Option<Vec<i64>>> {
        if self.optional(place).is_some() {
            return self.known(place).map(Some);
        }
        Ok(self.ints(attribute)?.map(<[i64]>::to_vec))
    }

    pub(in crate::scan) fn attribute(&self, name: &str) -> Option<&'c Attribute<'c>> {
        self.node.attributes.get(name)
    }

    fn wrong(&self, name: &str) -> crate::outcome::Reason {
        misused(
            self.name(),
            format!("the attribute '{name}' has a wrong type"),
        )
    }

    pub(in crate::scan) fn int(&self, name: &str, default: i64) -> Checked<i64> {
        match self.attribute(name) {
            None => Ok(default),
            Some(Attribute::Int(value)) => Ok(*value),
            Some(_) => Err(self.wrong(name)),
        }
    }

    pub(in crate::scan) fn ints(&self, name: &str) -> Checked<Option<&'c [i64]>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Ints(list)) => Ok(Some(list)),
            Some(_) => Err(self.wrong(name)),
        }
    }

    /// Length of a list of floats, whichever of two attributes holds it.
    pub(in crate::scan) fn floats(&self, name: &str) -> Checked<usize> {
        match self.attribute(name) {
            None => Ok(0),
            Some(Attribute::Floats(list)) => Ok(list.len()),
            Some(_) => Err(self.wrong(name)),
        }
    }

    pub(in crate::scan) fn texts(&self, name: &str) -> Checked<Option<&'c [&'c [u8]]>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Texts(list)) => Ok(Some(list)),
            Some(_) => Err(self.wrong(name)),
        }
    }

    pub(in crate::scan) fn text(&self, name: &str) -> Checked<Option<&'c [u8]>> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name)),
        }
    }

    /// `axis` counted from the front.
    pub(in crate::scan) fn axis(&self, axis: i64, rank: usize) -> Checked<usize> {
        let rank = i64::try_from(rank).unwrap_or(i64::MAX);
        let from_front = if axis < 0 {
            axis.checked_add(rank)
        } else {
            Some(axis)
        };
        let within = from_front.filter(|axis| (0..rank).contains(axis));
        within
            .and_then(|axis| usize::try_from(axis).ok())
            .ok_or_else(|| misused(self.name(), format!("axis {axis} of {rank} dimensions")))
    }

    /// Distinct axes, counted from the front and sorted.
    pub(in crate::scan) fn axes(&self, axes: &[i64], rank: usize) -> Checked<Vec<usize>> {
        let axes: Checked<Vec<usize>> = axes.iter().map(|&axis| self.axis(axis, rank)).collect();
        let mut axes = axes?;
        axes.sort_unstable();
        if axes.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(misused(self.name(), "an axis is named twice"));
        }
        Ok(axes)
    }

    /// `result`, at a cost of `each` for every element of `info`.
    pub(super) fn costing(&self, result: Info, info: &Info, each: u64) -> Made {
        Made {
            outputs: vec![result],
            cost: info.most().saturating_mul(u128::from(each)),
        }
    }
}
