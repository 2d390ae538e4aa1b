//! The protobuf wire format, read without trust: every varint and every length is checked against
//! what is left, nothing is copied, and nothing here recurses.

use super::refusal::{Checked, broken};

/// One value as it lies in the file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// The fields of one message, in the file's order.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field's number and value; `None` at the end of the message.
    pub(super) fn next(&mut self) -> Checked<Option<(u32, Value<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| broken("a field number too large"))?;
        if number == 0 || number > FIELD_NUMBER_MAX {
            return Err(broken("a field number that does not exist"));
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(broken("a wire type that ONNX does not use")),
        };
        Ok(Some((number, value)))
    }

    fn varint(&mut self) -> Checked<u64> {
        let (value, length) = varint(self.rest)?;
        self.rest = &self.rest[length..];
        Ok(value)
    }

    fn array<const N: usize>(&mut self) -> Checked<[u8; N]> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| broken("a value cut short"))
    }

    fn take(&mut self, length: usize) -> Checked<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(broken("a length beyond the end of the file"));
        };
        self.rest = rest;
        Ok(taken)
    }
}

const FIELD_NUMBER_MAX: u32 = (1 << 29) - 1;

/// The varint at the start of `bytes` and its length, 1 to 10 bytes.
pub(super) fn varint(bytes: &[u8]) -> Checked<(u64, usize)> {
    let mut value = 0_u64;
    for (place, &byte) in bytes.iter().take(10).enumerate() {
        let low = u64::from(byte & 0x7f);
        if place == 9 && low > 1 {
            break;
        }
        value |= low << (7 * place);
        if byte & 0x80 == 0 {
            return Ok((value, place + 1));
        }
    }
    Err(broken("a number that does not end"))
}

impl<'a> Value<'a> {
    pub(super) fn bytes(self) -> Checked<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(broken("a number where bytes belong")),
        }
    }

    pub(super) fn int(self) -> Checked<i64> {
        match self {
            Self::Varint(value) => Ok(value.cast_signed()),
            _ => Err(broken("no integer where one belongs")),
        }
    }

    pub(super) fn float(self) -> Checked<f32> {
        match self {
            Self::Fixed32(bits) => Ok(f32::from_bits(bits)),
            _ => Err(broken("no float where one belongs")),
        }
    }

    /// One integer, or a packed run of them, handed to `each`.
    pub(super) fn ints(self, each: &mut dyn FnMut(i64) -> Checked<()>) -> Checked<()> {
        let Self::Bytes(mut rest) = self else {
            return each(self.int()?);
        };
        while !rest.is_empty() {
            let (value, length) = varint(rest)?;
            rest = &rest[length..];
            each(value.cast_signed())?;
        }
        Ok(())
    }

    /// One float32, or a packed run of them.
    pub(super) fn floats(self, each: &mut dyn FnMut(f32) -> Checked<()>) -> Checked<()> {
        let Self::Bytes(run) = self else {
            return each(self.float()?);
        };
        let (chunks, rest) = run.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(broken("a run of floats that is cut short"));
        }
        for chunk in chunks {
            each(f32::from_le_bytes(*chunk))?;
        }
        Ok(())
    }

    /// One float64, or a packed run of them.
    pub(super) fn doubles(self, each: &mut dyn FnMut(f64) -> Checked<()>) -> Checked<()> {
        let run = match self {
            Self::Fixed64(bits) => return each(f64::from_bits(bits)),
            Self::Bytes(run) => run,
            _ => return Err(broken("no float64 where one belongs")),
        };
        let (chunks, rest) = run.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(broken("a run of floats that is cut short"));
        }
        for chunk in chunks {
            each(f64::from_le_bytes(*chunk))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_end_are_refused() {
        assert_eq!(varint(&[0xac, 0x02]).unwrap(), (300, 2));
        let mut largest = [0xff; 10];
        largest[9] = 1;
        assert_eq!(varint(&largest).unwrap(), (u64::MAX, 10));
        largest[9] = 2;
        assert!(varint(&largest).is_err(), "more than 64 bits");
        assert!(varint(&[0x80; 11]).is_err());
        assert!(varint(&[0x80]).is_err());
    }

    #[test]
    fn lengths_and_kinds_are_checked() {
        let first = |bytes: &'static [u8]| Fields::of(bytes).next();
        assert!(matches!(
            first(b"\x0a\x02hi"),
            Ok(Some((1, Value::Bytes(b"hi"))))
        ));
        assert!(first(b"\x0a\x03hi").is_err(), "longer than the rest");
        assert!(first(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f").is_err());
        assert!(first(b"\x0b").is_err(), "a group");
        assert!(first(b"\x00\x00").is_err(), "field zero");
        assert!(first(b"\x0d\x00\x00").is_err(), "four bytes are needed");
        assert!(first(b"").unwrap().is_none());
    }
}
