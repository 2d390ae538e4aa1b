//! Signed amounts on the wire: decimal tokens with an ASCII sign, which every decimal parser reads.

use domain::{Delta, TokenAmount};

/// `-0.25` or `1.5`.
pub(super) fn signed(delta: Delta) -> String {
    let size = delta.units().unsigned_abs();
    let sign = if delta.units() < 0 { "-" } else { "" };
    // Only the least of all deltas has no amount of its size.
    let amount = TokenAmount::from_units(size).unwrap_or_default();
    format!("{sign}{}", amount.tokens())
}
