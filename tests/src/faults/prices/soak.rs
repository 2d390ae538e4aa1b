//! The live feeds, as the server runs them, follow fake venues through every misbehaviour in turn.
//!
//! In real time: each is commanded of one venue, must be noticed, and when it ends nothing may be
//! missing. At the end what is stored is compared with the market, trade by trade.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use datasets::Asset;
use domain::timestamp::SECOND_US;
use domain::{MarketClock, Venue, WallClock};
use serde_json::{Value, json};
use server::app::pause;
use server::db::Db;
use server::prices::feeds::live::LiveFeeds;
use server::prices::feeds::live::board::{Board, Connection, VenueStatus};
use server::prices::feeds::live::settings::FeedSettings;
use server::prices::{gaps, trades_of_venue};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::venues::{Market, Misbehaviour, Settings, Venues};
use crate::{scratch, wait};

/// A loss must be noticed within this time.
const NOTICED_US: i64 = 10 * SECOND_US;
/// What is waited for at most.
const LIMIT: Duration = Duration::from_secs(90);
/// What was noticed goes on for a while.
const GOES_ON: Duration = Duration::from_secs(3);
/// Trades this young may not be stored yet.
const YOUNG_US: i64 = 3 * SECOND_US;
/// A clock this far off must show.
const CLOCK_US: i64 = 3 * SECOND_US;

/// What the soak found.
pub(super) struct Found {
    pub is_good: bool,
    pub counts: Value,
}

/// How a misbehaviour shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// A gap in the connection log.
    Gap,
    /// Frames that are counted as broken or unknown.
    Broken,
    /// A clock on the board.
    Clock,
    /// Not by itself; it goes on for so many seconds.
    Never(u64),
}

struct Step {
    name: &'static str,
    commands: &'static [Misbehaviour],
    shows: Shows,
    /// Whether stored prices or times may differ from the market's.
    alters: bool,
}

const fn step(
    name: &'static str,
    commands: &'static [Misbehaviour],
    shows: Shows,
    alters: bool,
) -> Step {
    Step {
        name,
        commands,
        shows,
        alters,
    }
}

const STEPS: [Step; 17] = [
    step("disconnect", &[Misbehaviour::Disconnect], Shows::Gap, false),
    step("mute", &[Misbehaviour::Mute], Shows::Gap, false),
    step("garbage", &[Misbehaviour::Garbage], Shows::Broken, false),
    step("huge_frame", &[Misbehaviour::HugeFrame], Shows::Gap, false),
    step("cut24h", &[Misbehaviour::Cut24h], Shows::Gap, false),
    step(
        "mute_one",
        &[Misbehaviour::MuteOne { asset: Asset::Eth }],
        Shows::Gap,
        false,
    ),
    step(
        "refuse_connections",
        &[
            Misbehaviour::RefuseConnections { seconds: 8 },
            Misbehaviour::Disconnect,
        ],
        Shows::Gap,
        false,
    ),
    step(
        "duplicate",
        &[Misbehaviour::Duplicate { percent: 50 }],
        Shows::Never(8),
        false,
    ),
    step(
        "reorder",
        &[Misbehaviour::Reorder { percent: 40 }],
        Shows::Never(8),
        false,
    ),
    step(
        "print",
        &[Misbehaviour::Print {
            asset: Asset::Btc,
            percent: 20,
        }],
        Shows::Never(5),
        true,
    ),
    step(
        "shift_decimals",
        &[Misbehaviour::ShiftDecimals { places: 2 }],
        Shows::Never(8),
        true,
    ),
    step(
        "rest_fails",
        &[
            Misbehaviour::RestFails { status: 503 },
            Misbehaviour::Disconnect,
        ],
        Shows::Gap,
        false,
    ),
    step(
        "rest_slow",
        &[
            Misbehaviour::RestSlow { seconds: 2 },
            Misbehaviour::Disconnect,
        ],
        Shows::Gap,
        false,
    ),
    // Silent for less than a mute market may be: its stamps show it.
    step(
        "late",
        &[Misbehaviour::Late { seconds: 4 }],
        Shows::Clock,
        false,
    ),
    // Silent for longer.
    step(
        "very_late",
        &[Misbehaviour::Late { seconds: 7 }],
        Shows::Gap,
        false,
    ),
    step(
        "clock_off",
        &[Misbehaviour::ClockOff { seconds: 5 }],
        Shows::Clock,
        true,
    ),
    step(
        "clock_behind",
        &[Misbehaviour::ClockOff { seconds: -5 }],
        Shows::Clock,
        true,
    ),
];

/// Steps of a short soak.
const SHORT: usize = 4;

struct World {
    venues: Venues,
    db: Db,
    board: Arc<Board>,
    clock: MarketClock,
    running: JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
}

