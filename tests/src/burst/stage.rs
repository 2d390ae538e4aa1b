//! The database of a burst: one tournament, two open rounds, bots with an account, a key and a
//! model each. And the clock, which is set when everything is there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::timestamp::SECOND_US;
use domain::tournament::RoundSchedule;
use domain::{MarketClock, ModelId, RoundId, RoundState, WallClock};
use server::accounts::{self, Scope};
use server::db::{Conn, Db};
use server::settings::ClockFile;
use server::{models, predictions, rounds};

const TOURNAMENT: &str = include_str!("../../../server/src/demo/btc-usd-5m.toml");
/// T of the first round, 2024-03-05T12:00:00Z.
const START_US: i64 = 1_709_640_000 * SECOND_US;
/// Rows of one look.
const PAGE: i64 = 5_000;

/// A participant that posts by itself.
#[derive(Clone, Debug)]
pub struct Bot {
    /// Its model.
    pub model: ModelId,
    /// Its key.
    pub key: String,
}

/// See the module.
#[derive(Debug)]
pub struct Stage {
    /// Where the database lies.
    pub data: PathBuf,
    /// The bots.
    pub bots: Arc<Vec<Bot>>,
    /// The round that closes first.
    pub first: RoundSchedule,
    /// The round after it, open as well.
    pub second: RoundSchedule,
}

impl Stage {
    /// Makes the database with so many bots.
    ///
    /// # Errors
    /// Database errors.
    pub async fn build(data: &Path, bots: usize) -> anyhow::Result<Self> {
        let db = Db::open_in(data, None).await?;
        let mut tx = db.begin().await?;
        let tournament = rounds::enter(&mut tx, 1, TOURNAMENT).await?.tournament;
        let first = tournament.round(START_US)?;
        let second = tournament.round(first.end_us)?;
        for schedule in [&first, &second] {
            open(&mut tx, schedule).await?;
        }
        let mut entered = Vec::with_capacity(bots);
        for number in 0..bots {
            let name = format!("bot {number}");
            let account = accounts::create(&mut tx, 1, &name, "", false).await?.id;
            let mut random = [0; 20];
            random[..8].copy_from_slice(&number.to_be_bytes());
            let scopes = [Scope::Predict];
            let key = accounts::create_key(&mut tx, 1, &account, &scopes, random).await?;
            let entry = models::register_external(&mut tx, 1, &account, &tournament.id, &name);
            let model = entry.await?.id;
            entered.push(Bot { model, key });
        }
        tx.commit().await?;
        db.close().await;
        Ok(Self {
            data: data.to_path_buf(),
            bots: Arc::new(entered),
            first,
            second,
        })
    }

    /// Sets the clock of the data folder: it shows `market_us` now and runs as the wall does.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_clock(&self, market_us: i64) -> anyhow::Result<MarketClock> {
        let wall = WallClock::system();
        let clock = ClockFile {
            wall_origin_us: wall.now_us(),
            market_origin_us: market_us,
            speed: 1.0,
        };
        let text = serde_json::to_string(&clock)?;
        std::fs::write(self.data.join("clock.json"), text)?;
        Ok(clock.clock(wall))
    }

    /// Every prediction of a round that is stored: sequence and model, in order.
    ///
    /// # Errors
    /// Database errors.
    pub async fn stored(&self, round: &RoundId) -> anyhow::Result<Vec<(i64, ModelId)>> {
        let db = Db::open_in(&self.data, None).await?;
        let mut conn = db.read().await?;
        let (mut stored, mut after): (Vec<(i64, ModelId)>, i64) = (Vec::new(), 0);
        loop {
            let page = predictions::acknowledged(&mut conn, round, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            stored.extend(page.into_iter().map(|one| (one.sequence, one.model)));
        }
        drop(conn);
        db.close().await;
        Ok(stored)
    }
}

/// Looked at again at the deadline, to be locked.
async fn open(conn: &mut Conn, schedule: &RoundSchedule) -> anyhow::Result<()> {
    rounds::schedule(conn, std::slice::from_ref(schedule)).await?;
    let (from, to) = (RoundState::Scheduled, RoundState::Open);
    rounds::advance(conn, &schedule.id, from, to, schedule.deadline_us).await?;
    Ok(())
}
