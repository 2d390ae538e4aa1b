//! What the answers of a run become: predictions, receipts, strikes.
//!
//! Must never decide which of several answers counts: [`runners::record_run`] does.

use domain::{Probability, RoundId};

use super::post_runner_results::Parsed;
use super::problem::Problem;
use crate::app::App;
use crate::db::Conn;
use crate::events::{self, Told};
use crate::models::{self, Model, RunEnd};
use crate::predictions::{self, Said, Submission};
use crate::receipts::{self, Answer, Executed};
use crate::runners::{self, Decided, Job, RunAnswer, Status};

/// A runner's call for a run.
pub(super) struct Run<'a> {
    pub(super) job: &'a Job,
    pub(super) round: &'a RoundId,
    /// The models of the job.
    pub(super) entries: &'a [Model],
    /// Who answers.
    pub(super) runner: &'a str,
    pub(super) received_us: i64,
}

/// The first answer of a model counts at once. What a comparison of several decides is submitted
/// after it: of a model's predictions the latest counts.
pub(super) async fn record_run(
    app: &App,
    run: &Run<'_>,
    mut parsed: Vec<Parsed>,
) -> Result<(), Problem> {
    let first = {
        let mut conn = app.db.read().await?;
        runners::first_answers(&mut conn, &app.market, run.job, run.runner).await?
    };
    for one in &mut parsed {
        one.p = one.p.filter(|_| first.contains(&one.result.model));
    }
    submit_all(app, run, &mut parsed).await?;
    let answers: Vec<RunAnswer> = parsed
        .iter()
        .map(|one| RunAnswer {
            result: one.result.clone(),
            p: one.exact.clone(),
        })
        .collect();
    let mut tx = app.db.begin().await?;
    let (market, job) = (&app.market, run.job);
    let decided = runners::record_run(&mut tx, market, job, run.runner, &answers).await?;
    // A failure of ours that somebody else can make good is no result.
    let open = runners::without_result(&mut tx, job).await?;
    let counted: Vec<&Parsed> = parsed
        .iter()
        .filter(|one| first.contains(&one.result.model) && !open.contains(&one.result.model))
        .collect();
    let is_changed = |one: &&Parsed| {
        let is_own = |by: &Decided| by.model == one.result.model && by.runner == run.runner;
        !first.contains(&one.result.model) && decided.iter().any(is_own)
    };
    let changed: Vec<&Parsed> = parsed.iter().filter(is_changed).collect();
    let paused = note_runs(&mut tx, run, counted.iter().chain(&changed)).await?;
    write_receipts(&mut tx, app, run, &counted, &changed).await?;
    events::append(&mut tx, run.received_us, &paused).await?;
    tx.commit().await?;
    app.events.wake();
    // Others may be wanted for a comparison.
    app.runner_wake.notify_waiters();
    for one in decided {
        let model = run.entries.iter().find(|entry| entry.id == one.model);
        let posted = one.p.first().and_then(|p| Probability::from_f64(*p).ok());
        let (Some(model), Some(posted)) = (model, posted) else {
            continue;
        };
        let (round, submission) = (run.round, submission(run, model, posted));
        if let Err(error) = predictions::submit(&app.writer, submission).await {
            tracing::warn!(%round, model = %one.model, %error, "a decision came too late to count");
        }
    }
    Ok(())
}

/// Receipts of the answers that count; those that replace an earlier one correct its receipt.
async fn write_receipts(
    conn: &mut Conn,
    app: &App,
    run: &Run<'_>,
    counted: &[&Parsed],
    changed: &[&Parsed],
) -> Result<(), Problem> {
    let executed = Executed {
        runner: run.runner.to_owned(),
        finished_us: run.received_us,
    };
    let answers = |of: &[&Parsed]| of.iter().map(|one| answer(one)).collect::<Vec<_>>();
    let (first, later) = (answers(counted), answers(changed));
    receipts::write(conn, &app.receipts, run.round, &executed, &first).await?;
    if !later.is_empty() {
        receipts::correct(conn, &app.receipts, run.round, &executed, &later).await?;
    }
    Ok(())
}

/// A model answers float32.
#[expect(clippy::cast_possible_truncation, reason = "a model answers float32")]
fn answer(one: &Parsed) -> Answer {
    Answer {
        runtime: one.runtime.clone(),
        model: one.result.model.clone(),
        status: one.result.status,
        cpu_ms: one.result.cpu_ms,
        output: one.exact.iter().map(|p| *p as f32).collect(),
    }
}

/// A hosted model never asks for less than its whole stake.
fn submission(run: &Run<'_>, model: &Model, posted: Probability) -> Submission {
    Submission {
        round: run.round.clone(),
        model: model.id.clone(),
        account: model.account.clone(),
        said: Said::Open { posted, ask: None },
        nonce: None,
        received_us: run.received_us,
    }
}

/// Submits together, so that the predictions share a group commit. A refusal becomes the detail of
/// its model; a failure of ours fails the call, and the runner sends everything again.
async fn submit_all(app: &App, run: &Run<'_>, parsed: &mut [Parsed]) -> Result<(), Problem> {
    let round = run.round;
    let (mut submissions, mut answered) = (Vec::new(), Vec::new());
    for (place, one) in parsed.iter().enumerate() {
        let mut entries = run.entries.iter();
        let model = entries.find(|entry| entry.id == one.result.model);
        if let (Some(model), Some(posted)) = (model, one.p) {
            submissions.push(submission(run, model, posted));
            answered.push(place);
        }
    }
    let verdicts = predictions::submit_all(&app.writer, submissions).await?;
    for (place, verdict) in answered.into_iter().zip(verdicts) {
        let (Err(error), Some(one)) = (verdict, parsed.get_mut(place)) else {
            continue;
        };
        let refusal = Problem::from(error);
        if refusal.is_ours() {
            return Err(refusal);
        }
        let (model, detail) = (&one.result.model, refusal.detail());
        tracing::warn!(%round, %model, detail, "a hosted model's prediction is not counted");
        one.result.detail = format!("not counted: {detail}");
    }
    Ok(())
}

/// What failed by the model's own doing is a strike; a failure of ours is nothing. Gives what to
/// tell the owners of models that are paused by it.
async fn note_runs<'a>(
    conn: &mut Conn,
    run: &Run<'_>,
    answers: impl Iterator<Item = &'a &'a Parsed> + Send,
) -> Result<Vec<Told>, Problem> {
    let mut told = Vec::new();
    for result in answers.map(|one| &one.result) {
        let mut models = run.job.models.iter();
        let tried = models.find(|entry| entry.model == result.model);
        let Some(tried) = tried.filter(|_| result.status != Status::PlatformError) else {
            continue;
        };
        let how = format!("{}: {}", result.status.name(), result.detail);
        let end = if result.status == Status::Ok {
            RunEnd::Answered
        } else {
            RunEnd::Failed(how.trim_end_matches([':', ' ']))
        };
        let paused = models::note_run(conn, &result.model, &tried.artifact, end).await?;
        let model = run.entries.iter().find(|entry| entry.id == result.model);
        if let Some((reason, model)) = paused.zip(model) {
            let (account, tournament) = (&model.account, &model.tournament);
            told.push(Told::paused(account, tournament, &model.id, &reason));
        }
    }
    Ok(told)
}
