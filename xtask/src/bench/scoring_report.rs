//! Puts together what the programs of the scoring benchmark printed: one object with ratios, and a
//! table of it. Pure.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

const METRICS: [&str; 3] = ["corr", "mmc", "fnc"];

/// What the example `scoring` prints.
#[derive(Deserialize)]
pub(super) struct OurScores {
    corr: OurTimes,
    mmc: OurTimes,
    fnc: OurTimes,
    growth: Value,
}

#[derive(Deserialize)]
struct OurTimes {
    cpu_s: f64,
    wall_s: f64,
}

/// What compare.py prints.
#[derive(Deserialize)]
pub(super) struct ReferenceScores {
    corr: ReferenceTimes,
    mmc: ReferenceTimes,
    fnc: ReferenceTimes,
    blas: Value,
    versions: Value,
}

#[derive(Deserialize)]
struct ReferenceTimes {
    cpu_s: f64,
    wall_s: f64,
    /// Between a score of ours and the reference's of the same model.
    max_difference: f64,
}

/// The object of the benchmark. Ratios say how often our time goes into the reference's.
pub(super) fn merge(
    ours: &OurScores,
    reference: &ReferenceScores,
    daily_pass: &Value,
    settlement: &Value,
) -> Result<Value> {
    for name in ["wall_s", "peak_rss_mb"] {
        number(daily_pass, name).context("the example daily_pass")?;
    }
    let payouts = number(settlement, "payouts_100k_s").context("the example settlement_speed")?;
    Ok(json!({
        "corr": metric(&ours.corr, &reference.corr).context("corr")?,
        "mmc": metric(&ours.mmc, &reference.mmc).context("mmc")?,
        "fnc": metric(&ours.fnc, &reference.fnc).context("fnc")?,
        "daily_pass": daily_pass,
        "payouts_100k_s": payouts,
        "growth": { "scores": ours.growth, "settlement": settlement["growth"] },
        "reference": { "blas": reference.blas, "versions": reference.versions },
    }))
}

fn metric(ours: &OurTimes, reference: &ReferenceTimes) -> Result<Value> {
    if ours.cpu_s <= 0.0 || ours.wall_s <= 0.0 {
        bail!("the example scoring measured no time");
    }
    Ok(json!({
        "ours_cpu_s": ours.cpu_s,
        "reference_cpu_s": reference.cpu_s,
        "ratio": reference.cpu_s / ours.cpu_s,
        "ours_wall_s": ours.wall_s,
        "reference_wall_s": reference.wall_s,
        "wall_ratio": reference.wall_s / ours.wall_s,
        "max_difference": reference.max_difference,
    }))
}

fn number(object: &Value, name: &str) -> Result<f64> {
    object[name]
        .as_f64()
        .with_context(|| format!("printed no number `{name}`"))
}

