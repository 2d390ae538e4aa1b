//! All SQL of aggregates.

use std::ops::Range;

use domain::{Probability, RoundId, Score, TokenAmount, TournamentId};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Aggregate, AggregateError};
use crate::db::Conn;

/// Whether the row was written; false when the round has one already.
pub(super) async fn insert(conn: &mut Conn, a: &Aggregate) -> Result<bool, AggregateError> {
    let stake = i64::try_from(a.stake.units());
    let done = sqlx::query(
        "INSERT INTO aggregates (round_id, tournament_id, start_us, model_count, stake, pool_ppm, \
         calibrated_ppm, low_ppm, high_ppm, effective_n_milli, disagreement_ppm, \
         pooled_logit_e9, intercept_e9, slope_e9, generated_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (round_id) DO NOTHING",
    )
    .bind(a.round.to_string())
    .bind(a.round.tournament().as_str())
    .bind(a.round.start_us())
    .bind(a.model_count)
    .bind(stake.map_err(|_| broken("stake", a.stake.to_string()))?)
    .bind(i64::from(a.pool.ppm()))
    .bind(i64::from(a.calibrated.ppm()))
    .bind(i64::from(a.low.ppm()))
    .bind(i64::from(a.high.ppm()))
    .bind(a.effective_n_milli)
    .bind(i64::from(a.disagreement.ppm()))
    .bind(a.pooled_logit.units())
    .bind(a.intercept.units())
    .bind(a.slope.units())
    .bind(a.generated_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn of_round(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Option<Aggregate>, AggregateError> {
    let row = sqlx::query(
        "SELECT round_id, model_count, stake, pool_ppm, calibrated_ppm, low_ppm, high_ppm, \
         effective_n_milli, disagreement_ppm, pooled_logit_e9, intercept_e9, slope_e9, \
         generated_us FROM aggregates WHERE round_id = $1",
    )
    .bind(round.to_string())
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(aggregate).transpose()
}

/// The aggregates of rounds that start in `span`, oldest first.
pub(super) async fn of_rounds(
    conn: &mut Conn,
    tournament: &TournamentId,
    span: Range<i64>,
) -> Result<Vec<Aggregate>, AggregateError> {
    let rows = sqlx::query(
        "SELECT round_id, model_count, stake, pool_ppm, calibrated_ppm, low_ppm, high_ppm, \
         effective_n_milli, disagreement_ppm, pooled_logit_e9, intercept_e9, slope_e9, \
         generated_us FROM aggregates \
         WHERE tournament_id = $1 AND start_us >= $2 AND start_us < $3 ORDER BY start_us",
    )
    .bind(tournament.as_str())
    .bind(span.start)
    .bind(span.end)
    .fetch_all(conn)
    .await?;
    rows.iter().map(aggregate).collect()
}

/// Start and pooled logit of the rounds that start in `span`, oldest first.
pub(super) async fn pooled_logits(
    conn: &mut Conn,
    tournament: &TournamentId,
    span: Range<i64>,
) -> Result<Vec<(i64, Score)>, AggregateError> {
    let rows = sqlx::query(
        "SELECT start_us, pooled_logit_e9 FROM aggregates \
         WHERE tournament_id = $1 AND start_us >= $2 AND start_us < $3 ORDER BY start_us",
    )
    .bind(tournament.as_str())
    .bind(span.start)
    .bind(span.end)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, Score::from_units(row.try_get(1)?))))
        .collect()
}

fn aggregate(row: &AnyRow) -> Result<Aggregate, AggregateError> {
    let round: String = row.try_get(0)?;
    let stake: i64 = row.try_get(2)?;
    Ok(Aggregate {
        round: round.parse().map_err(|_| broken("round_id", round))?,
        model_count: row.try_get(1)?,
        stake: TokenAmount::from_stored(stake).map_err(|_| broken("stake", stake.to_string()))?,
        pool: probability(row.try_get(3)?)?,
        calibrated: probability(row.try_get(4)?)?,
        low: probability(row.try_get(5)?)?,
        high: probability(row.try_get(6)?)?,
        effective_n_milli: row.try_get(7)?,
        disagreement: probability(row.try_get(8)?)?,
        pooled_logit: Score::from_units(row.try_get(9)?),
        intercept: Score::from_units(row.try_get(10)?),
        slope: Score::from_units(row.try_get(11)?),
        generated_us: row.try_get(12)?,
    })
}

fn probability(ppm: i64) -> Result<Probability, AggregateError> {
    let p = u32::try_from(ppm)
        .ok()
        .and_then(|ppm| Probability::from_ppm(ppm).ok());
    p.ok_or_else(|| broken("probability", ppm.to_string()))
}

fn broken(what: &'static str, value: String) -> AggregateError {
    AggregateError::Stored { what, value }
}
