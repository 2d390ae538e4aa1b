//! Inputs and outputs as a graph declares them.

use super::super::refusal::Checked;
use super::super::wire::Fields;
use super::{ValueFile, push};

/// `ValueInfoProto` as far as a tensor's type and shape go.
pub(super) fn read(message: &[u8]) -> Checked<ValueFile<'_>> {
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
