//! What a tournament is made of: its timetable, its outcome rule and its stake rule.
//!
//! The operator writes these in one TOML file; the hash of the file stands in every round's record.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::{IdError, RoundId, TournamentId};
use crate::origin::Origin;
use crate::timestamp::SECOND_US;
use crate::token::TokenAmount;

/// A venue whose trades can be evidence. The name is the field's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Venue {
    /// Binance, quotes in USDT.
    Binance,
    /// Coinbase Exchange, quotes in USD.
    Coinbase,
    /// Kraken, quotes in USD.
    Kraken,
}

impl Venue {
    /// All venues, by name.
    pub const ALL: [Self; 3] = [Self::Binance, Self::Coinbase, Self::Kraken];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Binance => "binance",
            Self::Coinbase => "coinbase",
            Self::Kraken => "kraken",
        }
    }

    /// The venue of a stored name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|venue| venue.name() == text)
    }
}

/// When things happen, in seconds around T, the start of the interval (protocol.md §1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timetable {
    /// Length of the forecast interval.
    pub interval_s: i64,
    /// Opens for predictions this long before T.
    pub opens_before_s: i64,
    /// Features of hosted models are frozen this long before T.
    pub freeze_before_s: i64,
    /// The runner answers by this long before T.
    pub answer_before_s: i64,
    /// Predictions are refused from this long before T.
    pub deadline_before_s: i64,
    /// Predictions, stakes and aggregate are frozen at the latest this long before T.
    pub lock_before_s: i64,
    /// A round that is not proposed by this long after T is void.
    pub settle_by_s: i64,
    /// Evidence closes at the latest this long after the interval. Of venues always 300; a source
    /// may publish what it measured later than that.
    #[serde(
        default = "venues_evidence_s",
        skip_serializing_if = "is_venues_evidence"
    )]
    pub evidence_after_s: i64,
}

/// What protocol.md §1 says for venues.
const VENUES_EVIDENCE_S: i64 = 300;

fn venues_evidence_s() -> i64 {
    VENUES_EVIDENCE_S
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_venues_evidence(seconds: &i64) -> bool {
    *seconds == VENUES_EVIDENCE_S
}

/// How trades become an outcome (protocol.md §1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutcomeRule {
    /// Venues that must agree.
    pub quorum: usize,
    /// Instants sampled before each boundary, one second apart, the last at the boundary.
    pub samples: usize,
    /// Samples that a price needs.
    pub min_samples: usize,
    /// A trade older than this is no sample, seconds.
    pub max_age_s: i64,
    /// Venues further than this from the median return are dropped, basis points.
    pub outlier_bp: i64,
    /// Returns smaller than this are void, hundredths of a basis point.
    pub dead_band_centi_bp: i64,
}

impl Default for OutcomeRule {
    fn default() -> Self {
        Self {
            quorum: 2,
            samples: 10,
            min_samples: 8,
            max_age_s: 15,
            outlier_bp: 30,
            dead_band_centi_bp: 10,
        }
    }
}

/// What a round may put at risk (protocol.md §1 and §2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StakeRule {
    /// Reports are clamped to [a, 1 − a]; ppm.
    pub a_ppm: u32,
    /// Least stake at risk; under it a model is scored, not staked. Units of 1e-9 token.
    pub minimum: TokenAmount,
    /// Most that all models together risk in one round.
    pub round_cap: TokenAmount,
    /// What a model risks of its free stake when it names nothing, ppm.
    pub default_limit_ppm: u32,
    /// The most a model risks of its free stake before its owner raises it, ppm.
    pub default_cap_ppm: u32,
    /// N of the skill memory in rounds (protocol.md §4).
    pub skill_memory_rounds: i64,
}

/// One `direction` tournament.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tournament {
    /// Its id, part of every round id.
    pub id: TournamentId,
    /// What people read.
    pub name: String,
    /// Always `direction` here.
    pub kind: Kind,
    /// The asset whose price decides: `btc` or `eth`; of a source, what it measures.
    pub asset: String,
    /// Venues whose trades are evidence, or sources whose observations are.
    pub venues: Vec<Origin>,
    /// When things happen.
    pub timetable: Timetable,
    /// How trades become an outcome.
    #[serde(default)]
    pub outcome: OutcomeRule,
    /// What may be put at risk.
    pub stake: StakeRule,
}

