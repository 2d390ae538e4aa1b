//! The golden vectors of the reference, numerai-tools, to 1e-12: read from files as `foretoken score`
//! reads them.

use std::path::PathBuf;

use scorer::cross_section::TargetScale;
use scorer::normal::quantile;
use scorer::score_file::{Metric, Request, score};
use serde_json::Value;

const TOLERANCE: f64 = 1e-12;
const METRICS: [Metric; 3] = [Metric::Corr, Metric::Mmc, Metric::Fnc];

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn json(name: &str) -> Value {
    let text = std::fs::read_to_string(golden(name)).expect("a committed file");
    serde_json::from_str(&text).expect("JSON")
}

fn request() -> Request {
    Request {
        predictions: golden("predictions.parquet"),
        targets: golden("targets.parquet"),
        meta: Some(golden("meta.parquet")),
        features: Some(golden("features.parquet")),
        metrics: METRICS.to_vec(),
        target_scale: TargetScale::Auto,
    }
}

fn scored_with(threads: usize, request: &Request) -> Value {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads");
    let report = pool.install(|| score(request, &|_| {}));
    report.expect("scored").to_json()
}

fn assert_close(ours: &Value, theirs: &Value, what: &str) -> bool {
    match (ours.as_f64(), theirs.as_f64()) {
        (Some(ours), Some(theirs)) => {
            let apart = (ours - theirs).abs();
            assert!(apart <= TOLERANCE, "{what}: {ours} against {theirs}");
            true
        }
        (None, None) => false,
        _ => panic!("{what}: {ours} against {theirs}"),
    }
}

#[test]
fn scores_agree_with_the_reference() {
    let ours = scored_with(2, &request());
    let expected = json("expected.json");
    let (mut numbers, mut nulls) = (0, 0);
    for (model, metrics) in expected.as_object().expect("models") {
        for metric in METRICS.map(Metric::name) {
            let ours = &ours["models"][model][metric];
            for (era, theirs) in metrics[metric].as_object().expect("eras") {
                let what = format!("{metric} of {model} in {era}");
                if assert_close(&ours["eras"][era], theirs, &what) {
                    numbers += 1;
                    continue;
                }
                nulls += 1;
                // Where nothing but rounding is left the reference was not asked.
                let why = &metrics["reasons"][metric][era];
                let reason = if why == "rows" {
                    "explained"
                } else {
                    why.as_str().expect("a word")
                };
                assert_eq!(ours["reasons"][era], reason, "{what}");
            }
        }
    }
    assert!(
        numbers > 400 && nulls > 10,
        "{numbers} numbers, {nulls} nulls"
    );
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let one = scored_with(1, &request()).to_string();
    assert_eq!(one, scored_with(8, &request()).to_string());
}

#[test]
fn csv_gives_the_bits_of_parquet() {
    let small = Request {
        predictions: golden("small/predictions.csv"),
        targets: golden("small/targets.csv"),
        meta: None,
        features: None,
        metrics: vec![Metric::Corr],
        target_scale: TargetScale::Auto,
    };
    let (csv, parquet) = (scored_with(1, &small), scored_with(1, &request()));
    let models = csv["models"].as_object().expect("models");
    assert!(models.len() >= 8, "{}", models.len());
    for (model, scores) in models {
        assert_eq!(
            scores["corr"]["eras"]["rows_101"],
            parquet["models"][model]["corr"]["eras"]["rows_101"],
            "{model}"
        );
    }
}

#[test]
fn quantiles_agree_with_the_reference() {
    let text = std::fs::read_to_string(golden("normal_quantile.json")).expect("a committed file");
    // Read by Rust's own parser: it rounds exactly, which matters within an ulp of 1.
    let words = text.split(|sign: char| "[], \n".contains(sign));
    let numbers: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
    let (pairs, rest) = numbers.as_chunks::<2>();
    assert!(
        pairs.len() > 300 && rest.is_empty(),
        "{} pairs",
        pairs.len()
    );
    for [p, theirs] in pairs {
        let ours = quantile(*p);
        let apart = (ours - theirs).abs();
        assert!(
            apart <= 2e-15 * theirs.abs().max(1.0),
            "{p}: {ours} against {theirs}"
        );
    }
}
