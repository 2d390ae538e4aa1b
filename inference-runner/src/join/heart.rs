//! Tells the server that the runner is alive, how busy it is and whether it drains; hears whether
//! the operator wants it to drain.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;

use super::Shared;
use super::machine::load;
use super::wire::HeartbeatRequest;
use crate::stopwatch::pause;

/// Until the server says how often.
pub(super) const FIRST_PACE: Duration = Duration::from_secs(2);

/// Beats until it is dropped. `stop`: the runner ends; `drain`: where the operator's wish goes.
pub(super) async fn beat(
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
    drain: watch::Sender<bool>,
) {
    loop {
        let is_stopping = *stop.borrow();
        if shared.is_registered.load(Ordering::Relaxed) {
            once(&shared, is_stopping, &drain).await;
        }
        let pace = Duration::from_millis(shared.pace_ms.load(Ordering::Relaxed));
        if is_stopping {
            pause(pace).await;
        } else {
            // A runner that is asked to stop says so at once.
            drop(tokio::time::timeout(pace, stop.wait_for(|stop| *stop)).await);
        }
    }
}

/// One heartbeat. Trouble with the server is told where jobs are asked for.
pub(super) async fn once(shared: &Shared, is_stopping: bool, drain: &watch::Sender<bool>) {
    let request = HeartbeatRequest {
        runner: shared.server.name(),
        free_workers: shared.round_workers.available_permits(),
        load: load(),
        draining: is_stopping || *drain.borrow(),
    };
    match shared.server.beat(&request).await {
        Ok(wish) => {
            let is_new =
                drain.send_if_modified(|drain| std::mem::replace(drain, wish.drain) != wish.drain);
            if is_new && wish.drain {
                tracing::info!("draining: the operator asked; nothing new is taken");
            } else if is_new {
                tracing::info!("working again: the operator asked");
            }
        }
        // A server with another database does not know this runner.
        Err(error) if error.is_unknown() => shared.is_registered.store(false, Ordering::Relaxed),
        Err(error) => tracing::debug!(%error, "no heartbeat"),
    }
}
