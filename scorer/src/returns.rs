//! Returns of a venue between two exact prices (protocol.md §1).
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use domain::Price;

/// A relative price change in 1e-12, floored toward −∞.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Return(i64);

impl Return {
    /// From stored units of 1e-12.
    #[must_use]
    pub fn from_units(units: i64) -> Self {
        Self(units)
    }

    /// Units of 1e-12; one basis point is 100,000,000.
    #[must_use]
    pub fn units(self) -> i64 {
        self.0
    }
}

/// (P1 − P0)/P0 floored to 1e-12; `None` when the price grew more than nine-million-fold, which no
/// venue may count.
#[must_use]
pub fn return_floor(p0: Price, p1: Price) -> Option<Return> {
    let (before, after) = (i128::from(p0.units()), i128::from(p1.units()));
    let change = after.checked_sub(before)?.checked_mul(1_000_000_000_000)?;
    // Prices are above zero, so the Euclidean quotient is the floor.
    let floor = change.checked_div_euclid(before)?;
    i64::try_from(floor).ok().map(Return)
}
