//! Operators that take dimensions away.

use super::super::element::Element;
use super::super::refusal::{Checked, misused, unfit};
use super::super::size::{Size, product};
use super::call::Call;
use super::{Info, Made};

fn without(shape: &[Size], axes: &[usize], keeps: bool) -> Vec<Size> {
    let mut left = Vec::new();
    for (place, size) in shape.iter().enumerate() {
        if !axes.contains(&place) {
            left.push(*size);
        } else if keeps {
            left.push(Size::ONE);
        }
    }
    left
}

pub(super) fn reduce(call: &Call<'_>) -> Checked<Made> {
    let data = call.input(0)?;
    let rank = data.shape.len();
    let named = call.list("axes", 1)?.filter(|axes| !axes.is_empty());
    let axes = match named {
        Some(axes) => call.axes(&axes, rank)?,
        None if call.int("noop_with_empty_axes", 0)? != 0 => Vec::new(),
        None => (0..rank).collect(),
    };
    let shape = without(&data.shape, &axes, call.int("keepdims", 1)? != 0);
    let whole = data.value.as_deref().filter(|_| !axes.is_empty());
    let value = whole.and_then(|value| match call.name() {
        "ReduceProd" => Some(vec![product(value)?]),
        _ => None,
    });
    let info = Info::new(data.element, shape).with_value(value);
    Ok(call.costing(info, data, 1))
}

pub(super) fn arg(call: &Call<'_>) -> Checked<Made> {
    let data = call.input(0)?;
    let axis = call.axis(call.int("axis", 0)?, data.shape.len())?;
    let shape = without(&data.shape, &[axis], call.int("keepdims", 1)? != 0);
    Ok(call.costing(Info::new(Element::Int64, shape), data, 1))
}

pub(super) fn top_k(call: &Call<'_>) -> Checked<Made> {
    let data = call.input(0)?;
    let axis = call.axis(call.int("axis", -1)?, data.shape.len())?;
    let count = match call.optional(1) {
        Some(_) => call.value(1)?.first().copied(),
        None => Some(Size::constant(call.int("k", 0)?)),
    };
    let count = count.ok_or_else(|| misused(call.name(), "no number of values"))?;
    let dim = data.shape[axis];
    let is_within = count == dim || count.most() <= dim.least();
    if !is_within || count.least() < 0 {
        let what = format!(
            "the {} largest of {} values",
            count.written(),
            dim.written()
        );
        return Err(unfit(call.name(), what));
    }
    let mut shape = data.shape.clone();
    shape[axis] = count;
    Ok(Made {
        outputs: vec![
            Info::new(data.element, shape.clone()),
            Info::new(Element::Int64, shape),
        ],
        cost: data.most().saturating_mul(16),
    })
}
