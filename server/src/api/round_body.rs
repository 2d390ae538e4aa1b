//! A round as the API shows it.

use domain::Outcome;
use domain::timestamp::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rounds::Round;

/// A round: its moments on the market clock and where it stands.
#[derive(Serialize, ToSchema)]
pub(super) struct RoundBody {
    /// `<tournament>-<start as 20240305T1200Z>`.
    id: String,
    tournament: String,
    /// `scheduled`, `open`, `locked`, `resolved`, `scored`, `settled` or `void`.
    state: &'static str,
    /// Why it is void, else null.
    void_reason: Option<String>,
    /// `up`, `down`, `void`, or null while it is not known.
    outcome: Option<&'static str>,
    /// Predictions are taken from here.
    opens_at: String,
    opens_us: i64,
    /// Predictions are refused from here, by the server's receive clock.
    deadline_at: String,
    deadline_us: i64,
    /// Sealed predictions are revealed before this; the round locks here at the latest.
    reveal_until_at: String,
    reveal_until_us: i64,
    /// T: the interval begins.
    starts_at: String,
    start_us: i64,
    /// The interval ends.
    ends_at: String,
    end_us: i64,
}

impl RoundBody {
    pub(super) fn new(round: &Round, outcome: Option<Outcome>) -> Self {
        let schedule = &round.schedule;
        let void_reason = (!round.void_reason.is_empty()).then(|| round.void_reason.clone());
        Self {
            id: round.id.to_string(),
            tournament: round.id.tournament().to_string(),
            state: round.state.shown().name(),
            void_reason,
            outcome: outcome.map(Outcome::name),
            opens_at: rfc3339(schedule.opens_us),
            opens_us: schedule.opens_us,
            deadline_at: rfc3339(schedule.deadline_us),
            deadline_us: schedule.deadline_us,
            reveal_until_at: rfc3339(schedule.lock_us),
            reveal_until_us: schedule.lock_us,
            starts_at: rfc3339(schedule.start_us),
            start_us: schedule.start_us,
            ends_at: rfc3339(schedule.end_us),
            end_us: schedule.end_us,
        }
    }
}

/// Whether anybody may see what others predicted. Never before the outcome; of a void round, which
/// has none, not before its interval has passed.
pub(super) fn is_revealed(round: &Round, now_us: i64) -> bool {
    round.is_revealed(now_us)
}
