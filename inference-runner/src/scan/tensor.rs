//! A constant: `TensorProto` read into one form, whatever field its numbers came in.

use std::borrow::Cow;

use super::element::Element;
use super::read::Budget;
use super::refusal::{Checked, broken};
use super::wire::{Fields, Value};
use crate::outcome::Reason;

/// Most dimensions of a tensor.
pub(super) const RANK_MAX: usize = 8;

/// Most bytes of one tensor's numbers; no file within the limit needs more.
const TENSOR_BYTES_MAX: u64 = 64 << 20;

/// The numbers of one constant.
#[derive(Clone, Debug)]
pub(super) struct Tensor<'a> {
    pub(super) element: Element,
    pub(super) dims: Vec<u64>,
    /// Little-endian, row-major; `product(dims) × element.bytes()`. Empty for text.
    pub(super) data: Cow<'a, [u8]>,
}

impl Tensor<'_> {
    pub(super) fn count(&self) -> u64 {
        self.dims.iter().product()
    }

    /// The integers of an index tensor, at most `most` of them.
    pub(super) fn ints(&self, most: usize) -> Option<Vec<i64>> {
        if self.count() > most as u64 {
            return None;
        }
        match self.element {
            Element::Int64 => {
                let (chunks, _) = self.data.as_chunks::<8>();
                Some(
                    chunks
                        .iter()
                        .map(|chunk| i64::from_le_bytes(*chunk))
                        .collect(),
                )
            }
            Element::Int32 => {
                let (chunks, _) = self.data.as_chunks::<4>();
                let ints = chunks.iter().map(|chunk| i32::from_le_bytes(*chunk));
                Some(ints.map(i64::from).collect())
            }
            _ => None,
        }
    }
}

/// The fields of `TensorProto` as they come.
#[derive(Default)]
struct Parts<'a> {
    dims: Vec<i64>,
    element: i64,
    raw: Option<&'a [u8]>,
    /// Little-endian bytes of the typed fields, already of the element's width.
    typed: Vec<Value<'a>>,
    name: &'a [u8],
}

/// Reads a `TensorProto`. Answers its name too.
pub(super) fn read<'a>(message: &'a [u8], budget: &mut Budget) -> Checked<(&'a [u8], Tensor<'a>)> {
    let parts = parts(message, budget)?;
    let element = Element::of(parts.element)?;
    let (dims, bytes) = extent(&parts.dims, element)?;
    let tensor = |data| Tensor {
        element,
        dims,
        data,
    };
    if element == Element::Text {
        return Ok((parts.name, tensor(Cow::Borrowed(&[]))));
    }
    let data = match parts.raw {
        Some(raw) if parts.typed.is_empty() => Cow::Borrowed(raw),
        Some(_) => return Err(lying("holds its numbers twice")),
        None => Cow::Owned(typed_bytes(&parts.typed, element, bytes)?),
    };
    if data.len() as u64 != bytes {
        let what = format!(
            "declares {bytes} bytes by its shape and holds {}",
            data.len()
        );
        return Err(lying(&what));
    }
    if element == Element::Bool && data.iter().any(|byte| *byte > 1) {
        return Err(lying("holds truth values other than 0 and 1"));
    }
    Ok((parts.name, tensor(data)))
}

fn parts<'a>(message: &'a [u8], budget: &mut Budget) -> Checked<Parts<'a>> {
    let mut parts = Parts::default();
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => value.ints(&mut |dim| {
                if parts.dims.len() >= RANK_MAX {
                    return Err(lying("has more than 8 dimensions"));
                }
                parts.dims.push(dim);
                Ok(())
            })?,
            2 => parts.element = value.int()?,
            3 => return Err(lying("is a segment of another")),
            4 | 5 | 7 | 10 | 11 => {
                budget.spend(1)?;
                parts.typed.push(value);
            }
            6 => {}
            8 => parts.name = value.bytes()?,
            9 => parts.raw = Some(value.bytes()?),
            13 => return Err(external()),
            14 if value.int()? != 0 => return Err(external()),
            14 => {}
            _ => budget.unknown += 1,
        }
    }
    Ok(parts)
}

fn extent(dims: &[i64], element: Element) -> Checked<(Vec<u64>, u64)> {
    let mut sizes = Vec::with_capacity(dims.len());
    let mut bytes = element.bytes();
    for &dim in dims {
        let size = u64::try_from(dim).map_err(|_| lying("has a negative dimension"))?;
        sizes.push(size);
    }
    // A zero anywhere must not hide an overflow elsewhere.
    let mut whole = 1_u64;
    for &size in &sizes {
        let product = whole.checked_mul(size.max(1));
        whole = product
            .filter(|count| *count <= TENSOR_BYTES_MAX)
            .ok_or_else(|| lying("is larger than any file may be"))?;
        bytes = bytes.saturating_mul(size);
    }
    if bytes > TENSOR_BYTES_MAX {
        return Err(lying("is larger than any file may be"));
    }
    Ok((sizes, bytes))
}

/// The typed fields in the form of `raw_data`; never grows beyond `bytes`, which the shape says.
fn typed_bytes(typed: &[Value<'_>], element: Element, bytes: u64) -> Checked<Vec<u8>> {
    let most = usize::try_from(bytes).unwrap_or(0);
    let mut data = Vec::new();
    let mut push = |number: &[u8]| {
        if data.len() + number.len() > most {
            return Err(lying("holds more numbers than its shape says"));
        }
        data.extend_from_slice(number);
        Ok(())
    };
    for value in typed {
        match element {
            Element::Float32 => value.floats(&mut |number| push(&number.to_le_bytes()))?,
            Element::Float64 => value.doubles(&mut |number| push(&number.to_le_bytes()))?,
            Element::Int64 => value.ints(&mut |number| push(&number.to_le_bytes()))?,
            _ => value.ints(&mut |number| narrow(number, element, &mut push))?,
        }
    }
    Ok(data)
}

/// The elements that `int32_data` carries.
fn narrow(
    number: i64,
    element: Element,
    push: &mut dyn FnMut(&[u8]) -> Checked<()>,
) -> Checked<()> {
    let beyond = |_| lying("holds a number beyond its element type");
    match element {
        Element::Int32 => push(&i32::try_from(number).map_err(beyond)?.to_le_bytes()),
        Element::Int8 => push(&i8::try_from(number).map_err(beyond)?.to_le_bytes()),
        Element::Uint8 | Element::Bool => push(&[u8::try_from(number).map_err(beyond)?]),
        Element::Float16 => push(&u16::try_from(number).map_err(beyond)?.to_le_bytes()),
        _ => Err(broken("numbers in a field of another type")),
    }
}

fn lying(what: &str) -> Reason {
    Reason::new(
        "initializer-size",
        format!("a tensor {what}"),
        "export it again: onnx.checker.check_model(model) must pass",
    )
}

fn external() -> Reason {
    Reason::new(
        "external-data",
        "a tensor's numbers lie in another file",
        "save one file: onnx.save(model, path, save_as_external_data=False), or \
         torch.onnx.export(..., external_data=False)",
    )
}
