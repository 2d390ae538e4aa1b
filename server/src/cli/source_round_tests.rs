//! Whole rounds on a numeric source through the jobs and pages that `serve` runs, the clock moved by
//! hand.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use domain::timestamp::SECOND_US;
use domain::{MarketClock, Outcome, Probability, RoundId, RoundState, WallClock};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tower::ServiceExt;

use crate::app::{App, Parts};
use crate::chain::testing::{deployment, head};
use crate::db::Db;
use crate::db::testing::{each_database, sqlite};
use crate::events;
use crate::limits::{LimitSettings, Networks};
use crate::predictions::{self, ReceiptSigner, Said, Submission};
use crate::prices::evidence::{Record, hash};
use crate::prices::feeds::source::weather_fixture::{Weather, dice, source};
use crate::prices::feeds::source::{Source, decode};
use crate::prices::{self, Evidence, Resolution, rule};
use crate::releases::Releases;
use crate::settings::ServeSettings;
use crate::{accounts, jobs, models, rounds};

const TOURNAMENT: &str = include_str!("../prices/feeds/source/berlin-temperature-1h.toml");
const NOON: i64 = 1_709_640_000 * SECOND_US;
const END: i64 = NOON + 3_600 * SECOND_US;
const ROUND: &str = "berlin-temperature-1h-20240305T1200Z";

/// A server that follows the example's source, and the source's server.
struct World {
    app: Arc<App>,
    wall: WallClock,
    weather: Arc<Weather>,
    source: Source,
    address: String,
    folder: tempfile::TempDir,
}

impl World {
    /// At 11:30, with the tournament entered.
    async fn new(db: &Db) -> Self {
        let (weather, address) = Weather::serve().await;
        let wall = WallClock::manual(NOON - 1_800 * SECOND_US);
        let mut tx = db.begin().await.expect("a transaction");
        rounds::enter(&mut tx, wall.now_us(), TOURNAMENT)
            .await
            .expect("entered");
        tx.commit().await.expect("committed");
        let folder = tempfile::tempdir().expect("a folder");
        let source = source(db, &wall, &address);
        let app = serving(db, &wall, &source, &folder);
        Self {
            app,
            wall,
            weather,
            source,
            address,
            folder,
        }
    }

    /// Another process goes on with the same database: everything in memory is gone.
    async fn restart(&mut self) {
        self.source = source(&self.app.db, &self.wall, &self.address);
        self.app = serving(&self.app.db, &self.wall, &self.source, &self.folder);
        self.source.resume().await;
    }

    /// The jobs of this moment, by a fresh view of the chain.
    async fn tick(&self, at_us: i64) {
        self.wall.set(at_us);
        let mut tx = self.app.db.begin().await.expect("a transaction");
        let number = u64::try_from((at_us - NOON) / SECOND_US + 10_000).expect("after 9:13");
        head(&mut tx, number, at_us).await;
        tx.commit().await.expect("committed");
        jobs::tick(&self.app).await.expect("ticked");
    }

    /// The source says this from `at_us` on, and is asked then.
    async fn observe(&self, at_us: i64, observed_us: i64, value: &str) {
        self.wall.set(at_us);
        self.weather.observes(observed_us, value);
        self.source.poll(&mut dice()).await;
    }

    /// Opens the round, takes two predictions, freezes, locks; the chain has the commitment.
    async fn locked(&self) {
        self.tick(NOON - 1_700 * SECOND_US).await;
        self.predict("warm", 0.6).await;
        self.predict("cold", 0.45).await;
        self.tick(NOON - 120 * SECOND_US).await;
        self.tick(NOON - 55 * SECOND_US).await;
        assert_eq!(self.state().await, (RoundState::Locked, String::new()));
        // The chain's part: the follower has seen the commitment.
        let mut tx = self.app.db.begin().await.expect("a transaction");
        let (from, to) = (RoundState::Locked, RoundState::Committed);
        rounds::advance(&mut tx, &round(), from, to, END)
            .await
            .expect("committed");
        tx.commit().await.expect("committed");
    }

