//! All SQL of this slice's tables, by what the tables are about.

pub(super) mod batches;
pub(super) mod control;
pub(super) mod intents;
pub(super) mod life;
pub(super) mod rounds;
pub(super) mod watch;

use alloy::primitives::B256;

use super::{SettlementError, broken};

fn hash(text: &str) -> Result<B256, SettlementError> {
    text.parse()
        .map_err(|_| broken(format!("{text:?} is no stored hash")))
}

/// Decimal text that sorts as the number does.
fn wide(number: u128) -> String {
    format!("{number:039}")
}

fn from_wide(text: &str) -> Result<u128, SettlementError> {
    text.parse()
        .map_err(|_| broken(format!("{text:?} is no stored number")))
}