/// What a person reads of the object that `merge` made.
pub(super) fn table(report: &Value) -> String {
    let mut lines = vec![format!(
        "{:<6} {:>12} {:>12} {:>7} {:>12} {:>12} {:>7} {:>15}",
        "metric",
        "ours cpu s",
        "ref cpu s",
        "ratio",
        "ours wall s",
        "ref wall s",
        "ratio",
        "max difference"
    )];
    for name in METRICS {
        let shown = |field: &str| report[name][field].as_f64().unwrap_or(f64::NAN);
        lines.push(format!(
            "{:<6} {:>12.4} {:>12.4} {:>6.1}x {:>12.4} {:>12.4} {:>6.1}x {:>15.1e}",
            name.to_uppercase(),
            shown("ours_cpu_s"),
            shown("reference_cpu_s"),
            shown("ratio"),
            shown("ours_wall_s"),
            shown("reference_wall_s"),
            shown("wall_ratio"),
            shown("max_difference"),
        ));
    }
    let rest = [
        ("a day's pass", &report["daily_pass"]),
        ("payouts of 100,000 models, s", &report["payouts_100k_s"]),
        ("growth", &report["growth"]),
        ("reference", &report["reference"]),
    ];
    lines.extend(rest.map(|(what, value)| format!("{what}: {value}")));
    lines.join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(cpu_s: f64) -> OurScores {
        let times = json!({ "cpu_s": cpu_s, "wall_s": 0.25 });
        let printed = json!({
            "corr": times, "mmc": times, "fnc": times, "growth": { "corr": 1.1 },
        });
        serde_json::from_value(printed).expect("as the example prints it")
    }

    fn reference() -> ReferenceScores {
        let metric = json!({ "cpu_s": 4.0, "wall_s": 2.0, "runs": 3, "max_difference": 1e-15 });
        let printed = json!({
            "corr": metric, "mmc": metric, "fnc": metric,
            "blas": [{ "architecture": "Zen" }], "versions": { "numpy": "2.4.6" },
        });
        serde_json::from_value(printed).expect("as compare.py prints it")
    }

    fn day() -> Value {
        json!({ "wall_s": 41.5, "cpu_s": 80.0, "peak_rss_mb": 512 })
    }

    fn settlement() -> Value {
        json!({ "payouts_100k_s": 0.5, "growth": { "100000": 1.2 } })
    }

    #[test]
    fn the_object_has_ratios_of_cpu_and_of_wall() {
        let report = merge(&ours(0.5), &reference(), &day(), &settlement()).expect("complete");
        let corr = json!({
            "ours_cpu_s": 0.5, "reference_cpu_s": 4.0, "ratio": 8.0,
            "ours_wall_s": 0.25, "reference_wall_s": 2.0, "wall_ratio": 8.0,
            "max_difference": 1e-15,
        });
        assert_eq!(report["corr"], corr);
        assert_eq!(report["mmc"], corr);
        assert_eq!(report["fnc"], corr);
        assert_eq!(report["daily_pass"], day());
        assert_eq!(report["payouts_100k_s"], json!(0.5));
        let growth = json!({ "scores": { "corr": 1.1 }, "settlement": { "100000": 1.2 } });
        assert_eq!(report["growth"], growth);
        assert_eq!(report["reference"]["blas"][0]["architecture"], "Zen");
        assert_eq!(report["reference"]["versions"]["numpy"], "2.4.6");
        assert_eq!(report.as_object().map(serde_json::Map::len), Some(7));
    }

    #[test]
    fn what_is_missing_is_named_with_its_program() {
        let refused = |day, settlement| {
            let refusal = merge(&ours(0.5), &reference(), &day, &settlement);
            format!("{:#}", refusal.expect_err("incomplete"))
        };
        let slim = refused(json!({ "wall_s": 1.0 }), settlement());
        assert_eq!(
            slim,
            "the example daily_pass: printed no number `peak_rss_mb`"
        );
        let empty = refused(day(), json!({}));
        assert!(empty.contains("settlement_speed: printed no number `payouts_100k_s`"));
        let refusal = merge(&ours(0.0), &reference(), &day(), &settlement()).expect_err("no time");
        assert_eq!(
            format!("{refusal:#}"),
            "corr: the example scoring measured no time"
        );
    }

    #[test]
    fn the_table_has_a_line_for_each_metric() {
        let report = merge(&ours(0.5), &reference(), &day(), &settlement()).expect("complete");
        let shown = table(&report);
        let line = shown.lines().find(|line| line.trim().starts_with("FNC"));
        let cells: Vec<&str> = line.expect("a line").split_whitespace().collect();
        let expected = [
            "FNC", "0.5000", "4.0000", "8.0x", "0.2500", "2.0000", "8.0x", "1.0e-15",
        ];
        assert_eq!(cells, expected);
        assert!(
            shown.contains("payouts of 100,000 models, s: 0.5"),
            "{shown}"
        );
    }
}
