//! Models as the usual exporters write them, through the real child: the answers are those of the
//! library that trained the model, and usual mistakes are refused with the line to change.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use inference_runner::check::{self, Card, known_rows};
use inference_runner::{Job, Limits, Outcome, Status, Task};

use crate::double::{runner, runtime};

/// Columns of the tournament's features, and so of the files.
const COLUMNS: usize = 70;
/// Between the library, which counts in float64, and ONNX Runtime in float32.
const TOLERANCE: f64 = 1e-5;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/exporters")
}

fn model(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.onnx"))).unwrap()
}

/// What each library answers for the first known rows.
fn expected() -> HashMap<String, Vec<f64>> {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

async fn card(name: &str) -> Card {
    let limits = Limits::DEFAULT;
    check::check(&runner(), &runtime(), model(name), COLUMNS, limits).await
}

async fn run(name: &str, rows: usize) -> Outcome {
    let job = Job {
        task: Task::Run,
        model: model(name).into(),
        features: known_rows(rows, COLUMNS),
        limits: Limits::DEFAULT,
    };
    runner().run(&job, job.limits.wall).await
}

async fn answers_as_its_library(name: &str, expected: &[f64]) {
    let card = card(name).await;
    assert!(card.accepted, "{name}: {}", card.text());
    let outcome = run(name, expected.len()).await;
    assert_eq!(outcome.status, Status::Ok, "{name}: {outcome:?}");
    assert_eq!(outcome.p.len(), expected.len(), "{name}");
    for (row, (got, expected)) in outcome.p.iter().zip(expected).enumerate() {
        let difference = (got - expected).abs();
        assert!(
            difference < TOLERANCE,
            "{name}, row {row}: {got} {expected}"
        );
    }
}

/// Every file of the folder is expected to be accepted or refused: none is forgotten.
#[test]
fn every_file_is_expected_to_do_something() {
    let expected = expected();
    let mut found = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "onnx") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_mistake = MISTAKES.iter().any(|(mistake, ..)| *mistake == name);
        assert_ne!(is_mistake, expected.contains_key(&name), "{name}");
        found += 1;
    }
    assert_eq!(found, expected.len() + MISTAKES.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_accepted_and_answer_as_their_library() {
    let expected = expected();
    let exports: Vec<&str> = ["torch_script", "torch_dynamo", "sklearn", "lightgbm"]
        .into_iter()
        .chain(["xgboost", "catboost"])
        .collect();
    for exporter in exports {
        let of_exporter = expected
            .iter()
            .filter(|(name, _)| name.starts_with(exporter));
        let mut checked = 0;
        for (name, expected) in of_exporter {
            answers_as_its_library(name, expected).await;
            checked += 1;
        }
        assert!(checked > 0, "no file of {exporter}");
    }
}

/// A file, the code of its first reason, and words of the line to change.
const MISTAKES: [(&str, &str, &str); 7] = [
    ("wrong_newest_onnx", "ir-version", "ir_version=10"),
    ("wrong_fixed_batch", "input-batch", "dynamic_axes"),
    ("wrong_float64_input", "input-type", "FloatTensorType"),
    ("wrong_label_only", "output-type", "predict_proba"),
    ("wrong_regression", "output-range", "sigmoid"),
    ("wrong_xgboost_logits", "output-range", "sigmoid"),
    ("wrong_training_mode", "training", "model.eval()"),
];

#[tokio::test(flavor = "multi_thread")]
async fn usual_mistakes_are_refused_with_the_line_to_change() {
    for (name, code, fix) in MISTAKES {
        let card = card(name).await;
        assert!(!card.accepted, "{name}");
        let reason = &card.reasons[0];
        assert_eq!(reason.code, code, "{name}: {}", card.text());
        assert!(reason.fix.contains(fix), "{name}: {}", reason.fix);
    }
}