/// The kind of a tournament.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Probability that a price rises over the next interval.
    Direction,
}

/// What is wrong with a tournament file.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("tournament {id}: {rule}")]
pub struct TournamentError {
    /// The tournament.
    pub id: TournamentId,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// A day: later evidence would hold stakes for too long.
const MOST_EVIDENCE_S: i64 = 86_400;
/// What the settler needs between the end of the evidence and the last moment to propose.
const LEAST_SETTLING_S: i64 = 300;

impl Timetable {
    fn problem(&self) -> Option<&'static str> {
        let times = [
            self.opens_before_s,
            self.freeze_before_s,
            self.answer_before_s,
        ];
        let later = [
            self.answer_before_s,
            self.deadline_before_s,
            self.lock_before_s,
        ];
        if self.interval_s < 60 || self.interval_s % 60 != 0 {
            return Some("timetable.interval_s must be a whole number of minutes, at least 60");
        }
        if !times.is_sorted_by(|a, b| a > b) || !later.is_sorted_by(|a, b| a > b) {
            return Some("timetable must have opens > freeze > answer > deadline > lock before T");
        }
        if self.lock_before_s <= 0 {
            return Some("timetable.lock_before_s must be above 0");
        }
        if !(1..=MOST_EVIDENCE_S).contains(&self.evidence_after_s) {
            return Some("timetable.evidence_after_s must be 1 to 86400");
        }
        if self.settle_by_s < self.interval_s + self.evidence_after_s + LEAST_SETTLING_S {
            return Some(
                "timetable.settle_by_s must be at least interval_s + evidence_after_s (300 when \
                 it is not named) + 300",
            );
        }
        None
    }
}

impl Tournament {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn check(&self) -> Result<(), TournamentError> {
        let stake = &self.stake;
        let venues = self
            .venues
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len();
        let named = self.venues.iter();
        let sources = named.filter(|origin| origin.source().is_some()).count();
        let problem = if let Some(rule) = self.timetable.problem() {
            Some(rule)
        } else if !(1..500_000).contains(&stake.a_ppm) {
            Some("stake.a_ppm must be above 0 and below 500000")
        } else if stake.default_limit_ppm > stake.default_cap_ppm
            || stake.default_cap_ppm > 1_000_000
        {
            Some("stake.default_limit_ppm <= stake.default_cap_ppm <= 1000000 must hold")
        } else if stake.minimum > stake.round_cap || stake.minimum == TokenAmount::ZERO {
            Some("0 < stake.minimum <= stake.round_cap must hold")
        } else if stake.skill_memory_rounds < 1 {
            Some("stake.skill_memory_rounds must be at least 1")
        } else if venues != self.venues.len()
            || self.outcome.quorum < 1
            || venues < self.outcome.quorum
        {
            Some("venues must be different and at least outcome.quorum of them")
        } else if sources > 0 && sources < venues {
            Some("venues must be venues alone or sources alone")
        } else if sources == 0 && self.timetable.evidence_after_s != VENUES_EVIDENCE_S {
            Some("timetable.evidence_after_s is for sources; evidence of venues ends after 300 s")
        } else if self.outcome.min_samples > self.outcome.samples || self.outcome.min_samples == 0 {
            Some("1 <= outcome.min_samples <= outcome.samples must hold")
        } else if self.name.trim().is_empty() || self.name.len() > 100 {
            Some("name must have 1 to 100 bytes")
        } else {
            None
        };
        problem.map_or(Ok(()), |rule| {
            Err(TournamentError {
                id: self.id.clone(),
                rule,
            })
        })
    }

    /// Whether sources are its evidence, not venues.
    #[must_use]
    pub fn is_of_sources(&self) -> bool {
        self.venues.iter().any(|origin| origin.source().is_some())
    }

    /// The round whose interval starts at `start_us`.
    ///
    /// # Errors
    /// When `start_us` is not a multiple of the interval.
    pub fn round(&self, start_us: i64) -> Result<RoundSchedule, IdError> {
        if start_us % (self.timetable.interval_s * SECOND_US) != 0 {
            return Err(IdError::Round(format!("{}-{start_us}us", self.id)));
        }
        let before = |seconds: i64| start_us - seconds * SECOND_US;
        let table = &self.timetable;
        Ok(RoundSchedule {
            id: RoundId::new(self.id.clone(), start_us)?,
            start_us,
            end_us: start_us + table.interval_s * SECOND_US,
            opens_us: before(table.opens_before_s),
            freeze_us: before(table.freeze_before_s),
            answer_us: before(table.answer_before_s),
            deadline_us: before(table.deadline_before_s),
            lock_us: before(table.lock_before_s),
            settle_by_us: start_us + table.settle_by_s * SECOND_US,
        })
    }