    async fn predict(&self, name: &str, p: f64) {
        let now_us = self.app.market.now_us();
        let mut tx = self.app.db.begin().await.expect("a transaction");
        let account = accounts::create(&mut tx, now_us, name, "", false).await;
        let account = account.expect("an account").id;
        let tournament = round().tournament().clone();
        let model = models::register_external(&mut tx, now_us, &account, &tournament, name).await;
        tx.commit().await.expect("committed");
        let submission = Submission {
            round: round(),
            model: model.expect("a model").id,
            account,
            said: Said::Open {
                posted: Probability::from_f64(p).expect("a probability"),
                ask: None,
            },
            nonce: None,
            received_us: now_us,
        };
        predictions::submit(&self.app.writer, submission)
            .await
            .expect("taken");
    }

    async fn state(&self) -> (RoundState, String) {
        let mut conn = self.app.db.read().await.expect("a connection");
        let found = rounds::get(&mut conn, &round()).await.expect("the round");
        (found.state, found.void_reason)
    }

    async fn events(&self) -> Vec<events::Event> {
        let mut conn = self.app.db.read().await.expect("a connection");
        let all = events::after(&mut conn, 0, 1_000).await.expect("readable");
        all.into_iter()
            .filter(|event| event.round.as_ref() == Some(&round()))
            .collect()
    }

    /// What was told of the round.
    async fn told(&self) -> Vec<&'static str> {
        let events = self.events().await;
        events.iter().map(|event| event.kind.name()).collect()
    }

    /// What the account `warm` was told of its own model.
    async fn own(&self) -> Vec<&'static str> {
        let warm = "warm".parse().expect("an id");
        let mut kinds = Vec::new();
        for event in self.events().await {
            let own = self
                .app
                .own_events
                .of(&self.app.db, &self.app.market, &event);
            let own = own.await.expect("readable");
            kinds.extend(
                own.get(&warm)
                    .into_iter()
                    .flatten()
                    .map(|one| one.kind.name()),
            );
        }
        kinds
    }

    async fn resolution(&self) -> Resolution {
        let mut conn = self.app.db.read().await.expect("a connection");
        let found = prices::resolution(&mut conn, &round()).await;
        found.expect("readable").expect("a resolution")
    }

    /// What closing again would decide now.
    async fn again(&self) -> Resolution {
        let mut conn = self.app.db.read().await.expect("a connection");
        let found = rounds::get(&mut conn, &round()).await.expect("the round");
        let entered = rounds::tournament(&mut conn, round().tournament())
            .await
            .expect("entered");
        let now_us = self.app.market.now_us();
        let closed = prices::close_evidence(&mut conn, now_us, &found, &entered.tournament).await;
        let Evidence::Closed(resolution) = closed.expect("an answer") else {
            panic!("the evidence is open again");
        };
        Resolution {
            resolved_us: self.resolution().await.resolved_us,
            ..*resolution
        }
    }

    async fn page(&self, path: &str) -> String {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let router = crate::http::router(Arc::clone(&self.app));
        let response = router.oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let bytes = to_bytes(response.into_body(), 1 << 20).await;
        String::from_utf8(bytes.expect("a body").to_vec()).expect("UTF-8")
    }
}

fn serving(db: &Db, wall: &WallClock, source: &Source, folder: &tempfile::TempDir) -> Arc<App> {
    let settings = ServeSettings {
        data_dir: folder.path().to_path_buf(),
        record_dir: folder.path().join("record"),
        listen: ([127, 0, 0, 1], 0).into(),
        rpc_url: None,
        is_replay: false,
        replay_end_us: None,
        chain_poll: Duration::from_millis(50),
        replicated_ppm: 0,
        runner: None,
        limits: LimitSettings::off(),
        trusted_proxies: Networks::default(),
        heartbeat: Duration::from_secs(15),
        webhooks_to_private: false,
    };
    let receipts = ReceiptSigner::from_secret(&[7; 32], 31_337, deployment().registry);
    App::new(Parts {
        db: db.clone(),
        market: MarketClock::live(wall.clone()),
        settings,
        releases: Releases::open(folder.path(), None).expect("a folder"),
        receipts: receipts.expect("a key"),
        deployment: Some(deployment()),
        feeds: Some(Arc::clone(&source.board)),
        entropy: StdRng::from_seed([9; 32]),
    })
}

