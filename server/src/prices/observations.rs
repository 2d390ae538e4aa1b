//! Observations of sources: kept as receipts, and closed as the evidence of a round.
//!
//! Owns the table source_receipts. The first value that was received for a moment counts for ever;
//! must never let a later one, or one received after the evidence closed, decide anything.

use domain::timestamp::SECOND_US;
use domain::{Origin, Price, SourceId, Tournament};

use super::evidence::{self, LeftOut, Record, Trade};
use super::receipt::{Reading, Receipt};
use super::{Evidence, PriceError, resolve, store};
use crate::db::{Conn, Db};
use crate::rounds::Round;

/// Other values that are kept for one moment at most: a source that flaps fills no disk.
const MOST_REVISIONS: i64 = 16;
/// Receipts of one source around one boundary at most, the newest.
const MOST_RECEIPTS: i64 = 2_000;
/// How soon to look again while the source has not reached the end of the interval.
const LOOK_AGAIN_US: i64 = 5 * SECOND_US;
const LEVEL: i32 = 3;

/// One value that a source stated for one moment, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The source.
    pub source: SourceId,
    /// The moment, by the source.
    pub observed_us: i64,
    /// When it was received, on the market clock.
    pub fetched_us: i64,
    /// The value with the shift.
    pub price: Price,
    /// The value as the source wrote it, without an exponent.
    pub value: String,
    /// How it was read.
    pub reading: Reading,
    /// HTTP status of the answer.
    pub status: u16,
    /// SHA-256 of the body, hex.
    pub sha256: String,
}

/// An observation that is kept; revision 0 is the first for its moment, the one that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How many other values were kept for the moment before.
    pub revision: i64,
    /// What was kept.
    pub observation: Observation,
}

impl Stored {
    fn trade(&self) -> Trade {
        let observation = &self.observation;
        Trade {
            venue: Origin::Source(observation.source.clone()),
            trade_id: observation.observed_us,
            price: observation.price,
            venue_time_us: observation.observed_us,
            receive_time_us: observation.fetched_us,
        }
    }

    fn receipt(self) -> Receipt {
        let observation = self.observation;
        Receipt {
            venue: Origin::Source(observation.source),
            trade_id: observation.observed_us,
            is_revision: self.revision > 0,
            reading: observation.reading,
            value: observation.value,
            fetched_us: observation.fetched_us,
            status: observation.status,
            sha256: observation.sha256,
        }
    }
}

/// What an answer added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The first value for its moment.
    First,
    /// Another value for a moment that had one. It decides nothing.
    Revision,
    /// What is known already.
    Nothing,
    /// Yet another value for a moment that has had too many: not kept.
    TooMany,
}

/// Keeps an observation and its body when it tells something new.
///
/// # Errors
/// Database errors; then nothing is kept.
pub async fn keep(db: &Db, observation: &Observation, body: &[u8]) -> Result<Kept, PriceError> {
    let mut tx = db.begin().await?;
    let (source, observed_us) = (&observation.source, observation.observed_us);
    let last = store::sources::last_revision(&mut tx, source, observed_us).await?;
    let revision = match last {
        None => 0,
        Some(last) if last.observation.price == observation.price => return Ok(Kept::Nothing),
        Some(last) if last.revision >= MOST_REVISIONS => return Ok(Kept::TooMany),
        Some(last) => last.revision + 1,
    };
    let body_zstd = zstd::encode_all(body, LEVEL).map_err(PriceError::Body)?;
    let is_new = store::sources::insert(&mut tx, observation, revision, &body_zstd).await?;
    tx.commit().await?;
    Ok(match (is_new, revision) {
        (false, _) => Kept::Nothing,
        (true, 0) => Kept::First,
        (true, _) => Kept::Revision,
    })
}

