//! A tournament as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::rounds::Entered;

/// A tournament: its rules never change.
#[derive(Serialize, ToSchema)]
pub(super) struct TournamentBody {
    /// Its id, the beginning of its rounds' ids.
    id: String,
    /// What people read.
    name: String,
    /// Always `direction` here.
    kind: &'static str,
    /// The asset whose price decides; of a source, what it measures.
    asset: String,
    /// Venues whose trades are evidence, or sources (`source:` and the name) whose observations are.
    venues: Vec<String>,
    timetable: TimetableBody,
    outcome: OutcomeRuleBody,
    stake: StakeRuleBody,
    /// SHA-256 of the tournament's file; stands in every round's record.
    rule_hash: String,
    /// The contracts' name of the tournament: keccak256 of its id.
    chain_key: String,
}

/// Seconds around T, the start of a round's interval.
#[derive(Serialize, ToSchema)]
struct TimetableBody {
    interval_s: i64,
    opens_before_s: i64,
    freeze_before_s: i64,
    answer_before_s: i64,
    deadline_before_s: i64,
    lock_before_s: i64,
    settle_by_s: i64,
    /// Evidence closes at the latest this long after the interval; absent where venues are the
    /// evidence: 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence_after_s: Option<i64>,
}

/// How trades become an outcome.
#[derive(Serialize, ToSchema)]
struct OutcomeRuleBody {
    /// Venues that must agree.
    quorum: usize,
    /// Instants sampled before each boundary.
    samples: usize,
    /// Samples that a price needs.
    min_samples: usize,
    /// A trade older than this is no sample.
    max_age_s: i64,
    /// Venues further than this from the median return are dropped, basis points.
    outlier_bp: i64,
    /// Smaller returns are void, hundredths of a basis point.
    dead_band_centi_bp: i64,
}

/// What a round may put at risk. Amounts are decimal tokens.
#[derive(Serialize, ToSchema)]
struct StakeRuleBody {
    /// Reports are clamped to [a, 1 − a].
    a: f64,
    /// Under it a model is scored, not staked.
    minimum: String,
    /// The most that all models together risk in one round.
    round_cap: String,
    /// What a model risks of its free stake when it names nothing, 0 to 1.
    default_limit: f64,
    /// The most a model risks of its free stake before its owner raises it, 0 to 1.
    default_cap: f64,
    /// N of the skill memory.
    skill_memory_rounds: i64,
}

impl From<&Entered> for TournamentBody {
    fn from(entered: &Entered) -> Self {
        let t = &entered.tournament;
        let (table, rule, stake) = (&t.timetable, &t.outcome, &t.stake);
        let fraction = |ppm: u32| f64::from(ppm) / 1e6;
        Self {
            id: t.id.to_string(),
            name: t.name.clone(),
            kind: "direction",
            asset: t.asset.clone(),
            venues: t.venues.iter().map(|venue| venue.to_string()).collect(),
            timetable: TimetableBody {
                interval_s: table.interval_s,
                opens_before_s: table.opens_before_s,
                freeze_before_s: table.freeze_before_s,
                answer_before_s: table.answer_before_s,
                deadline_before_s: table.deadline_before_s,
                lock_before_s: table.lock_before_s,
                settle_by_s: table.settle_by_s,
                evidence_after_s: t.is_of_sources().then_some(table.evidence_after_s),
            },
            outcome: OutcomeRuleBody {
                quorum: rule.quorum,
                samples: rule.samples,
                min_samples: rule.min_samples,
                max_age_s: rule.max_age_s,
                outlier_bp: rule.outlier_bp,
                dead_band_centi_bp: rule.dead_band_centi_bp,
            },
            stake: StakeRuleBody {
                a: fraction(stake.a_ppm),
                minimum: stake.minimum.tokens(),
                round_cap: stake.round_cap.tokens(),
                default_limit: fraction(stake.default_limit_ppm),
                default_cap: fraction(stake.default_cap_ppm),
                skill_memory_rounds: stake.skill_memory_rounds,
            },
            rule_hash: entered.rule_hash.clone(),
            chain_key: entered.chain_key.clone(),
        }
    }
}
