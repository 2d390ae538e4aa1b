//! Metrics and payouts: values in, values out.
//!
//! Owns every formula of money and of scores. Never reads a clock, a database, a file or the
//! environment, and never draws randomness that its arguments do not determine. Money is integers
//! (the modules that deny unchecked arithmetic); statistics are float64 with the elementary
//! functions of `libm`, so that every machine gives the same bits.

pub mod aggregate;
pub mod direction;
pub mod error;
pub mod fee_shares;
mod percentile;
pub mod ranking;
pub mod refit;
pub mod returns;
pub mod settle_file;
pub mod skill;
pub mod stake_cap;
pub mod summary;
pub mod wager;

pub use error::MoneyError;
