//! The words between parent and child: frames of a JSON header and, after it, raw bytes whose
//! lengths the header names. A frame is `u32` little-endian length, then the header.
//!
//! The child is hostile once it has read a model: the parent bounds every length before it reads.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

#[cfg(debug_assertions)]
use super::Trial;
use crate::confine::{Layer, SandboxLevel};
use crate::limits::HEADER_BYTES_MAX;
use crate::outcome::{Cost, ModelFacts, Reason, Status};

/// Parent to child; followed by the model's bytes and then the features.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JobHeader {
    pub(crate) address_space_bytes: u64,
    pub(crate) cpu_ms: u64,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) model_bytes: usize,
    /// Runs over all rows; each must answer the same.
    pub(crate) repeats: usize,
    /// Whether rows must answer alike in other company and at other places.
    pub(crate) probe: bool,
    /// Whether the hostile suite wants the sandbox alone; no such field exists in a release.
    #[cfg(debug_assertions)]
    pub(crate) unscanned: bool,
    /// What a test wants instead of a model; no such field exists in a release.
    #[cfg(debug_assertions)]
    pub(crate) trial: Option<Trial>,
}

impl JobHeader {
    /// Whether a test wants to do without `layer`; never in a release.
    #[cfg_attr(
        not(debug_assertions),
        expect(clippy::unused_self, reason = "a release has no trials")
    )]
    pub(crate) fn skips(&self, layer: Layer) -> bool {
        #[cfg(debug_assertions)]
        return self
            .trial
            .and_then(|trial| trial.without)
            .is_some_and(|without| without == layer || without == Layer::Both);
        #[cfg(not(debug_assertions))]
        {
            let _ = layer;
            false
        }
    }
}

/// Child to parent, in this order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "kebab-case")]
pub(crate) enum Message {
    /// The process is confined, nothing of a model is read.
    Locked { sandbox: SandboxLevel },
    /// The confinement failed, nothing of a model is read: our fault.
    NotLocked { what: String },
    /// The model is loaded: what goes wrong from here on goes wrong while it runs.
    Loaded,
    /// The last frame; followed by `rows` float64, little-endian.
    Done(DoneHeader),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DoneHeader {
    pub(crate) status: Status,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) rows: usize,
    pub(crate) cost: Cost,
    pub(crate) facts: Option<Box<ModelFacts>>,
}

/// Writes one header; the caller writes the bytes that belong to it.
pub(crate) fn write(out: &mut impl Write, header: &impl Serialize) -> io::Result<()> {
    out.write_all(&encode(header)?)
}

pub(crate) fn encode(header: &impl Serialize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(header)?;
    let length = u32::try_from(json.len()).map_err(|_| too_long(json.len()))?;
    if json.len() > HEADER_BYTES_MAX {
        return Err(too_long(json.len()));
    }
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend_from_slice(&json);
    Ok(frame)
}

/// Reads one header, in the child.
pub(crate) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut json = vec![0; header_length(length)?];
    from.read_exact(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// Reads one message, in the parent.
pub(crate) async fn receive(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Message> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    let mut json = vec![0; header_length(length)?];
    from.read_exact(&mut json).await?;
    Ok(serde_json::from_slice(&json)?)
}

fn header_length(bytes: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(bytes) as usize;
    if length > HEADER_BYTES_MAX {
        return Err(too_long(length));
    }
    Ok(length)
}

fn too_long(length: usize) -> io::Error {
    let what = format!("a header of {length} bytes; at most {HEADER_BYTES_MAX} are allowed");
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_length_beyond_the_cap_is_refused_before_it_is_read() {
        let lie = u32::MAX.to_le_bytes();
        let error = receive(&mut lie.as_slice()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_message_comes_back_as_it_was_sent() {
        let sent = Message::NotLocked {
            what: "no".to_owned(),
        };
        let bytes = encode(&sent).unwrap();
        let back = receive(&mut bytes.as_slice()).await.unwrap();
        assert!(matches!(back, Message::NotLocked { what } if what == "no"));
    }
}
