//! Noise that is a function of a seed and a place, so that any moment of a market can be asked for
//! without the moments before it.
//!
//! Integers only: every machine comes to the same prices.

use domain::timestamp::SECOND_US;

use crate::dice::mix;

/// Spread of the finest level, parts per billion: with it prices move by about 10 basis points in
/// five minutes.
const FINEST_PPB: i64 = 55_000;
/// Cells of 1 s, 4 s, … 18 h.
const LEVELS: u32 = 9;

/// 64 bits for a place.
pub(super) fn hash(seed: u64, place: &[u64]) -> u64 {
    let start = mix(seed ^ 0x9e37_79b9_7f4a_7c15);
    place.iter().fold(start, |state, part| {
        mix(state.rotate_left(17) ^ mix(part.wrapping_add(0x2545_f491_4f6c_dd1d)))
    })
}

/// `hash` as a number of `-size..=size`.
pub(super) fn signed(hash: u64, size: i64) -> i64 {
    let width = size.unsigned_abs().saturating_mul(2).saturating_add(1);
    i64::try_from(hash % width).unwrap_or(0) - size
}

/// Where a price stands at `t_us`, parts per billion from its level: close to a random walk over
/// hours, bounded over days.
pub(super) fn walk_ppb(seed: u64, t_us: i64) -> i64 {
    let levels = (0..LEVELS).map(|level| {
        let cell_us = SECOND_US << (2 * level);
        // A cell four times as long moves twice as far.
        wave(
            hash(seed, &[u64::from(level)]),
            t_us,
            cell_us,
            FINEST_PPB << level,
        )
    });
    levels.sum()
}

/// A random value at each end of a cell, and a straight line between them.
pub(super) fn wave(seed: u64, t_us: i64, cell_us: i64, size: i64) -> i64 {
    let (cell, inside) = (t_us.div_euclid(cell_us), t_us.rem_euclid(cell_us));
    let end = |cell: i64| i128::from(signed(hash(seed, &[cell.unsigned_abs()]), size));
    let line = end(cell) * i128::from(cell_us - inside) + end(cell + 1) * i128::from(inside);
    i64::try_from(line.div_euclid(i128::from(cell_us))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_minutes_move_by_about_ten_basis_points() {
        let moves: Vec<i64> = (0..2_000)
            .map(|round| {
                let at = |t: i64| walk_ppb(7, 1_700_000_000 * SECOND_US + t * 300 * SECOND_US);
                at(round + 1) - at(round)
            })
            .collect();
        let squares: i128 = moves.iter().map(|m| i128::from(*m).pow(2)).sum();
        let mean_square_bp2 = squares / 2_000 / 100_000_i128.pow(2);
        assert!((25..400).contains(&mean_square_bp2), "{mean_square_bp2}");
    }

    #[test]
    fn the_path_has_no_jumps_and_signs_are_fair() {
        let at = |t_us: i64| walk_ppb(3, 1_700_000_000 * SECOND_US + t_us);
        for ms in 0..3_000 {
            let step = (at((ms + 1) * 1_000) - at(ms * 1_000)).abs();
            assert!(step < 1_000, "{step} ppb in a millisecond");
        }
        let below = (0..1_000).filter(|n| signed(hash(1, &[*n]), 5) < 0).count();
        assert!((380..530).contains(&below), "{below}");
        assert!((0..1_000).all(|n| signed(hash(1, &[n]), 5).abs() <= 5));
    }
}
