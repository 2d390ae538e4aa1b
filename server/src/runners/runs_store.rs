//! All SQL of `runner_tries`, `runner_samples` and `runner_comparisons`.

use domain::ModelId;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::comparison::{Comparison, ComparisonState, Sample};
use super::share::{Loan, Role, Try, Wanted};
use super::store::{OpenJob, decode, open, unknown};
use super::verdict::Answer;
use super::{Class, JobModel, Status};
use crate::db::Conn;

/// Rows in one insert, three values each.
const CHUNK: usize = 200;

/// A run that may have something to lend.
pub(super) struct OpenRun {
    pub(super) job: OpenJob,
    /// Wall microseconds.
    pub(super) created_us: i64,
}

/// A loan without an answer.
pub(super) struct OpenTry {
    pub(super) until_us: i64,
    pub(super) is_missed: bool,
}

/// Runs that wait for answers, and younger ones whose answers differ, by deadline.
pub(super) async fn open_runs(
    conn: &mut Conn,
    market_us: i64,
    young_us: i64,
) -> Result<Vec<OpenRun>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT j.id, j.kind, j.round_id, j.deadline_us, j.created_us, f.digest, f.row_count,
                f.column_count
         FROM runner_jobs j JOIN feature_blocks f ON f.digest = j.features
         WHERE j.kind = 'run' AND j.deadline_us > $1 AND j.done_us = 0
            OR j.id IN (SELECT c.job_id FROM runner_comparisons c
                        WHERE c.state IN ('waiting', 'disputed') AND c.found_us > $2)
         ORDER BY j.deadline_us, j.id LIMIT 20",
    )
    .bind(market_us)
    .bind(young_us)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(OpenRun {
                job: open(row)?,
                created_us: row.try_get("created_us")?,
            })
        })
        .collect()
}

/// Whether a run may have something for a runner: cheap, and never false when it has.
pub(super) async fn may_lend(
    conn: &mut Conn,
    job: &str,
    runner: &str,
    wall_us: i64,
) -> Result<bool, sqlx::Error> {
    let row = sqlx::query(
        "SELECT CASE WHEN EXISTS (
             SELECT 1 FROM runner_job_models m WHERE m.job_id = $1 AND m.status = ''
               AND NOT EXISTS (SELECT 1 FROM runner_tries t
                   WHERE t.job_id = m.job_id AND t.model_id = m.model_id
                     AND (t.runner = $2 OR (t.answered_us = 0 AND t.until_us > $3))))
           OR EXISTS (
             SELECT 1 FROM runner_comparisons c
             WHERE c.job_id = $1 AND c.state IN ('waiting', 'disputed')
               AND NOT EXISTS (SELECT 1 FROM runner_tries t WHERE t.job_id = c.job_id
                   AND t.model_id = c.model_id AND t.runner = $2))
         THEN 1 ELSE 0 END",
    )
    .bind(job)
    .bind(runner)
    .bind(wall_us)
    .fetch_one(conn)
    .await?;
    Ok(row.try_get::<i64, _>(0)? != 0)
}

/// Keeps everybody else from lending or recording this job until the transaction ends.
pub(super) async fn hold(
    conn: &mut Conn,
    job: &str,
    runner: &str,
    until_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE runner_jobs SET lease_runner = $1, lease_until_us = $2 WHERE id = $3")
        .bind(runner)
        .bind(until_us)
        .bind(job)
        .execute(conn)
        .await?;
    Ok(())
}

/// Every model of a run with its loans, by model.
pub(super) async fn loans(
    conn: &mut Conn,
    job: &str,
    wall_us: i64,
) -> Result<Vec<Loan>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT m.model_id, m.artifact, m.class, m.status AS result, c.state, t.runner, t.role,
                t.until_us, t.answered_us, t.status
         FROM runner_job_models m
         LEFT JOIN runner_comparisons c ON c.job_id = m.job_id AND c.model_id = m.model_id
         LEFT JOIN runner_tries t ON t.job_id = m.job_id AND t.model_id = m.model_id
         WHERE m.job_id = $1 ORDER BY m.model_id, t.lent_us, t.runner LIMIT 40000",
    )
    .bind(job)
    .fetch_all(conn)
    .await?;
    let mut loans: Vec<Loan> = Vec::new();
    for row in &rows {
        let id: String = row.try_get("model_id")?;
        if loans
            .last()
            .is_none_or(|loan| loan.model.model.as_str() != id)
        {
            loans.push(loan(row, &id)?);
        }
        if let (Some(loan), Some(one)) = (loans.last_mut(), one_try(row, wall_us)?) {
            loan.tries.push(one);
        }
    }
    Ok(loans)
}

