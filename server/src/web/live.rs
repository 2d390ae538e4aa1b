//! `GET /live`: the rounds that are open or waiting for their outcome, with the latest prices; the
//! part of the home page that changes every second.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use domain::{Origin, RoundState, Tournament, Venue};

use super::error::WebError;
use super::frame::show;
use super::text;
use crate::app::App;
use crate::db::Conn;
use crate::prices::observations;
use crate::rounds::{self, Entered, Round, RoundFilter};
use crate::{predictions, prices};

/// Live rounds shown of one tournament: opened ones and those on their way to an outcome.
const SHOWN: i64 = 6;

/// The live rounds of all tournaments.
#[derive(Template)]
#[template(path = "components/live_rounds.html")]
pub(super) struct LiveRounds {
    now_us: i64,
    every_ms: i64,
    tournaments: Vec<LiveTournament>,
}

struct LiveTournament {
    name: String,
    href: String,
    /// What a price is: `trade` or `observation`.
    what: &'static str,
    price: Option<LatestPrice>,
    rounds: Vec<LiveRound>,
}

struct LatestPrice {
    price: String,
    quote: String,
    venue: String,
    age: String,
}

/// One live round.
pub(super) struct LiveRound {
    pub(super) href: String,
    pub(super) interval: String,
    pub(super) state: &'static str,
    pub(super) is_open: bool,
    pub(super) says: String,
    pub(super) counts: Vec<Countdown>,
}

/// A moment to come, with the time left as the page was made.
pub(super) struct Countdown {
    pub(super) label: &'static str,
    pub(super) until_us: i64,
    pub(super) left: String,
    pub(super) past: &'static str,
}

/// `GET /live`.
pub(super) async fn fragment(State(app): State<Arc<App>>) -> Result<Html<String>, WebError> {
    let mut conn = app.db.read().await?;
    let entered = rounds::tournaments(&mut conn).await?;
    show(&load(&app, &mut conn, &entered).await?)
}

/// Reads the live rounds of `entered`.
pub(super) async fn load(
    app: &App,
    conn: &mut Conn,
    entered: &[Entered],
) -> Result<LiveRounds, WebError> {
    let now_us = app.market.now_us();
    let mut tournaments = Vec::with_capacity(entered.len());
    for of in entered {
        let id = &of.tournament.id;
        let filter = RoundFilter {
            tournament: Some(id.clone()),
            states: LIVE.to_vec(),
            before_start_us: None,
            limit: SHOWN,
        };
        let mut live = Vec::new();
        for round in rounds::list(conn, &filter).await?.iter().rev() {
            let received = match round.state {
                RoundState::Open => Some(predictions::models_heard(conn, &round.id).await?),
                _ => None,
            };
            live.push(live_round(round, received, now_us));
        }
        tournaments.push(LiveTournament {
            name: of.tournament.name.clone(),
            href: format!("/tournaments/{id}"),
            what: if of.tournament.is_of_sources() {
                "observation"
            } else {
                "trade"
            },
            price: latest(conn, &of.tournament, now_us).await?,
            rounds: live,
        });
    }
    Ok(LiveRounds {
        now_us,
        every_ms: every_ms(app.market.speed(), 10.0, 1_000.0),
        tournaments,
    })
}

/// The newest trade of any venue, or the newest observation of the first source.
async fn latest(
    conn: &mut Conn,
    of: &Tournament,
    now_us: i64,
) -> Result<Option<LatestPrice>, WebError> {
    let Some(source) = of.venues.iter().find_map(Origin::source) else {
        let tick = prices::latest_tick(conn, &of.asset, now_us).await?;
        return Ok(tick.map(|tick| LatestPrice {
            price: text::price(tick.price),
            quote: quote(tick.venue).to_owned(),
            venue: venue_name(tick.venue).to_owned(),
            age: text::span(now_us - tick.venue_time_us),
        }));
    };
    let newest = observations::newest(conn, source, now_us).await?;
    Ok(newest.map(|newest| LatestPrice {
        price: text::exact_price(&newest.value),
        quote: newest.reading.unit,
        venue: source.to_string(),
        age: text::span(now_us - newest.observed_us),
    }))
}

const LIVE: [RoundState; 4] = [
    RoundState::Open,
    RoundState::Locked,
    RoundState::Committed,
    RoundState::Evidenced,
];

/// How often a live part is worth asking for: every `market_s`, at least `least_ms` apart, at most
/// five times that.
#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to small positive numbers"
)]
pub(super) fn every_ms(speed: f64, market_s: f64, least_ms: f64) -> i64 {
    (market_s * 1_000.0 / speed).clamp(least_ms, least_ms * 5.0) as i64
}

/// What a round is doing and what it waits for.
pub(super) fn live_round(round: &Round, received: Option<usize>, now_us: i64) -> LiveRound {
    LiveRound {
        href: format!("/rounds/{}", round.id),
        interval: interval(round),
        state: round.state.shown().name(),
        is_open: round.state == RoundState::Open && now_us < round.schedule.deadline_us,
        says: received.map_or_else(String::new, |n| {
            let what = if n == 1 { "prediction" } else { "predictions" };
            let so_far = if round.state == RoundState::Open {
                "so far"
            } else {
                "received"
            };
            format!("{} {what} {so_far}", text::count_of(n))
        }),
        counts: countdowns(round, now_us),
    }
}

/// What the round's clock still waits for, the nearest first.
pub(super) fn countdowns(round: &Round, now_us: i64) -> Vec<Countdown> {
    let moments = round.schedule.clone();
    let all = [
        ("opens in", moments.opens_us, "opening"),
        (
            "takes predictions for",
            moments.deadline_us,
            "closed, locking",
        ),
        ("interval starts in", moments.start_us, "started"),
        (
            "interval ends in",
            moments.end_us,
            "ended, waiting for the evidence",
        ),
    ];
    let wanted: &[usize] = match round.state {
        RoundState::Scheduled => &[0, 1],
        RoundState::Open => &[1, 3],
        RoundState::Locked | RoundState::Committed | RoundState::Evidenced => &[2, 3],
        _ => &[],
    };
    let ahead = wanted
        .iter()
        .filter_map(|at| all.get(*at))
        .filter(|(_, us, _)| *us > now_us);
    ahead
        .map(|(label, until_us, past)| Countdown {
            label,
            until_us: *until_us,
            left: text::span(until_us - now_us),
            past,
        })
        .collect()
}

/// `12:00–12:05` of a round's interval.
pub(super) fn interval(round: &Round) -> String {
    let ends = [round.schedule.start_us, round.schedule.end_us].map(text::minute_of_day);
    ends.join("–")
}

/// How people write where a price comes from.
pub(super) fn origin_name(origin: &Origin) -> String {
    match origin {
        Origin::Venue(venue) => venue_name(*venue).to_owned(),
        Origin::Source(source) => source.to_string(),
    }
}

/// How people write the venue.
pub(super) fn venue_name(venue: Venue) -> &'static str {
    match venue {
        Venue::Binance => "Binance",
        Venue::Coinbase => "Coinbase",
        Venue::Kraken => "Kraken",
    }
}

/// What the venue quotes in.
pub(super) fn quote(venue: Venue) -> &'static str {
    match venue {
        Venue::Binance => "USDT",
        Venue::Coinbase | Venue::Kraken => "USD",
    }
}
