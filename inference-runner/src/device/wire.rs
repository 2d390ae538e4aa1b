//! The words between the runner and the process of a device: a length, a JSON header, raw bytes
//! whose lengths the header names.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::outcome::{Cost, Reason, Status};

/// Longest header.
const HEADER_BYTES_MAX: usize = 1 << 16;

/// Runner to process; followed by the model's bytes, none when the process holds it, and the
/// features.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) digest: String,
    /// A model to let go first; empty for none.
    pub(crate) let_go: String,
    pub(crate) model_bytes: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// Process to runner; followed by `rows` float64, little-endian.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) status: Status,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) rows: usize,
    pub(crate) cost: Cost,
}

/// A header and the bytes after it.
pub(crate) fn write(out: &mut impl Write, header: &impl Serialize, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&encode(header)?)?;
    out.write_all(bytes)?;
    out.flush()
}

pub(super) fn encode(header: &impl Serialize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(header)?;
    let length = u32::try_from(json.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend_from_slice(&json);
    Ok(frame)
}

/// The next header; its bytes are the caller's to read.
pub(crate) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut json = vec![0; header_length(length)?];
    from.read_exact(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

pub(super) fn header_length(bytes: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(bytes) as usize;
    if length > HEADER_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_one_that_is_too_long_is_refused_before_it_is_read() {
        let sent = Held {
            digest: "d".to_owned(),
            let_go: String::new(),
            model_bytes: 3,
            rows: 1,
            columns: 2,
        };
        let mut told = Vec::new();
        write(&mut told, &sent, b"abc").unwrap();
        let mut from = told.as_slice();
        let back: Held = read(&mut from).unwrap();
        assert_eq!((back.model_bytes, from), (3, b"abc".as_slice()));
        let lie = u32::MAX.to_le_bytes();
        let refused = read::<Held>(&mut lie.as_slice()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }
}