/// Closes the evidence of a round: as soon as every source has told of the end of the interval or
/// of a later moment, at the latest when the timetable says so.
pub(super) async fn close_evidence(
    conn: &mut Conn,
    now_us: i64,
    round: &Round,
    tournament: &Tournament,
) -> Result<Evidence, PriceError> {
    let boundaries = [round.schedule.start_us, round.schedule.end_us];
    let [t0_us, t1_us] = boundaries;
    let last_us = t1_us.saturating_add(tournament.timetable.evidence_after_s * SECOND_US);
    let sources: Vec<&SourceId> = tournament.venues.iter().flat_map(Origin::source).collect();
    let mut reached_us = Some(t1_us);
    for source in &sources {
        let reached = store::sources::first_reached(conn, source, t1_us).await?;
        reached_us = reached_us.zip(reached).map(|(a, b)| a.max(b));
    }
    let closed_us = reached_us.map_or(last_us, |reached_us| reached_us.min(last_us));
    if now_us < closed_us {
        let look_again_us = now_us.max(t1_us).saturating_add(LOOK_AGAIN_US).min(last_us);
        return Ok(Evidence::NotYet { look_again_us });
    }
    let mut trades = Vec::new();
    let mut receipts = Vec::new();
    let mut left_out = Vec::new();
    for source in sources {
        let mut known = Vec::new();
        for t_us in boundaries {
            let from_us = t_us.saturating_sub(evidence::reach_us(&tournament.outcome));
            let span = (from_us, t_us);
            let found =
                store::sources::received(conn, source, span, closed_us, MOST_RECEIPTS).await?;
            known.extend(found);
        }
        left_out.extend(why_left_out(source, &known));
        let first = known.iter().filter(|stored| stored.revision == 0);
        trades.extend(first.map(Stored::trade));
        receipts.extend(known.into_iter().map(Stored::receipt));
    }
    let record =
        Record::new(&tournament.outcome, (t0_us, t1_us), trades, left_out).with_receipts(receipts);
    Ok(Evidence::Closed(Box::new(resolve(&record, now_us)?)))
}

/// A source that told nothing is named, so that the evidence shows whose silence it was; one that
/// was read in two ways gives two numbers that cannot be compared.
fn why_left_out(source: &SourceId, known: &[Stored]) -> Option<LeftOut> {
    let mut readings = known.iter().map(|stored| &stored.observation.reading);
    let reason = match readings.next() {
        None => "no observation received before the evidence closed",
        Some(first) if readings.any(|other| other != first) => {
            "the source's description changed within the round"
        }
        Some(_) => return None,
    };
    Some(LeftOut {
        venue: Origin::Source(source.clone()),
        reason: reason.to_owned(),
    })
}

/// The newest moment that a source stated a value for, of those received by `now_us`.
///
/// # Errors
/// Database errors, broken rows.
pub async fn newest(
    conn: &mut Conn,
    source: &SourceId,
    now_us: i64,
) -> Result<Option<Observation>, PriceError> {
    let span = (i64::MIN, i64::MAX);
    let found = store::sources::received(conn, source, span, now_us, 1).await?;
    Ok(found.into_iter().next().map(|stored| stored.observation))
}

/// Times since `from_us` in which a source that states a value every `every_us` stated none: from
/// the moment before to the moment after, or to none while it goes on. Oldest first.
///
/// # Errors
/// Database errors.
pub async fn gaps(
    conn: &mut Conn,
    source: &SourceId,
    (from_us, now_us): (i64, i64),
    (every_us, stale_us): (i64, i64),
) -> Result<Vec<(i64, Option<i64>)>, PriceError> {
    let moments = store::sources::moments(conn, source, (from_us, now_us)).await?;
    let pairs = moments.iter().zip(moments.iter().skip(1));
    let mut gaps: Vec<(i64, Option<i64>)> = pairs
        .filter(|(before, after)| **after - **before > every_us)
        .map(|(before, after)| (*before, Some(*after)))
        .collect();
    let open = moments.last().filter(|last| now_us - **last > stale_us);
    gaps.extend(open.map(|last| (*last, None)));
    Ok(gaps)
}

/// The body that a receipt names.
///
/// # Errors
/// Database errors, a body that is not what was stored.
pub async fn body(conn: &mut Conn, sha256: &str) -> Result<Option<Vec<u8>>, PriceError> {
    let Some(compressed) = store::sources::body(conn, sha256).await? else {
        return Ok(None);
    };
    let body = zstd::decode_all(compressed.as_slice()).map_err(PriceError::Body)?;
    Ok(Some(body))
}
