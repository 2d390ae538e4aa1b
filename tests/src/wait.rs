//! Waiting for a condition, always with a limit.

use std::time::Duration;

use domain::WallClock;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Looks until `look` finds something.
///
/// # Errors
/// When `look` fails, or `limit` has passed; the message names `what` was waited for.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let wall = WallClock::system();
    let limit_us = i64::try_from(limit.as_micros())?;
    let began_us = wall.now_us();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        let is_over = wall.now_us() - began_us > limit_us;
        anyhow::ensure!(!is_over, "waited {} s for {what}", limit.as_secs());
        server::app::pause(LOOK).await;
    }
}
