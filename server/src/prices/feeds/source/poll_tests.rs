//! Polls of a source that behaves well and badly, on both databases.

use std::sync::Arc;
use std::time::Duration;

use domain::WallClock;
use domain::timestamp::SECOND_US;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::Source;
use super::board::SourceStatus;
use super::weather_fixture::{Says, Weather, body, dice, source};
use crate::db::Db;
use crate::db::testing::{each_database, sqlite};
use crate::prices::observations::{self, Observation, gaps, newest};
use crate::prices::store;
use crate::wall::pause;

const NOON: i64 = 1_709_640_000 * SECOND_US;
const QUARTER: i64 = 900 * SECOND_US;

struct World {
    weather: Arc<Weather>,
    clock: WallClock,
    source: Source,
}

impl World {
    async fn new(db: &Db) -> Self {
        let (weather, address) = Weather::serve().await;
        let clock = WallClock::manual(NOON + 60 * SECOND_US);
        let source = source(db, &clock, &address);
        Self {
            weather,
            clock,
            source,
        }
    }

    /// One poll, and what the board shows then.
    async fn poll(&self) -> SourceStatus {
        self.source.poll(&mut dice()).await;
        self.status()
    }

    fn status(&self) -> SourceStatus {
        let sources = self.source.board.sources().sources();
        sources.into_iter().next().expect("the source")
    }

    /// Everything kept, the newest moment first, with its revision.
    async fn kept(&self) -> Vec<(i64, Observation)> {
        let mut conn = self.source.db.read().await.expect("a connection");
        let (name, always) = (&self.source.settings.name, (0, i64::MAX));
        let found = store::sources::received(&mut conn, name, always, i64::MAX, 100).await;
        let found = found.expect("readable").into_iter();
        found.map(|one| (one.revision, one.observation)).collect()
    }

    async fn values(&self) -> Vec<(i64, i64, String)> {
        let kept = self.kept().await.into_iter();
        kept.map(|(revision, of)| ((of.observed_us - NOON) / QUARTER, revision, of.value))
            .collect()
    }
}

fn value(status: &SourceStatus) -> Option<&str> {
    status.newest.as_ref().map(|newest| newest.value.as_str())
}

#[tokio::test]
async fn a_new_observation_is_kept_once_with_its_bytes() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        world.weather.observes(NOON, "-7.30");
        assert_eq!(value(&world.poll().await), Some("-7.30"));
        assert_eq!(
            world.poll().await.observations,
            1,
            "the same again is nothing new"
        );
        let kept = world.kept().await;
        assert_eq!(kept.len(), 1);
        let (revision, observation) = &kept[0];
        assert_eq!((*revision, observation.observed_us), (0, NOON));
        assert_eq!(observation.fetched_us, NOON + 60 * SECOND_US);
        assert_eq!(observation.price.to_string(), "265.85");
        assert_eq!(observation.status, 200);
        assert!(observation.reading.url.starts_with("http://127.0.0.1:"));
        let sent = body(NOON, "-7.30");
        assert_eq!(observation.sha256, hex::encode(Sha256::digest(&sent)));
        let mut conn = db.read().await.expect("a connection");
        let bytes = observations::body(&mut conn, &observation.sha256).await;
        assert_eq!(bytes.expect("readable"), Some(sent.into_bytes()));
        let nothing = observations::body(&mut conn, "00").await;
        assert_eq!(nothing.expect("readable"), None);
    })
    .await;
}

#[tokio::test]
async fn revised_and_late_values_are_kept_beside_the_first() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        world.weather.observes(NOON, "7.3");
        world.poll().await;
        world.weather.observes(NOON, "7.4");
        let status = world.poll().await;
        assert_eq!((value(&status), status.revisions), (Some("7.3"), 1));
        world.clock.set(NOON + 2 * QUARTER);
        world.weather.observes(NOON + 2 * QUARTER, "8");
        world.poll().await;
        // The quarter between comes late: kept, and the newest stays the newest.
        world.weather.observes(NOON + QUARTER, "7.9");
        let status = world.poll().await;
        assert_eq!((value(&status), status.observations), (Some("8"), 3));
        let expected = [(2, 0, "8"), (1, 0, "7.9"), (0, 0, "7.3"), (0, 1, "7.4")];
        let expected = expected.map(|(at, revision, text)| (at, revision, text.to_owned()));
        assert_eq!(world.values().await, expected);
    })
    .await;
}

#[tokio::test]
async fn a_source_that_flaps_fills_no_disk() {
    let (db, _folder) = sqlite().await;
    let world = World::new(&db).await;
    for round in 0..20 {
        world.weather.observes(NOON, &format!("7.{round}"));
        world.poll().await;
    }
    assert_eq!(
        world.kept().await.len(),
        17,
        "the first and sixteen revisions"
    );
    assert_eq!(world.status().failed, 0);
}

