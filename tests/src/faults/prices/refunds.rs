//! Stakes of generated rounds: taken at the lock, and back in full when the round is void.
//!
//! A real database, and the server's verbs in the order in which its jobs call them: open, snapshot,
//! evidence, resolution, void and release. A round that is decided keeps what it holds.

use std::path::Path;

use alloy::primitives::{Address, B256};
use anyhow::{Context, ensure};
use datasets::Asset;
use domain::timestamp::SECOND_US;
use domain::{ModelId, Outcome, RoundId, RoundState, TokenAmount};
use serde_json::{Value, json};
use server::chain::{Event, Said};
use server::db::{Conn, Db};
use server::demo::TOURNAMENT_FILES;
use server::prices::evidence::Record;
use server::prices::rule::decide;
use server::prices::{self, Evidence, Resolution, Tick};
use server::rounds::{self, Entered, NOT_DUE};
use server::stakes::{self, Stake};
use server::{accounts, models};
use tempfile::TempDir;

use super::heard::Heard;
use crate::dice::Dice;
use crate::scratch;

/// What each model has in the vault, units.
const DEPOSIT: u64 = 10_000_000_000_000;
const MODELS: [&str; 3] = ["ada", "bob", "cleo"];
/// Evidence has closed by then, whatever came.
const CLOSED_US: i64 = 301 * SECOND_US;
/// Rounds of one database: evidence is large.
const ROUNDS_EACH: u64 = 1_000;

/// A generated round.
pub(super) struct Generated {
    pub number: u64,
    pub ends: (i64, i64),
    pub asset: Asset,
    /// What counts when the evidence closes.
    pub record: Record,
    /// With it the evidence is stored trade by trade and closed from the store.
    pub heard: Option<Vec<Heard>>,
}

/// What became of the stakes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Refunds {
    void: u64,
    /// Stakes of models that void rounds had taken.
    due: u64,
    /// Those among them after which the model has exactly what it had before.
    returned: u64,
    returned_units: u64,
    decided: u64,
    /// Stakes that a decided round no longer holds.
    wrong: u64,
    /// Rounds whose evidence was stored and closed from the store.
    stored: u64,
    /// Those among them that the store decides otherwise.
    stored_otherwise: u64,
}

impl Refunds {
    /// Whether every void round returned everything and no other one anything.
    pub(super) fn is_good(self) -> bool {
        self.due > 0 && self.returned == self.due && self.wrong == 0 && self.stored_otherwise == 0
    }

    pub(super) fn json(self) -> Value {
        json!({
            "void_rounds": self.void, "stakes_due": self.due, "stakes_returned": self.returned,
            "returned_units": self.returned_units, "decided_rounds": self.decided,
            "wrong_refunds": self.wrong, "closed_from_the_store": self.stored,
            "closed_otherwise": self.stored_otherwise,
        })
    }
}

/// A database with a tournament of each asset and three staked models in each.
pub(super) struct Bank {
    db: Db,
    tournaments: Vec<(Entered, Vec<ModelId>)>,
    played: u64,
    found: Refunds,
    _folder: TempDir,
}

impl Bank {
    pub(super) async fn open() -> anyhow::Result<Self> {
        let folder = scratch::folder("refunds")?;
        let (db, tournaments) = enter(folder.path()).await?;
        Ok(Self {
            db,
            tournaments,
            played: 0,
            found: Refunds::default(),
            _folder: folder,
        })
    }

    pub(super) fn found(&self) -> Refunds {
        self.found
    }