/// A time in which a venue's stored trades may differ from the market's.
struct Altered {
    venue: Venue,
    from_us: i64,
    to_us: i64,
}

/// Runs every step, or a few.
pub(super) async fn run(is_short: bool) -> anyhow::Result<Found> {
    let panics = count_panics();
    let folder = scratch::folder("feeds")?;
    let world = World::start(folder.path()).await?;
    world.settled().await?;
    let begin_us = world.clock.now_us();
    let mut noticed: BTreeMap<&str, Value> = BTreeMap::new();
    let (mut late, mut altered) = (0_u64, Vec::new());
    let steps = STEPS.iter().zip(Venue::ALL.iter().cycle());
    for (step, venue) in steps.take(if is_short { SHORT } else { STEPS.len() }) {
        let from_us = world.clock.now_us();
        let after_us = world
            .misbehave(step, *venue)
            .await
            .with_context(|| format!("{} of {}", step.name, venue.name()))?;
        if step.alters {
            altered.push(Altered {
                venue: *venue,
                from_us: from_us - SECOND_US,
                to_us: world.clock.now_us() + SECOND_US,
            });
        }
        if let Some(after_us) = after_us {
            late += u64::from(after_us > NOTICED_US);
            noticed.insert(step.name, json!(tenths(after_us)));
        }
    }
    let end_us = world.clock.now_us();
    pause(Duration::from_micros(YOUNG_US.unsigned_abs())).await;
    world.settled().await?;
    let compared = world.compare(begin_us, end_us, &altered).await?;
    world.end().await?;
    let panics = panics.load(Ordering::SeqCst);
    let is_good = late == 0 && panics == 0 && compared.is_good();
    Ok(Found {
        is_good,
        counts: json!({
            "misbehaviours": noticed.len() + not_shown(is_short),
            "noticed_after_s": noticed, "noticed_late": late,
            "trades": compared.trades, "missing": compared.missing,
            "foreign": compared.foreign, "different": compared.different,
            "altered_by_venue": compared.altered, "unfilled_gaps": compared.unfilled,
            "panics": panics, "seconds": (end_us - begin_us) / SECOND_US,
        }),
    })
}

fn not_shown(is_short: bool) -> usize {
    let steps = STEPS
        .iter()
        .take(if is_short { SHORT } else { STEPS.len() });
    steps
        .filter(|step| matches!(step.shows, Shows::Never(_)))
        .count()
}

fn tenths(us: i64) -> f64 {
    let tenths = i32::try_from(us / 100_000).unwrap_or(i32::MAX);
    f64::from(tenths) / 10.0
}

/// Counts panics inside the feeds; the runtime would only end the task.
fn count_panics() -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let (counted, before) = (Arc::clone(&count), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        let is_ours = info
            .location()
            .is_some_and(|at| at.file().contains("prices"));
        counted.fetch_add(u64::from(is_ours), Ordering::SeqCst);
        before(info);
    }));
    count
}

impl World {
    async fn start(folder: &Path) -> anyhow::Result<Self> {
        let clock = MarketClock::live(WallClock::system());
        let settings = Settings::new(Market::new(super::SEED), clock.clone());
        let venues = Venues::start(settings).await?;
        let settings = FeedSettings::parse(&venues.feeds_file()).map_err(anyhow::Error::msg)?;
        let db = Db::open_in(folder, None).await?;
        let feeds = LiveFeeds::new(settings, &folder.join("frames"), [7; 32]);
        let board = feeds.board();
        let stop = CancellationToken::new();
        let running = tokio::spawn(feeds.run(db.clone(), clock.clone(), stop.clone()));
        Ok(Self {
            venues,
            db,
            board,
            clock,
            running,
            stop,
        })
    }

    fn status(&self, venue: Venue) -> anyhow::Result<VenueStatus> {
        let mut venues = self.board.venues().into_iter();
        let found = venues.find(|status| status.venue == venue);
        found.with_context(|| format!("{} is on the board", venue.name()))
    }

    /// Waits until every venue is connected, trades both markets and misses nothing.
    async fn settled(&self) -> anyhow::Result<()> {
        let whole = |status: &VenueStatus| {
            let is_up = matches!(status.connection, Connection::Up { .. });
            let mut markets = status.markets.values();
            is_up && markets.all(|market| market.trades > 0 && market.open_gaps == 0)
        };
        wait::until("venues that miss nothing", LIMIT, async || {
            Ok(self.board.venues().iter().all(whole).then_some(()))
        })
        .await
    }