fn round() -> RoundId {
    ROUND.parse().expect("an id")
}

/// Anybody's way: the published bytes, decided again.
fn recomputed(resolution: &Resolution) -> (Record, rule::Decision) {
    let record = Record::parse(&resolution.evidence).expect("a record");
    let canonical = record.clone().canonical().expect("decidable");
    assert_eq!(canonical, record, "what is published is canonical");
    let json = canonical.json().expect("JSON");
    assert_eq!(hash(&json), resolution.evidence_hash);
    let decision = rule::decide(&canonical);
    (record, decision)
}

#[tokio::test]
async fn a_round_on_a_source_ends_with_an_outcome_that_its_bytes_give_again() {
    each_database(|db| async move {
        let mut world = World::new(&db).await;
        world.locked().await;
        let frozen = {
            let mut conn = db.read().await.expect("a connection");
            prices::frozen(&mut conn, &round()).await.expect("readable")
        };
        let why = frozen.expect("frozen").reason;
        assert!(why.contains("has no candles"), "{why}");
        world.observe(NOON + 70 * SECOND_US, NOON, "-0.3").await;
        // The server dies in the middle of the round, and the source thinks again.
        world.restart().await;
        world.observe(NOON + 900 * SECOND_US, NOON, "9.9").await;
        world.tick(END + 25 * SECOND_US).await;
        assert_eq!(
            world.state().await.0,
            RoundState::Committed,
            "nothing of the end yet"
        );
        world.observe(END + 130 * SECOND_US, END, "-0.2").await;
        world.tick(END + 131 * SECOND_US).await;
        let resolution = world.resolution().await;
        assert_eq!(resolution.outcome.name(), "up");
        let prices = (resolution.p0, resolution.p1);
        let text = |price: Option<domain::Price>| price.map(|price| price.to_string());
        assert_eq!(text(prices.0).as_deref(), Some("272.85"));
        assert_eq!(text(prices.1).as_deref(), Some("272.95"));
        let (record, decision) = recomputed(&resolution);
        assert_eq!(decision.outcome, resolution.outcome);
        let listed: Vec<_> = decision.venues.iter().map(|v| v.venue.name()).collect();
        assert_eq!(listed, ["source:berlin-temperature"]);
        let said: Vec<_> = record
            .receipts
            .iter()
            .map(|r| (r.is_revision, r.value.as_str()))
            .collect();
        assert_eq!(said, [(false, "-0.3"), (true, "9.9"), (false, "-0.2")]);
        // The value from the bytes, by the reading that the receipt names.
        let first = &record.receipts[0];
        let bytes = world
            .page(&format!("/api/v1/source-receipts/{}", first.sha256))
            .await;
        let again = decode::decode(&world.source.settings, bytes.as_bytes()).expect("a value");
        assert_eq!((again.observed_us, again.value.as_str()), (NOON, "-0.3"));
        assert_eq!(again.price, record.ticks[0].price);
        // What comes after the close is kept and changes nothing.
        world.observe(END + 140 * SECOND_US, END, "-5").await;
        assert_eq!(world.source.board.sources().sources()[0].revisions, 2);
        assert_eq!(world.again().await, resolution);
        world.tick(END + 150 * SECOND_US).await;
        assert_eq!(world.state().await.0, RoundState::Scored);
        let told = [
            "round.open",
            "round.locked",
            "round.resolved",
            "round.scored",
        ];
        assert_eq!(world.told().await, told);
        assert_eq!(
            world.own().await,
            ["prediction.counted", "prediction.scored"],
            "the restarted server tells it too"
        );
        shown(&world).await;
    })
    .await;
}

