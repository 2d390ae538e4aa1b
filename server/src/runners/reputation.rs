//! How a runner's reputation moves. Pure; never decides who gets a job.
//!
//! A number from 0 to 1, kept as ppm. Everybody starts in the middle and drifts back to it with a
//! half-life of a day, so that neither an old merit nor an old fault counts for ever.

/// Where everybody starts and drifts to.
pub const START_PPM: i64 = 500_000;
/// Below this a runner is given nothing whose answer would count by itself.
pub const TRUSTED_PPM: i64 = 200_000;
/// Misses alone never take a runner below this: slow is not false.
const MISS_FLOOR_PPM: i64 = 250_000;
/// Nobody falls lower: the way back stays open.
const FLOOR_PPM: i64 = 10_000;
const HALF_LIFE_US: i64 = 86_400 * 1_000_000;
/// What an answer in time closes of the distance to 1; counted for ten models of a call at most.
const GAIN: f64 = 0.01;
const GAINS_MAX: usize = 10;
/// What remains after a miss; counted for three models at once at most.
const AFTER_MISS: f64 = 0.9;
const MISSES_MAX: usize = 3;
/// What remains after an answer that two others contradict.
const AFTER_FALSE: f64 = 0.25;

/// What a runner did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Answered so many models in time.
    OnTime(usize),
    /// Let so many models go unanswered until their leases ended.
    Missed(usize),
    /// Answered so many models otherwise than a majority.
    False(usize),
}

/// The reputation after `deed`, `since_us` microseconds after it was `ppm`.
#[must_use]
pub fn after(ppm: i64, since_us: i64, deed: Deed) -> i64 {
    let share = drifted(ppm, since_us);
    let next = match deed {
        Deed::OnTime(models) => 1.0 - (1.0 - share) * (1.0 - GAIN).powi(times(models, GAINS_MAX)),
        Deed::Missed(models) => share * AFTER_MISS.powi(times(models, MISSES_MAX)),
        Deed::False(models) => share * AFTER_FALSE.powi(times(models, MISSES_MAX)),
    };
    let floor = match deed {
        Deed::Missed(_) => MISS_FLOOR_PPM.min(to_ppm(share)),
        Deed::OnTime(_) | Deed::False(_) => FLOOR_PPM,
    };
    to_ppm(next).max(floor)
}

/// The reputation now, `since_us` microseconds after it was `ppm`.
#[must_use]
pub fn now(ppm: i64, since_us: i64) -> i64 {
    to_ppm(drifted(ppm, since_us))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "ppm and spans of time, far below 2^53"
)]
fn drifted(ppm: i64, since_us: i64) -> f64 {
    let half_lives = since_us.max(0) as f64 / HALF_LIFE_US as f64;
    let start = START_PPM as f64;
    (start + (ppm as f64 - start) * 0.5_f64.powf(half_lives)) / 1e6
}

#[expect(clippy::cast_possible_truncation, reason = "a share is within 0 to 1")]
fn to_ppm(share: f64) -> i64 {
    ((share * 1e6).round() as i64).clamp(0, 1_000_000)
}

fn times(models: usize, most: usize) -> i32 {
    i32::try_from(models.min(most)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lie_costs_more_than_many_misses_and_a_miss_more_than_an_answer_earns() {
        let earned = after(START_PPM, 0, Deed::OnTime(1)) - START_PPM;
        let missed = START_PPM - after(START_PPM, 0, Deed::Missed(1));
        assert!(0 < earned && earned < missed, "{earned} {missed}");
        let mut slow = START_PPM;
        for _ in 0..100 {
            slow = after(slow, 0, Deed::Missed(3));
        }
        assert_eq!(slow, MISS_FLOOR_PPM);
        assert!(slow >= TRUSTED_PPM, "slow runners still work");
        assert!(after(START_PPM, 0, Deed::False(1)) < TRUSTED_PPM);
        assert!(after(after(1_000_000, 0, Deed::False(1)), 0, Deed::False(1)) < TRUSTED_PPM);
    }

    #[test]
    fn a_miss_lifts_nobody_and_nobody_leaves_the_range() {
        let low = after(START_PPM, 0, Deed::False(3));
        assert!(after(low, 0, Deed::Missed(1)) <= low);
        assert_eq!(after(0, 0, Deed::False(3)), FLOOR_PPM);
        assert!(after(1_000_000, 0, Deed::OnTime(1_000)) <= 1_000_000);
    }

    #[test]
    fn everybody_drifts_back_to_the_middle_in_days() {
        assert_eq!(now(1_000_000, HALF_LIFE_US), 750_000);
        assert_eq!(now(100_000, HALF_LIFE_US), 300_000);
        assert_eq!(now(100_000, 40 * HALF_LIFE_US), START_PPM);
    }
}
