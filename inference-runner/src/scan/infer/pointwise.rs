//! Operators that answer each element by itself, and shapes stretched to each other.

use super::super::element::Element;
use super::super::operators::Rule;
use super::super::read::Attribute;
use super::super::refusal::{Checked, misused, unfit};
use super::super::size::Size;
use super::call::Call;
use super::{Info, Made};
use crate::outcome::Reason;

pub(super) fn same(call: &Call<'_>) -> Checked<Made> {
    let input = call.input(0)?;
    let element = match call.rule() {
        Rule::SameFloat => Element::Float32,
        Rule::SameBool => Element::Bool,
        Rule::Cast => Element::of(call.int("to", 0)?)?,
        Rule::CastLike => call.input(1)?.element,
        _ => input.element,
    };
    if element == Element::Text {
        return Err(misused(call.name(), "a result of text"));
    }
    match call.name() {
        "Not" if input.element != Element::Bool => {
            return Err(misused(call.name(), "an input that is not true or false"));
        }
        "Not" | "Identity" | "Cast" | "CastLike" => {}
        // The others have kernels for whole numbers too.
        "Abs" | "Neg" | "Relu" | "Clip" | "Sign" | "CumSum" | "Scaler" | "Normalizer"
        | "Imputer" | "Binarizer"
            if input.element != Element::Bool => {}
        _ => call.of_floats(0)?,
    }
    if call.name() == "Scaler" {
        scaler_fits(call, &input.shape)?;
    }
    let keeps = match call.rule() {
        Rule::Cast | Rule::CastLike => element.is_index(),
        _ => call.name() == "Identity",
    };
    let value = input.value.clone().filter(|_| keeps);
    Ok(Info::new(element, input.shape.clone())
        .with_value(value)
        .into())
}

/// One offset and one scale, or one of each for every column.
fn scaler_fits(call: &Call<'_>, shape: &[Size]) -> Checked<()> {
    let columns = shape.last().and_then(|columns| columns.known());
    for name in ["offset", "scale"] {
        let length = i64::try_from(call.floats(name)?).ok();
        if length != Some(1) && length != columns {
            return Err(unfit(
                call.name(),
                format!("'{name}' does not fit the columns"),
            ));
        }
    }
    Ok(())
}

fn training(call: &Call<'_>) -> Reason {
    Reason::new(
        "training",
        format!("{} is in training mode", call.name()),
        "export after model.eval(), with training=torch.onnx.TrainingMode.EVAL",
    )
}

pub(super) fn dropout(call: &Call<'_>) -> Checked<Made> {
    let input = call.input(0)?;
    if call.optional(2).is_some() {
        let switch = call.constant(2);
        let is_off = switch.is_some_and(|switch| switch.data.iter().all(|byte| *byte == 0));
        if !is_off {
            return Err(training(call));
        }
    }
    if call.int("is_test", 1)? != 1 {
        return Err(training(call));
    }
    let mask = Info::new(Element::Bool, input.shape.clone());
    Ok(Made {
        outputs: vec![Info::new(input.element, input.shape.clone()), mask],
        cost: 0,
    })
}

/// Extra outputs of a layer normalisation are its means and deviations.
pub(super) fn normalization(call: &Call<'_>) -> Checked<Made> {
    let input = call.input(0)?;
    let is_trained = call.int("training_mode", 0)? != 0 || call.int("is_test", 1)? != 1;
    let is_layer = call.name() == "LayerNormalization";
    call.of_floats(0)?;
    if is_trained || (!is_layer && call.outputs() > 1) {
        return Err(training(call));
    }
    let mut outputs = vec![Info::new(input.element, input.shape.clone())];
    if is_layer {
        let axis = call.axis(call.int("axis", -1)?, input.shape.len())?;
        let mut shape = input.shape.clone();
        shape[axis..].fill(Size::ONE);
        outputs.resize(3, Info::new(Element::Float32, shape));
    }
    Ok(Made { outputs, cost: 0 })
}

/// The shape to which two are stretched.
pub(super) fn stretch(call: &Call<'_>, a: &[Size], b: &[Size]) -> Checked<Vec<Size>> {
    let rank = a.len().max(b.len());
    let from_end = |shape: &[Size], place: usize| {
        let back = rank - place;
        shape
            .len()
            .checked_sub(back)
            .map_or(Size::ONE, |at| shape[at])
    };
    let mut shape = Vec::with_capacity(rank);
    for place in 0..rank {
        shape.push(match (from_end(a, place), from_end(b, place)) {
            (a, b) if a == b => a,
            (Size::ONE, other) | (other, Size::ONE) => other,
            (a, b) => {
                let what = format!("{} and {} do not fit", a.written(), b.written());
                return Err(unfit(call.name(), what));
            }
        });
    }
    Ok(shape)
}

