//! `GET /`: what this is, what is live, what was decided last, and who is ahead.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Html;
use datasets::Candle;
use domain::timestamp::SECOND_US;
use domain::{Price, Tournament};

use super::bars::{IntervalBar, interval_bars};
use super::chart::{LineChart, Lines, Mark, Series};
use super::error::WebError;
use super::frame::{Frame, show};
use super::live::{self, LiveRounds};
use super::round_row::{self, ENDED, OutcomeMark, RoundRow};
use super::standings::{self, Standings};
use super::text;
use crate::app::App;
use crate::db::Conn;
use crate::{prices, rounds};

/// Candles of the chart: three hours.
const CANDLES: i64 = 36;
const BAR_US: i64 = 300 * SECOND_US;
/// Rounds under the chart and in the table.
const ROUNDS: i64 = 12;
const LEADERS: usize = 5;

#[derive(Template)]
#[template(path = "home.html")]
struct HomeView {
    frame: Frame,
    live: LiveRounds,
    every_ms: i64,
    tournaments: Vec<TournamentView>,
}

struct TournamentView {
    id: String,
    name: String,
    href: String,
    chart: Option<LineChart>,
    candles: Vec<CandleRow>,
    rounds: Vec<RoundRow>,
    leaders: Vec<Leader>,
}

struct CandleRow {
    opens: String,
    open: String,
    high: String,
    low: String,
    close: String,
}

/// One of the best models.
pub(super) struct Leader {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) hosting: &'static str,
    pub(super) group: i64,
    pub(super) rounds: String,
    pub(super) mean: String,
    pub(super) interval: String,
    pub(super) bar: IntervalBar,
}

/// `GET /`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(known): Extension<Arc<Standings>>,
) -> Result<Html<String>, WebError> {
    let mut conn = app.db.read().await?;
    let entered = rounds::tournaments(&mut conn).await?;
    let live = live::load(&app, &mut conn, &entered).await?;
    let mut tournaments = Vec::with_capacity(entered.len());
    for of in &entered {
        tournaments.push(tournament(&mut conn, &known, &of.tournament, app.market.now_us()).await?);
    }
    let every_ms = live::every_ms(app.market.speed(), 300.0, 5_000.0);
    show(&HomeView {
        frame: Frame::new(&app, "Live rounds", "/"),
        live,
        every_ms,
        tournaments,
    })
}

async fn tournament(
    conn: &mut Conn,
    known: &Standings,
    of: &Tournament,
    now_us: i64,
) -> Result<TournamentView, WebError> {
    let candles = prices::candles(conn, &of.asset, now_us - CANDLES * BAR_US, now_us).await?;
    let rounds = round_row::rows(conn, &of.id, &ENDED, None, ROUNDS).await?;
    Ok(TournamentView {
        id: of.id.to_string(),
        name: of.name.clone(),
        href: format!("/tournaments/{}", of.id),
        chart: chart(of, &candles, &rounds),
        candles: candles.iter().rev().take(12).map(candle_row).collect(),
        rounds,
        leaders: leaders(conn, known, of, LEADERS).await?,
    })
}

/// The first `count` of a tournament's leaderboard.
pub(super) async fn leaders(
    conn: &mut Conn,
    known: &Standings,
    of: &Tournament,
    count: usize,
) -> Result<Vec<Leader>, WebError> {
    let all = known.of(conn, &of.id).await?;
    let top = all.get(..count.min(all.len())).unwrap_or_default();
    let ids: Vec<_> = top.iter().map(|standing| standing.model.clone()).collect();
    let named = standings::named(conn, &ids).await?;
    let intervals: Vec<_> = top
        .iter()
        .map(|s| standings::interval(&s.skill_half))
        .collect();
    let bars = interval_bars(&intervals, standings::in_words);
    let leader = |(standing, bar): (&crate::scores::Standing, IntervalBar)| {
        let model = named.get(&standing.model);
        Leader {
            name: model.map_or_else(|| standing.model.to_string(), |m| m.name.clone()),
            href: format!("/models/{}", standing.model),
            hosting: model.map_or("", |m| m.hosting.name()),
            group: standing.rank_group,
            rounds: text::count(standing.rounds),
            mean: text::mean_skill(standing.skill_half.mean),
            interval: standings::ends(&standing.skill_half),
            bar,
        }
    };
    Ok(top.iter().zip(bars).map(leader).collect())
}

/// The closes of recent candles with the outcomes of the rounds in view.
fn chart(of: &Tournament, candles: &[Candle], rounds: &[RoundRow]) -> Option<LineChart> {
    let points: Vec<_> = candles
        .iter()
        .map(|c| (seconds(c.close_time_us()), c.close.to_f64()))
        .collect();
    let (first, last) = (candles.first()?, candles.last()?);
    let marks = rounds.iter().filter_map(|round| {
        let OutcomeMark { glyph, word } = round.outcome?;
        let title = format!("round {}: {word}", round.interval);
        Some(Mark {
            x: seconds(round.start_us + BAR_US),
            glyph,
            class: word,
            title,
        })
    });
    let title = format!("{}: recent price", of.name);
    LineChart::draw(&Lines {
        id: &format!("price-{}", of.id),
        title: &title,
        description: in_words(candles, first, last),
        unit: "USDT on Binance, close of five-minute candles",
        series: vec![Series {
            name: "close",
            class: "line-a",
            points,
        }],
        has_zero: false,
        has_area: true,
        marks: marks.collect(),
        x_label: &label,
    })
}

fn in_words(candles: &[Candle], first: &Candle, last: &Candle) -> String {
    let highest = candles
        .iter()
        .map(|c| c.high)
        .max()
        .map_or_else(String::new, text::price);
    let lowest = candles
        .iter()
        .map(|c| c.low)
        .min()
        .map_or_else(String::new, text::price);
    let close = |price: Price| text::price(price);
    format!(
        "From {} to {} UTC the price went from {} to {}; lowest {lowest}, highest {highest}. The signs \
         at the bottom are outcomes of rounds at the end of their intervals.",
        text::minute_of_day(first.close_time_us()),
        text::minute_of_day(last.close_time_us()),
        close(first.close),
        close(last.close),
    )
}

fn candle_row(candle: &Candle) -> CandleRow {
    CandleRow {
        opens: text::minute_of_day(candle.open_time_us),
        open: text::price(candle.open),
        high: text::price(candle.high),
        low: text::price(candle.low),
        close: text::price(candle.close),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a place on a chart")]
pub(super) fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}

#[expect(clippy::cast_possible_truncation, reason = "made from microseconds")]
fn label(seconds: f64) -> String {
    text::minute_of_day((seconds * 1e6) as i64)
}
