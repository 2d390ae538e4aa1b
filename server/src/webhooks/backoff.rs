//! How long a receiver that fails is left alone.

use std::time::Duration;

/// After the first failure.
const FIRST_S: u64 = 5;
/// Between two attempts of one delivery at most.
pub(super) const LONGEST: Duration = Duration::from_secs(3_600);
/// Between two attempts at one receiver at most: what failed may be one message's fault.
pub(super) const LONGEST_OF_RECEIVER: Duration = Duration::from_secs(300);
/// The spread around each wait, ppm of it, so that receivers that failed together are not asked
/// together.
const JITTER_PPM: u64 = 400_000;

/// Twice as long after each failure, from 5 s to `longest`, times 0.8 to 1.2 as `random` says.
pub(super) fn wait(failures: i64, longest: Duration, random: u32) -> Duration {
    let doublings = u32::try_from(failures.max(1) - 1)
        .unwrap_or(u32::MAX)
        .min(20);
    let plain = Duration::from_secs(FIRST_S << doublings).min(longest);
    let spread = u64::from(random) * JITTER_PPM / u64::from(u32::MAX);
    let ppm = 1_000_000 - JITTER_PPM / 2 + spread;
    let us = u64::try_from(plain.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(us / 1_000_000 * ppm + us % 1_000_000 * ppm / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_with_a_fifth_to_each_side() {
        let middle = u32::MAX / 2;
        let seconds = |failures| wait(failures, LONGEST, middle).as_secs_f64().round();
        let waits: Vec<f64> = (1..=12).map(seconds).collect();
        let expected = [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600];
        assert_eq!(waits, expected.map(f64::from));
        assert_eq!(wait(1, LONGEST, 0), Duration::from_secs(4));
        assert_eq!(wait(1, LONGEST, u32::MAX), Duration::from_secs(6));
        let of_receiver = wait(50, LONGEST_OF_RECEIVER, middle).as_secs_f64().round();
        assert_eq!(of_receiver, 300.0);
        assert_eq!(wait(0, LONGEST, 0), Duration::from_secs(4));
        assert!(wait(i64::MAX, LONGEST, u32::MAX) <= LONGEST * 6 / 5);
    }
}
