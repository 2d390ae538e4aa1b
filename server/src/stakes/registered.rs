//! The registrations of models with what rounds hold of them and what their owners asked back, read
//! for many models at once. Links a registration to its model when asked to; changes nothing else.

use std::collections::HashMap;

use domain::{ModelId, StakeRule, TokenAmount};

use super::store::StakeRow;
use super::{StakeError, WouldRisk, free, model_key, position, store};
use crate::chain::Said;
use crate::db::Conn;
use crate::{accounts, chain, models};

/// Whether a registration that is found is linked to its model from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linking {
    /// By the lock.
    Link,
    /// By whoever only looks.
    Leave,
}

/// The stake of each model with what is held and asked back of it, in the order of the asks.
pub(super) async fn rows_of(
    conn: &mut Conn,
    chain_key: &str,
    asks: &[(ModelId, Option<TokenAmount>)],
    linking: Linking,
) -> Result<Vec<Option<StakeRow>>, StakeError> {
    // In this order, so that what becomes final meanwhile counts twice rather than not at all.
    let models: Vec<&ModelId> = asks.iter().map(|(model, _)| model).collect();
    let reserved = store::reserved(conn, &models).await?;
    let seen = requests_seen(conn).await?;
    let registered = Registered::read(conn, chain_key, &models).await?;
    let mut rows = Vec::with_capacity(asks.len());
    for model in models {
        let held = reserved.get(model.as_str()).copied().unwrap_or(0);
        let row = registered.find(conn, model, linking).await?;
        rows.push(row.map(|row| with_seen(row, &seen, held)));
    }
    Ok(rows)
}

pub(super) fn would(
    row: Option<&StakeRow>,
    named: Option<TokenAmount>,
    rule: &StakeRule,
) -> Result<WouldRisk, StakeError> {
    let Some(row) = row else {
        return Ok(WouldRisk::default());
    };
    let free = free::free(&row.position)?;
    Ok(WouldRisk {
        model_index: Some(position(row.model_index)?),
        free,
        at_risk: free::ask_floor(free, named, rule)?,
    })
}

/// The registrations of some models in a tournament: those that are linked to them, and the others
/// by the key that they name. Anybody can name any key; the wallet decides.
pub(super) struct Registered {
    pub(super) linked: HashMap<String, StakeRow>,
    pub(super) unlinked: HashMap<String, Vec<StakeRow>>,
}

impl Registered {
    pub(super) async fn read(
        conn: &mut Conn,
        tournament_key: &str,
        models: &[&ModelId],
    ) -> Result<Self, StakeError> {
        let mut linked = HashMap::new();
        for row in store::linked(conn, tournament_key, models).await? {
            linked.insert(row.model_id.clone(), row);
        }
        let mut unlinked = HashMap::<String, Vec<_>>::new();
        let missing = models.iter().filter(|m| !linked.contains_key(m.as_str()));
        let keys: Vec<String> = missing.map(|model| model_key(model).to_string()).collect();
        for row in store::unlinked(conn, tournament_key, &keys).await? {
            unlinked.entry(row.model_key.clone()).or_default().push(row);
        }
        Ok(Self { linked, unlinked })
    }

    /// The registration of a model.
    async fn find(
        &self,
        conn: &mut Conn,
        model: &ModelId,
        linking: Linking,
    ) -> Result<Option<StakeRow>, StakeError> {
        if let Some(row) = self.linked.get(model.as_str()) {
            return Ok(Some(row.clone()));
        }
        if self.unlinked.is_empty() {
            return Ok(None);
        }
        let Some(rows) = self.unlinked.get(&model_key(model).to_string()) else {
            return Ok(None);
        };
        let wallet = wallet_of(conn, model).await?;
        let Some(row) = rows.iter().find(|row| row.owner == wallet) else {
            return Ok(None);
        };
        if linking == Linking::Link {
            store::link(conn, row, model).await?;
        }
        Ok(Some(row.clone()))
    }
}

/// The largest request of each model that was seen and is not applied, by vault and index.
pub(super) type Seen = HashMap<(String, i64), u64>;

pub(super) async fn requests_seen(conn: &mut Conn) -> Result<Seen, StakeError> {
    let mut seen = Seen::new();
    for event in chain::requests_not_applied(conn).await? {
        if let Said::WithdrawalRequested { index, amount, .. } = event.said {
            let largest = seen
                .entry((event.address.to_string(), i64::from(index)))
                .or_default();
            *largest = amount.max(*largest);
        }
    }
    Ok(seen)
}

pub(super) fn with_seen(mut row: StakeRow, seen: &Seen, reserved: u64) -> StakeRow {
    let key = (row.vault.clone(), row.model_index);
    let asked = seen.get(&key).copied().unwrap_or(0);
    row.position.requested = row.position.requested.max(asked);
    row.position.reserved = reserved;
    row
}

pub(super) async fn wallet_of(conn: &mut Conn, model: &ModelId) -> Result<String, StakeError> {
    let account = models::get(conn, model).await?.account;
    Ok(accounts::get(conn, &account).await?.wallet)
}
