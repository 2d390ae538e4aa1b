//! Token buckets (GCRA) by holder, in a table of fixed size: two holders whose hashes fall on one
//! place share a bucket, which a secret seed makes rare and unplannable.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use domain::WallClock;
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use super::settings::Rate;

/// Buckets of a class and kind of holder: half a megabyte each.
const PLACES: usize = 1 << 16;

/// What came of counting a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is counted.
    Unlimited,
    /// It may go on.
    Allowed(Standing),
    /// It is one too many; the next is allowed after the duration.
    Refused(Standing, Duration),
}

/// Where a holder stands after a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The limit's name, `read-per-key`.
    pub policy: Arc<str>,
    /// Requests that a rested holder may send at once.
    pub quota: u32,
    /// Seconds in which as many come back.
    pub window_s: u64,
    /// Requests left now.
    pub remaining: u32,
    /// Seconds until all are there again.
    pub full_in_s: u64,
}

/// The buckets of one class and kind of holder.
#[derive(Debug)]
pub(super) struct Buckets {
    policy: Arc<str>,
    rate: Rate,
    limiter: RateLimiter<u64, Table, Elapsed, StateInformationMiddleware>,
}

impl Buckets {
    pub(super) fn new(policy: String, rate: Rate, wall: &WallClock) -> Self {
        let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
        let spacing = Duration::from_secs(rate.per_s) / rate.requests.max(1);
        let quota = Quota::with_period(spacing)
            .unwrap_or(Quota::per_second(burst))
            .allow_burst(burst);
        Self {
            policy: policy.into(),
            rate,
            limiter: RateLimiter::new(quota, Table::new(), Elapsed::since_now(wall)),
        }
    }

    pub(super) fn check(&self, holder: u64) -> Verdict {
        match self.limiter.check_key(&holder) {
            Ok(state) => Verdict::Allowed(self.standing(state.remaining_burst_capacity())),
            Err(refused) => {
                let wait = refused.wait_time_from(self.limiter.clock().now());
                Verdict::Refused(self.standing(0), wait)
            }
        }
    }

    fn standing(&self, remaining: u32) -> Standing {
        let used = self.rate.burst.saturating_sub(remaining);
        Standing {
            policy: Arc::clone(&self.policy),
            quota: self.rate.burst,
            window_s: self.rate.seconds_for(self.rate.burst),
            remaining,
            full_in_s: self.rate.seconds_for(used),
        }
    }
}

/// The place of a hash in a table; `places` is a power of two.
pub(super) fn place(hash: u64, places: usize) -> usize {
    usize::try_from(hash >> 32).unwrap_or_default() & places.saturating_sub(1)
}

/// The states of all holders.
#[derive(Debug)]
struct Table(Box<[InMemoryState]>);

impl Table {
    fn new() -> Self {
        Self((0..PLACES).map(|_| InMemoryState::default()).collect())
    }
}

impl StateStore for Table {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, holder: &u64, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0[place(*holder, PLACES)].measure_and_replace(&NotKeyed::NonKey, f)
    }
}

/// Wall time that has passed. It never runs backwards, even when the machine's clock is set back:
/// every bucket would then refuse until the old time came again.
#[derive(Clone, Debug)]
struct Elapsed {
    wall: WallClock,
    last_us: Arc<AtomicI64>,
    total_us: Arc<AtomicU64>,
}

impl Elapsed {
    fn since_now(wall: &WallClock) -> Self {
        Self {
            wall: wall.clone(),
            last_us: Arc::new(AtomicI64::new(wall.now_us())),
            total_us: Arc::default(),
        }
    }
}

impl Clock for Elapsed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        let now_us = self.wall.now_us();
        let before_us = self.last_us.swap(now_us, Ordering::AcqRel);
        let step_us = u64::try_from(now_us.saturating_sub(before_us)).unwrap_or(0);
        let before_us = self.total_us.fetch_add(step_us, Ordering::AcqRel);
        Duration::from_micros(before_us.saturating_add(step_us))
    }
}
