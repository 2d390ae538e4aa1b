//! Operators that take parts out of a tensor. Which parts must be known: only the first dimension,
//! the rows, is open.

use super::super::element::Element;
use super::super::refusal::{Checked, misused, unbounded, unfit};
use super::super::size::Size;
use super::call::Call;
use super::{Info, Made};

/// Most constant indices whose range is checked here; ONNX Runtime checks all of them.
const INDICES_MAX: usize = 1 << 20;

pub(super) fn slice(call: &Call<'_>) -> Checked<Made> {
    let data = call.input(0)?;
    let starts = required(call, call.list("starts", 1)?)?;
    let ends: Vec<Size> = if call.optional(2).is_some() {
        call.value(2)?.to_vec()
    } else {
        let ends = required(call, call.list("ends", 2)?)?;
        ends.into_iter().map(Size::constant).collect()
    };
    let axes = match call.list("axes", 3)? {
        Some(axes) => axes,
        None => (0..starts.len() as i64).collect(),
    };
    let steps = call
        .list("steps", 4)?
        .unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(misused(
            call.name(),
            "starts, ends, axes and steps differ in length",
        ));
    }
    call.axes(&axes, data.shape.len())?;
    let mut shape = data.shape.clone();
    let mut value = data.value.clone();
    for (place, &axis) in axes.iter().enumerate() {
        let axis = call.axis(axis, shape.len())?;
        let (start, step) = (starts[place], steps[place]);
        let dim = shape[axis];
        shape[axis] = match (dim.known(), ends[place].known()) {
            (Some(dim), Some(end)) => {
                let (from, count) = cut(call, dim, start, end, step)?;
                value = value.and_then(|list| parts(&list, from, count, step));
                Size::constant(count)
            }
            // All rows, however they are spelled.
            (None, Some(end)) if start == 0 && step == 1 && end > i64::from(i32::MAX) - 1 => dim,
            (_, None) if start == 0 && step == 1 && ends[place] == dim => dim,
            _ => return Err(unbounded(call.name(), "the rows are cut")),
        };
    }
    Ok(Info::new(data.element, shape).with_value(value).into())
}

fn required(call: &Call<'_>, list: Option<Vec<i64>>) -> Checked<Vec<i64>> {
    list.ok_or_else(|| misused(call.name(), "starts or ends are missing"))
}

/// First place and count of a slice of a dimension of `dim`, as ONNX clamps them.
fn cut(call: &Call<'_>, dim: i64, start: i64, end: i64, step: i64) -> Checked<(i64, i64)> {
    if dim <= 0 {
        return Ok((0, 0));
    }
    let from_front = |at: i64| if at < 0 { at.saturating_add(dim) } else { at };
    let (start, end) = (from_front(start), from_front(end));
    let count = match step {
        1.. => {
            let (start, end) = (start.clamp(0, dim), end.clamp(0, dim));
            return Ok((start, ceiling(end - start, step)));
        }
        0 => return Err(misused(call.name(), "a step of zero")),
        i64::MIN => 1,
        _ => {
            let (start, end) = (start.clamp(0, dim - 1), end.clamp(-1, dim - 1));
            return Ok((start.max(0), ceiling(start - end, -step)));
        }
    };
    Ok((start.clamp(0, dim), count.min(dim)))
}

fn ceiling(length: i64, step: i64) -> i64 {
    let length = length.max(0);
    length / step + i64::from(length % step != 0)
}

fn parts(list: &[Size], from: i64, count: i64, step: i64) -> Option<Vec<Size>> {
    let at = |turn: i64| {
        let place = turn.checked_mul(step)?.checked_add(from)?;
        list.get(usize::try_from(place).ok()?).copied()
    };
    (0..count).map(at).collect()
}

pub(super) fn split(call: &Call<'_>) -> Checked<Made> {
    let data = call.input(0)?;
    let axis = call.axis(call.int("axis", 0)?, data.shape.len())?;
    let dim = data.shape[axis];
    let outputs = call.outputs();
    let sizes: Vec<Size> = match call.list("split", 1)? {
        Some(sizes) => {
            let total = sizes
                .iter()
                .try_fold(0_i64, |sum, size| sum.checked_add(*size));
            if dim.known().is_none() || total != dim.known() {
                return Err(unfit(call.name(), "the parts are not the whole"));
            }
            sizes.into_iter().map(Size::constant).collect()
        }
        None => equal_parts(call, dim, outputs)?,
    };
    if sizes.len() != outputs {
        return Err(misused(call.name(), "parts and outputs differ in number"));
    }
    let made = sizes.into_iter().map(|size| {
        let mut shape = data.shape.clone();
        shape[axis] = size;
        Info::new(data.element, shape)
    });
    Ok(Made {
        outputs: made.collect(),
        cost: 0,
    })
}

fn equal_parts(call: &Call<'_>, dim: Size, outputs: usize) -> Checked<Vec<Size>> {
    let count = i64::try_from(outputs).unwrap_or(i64::MAX).max(1);
    if let Some(part) = dim.exactly_over(Size::constant(count)) {
        return Ok(vec![part; outputs]);
    }
    let Some(dim) = dim.known() else {
        return Err(unbounded(call.name(), "the rows are split"));
    };
    let part = ceiling(dim, count);
    let left = |place: i64| (dim - place * part).clamp(0, part);
    Ok((0..count)
        .map(|place| Size::constant(left(place)))
        .collect())
}

pub(super) fn gather(call: &Call<'_>) -> Checked<Made> {
    let (data, indices) = (call.input(0)?, call.input(1)?);
    let axis = call.axis(call.int("axis", 0)?, data.shape.len())?;
    check_indices(call, 1, data.shape[axis])?;
    let mut shape = data.shape[..axis].to_vec();
    shape.extend(&indices.shape);
    shape.extend(&data.shape[axis + 1..]);
    let picked = data.value.as_ref().zip(indices.value.as_ref());
    let value = picked.and_then(|(list, indices)| {
        let length = i64::try_from(list.len()).ok()?;
        let pick = |index: &Size| {
            let index = index.known()?;
            let place = if index < 0 {
                index.checked_add(length)?
            } else {
                index
            };
            list.get(usize::try_from(place).ok()?).copied()
        };
        indices.iter().map(pick).collect()
    });
    Ok(Info::new(data.element, shape).with_value(value).into())
}

pub(super) fn gather_elements(call: &Call<'_>) -> Checked<Made> {
    let (data, indices) = (call.input(0)?, call.input(1)?);
    let axis = call.axis(call.int("axis", 0)?, data.shape.len())?;
    check_indices(call, 1, data.shape[axis])?;
    Ok(Info::new(data.element, indices.shape.clone()).into())
}

/// Constant indices lie within a dimension of `dim`, whatever the number of rows.
pub(super) fn check_indices(call: &Call<'_>, place: usize, dim: Size) -> Checked<()> {
    if !matches!(call.input(place)?.element, Element::Int32 | Element::Int64) {
        return Err(misused(call.name(), "the indices are no integers"));
    }
    let Some(indices) = call
        .constant(place)
        .and_then(|tensor| tensor.ints(INDICES_MAX))
    else {
        return Ok(());
    };
    let least = dim.least();
    let beyond = indices.iter().find(|index| {
        let index = i128::from(**index);
        !(-least..least).contains(&index)
    });
    match beyond {
        None => Ok(()),
        Some(index) => Err(unfit(
            call.name(),
            format!(
                "the index {index} is outside a dimension of {}",
                dim.written()
            ),
        )),
    }
}