fn loan(row: &AnyRow, id: &str) -> Result<Loan, sqlx::Error> {
    let state: Option<String> = row.try_get("state")?;
    Ok(Loan {
        model: JobModel {
            model: id.parse().map_err(decode)?,
            artifact: row.try_get("artifact")?,
            class: Class::parse(&row.try_get::<String, _>("class")?),
        },
        has_result: !row.try_get::<String, _>("result")?.is_empty(),
        wanted: match state.as_deref() {
            Some("waiting") => Wanted::Two,
            Some("disputed") => Wanted::Three,
            _ => Wanted::One,
        },
        tries: Vec::new(),
    })
}

fn one_try(row: &AnyRow, wall_us: i64) -> Result<Option<Try>, sqlx::Error> {
    let Some(runner) = row.try_get::<Option<String>, _>("runner")? else {
        return Ok(None);
    };
    let answered_us: i64 = row.try_get("answered_us")?;
    let until_us: i64 = row.try_get("until_us")?;
    let status: String = row.try_get("status")?;
    Ok(Some(Try {
        runner,
        is_active: answered_us == 0 && until_us > wall_us,
        is_answered: answered_us != 0 && status != Status::PlatformError.name(),
        is_first: row.try_get::<String, _>("role")? == Role::First.name(),
    }))
}

pub(super) async fn insert_tries(
    conn: &mut Conn,
    job: &str,
    runner: &str,
    lent: &[(&ModelId, Role, i64)],
    wall_us: i64,
) -> Result<(), sqlx::Error> {
    for chunk in lent.chunks(CHUNK) {
        let rows: Vec<String> = (0..chunk.len())
            .map(|n| {
                let at = 3 * n + 4;
                let (model, role, until) = (at, at + 1, at + 2);
                format!("($1, ${model}, $2, ${role}, $3, ${until}, 0, 0, 0, '', '')")
            })
            .collect();
        let text = format!(
            "INSERT INTO runner_tries (job_id, model_id, runner, role, lent_us, until_us,
                 answered_us, is_missed, is_blamed, status, answer)
             VALUES {} ON CONFLICT DO NOTHING",
            rows.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(text))
            .bind(job)
            .bind(runner)
            .bind(wall_us);
        for (model, role, until_us) in chunk {
            query = query.bind(model.as_str()).bind(role.name()).bind(*until_us);
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

/// Models of a run that a runner was lent, and whether each has its answer, by model.
pub(super) async fn lent_to(
    conn: &mut Conn,
    job: &str,
    runner: &str,
) -> Result<Vec<(JobModel, bool)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT t.model_id, m.artifact, m.class, t.answered_us FROM runner_tries t
         JOIN runner_job_models m ON m.job_id = t.job_id AND m.model_id = t.model_id
         WHERE t.job_id = $1 AND t.runner = $2 ORDER BY t.model_id LIMIT 10000",
    )
    .bind(job)
    .bind(runner)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let model = JobModel {
                model: row
                    .try_get::<String, _>("model_id")?
                    .parse()
                    .map_err(decode)?,
                artifact: row.try_get("artifact")?,
                class: Class::parse(&row.try_get::<String, _>("class")?),
            };
            Ok((model, row.try_get::<i64, _>("answered_us")? != 0))
        })
        .collect()
}

pub(super) async fn open_try(
    conn: &mut Conn,
    job: &str,
    model: &ModelId,
    runner: &str,
) -> Result<Option<OpenTry>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT until_us, is_missed FROM runner_tries
         WHERE job_id = $1 AND model_id = $2 AND runner = $3 AND answered_us = 0",
    )
    .bind(job)
    .bind(model.as_str())
    .bind(runner)
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(OpenTry {
            until_us: row.try_get("until_us")?,
            is_missed: row.try_get::<i64, _>("is_missed")? != 0,
        })
    })
    .transpose()
}

/// What a runner answered, and whether it came too late or was no answer.
pub(super) struct Given<'a> {
    pub(super) status: Status,
    /// JSON.
    pub(super) p: &'a str,
    pub(super) is_missed: bool,
}

pub(super) async fn set_answer(
    conn: &mut Conn,
    (job, model, runner): (&str, &ModelId, &str),
    given: &Given<'_>,
    wall_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE runner_tries SET answered_us = $1, status = $2, answer = $3, is_missed = $4
         WHERE job_id = $5 AND model_id = $6 AND runner = $7 AND answered_us = 0",
    )
    .bind(wall_us)
    .bind(given.status.name())
    .bind(given.p)
    .bind(i64::from(given.is_missed))
    .bind(job)
    .bind(model.as_str())
    .bind(runner)
    .execute(conn)
    .await?;
    Ok(())
}

