//! Runs of rounds: lent model by model to several runners, answered, compared.
//!
//! Owns what a runner was lent (`runner_tries`), the sample that runs twice and its comparisons.
//! Never submits a prediction: [`record_run`] says what should count, its caller submits.

use std::time::Duration;

use domain::{MarketClock, ModelId, RoundId};

use super::comparison::{Comparison, ComparisonState, Sample};
use super::reputation::Deed;
use super::runs_store::{Given, OpenRun};
use super::share::{self, Loan, Role, Wanted};
use super::verdict::{self, Answer, Verdict};
use super::{
    Class, Job, JobModel, ModelResult, RunnerError, Status, fleet, runs_store, sample, store,
};
use crate::db::Conn;
use crate::models::Model;

/// For a third run after the round.
const SETTLE_BUDGET: Duration = Duration::from_secs(60);
/// After this long nobody is asked about a disagreement any more; it stays open.
const SETTLE_WITHIN_US: i64 = 86_400 * 1_000_000;
/// The shares of runners that did not come within this part of the time are open to everybody.
const GRACE_PART: i64 = 8;
/// A lease is at least this long.
const LEASE_MINIMUM_US: i64 = 200_000;

/// One answer of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunAnswer {
    /// How the model fared.
    pub result: ModelResult,
    /// One probability a row; empty unless it is ok.
    pub p: Vec<f64>,
}

/// What should count for a model, after its answers were compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The model.
    pub model: ModelId,
    /// Whose answer.
    pub runner: String,
    /// One probability a row.
    pub p: Vec<f64>,
}

/// Chooses the models of a published run that run on two runners: `share_ppm` of them, one at
/// least unless the share is 0. A second call for the same round changes nothing.
///
/// # Errors
/// Database errors.
pub async fn sample_run(
    conn: &mut Conn,
    wall_us: i64,
    round: &RoundId,
    models: &[Model],
    secret: &[u8; 32],
    share_ppm: u32,
) -> Result<(), RunnerError> {
    let ids: Vec<ModelId> = models.iter().map(|model| model.id.clone()).collect();
    let seed = sample::seed(secret, round);
    let chosen = sample::choose(&seed, &ids, share_ppm);
    let stored = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let sample = Sample {
        job: format!("run-{round}"),
        share_ppm: i64::from(share_ppm),
        model_count: stored(ids.len()),
        sample_count: stored(chosen.len()),
        seed: seed.clone(),
    };
    runs_store::insert_sample(conn, &sample, &chosen, wall_us).await?;
    Ok(())
}

