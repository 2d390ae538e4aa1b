//! `AttributeProto`.

use super::super::refusal::{Checked, broken};
use super::super::tensor;
use super::super::wire::{Fields, Value};
use super::{Attribute, Budget, once};

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

pub(super) fn read<'a>(
    message: &'a [u8],
    budget: &mut Budget,
) -> Checked<(&'a [u8], Attribute<'a>)> {
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
