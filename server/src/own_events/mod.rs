//! What an event of a round means for each account's own models.
//!
//! Owns no table: it reads what the lock, the scores and the settlement wrote, once for each event
//! whatever the number of listeners, and keeps the latest answers in memory. So posting a prediction
//! writes no event. Must never tell anybody about another account's models.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::{AccountId, Delta, MarketClock, ModelId, Probability, RoundId, Score, TokenAmount};
use serde_json::{Map, Value, json};
use thiserror::Error;
use tokio::sync::Mutex;

use crate::db::{Conn, Db};
use crate::events::{Event, Frame, Head, Kind};
use crate::models::{self, ModelError};
use crate::predictions::{self, PredictionError};
use crate::scores::{self, ScoreError};
use crate::settlement::{self, Payout, SettlementError};

/// Events whose answers are kept: those that listeners are being told now.
const KEPT: usize = 32;

/// Why nothing can be told.
#[derive(Debug, Error)]
pub enum OwnEventError {
    /// The models.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The predictions.
    #[error(transparent)]
    Prediction(#[from] PredictionError),
    /// The scores.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The payouts.
    #[error(transparent)]
    Settlement(#[from] SettlementError),
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// One event about one model, for its owner.
#[derive(Clone, Debug)]
pub struct OwnEvent {
    /// What happened.
    pub kind: Kind,
    /// To which model.
    pub model: ModelId,
    /// As it is sent; its sequence is that of the round's event.
    pub frame: Frame,
}

/// All accounts' own events that come with one event.
pub type Own = BTreeMap<AccountId, Vec<OwnEvent>>;

/// The own events of the latest events.
#[derive(Debug, Default)]
pub struct OwnEvents {
    kept: Mutex<VecDeque<(i64, Arc<Own>)>>,
}

impl OwnEvents {
    /// What `event` means for everybody's own models; asked for by many at once, it is read once.
    ///
    /// # Errors
    /// Database errors and broken rows.
    pub async fn of(
        &self,
        db: &Db,
        market: &MarketClock,
        event: &Event,
    ) -> Result<Arc<Own>, OwnEventError> {
        let Some(round) = &event.round else {
            return Ok(Arc::default());
        };
        if !matches!(
            event.kind,
            Kind::RoundLocked | Kind::RoundScored | Kind::RoundSettled
        ) {
            return Ok(Arc::default());
        }
        // Held while reading: whoever comes meanwhile waits for this answer and not for the database.
        let mut kept = self.kept.lock().await;
        if let Some((_, own)) = kept.iter().find(|(number, _)| *number == event.sequence) {
            return Ok(Arc::clone(own));
        }
        let mut conn = db.read().await?;
        let own = match event.kind {
            Kind::RoundLocked => locked(&mut conn, market, event, round).await?,
            Kind::RoundScored => scored(&mut conn, event, round).await?,
            _ => paid(&mut conn, event, round).await?,
        };
        let own = Arc::new(own);
        kept.push_back((event.sequence, Arc::clone(&own)));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Ok(own)
    }
}

/// What counts, and whose model gave nothing.
async fn locked(
    conn: &mut Conn,
    market: &MarketClock,
    event: &Event,
    round: &RoundId,
) -> Result<Own, OwnEventError> {
    let counted = predictions::counted(conn, round).await?;
    let ids: Vec<ModelId> = counted.iter().map(|one| one.model.clone()).collect();
    let owners = owners(conn, &ids).await?;
    let mut own = Own::new();
    for one in &counted {
        let detail = json!({
            "p_ppm": one.counted.ppm(),
            "posted_ppm": one.posted.ppm(),
            "at_risk": one.at_risk.tokens(),
            "prediction": one.sequence,
        });
        add(
            &mut own,
            event,
            &owners,
            (Kind::PredictionCounted, &one.model),
            detail,
        );
    }
    let has_counted: BTreeSet<&ModelId> = ids.iter().collect();
    let (wall_us, market_us) = (market.wall().now_us(), market.now_us());
    let silent: BTreeMap<ModelId, AccountId> = models::active(conn, round.tournament())
        .await?
        .into_iter()
        .filter(|model| !has_counted.contains(&model.id))
        // Models are made by the wall clock, rounds lock by the market's.
        .filter(|model| {
            let age_us = u64::try_from(wall_us.saturating_sub(model.created_us)).unwrap_or(0);
            let age_us = market.market_us(Duration::from_micros(age_us));
            market_us.saturating_sub(age_us) <= event.at_us
        })
        .map(|model| (model.id, model.account))
        .collect();
    for model in silent.keys() {
        let detail = json!({"reason": "no prediction before the deadline counts"});
        add(
            &mut own,
            event,
            &silent,
            (Kind::PredictionAbsent, model),
            detail,
        );
    }
    Ok(own)
}

async fn scored(conn: &mut Conn, event: &Event, round: &RoundId) -> Result<Own, OwnEventError> {
    let rows = scores::of_round(conn, round).await?;
    let payouts = settlement::payouts(conn, round).await?;
    let payouts: BTreeMap<&ModelId, &Payout> = payouts.iter().map(|p| (&p.model, p)).collect();
    let ids: Vec<ModelId> = rows.iter().map(|row| row.model.clone()).collect();
    let owners = owners(conn, &ids).await?;
    let mut own = Own::new();
    for row in &rows {
        let payout = payouts.get(&row.model);
        let detail = json!({
            "p_ppm": row.counted.ppm(),
            "crowd_ppm": row.crowd.map(Probability::ppm),
            "brier": row.brier.to_f64(),
            "log": row.log.to_f64(),
            "skill_half": row.skill_half.to_f64(),
            "skill_crowd": row.skill_crowd.map(Score::to_f64),
            "at_risk": payout.map(|payout| payout.at_risk.tokens()),
            "delta": payout.map(|payout| signed(payout.delta)),
        });
        add(
            &mut own,
            event,
            &owners,
            (Kind::PredictionScored, &row.model),
            detail,
        );
    }
    Ok(own)
}

async fn paid(conn: &mut Conn, event: &Event, round: &RoundId) -> Result<Own, OwnEventError> {
    let payouts = settlement::payouts(conn, round).await?;
    let ids: Vec<ModelId> = payouts.iter().map(|one| one.model.clone()).collect();
    let owners = owners(conn, &ids).await?;
    let mut own = Own::new();
    for payout in &payouts {
        let detail = json!({
            "at_risk": payout.at_risk.tokens(),
            "delta": signed(payout.delta),
        });
        add(
            &mut own,
            event,
            &owners,
            (Kind::PredictionPaid, &payout.model),
            detail,
        );
    }
    Ok(own)
}

async fn owners(
    conn: &mut Conn,
    ids: &[ModelId],
) -> Result<BTreeMap<ModelId, AccountId>, OwnEventError> {
    let models = models::by_ids(conn, ids).await?;
    let owned = models.into_iter().map(|model| (model.id, model.account));
    Ok(owned.collect())
}

/// A model that is nobody's is told to nobody.
fn add(
    own: &mut Own,
    event: &Event,
    owners: &BTreeMap<ModelId, AccountId>,
    (kind, model): (Kind, &ModelId),
    detail: Value,
) {
    let Some(account) = owners.get(model) else {
        return;
    };
    let mut members = Map::new();
    members.insert("model".into(), model.as_str().into());
    if let Value::Object(detail) = detail {
        members.extend(detail);
    }
    let head = Head {
        sequence: event.sequence,
        kind,
        at_us: event.at_us,
        tournament: &event.tournament,
        round: event.round.as_ref(),
    };
    own.entry(account.clone()).or_default().push(OwnEvent {
        kind,
        model: model.clone(),
        frame: Frame::new(head, members),
    });
}

/// `-0.25` or `1.5`, decimal tokens.
fn signed(delta: Delta) -> String {
    let size = TokenAmount::from_units(delta.units().unsigned_abs()).unwrap_or_default();
    let sign = if delta.units() < 0 { "-" } else { "" };
    format!("{sign}{}", size.tokens())
}
