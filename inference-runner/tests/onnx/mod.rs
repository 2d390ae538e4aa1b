//! Models made by code, for tests and benchmarks.

pub(crate) mod honest;
pub(crate) mod writer;
