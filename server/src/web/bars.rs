//! Bars of means with their intervals, on one scale, as inline SVG.

use askama::Template;

use super::axis::{Scale, coordinate, range};

/// A mean with its 95 % interval, drawn as a bar on a scale that its table shares.
#[derive(Template)]
#[template(path = "components/interval_bar.html")]
pub(super) struct IntervalBar {
    title: String,
    from: String,
    width: String,
    zero: String,
    mean: String,
    class: &'static str,
}

/// One mean and the ends of its interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Whether there were rounds enough for an interval.
    pub(super) is_known: bool,
}

/// Bars on one common scale that holds every interval and 0; `says` puts one into words.
pub(super) fn interval_bars(
    rows: &[Interval],
    says: impl Fn(&Interval) -> String,
) -> Vec<IntervalBar> {
    let ends = rows.iter().flat_map(|row| [row.low, row.high, 0.0]);
    let (low, high) = range(ends).unwrap_or((0.0, 0.0));
    let x = Scale {
        low,
        high,
        from: 4.0,
        to: 156.0,
    };
    let bar = |row: &Interval| IntervalBar {
        title: says(row),
        from: coordinate(x.at(row.low)),
        width: coordinate((x.at(row.high) - x.at(row.low)).max(1.0)),
        zero: coordinate(x.at(0.0)),
        mean: coordinate(x.at(row.mean)),
        class: if !row.is_known {
            "even"
        } else if row.low > 0.0 {
            "gain"
        } else if row.high < 0.0 {
            "loss"
        } else {
            "even"
        },
    };
    rows.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_knows_its_side_of_zero() {
        let row = |low, high| Interval {
            mean: f64::midpoint(low, high),
            low,
            high,
            is_known: true,
        };
        let rows = [row(0.1, 0.3), row(-0.2, 0.1), row(-0.4, -0.1)];
        let classes: Vec<_> = interval_bars(&rows, |_| String::new())
            .iter()
            .map(|bar| bar.class)
            .collect();
        assert_eq!(classes, ["gain", "even", "loss"]);
    }
}
