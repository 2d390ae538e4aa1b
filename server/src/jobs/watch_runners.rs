//! Notices leases that ended without an answer, also when no runner asks for work any more.

use crate::app::App;
use crate::runners;

/// Counts what was missed; writes only when there is something.
pub(super) async fn sweep(app: &App) -> anyhow::Result<()> {
    {
        let mut conn = app.db.read().await?;
        if !runners::is_overdue(&mut conn, &app.market).await? {
            return Ok(());
        }
    }
    let mut tx = app.db.begin().await?;
    runners::sweep(&mut tx, &app.market).await?;
    tx.commit().await?;
    // What was missed is for another runner now.
    app.runner_wake.notify_waiters();
    Ok(())
}
