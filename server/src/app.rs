//! What every request and job of the serving process shares.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{MarketClock, ModelId, WallClock};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::accounts::{Gate, LastUses};
use crate::chain::Deployment;
use crate::checks::Checker;
use crate::db::Db;
use crate::events::Broadcast;
use crate::limits::Limits;
use crate::own_events::OwnEvents;
use crate::predictions::{ReceiptSigner, Writer};
use crate::prices::feeds::live::board::Board;
use crate::releases::Releases;
use crate::settings::ServeSettings;
use crate::webhooks::Sender;

/// How long a caller waits for a place to check a model before it is told to come back.
const CHECK_PATIENCE: Duration = Duration::from_secs(5);

/// The serving process's parts, made once and shared.
#[derive(Debug)]
pub struct App {
    /// The database.
    pub db: Db,
    /// Rounds, deadlines, prices.
    pub market: MarketClock,
    /// Sessions, keys, limits, timeouts.
    pub wall: WallClock,
    /// Configuration.
    pub settings: ServeSettings,
    /// How much each caller may ask.
    pub limits: Limits,
    /// Stores predictions in groups.
    pub writer: Writer,
    /// Looks up the keys of requests.
    pub gate: Gate,
    /// When keys were used, until it is written.
    pub key_uses: LastUses,
    /// Published versions of the datasets.
    pub releases: Releases,
    /// Signs receipts.
    pub receipts: Arc<ReceiptSigner>,
    /// Rung when a job for runners was published.
    pub runner_wake: Notify,
    /// Rung when the deadline loop has something new to look at.
    pub timetable_wake: Arc<Notify>,
    /// The contracts; absent when no chain is configured.
    pub deployment: Option<Deployment>,
    /// What the live feeds are doing; absent where prices are a replay.
    pub feeds: Option<Arc<Board>>,
    /// Checks ONNX files for anybody.
    pub checks: Checker,
    /// The newest events, for everybody who listens.
    pub events: Broadcast,
    /// What they mean for each account's own models.
    pub own_events: OwnEvents,
    /// Sends messages to webhooks.
    pub webhooks: Sender,
    /// Cancelled when the process is ending.
    pub stop: CancellationToken,
    entropy: Mutex<StdRng>,
    trials: Mutex<HashSet<(ModelId, String)>>,
}

/// What an [`App`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// Rounds, deadlines, prices.
    pub market: MarketClock,
    /// Configuration.
    pub settings: ServeSettings,
    /// The published datasets.
    pub releases: Releases,
    /// Signs receipts.
    pub receipts: ReceiptSigner,
    /// The contracts; absent when no chain is configured.
    pub deployment: Option<Deployment>,
    /// What the live feeds are doing; absent where prices are a replay.
    pub feeds: Option<Arc<Board>>,
    /// Salts and keys come from it.
    pub entropy: StdRng,
}

impl App {
    /// Puts the parts together and starts the writer.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let receipts = Arc::new(parts.receipts);
        let timetable_wake = Arc::<Notify>::default();
        let writer = Writer::start(
            parts.db.clone(),
            Arc::clone(&receipts),
            Arc::clone(&timetable_wake),
        );
        let gate = Gate::start(parts.db.clone());
        Arc::new(Self {
            db: parts.db,
            limits: Limits::new(parts.settings.limits, parts.market.wall()),
            wall: parts.market.wall().clone(),
            market: parts.market,
            checks: Checker::new(parts.settings.runner.clone(), CHECK_PATIENCE),
            webhooks: Sender::new(parts.settings.webhooks_to_private),
            settings: parts.settings,
            releases: parts.releases,
            writer,
            gate,
            key_uses: LastUses::default(),
            receipts,
            runner_wake: Notify::new(),
            timetable_wake,
            deployment: parts.deployment,
            feeds: parts.feeds,
            events: Broadcast::default(),
            own_events: OwnEvents::default(),
            stop: CancellationToken::new(),
            entropy: Mutex::new(parts.entropy),
            trials: Mutex::new(HashSet::new()),
        })
    }

    /// Notes that a trial of this file of `model` was published; `false` when it had been noted
    /// before.
    #[must_use]
    pub fn remember_trial(&self, model: &ModelId, artifact: &str) -> bool {
        let trial = (model.clone(), artifact.to_owned());
        self.trials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(trial)
    }

    /// Returns when the process is ending.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Fresh secret bytes, for salts and keys.
    #[must_use]
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        // A panic elsewhere leaves a generator that is still good.
        self.entropy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        bytes
    }
}

