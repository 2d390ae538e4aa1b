//! Small histograms, one for each row of a table, as inline SVG. Values in, text out.

use askama::Template;

use super::axis::coordinate;

const WIDTH: f64 = 144.0;
const HEIGHT: f64 = 28.0;

/// Counts of bins of equal width, drawn as bars side by side.
#[derive(Template)]
#[template(path = "components/histogram.html")]
pub(super) struct Histogram {
    title: String,
    size: (String, String),
    path: String,
    zero: Option<String>,
}

impl Histogram {
    /// Bars as high as their share of the largest count; a line at 0 where the bins `from` to `to`
    /// hold it inside.
    #[expect(clippy::cast_precision_loss, reason = "places on a drawing")]
    pub(super) fn draw(title: String, counts: &[u64], from: f64, to: f64) -> Self {
        let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
        let width = WIDTH / counts.len().max(1) as f64;
        let mut path = String::with_capacity(counts.len() * 24);
        for (index, count) in counts.iter().enumerate() {
            if *count == 0 {
                continue;
            }
            // A bin with anything in it is seen.
            let height = (*count as f64 / most * (HEIGHT - 1.0)).max(0.8);
            let left = coordinate(index as f64 * width + 0.4);
            let (right, top) = (coordinate(width - 0.8), coordinate(HEIGHT - height));
            path.push_str(&format!("M{left} {}V{top}h{right}V{}", HEIGHT, HEIGHT));
        }
        let has_zero = from < 0.0 && to > 0.0;
        Self {
            title,
            size: (coordinate(WIDTH), coordinate(HEIGHT)),
            path,
            zero: has_zero.then(|| coordinate(-from / (to - from) * WIDTH)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bin_with_a_count_is_drawn() {
        let svg = |counts: &[u64], from, to| {
            let drawn = Histogram::draw("a <b>".into(), counts, from, to);
            drawn.render().expect("a histogram renders")
        };
        let some = svg(&[0, 1, 1_000_000, 0], -1.0, 1.0);
        assert_eq!(some.matches('M').count(), 2, "{some}");
        assert!(some.contains("a &#60;b&#62;") && some.contains("x1=\"72\""));
        let none = svg(&[0, 0], 0.0, 0.0);
        assert!(!none.contains("NaN") && !none.contains("<line"), "{none}");
    }
}
