//! The one place that measures how long something took. Costs are measured on the monotonic clock,
//! which the two injected clocks of `domain` are not; no decision about a round is taken from it.

use std::time::{Duration, Instant};

/// Runs from [`Stopwatch::start`] on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "elapsed time of a child needs the monotonic clock"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    pub(crate) fn elapsed_us(&self) -> u64 {
        u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// What is left of `budget`; zero when it is spent.
    pub(crate) fn left_of(&self, budget: Duration) -> Duration {
        budget.saturating_sub(self.elapsed())
    }
}

/// Processor time of this process so far, in microseconds. What a model is judged by: the clock on
/// the wall runs on while a busy machine does something else.
pub(crate) fn processor_us() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    #[expect(
        unsafe_code,
        reason = "the only clock that the locked process may read"
    )]
    // SAFETY: the call fills the one struct that it is given and keeps no pointer to it.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    if done != 0 {
        return 0;
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds * 1_000_000 + nanoseconds / 1_000
}

/// A pause between two attempts to reach something outside.
#[expect(
    clippy::disallowed_methods,
    reason = "back-off is on the machine's time; no market time depends on it"
)]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