    /// Start of the first interval whose freeze is not before `now_us`.
    #[must_use]
    pub fn next_start_us(&self, now_us: i64) -> i64 {
        let interval = self.timetable.interval_s * SECOND_US;
        let earliest = now_us + self.timetable.freeze_before_s * SECOND_US;
        earliest.div_euclid(interval) * interval
            + if earliest.rem_euclid(interval) == 0 {
                0
            } else {
                interval
            }
    }
}

/// A round's moments, microseconds UTC on the market clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundSchedule {
    /// The round.
    pub id: RoundId,
    /// T.
    pub start_us: i64,
    /// End of the interval.
    pub end_us: i64,
    /// Predictions are taken from here.
    pub opens_us: i64,
    /// Features of hosted models are frozen.
    pub freeze_us: i64,
    /// The runner has answered.
    pub answer_us: i64,
    /// Predictions are refused from here.
    pub deadline_us: i64,
    /// Everything is frozen at the latest here.
    pub lock_us: i64,
    /// Not proposed by here: void.
    pub settle_by_us: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Tournament {
        Tournament {
            id: "btc-usd-5m".parse().expect("valid"),
            name: "Bitcoin".into(),
            kind: Kind::Direction,
            asset: "btc".into(),
            venues: Venue::ALL.map(Origin::from).to_vec(),
            timetable: Timetable {
                interval_s: 300,
                opens_before_s: 600,
                freeze_before_s: 40,
                answer_before_s: 20,
                deadline_before_s: 15,
                lock_before_s: 10,
                settle_by_s: 43_200,
                evidence_after_s: VENUES_EVIDENCE_S,
            },
            outcome: OutcomeRule::default(),
            stake: StakeRule {
                a_ppm: 350_000,
                minimum: TokenAmount::from_tokens("1").expect("valid"),
                round_cap: TokenAmount::from_tokens("100000").expect("valid"),
                default_limit_ppm: 5_000,
                default_cap_ppm: 20_000,
                skill_memory_rounds: 8_640,
            },
        }
    }

    #[test]
    fn a_good_file_passes_and_broken_ones_name_the_rule() {
        assert_eq!(example().check(), Ok(()));
        let mut late = example();
        late.timetable.deadline_before_s = 5;
        assert!(late.check().expect_err("order").rule.contains("deadline"));
        let mut twice = example();
        twice.venues = vec![Venue::Kraken.into(), Venue::Kraken.into()];
        assert!(twice.check().expect_err("venues").rule.contains("venues"));
    }

    #[test]
    fn sources_stand_alone_and_may_take_their_time() {
        let source: Origin = "source:berlin-temperature".parse().expect("an origin");
        let mut slow = example();
        slow.timetable.evidence_after_s = 900;
        let rule = slow.check().expect_err("venues do not").rule;
        assert!(rule.contains("is for sources"), "{rule}");
        slow.venues.push(source.clone());
        let rule = slow.check().expect_err("mixed").rule;
        assert!(rule.contains("sources alone"), "{rule}");
        slow.venues = vec![source];
        slow.outcome.quorum = 1;
        assert_eq!(slow.check(), Ok(()));
        slow.timetable.settle_by_s = 1_499;
        assert!(
            slow.check()
                .expect_err("too soon")
                .rule
                .contains("settle_by_s")
        );
    }

    #[test]
    fn the_next_round_is_one_that_can_still_freeze() {
        let t = example();
        let start = 1_709_640_000 * SECOND_US;
        assert_eq!(t.next_start_us(start - 40 * SECOND_US), start);
        assert_eq!(
            t.next_start_us(start - 39 * SECOND_US),
            start + 300 * SECOND_US
        );
        assert_eq!(
            t.round(start).expect("whole").deadline_us,
            start - 15 * SECOND_US
        );
        assert!(t.round(start + 60 * SECOND_US).is_err());
    }
}
