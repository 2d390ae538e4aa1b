//! The two clocks. Both are arguments: nothing else in the workspace reads the machine's time.
//!
//! The *wall clock* times sessions, keys, rate limits and timeouts. The *market clock* times
//! rounds, deadlines, prices and settlement windows; live it equals the wall clock, in a replay it
//! runs from a start of its own at a speed of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The machine's time, or a hand-moved one in tests.
#[derive(Clone, Debug)]
pub struct WallClock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl WallClock {
    /// The machine's clock; made once, at a process's entry point.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `now_us` until [`WallClock::set`] moves it.
    #[must_use]
    pub fn manual(now_us: i64) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(now_us))))
    }

    /// Microseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        match &self.0 {
            Source::System => system_now_us(),
            Source::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock, and every clone of it, to `now_us`; the system clock stays.
    pub fn set(&self, now_us: i64) {
        if let Source::Manual(now) = &self.0 {
            now.store(now_us, Ordering::SeqCst);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock"
)]
fn system_now_us() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Market time: `market_origin_us + speed × (wall − wall_origin_us)`.
#[derive(Clone, Debug)]
pub struct MarketClock {
    wall: WallClock,
    wall_origin_us: i64,
    market_origin_us: i64,
    speed: f64,
}

impl MarketClock {
    /// A market clock that equals the wall clock.
    #[must_use]
    pub fn live(wall: WallClock) -> Self {
        Self {
            wall,
            wall_origin_us: 0,
            market_origin_us: 0,
            speed: 1.0,
        }
    }

    /// A replay clock that shows `market_origin_us` when the wall clock shows `wall_origin_us` and
    /// then runs `speed` times as fast. `speed` must be finite and above zero; anything else is 1.
    #[must_use]
    pub fn replay(wall: WallClock, wall_origin_us: i64, market_origin_us: i64, speed: f64) -> Self {
        let speed = if speed.is_finite() && speed > 0.0 {
            speed
        } else {
            1.0
        };
        Self {
            wall,
            wall_origin_us,
            market_origin_us,
            speed,
        }
    }

    /// Market microseconds since 1970-01-01 UTC.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a replay spans years at most: exact in f64"
    )]
    #[expect(clippy::cast_precision_loss, reason = "as above")]
    pub fn now_us(&self) -> i64 {
        let elapsed = self.wall.now_us().saturating_sub(self.wall_origin_us);
        if self.speed.to_bits() == 1.0_f64.to_bits() {
            return self.market_origin_us.saturating_add(elapsed);
        }
        self.market_origin_us
            .saturating_add((elapsed as f64 * self.speed) as i64)
    }

    /// How long on the wall until the market clock shows `market_us`; zero when it is past.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "waits are short against 2^53 microseconds"
    )]
    pub fn wall_until(&self, market_us: i64) -> Duration {
        let left = market_us.saturating_sub(self.now_us()).max(0);
        Duration::from_secs_f64(left as f64 / self.speed / 1e6)
    }

    /// A wall duration in market microseconds.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "short durations")]
    pub fn market_us(&self, wall: Duration) -> i64 {
        (wall.as_secs_f64() * self.speed * 1e6) as i64
    }

    /// Market seconds per wall second.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// The wall clock underneath.
    #[must_use]
    pub fn wall(&self) -> &WallClock {
        &self.wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay_runs_at_its_speed() {
        let wall = WallClock::manual(1_000_000);
        let market = MarketClock::replay(wall.clone(), 1_000_000, 50_000_000, 60.0);
        assert_eq!(market.now_us(), 50_000_000);
        wall.set(2_000_000);
        assert_eq!(market.now_us(), 110_000_000);
        assert_eq!(market.wall_until(170_000_000), Duration::from_secs(1));
        assert_eq!(market.wall_until(0), Duration::ZERO);
        assert_eq!(market.market_us(Duration::from_millis(5)), 300_000);
    }

    #[test]
    fn a_live_clock_is_the_wall_clock() {
        let wall = WallClock::manual(1_709_640_000_000_001);
        assert_eq!(MarketClock::live(wall).now_us(), 1_709_640_000_000_001);
    }
}
