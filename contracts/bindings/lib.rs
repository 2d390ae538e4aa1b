//! What Rust needs to speak with the contracts: their ABI and bytecode, the hashes and trees that
//! both sides compute, the packed `changes` of a batch, the receipts and forecasts that the server
//! signs, the requests that wallets sign and the trees that commit to runs of hosted models.
//!
//! This crate encodes, decodes and hashes. It must never reach a network, read a file or a clock,
//! or know a database row. Amounts are integers in units of 1e-9 token, probabilities in parts per
//! million; the formulas are those of the protocol, sections 2 and 6, and of `contracts/src`.

pub mod abi;
pub mod aggregate;
pub mod changes;
pub mod deploy;
pub mod fault;
pub mod ledger;
pub mod receipt;
pub mod requests;
pub mod round;
pub mod runs;
pub mod tree;
