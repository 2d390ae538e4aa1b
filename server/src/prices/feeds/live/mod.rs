//! The live feeds: three venues over WebSocket, recorded as they speak, and the numeric sources.
//!
//! One task keeps each venue connected (`session` is one connection), one looks whether a market
//! is mute, one asks its clock; a single `keeper` writes. Must never decide an outcome: gaps and
//! clocks go into the connection log, and the rule reads that.

pub mod board;
pub mod settings;

mod backfill;
mod bars;
mod clocks;
mod continuity;
mod keeper;
mod market;
mod mute;
mod raw;
mod refill;
mod session;
mod venue;

#[cfg(test)]
mod resume_tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{MarketClock, Venue};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::board::Board;
use self::continuity::Known;
use self::keeper::{Event, Keeper, Pending};
use self::market::Market;
use self::settings::{FeedSettings, VenueSettings};
use self::venue::Followed;
pub(super) use self::venue::jittered;
use super::source::{self, Source};
use crate::db::{Conn, Db};
use crate::prices::connection_log::Gap;
use crate::prices::{PriceError, Tick, gaps, newest_trade, trade_at};

/// Events that wait for the keeper at most; then the streams wait.
const MOST_WAITING: usize = 50_000;
/// Gaps that an earlier run left are filled when they are this young.
const LEFT_US: i64 = 15 * 60 * 1_000_000;

/// The live feeds' parts, not started.
#[derive(Debug)]
pub struct LiveFeeds {
    settings: FeedSettings,
    board: Arc<Board>,
    frames: PathBuf,
    seed: [u8; 32],
}

impl LiveFeeds {
    /// Follows the venues of `settings`, keeps raw frames below `frames`; `seed` varies the pauses.
    #[must_use]
    pub fn new(settings: FeedSettings, frames: &Path, seed: [u8; 32]) -> Self {
        Self {
            board: Arc::new(Board::new(&settings)),
            settings,
            frames: frames.to_owned(),
            seed,
        }
    }

    /// What the feeds are doing.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Runs until `stop`; what was heard until then is written. Times of receiving are those of
    /// `clock`, which the venues are expected to keep.
    ///
    /// # Errors
    /// When the database cannot be read at the start, or no TLS can be set up.
    pub async fn run(
        self,
        db: Db,
        clock: MarketClock,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let tls = Arc::new(tls()?);
        let http = reqwest::Client::builder()
            .user_agent(concat!("foretoken/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        let mut parts = JoinSet::new();
        let mut followed_venues = BTreeMap::new();
        for settings in &self.settings.venues {
            let followed = Followed {
                settings: settings.clone(),
                patience: self.settings.patience,
                clock: clock.clone(),
                board: Arc::clone(&self.board),
                tls: Arc::clone(&tls),
                http: http.clone(),
            };
            followed_venues.insert(settings.name, followed);
        }
        let mut pending = Pending::default();
        let clock_of_sources = clock.clone();
        let markets = resume(&db, &clock, &self.settings.venues, &mut pending).await?;
        let keeper = Keeper {
            db: db.clone(),
            clock,
            board: Arc::clone(&self.board),
            followed: followed_venues.clone(),
            markets,
            lags: clocks::Lags::default(),
            raw: raw::RawFrames::new(&self.frames),
            sender: sender.clone(),
            stop: stop.clone(),
        };
        parts.spawn(keeper.run(receiver, pending));
        for followed in followed_venues.into_values() {
            self.start_venue(&mut parts, &db, &followed, &sender, &stop);
        }
        self.start_sources(&mut parts, &db, &clock_of_sources, &stop)?;
        drop(sender);
        while parts.join_next().await.is_some() {}
        Ok(())
    }

    fn start_sources(
        &self,
        parts: &mut JoinSet<()>,
        db: &Db,
        clock: &WallClock,
        stop: &CancellationToken,
    ) -> reqwest::Result<()> {
        let http = source::client()?;
        for (number, settings) in (0_u8..).zip(&self.settings.sources) {
            let source = Source {
                settings: settings.clone(),
                patience: self.settings.patience,
                db: db.clone(),
                clock: clock.clone(),
                board: Arc::clone(&self.board),
                http: http.clone(),
            };
            let mut seed = self.seed;
            seed[1] ^= number;
            parts.spawn(source.follow(seed, stop.clone()));
        }
        Ok(())
    }

    fn start_venue(
        &self,
        parts: &mut JoinSet<()>,
        db: &Db,
        followed: &Followed,
        sender: &mpsc::Sender<Event>,
        stop: &CancellationToken,
    ) {
        let (orders, ordered) = mpsc::channel(1);
        let mut seed = self.seed;
        seed[0] ^= followed.venue() as u8;
        parts.spawn(venue::follow(
            followed.clone(),
            sender.clone(),
            ordered,
            seed,
            stop.clone(),
        ));
        parts.spawn(mute::watch(followed.clone(), orders, stop.clone()));
        parts.spawn(clocks::watch(followed.clone(), stop.clone()));
        if followed.venue() == bars::BARS_OF {
            parts.spawn(bars::build(db.clone(), followed.clone(), stop.clone()));
        }
    }
}

/// Removes raw frames older than 90 days below `frames`; answers how many files.
///
/// # Errors
/// When a folder cannot be read or a file cannot be removed.
pub fn forget_old_frames(frames: &Path, now_us: i64) -> std::io::Result<usize> {
    raw::forget_before(frames, now_us - raw::KEPT_US)
}

/// Every market as an earlier run left it, down until its first trade comes.
async fn resume(
    db: &Db,
    clock: &MarketClock,
    venues: &[VenueSettings],
    pending: &mut Pending,
) -> Result<BTreeMap<(Venue, String), Market>, PriceError> {
    let now_us = clock.now_us();
    let mut conn = db.read().await?;
    let mut markets = BTreeMap::new();
    for settings in venues {
        for (asset, symbol) in &settings.markets {
            let venue = settings.name;
            let left = left_gaps(&mut conn, asset, venue, now_us).await?;
            let mut newest = newest_trade(&mut conn, asset, venue).await?;
            let mut resumed = Vec::new();
            for gap in left {
                // Everything after the trade before the gap is asked for again. Where there is no
                // such trade nothing can fill it, and what came later stands.
                let before = trade_at(&mut conn, asset, venue, gap.from_us).await?;
                if before.is_none() && newest.is_some() {
                    continue;
                }
                let is_older =
                    |tick: &Tick| newest.as_ref().is_some_and(|n| tick.trade_id < n.trade_id);
                if before.as_ref().is_some_and(is_older) {
                    newest = before;
                }
                resumed.push(gap);
            }
            let known = newest.map(|tick: Tick| Known {
                trade_id: tick.trade_id,
                venue_time_us: tick.venue_time_us,
            });
            let left = resumed;
            let mut market = Market::resume((venue, asset, symbol), known, left);
            market.down(now_us, "the feed was not running", pending);
            markets.insert((venue, asset.clone()), market);
        }
    }
    Ok(markets)
}

/// Gaps of a market that an earlier run left unfilled a short time ago.
async fn left_gaps(
    conn: &mut Conn,
    asset: &str,
    venue: Venue,
    now_us: i64,
) -> Result<Vec<Gap>, PriceError> {
    let mut left = gaps(conn, asset, (now_us - LEFT_US, i64::MAX)).await?;
    left.retain(|gap| gap.venue == venue && gap.filled_us == 0);
    Ok(left)
}

/// TLS with the machine's certificates. The provider is named, since more than one is compiled in.
fn tls() -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate of this machine cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
