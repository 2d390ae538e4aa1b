//! A reliability diagram as inline SVG: what was forecast against what came, bin by bin.

use askama::Template;
use scorer::calibration::Bin;

use super::axis::{Bounds, Scale, Tick, coordinate, range};
use super::text;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 52.0;
/// The axis of p shows at least this much, so that equal forecasts have a place on it.
const LEAST_SPAN: f64 = 0.02;

/// The bins of a calibration, drawn.
#[derive(Template)]
#[template(path = "components/reliability_chart.html")]
pub(super) struct ReliabilityChart {
    description: String,
    size: (String, String),
    left: String,
    right: String,
    bottom: String,
    y_ticks: Vec<Tick>,
    x_ticks: Vec<Tick>,
    diagonal: ((String, String), (String, String)),
    bins: Vec<PlacedBin>,
}

struct PlacedBin {
    x: String,
    y: String,
    low: String,
    high: String,
    title: String,
}

impl ReliabilityChart {
    /// Draws; `None` without bins.
    pub(super) fn draw(bins: &[Bin]) -> Option<Self> {
        let (first, last) = range(bins.iter().map(|bin| bin.mean_p))?;
        let (middle, span) = (f64::midpoint(first, last), (last - first).max(LEAST_SPAN));
        // A little room at both ends, inside what a probability can be.
        let reach = span * 0.55;
        let along = Bounds::around((middle - reach).max(0.0), (middle + reach).min(1.0));
        // The diagonal stays in view from end to end.
        let ends = bins
            .iter()
            .flat_map(|bin| [bin.interval.low, bin.interval.high]);
        let (low, high) = range(ends.chain([along.low, along.high]))?;
        let up = Bounds::around(low, high);
        let x = Scale {
            low: along.low,
            high: along.high,
            from: LEFT,
            to: WIDTH - RIGHT,
        };
        let y = Scale {
            low: up.low,
            high: up.high,
            from: HEIGHT - BOTTOM,
            to: TOP,
        };
        let on_diagonal = |p: f64| (coordinate(x.at(p)), coordinate(y.at(p)));
        Some(Self {
            description: in_words(bins),
            size: (coordinate(WIDTH), coordinate(HEIGHT)),
            left: coordinate(LEFT),
            right: coordinate(WIDTH - RIGHT),
            bottom: coordinate(HEIGHT - BOTTOM),
            y_ticks: y.ticks(up.step),
            x_ticks: x.ticks(along.step),
            diagonal: (on_diagonal(along.low), on_diagonal(along.high)),
            bins: bins.iter().map(|bin| placed(bin, x, y)).collect(),
        })
    }
}

fn placed(bin: &Bin, x: Scale, y: Scale) -> PlacedBin {
    PlacedBin {
        x: coordinate(x.at(bin.mean_p)),
        y: coordinate(y.at(bin.frequency)),
        low: coordinate(y.at(bin.interval.low)),
        high: coordinate(y.at(bin.interval.high)),
        title: format!(
            "forecast {:.4} on average; {} of {} rounds went up, 95 % interval {} to {}",
            bin.mean_p,
            text::percent(bin.frequency),
            text::count_of(bin.count),
            text::percent(bin.interval.low),
            text::percent(bin.interval.high),
        ),
    }
}

fn in_words(bins: &[Bin]) -> String {
    let true_enough = |bin: &&Bin| (bin.interval.low..=bin.interval.high).contains(&bin.mean_p);
    format!(
        "Each point is a bin of rounds: its mean forecast of up and the share that went up, with the \
         95 % interval of the share. {} of {} intervals reach the dashed diagonal, on which up comes as \
         often as forecast.",
        bins.iter().filter(true_enough).count(),
        bins.len(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use scorer::summary::Interval;

    fn bin(mean_p: f64, frequency: f64, low: f64, high: f64) -> Bin {
        Bin {
            count: 20,
            mean_p,
            frequency,
            interval: Interval { low, high },
        }
    }

    #[test]
    fn the_diagonal_and_every_interval_lie_inside_the_frame() {
        let bins = [bin(0.42, 0.5, 0.3, 0.7), bin(0.61, 0.2, 0.1, 0.4)];
        let chart = ReliabilityChart::draw(&bins).expect("a chart");
        assert!(chart.description.contains("1 of 2 intervals reach"));
        let number = |text: &str| text.parse::<f64>().expect("a coordinate");
        let across = TOP..=HEIGHT - BOTTOM;
        for bin in &chart.bins {
            assert!(across.contains(&number(&bin.low)) && across.contains(&number(&bin.high)));
            assert!(number(&bin.high) < number(&bin.y) && number(&bin.y) < number(&bin.low));
        }
        let (from, to) = &chart.diagonal;
        assert_eq!((number(&from.0), number(&to.0)), (LEFT, WIDTH - RIGHT));
        assert!(across.contains(&number(&from.1)) && across.contains(&number(&to.1)));
    }

    #[test]
    fn equal_forecasts_are_drawn_and_none_are_not() {
        assert!(ReliabilityChart::draw(&[]).is_none());
        for p in [0.0, 0.5, 1.0] {
            let chart = ReliabilityChart::draw(&[bin(p, p, p, p)]).expect("a chart");
            let svg = chart.render().expect("a chart renders");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