    /// Does a step at a venue and undoes it; answers after how long it showed, microseconds.
    async fn misbehave(&self, step: &Step, venue: Venue) -> anyhow::Result<Option<i64>> {
        let before = self.status(venue)?;
        let commanded_us = self.clock.now_us();
        for command in step.commands {
            self.venues.command(venue, *command);
        }
        let shown_us = match step.shows {
            Shows::Gap => {
                let found = async || self.found_us(venue, commanded_us).await;
                let found_us = wait::until("a gap in the log", LIMIT, found).await?;
                pause(GOES_ON).await;
                Some(found_us)
            }
            Shows::Broken => {
                let counted = before.broken + before.unknown;
                let look = async || {
                    let now = self.status(venue)?;
                    let is_more = now.broken + now.unknown > counted;
                    Ok(is_more.then(|| self.clock.now_us()))
                };
                Some(wait::until("broken frames", LIMIT, look).await?)
            }
            Shows::Clock => {
                let look = async || {
                    let now = self.status(venue)?;
                    let is_off = |off: Option<i64>| off.is_some_and(|us| us.abs() > CLOCK_US);
                    let is_seen = is_off(now.lag_us) || is_off(now.clock_us);
                    Ok(is_seen.then(|| self.clock.now_us()))
                };
                Some(wait::until("a clock that is off", LIMIT, look).await?)
            }
            Shows::Never(seconds) => {
                pause(Duration::from_secs(seconds)).await;
                None
            }
        };
        self.venues.command(venue, Misbehaviour::Honest);
        // What a late venue still holds back comes after the newest and is a gap until then.
        pause(Duration::from_secs(2)).await;
        self.settled().await?;
        Ok(shown_us.map(|at_us| at_us - commanded_us))
    }

    /// When the first gap of a venue since then was found.
    async fn found_us(&self, venue: Venue, since_us: i64) -> anyhow::Result<Option<i64>> {
        let mut conn = self.db.read().await?;
        let mut first = None;
        for asset in Asset::ALL {
            let span = (since_us - 60 * SECOND_US, i64::MAX);
            let found = gaps(&mut conn, asset.name(), span).await?;
            let new = found
                .into_iter()
                .filter(|gap| gap.venue == venue && gap.found_us >= since_us);
            first = new.map(|gap| gap.found_us).chain(first).min();
        }
        Ok(first)
    }

    /// Compares what is stored with the market, trade by trade.
    async fn compare(
        &self,
        begin_us: i64,
        end_us: i64,
        altered: &[Altered],
    ) -> anyhow::Result<Compared> {
        let mut compared = Compared::default();
        let mut conn = self.db.read().await?;
        for (venue, asset) in Venue::ALL.iter().flat_map(|v| Asset::ALL.map(|a| (*v, a))) {
            // Stamps of a clock that was off lie outside.
            let span = (begin_us - 60 * SECOND_US, end_us + 60 * SECOND_US);
            let stored = trades_of_venue(&mut conn, asset.name(), venue, span).await?;
            let mut stored: BTreeMap<i64, _> = stored
                .into_iter()
                .map(|tick| (tick.trade_id, tick))
                .collect();
            for trade in self.venues.market().trades(venue, asset, begin_us, end_us) {
                compared.trades += 1;
                let Some(tick) = stored.remove(&trade.trade_id) else {
                    compared.missing += 1;
                    continue;
                };
                let is_same = (tick.price, tick.venue_time_us, tick.quantity)
                    == (trade.price, trade.venue_time_us, trade.quantity);
                let times = altered.iter().filter(|time| time.venue == venue);
                let mut times = times.map(|time| time.from_us..time.to_us);
                let may_differ = times.any(|time| time.contains(&trade.venue_time_us));
                compared.altered += u64::from(!is_same && may_differ);
                compared.different += u64::from(!is_same && !may_differ);
            }
            for trade_id in stored.keys() {
                let is_real = self
                    .venues
                    .market()
                    .trade(venue, asset, *trade_id)
                    .is_some();
                compared.foreign += u64::from(!is_real);
            }
            let logged = gaps(&mut conn, asset.name(), (begin_us, i64::MAX)).await?;
            let unfilled = logged
                .iter()
                .filter(|gap| gap.venue == venue && gap.found_us >= begin_us && gap.filled_us == 0);
            compared.unfilled += u64::try_from(unfilled.count())?;
        }
        Ok(compared)
    }

    async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(20), self.running).await;
        ended.context("the feeds end when they are told to")??
    }
}

/// What is stored beside what was traded.
#[derive(Clone, Copy, Debug, Default)]
struct Compared {
    trades: u64,
    missing: u64,
    foreign: u64,
    /// Other than the market's while the venue said the truth.
    different: u64,
    /// Other than the market's because the venue said so.
    altered: u64,
    unfilled: u64,
}

impl Compared {
    fn is_good(self) -> bool {
        self.trades > 0 && self.missing + self.foreign + self.different + self.unfilled == 0
    }
}
