//! What comes with every request that a wallet signed.

use alloy::primitives::B256;
use domain::timestamp::SECOND_US;

use super::extract::{bad_field, moment_of};
use super::problem::Problem;
use crate::accounts::SigningPlace;
use crate::app::App;

/// Where signatures hold: the domain of the receipts.
pub(super) fn place(app: &App) -> SigningPlace {
    SigningPlace {
        chain_id: app.receipts.chain_id(),
        registry: app.receipts.registry(),
    }
}

/// 32 bytes of a body.
pub(super) fn bytes32(field: &str, text: &str) -> Result<B256, Problem> {
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 64);
    let parsed = digits.and_then(|digits| digits.parse().ok());
    parsed.ok_or_else(|| bad_field(format!("`{field}` is not 0x and 64 hexadecimal digits.")))
}

/// The seconds of a moment that is signed in seconds; 0 without one.
pub(super) fn whole_second(field: &str, text: Option<&str>) -> Result<u64, Problem> {
    let Some(text) = text else { return Ok(0) };
    let us = moment_of(field, text)?;
    let second = u64::try_from(us / SECOND_US).ok();
    second
        .filter(|_| us > 0 && us % SECOND_US == 0)
        .ok_or_else(|| bad_field(format!("`{field}` is no whole second after 1970.")))
}