/// A token that SIGINT or SIGTERM cancels.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let token = stop.clone();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        token.cancel();
    });
    Ok(stop)
}

pub use crate::wall::pause;

#[cfg(debug_assertions)]
pub mod testing {
    //! An app for tests: a fresh SQLite database, a hand-moved clock, both tournaments entered.

    use std::path::Path;

    use rand::SeedableRng;

    use super::{
        App, Arc, Db, Deployment, Duration, MarketClock, Parts, ReceiptSigner, Releases,
        ServeSettings, StdRng, WallClock,
    };
    use crate::db::testing::sqlite;
    use crate::limits::{LimitSettings, Networks};
    use crate::rounds;

    const TOURNAMENT_FILES: [&str; 2] = [
        include_str!("demo/btc-usd-5m.toml"),
        include_str!("demo/eth-usd-5m.toml"),
    ];

    /// 2024-03-05T11:55:00Z, the clock of a fresh test app, microseconds.
    pub const NOW_US: i64 = 1_709_639_700_000_000;

    /// A fresh app, its wall clock, and the folder that must outlive it.
    ///
    /// # Panics
    /// When a part cannot be made.
    pub async fn app() -> (Arc<App>, WallClock, tempfile::TempDir) {
        app_changed(|_| {}).await
    }

    /// As [`app()`], with settings that `change` has changed.
    ///
    /// # Panics
    /// When a part cannot be made.
    pub async fn app_changed(
        change: impl FnOnce(&mut ServeSettings),
    ) -> (Arc<App>, WallClock, tempfile::TempDir) {
        let (db, folder) = sqlite().await;
        let wall = WallClock::manual(NOW_US);
        let mut tx = db.begin().await.expect("a transaction");
        for file in TOURNAMENT_FILES {
            rounds::enter(&mut tx, NOW_US, file)
                .await
                .expect("the demo's tournaments are valid");
        }
        tx.commit().await.expect("a commit");
        let app = made(db, wall.clone(), folder.path(), None, change);
        (app, wall, folder)
    }

    /// An app over a database and a clock, with its files in `folder`; its receipts are about the
    /// deployment's registry.
    ///
    /// # Panics
    /// When a part cannot be made.
    pub fn over(
        db: Db,
        wall: WallClock,
        folder: &Path,
        deployment: Option<Deployment>,
    ) -> Arc<App> {
        made(db, wall, folder, deployment, |_| {})
    }

    fn made(
        db: Db,
        wall: WallClock,
        folder: &Path,
        deployment: Option<Deployment>,
        change: impl FnOnce(&mut ServeSettings),
    ) -> Arc<App> {
        let mut settings = ServeSettings {
            data_dir: folder.to_path_buf(),
            record_dir: folder.join("record"),
            listen: ([127, 0, 0, 1], 0).into(),
            rpc_url: None,
            is_replay: true,
            replay_end_us: None,
            chain_poll: Duration::from_millis(50),
            replicated_ppm: 50_000,
            runner: None,
            limits: LimitSettings::off(),
            trusted_proxies: Networks::default(),
            heartbeat: Duration::from_millis(200),
            webhooks_to_private: false,
        };
        change(&mut settings);
        let registry = deployment.as_ref().map(|deployment| deployment.registry);
        let receipts = ReceiptSigner::from_secret(&[7; 32], 31_337, registry.unwrap_or_default());
        let receipts = receipts.expect("a key");
        let entropy = StdRng::from_seed([9; 32]);
        let releases = Releases::open(&settings.data_dir, None).expect("a folder");
        App::new(Parts {
            db,
            market: MarketClock::live(wall),
            settings,
            releases,
            receipts,
            deployment,
            feeds: None,
            entropy,
        })
    }
}