    /// Locks, resolves and ends a round.
    pub(super) async fn play(&mut self, generated: &Generated) -> anyhow::Result<()> {
        if self.played == ROUNDS_EACH {
            let fresh = Self::open().await?;
            let found = std::mem::replace(self, fresh).found;
            self.found = found;
        }
        self.played += 1;
        let name = generated.asset.name();
        let mut own = self.tournaments.iter();
        let own = own.find(|(entered, _)| entered.tournament.asset == name);
        let (entered, models) = own.context("a tournament of each asset")?;
        let moments = entered.tournament.round(generated.ends.0)?;
        let mut tx = self.db.begin().await?;
        rounds::schedule(&mut tx, std::slice::from_ref(&moments)).await?;
        let before = all(&mut tx, models).await?;
        let taken = lock(&mut tx, entered, &moments.id, (models, generated.number)).await?;
        tx.commit().await?;
        let held = all(&mut *self.db.read().await?, models).await?;
        ensure!(
            sum(&held, |stake| stake.reserved) == taken && taken > 0,
            "the lock takes what the snapshot says"
        );

        let mut tx = self.db.begin().await?;
        let resolution = resolution(&mut tx, entered, &moments.id, generated).await?;
        if generated.heard.is_some() {
            let expected = decide(&generated.record).outcome;
            self.found.stored += 1;
            self.found.stored_otherwise += u64::from(resolution.outcome != expected);
        }
        let is_void = end(&mut tx, &moments.id, &resolution).await?;
        tx.commit().await?;
        let mut conn = self.db.read().await?;
        let after = all(&mut conn, models).await?;
        drop(conn);
        if is_void {
            self.found.count_void(&before, &held, &after);
            return Ok(());
        }
        self.found.decided += 1;
        let lost = held
            .iter()
            .zip(&after)
            .filter(|(held, after)| held != after);
        self.found.wrong += u64::try_from(lost.count())?;
        // As its batch does once it is final, so that the next round finds the stakes.
        let mut tx = self.db.begin().await?;
        stakes::release(&mut tx, &moments.id).await?;
        Ok(tx.commit().await?)
    }
}

impl Refunds {
    fn count_void(&mut self, before: &[Stake], held: &[Stake], after: &[Stake]) {
        self.void += 1;
        for ((before, held), after) in before.iter().zip(held).zip(after) {
            let at_risk = held.reserved.units() - before.reserved.units();
            self.due += u64::from(at_risk > 0);
            if at_risk > 0 && after == before {
                self.returned += 1;
                self.returned_units += at_risk;
            }
        }
    }
}

async fn enter(folder: &Path) -> anyhow::Result<(Db, Vec<(Entered, Vec<ModelId>)>)> {
    let db = Db::open_in(folder, None).await?;
    let mut tx = db.begin().await?;
    let mut tournaments = Vec::new();
    let mut index = 0;
    for file in TOURNAMENT_FILES {
        let entered = rounds::enter(&mut tx, 1, file).await?;
        let mut made = Vec::new();
        for name in MODELS {
            let name = format!("{name}-{}", entered.tournament.asset);
            made.push(stake(&mut tx, &entered, &name, index).await?);
            index += 1;
        }
        tournaments.push((entered, made));
    }
    tx.commit().await?;
    Ok((db, tournaments))
}

/// A model whose registration has become final.
async fn stake(
    conn: &mut Conn,
    entered: &Entered,
    name: &str,
    index: u32,
) -> anyhow::Result<ModelId> {
    let byte = u8::try_from(index)?;
    let owner = Address::repeat_byte(0x40 + byte);
    let account = accounts::create(conn, 1, name, &owner.to_string(), false).await?;
    let id = &entered.tournament.id;
    let model = models::register_external(conn, 1, &account.id, id, name).await?;
    let registered = Event {
        block_hash: B256::repeat_byte(byte).to_string(),
        log_index: 0,
        block_number: i64::from(index),
        block_time_s: 1,
        tx_hash: B256::repeat_byte(0xaa).to_string(),
        address: Address::repeat_byte(3),
        is_final: true,
        said: Said::ModelRegistered {
            index,
            tournament: entered.chain_key.parse()?,
            model_key: stakes::model_key(&model.id),
            owner,
            amount: DEPOSIT,
        },
    };
    stakes::apply(conn, &registered).await?;
    Ok(model.id)
}

async fn all(conn: &mut Conn, models: &[ModelId]) -> anyhow::Result<Vec<Stake>> {
    let mut found = Vec::new();
    for model in models {
        let stake = stakes::of_model(conn, model).await?;
        found.push(stake.with_context(|| format!("{model} has a stake"))?);
    }
    Ok(found)
}

