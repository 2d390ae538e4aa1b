//! The daily job of the datasets: a version a day of the market, from the candles known by then.
//!
//! It waits on the market clock itself and not in the calendar, whose days are the machine's: a
//! replay's day may last minutes. Must never put a candle into a version that had not closed at the
//! version's cut by the market clock, so that a replay tells no outcome before it happened.

use std::sync::Arc;
use std::time::Duration;

use datasets::candle::BAR_US;
use datasets::export::{BUNDLED_SOURCE, build};
use datasets::features::FREEZE_US;
use datasets::split::{DAY_US, Split};
use datasets::{Asset, Candle, CandleHistory, CandleSeries, DatasetError, Version};
use domain::timestamp::SECOND_US;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::db::Db;
use crate::prices;
use crate::releases::{Published, Releases};
use crate::wall::pause;

/// 00:17 UTC: the last bars of the day before are recorded, and not everybody's minute.
const MINUTE_OF_DAY_US: i64 = 17 * 60 * SECOND_US;
/// The longest nap on the wall: the clock of a machine may be set.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// Where the candles of a live server come from.
const LIVE_SOURCE: &str = "Five-minute candles of this server's price feeds and of the venues' \
    histories";

/// What came of building a version.
#[derive(Debug)]
pub enum Outcome {
    /// The version is there, now or before.
    Published(Published),
    /// The candles do not make a version yet; nothing was published.
    TooFew(DatasetError),
}

/// Publishes at once when today's version is not there, and then every day, until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    if !is_published(&app).await {
        attempt(&app).await;
    }
    loop {
        let next_us = next_us(app.market.now_us());
        while app.market.now_us() < next_us {
            tokio::select! {
                () = stop.cancelled() => return,
                () = pause(app.market.wall_until(next_us).min(LONGEST_NAP)) => {}
            }
        }
        attempt(&app).await;
    }
}

async fn is_published(app: &App) -> bool {
    let validation = Split::by(app.market.now_us()).validation_us();
    let wanted = Version::of_day(validation.end - BAR_US);
    match app.releases.versions().await {
        Ok(versions) => versions.into_iter().any(|one| one.is_revision_of(wanted)),
        // The attempt that follows says what is wrong.
        Err(_) => false,
    }
}

async fn attempt(app: &App) {
    let now_us = app.market.now_us();
    match publish(&app.db, &app.releases, now_us, app.settings.is_replay).await {
        Ok(Outcome::Published(Published::New(version))) => {
            tracing::info!(%version, "dataset published");
        }
        Ok(Outcome::Published(Published::Unchanged(version))) => {
            tracing::info!(%version, "the dataset has not changed");
        }
        Ok(Outcome::TooFew(reason)) => tracing::info!(
            %reason,
            "no dataset published: too few candles; `foretoken dataset backfill` adds history"
        ),
        Err(error) => tracing::warn!(error = format!("{error:#}"), "dataset not published"),
    }
}

/// The next time of day at which a version is due, after `now_us`.
fn next_us(now_us: i64) -> i64 {
    let shifted = now_us - MINUTE_OF_DAY_US;
    shifted - shifted.rem_euclid(DAY_US) + DAY_US + MINUTE_OF_DAY_US
}

/// Publishes the version of the last midnight by `now_us`, from the stored candles and, in a
/// replay, from the recording's that had closed by then. Saying the same again changes nothing.
///
/// # Errors
/// Database and storage errors; damaged objects.
pub async fn publish(
    db: &Db,
    releases: &Releases,
    now_us: i64,
    is_replay: bool,
) -> anyhow::Result<Outcome> {
    let history = history(db, now_us, is_replay).await?;
    let built = tokio::task::spawn_blocking(move || {
        let source = if is_replay {
            BUNDLED_SOURCE
        } else {
            LIVE_SOURCE
        };
        build(&history, split(&history, now_us), source)
    });
    match built.await? {
        Ok(export) => Ok(Outcome::Published(releases.publish(export).await?)),
        Err(reason @ (DatasetError::EmptyPart { .. } | DatasetError::MissingBar { .. })) => {
            Ok(Outcome::TooFew(reason))
        }
        Err(error) => Err(error.into()),
    }
}

/// The last midnight whose live row has its bars; an older one where the candles lag behind.
fn split(history: &CandleHistory, now_us: i64) -> Split {
    let newest = |asset| history.of(asset).as_slice().last();
    let closes = Asset::ALL.map(|asset| newest(asset).map_or(now_us, Candle::close_time_us));
    let known_us = closes.into_iter().min().unwrap_or(now_us) + FREEZE_US;
    Split::by(known_us.min(now_us))
}

