//! What a scored round pays: the wager of protocol.md §2 over exactly the leaves that were frozen.

use domain::{Delta, ModelId, Outcome, Probability, RoundId, StakeRule, TokenAmount};
use scorer::wager::{self, Entry};

use super::{SettlementError, Staked, broken, store, sum, tree};
use crate::db::Conn;
use crate::predictions::Counted;
use crate::rounds::Round;

/// What one round pays one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// The round.
    pub round: RoundId,
    /// The model.
    pub model: ModelId,
    /// Its position in the trees.
    pub model_index: u32,
    /// w.
    pub at_risk: TokenAmount,
    /// Counted p.
    pub counted: Probability,
    /// D.
    pub delta: Delta,
}

/// What a round pays altogether.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// D of every staked model, by index.
    pub payouts: Vec<(ModelId, Delta)>,
    /// −Σ D.
    pub burned: TokenAmount,
    /// A single staked model: D = 0.
    pub thin: bool,
}

/// Computes and writes the payouts of a round, once. Σ D + burned = 0 is asserted before the write
/// and on what reads back, as is that the leaves are those that were committed.
///
/// # Errors
/// [`SettlementError::VoidOutcome`], [`SettlementError::NotLocked`], [`SettlementError::Broken`].
pub async fn settle(
    conn: &mut Conn,
    round: &Round,
    rule: &StakeRule,
    outcome: Outcome,
    counted: &[Counted],
) -> Result<Settled, SettlementError> {
    let Outcome::Direction(direction) = outcome else {
        return Err(SettlementError::VoidOutcome(round.id.clone()));
    };
    let staked = tree::staked(counted)?;
    check_frozen(conn, &round.id, &staked).await?;
    let entries: Vec<Entry> = staked
        .iter()
        .map(|one| Entry {
            stake: one.at_risk,
            p: one.counted,
        })
        .collect();
    let settled = wager::settle(rule.a_ppm, direction.y_ppm(), &entries)?;
    if settled.deltas.len() != staked.len() {
        return Err(broken(format!(
            "{} paid another number of models than it has",
            round.id
        )));
    }
    let payouts: Vec<Payout> = staked
        .iter()
        .zip(settled.deltas)
        .map(|(one, delta)| Payout {
            round: round.id.clone(),
            model: one.model.clone(),
            model_index: one.index,
            at_risk: one.at_risk,
            counted: one.counted,
            delta,
        })
        .collect();
    conserve(&payouts, settled.burned)?;
    if !store::rounds::insert_payouts(conn, &payouts).await? {
        return Err(broken(format!("{} has payouts already", round.id)));
    }
    let read_back = store::rounds::payouts(conn, &round.id).await?;
    conserve(&read_back, settled.burned)?;
    if read_back != payouts {
        return Err(broken(format!(
            "the payouts of {} read back differently",
            round.id
        )));
    }
    let payouts = payouts
        .into_iter()
        .map(|payout| (payout.model, payout.delta))
        .collect();
    Ok(Settled {
        payouts,
        burned: settled.burned,
        thin: settled.thin,
    })
}

/// Money is computed only on what was committed.
async fn check_frozen(
    conn: &mut Conn,
    round: &RoundId,
    staked: &[Staked<'_>],
) -> Result<(), SettlementError> {
    let lock = store::rounds::lock(conn, round).await?;
    let lock = lock.ok_or_else(|| SettlementError::NotLocked(round.clone()))?;
    let now = tree::of_round(staked)?;
    let same = now.root == lock.root && now.total_w == lock.total_w && now.total_p == lock.total_p;
    if same {
        return Ok(());
    }
    Err(broken(format!(
        "the counted predictions of {round} are not those that were committed"
    )))
}

/// Σ D + burned = 0, nobody loses more than w, and a lone model gets 0.
fn conserve(payouts: &[Payout], burned: TokenAmount) -> Result<(), SettlementError> {
    let paid = sum(payouts.iter().map(|payout| payout.delta));
    if paid.checked_add(i128::from(burned.units())) != Some(0) {
        return Err(broken(format!("payouts sum to {paid}, but {burned} burns")));
    }
    for payout in payouts {
        let loss = i128::from(payout.delta.units()).saturating_neg();
        if loss > i128::from(payout.at_risk.units()) {
            return Err(broken(format!(
                "{} loses more than it risked",
                payout.model
            )));
        }
    }
    let alone = payouts.len() == 1 && payouts.iter().any(|payout| payout.delta.units() != 0);
    if alone {
        Err(broken("a lone model is paid"))
    } else {
        Ok(())
    }
}

/// The payouts of a round, by index.
///
/// # Errors
/// Database errors and broken rows.
pub async fn payouts(conn: &mut Conn, round: &RoundId) -> Result<Vec<Payout>, SettlementError> {
    store::rounds::payouts(conn, round).await
}

/// The payouts of a model, newest round first, at most 10,000.
///
/// # Errors
/// Database errors and broken rows.
pub async fn payouts_of_model(
    conn: &mut Conn,
    model: &ModelId,
) -> Result<Vec<Payout>, SettlementError> {
    store::rounds::payouts_of_model(conn, model).await
}
