//! Operators that make a tensor of a size that another tensor names: where small files become
//! large. The size must be known before the model runs.

use super::super::element::Element;
use super::super::read::Attribute;
use super::super::refusal::{Checked, misused, unbounded};
use super::super::size::{Size, product};
use super::call::Call;
use super::pointwise::{element_of, stretch};
use super::{Info, Made, VALUES_MAX};

pub(super) fn expand(call: &Call<'_>) -> Checked<Made> {
    let data = call.input(0)?;
    let target = call.value(1)?;
    let shape = stretch(call, &data.shape, target)?;
    let is_one = data.value.as_ref().is_some_and(|value| value.len() == 1);
    let length = product(&shape)
        .and_then(Size::known)
        .filter(|length| *length <= VALUES_MAX as i64);
    let value = data
        .value
        .as_ref()
        .filter(|_| is_one)
        .zip(length)
        .map(|(value, length)| vec![value[0]; usize::try_from(length).unwrap_or(0)]);
    Ok(Info::new(data.element, shape).with_value(value).into())
}

pub(super) fn tile(call: &Call<'_>) -> Checked<Made> {
    let data = call.input(0)?;
    let repeats = call.value(1)?;
    if repeats.len() != data.shape.len() {
        return Err(misused(
            call.name(),
            "repeats and dimensions differ in number",
        ));
    }
    let sizes = data.shape.iter().zip(repeats);
    let shape: Option<Vec<Size>> = sizes.map(|(size, repeat)| size.times(*repeat)).collect();
    let shape = shape.ok_or_else(|| unbounded(call.name(), "a product of sizes"))?;
    Ok(Info::new(data.element, shape).into())
}

pub(super) fn pad(call: &Call<'_>) -> Checked<Made> {
    let data = call.input(0)?;
    let pads = match call.ints("paddings")? {
        Some(pads) => pads.to_vec(),
        None => {
            let pads = call.list("pads", 1)?;
            pads.ok_or_else(|| misused(call.name(), "pads are missing"))?
        }
    };
    let axes: Vec<i64> = match call.optional(3) {
        Some(_) => call.known(3)?,
        None => (0..data.shape.len() as i64).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(misused(call.name(), "pads and dimensions differ in number"));
    }
    let mut shape = data.shape.clone();
    for (place, axis) in call.axes(&axes, shape.len())?.into_iter().enumerate() {
        // Sorted axes and unsorted pads would not belong together.
        if call.axis(axes[place], shape.len())? != axis {
            return Err(misused(call.name(), "axes that are not sorted"));
        }
        let sum = pads[place].checked_add(pads[place + axes.len()]);
        let size = sum.and_then(|sum| shape[axis].plus(Size::constant(sum)));
        shape[axis] = size.ok_or_else(|| unbounded(call.name(), "a sum of sizes"))?;
    }
    Ok(Info::new(data.element, shape).into())
}

/// `ConstantOfShape`.
pub(super) fn fill(call: &Call<'_>) -> Checked<Made> {
    let shape = call.value(0)?.to_vec();
    let attribute = call.attribute("value");
    let element = element_of(attribute, Element::Float32);
    let length = product(&shape)
        .and_then(Size::known)
        .filter(|length| *length <= VALUES_MAX as i64);
    let number = match attribute {
        Some(Attribute::Tensor(tensor)) => tensor.ints(1).and_then(|list| list.first().copied()),
        _ => None,
    };
    let value = number
        .zip(length)
        .map(|(number, length)| vec![Size::constant(number); usize::try_from(length).unwrap_or(0)]);
    Ok(Info::new(element, shape).with_value(value).into())
}

pub(super) fn range(call: &Call<'_>) -> Checked<Made> {
    let scalar = |place| -> Checked<Size> {
        let value = call.value(place)?;
        value
            .first()
            .copied()
            .ok_or_else(|| misused(call.name(), "an empty bound"))
    };
    let (start, limit, step) = (scalar(0)?, scalar(1)?, scalar(2)?);
    let length = match (start.known(), limit.known(), step.known()) {
        (Some(start), Some(limit), Some(step)) if step != 0 => {
            let span = i128::from(limit) - i128::from(start);
            let step = i128::from(step);
            let length = span / step + i128::from(span % step != 0 && (span > 0) == (step > 0));
            Size::constant(i64::try_from(length.max(0)).unwrap_or(i64::MAX))
        }
        (_, _, Some(1)) => {
            let length = limit.minus(start);
            length.ok_or_else(|| unbounded(call.name(), "a difference of bounds"))?
        }
        _ => return Err(unbounded(call.name(), "a step that is not 1")),
    };
    let length_known = length.known().filter(|length| *length <= VALUES_MAX as i64);
    let value = length_known.and_then(|length| {
        let at = |place: i64| start.plus(step.times(Size::constant(place))?);
        (0..length).map(at).collect()
    });
    let element = call.input(0)?.element;
    Ok(Info::new(element, vec![length]).with_value(value).into())
}

pub(super) fn one_hot(call: &Call<'_>) -> Checked<Made> {
    let indices = call.input(0)?;
    let depth = call.value(1)?.first().copied();
    let depth = depth.ok_or_else(|| misused(call.name(), "no depth"))?;
    let axis = call.axis(call.int("axis", -1)?, indices.shape.len() + 1)?;
    let mut shape = indices.shape.clone();
    shape.insert(axis, depth);
    Ok(Info::new(call.input(2)?.element, shape).into())
}
