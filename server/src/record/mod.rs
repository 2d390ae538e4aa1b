//! The public record: what every batch is made of, as files that anybody can serve, and the
//! recomputation that finds what does not follow from them.
//!
//! Owns the form of the files and no table. Everything hangs on the chain: the keccak256 of a batch
//! file is the `recordHash` of its proposal, and the batch file names the keccak256 of each round's
//! file. Never believes a number that it can compute, and never asks our database.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic
)]

mod batch;
mod difference;
mod folder;
pub mod format;
mod history;
mod proposal;
mod receipt;
mod round;
pub mod run;
mod seals;
mod source;
#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests;

use thiserror::Error;

use crate::chain::ChainError;

pub use batch::{Loaded, load_batch, recompute_batch};
pub use difference::{Difference, Report};
pub use folder::{Folder, RecordFile};
pub use history::{Fate, History, Proposal};
pub use proposal::{check_loaded, check_proposal, load_proposal};
pub use receipt::{Standing, check_receipt, signer_of};
pub use round::recompute_round;
pub use source::Source;

/// Why a record could not be checked. What differs is no error but a [`Difference`].
#[derive(Debug, Error)]
pub enum RecordError {
    /// The record has no such file.
    #[error("the record at {place} has no {path}")]
    Missing {
        /// The folder or address.
        place: String,
        /// The file.
        path: String,
    },
    /// A file cannot be fetched; says nothing about its content.
    #[error("{path} cannot be fetched from {place}: {why}")]
    Unreachable {
        /// The folder or address.
        place: String,
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// A file that nothing on the chain vouches for cannot be read.
    #[error("{path} of the record cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// Not a name of a file of the record.
    #[error("{0:?} is no file of a record")]
    Path(String),
    /// The chain says something that this program cannot follow.
    #[error("the chain's history cannot be followed: {0}")]
    History(String),
    /// Files could not be written.
    #[error("{path} of the record could not be written: {source}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The node.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl RecordError {
    /// Whether a file is not there or cannot be had: a guardian vetoes what stays so.
    #[must_use]
    pub fn is_unfetchable(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Unreachable { .. })
    }
}
