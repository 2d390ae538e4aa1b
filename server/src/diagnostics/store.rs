//! All SQL of `diagnostics`.

use domain::{ModelId, TournamentId};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Answered, DiagnosticError, Era, Finding, RIVAL_LIMIT, era};
use crate::db::Conn;
use crate::models::Model;

/// The newest attempt of a model.
pub(super) struct Newest {
    pub(super) dataset: String,
    pub(super) job: String,
    /// `queued`, `answered`, `done` or `failed`.
    pub(super) state: String,
    pub(super) reason: String,
}

pub(super) async fn insert(
    conn: &mut Conn,
    model: &Model,
    dataset: &str,
    job: &str,
    now_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO diagnostics (model_id, dataset, tournament_id, artifact, job_id, state, reason,
                                  answers, era_count, eras, report, queued_us, done_us)
         VALUES ($1, $2, $3, $4, $5, 'queued', '', $6, 0, $6, '', $7, 0) ON CONFLICT DO NOTHING",
    )
    .bind(model.id.as_str())
    .bind(dataset)
    .bind(model.tournament.as_str())
    .bind(&model.artifact)
    .bind(job)
    .bind(Vec::<u8>::new())
    .bind(now_us)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn is_known(
    conn: &mut Conn,
    model: &ModelId,
    dataset: &str,
) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("SELECT state FROM diagnostics WHERE model_id = $1 AND dataset = $2")
        .bind(model.as_str())
        .bind(dataset)
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// The first answer of a job stays.
pub(super) async fn set_answers(
    conn: &mut Conn,
    job: &str,
    answers: Vec<u8>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE diagnostics SET state = 'answered', answers = $1
         WHERE job_id = $2 AND state = 'queued'",
    )
    .bind(answers)
    .bind(job)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn set_failed_by_job(
    conn: &mut Conn,
    job: &str,
    reason: &str,
    now_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE diagnostics SET state = 'failed', reason = $1, done_us = $2
         WHERE job_id = $3 AND state = 'queued'",
    )
    .bind(reason)
    .bind(now_us)
    .bind(job)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn set_failed(
    conn: &mut Conn,
    model: &ModelId,
    dataset: &str,
    reason: &str,
    now_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE diagnostics SET state = 'failed', reason = $1, done_us = $2
         WHERE model_id = $3 AND dataset = $4 AND state = 'answered'",
    )
    .bind(reason)
    .bind(now_us)
    .bind(model.as_str())
    .bind(dataset)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn answered(
    conn: &mut Conn,
    limit: i64,
) -> Result<Vec<Answered>, DiagnosticError> {
    let rows = sqlx::query(
        "SELECT model_id, tournament_id, dataset, answers FROM diagnostics
         WHERE state = 'answered' ORDER BY queued_us, model_id LIMIT $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let one = |row: &AnyRow| {
        let (model, tournament): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let answers: Vec<u8> = row.try_get(3)?;
        let broken = |what| broken(what, &model);
        Ok(Answered {
            tournament: tournament.parse().map_err(|_| broken("tournament"))?,
            dataset: row.try_get(2)?,
            answers: era::decode_answers(&answers).ok_or_else(|| broken("answers"))?,
            model: model.parse().map_err(|_| broken("model"))?,
        })
    };
    rows.iter().map(one).collect()
}

pub(super) async fn set_eras(
    conn: &mut Conn,
    model: &ModelId,
    dataset: &str,
    count: i64,
    eras: Vec<u8>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE diagnostics SET era_count = $1, eras = $2 WHERE model_id = $3 AND dataset = $4",
    )
    .bind(count)
    .bind(eras)
    .bind(model.as_str())
    .bind(dataset)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn eras_of_tournament(
    conn: &mut Conn,
    tournament: &TournamentId,
) -> Result<Vec<(ModelId, Vec<Era>)>, DiagnosticError> {
    let rows = sqlx::query(
        "SELECT model_id, eras FROM diagnostics d WHERE tournament_id = $1 AND era_count > 0
           AND NOT EXISTS (SELECT 1 FROM diagnostics n WHERE n.model_id = d.model_id
                             AND n.era_count > 0 AND n.queued_us > d.queued_us)
         ORDER BY model_id LIMIT $2",
    )
    .bind(tournament.as_str())
    .bind(RIVAL_LIMIT)
    .fetch_all(conn)
    .await?;
    let one = |row: &AnyRow| {
        let (model, eras): (String, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        let eras = era::decode(&eras).ok_or_else(|| broken("eras", &model))?;
        Ok((model.parse().map_err(|_| broken("model", &model))?, eras))
    };
    rows.iter().map(one).collect()
}

pub(super) async fn set_report(
    conn: &mut Conn,
    model: &ModelId,
    dataset: &str,
    report: &str,
    now_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE diagnostics SET state = 'done', report = $1, answers = $2, done_us = $3
         WHERE model_id = $4 AND dataset = $5 AND state = 'answered'",
    )
    .bind(report)
    .bind(Vec::<u8>::new())
    .bind(now_us)
    .bind(model.as_str())
    .bind(dataset)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets the attempts of a model that are older than that over `dataset`.
pub(super) async fn forget_before(
    conn: &mut Conn,
    model: &ModelId,
    dataset: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM diagnostics WHERE model_id = $1 AND queued_us <
           (SELECT n.queued_us FROM diagnostics n WHERE n.model_id = $1 AND n.dataset = $2)",
    )
    .bind(model.as_str())
    .bind(dataset)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn newest(
    conn: &mut Conn,
    model: &ModelId,
) -> Result<Option<Newest>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT dataset, job_id, state, reason FROM diagnostics
         WHERE model_id = $1 ORDER BY queued_us DESC, dataset DESC LIMIT 1",
    )
    .bind(model.as_str())
    .fetch_optional(conn)
    .await?;
    let newest = |row: AnyRow| {
        Ok(Newest {
            dataset: row.try_get(0)?,
            job: row.try_get(1)?,
            state: row.try_get(2)?,
            reason: row.try_get(3)?,
        })
    };
    row.map(newest).transpose()
}

/// The newest report of a model.
pub(super) async fn finding(
    conn: &mut Conn,
    model: &ModelId,
) -> Result<Option<Finding>, DiagnosticError> {
    let row = sqlx::query(
        "SELECT dataset, artifact, done_us, report, eras FROM diagnostics
         WHERE model_id = $1 AND state = 'done' ORDER BY queued_us DESC, dataset DESC LIMIT 1",
    )
    .bind(model.as_str())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (report, eras): (String, Vec<u8>) = (row.try_get(3)?, row.try_get(4)?);
    let broken = |what| broken(what, model.as_str());
    Ok(Some(Finding {
        dataset: row.try_get(0)?,
        artifact: row.try_get(1)?,
        done_us: row.try_get(2)?,
        report: serde_json::from_str(&report).map_err(|_| broken("report"))?,
        eras: era::decode(&eras).ok_or_else(|| broken("eras"))?,
    }))
}

fn broken(what: &'static str, model: &str) -> DiagnosticError {
    DiagnosticError::Stored {
        what,
        model: model.to_owned(),
    }
}
