//! `GET /runners`: who executes the hosted models, how they do, where their answers differed.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::error::WebError;
use super::frame::{Frame, show};
use super::text;
use crate::app::App;
use crate::runners::fleet::{self, Member};
use crate::runners::reputation::TRUSTED_PPM;
use crate::runners::{self, ComparisonState, Disagreement, ShownSample};

/// Disagreements and samples shown.
const SHOWN: i64 = 20;

#[derive(Template)]
#[template(path = "runners.html")]
struct RunnersView {
    frame: Frame,
    runners: Vec<RunnerRow>,
    share: String,
    agreed: String,
    differed: String,
    disagreements: Vec<DisagreementRow>,
    samples: Vec<SampleRow>,
}

struct RunnerRow {
    name: String,
    state: &'static str,
    is_bad: bool,
    device: String,
    profile: String,
    rate: String,
    times: String,
    workers: String,
    on_time: String,
    missed: String,
    disagreed: String,
    reputation: String,
    is_trusted: bool,
    heard: String,
}

struct DisagreementRow {
    round: String,
    model: String,
    state: &'static str,
    runners: String,
    difference: String,
    counted: String,
    blamed: String,
    found: String,
}

struct SampleRow {
    round: String,
    of: String,
    seed: String,
    is_revealed: bool,
}

/// `GET /runners`.
pub(super) async fn page(State(app): State<Arc<App>>) -> Result<Html<String>, WebError> {
    let (market_us, wall_us) = (app.market.now_us(), app.wall.now_us());
    let mut conn = app.db.read().await?;
    let members = fleet::members(&mut conn).await?;
    let counts = runners::counts(&mut conn).await?;
    let of = |wanted: &[ComparisonState]| {
        let known = counts.iter().filter(|(state, _)| wanted.contains(state));
        text::count(known.map(|(_, count)| count).sum())
    };
    let disagreements = runners::disagreements(&mut conn, market_us, SHOWN).await?;
    let samples = runners::samples(&mut conn, market_us, SHOWN / 4).await?;
    show(&RunnersView {
        frame: Frame::new(&app, "Runners", "/runners"),
        runners: members.iter().map(|one| runner_row(one, wall_us)).collect(),
        share: text::ppm_percent(app.settings.replicated_ppm),
        agreed: of(&[ComparisonState::Agreed]),
        differed: of(&[
            ComparisonState::Disputed,
            ComparisonState::Settled,
            ComparisonState::Undecided,
        ]),
        disagreements: disagreements
            .into_iter()
            .map(|one| disagreement_row(one, wall_us))
            .collect(),
        samples: samples.into_iter().map(sample_row).collect(),
    })
}

fn runner_row(member: &Member, wall_us: i64) -> RunnerRow {
    let machine = &member.machine;
    let is_live = member.is_live(wall_us);
    let state = match (is_live, member.is_draining()) {
        (false, _) => "not heard",
        (true, true) => "draining",
        (true, false) => "at work",
    };
    let benchmark = machine.benchmark;
    let is_measured = member.registered_us > 0;
    let reputation_ppm = member.reputation_ppm(wall_us);
    let measured = |text: String| if is_measured { text } else { "–".to_owned() };
    RunnerRow {
        name: member.runner.name.clone(),
        state,
        is_bad: !is_live,
        device: format!("{}, {}", machine.device, member.runner.sandbox),
        profile: machine.profile.clone(),
        rate: measured(tenths(benchmark.rate_milli / 100)),
        times: measured(format!(
            "{} / {} ms",
            tenths(benchmark.tree_us / 100),
            tenths(benchmark.dense_us / 100)
        )),
        workers: format!("{} of {}", member.pulse.free_workers, machine.workers),
        on_time: text::count(member.record.on_time),
        missed: text::count(member.record.missed),
        disagreed: text::count(member.record.disagreed),
        reputation: format!("0.{:03}", (reputation_ppm / 1_000).min(999)),
        is_trusted: reputation_ppm >= TRUSTED_PPM,
        heard: format!("{} ago", text::span(wall_us - member.heard_us())),
    }
}

/// Tenths as a number with one decimal.
fn tenths(tenths: i64) -> String {
    format!("{}.{}", text::count(tenths / 10), tenths % 10)
}

fn disagreement_row(one: Disagreement, wall_us: i64) -> DisagreementRow {
    let made = one.comparison;
    let millionths = made.difference_e9.div_euclid(1_000);
    DisagreementRow {
        round: one.round.to_string(),
        model: one.model.to_string(),
        state: made.state.name(),
        runners: made.runners.join(", "),
        difference: format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000),
        counted: made.counted_runner,
        blamed: match made.state {
            ComparisonState::Disputed => "not known yet".to_owned(),
            ComparisonState::Undecided => "nobody can tell".to_owned(),
            _ => made.blamed.join(", "),
        },
        found: format!("{} ago", text::span(wall_us - made.found_us)),
    }
}

fn sample_row(one: ShownSample) -> SampleRow {
    let models = text::count(one.model_count);
    SampleRow {
        round: one.round.to_string(),
        of: format!("{} of {models}", text::count(one.sample_count)),
        is_revealed: one.seed.is_some(),
        seed: one.seed.unwrap_or(one.commitment),
    }
}