fn sum(stakes: &[Stake], of: impl Fn(&Stake) -> TokenAmount) -> u64 {
    stakes.iter().map(|stake| of(stake).units()).sum()
}

/// Opens the round and takes the stakes: what was named, or the default.
async fn lock(
    conn: &mut Conn,
    entered: &Entered,
    round: &RoundId,
    (models, number): (&[ModelId], u64),
) -> anyhow::Result<u64> {
    use RoundState as S;
    rounds::advance(conn, round, S::Scheduled, S::Open, NOT_DUE).await?;
    let dice = Dice::new(number);
    let mut asks = Vec::new();
    for model in models {
        let named = TokenAmount::from_units(1_000_000_000 + dice.below(150_000_000_000))?;
        asks.push((model.clone(), (dice.below(4) > 0).then_some(named)));
    }
    let taken = stakes::snapshot(conn, round, &entered.tournament.stake, &asks).await?;
    rounds::advance(conn, round, S::Open, S::Locked, NOT_DUE).await?;
    rounds::advance(conn, round, S::Locked, S::Committed, NOT_DUE).await?;
    Ok(taken.iter().map(|one| one.at_risk.units()).sum())
}

async fn resolution(
    conn: &mut Conn,
    entered: &Entered,
    round: &RoundId,
    generated: &Generated,
) -> anyhow::Result<Resolution> {
    let now_us = generated.ends.1 + CLOSED_US;
    let Some(heard) = &generated.heard else {
        return Ok(prices::resolve(&generated.record, now_us)?);
    };
    // Each generated round has a market and a connection log of its own.
    for table in ["ticks", "feed_gaps", "feed_clocks"] {
        server::db::testing::change(conn, &format!("DELETE FROM {table}")).await?;
    }
    for one in heard {
        store(conn, one, generated.ends).await?;
    }
    let round = rounds::get(conn, round).await?;
    match prices::close_evidence(conn, now_us, &round, &entered.tournament).await? {
        Evidence::Closed(resolution) => Ok(*resolution),
        Evidence::NotYet { .. } => anyhow::bail!("evidence has closed five minutes after the end"),
    }
}

/// What the live feeds would have written of a venue.
async fn store(conn: &mut Conn, heard: &Heard, ends: (i64, i64)) -> anyhow::Result<()> {
    let mut arrivals: Vec<_> = heard.arrivals.iter().collect();
    arrivals.sort_by_key(|arrival| arrival.receive_us);
    let ticks: Vec<Tick> = arrivals
        .into_iter()
        .map(|arrival| Tick {
            asset: heard.asset.name().to_owned(),
            venue: heard.venue,
            trade_id: arrival.trade.trade_id,
            price: arrival.trade.price,
            venue_time_us: arrival.trade.venue_time_us,
            receive_time_us: arrival.receive_us,
            quantity: arrival.trade.quantity,
        })
        .collect();
    prices::insert_ticks(conn, &ticks).await?;
    for gap in &heard.gaps {
        prices::log_gap(conn, gap).await?;
    }
    for measured in heard.measured([ends.0, ends.1]) {
        prices::log_clock(conn, &measured).await?;
    }
    Ok(())
}

/// Writes the outcome; a void round ends and lets go of its stakes.
async fn end(conn: &mut Conn, round: &RoundId, resolution: &Resolution) -> anyhow::Result<bool> {
    use RoundState as S;
    prices::write_resolution(conn, round, resolution).await?;
    rounds::advance(conn, round, S::Committed, S::Evidenced, NOT_DUE).await?;
    let is_void = resolution.outcome == Outcome::Void;
    if is_void {
        rounds::void(conn, round, S::Evidenced, &resolution.reason).await?;
        stakes::release(conn, round).await?;
    } else {
        rounds::advance(conn, round, S::Evidenced, S::Resolved, NOT_DUE).await?;
    }
    Ok(is_void)
}
