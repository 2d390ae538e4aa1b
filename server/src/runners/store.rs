//! All SQL of `runners`, `feature_blocks`, `runner_jobs` and `runner_job_models`.

use domain::{ModelId, RoundId};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Class, Features, JobKind, JobModel, ModelResult, NewJob, Runner, Status};
use crate::db::Conn;
use crate::models::Model;

/// Rows in one insert, three values each.
const CHUNK: usize = 200;

const JOB: &str = "SELECT j.id, j.kind, j.round_id, j.deadline_us, j.lease_until_us, j.done_us,
                          f.digest, f.row_count, f.column_count
                   FROM runner_jobs j JOIN feature_blocks f ON f.digest = j.features";

/// A job without its models.
pub(super) struct OpenJob {
    pub(super) id: String,
    pub(super) kind: JobKind,
    pub(super) round: Option<RoundId>,
    pub(super) deadline_us: i64,
    pub(super) features: Features,
}

pub(super) struct JobRow {
    pub(super) open: OpenJob,
    /// 0: never lent.
    pub(super) lease_until_us: i64,
    pub(super) done_us: i64,
}

pub(super) async fn insert_features(
    conn: &mut Conn,
    block: &Features,
    bytes: Vec<u8>,
    now_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO feature_blocks (digest, row_count, column_count, bytes, created_us)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(&block.digest)
    .bind(block.rows)
    .bind(block.columns)
    .bind(bytes)
    .bind(now_us)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn feature_bytes(
    conn: &mut Conn,
    digest: &str,
) -> Result<Option<Vec<u8>>, sqlx::Error> {
    let row = sqlx::query("SELECT bytes FROM feature_blocks WHERE digest = $1")
        .bind(digest)
        .fetch_optional(conn)
        .await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// Whether the job is new.
pub(super) async fn insert_job(
    conn: &mut Conn,
    job: &NewJob,
    now_us: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO runner_jobs (id, kind, round_id, features, deadline_us, lease_runner,
                                  lease_until_us, done_us, created_us)
         VALUES ($1, $2, $3, $4, $5, '', 0, 0, $6) ON CONFLICT DO NOTHING",
    )
    .bind(&job.id)
    .bind(job.kind.name())
    .bind(&job.round)
    .bind(&job.features)
    .bind(job.deadline_us)
    .bind(now_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn insert_models(
    conn: &mut Conn,
    job: &str,
    models: &[Model],
) -> Result<(), sqlx::Error> {
    for chunk in models.chunks(CHUNK) {
        let rows: Vec<String> = (0..chunk.len())
            .map(|n| {
                let at = 3 * n + 2;
                let (model, artifact, class) = (at, at + 1, at + 2);
                format!("($1, ${model}, ${artifact}, ${class}, '', '', 0, 0)")
            })
            .collect();
        let text = format!(
            "INSERT INTO runner_job_models (job_id, model_id, artifact, class, status, detail,
                                            cpu_ms, wall_ms)
             VALUES {}",
            rows.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(text)).bind(job);
        for model in chunk {
            let class = super::runs::class_of(model).name();
            query = query
                .bind(model.id.as_str())
                .bind(&model.artifact)
                .bind(class);
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

/// The most urgent job that nobody holds and that can still be answered.
pub(super) async fn open_job(
    conn: &mut Conn,
    wall_us: i64,
    market_us: i64,
) -> Result<Option<OpenJob>, sqlx::Error> {
    let text = format!(
        "{JOB} WHERE j.done_us = 0 AND j.deadline_us > $1 AND j.lease_until_us <= $2
           AND j.kind <> 'run'
         ORDER BY j.deadline_us, j.created_us, j.id LIMIT 1"
    );
    let row = sqlx::query(AssertSqlSafe(text))
        .bind(market_us)
        .bind(wall_us)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(open).transpose()
}

pub(super) async fn job(conn: &mut Conn, id: &str) -> Result<Option<JobRow>, sqlx::Error> {
    let row = sqlx::query(AssertSqlSafe(format!("{JOB} WHERE j.id = $1")))
        .bind(id)
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(JobRow {
        open: open(&row)?,
        lease_until_us: row.try_get("lease_until_us")?,
        done_us: row.try_get("done_us")?,
    }))
}

/// Whether the lease was to be had; the condition is checked again by the write itself.
pub(super) async fn lease(
    conn: &mut Conn,
    job: &str,
    runner: &str,
    until_us: i64,
    wall_us: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE runner_jobs SET lease_runner = $1, lease_until_us = $2
         WHERE id = $3 AND done_us = 0 AND lease_until_us <= $4",
    )
    .bind(runner)
    .bind(until_us)
    .bind(job)
    .bind(wall_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes the lease away and lets nobody have it before `until_us`.
pub(super) async fn postpone(conn: &mut Conn, job: &str, until_us: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE runner_jobs SET lease_runner = '', lease_until_us = $1 WHERE id = $2")
        .bind(until_us)
        .bind(job)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn pending(conn: &mut Conn, job: &str) -> Result<Vec<JobModel>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT model_id, artifact, class FROM runner_job_models
         WHERE job_id = $1 AND status = '' ORDER BY model_id LIMIT 10000",
    )
    .bind(job)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(JobModel {
                model: row
                    .try_get::<String, _>("model_id")?
                    .parse()
                    .map_err(decode)?,
                artifact: row.try_get("artifact")?,
                class: Class::parse(&row.try_get::<String, _>("class")?),
            })
        })
        .collect()
}

/// Models that have a result.
pub(super) async fn answered(conn: &mut Conn, job: &str) -> Result<Vec<ModelId>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT model_id FROM runner_job_models
         WHERE job_id = $1 AND status <> '' ORDER BY model_id LIMIT 10000",
    )
    .bind(job)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| row.try_get::<String, _>(0)?.parse().map_err(decode))
        .collect()
}

