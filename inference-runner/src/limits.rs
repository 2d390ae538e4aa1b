//! What one model may use in one job.

use std::time::Duration;

/// The limits of one model in one job. A job may lower what the process was started with, never
/// raise it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest model file, in bytes.
    pub model_bytes: u64,
    /// Address space of the child in bytes: code, the runtime's own tables and the model together.
    pub address_space_bytes: u64,
    /// Processor time of the model's process, to the millisecond.
    pub cpu: Duration,
    /// Time on the wall from the first byte of the job to the last byte of the reply.
    pub wall: Duration,
}

impl Limits {
    /// The default class.
    pub const DEFAULT: Self = Self {
        model_bytes: 64 << 20,
        address_space_bytes: 2 << 30,
        cpu: Duration::from_secs(10),
        wall: Duration::from_secs(15),
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Rows handed to ONNX Runtime at a time. Fixed, because the block's height can change the last
/// bit of a dense layer.
pub(crate) const ROW_BLOCK: usize = 1024;

/// Most rows of one job.
pub(crate) const ROWS_MAX: usize = 100_000;

/// Most columns of one job.
pub(crate) const COLUMNS_MAX: usize = 4_096;

/// Largest header of a frame between parent and child: facts and reasons, a few kilobytes.
pub(crate) const HEADER_BYTES_MAX: usize = 64 << 10;

/// What is kept of a child's standard error.
pub(crate) const STDERR_BYTES_MAX: usize = 16 << 10;
