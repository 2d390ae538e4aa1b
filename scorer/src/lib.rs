//! Metrics and payouts: values in, values out.
//!
//! Owns every formula of money and of scores. Never reads a clock, a database or the
//! environment, reads files in `score_file` alone, and never draws randomness that its arguments do not determine. Money is integers
//! (the modules that deny unchecked arithmetic); statistics are float64 with the elementary
//! functions of `libm`, so that every machine gives the same bits.

pub mod aggregate;
pub mod calibration;
pub mod cross_section;
pub mod direction;
pub mod error;
pub mod fee_shares;
mod gaussian;
pub mod matrix;
pub mod normal;
mod percentile;
pub mod rank;
pub mod ranking;
pub mod refit;
pub mod returns;
pub mod score_file;
pub mod settle_file;
pub mod skill;
pub mod stake_cap;
pub mod summary;
pub mod trading;
pub mod wager;

pub use error::MoneyError;