/// Pages and API name the source, its value, its receipts.
async fn shown(world: &World) {
    let feeds = world.page("/feeds").await;
    assert!(
        feeds.contains("berlin-temperature") && feeds.contains("-0.2 °C"),
        "{feeds}"
    );
    assert!(
        feeds.contains("No value between"),
        "three quarters were not asked for"
    );
    let api: serde_json::Value =
        serde_json::from_str(&world.page("/api/v1/feeds").await).expect("JSON");
    let source = &api["sources"][0];
    assert_eq!(source["source"], "berlin-temperature");
    assert_eq!(
        (&source["value"], &source["unit"]),
        (&"-0.2".into(), &"°C".into())
    );
    assert_eq!(source["gaps"].as_array().map(Vec::len), Some(1), "{source}");
    let round = world.page(&format!("/rounds/{ROUND}")).await;
    assert!(
        round.contains("no: a later value for this moment"),
        "{round}"
    );
    assert!(round.contains("/api/v1/source-receipts/"), "{round}");
    let rules = world.page("/tournaments/berlin-temperature-1h").await;
    assert!(rules.contains("Sources: berlin-temperature"), "{rules}");
    let tournament = world
        .page("/api/v1/tournaments/berlin-temperature-1h")
        .await;
    assert!(
        tournament.contains("\"source:berlin-temperature\""),
        "{tournament}"
    );
    world.page("/").await;
}

#[tokio::test]
async fn a_value_received_after_the_evidence_closed_voids_the_round() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        world.locked().await;
        world.observe(NOON + 70 * SECOND_US, NOON, "7.3").await;
        let last_us = END + 1_800 * SECOND_US;
        world.tick(last_us - SECOND_US).await;
        assert_eq!(world.state().await.0, RoundState::Committed);
        world.observe(last_us + 1, END, "7.4").await;
        world.tick(last_us + SECOND_US).await;
        let (state, reason) = world.state().await;
        assert_eq!(state, RoundState::Void);
        let told = ["round.open", "round.locked", "round.void"];
        assert_eq!(world.told().await, told);
        let expected = "quorum: 0 of 1 venues count (source:berlin-temperature: only 0 fresh \
                        samples at the end)";
        assert_eq!(reason, expected);
        let resolution = world.resolution().await;
        let (record, decision) = recomputed(&resolution);
        assert_eq!(decision.outcome, Outcome::Void);
        assert_eq!(record.ticks.len(), 1);
        assert_eq!(world.again().await, resolution);
    })
    .await;
}

#[tokio::test]
async fn equal_missing_and_old_values_void_a_round_and_a_lower_one_is_down() {
    for (start, end, outcome, reason) in [
        ((0, "7.3"), (0, "7.2"), "down", ""),
        ((0, "7.3"), (0, "7.30"), "void", "dead band"),
        ((-900, "7.3"), (0, "7.4"), "void", "samples at the start"),
        ((0, "7.3"), (900, "7.4"), "void", "samples at the end"),
    ] {
        let (db, _folder) = sqlite().await;
        let world = World::new(&db).await;
        world.locked().await;
        let at = |t_us: i64, late_s: i64| t_us + late_s * SECOND_US;
        let observed_us = at(NOON, start.0);
        world
            .observe(NOON + 10 * SECOND_US, observed_us, start.1)
            .await;
        let observed_us = at(END, end.0);
        world
            .observe(observed_us + 30 * SECOND_US, observed_us, end.1)
            .await;
        world.tick(observed_us + 31 * SECOND_US).await;
        let resolution = world.resolution().await;
        assert_eq!(resolution.outcome.name(), outcome, "{}", resolution.reason);
        assert!(resolution.reason.contains(reason), "{}", resolution.reason);
        recomputed(&resolution);
    }
}

#[tokio::test]
async fn a_silent_source_is_named_and_one_that_is_read_anew_is_left_out() {
    let (db, _folder) = sqlite().await;
    let world = World::new(&db).await;
    world.locked().await;
    world.tick(END + 1_801 * SECOND_US).await;
    let (record, decision) = recomputed(&world.resolution().await);
    assert!(record.ticks.is_empty() && decision.venues.len() == 1);
    let reason = &record.left_out[0].reason;
    assert!(reason.contains("no observation received"), "{reason}");

    let (db, _folder) = sqlite().await;
    let mut world = World::new(&db).await;
    world.locked().await;
    world.observe(NOON + 10 * SECOND_US, NOON, "7.3").await;
    world.source.settings.shift = "300".into();
    world.observe(END + 10 * SECOND_US, END, "7.3").await;
    world.tick(END + 30 * SECOND_US).await;
    let (_, reason) = world.state().await;
    assert!(reason.contains("description changed"), "{reason}");
}
