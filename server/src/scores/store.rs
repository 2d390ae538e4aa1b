//! All SQL of scores and skills.

use std::collections::{BTreeMap, HashMap};

use domain::{ModelId, Probability, RoundId, Score, TournamentId};
use scorer::skill::Multiplier;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::{Row, ScoreError, Skill};
use crate::db::{Conn, placeholders, questions, wanted_pairs};

/// Rows of one statement; twelve columns each stay far under SQLite's 32,766 placeholders.
const ROWS_PER_STATEMENT: usize = 500;
/// What stands for "no crowd" where a probability would be.
const NO_CROWD: i64 = -1;

const INSERT: &str = "INSERT INTO scores (round_id, model_id, tournament_id, start_us, \
    counted_ppm, crowd_ppm, brier, log, correct, skill_half, skill_persistence, skill_crowd) VALUES ";

/// Inserts scores; one that is there already is an error and nothing may be committed.
pub(super) async fn insert(conn: &mut Conn, rows: &[Row]) -> Result<(), sqlx::Error> {
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let text = format!("{INSERT}{}", placeholders(chunk.len(), 12));
        let mut query = sqlx::query(AssertSqlSafe(text));
        for row in chunk {
            query = query
                .bind(row.round.to_string())
                .bind(row.model.as_str())
                .bind(row.round.tournament().as_str())
                .bind(row.start_us)
                .bind(i64::from(row.counted.ppm()))
                .bind(row.crowd.map_or(NO_CROWD, |crowd| i64::from(crowd.ppm())))
                .bind(row.brier.units())
                .bind(row.log.units())
                .bind(i64::from(row.correct))
                .bind(row.skill_half.units())
                .bind(row.skill_persistence.units())
                .bind(row.skill_crowd.map_or(0, Score::units));
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

pub(super) async fn of_round(conn: &mut Conn, round: &RoundId) -> Result<Vec<Row>, ScoreError> {
    let rows = sqlx::query(
        "SELECT round_id, model_id, counted_ppm, crowd_ppm, brier, log, correct, skill_half, \
         skill_persistence, skill_crowd FROM scores WHERE round_id = $1",
    )
    .bind(round.to_string())
    .fetch_all(conn)
    .await?;
    let mut rows: Vec<Row> = rows.iter().map(row).collect::<Result<_, _>>()?;
    // Sorted here: databases differ in how they order text.
    rows.sort_by(|a, b| a.model.cmp(&b.model));
    Ok(rows)
}

pub(super) async fn of_pairs(
    conn: &mut Conn,
    pairs: &[(RoundId, ModelId)],
) -> Result<HashMap<(RoundId, ModelId), Row>, ScoreError> {
    let mut found = HashMap::with_capacity(pairs.len());
    for chunk in questions(pairs) {
        let text = format!(
            "SELECT round_id, model_id, counted_ppm, crowd_ppm, brier, log, correct, skill_half, \
             skill_persistence, skill_crowd FROM {} CROSS JOIN scores \
             WHERE round_id = wanted.column1 AND model_id = wanted.column2",
            wanted_pairs(chunk.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for (round, model) in chunk {
            query = query.bind(round.to_string()).bind(model.as_str());
        }
        for one in query.fetch_all(&mut *conn).await? {
            let row = row(&one)?;
            found.insert((row.round.clone(), row.model.clone()), row);
        }
    }
    Ok(found)
}

pub(super) async fn of_model(
    conn: &mut Conn,
    model: &ModelId,
    limit: i64,
) -> Result<Vec<Row>, ScoreError> {
    let rows = sqlx::query(
        "SELECT round_id, model_id, counted_ppm, crowd_ppm, brier, log, correct, skill_half, \
         skill_persistence, skill_crowd FROM scores WHERE model_id = $1 \
         ORDER BY start_us DESC LIMIT $2",
    )
    .bind(model.as_str())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().rev().map(row).collect()
}

/// The scores of a tournament's last `rounds` scored rounds, grouped by model, in time order.
pub(super) async fn recent(
    conn: &mut Conn,
    tournament: &TournamentId,
    rounds: i64,
) -> Result<Vec<Row>, ScoreError> {
    let oldest: Option<i64> = sqlx::query(
        "SELECT MIN(start_us) FROM (SELECT DISTINCT start_us FROM scores \
         WHERE tournament_id = $1 ORDER BY start_us DESC LIMIT $2) AS latest",
    )
    .bind(tournament.as_str())
    .bind(rounds)
    .fetch_one(&mut *conn)
    .await?
    .try_get(0)?;
    let Some(oldest_us) = oldest else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query(
        "SELECT round_id, model_id, counted_ppm, crowd_ppm, brier, log, correct, skill_half, \
         skill_persistence, skill_crowd FROM scores \
         WHERE tournament_id = $1 AND start_us >= $2 ORDER BY model_id, start_us",
    )
    .bind(tournament.as_str())
    .bind(oldest_us)
    .fetch_all(conn)
    .await?;
    rows.iter().map(row).collect()
}

pub(super) async fn skills(
    conn: &mut Conn,
    models: &[&ModelId],
) -> Result<BTreeMap<ModelId, Skill>, ScoreError> {
    let mut found = BTreeMap::new();
    for chunk in models.chunks(ROWS_PER_STATEMENT) {
        let text = format!(
            "SELECT model_id, e_half, e_reference, v, m_ppm, staked_rounds FROM skills \
             WHERE model_id IN {}",
            placeholders(1, chunk.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for model in chunk {
            query = query.bind(model.as_str());
        }
        for row in query.fetch_all(&mut *conn).await? {
            found.insert(model(&row, 0)?, skill(&row)?);
        }
    }
    Ok(found)
}

pub(super) async fn set_skills(
    conn: &mut Conn,
    skills: &[(ModelId, Skill)],
) -> Result<(), sqlx::Error> {
    for chunk in skills.chunks(ROWS_PER_STATEMENT) {
        let text = format!(
            "INSERT INTO skills (model_id, e_half, e_reference, v, m_ppm, staked_rounds) \
             VALUES {} ON CONFLICT (model_id) DO UPDATE SET e_half = excluded.e_half, \
             e_reference = excluded.e_reference, v = excluded.v, m_ppm = excluded.m_ppm, \
             staked_rounds = excluded.staked_rounds",
            placeholders(chunk.len(), 6)
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for (model, skill) in chunk {
            query = query
                .bind(model.as_str())
                .bind(skill.memory.e_half)
                .bind(skill.memory.e_reference)
                .bind(format!("{:039}", skill.memory.stake_sum))
                .bind(i64::from(skill.multiplier.ppm()))
                .bind(skill.staked_rounds);
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

fn row(row: &AnyRow) -> Result<Row, ScoreError> {
    let round: String = row.try_get(0)?;
    let round: RoundId = round.parse().map_err(|_| broken("round_id", round))?;
    let crowd_ppm: i64 = row.try_get(3)?;
    let has_crowd = crowd_ppm != NO_CROWD;
    let score = |at: usize| Ok::<_, ScoreError>(Score::from_units(row.try_get(at)?));
    Ok(Row {
        model: model(row, 1)?,
        start_us: round.start_us(),
        round,
        counted: probability(row.try_get(2)?)?,
        crowd: has_crowd.then(|| probability(crowd_ppm)).transpose()?,
        brier: score(4)?,
        log: score(5)?,
        correct: row.try_get::<i64, _>(6)? == 1,
        skill_half: score(7)?,
        skill_persistence: score(8)?,
        skill_crowd: has_crowd.then(|| score(9)).transpose()?,
    })
}

fn skill(row: &AnyRow) -> Result<Skill, ScoreError> {
    let stake_sum: String = row.try_get(3)?;
    let m_ppm: i64 = row.try_get(4)?;
    let multiplier = u32::try_from(m_ppm)
        .ok()
        .and_then(|ppm| Multiplier::from_ppm(ppm).ok());
    Ok(Skill {
        memory: scorer::skill::Skill {
            e_half: row.try_get(1)?,
            e_reference: row.try_get(2)?,
            stake_sum: stake_sum.parse().map_err(|_| broken("v", stake_sum))?,
        },
        multiplier: multiplier.ok_or_else(|| broken("m_ppm", m_ppm.to_string()))?,
        staked_rounds: row.try_get(5)?,
    })
}

fn model(row: &AnyRow, at: usize) -> Result<ModelId, ScoreError> {
    let text: String = row.try_get(at)?;
    text.parse().map_err(|_| broken("model_id", text))
}

fn probability(ppm: i64) -> Result<Probability, ScoreError> {
    let p = u32::try_from(ppm)
        .ok()
        .and_then(|ppm| Probability::from_ppm(ppm).ok());
    p.ok_or_else(|| broken("probability", ppm.to_string()))
}

fn broken(what: &'static str, value: String) -> ScoreError {
    ScoreError::Stored { what, value }
}