async fn history(db: &Db, now_us: i64, is_replay: bool) -> anyhow::Result<CandleHistory> {
    let mut conn = db.read().await?;
    let to_us = now_us.saturating_sub(BAR_US).saturating_add(1);
    let btc = prices::candles(&mut conn, Asset::Btc.name(), 0, to_us).await?;
    let eth = prices::candles(&mut conn, Asset::Eth.name(), 0, to_us).await?;
    let recorded = if is_replay {
        Some(datasets::bundled::candles()?)
    } else {
        None
    };
    let all = |asset, stored| {
        let recorded = recorded.as_ref().map(|all| all.of(asset).closed_by(now_us));
        CandleSeries::new(asset, merged(recorded.unwrap_or_default(), stored))
    };
    Ok(CandleHistory {
        btc: all(Asset::Btc, btc)?,
        eth: all(Asset::Eth, eth)?,
    })
}

/// Both in rising order; where both have a bar, the recording's.
fn merged(recorded: &[Candle], stored: Vec<Candle>) -> Vec<Candle> {
    let has = |open_us| {
        let found = recorded.binary_search_by_key(&open_us, |bar| bar.open_time_us);
        found.is_ok()
    };
    let mut all: Vec<Candle> = stored
        .into_iter()
        .filter(|bar| !has(bar.open_time_us))
        .chain(recorded.iter().copied())
        .collect();
    all.sort_unstable_by_key(|bar| bar.open_time_us);
    all
}

#[cfg(test)]
mod tests {
    use datasets::bundled;
    use domain::timestamp::{parse_rfc3339, rfc3339};

    use super::*;
    use crate::app::testing::app;

    fn at(text: &str) -> i64 {
        parse_rfc3339(text).expect("a moment")
    }

    async fn newest_name(app: &App) -> String {
        let newest = app.releases.newest().await.expect("listed");
        let newest = newest.expect("a version");
        format!("{} {}", newest.manifest.version, newest.manifest.cut)
    }

    #[test]
    fn a_version_is_due_at_seventeen_past_midnight() {
        for (now, next) in [
            ("2024-03-05T00:16:59Z", "2024-03-05T00:17:00Z"),
            ("2024-03-05T00:17:00Z", "2024-03-06T00:17:00Z"),
            ("2024-03-05T23:59:59Z", "2024-03-06T00:17:00Z"),
        ] {
            assert_eq!(rfc3339(next_us(at(now))), next, "{now}");
        }
    }

    #[tokio::test]
    async fn a_replay_publishes_what_had_happened_by_its_clock() {
        let (app, _wall, _folder) = app().await;
        let publish = async |now: &str| {
            let outcome = publish(&app.db, &app.releases, at(now), true).await;
            match outcome.expect("published") {
                Outcome::Published(published) => published,
                Outcome::TooFew(reason) => panic!("{reason}"),
            }
        };
        let first = publish("2024-03-01T00:00:00Z").await;
        assert!(matches!(first, Published::New(_)), "{first:?}");
        let bundled = build(
            &bundled::candles().expect("bundled"),
            Split::BUNDLED,
            BUNDLED_SOURCE,
        );
        let newest = app.releases.newest().await.expect("listed").expect("there");
        assert_eq!(newest.manifest, bundled.expect("built").manifest);
        // The rest of the day changes nothing, the next day is another version.
        let later = publish("2024-03-01T23:59:59Z").await;
        assert!(matches!(later, Published::Unchanged(_)), "{later:?}");
        let next = publish("2024-03-02T00:17:00Z").await;
        assert!(matches!(next, Published::New(_)), "{next:?}");
        assert_eq!(
            newest_name(&app).await,
            "1.1.0-20240229 2024-03-02T00:00:00Z"
        );
    }

    #[tokio::test]
    async fn a_live_server_publishes_its_stored_candles_and_says_when_they_are_too_few() {
        let (app, _wall, _folder) = app().await;
        let now_us = at("2024-03-05T00:17:00Z");
        let few = publish(&app.db, &app.releases, now_us, false).await;
        assert!(matches!(few, Ok(Outcome::TooFew(_))), "{few:?}");
        let history = bundled::candles().expect("bundled");
        for asset in Asset::ALL {
            // The feed stopped at noon of the day before: the version is that day's.
            let known = history.of(asset).closed_by(at("2024-03-04T12:00:00Z"));
            let filled = prices::fill_candles(&app.db, asset, known).await;
            assert_eq!(filled.expect("stored").inserted, known.len());
        }
        let published = publish(&app.db, &app.releases, now_us, false).await;
        let is_new = matches!(published, Ok(Outcome::Published(Published::New(_))));
        assert!(is_new, "{published:?}");
        assert_eq!(
            newest_name(&app).await,
            "1.1.0-20240302 2024-03-04T00:00:00Z"
        );
    }
}
