//! What a published version looks like over time: price and share of rounds that rose day by day,
//! rows month by month.

use datasets::Asset;
use datasets::distributions::{Day, Distributions};
use domain::timestamp::rfc3339;

use super::chart::{LineChart, Lines, Series};
use super::histogram::Histogram;
use super::home::seconds;
use super::model_charts::{labels, thinned};
use super::text;

/// One asset's price over the days of a version.
pub(super) struct PriceChart {
    pub(super) asset: &'static str,
    pub(super) chart: LineChart,
}

/// The rows of one month.
pub(super) struct MonthView {
    pub(super) month: String,
    pub(super) rows: Vec<String>,
    pub(super) up: Vec<String>,
    pub(super) bar: Histogram,
}

/// A chart for each asset that has two days or more.
pub(super) fn price_charts(shown: &Distributions) -> Vec<PriceChart> {
    let charts = Asset::ALL.into_iter().filter_map(|asset| {
        let closes = days(shown, asset).map(|day| (seconds(day.from_us), day.close.to_f64()));
        let points = thinned(closes.collect());
        let (first, last) = (points.first()?.1, points.last()?.1);
        let (name, id) = names(asset);
        let title = format!("{name}, close of each day");
        let chart = LineChart::draw(&Lines {
            id,
            title: &title,
            description: format!(
                "From {first:.2} at the end of the first day to {last:.2} at the end of the last."
            ),
            unit: "quote currency",
            x_label: &labels(&points),
            series: vec![Series {
                name,
                class: "line-a",
                points,
            }],
            has_zero: false,
            has_area: true,
            marks: vec![],
        })?;
        Some(PriceChart { asset: name, chart })
    });
    charts.collect()
}

/// How many of a day's rounds rose, for both assets; days without rows are left out.
pub(super) fn up_chart(shown: &Distributions) -> Option<LineChart> {
    let points = |asset| {
        let with_rows = days(shown, asset).filter(|day| day.rows > 0);
        let shares = with_rows.map(|day| (seconds(day.from_us), share(day.up, day.rows) * 100.0));
        thinned(shares.collect())
    };
    let (btc, eth) = (points(Asset::Btc), points(Asset::Eth));
    let least = btc.iter().chain(&eth).map(|point| point.1);
    let (least, most) = super::axis::range(least)?;
    LineChart::draw(&Lines {
        id: "up-rate",
        title: "Rounds that rose, by day",
        description: format!(
            "Each day between {least:.1} and {most:.1} per cent of the rounds rose."
        ),
        unit: "per cent of a day's rounds with a row",
        x_label: &labels(&btc),
        series: vec![
            Series {
                name: names(Asset::Btc).0,
                class: "line-a",
                points: btc,
            },
            Series {
                name: names(Asset::Eth).0,
                class: "line-b",
                points: eth,
            },
        ],
        has_zero: false,
        has_area: false,
        marks: vec![],
    })
}

/// Rows of train and validation by month, the newest month first.
pub(super) fn months(shown: &Distributions) -> Vec<MonthView> {
    let mut months: Vec<(String, [(usize, usize); 2])> = vec![];
    let mut all: Vec<&Day> = shown.days.iter().filter(|day| day.rows > 0).collect();
    all.sort_by_key(|day| day.from_us);
    for day in all {
        let month: String = rfc3339(day.from_us).chars().take(7).collect();
        if months.last().is_none_or(|(last, _)| *last != month) {
            months.push((month, [(0, 0); 2]));
        }
        let counted = months.last_mut().and_then(|(_, counted)| {
            let place = Asset::ALL.iter().position(|asset| *asset == day.asset)?;
            counted.get_mut(place)
        });
        if let Some((rows, up)) = counted {
            *rows += day.rows;
            *up += day.up;
        }
    }
    let view = |(month, counted): (String, [(usize, usize); 2])| MonthView {
        rows: counted.map(|(rows, _)| text::count_of(rows)).into(),
        up: counted
            .map(|(rows, up)| {
                if rows == 0 {
                    "–".to_owned()
                } else {
                    text::percent(share(up, rows))
                }
            })
            .into(),
        bar: bar(&month, counted.iter().map(|(rows, _)| *rows).sum()),
        month,
    };
    months.into_iter().rev().map(view).collect()
}

/// How full a month is, of the rounds of both assets in 31 days, in steps of a fortieth.
fn bar(month: &str, rows: usize) -> Histogram {
    const STEPS: usize = 40;
    let full = 2 * 31 * 288;
    let filled = (rows * STEPS).div_ceil(full).min(STEPS);
    let steps: Vec<u64> = (0..STEPS).map(|step| u64::from(step < filled)).collect();
    let title = format!("{month}: {} rows", text::count_of(rows));
    Histogram::draw(title, &steps, 0.0, 0.0)
}

fn days(shown: &Distributions, asset: Asset) -> impl Iterator<Item = &Day> {
    shown.days.iter().filter(move |day| day.asset == asset)
}

fn names(asset: Asset) -> (&'static str, &'static str) {
    match asset {
        Asset::Btc => ("Bitcoin", "price-btc"),
        Asset::Eth => ("Ethereum", "price-eth"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rounds")]
fn share(part: usize, of: usize) -> f64 {
    part as f64 / of as f64
}
