//! Percentiles of bootstrap draws, one definition for all of them.

/// The point below which `share` (0 to 1) of `sorted` lies, linear between neighbours
/// (Hyndman and Fan's definition 7); `None` when empty.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position among a few thousand draws, at least 0"
)]
pub(crate) fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = share * last as f64;
    let below = libm::floor(position) as usize;
    let low = *sorted.get(below)?;
    let high = *sorted.get(below + 1).unwrap_or(&low);
    Some(low + (high - low) * (position - libm::floor(position)))
}

/// A position below `count` from 32 random bits: ⌊bits·count / 2^32⌋.
///
/// Written out rather than taken from a library, whose next version might draw differently and so
/// change published intervals. The bias is under count/2^32.
pub(crate) fn position(bits: u32, count: usize) -> usize {
    ((u128::from(bits) * count as u128) >> 32) as usize
}