fn stretch_all(call: &Call<'_>) -> Checked<Vec<Size>> {
    let mut shape = call.input(0)?.shape.clone();
    for input in call.inputs().skip(1) {
        shape = stretch(call, &shape, &input.shape)?;
    }
    Ok(shape)
}

/// The pairs of two followed values, the shorter stretched.
fn pairs(a: &Info, b: &Info) -> Option<Vec<(Size, Size)>> {
    let (left, right) = (a.value.as_deref()?, b.value.as_deref()?);
    let count = left.len().max(right.len());
    if ![1, count].contains(&left.len()) || ![1, count].contains(&right.len()) {
        return None;
    }
    let of = |list: &[Size], place: usize| *list.get(place).unwrap_or(&list[0]);
    Some(
        (0..count)
            .map(|place| (of(left, place), of(right, place)))
            .collect(),
    )
}

fn both(call: &Call<'_>) -> Option<Vec<(Size, Size)>> {
    let (a, b) = (call.optional(0)?, call.optional(1)?);
    if call.inputs().count() != 2 || !a.element.is_index() {
        return None;
    }
    pairs(a, b)
}

pub(super) fn stretched(call: &Call<'_>) -> Checked<Made> {
    let shape = stretch_all(call)?;
    let is_power = call.name() == "Pow";
    let element = call.of_one_element(usize::from(is_power))?;
    let element = if is_power {
        call.input(0)?.element
    } else {
        element
    };
    if element == Element::Bool {
        return Err(misused(call.name(), "inputs that are true or false"));
    }
    let apply = |(a, b): &(Size, Size)| match call.name() {
        "Add" => a.plus(*b),
        "Sub" => a.minus(*b),
        "Mul" => a.times(*b),
        "Div" => a.over(*b),
        "Max" => a
            .known()
            .zip(b.known())
            .map(|(a, b)| Size::constant(a.max(b))),
        "Min" => a
            .known()
            .zip(b.known())
            .map(|(a, b)| Size::constant(a.min(b))),
        _ => None,
    };
    let value = both(call).and_then(|pairs| pairs.iter().map(apply).collect());
    let inputs = call.inputs().count() as u64;
    let info = Info::new(element, shape).with_value(value);
    let cost = info.clone();
    Ok(call.costing(info, &cost, inputs.saturating_sub(2)))
}

pub(super) fn compare(call: &Call<'_>) -> Checked<Made> {
    let shape = stretch_all(call)?;
    let element = call.of_one_element(0)?;
    let is_logic = matches!(call.name(), "And" | "Or" | "Xor");
    if (element == Element::Bool) != is_logic && call.name() != "Equal" {
        return Err(misused(
            call.name(),
            format!("inputs of {}", element.name()),
        ));
    }
    let equal = |(a, b): &(Size, Size)| {
        let is_equal = a.equals(*b)?;
        Some(Size::constant(i64::from(is_equal)))
    };
    let pairs = both(call).filter(|_| call.name() == "Equal");
    let value = pairs.and_then(|pairs| pairs.iter().map(equal).collect());
    Ok(Info::new(Element::Bool, shape).with_value(value).into())
}

pub(super) fn choose(call: &Call<'_>) -> Checked<Made> {
    let (condition, yes, no) = (call.input(0)?, call.input(1)?, call.input(2)?);
    call.of_one_element(1)?;
    if condition.element != Element::Bool {
        return Err(misused(
            call.name(),
            "a condition that is not true or false",
        ));
    }
    let shape = stretch_all(call)?;
    let value = condition.value.as_ref().and_then(|condition| {
        let choices = pairs(yes, no)?;
        let count = condition.len().max(choices.len());
        let of = |place: usize| {
            let condition = condition.get(place).or(condition.first())?;
            let (yes, no) = choices.get(place).or(choices.first())?;
            Some(if condition.known()? == 0 { *no } else { *yes })
        };
        (0..count).map(of).collect()
    });
    Ok(Info::new(yes.element, shape).with_value(value).into())
}

/// The element type of a fill or of a label's values.
pub(super) fn element_of(attribute: Option<&Attribute<'_>>, otherwise: Element) -> Element {
    match attribute {
        Some(Attribute::Tensor(tensor)) => tensor.element,
        _ => otherwise,
    }
}
