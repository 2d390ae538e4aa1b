//! Whether a tournament's timetable fits the contracts that it is settled on. Pure.

use domain::Tournament;

use super::SettlementError;
use super::commit::STAMP_SLACK_S;
use crate::chain::Deployment;
use crate::db::Conn;
use crate::rounds;

/// What a vault asks of a timetable, seconds.
#[derive(Clone, Copy, Debug)]
pub struct VaultTimes {
    /// No commitment is taken earlier than this before T.
    pub margin_s: i64,
    /// A round that started longer ago is refused.
    pub settle_by_s: i64,
}

impl From<&Deployment> for VaultTimes {
    fn from(deployment: &Deployment) -> Self {
        Self {
            margin_s: deployment.margin_s,
            settle_by_s: deployment.settle_by_s,
        }
    }
}

/// What does not fit: each names the tournament, the rule and the remedy.
#[must_use]
pub fn misfits(tournament: &Tournament, vault: VaultTimes) -> Vec<String> {
    let (id, table) = (&tournament.id, &tournament.timetable);
    let mut wrong = Vec::new();
    if table.deadline_before_s > vault.margin_s {
        wrong.push(format!(
            "tournament {id}: timetable.deadline_before_s is {}, but the vault's margin is {} s: a \
             round can lock from its deadline on, the registry refuses a commitment earlier than \
             the margin before T, and withdrawals wait out no earlier lock. Enter the tournament \
             under another id with a deadline of at most {} s before T, or deploy with a longer \
             margin",
            table.deadline_before_s, vault.margin_s, vault.margin_s
        ));
    }
    if table.lock_before_s <= STAMP_SLACK_S {
        wrong.push(format!(
            "tournament {id}: timetable.lock_before_s is {}, which leaves no block in which to \
             commit before T: every round would be void. Enter the tournament under another id \
             with more than {STAMP_SLACK_S} s from lock to T",
            table.lock_before_s
        ));
    }
    if table.settle_by_s > vault.settle_by_s {
        wrong.push(format!(
            "tournament {id}: timetable.settle_by_s is {}, but the vault refuses rounds that \
             started more than {} s ago: rounds scored between the two would never settle. Enter \
             the tournament under another id with a settle_by_s of at most {}, or deploy with a \
             longer settleBy",
            table.settle_by_s, vault.settle_by_s, vault.settle_by_s
        ));
    }
    wrong
}

/// What does not fit of all tournaments entered.
///
/// # Errors
/// Database errors and broken rows.
pub async fn all_misfits(
    conn: &mut Conn,
    deployment: &Deployment,
) -> Result<Vec<String>, SettlementError> {
    let entered = rounds::tournaments(conn).await?;
    let wrong = entered
        .iter()
        .flat_map(|entered| misfits(&entered.tournament, deployment.into()));
    Ok(wrong.collect())
}

/// Says at the start of a process what does not fit. It goes on: one tournament that cannot settle
/// must not keep the others from settling.
///
/// # Errors
/// Database errors and broken rows.
pub async fn warn_of_misfits(
    conn: &mut Conn,
    deployment: &Deployment,
) -> Result<(), SettlementError> {
    for misfit in all_misfits(conn, deployment).await? {
        tracing::error!(misfit, "a tournament does not fit the contracts");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::testing::deployment;

    #[test]
    fn the_demos_tournament_fits_and_each_misfit_names_tournament_rule_and_remedy() {
        let file = include_str!("../demo/btc-usd-5m.toml");
        let tournament = rounds::read_file(file).expect("valid").tournament;
        assert_eq!(
            misfits(&tournament, VaultTimes::from(&deployment())),
            Vec::<String>::new()
        );
        let mut early = tournament.clone();
        early.timetable.deadline_before_s = 61;
        let mut late = tournament.clone();
        late.timetable.lock_before_s = 3;
        let mut long = tournament;
        long.timetable.settle_by_s = 901;
        for (wrong, rule) in [
            (early, "deadline_before_s"),
            (late, "lock_before_s"),
            (long, "settle_by_s"),
        ] {
            let found = misfits(&wrong, VaultTimes::from(&deployment()));
            assert_eq!(found.len(), 1, "{found:?}");
            let text = found.concat();
            assert!(
                text.contains("tournament btc-usd-5m") && text.contains(rule),
                "{text}"
            );
            assert!(text.contains("under another id"), "{text}");
        }
    }
}
