//! What it means that a contract refuses a proposal or an acceptance before anything was signed.

use super::intent::{Action, Intent, IntentState};
use super::lease::{self, Lease};
use super::{BatchState, SettlementError, ending, halt, outcome, store};
use crate::chain::Revert;
use crate::db::Conn;

/// A refusal that ends an intent is believed after so many tries, the last two with the same
/// reason: one node's view may be behind, or of a block that is undone.
const TRIES: i64 = 3;

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It may succeed later.
    Later,
    /// It can never succeed, and nothing is wrong: its time has passed.
    Over,
    /// It can never succeed, since our ledger or history is not the chain's.
    Wrong,
}

/// What the contracts' error of this name means for an action.
pub(super) fn meaning(action: Action, name: &str) -> Meaning {
    match (action, name) {
        (Action::Propose, "RoundTooLate" | "RoundIsVoid" | "IsShutDown")
        | (Action::Accept, "ProposalDead") => Meaning::Over,
        (
            Action::Propose,
            "WrongSeq"
            | "WrongPrevRoot"
            | "RootChangedWithoutChanges"
            | "WrongChangeSums"
            | "BadChangesLength"
            | "ChangesUnordered"
            | "IndexOutOfTree"
            | "SumOverflow"
            | "UnknownModel"
            | "UnknownTournament"
            | "TooManyRounds"
            | "ForeignTournament"
            | "RevealsUnordered"
            | "StakeOutOfRange"
            | "BadOutcome"
            | "WrongReveal"
            | "NotCommitted"
            | "RoundSettled",
        )
        | (Action::Propose | Action::Accept, "Insolvent") => Meaning::Wrong,
        // An acceptance without its proposal: somebody else has accepted or ended it, and the
        // event that says so decides.
        _ => Meaning::Later,
    }
}

/// How long to wait after the `failures`-th refusal, wall microseconds: twice as long each time up
/// to sixty polls, less a part up to a half that differs by intent and try, so that intents do not
/// ask in step.
#[must_use]
pub fn backoff_us(poll_us: i64, failures: i64, intent: &str) -> i64 {
    let doublings = u32::try_from(failures.clamp(1, 7))
        .unwrap_or(1)
        .saturating_sub(1);
    let longest = poll_us.saturating_mul(60);
    let whole = poll_us.saturating_mul(1_i64 << doublings).min(longest);
    let drawn = alloy::primitives::keccak256(format!("{intent} {failures}"));
    let part = drawn.first().copied().map_or(0, i64::from);
    whole.saturating_sub(whole.saturating_mul(part) / 512)
}

/// Notes a refusal with the moment of the next try, or ends the intent when it can never succeed:
/// its batch is REJECTED, and settlement HALTED when ledger or history is wrong. `times` are market
/// and wall microseconds; `next_try_us` is wall.
///
/// # Errors
/// [`SettlementError::Fenced`], [`SettlementError::Moved`].
pub async fn refused(
    conn: &mut Conn,
    lease: &Lease,
    times: (i64, i64),
    intent: &Intent,
    revert: &Revert,
    next_try_us: i64,
) -> Result<(), SettlementError> {
    lease::hold(conn, lease).await?;
    if !store::intents::set_refused(conn, &intent.id, &revert.text, next_try_us).await? {
        return Err(super::intent::moved(intent, "planned"));
    }
    let meaning = meaning(intent.action, &revert.name);
    let is_repeated =
        intent.failures.saturating_add(1) >= TRIES && intent.last_error.starts_with(&revert.name);
    if meaning == Meaning::Later || !is_repeated {
        return Ok(());
    }
    let ended = Intent {
        last_error: revert.text.clone(),
        ..intent.clone()
    };
    outcome::close_intent(conn, lease, times, &ended, IntentState::Abandoned, None).await?;
    if intent.action == Action::Accept {
        let reason = format!("its acceptance is refused for ever: {revert}");
        ending::abandon(conn, intent.batch(), BatchState::Proposed, &reason).await?;
    }
    if meaning == Meaning::Wrong {
        let reason = format!(
            "the contract refuses the {} of batch {} for ever: {revert}",
            match intent.action {
                Action::Accept => "acceptance",
                _ => "proposal",
            },
            intent.batch()
        );
        halt::halt(conn, times.0, &reason).await?;
    }
    Ok(())
}