/// The first result of a model stays.
pub(super) async fn set_result(
    conn: &mut Conn,
    job: &str,
    result: &ModelResult,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE runner_job_models SET status = $1, detail = $2, cpu_ms = $3, wall_ms = $4
         WHERE job_id = $5 AND model_id = $6 AND status = ''",
    )
    .bind(result.status.name())
    .bind(&result.detail)
    .bind(result.cpu_ms)
    .bind(result.wall_ms)
    .bind(job)
    .bind(result.model.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn end_when_complete(
    conn: &mut Conn,
    job: &str,
    now_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE runner_jobs SET done_us = $1
         WHERE id = $2 AND done_us = 0
           AND NOT EXISTS (SELECT 1 FROM runner_job_models WHERE job_id = $2 AND status = '')",
    )
    .bind(now_us)
    .bind(job)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn results(conn: &mut Conn, job: &str) -> Result<Vec<ModelResult>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT model_id, status, detail, cpu_ms, wall_ms FROM runner_job_models
         WHERE job_id = $1 AND status <> '' ORDER BY model_id LIMIT 10000",
    )
    .bind(job)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let status: String = row.try_get("status")?;
            Ok(ModelResult {
                model: row
                    .try_get::<String, _>("model_id")?
                    .parse()
                    .map_err(decode)?,
                status: Status::parse(&status).ok_or_else(|| unknown("status", &status))?,
                detail: row.try_get("detail")?,
                cpu_ms: row.try_get("cpu_ms")?,
                wall_ms: row.try_get("wall_ms")?,
            })
        })
        .collect()
}

pub(super) async fn runner(
    conn: &mut Conn,
    name: &str,
) -> Result<Option<(Runner, i64)>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT name, account_id, version, runtime, sandbox, seen_us FROM runners WHERE name = $1",
    )
    .bind(name)
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(seen).transpose()
}

pub(super) async fn runners(conn: &mut Conn) -> Result<Vec<(Runner, i64)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT name, account_id, version, runtime, sandbox, seen_us FROM runners
         ORDER BY name LIMIT 1000",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(seen).collect()
}

/// The account of a name never changes.
pub(super) async fn put_runner(
    conn: &mut Conn,
    runner: &Runner,
    seen_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO runners (name, account_id, version, runtime, sandbox, seen_us)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (name) DO UPDATE SET version = excluded.version, runtime = excluded.runtime,
             sandbox = excluded.sandbox, seen_us = excluded.seen_us",
    )
    .bind(&runner.name)
    .bind(runner.account.as_str())
    .bind(&runner.version)
    .bind(&runner.runtime)
    .bind(&runner.sandbox)
    .bind(seen_us)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) fn open(row: &AnyRow) -> Result<OpenJob, sqlx::Error> {
    let kind: String = row.try_get("kind")?;
    let round: String = row.try_get("round_id")?;
    let round = if round.is_empty() {
        None
    } else {
        Some(round.parse().map_err(decode)?)
    };
    Ok(OpenJob {
        id: row.try_get("id")?,
        kind: JobKind::parse(&kind).ok_or_else(|| unknown("kind", &kind))?,
        round,
        deadline_us: row.try_get("deadline_us")?,
        features: Features {
            digest: row.try_get("digest")?,
            rows: row.try_get("row_count")?,
            columns: row.try_get("column_count")?,
        },
    })
}

pub(super) fn seen(row: &AnyRow) -> Result<(Runner, i64), sqlx::Error> {
    let runner = Runner {
        name: row.try_get("name")?,
        account: row
            .try_get::<String, _>("account_id")?
            .parse()
            .map_err(decode)?,
        version: row.try_get("version")?,
        runtime: row.try_get("runtime")?,
        sandbox: row.try_get("sandbox")?,
    };
    Ok((runner, row.try_get("seen_us")?))
}

pub(super) fn decode(error: domain::IdError) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

pub(super) fn unknown(column: &str, text: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("runner_jobs.{column} is {text:?}").into())
}
