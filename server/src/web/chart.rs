//! Lines over time with labelled axes, as inline SVG. Values in, text out; colours come from the style
//! sheet, so both themes can read them.

use askama::Template;

use super::axis::{Bounds, Scale, Tick, coordinate, range};

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 30.0;
/// Five minutes to thirty days.
const TIME_STEPS_S: [f64; 11] = [
    300.0,
    900.0,
    1_800.0,
    3_600.0,
    7_200.0,
    14_400.0,
    43_200.0,
    86_400.0,
    172_800.0,
    604_800.0,
    2_592_000.0,
];

/// What a line chart shows. Points are (x, y) in rising x, seconds since 1970.
pub(super) struct Lines<'a> {
    /// Unique on its page; a name for the parts of the SVG.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// What the chart says, in words, for those who do not see it.
    pub(super) description: String,
    /// Unit of y, above the axis.
    pub(super) unit: &'a str,
    pub(super) series: Vec<Series<'a>>,
    /// Draws a line at 0 and keeps 0 in view.
    pub(super) has_zero: bool,
    /// Fills the space under the first series.
    pub(super) has_area: bool,
    pub(super) marks: Vec<Mark>,
    /// Label of an x.
    pub(super) x_label: &'a dyn Fn(f64) -> String,
}

/// One line.
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    /// `line-a` or `line-b`.
    pub(super) class: &'a str,
    pub(super) points: Vec<(f64, f64)>,
}

/// A sign above the x axis.
pub(super) struct Mark {
    pub(super) x: f64,
    pub(super) glyph: &'static str,
    pub(super) class: &'static str,
    pub(super) title: String,
}

/// A line chart, drawn.
#[derive(Template)]
#[template(path = "components/line_chart.html")]
pub(super) struct LineChart {
    id: String,
    title: String,
    description: String,
    unit: String,
    size: (String, String),
    frame: Frame,
    y_ticks: Vec<Tick>,
    x_ticks: Vec<Tick>,
    area: String,
    zero: Option<String>,
    lines: Vec<Line>,
    marks: Vec<PlacedMark>,
}

struct Frame {
    left: String,
    right: String,
    bottom: String,
}

struct Line {
    name: String,
    class: String,
    path: String,
}

struct PlacedMark {
    x: String,
    y: String,
    glyph: &'static str,
    class: &'static str,
    title: String,
}

impl LineChart {
    /// Draws; `None` with fewer than two points.
    pub(super) fn draw(what: &Lines) -> Option<Self> {
        let points = || {
            what.series
                .iter()
                .flat_map(|series| series.points.iter().copied())
        };
        if what.series.iter().all(|series| series.points.len() < 2) {
            return None;
        }
        let (x_low, x_high) = range(points().map(|(x, _)| x))?;
        let zero = what.has_zero.then_some(0.0);
        let (y_low, y_high) = range(points().map(|(_, y)| y).chain(zero))?;
        let Bounds { low, high, step } = Bounds::around(y_low, y_high);
        let x = Scale {
            low: x_low,
            high: x_high,
            from: LEFT,
            to: WIDTH - RIGHT,
        };
        let marks_room = if what.marks.is_empty() { 0.0 } else { 18.0 };
        let y = Scale {
            low,
            high,
            from: HEIGHT - BOTTOM - marks_room,
            to: TOP,
        };
        Some(Self {
            id: what.id.to_owned(),
            title: what.title.to_owned(),
            description: what.description.clone(),
            unit: what.unit.to_owned(),
            size: (coordinate(WIDTH), coordinate(HEIGHT)),
            frame: Frame {
                left: coordinate(LEFT),
                right: coordinate(WIDTH - RIGHT),
                bottom: coordinate(HEIGHT - BOTTOM),
            },
            y_ticks: y.ticks(step),
            x_ticks: x_ticks(x, what.x_label),
            area: if what.has_area {
                area(what, x, y)
            } else {
                String::new()
            },
            zero: zero.map(|at| coordinate(y.at(at))),
            lines: what
                .series
                .iter()
                .map(|series| line(series, x, y))
                .collect(),
            marks: what
                .marks
                .iter()
                .filter_map(|mark| placed(mark, x))
                .collect(),
        })
    }
}

fn line(series: &Series, x: Scale, y: Scale) -> Line {
    Line {
        name: series.name.to_owned(),
        class: series.class.to_owned(),
        path: path(&series.points, x, y),
    }
}

fn path(points: &[(f64, f64)], x: Scale, y: Scale) -> String {
    let mut path = String::with_capacity(points.len() * 14);
    for (at, (px, py)) in points.iter().enumerate() {
        path.push(if at == 0 { 'M' } else { 'L' });
        path.push_str(&format!(
            "{} {}",
            coordinate(x.at(*px)),
            coordinate(y.at(*py))
        ));
    }
    path
}

fn area(what: &Lines, x: Scale, y: Scale) -> String {
    let Some(series) = what.series.first() else {
        return String::new();
    };
    let (Some(first), Some(last)) = (series.points.first(), series.points.last()) else {
        return String::new();
    };
    let base = coordinate(if what.has_zero { y.at(0.0) } else { y.from });
    let (from, to) = (coordinate(x.at(first.0)), coordinate(x.at(last.0)));
    format!("{}L{to} {base}L{from} {base}Z", path(&series.points, x, y))
}

fn placed(mark: &Mark, x: Scale) -> Option<PlacedMark> {
    if mark.x < x.low || mark.x > x.high {
        return None;
    }
    Some(PlacedMark {
        x: coordinate(x.at(mark.x)),
        y: coordinate(HEIGHT - BOTTOM - 4.0),
        glyph: mark.glyph,
        class: mark.class,
        title: mark.title.clone(),
    })
}

/// Whole steps of time, at most five of them.
fn x_ticks(x: Scale, label: &dyn Fn(f64) -> String) -> Vec<Tick> {
    let span = x.high - x.low;
    let step = TIME_STEPS_S.into_iter().find(|step| span / step <= 5.0);
    let step = step.unwrap_or(span.max(1.0) / 4.0);
    let first = (x.low / step).ceil();
    let values = (0..6).map(|n| (first + f64::from(n)) * step);
    values
        .take_while(|value| *value <= x.high)
        .map(|value| Tick {
            at: coordinate(x.at(value)),
            label: label(value),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: Vec<(f64, f64)>, has_zero: bool) -> Option<String> {
        let chart = LineChart::draw(&Lines {
            id: "c",
            title: "A <chart>",
            description: "words".into(),
            unit: "tokens",
            series: vec![Series {
                name: "payout",
                class: "line-a",
                points,
            }],
            has_zero,
            has_area: true,
            marks: vec![Mark {
                x: 1.0,
                glyph: "▲",
                class: "up",
                title: "up".into(),
            }],
            x_label: &|x| format!("{x:.0}"),
        })?;
        Some(chart.render().expect("a chart renders"))
    }

    #[test]
    fn a_chart_needs_two_points_and_escapes_its_words() {
        assert!(drawn(vec![(0.0, 1.0)], true).is_none());
        let svg = drawn(vec![(0.0, -3.0), (1.0, 2.0), (2.0, 7.5)], true).expect("a chart");
        assert!(
            svg.contains("A &#60;chart&#62;") && svg.contains("zero") && !svg.contains("NaN"),
            "{svg}"
        );
    }

    #[test]
    fn flat_and_huge_values_are_drawn() {
        for y in [0.0, 62_345.12, -1e-7, 1e12] {
            let svg = drawn(vec![(0.0, y), (1.0, y)], false).expect("a chart");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
