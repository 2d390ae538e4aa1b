//! Lines over time with labelled axes, as inline SVG. Values in, text out; colours come from the style
//! sheet, so both themes can read them.

use askama::Template;

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

struct Tick {
    at: String,
    label: String,
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

/// The visible range of one axis and its place on the drawing.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Scale {
    pub(super) fn at(self, value: f64) -> f64 {
        let span = self.high - self.low;
        if span <= 0.0 {
            return f64::midpoint(self.from, self.to);
        }
        self.from + (value - self.low) / span * (self.to - self.from)
    }
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
        let step = nice_step((y_high - y_low).max(y_high.abs() * 1e-6).max(1e-12) / 3.0);
        let (low, high) = ((y_low / step).floor() * step, (y_high / step).ceil() * step);
        let high = if high > low { high } else { low + step };
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
            y_ticks: y_ticks(y, step),
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

fn y_ticks(y: Scale, step: f64) -> Vec<Tick> {
    let decimals = if step >= 1.0 {
        0
    } else {
        (-step.log10().floor()).clamp(1.0, 9.0) as usize
    };
    let ticks = (0..12).map(|n| y.low + f64::from(n) * step);
    ticks
        .take_while(|value| *value <= y.high + step * 0.01)
        .map(|value| Tick {
            at: coordinate(y.at(value)),
            label: axis_number(value, decimals),
        })
        .collect()
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

fn axis_number(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let is_zero = text.bytes().all(|b| b == b'0' || b == b'.');
    let sign = if value < 0.0 && !is_zero { "−" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", super::text::grouped(whole))
}

/// The least and the largest finite value.
pub(super) fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.filter(|value| value.is_finite());
    finite.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    })
}

/// The next of 1, 2, 5 × 10^n that is not below `raw`.
fn nice_step(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power);
    steps
        .into_iter()
        .find(|step| *step >= raw * 0.999)
        .unwrap_or(power * 10.0)
}

/// A place on the drawing.
pub(super) fn coordinate(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
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

    #[test]
    fn steps_are_one_two_five() {
        for (raw, step) in [
            (0.3, 0.5),
            (1.0, 1.0),
            (1.2, 2.0),
            (7.0, 10.0),
            (40.0, 50.0),
        ] {
            assert!((nice_step(raw) - step).abs() < 1e-9, "{raw}");
        }
    }
}
