//! Waiting on the wall.

use std::time::Duration;

/// Waits `duration`. The only place that sleeps: callers wait for moments of a clock they were
/// given, or poll something outside that cannot call back.
pub async fn pause(duration: Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that sleeps on the wall"
    )]
    tokio::time::sleep(duration).await;
}
