//! Axes of drawings: ranges, scales, and labels at whole steps. Values in, values and text out.

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

    /// A labelled place every `step`, from the low end on.
    pub(super) fn ticks(self, step: f64) -> Vec<Tick> {
        let decimals = if step >= 1.0 {
            0
        } else {
            (-step.log10().floor()).clamp(1.0, 9.0) as usize
        };
        let ticks = (0..12).map(|n| self.low + f64::from(n) * step);
        ticks
            .take_while(|value| *value <= self.high + step * 0.01)
            .map(|value| Tick {
                at: coordinate(self.at(value)),
                label: axis_number(value, decimals),
            })
            .collect()
    }
}

/// A labelled place on an axis.
pub(super) struct Tick {
    pub(super) at: String,
    pub(super) label: String,
}

/// A range that begins and ends at whole steps of 1, 2 or 5 × 10^n.
pub(super) struct Bounds {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) step: f64,
}

impl Bounds {
    /// The tightest around `low` to `high` with about three steps inside.
    pub(super) fn around(low: f64, high: f64) -> Self {
        let step = nice_step((high - low).max(high.abs() * 1e-6).max(1e-12) / 3.0);
        let (low, top) = ((low / step).floor() * step, (high / step).ceil() * step);
        let high = if top > low { top } else { low + step };
        Self { low, high, step }
    }
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
