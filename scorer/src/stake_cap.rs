//! The round's cap on all stakes together (protocol.md §2, "Stake at risk").
//!
//! Never gives a model more than it asked for.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use domain::TokenAmount;

use crate::error::MoneyError;

/// The stakes that count: the asks, or ⌊ask·C/S⌋ each when their sum S is above the cap C.
///
/// The result may hold stakes under the tournament's minimum; those are scored, not staked.
///
/// # Errors
/// [`MoneyError::OutOfRange`], which no input of valid amounts can cause.
pub fn capped_floor(
    asks: &[TokenAmount],
    cap: TokenAmount,
) -> Result<Vec<TokenAmount>, MoneyError> {
    let broken = || MoneyError::OutOfRange("a capped stake");
    let mut sum = 0_u128;
    for ask in asks {
        sum = sum
            .checked_add(u128::from(ask.units()))
            .ok_or_else(broken)?;
    }
    if sum <= u128::from(cap.units()) {
        return Ok(asks.to_vec());
    }
    asks.iter()
        .map(|ask| {
            u128::from(ask.units())
                .checked_mul(u128::from(cap.units()))
                .and_then(|product| product.checked_div(sum))
                .and_then(|floor| u64::try_from(floor).ok())
                .and_then(|units| TokenAmount::from_units(units).ok())
                .ok_or_else(broken)
        })
        .collect()
}