#[tokio::test]
async fn bad_answers_are_told_and_nothing_of_them_is_kept() {
    let (db, _folder) = sqlite().await;
    let world = World::new(&db).await;
    let said = |text: &str| Says::Body(text.to_owned());
    let ahead = body(NOON + QUARTER, "7");
    for (says, why) in [
        (
            said(r#"{"current":{"time":1709640000}}"#),
            "temperature_2m: is not there",
        ),
        (
            said(r#"{"current":{"time":1709640000,"temperature_2m":"warm"}}"#),
            "not a decimal",
        ),
        (
            said(r#"{"current":{"time":1709640000,"temperature_2m":-300}}"#),
            "not above 0",
        ),
        (said("<html>busy</html>"), "expected value"),
        (said(&ahead), "in the future"),
        (Says::Status(500), "status 500"),
        (Says::Status(404), "status 404"),
        (Says::Redirect, "redirects are not followed"),
        (Says::Huge(70_000), "over 65536 bytes"),
        (Says::Nothing, "no answer within 1 s"),
    ] {
        let (asked, before) = (world.weather.asked(), world.status());
        world.weather.says(says);
        let status = world.poll().await;
        assert!(
            status.last_error.contains(why),
            "{why}: {}",
            status.last_error
        );
        assert_eq!(
            status.failed,
            before.failed + 3,
            "a question and two retries: {why}"
        );
        assert_eq!(world.weather.asked(), asked + 3, "{why}");
        assert!(status.is_stale(NOON), "nothing was observed");
    }
    assert_eq!(world.weather.asked_elsewhere(), 0);
    assert!(world.kept().await.is_empty());
    // It comes back: the next poll succeeds as if nothing had been.
    world.weather.observes(NOON, "7.3");
    let status = world.poll().await;
    assert_eq!((status.failed_in_a_row, value(&status)), (0, Some("7.3")));
}

#[tokio::test]
async fn a_failure_is_tried_again_within_the_poll() {
    let (db, _folder) = sqlite().await;
    let world = World::new(&db).await;
    world.weather.first(Says::Status(503));
    world.weather.first(Says::Body("{}".into()));
    world.weather.observes(NOON, "7.3");
    let status = world.poll().await;
    assert_eq!(
        (status.asked, status.failed, status.failed_in_a_row),
        (3, 2, 0)
    );
    assert_eq!(value(&status), Some("7.3"));
    assert!(!world.status().is_stale(NOON + 2_700 * SECOND_US));
    assert!(world.status().is_stale(NOON + 2_701 * SECOND_US));
}

#[tokio::test]
async fn gaps_are_moments_too_far_apart_and_a_silence() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        for quarter in [0, 1, 4, 5] {
            world.clock.set(NOON + quarter * QUARTER);
            world.weather.observes(NOON + quarter * QUARTER, "7");
            world.poll().await;
        }
        let mut conn = db.read().await.expect("a connection");
        let (name, schedule) = (
            &world.source.settings.name,
            world.source.settings.schedule_us(),
        );
        let span = (NOON, NOON + 6 * QUARTER);
        let found = gaps(&mut conn, name, span, schedule).await;
        let gap = (NOON + QUARTER, Some(NOON + 4 * QUARTER));
        assert_eq!(found.expect("gaps"), [gap]);
        let later = (NOON, NOON + 9 * QUARTER);
        let found = gaps(&mut conn, name, later, schedule).await;
        assert_eq!(found.expect("gaps"), [gap, (NOON + 5 * QUARTER, None)]);
    })
    .await;
}

#[tokio::test]
async fn a_restart_shows_what_the_run_before_observed() {
    each_database(|db| async move {
        let world = World::new(&db).await;
        world.weather.observes(NOON, "7.3");
        world.poll().await;
        world.weather.observes(NOON, "7.4");
        world.poll().await;
        let again = source(&db, &world.clock, &world.source.settings.url);
        again.resume().await;
        let shown = again.board.sources().sources();
        assert_eq!(
            value(&shown[0]),
            Some("7.3"),
            "the first value, not the revision"
        );
        let mut conn = db.read().await.expect("a connection");
        let before = newest(&mut conn, &again.settings.name, NOON).await;
        assert_eq!(before.expect("readable"), None, "not received by then");
    })
    .await;
}

#[tokio::test]
async fn evidence_waits_for_an_answer_that_is_being_written() {
    let (db, _folder) = sqlite().await;
    let world = World::new(&db).await;
    let board = world.source.board.sources();
    let name = &world.source.settings.name;
    let now_us = world.clock.now_us();
    let through = || board.recorded_through_us([name].into_iter(), now_us + 10);
    assert_eq!(through(), now_us + 10);
    board.stamp(name, &world.source.clock);
    assert_eq!(through(), now_us - 1);
    world.weather.observes(NOON, "7.3");
    world.poll().await;
    assert_eq!(through(), now_us + 10);
}

#[tokio::test]
async fn a_followed_source_asks_by_itself_until_it_is_stopped() {
    let (db, _folder) = sqlite().await;
    let world = World::new(&db).await;
    world.weather.observes(NOON, "7.3");
    let board = Arc::clone(&world.source.board);
    let stop = CancellationToken::new();
    let mut source = world.source;
    source.settings.poll_s = 1;
    let following = tokio::spawn(source.follow([5; 32], stop.clone()));
    let mut polls = 0;
    while board.sources().sources()[0].asked < 2 {
        polls += 1;
        assert!(polls < 200, "not asked twice within 10 s");
        pause(Duration::from_millis(50)).await;
    }
    assert_eq!(value(&board.sources().sources()[0]), Some("7.3"));
    stop.cancel();
    following.await.expect("ends");
}