/// What a runner would be lent, without lending it.
pub(super) async fn is_lendable(
    conn: &mut Conn,
    clock: &MarketClock,
    runner: &str,
) -> Result<bool, RunnerError> {
    for run in open_runs(conn, clock).await? {
        if !planned(conn, clock, runner, &run).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Lends models of the most urgent run that has some for `runner`.
pub(super) async fn lend(
    conn: &mut Conn,
    clock: &MarketClock,
    runner: &str,
) -> Result<Option<Job>, RunnerError> {
    let wall_us = clock.wall().now_us();
    for run in open_runs(conn, clock).await? {
        if !runs_store::may_lend(conn, &run.job.id, runner, wall_us).await? {
            continue;
        }
        let left = clock.wall_until(run.job.deadline_us);
        let budget = if left.is_zero() { SETTLE_BUDGET } else { left };
        // Half, so that another runner can still answer for one that died.
        let part = if left.is_zero() { 1 } else { 2 };
        let part_us = i64::try_from(budget.as_micros() / part).unwrap_or(i64::MAX);
        let until_us = wall_us.saturating_add(part_us.max(LEASE_MINIMUM_US));
        runs_store::hold(conn, &run.job.id, runner, until_us).await?;
        let lent = planned(conn, clock, runner, &run).await?;
        if lent.is_empty() {
            continue;
        }
        let rows: Vec<(&ModelId, Role, i64)> = lent
            .iter()
            .map(|(entry, role)| (&entry.model, *role, until_us))
            .collect();
        runs_store::insert_tries(conn, &run.job.id, runner, &rows, wall_us).await?;
        let mut models: Vec<JobModel> = lent.into_iter().map(|(entry, _)| entry).collect();
        models.sort_by(|a, b| a.model.as_str().cmp(b.model.as_str()));
        return Ok(Some(Job {
            id: run.job.id,
            kind: run.job.kind,
            round: run.job.round,
            deadline_us: run.job.deadline_us,
            budget,
            features: run.job.features,
            models,
        }));
    }
    Ok(None)
}

async fn open_runs(conn: &mut Conn, clock: &MarketClock) -> Result<Vec<OpenRun>, RunnerError> {
    let young_us = clock.wall().now_us().saturating_sub(SETTLE_WITHIN_US);
    Ok(runs_store::open_runs(conn, clock.now_us(), young_us).await?)
}

/// The models of a run that `runner` is to have now.
async fn planned(
    conn: &mut Conn,
    clock: &MarketClock,
    runner: &str,
    run: &OpenRun,
) -> Result<Vec<(JobModel, Role)>, RunnerError> {
    let wall_us = clock.wall().now_us();
    if !runs_store::may_lend(conn, &run.job.id, runner, wall_us).await? {
        return Ok(Vec::new());
    }
    let members = fleet::members(conn).await?;
    let candidates: Vec<_> = members
        .iter()
        // Whoever asks is there, however long ago it was heard.
        .filter(|one| one.is_live(wall_us) || one.runner.name == runner)
        .filter(|one| !one.is_draining())
        .map(|one| one.candidate(wall_us))
        .collect();
    let mut loans = runs_store::loans(conn, &run.job.id, wall_us).await?;
    let left = clock.wall_until(run.job.deadline_us);
    if left.is_zero() {
        loans.retain(|loan| loan.wanted == Wanted::Three);
        loans.iter_mut().for_each(|loan| loan.has_result = true);
    }
    let passed_us = wall_us.saturating_sub(run.created_us);
    let left_us = i64::try_from(left.as_micros()).unwrap_or(i64::MAX);
    let is_late_start = passed_us >= passed_us.saturating_add(left_us) / GRACE_PART;
    let plan = share::plan(runner, &candidates, &loans, is_late_start);
    let entry = |(place, role): (usize, Role)| (loans[place].model.clone(), role);
    Ok(plan.into_iter().map(entry).collect())
}

/// Models of `job` whose answer by `runner` counts at once: they have no result yet, and the runner
/// is trusted.
///
/// # Errors
/// Database errors.
pub async fn first_answers(
    conn: &mut Conn,
    clock: &MarketClock,
    job: &Job,
    runner: &str,
) -> Result<Vec<ModelId>, RunnerError> {
    if distrusted(conn, clock)
        .await?
        .iter()
        .any(|name| name == runner)
    {
        return Ok(Vec::new());
    }
    without_result(conn, job).await
}

/// Models of `job` that have no result.
///
/// # Errors
/// Database errors.
pub async fn without_result(conn: &mut Conn, job: &Job) -> Result<Vec<ModelId>, RunnerError> {
    let pending = store::pending(conn, &job.id).await?;
    Ok(pending.into_iter().map(|entry| entry.model).collect())
}

/// Runners whose answers do not count by themselves.
async fn distrusted(conn: &mut Conn, clock: &MarketClock) -> Result<Vec<String>, RunnerError> {
    let wall_us = clock.wall().now_us();
    let members = fleet::members(conn).await?.into_iter();
    let distrusted = members.filter(|one| !one.candidate(wall_us).is_trusted);
    Ok(distrusted.map(|one| one.runner.name).collect())
}

/// Writes a runner's answers for a run, each once; the first of a model is its result. Answers what
/// the comparison with others' answers decided: the caller submits that again, it may have changed.
///
/// # Errors
/// [`RunnerError::NotInJob`].
pub async fn record_run(
    conn: &mut Conn,
    clock: &MarketClock,
    job: &Job,
    runner: &str,
    answers: &[RunAnswer],
) -> Result<Vec<Decided>, RunnerError> {
    let wall_us = clock.wall().now_us();
    runs_store::hold(conn, &job.id, runner, wall_us.max(1)).await?;
    let loans = runs_store::loans(conn, &job.id, wall_us).await?;
    let distrusted = distrusted(conn, clock).await?;
    let mut decided = Vec::new();
    let (mut on_time, mut missed) = (0, 0);
    for answer in answers {
        let model = &answer.result.model;
        let Some(loan) = loans.iter().find(|loan| loan.model.model == *model) else {
            return Err(RunnerError::NotInJob {
                job: job.id.clone(),
                model: model.clone(),
            });
        };
        let Some(open) = runs_store::open_try(conn, &job.id, model, runner).await? else {
            continue;
        };
        let is_failure = answer.result.status == Status::PlatformError;
        let is_missed = is_failure || wall_us > open.until_us;
        let given = Given {
            status: answer.result.status,
            p: &numbers(&answer.p),
            is_missed,
        };
        runs_store::set_answer(conn, (&job.id, model, runner), &given, wall_us).await?;
        on_time += usize::from(!is_missed);
        missed += usize::from(is_missed && !open.is_missed);
        if is_failure && can_another_run(conn, clock, loan, runner, job).await? {
            continue;
        }
        if !distrusted.iter().any(|name| name == runner) {
            store::set_result(conn, &job.id, &answer.result).await?;
        }
        // Whoever hung until the round was over says what its clock made of it.
        let is_telling = clock.now_us() < job.deadline_us || answer.result.status == Status::Ok;
        if !is_failure && is_telling {
            decided.extend(compare(conn, clock, (job, runner), loan, &distrusted).await?);
        }
    }
    for deed in [Deed::OnTime(on_time), Deed::Missed(missed)] {
        if !matches!(deed, Deed::OnTime(0) | Deed::Missed(0)) {
            fleet::credit(conn, wall_us, runner, deed).await?;
        }
    }
    store::end_when_complete(conn, &job.id, wall_us.max(1)).await?;
    Ok(decided)
}

/// Whether somebody else is there who was not lent the model yet.
async fn can_another_run(
    conn: &mut Conn,
    clock: &MarketClock,
    loan: &Loan,
    runner: &str,
    job: &Job,
) -> Result<bool, RunnerError> {
    if clock.now_us() >= job.deadline_us {
        return Ok(false);
    }
    let wall_us = clock.wall().now_us();
    let had = |name: &str| name == runner || loan.tries.iter().any(|one| one.runner == name);
    let mut members = fleet::members(conn).await?.into_iter();
    Ok(members.any(|one| {
        let is_there = one.is_live(wall_us) && !one.is_draining();
        is_there && one.candidate(wall_us).is_trusted && !had(&one.runner.name)
    }))
}

/// Compares what came in for a model, stores what it means and tells who was wrong.
async fn compare(
    conn: &mut Conn,
    clock: &MarketClock,
    (job, runner): (&Job, &str),
    loan: &Loan,
    distrusted: &[String],
) -> Result<Option<Decided>, RunnerError> {
    let model = &loan.model.model;
    let (answers, blamed): (Vec<Answer>, Vec<bool>) = runs_store::answers(conn, &job.id, model)
        .await?
        .into_iter()
        .unzip();
    let wall_us = clock.wall().now_us();
    let is_in_time = clock.now_us() < job.deadline_us;
    let is_trusted = |one: &Answer| !distrusted.contains(&one.runner);
    let first = answers.iter().position(is_trusted).unwrap_or_default();
    let judged = verdict::judge(&answers, loan.model.class);
    let own = answers.iter().position(|one| one.runner == runner);
    let Some((state, counts, losers)) = meaning(judged, first, own.filter(|_| is_in_time)) else {
        return Ok(None);
    };
    for loser in &losers {
        if !blamed[*loser] {
            blame(conn, wall_us, job, model, &answers[*loser]).await?;
        }
    }
    let counted = &answers[counts];
    if state == ComparisonState::Settled && is_in_time {
        let detail = if counted.status == Status::Ok {
            ""
        } else {
            "two runners found the same"
        };
        runs_store::replace_result(conn, &job.id, model, counted.status, detail).await?;
    }
    let made = Comparison {
        runners: answers.iter().map(|one| one.runner.clone()).collect(),
        counted_runner: counted.runner.clone(),
        blamed: losers
            .iter()
            .map(|at| answers[*at].runner.clone())
            .collect(),
        difference_e9: largest_difference(&answers),
        settled_us: if state == ComparisonState::Settled {
            wall_us
        } else {
            0
        },
        ..Comparison::new(state, wall_us)
    };
    runs_store::put_comparison(conn, &job.id, model, &made).await?;
    if matches!(state, ComparisonState::Disputed | ComparisonState::Settled) {
        tell(job, model, &made);
    }
    let is_changed = matches!(state, ComparisonState::Disputed | ComparisonState::Settled);
    let is_number = counted.status == Status::Ok && is_changed && is_in_time;
    let is_number = is_number && (state == ComparisonState::Settled || is_trusted(counted));
    Ok(is_number.then(|| Decided {
        model: model.clone(),
        runner: counted.runner.clone(),
        p: counted.p.clone(),
    }))
}

/// What a verdict makes of a comparison: its state, whose answer counts, who was wrong. `first` is
/// the answer that counted until now, `own` the one that came now, none after the round: then
/// nothing changes any more for its model.
fn meaning(
    judged: Verdict,
    first: usize,
    own: Option<usize>,
) -> Option<(ComparisonState, usize, Vec<usize>)> {
    Some(match judged {
        Verdict::Single => return None,
        Verdict::Agreed => (ComparisonState::Agreed, first, Vec::new()),
        Verdict::Disputed => (ComparisonState::Disputed, first, Vec::new()),
        Verdict::Undecided => (ComparisonState::Undecided, first, Vec::new()),
        Verdict::Settled { winner, losers } => {
            // What counted already stays if it is right; else whoever speaks now can be receipted.
            let is_right = |at: &usize| !losers.contains(at);
            let counts = match own {
                None => first,
                Some(own) => [first, own].into_iter().find(is_right).unwrap_or(winner),
            };
            (ComparisonState::Settled, counts, losers)
        }
    })
}

async fn blame(
    conn: &mut Conn,
    wall_us: i64,
    job: &Job,
    model: &ModelId,
    answer: &Answer,
) -> Result<(), RunnerError> {
    runs_store::blame(conn, &job.id, model, &answer.runner).await?;
    // Running out of time or memory where others did not is slowness, and no falsehood.
    let deed = match answer.status {
        Status::LimitCpu | Status::LimitMem | Status::LimitWall => Deed::Missed(1),
        _ => Deed::False(1),
    };
    fleet::credit(conn, wall_us, &answer.runner, deed).await
}

fn tell(job: &Job, model: &ModelId, made: &Comparison) {
    tracing::warn!(
        job = job.id,
        %model,
        state = made.state.name(),
        runners = made.runners.join(", "),
        blamed = made.blamed.join(", "),
        difference_e9 = made.difference_e9,
        "runners disagree"
    );
}

/// Counts the leases that ended without an answer and closes the samples of runs that are over.
///
/// # Errors
/// Database errors.
pub async fn sweep(conn: &mut Conn, clock: &MarketClock) -> Result<(), RunnerError> {
    let wall_us = clock.wall().now_us();
    let mut missed = runs_store::mark_missed(conn, wall_us).await?;
    missed.sort();
    for same in missed.chunk_by(|a, b| a == b) {
        if let Some(runner) = same.first() {
            fleet::credit(conn, wall_us, runner, Deed::Missed(same.len())).await?;
            tracing::warn!(runner, models = same.len(), "a runner let its leases end");
        }
    }
    runs_store::close_samples(conn, clock.now_us()).await?;
    Ok(())
}

/// Whether [`sweep`] would write.
///
/// # Errors
/// Database errors.
pub async fn is_overdue(conn: &mut Conn, clock: &MarketClock) -> Result<bool, RunnerError> {
    let (wall_us, market_us) = (clock.wall().now_us(), clock.now_us());
    Ok(runs_store::is_overdue(conn, wall_us, market_us).await?)
}

/// The models of `job` that `runner` was lent: those without an answer of its own, and the others.
pub(super) async fn lent_to(
    conn: &mut Conn,
    job: &str,
    runner: &str,
) -> Result<(Vec<JobModel>, Vec<ModelId>), RunnerError> {
    let (mut open, mut answered) = (Vec::new(), Vec::new());
    for (entry, is_answered) in runs_store::lent_to(conn, job, runner).await? {
        if is_answered {
            answered.push(entry.model);
        } else {
            open.push(entry);
        }
    }
    Ok((open, answered))
}

/// Shortest text that reads back as the same numbers.
fn numbers(p: &[f64]) -> String {
    let each: Vec<String> = p.iter().map(f64::to_string).collect();
    format!("[{}]", each.join(","))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "probabilities differ by 1 at most"
)]
fn largest_difference(answers: &[Answer]) -> i64 {
    let mut largest = 0.0_f64;
    for (place, one) in answers.iter().enumerate() {
        for other in &answers[place + 1..] {
            let gap = verdict::difference(one, other);
            largest = largest.max(if gap.is_finite() { gap } else { 1.0 });
        }
    }
    (largest * 1e9).round() as i64
}

/// The class of a model as its report card tells it.
pub(super) fn class_of(model: &Model) -> Class {
    Class::of_card(&model.card)
}
