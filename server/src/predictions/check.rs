//! Whether a prediction may count. Pure: over what its group has read.

use domain::{Probability, RoundState};

use super::{PredictionError, Submission};
use crate::models::{ModelError, ModelState, Standing};
use crate::rounds::{RoundError, Ruled};

/// What a prediction that may count needs to be stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    /// The probability, clamped to [a, 1 − a]; none while it is sealed.
    pub(super) counted: Option<Probability>,
    /// The round's deadline, market microseconds.
    pub(super) deadline_us: i64,
    /// The moment when the round locks at the latest, market microseconds.
    pub(super) lock_us: i64,
}

/// Every reason not to count it, in the order in which they are told. `round` is as it is held by
/// the group's transaction.
pub(super) fn check(
    s: &Submission,
    round: Option<&Ruled>,
    model: Option<&Standing>,
) -> Result<Accepted, PredictionError> {
    let round = round.ok_or_else(|| RoundError::UnknownRound(s.round.to_string()))?;
    let model = model.ok_or_else(|| ModelError::UnknownModel(s.model.clone()))?;
    may_predict(s, model)?;
    let (schedule, state) = (&round.round.schedule, round.round.state);
    if s.received_us < schedule.opens_us || state == RoundState::Scheduled {
        return Err(PredictionError::NotOpenYet {
            round: s.round.clone(),
            opens_us: schedule.opens_us,
        });
    }
    let (deadline_us, lock_us) = (schedule.deadline_us, schedule.lock_us);
    // What opens a seal has until the lock, everything else until the deadline.
    let until_us = if s.said.is_opening() {
        lock_us
    } else {
        deadline_us
    };
    if s.received_us >= until_us || state != RoundState::Open {
        return Err(late(s, deadline_us, lock_us));
    }
    let posted = s.said.posted();
    Ok(Accepted {
        counted: posted.map(|posted| posted.clamp_to_edge(round.tournament.stake.a_ppm)),
        deadline_us,
        lock_us,
    })
}

fn late(s: &Submission, deadline_us: i64, lock_us: i64) -> PredictionError {
    let round = s.round.clone();
    let missed_us = |until_us: i64| (s.received_us - until_us).max(0);
    if s.said.is_opening() {
        return PredictionError::SealLate {
            round,
            missed_us: missed_us(lock_us),
            lock_us,
        };
    }
    PredictionError::Late {
        round,
        missed_us: missed_us(deadline_us),
        deadline_us,
    }
}

fn may_predict(s: &Submission, model: &Standing) -> Result<(), PredictionError> {
    if model.account != s.account {
        return Err(PredictionError::NotOwner(s.model.clone()));
    }
    if model.tournament != *s.round.tournament() {
        return Err(PredictionError::WrongTournament {
            model: s.model.clone(),
            enters: model.tournament.to_string(),
            round: s.round.clone(),
        });
    }
    if model.state != ModelState::Active {
        return Err(PredictionError::ModelInactive {
            model: s.model.clone(),
            reason: model.reason.clone(),
        });
    }
    Ok(())
}
