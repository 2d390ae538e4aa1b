//! Answers of two runners compared: as values, and as pages and metrics read them.
//!
//! What an open round hides is not told: a comparison is listed when its round has locked.

use domain::{ModelId, RoundId};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::store::{decode, unknown};
use super::{RunnerError, sample};
use crate::db::Conn;

/// A round has locked this long after its hosted models had to answer, market microseconds.
const HIDDEN_US: i64 = 30_000_000;

/// Where a comparison stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonState {
    /// The second answer is awaited.
    Waiting,
    /// No second answer came in time.
    Single,
    /// The answers are the same within the tolerance.
    Agreed,
    /// Two differ; a third run is wanted, after the round if need be.
    Disputed,
    /// A majority said what is right.
    Settled,
    /// Three differ.
    Undecided,
}

const STATES: [(ComparisonState, &str); 6] = [
    (ComparisonState::Waiting, "waiting"),
    (ComparisonState::Single, "single"),
    (ComparisonState::Agreed, "agreed"),
    (ComparisonState::Disputed, "disputed"),
    (ComparisonState::Settled, "settled"),
    (ComparisonState::Undecided, "undecided"),
];

impl ComparisonState {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = STATES.iter().find(|(state, _)| *state == self);
        named.map_or("waiting", |(_, name)| name)
    }

    fn parse(text: &str) -> Option<Self> {
        let known = STATES.iter().find(|(_, name)| *name == text);
        known.map(|(state, _)| *state)
    }
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Where it stands.
    pub state: ComparisonState,
    /// Who answered, in the order of arrival.
    pub runners: Vec<String>,
    /// Whose answer counts.
    pub counted_runner: String,
    /// Who said something else than the majority.
    pub blamed: Vec<String>,
    /// The largest difference of two answers, 1e-9.
    pub difference_e9: i64,
    /// When it was first compared, wall microseconds.
    pub found_us: i64,
    /// When it was settled; 0: not yet.
    pub settled_us: i64,
}

impl Comparison {
    pub(super) fn new(state: ComparisonState, found_us: i64) -> Self {
        Self {
            state,
            runners: Vec::new(),
            counted_runner: String::new(),
            blamed: Vec::new(),
            difference_e9: 0,
            found_us,
            settled_us: 0,
        }
    }
}

/// A disagreement of runners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The round.
    pub round: RoundId,
    /// The model.
    pub model: ModelId,
    /// What was compared.
    pub comparison: Comparison,
}

/// How the models that run twice were chosen in one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The run.
    pub job: String,
    /// The seed, hexadecimal.
    pub seed: String,
    /// The share asked for, ppm.
    pub share_ppm: i64,
    /// Models of the run.
    pub model_count: i64,
    /// Of them run twice.
    pub sample_count: i64,
}

/// A sample as everybody may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSample {
    /// The round.
    pub round: RoundId,
    /// SHA-256 of the seed.
    pub commitment: String,
    /// The seed, once the round has locked.
    pub seed: Option<String>,
    /// The share asked for, ppm.
    pub share_ppm: i64,
    /// Models of the run.
    pub model_count: i64,
    /// Of them run twice.
    pub sample_count: i64,
}

/// Disagreements of locked rounds, newest first.
///
/// # Errors
/// Database errors.
pub async fn disagreements(
    conn: &mut Conn,
    market_us: i64,
    limit: i64,
) -> Result<Vec<Disagreement>, RunnerError> {
    let rows = sqlx::query(
        "SELECT j.round_id, c.model_id, c.state, c.runners, c.counted_runner, c.blamed,
                c.difference_e9, c.found_us, c.settled_us
         FROM runner_comparisons c JOIN runner_jobs j ON j.id = c.job_id
         WHERE c.state IN ('disputed', 'settled', 'undecided') AND j.deadline_us <= $1
         ORDER BY c.found_us DESC, c.job_id, c.model_id LIMIT $2",
    )
    .bind(market_us.saturating_sub(HIDDEN_US))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows.iter().map(disagreement).collect::<Result<_, _>>()?)
}

/// How many comparisons stand where.
///
/// # Errors
/// Database errors.
pub async fn counts(conn: &mut Conn) -> Result<Vec<(ComparisonState, i64)>, RunnerError> {
    let rows = sqlx::query(
        "SELECT state, CAST(count(*) AS BIGINT) FROM runner_comparisons GROUP BY state
         ORDER BY state",
    )
    .fetch_all(conn)
    .await?;
    let counted = rows.iter().map(|row| {
        let state: String = row.try_get(0)?;
        let parsed = ComparisonState::parse(&state).ok_or_else(|| unknown("state", &state))?;
        Ok((parsed, row.try_get(1)?))
    });
    Ok(counted.collect::<Result<_, sqlx::Error>>()?)
}

/// The latest samples, newest first.
///
/// # Errors
/// Database errors.
pub async fn samples(
    conn: &mut Conn,
    market_us: i64,
    limit: i64,
) -> Result<Vec<ShownSample>, RunnerError> {
    let rows = sqlx::query(
        "SELECT j.round_id, j.deadline_us, s.seed, s.share_ppm, s.model_count, s.sample_count
         FROM runner_samples s JOIN runner_jobs j ON j.id = s.job_id
         ORDER BY j.deadline_us DESC, s.job_id LIMIT $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let shown = rows.iter().map(|row| {
        let seed: String = row.try_get("seed")?;
        let deadline_us: i64 = row.try_get("deadline_us")?;
        Ok(ShownSample {
            round: row
                .try_get::<String, _>("round_id")?
                .parse()
                .map_err(decode)?,
            commitment: sample::commitment(&seed),
            seed: Some(seed).filter(|_| deadline_us <= market_us.saturating_sub(HIDDEN_US)),
            share_ppm: row.try_get("share_ppm")?,
            model_count: row.try_get("model_count")?,
            sample_count: row.try_get("sample_count")?,
        })
    });
    Ok(shown.collect::<Result<_, sqlx::Error>>()?)
}

fn disagreement(row: &AnyRow) -> Result<Disagreement, sqlx::Error> {
    let state: String = row.try_get("state")?;
    let names = |column: &str| -> Result<Vec<String>, sqlx::Error> {
        let text: String = row.try_get(column)?;
        let names = text.split(", ").filter(|name| !name.is_empty());
        Ok(names.map(str::to_owned).collect())
    };
    Ok(Disagreement {
        round: row
            .try_get::<String, _>("round_id")?
            .parse()
            .map_err(decode)?,
        model: row
            .try_get::<String, _>("model_id")?
            .parse()
            .map_err(decode)?,
        comparison: Comparison {
            state: ComparisonState::parse(&state).ok_or_else(|| unknown("state", &state))?,
            runners: names("runners")?,
            counted_runner: row.try_get("counted_runner")?,
            blamed: names("blamed")?,
            difference_e9: row.try_get("difference_e9")?,
            found_us: row.try_get("found_us")?,
            settled_us: row.try_get("settled_us")?,
        },
    })
}
