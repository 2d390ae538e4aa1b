//! What `/metrics` says of the runners: read from the database when asked. Names end in their unit.

use super::metrics_page::{Page, seconds};
use crate::app::App;
use crate::runners::fleet::{self, Member};
use crate::runners::{self, RunnerError};

/// Name, help, kind and value of what is told of each runner.
type Told = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Member, i64) -> String,
);

const TOLD: [Told; 7] = [
    (
        "foretoken_runner_heard_age_seconds",
        "Since the runner was last heard, wall time",
        "gauge",
        |member, wall_us| seconds(wall_us - member.heard_us()),
    ),
    (
        "foretoken_runner_draining",
        "1 while the runner takes nothing new",
        "gauge",
        |member, _| u8::from(member.is_draining()).to_string(),
    ),
    (
        "foretoken_runner_free_workers",
        "Models that the runner could start at its last heartbeat",
        "gauge",
        |member, _| member.pulse.free_workers.to_string(),
    ),
    (
        "foretoken_runner_reputation_ppm",
        "Reputation, 0 to 1000000; everybody starts at 500000",
        "gauge",
        |member, wall_us| member.reputation_ppm(wall_us).to_string(),
    ),
    (
        "foretoken_runner_on_time_total",
        "Models of rounds answered before the lease ended",
        "counter",
        |member, _| member.record.on_time.to_string(),
    ),
    (
        "foretoken_runner_missed_total",
        "Models of rounds whose lease ended without an answer",
        "counter",
        |member, _| member.record.missed.to_string(),
    ),
    (
        "foretoken_runner_disagreed_total",
        "Models of rounds answered otherwise than a majority",
        "counter",
        |member, _| member.record.disagreed.to_string(),
    ),
];

/// The text of all of them, Prometheus form.
pub(super) async fn text(app: &App) -> Result<String, RunnerError> {
    let wall_us = app.wall.now_us();
    let mut conn = app.db.read().await?;
    let members = fleet::members(&mut conn).await?;
    let mut page = Page::default();
    let live = members.iter().filter(|one| one.is_live(wall_us)).count();
    page.gauge(
        "foretoken_runners_live",
        "Runners heard in the last seven seconds",
        live,
    );
    for (name, help, kind, value) in TOLD {
        page.head(name, help, kind);
        for member in &members {
            let labels = [("runner", member.runner.name.as_str())];
            page.line(name, &labels, value(member, wall_us));
        }
    }
    let name = "foretoken_runner_comparisons";
    page.head(
        name,
        "Models that ran on two runners, by what came out",
        "gauge",
    );
    for (state, count) in runners::counts(&mut conn).await? {
        page.line(name, &[("state", state.name())], count);
    }
    Ok(page.text)
}