/// The answers for a model in the order of their arrival, with whether each was blamed before. Time
/// that ran out says more of the runner than of the model, and is no answer here.
pub(super) async fn answers(
    conn: &mut Conn,
    job: &str,
    model: &ModelId,
) -> Result<Vec<(Answer, bool)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT t.runner, t.status, t.answer, t.is_blamed,
                COALESCE(f.profile, 'cpu-v1') AS profile
         FROM runner_tries t LEFT JOIN runner_fleet f ON f.name = t.runner
         WHERE t.job_id = $1 AND t.model_id = $2 AND t.answered_us <> 0
           AND t.status NOT IN ('platform-error', 'limit-wall')
         ORDER BY t.answered_us, t.runner LIMIT 100",
    )
    .bind(job)
    .bind(model.as_str())
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let status: String = row.try_get("status")?;
            let p: String = row.try_get("answer")?;
            let answer = Answer {
                runner: row.try_get("runner")?,
                profile: row.try_get("profile")?,
                status: Status::parse(&status).ok_or_else(|| unknown("status", &status))?,
                p: serde_json::from_str(&p).map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
            };
            Ok((answer, row.try_get::<i64, _>("is_blamed")? != 0))
        })
        .collect()
}

pub(super) async fn blame(
    conn: &mut Conn,
    job: &str,
    model: &ModelId,
    runner: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE runner_tries SET is_blamed = 1
         WHERE job_id = $1 AND model_id = $2 AND runner = $3",
    )
    .bind(job)
    .bind(model.as_str())
    .bind(runner)
    .execute(conn)
    .await?;
    Ok(())
}

/// A decision of two runners replaces what one of them had said first.
pub(super) async fn replace_result(
    conn: &mut Conn,
    job: &str,
    model: &ModelId,
    status: Status,
    detail: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE runner_job_models SET status = $1, detail = $2
         WHERE job_id = $3 AND model_id = $4 AND status <> $1",
    )
    .bind(status.name())
    .bind(detail)
    .bind(job)
    .bind(model.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the leases of a runner that has started again.
pub(super) async fn end_leases(
    conn: &mut Conn,
    runner: &str,
    wall_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE runner_tries SET until_us = $1
         WHERE runner = $2 AND answered_us = 0 AND until_us > $1",
    )
    .bind(wall_us)
    .bind(runner)
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks the loans whose leases ended without an answer; gives the runner of each.
pub(super) async fn mark_missed(conn: &mut Conn, wall_us: i64) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(
        "UPDATE runner_tries SET is_missed = 1
         WHERE answered_us = 0 AND is_missed = 0 AND until_us <= $1 RETURNING runner",
    )
    .bind(wall_us)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Models of the sample that no second runner answered in time.
pub(super) async fn close_samples(conn: &mut Conn, market_us: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE runner_comparisons SET state = 'single' WHERE state = 'waiting'
           AND job_id IN (SELECT id FROM runner_jobs WHERE deadline_us <= $1)",
    )
    .bind(market_us)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether [`mark_missed`] or [`close_samples`] would write.
pub(super) async fn is_overdue(
    conn: &mut Conn,
    wall_us: i64,
    market_us: i64,
) -> Result<bool, sqlx::Error> {
    let row = sqlx::query(
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM runner_tries
             WHERE answered_us = 0 AND is_missed = 0 AND until_us <= $1)
           OR EXISTS (SELECT 1 FROM runner_comparisons c JOIN runner_jobs j ON j.id = c.job_id
             WHERE c.state = 'waiting' AND j.deadline_us <= $2)
         THEN 1 ELSE 0 END",
    )
    .bind(wall_us)
    .bind(market_us)
    .fetch_one(conn)
    .await?;
    Ok(row.try_get::<i64, _>(0)? != 0)
}

/// Whether the sample is new.
pub(super) async fn insert_sample(
    conn: &mut Conn,
    sample: &Sample,
    chosen: &[&ModelId],
    wall_us: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO runner_samples (job_id, seed, share_ppm, model_count, sample_count)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(&sample.job)
    .bind(&sample.seed)
    .bind(sample.share_ppm)
    .bind(sample.model_count)
    .bind(sample.sample_count)
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    for model in chosen {
        put_comparison(
            conn,
            &sample.job,
            model,
            &Comparison::new(ComparisonState::Waiting, wall_us),
        )
        .await?;
    }
    Ok(true)
}

/// The moment at which a comparison was found stays.
pub(super) async fn put_comparison(
    conn: &mut Conn,
    job: &str,
    model: &ModelId,
    made: &Comparison,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO runner_comparisons (job_id, model_id, state, runners, counted_runner, blamed,
             difference_e9, found_us, settled_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (job_id, model_id) DO UPDATE SET state = excluded.state,
             runners = excluded.runners, counted_runner = excluded.counted_runner,
             blamed = excluded.blamed, difference_e9 = excluded.difference_e9,
             settled_us = excluded.settled_us",
    )
    .bind(job)
    .bind(model.as_str())
    .bind(made.state.name())
    .bind(made.runners.join(", "))
    .bind(&made.counted_runner)
    .bind(made.blamed.join(", "))
    .bind(made.difference_e9)
    .bind(made.found_us)
    .bind(made.settled_us)
    .execute(conn)
    .await?;
    Ok(())
}
