//! The text form of Prometheus. Owns how a metric is written; what it says is its writer's.

use std::fmt::{Display, Write};

/// Text that grows by metrics.
#[derive(Default)]
pub(super) struct Page {
    pub(super) text: String,
}

impl Page {
    /// Help and type of a metric whose lines follow.
    pub(super) fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One line of the metric whose head was written last.
    pub(super) fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        let labels = match labels.join(",") {
            none if none.is_empty() => none,
            some => format!("{{{some}}}"),
        };
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }

    /// A metric of one line that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.line(name, &[], value);
    }

    /// A metric of one line that only grows.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "counter");
        self.line(name, &[], value);
    }
}

/// Seconds with three digits; a clock that is a little behind gives 0.
pub(super) fn seconds(us: i64) -> String {
    signed_seconds(us.max(0))
}

/// Seconds with three digits, below zero too.
pub(super) fn signed_seconds(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "" };
    let ms = us.unsigned_abs() / 1_000;
    format!("{sign}{}.{:03}", ms / 1_000, ms % 1_000)
}

/// Names of markets come from a file of the operator's.
fn escaped(value: &str) -> String {
    let slashes = value.replace('\\', "\\\\");
    slashes.replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_prometheus_reads() {
        let mut page = Page::default();
        page.head("a_seconds", "How long", "gauge");
        page.line("a_seconds", &[("market", "B\"T\\C"), ("x", "1")], 2);
        page.counter("b_total", "How often", 3);
        let expected = "# HELP a_seconds How long\n# TYPE a_seconds gauge\n\
            a_seconds{market=\"B\\\"T\\\\C\",x=\"1\"} 2\n\
            # HELP b_total How often\n# TYPE b_total counter\nb_total 3\n";
        assert_eq!(page.text, expected);
    }

    #[test]
    fn seconds_have_three_digits() {
        assert_eq!(seconds(1_234_567), "1.234");
        assert_eq!(seconds(-5), "0.000");
        assert_eq!(signed_seconds(-4_950_000), "-4.950");
    }
}
