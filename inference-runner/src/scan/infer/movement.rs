//! Operators that rename dimensions or put tensors side by side.

use super::super::element::Element;
use super::super::refusal::{Checked, misused, unbounded, unfit};
use super::super::size::{Size, product};
use super::super::tensor::RANK_MAX;
use super::call::Call;
use super::{Info, Made};

fn count(length: usize) -> Size {
    Size::constant(i64::try_from(length).unwrap_or(i64::MAX))
}

pub(super) fn shape(call: &Call<'_>) -> Checked<Made> {
    let dims = &call.input(0)?.shape;
    let rank = i64::try_from(dims.len()).unwrap_or(i64::MAX);
    let place = |name, default| -> Checked<usize> {
        let at = call.int(name, default)?;
        let at = if at < 0 { at.saturating_add(rank) } else { at };
        Ok(usize::try_from(at.clamp(0, rank)).unwrap_or(0))
    };
    let (start, end) = (place("start", 0)?, place("end", rank)?);
    let value = dims.get(start..end).unwrap_or_default().to_vec();
    let info = Info::new(Element::Int64, vec![count(value.len())]);
    Ok(info.with_value(Some(value)).into())
}

pub(super) fn size(call: &Call<'_>) -> Checked<Made> {
    let value = product(&call.input(0)?.shape).map(|size| vec![size]);
    Ok(Info::new(Element::Int64, Vec::new())
        .with_value(value)
        .into())
}

pub(super) fn reshape(call: &Call<'_>) -> Checked<Made> {
    let data = call.input(0)?;
    let target: Vec<Size> = match call.ints("shape")? {
        Some(shape) if call.optional(1).is_none() => {
            shape.iter().map(|&size| Size::constant(size)).collect()
        }
        _ => call.value(1)?.to_vec(),
    };
    if target.len() > RANK_MAX {
        return Err(misused(call.name(), "a shape of more than 8 dimensions"));
    }
    let keeps_zero = call.int("allowzero", 0)? != 0;
    let mut shape = Vec::with_capacity(target.len());
    let mut open = None;
    for (place, size) in target.iter().enumerate() {
        shape.push(match size.known() {
            Some(0) if !keeps_zero => {
                let kept = data.shape.get(place).copied();
                kept.ok_or_else(|| misused(call.name(), "a zero beyond the dimensions"))?
            }
            Some(-1) if open.is_none() => {
                open = Some(place);
                Size::ONE
            }
            Some(-1) => return Err(misused(call.name(), "two open dimensions")),
            _ => *size,
        });
    }
    let whole = product(&data.shape);
    if let Some(place) = open {
        let others = product(&shape);
        let size = whole
            .zip(others)
            .and_then(|(whole, others)| whole.exactly_over(others));
        shape[place] = size.ok_or_else(|| unbounded(call.name(), "an open dimension"))?;
    }
    let is_same = whole.zip(product(&shape)).map(|(a, b)| a == b);
    if is_same != Some(true) {
        return Err(unfit(call.name(), "the number of elements changes"));
    }
    let info = Info::new(data.element, shape);
    Ok(info.with_value(data.value.clone()).into())
}

pub(super) fn flatten(call: &Call<'_>) -> Checked<Made> {
    let data = call.input(0)?;
    let rank = i64::try_from(data.shape.len()).unwrap_or(i64::MAX);
    let axis = call.int("axis", 1)?;
    let axis = if axis < 0 {
        axis.saturating_add(rank)
    } else {
        axis
    };
    let axis = usize::try_from(axis)
        .ok()
        .filter(|axis| *axis <= data.shape.len());
    let axis = axis.ok_or_else(|| misused(call.name(), "an axis beyond the dimensions"))?;
    let (rows, columns) = data.shape.split_at(axis);
    let sizes = product(rows).zip(product(columns));
    let (rows, columns) = sizes.ok_or_else(|| unbounded(call.name(), "a product of rows"))?;
    Ok(Info::new(data.element, vec![rows, columns]).into())
}

pub(super) fn squeeze(call: &Call<'_>) -> Checked<Made> {
    let data = call.input(0)?;
    let axes = match call.list("axes", 1)? {
        Some(axes) => call.axes(&axes, data.shape.len())?,
        None => {
            let ones = data.shape.iter().enumerate();
            ones.filter(|(_, size)| **size == Size::ONE)
                .map(|(place, _)| place)
                .collect()
        }
    };
    let mut shape = Vec::new();
    for (place, size) in data.shape.iter().enumerate() {
        if !axes.contains(&place) {
            shape.push(*size);
        } else if *size != Size::ONE {
            let what = format!("the dimension of {} is not 1", size.written());
            return Err(unfit(call.name(), what));
        }
    }
    let info = Info::new(data.element, shape);
    Ok(info.with_value(data.value.clone()).into())
}

pub(super) fn unsqueeze(call: &Call<'_>) -> Checked<Made> {
    let data = call.input(0)?;
    let axes = call.list("axes", 1)?;
    let axes = axes.ok_or_else(|| misused(call.name(), "axes are missing"))?;
    if axes.len() > RANK_MAX {
        return Err(misused(call.name(), "a result of more than 8 dimensions"));
    }
    let axes = call.axes(&axes, data.shape.len() + axes.len())?;
    let mut shape = data.shape.clone();
    for axis in axes {
        shape.insert(axis.min(shape.len()), Size::ONE);
    }
    let info = Info::new(data.element, shape);
    Ok(info.with_value(data.value.clone()).into())
}

pub(super) fn transpose(call: &Call<'_>) -> Checked<Made> {
    let data = call.input(0)?;
    let rank = data.shape.len();
    let order: Vec<usize> = match call.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(order) => {
            if call.axes(order, rank)?.len() != rank {
                return Err(misused(call.name(), "perm does not name every dimension"));
            }
            let order: Checked<Vec<usize>> = order.iter().map(|&a| call.axis(a, rank)).collect();
            order?
        }
    };
    let shape = order.into_iter().map(|place| data.shape[place]).collect();
    let info = Info::new(data.element, shape);
    Ok(info.with_value(data.value.clone()).into())
}

pub(super) fn concat(call: &Call<'_>) -> Checked<Made> {
    let first = call.input(0)?;
    call.of_one_element(0)?;
    let axis = call.axis(call.int("axis", 1)?, first.shape.len())?;
    let mut shape = first.shape.clone();
    let mut value = first.value.clone();
    for input in call.inputs().skip(1) {
        if input.shape.len() != shape.len() {
            return Err(unfit(call.name(), "tensors of different ranks"));
        }
        for (place, (into, size)) in shape.iter_mut().zip(&input.shape).enumerate() {
            if place == axis {
                let sum = into.plus(*size);
                *into = sum.ok_or_else(|| unbounded(call.name(), "a sum of sizes"))?;
            } else if into != size {
                let what = format!("{} and {} do not fit", into.written(), size.written());
                return Err(unfit(call.name(), what));
            }
        }
        value = value.zip(input.value.as_ref()).map(|(mut all, more)| {
            // Longer values are not followed; `with_value` drops what was cut.
            all.extend(more.iter().take(super::VALUES_MAX));
            all
        });
        value = value.filter(|all| all.len() <= super::VALUES_MAX);
    }
    Ok(Info::new(first.element, shape).with_value(value).into())
}
