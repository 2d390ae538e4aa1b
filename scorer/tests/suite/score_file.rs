//! Files as people have them: what is refused, in one line that names file, column and id, and the
//! stated rule where something is not.

use std::fs::File;
use std::path::{Path, PathBuf};

use polars::prelude::{Column, DataFrame, ParquetWriter};
use scorer::cross_section::TargetScale;
use scorer::score_file::{Metric, Progress, Report, Request, ScoreFileError, score};
use serde_json::Value;

/// Files of one test, gone with it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn csv(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).expect("written");
        self.path(name)
    }

    /// A Parquet file of one row group per frame.
    fn parquet(&self, name: &str, frames: Vec<Vec<Column>>) -> PathBuf {
        let frames = frames.into_iter().map(DataFrame::new_infer_height);
        let frames: Vec<DataFrame> = frames.collect::<Result<_, _>>().expect("frames");
        let file = File::create(self.path(name)).expect("a file");
        let writer = ParquetWriter::new(file).batched(frames[0].schema());
        let mut writer = writer.expect("a writer");
        for frame in &frames {
            writer.write_batch(frame).expect("written");
        }
        writer.finish().expect("finished");
        self.path(name)
    }
}

fn corr_of(predictions: &Path, targets: &Path) -> Result<Report, ScoreFileError> {
    let request = Request {
        predictions: predictions.to_owned(),
        targets: targets.to_owned(),
        meta: None,
        features: None,
        metrics: vec![Metric::Corr],
        target_scale: TargetScale::Auto,
    };
    score(&request, &|_| {})
}

fn refusal(predictions: &Path, targets: &Path) -> String {
    let error = corr_of(predictions, targets).expect_err("refused");
    assert!(error.is_refused(), "{error}");
    let line = error.to_string();
    assert!(!line.contains('\n'), "one line: {line}");
    line
}

fn assert_says(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "no {word:?} in: {line}");
    }
}

const TARGETS: &str = "id,target\na,0\nb,0.5\nc,1\nd,0.25\ne,0.75\n";

#[test]
fn predictions_that_are_refused_are_named() {
    let folder = Folder::new();
    let targets = folder.csv("t.csv", TARGETS);
    let cases: [(&str, &str, &[&str]); 10] = [
        ("", "", &["is empty"]),
        ("no id", "key,m\na,1\n", &["column id is missing"]),
        ("no rows", "id,m\n", &["no rows"]),
        ("no model", "id\na\nb\n", &["no column beside id and era"]),
        ("twice", "id,m\na,1\nb,2\na,3\n", &["id", "\"a\"", "twice"]),
        (
            "stranger twice",
            "id,m\na,1\nz,2\nz,3\n",
            &["\"z\"", "twice"],
        ),
        (
            "text",
            "id,m\na,1\nb,high\nc,2\n",
            &["column m", "\"high\"", "row 2", "\"b\"", "numbers"],
        ),
        (
            "infinity",
            "id,m\na,1\nb,inf\nc,2\n",
            &["column m", "infinite", "row 2", "\"b\""],
        ),
        (
            "no id in common",
            "id,m\nx,1\ny,2\n",
            &["no id in common", "\"a\"", "\"x\""],
        ),
        ("column twice", "id,m,m\na,1,2\n", &["\"m\"", "twice"]),
    ];
    for (name, text, words) in cases {
        let predictions = folder.csv("p.csv", text);
        let line = refusal(&predictions, &targets);
        assert_says(&line, words);
        assert_says(&line, &["p.csv"]);
        assert!(!name.is_empty() || text.is_empty(), "{name}");
    }
    let ragged = folder.csv("p.csv", "id,m\na,1\nb,2,3\n");
    assert_says(&refusal(&ragged, &targets), &["p.csv", "fields"]);
}

#[test]
fn targets_that_are_refused_are_named() {
    let folder = Folder::new();
    let predictions = folder.csv("p.csv", "id,m\na,1\nb,2\n");
    let cases: [(&str, &[&str]); 6] = [
        ("id,goal\na,1\n", &["column target is missing"]),
        ("id,target\na,1\na,2\n", &["\"a\"", "twice"]),
        ("id,target\na,up\n", &["column target", "\"up\"", "row 1"]),
        ("id,target\na,inf\nb,1\n", &["target", "infinite", "\"a\""]),
        (
            "id,target\na,\nb,nan\n",
            &["target", "no number in any row"],
        ),
        (
            "id,era,target\na,1,1\nb,1,0\n",
            &["p.csv", "column era is missing"],
        ),
    ];
    for (text, words) in cases {
        let targets = folder.csv("t.csv", text);
        assert_says(&refusal(&predictions, &targets), words);
    }
    let missing = refusal(&predictions, &folder.path("none.parquet"));
    assert_says(&missing, &["none.parquet", "cannot be read"]);
}

#[test]
fn broken_parquet_is_refused_and_does_not_crash() {
    let folder = Folder::new();
    let targets = folder.csv("t.csv", TARGETS);
    let ids = || Column::new("id".into(), vec!["a", "b", "c", "d", "e"]);
    let numbers = Column::new("m".into(), vec![1.0, 2.0, 3.0, 5.0, 4.0]);
    let whole = folder.parquet("whole.parquet", vec![vec![ids(), numbers]]);
    assert!(corr_of(&whole, &targets).is_ok());
    let bytes = std::fs::read(&whole).expect("read");
    for keep in [5, 12, bytes.len() / 2, bytes.len() - 1] {
        let cut = folder.path("cut.parquet");
        std::fs::write(&cut, &bytes[..keep]).expect("written");
        assert_says(&refusal(&cut, &targets), &["cut.parquet"]);
    }
    let words = Column::new("m".into(), vec!["high", "low", "low", "low", "low"]);
    let texts = folder.parquet("texts.parquet", vec![vec![ids(), words]]);
    assert_says(&refusal(&texts, &targets), &["column m", "text", "\"a\""]);
    let gap = Column::new("id".into(), vec![Some("a"), None]);
    let two = Column::new("m".into(), vec![1.0, 2.0]);
    let gap = folder.parquet("gap.parquet", vec![vec![gap, two]]);
    assert_says(&refusal(&gap, &targets), &["column id", "without a value"]);
}

#[test]
fn metrics_without_their_input_are_refused() {
    let folder = Folder::new();
    let targets = folder.csv("t.csv", TARGETS);
    for (metric, input) in [(Metric::Mmc, "--meta"), (Metric::Fnc, "--features")] {
        let request = Request {
            predictions: targets.clone(),
            targets: targets.clone(),
            meta: None,
            features: None,
            metrics: vec![metric],
            target_scale: TargetScale::Auto,
        };
        let error = score(&request, &|_| {}).expect_err("refused");
        assert!(error.is_refused());
        assert_says(&error.to_string(), &[metric.name(), input]);
    }
}

/// Ten rows in each of two eras; what the model `full` says is `gaps` too, but for some rows.
fn two_eras(folder: &Folder) -> (PathBuf, PathBuf) {
    let (mut targets, mut predictions) = (
        String::from("id,era,target\n"),
        String::from("era,id,full,gaps,flat\n"),
    );
    for row in 0..20 {
        // Eras and ids in no order; the tenth era after the ninth.
        let (era, id) = (if row % 2 == 0 { 9 } else { 10 }, (row * 7) % 20);
        targets += &format!("id{id},{era},{}\n", f64::from((row * 3) % 5) / 4.0);
        let value = f64::from((row * 13) % 20) + 0.5;
        let gap = match era {
            9 if row < 4 => String::new(),
            10 if row < 6 => "nan".to_owned(),
            _ => value.to_string(),
        };
        predictions += &format!("{era},id{id},{value},{gap},1\n");
    }
    predictions += "9,stranger,1,2,1\n10,id0,3,3,1\n";
    (
        folder.csv("p.csv", &predictions),
        folder.csv("t.csv", &targets),
    )
}

#[test]
fn mixed_eras_gaps_and_strangers_follow_the_rules() {
    let folder = Folder::new();
    let (predictions, targets) = two_eras(&folder);
    let report = corr_of(&predictions, &targets).expect("scored");
    // id0 belongs to era 9: in era 10 it is a stranger.
    let ignored: Vec<usize> = report.ignored().iter().map(|(_, rows)| *rows).collect();
    assert_eq!(ignored, [2]);
    let json = report.to_json();
    let full = &json["models"]["full"]["corr"];
    let eras = full["eras"].as_object().expect("eras");
    assert_eq!(eras.len(), 2);
    assert!(eras.values().all(Value::is_f64), "{full}");
    assert_eq!(full["eras_scored"], 2);
    let scores: Vec<f64> = ["9", "10"]
        .iter()
        .filter_map(|era| eras[*era].as_f64())
        .collect();
    let mean = full["mean"].as_f64().expect("a mean");
    assert!((mean - (scores[0] + scores[1]) / 2.0).abs() < 1e-15);
    // Drawdown looks at the eras in time order: 9 before 10.
    let fall = (-scores[1]).max(0.0);
    assert_eq!(full["max_drawdown"].as_f64(), Some(fall));
    // Two of ten rows missing are scored, three are not; the other model is as it was.
    let gaps = &json["models"]["gaps"]["corr"];
    assert!(gaps["eras"]["9"].is_f64(), "{gaps}");
    assert_eq!(gaps["eras"]["10"], Value::Null);
    assert_eq!(gaps["reasons"]["10"], "coverage");
    assert_eq!(
        (&gaps["eras_scored"], &gaps["sharpe"]),
        (&1.into(), &Value::Null)
    );
    let flat = &json["models"]["flat"]["corr"];
    assert_eq!(flat["reasons"]["9"], "constant");
    assert_eq!(
        (&flat["mean"], &flat["eras_scored"]),
        (&Value::Null, &0.into())
    );
}

#[test]
fn the_order_of_rows_changes_no_bit() {
    let folder = Folder::new();
    let (predictions, targets) = two_eras(&folder);
    let before = corr_of(&predictions, &targets).expect("scored").to_json();
    let text = std::fs::read_to_string(&predictions).expect("read");
    let (head, rows) = text.split_once('\n').expect("a header");
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.sort_unstable();
    let shuffled = folder.csv("p2.csv", &format!("{head}\n{}\n", rows.join("\n")));
    let after = corr_of(&shuffled, &targets).expect("scored").to_json();
    assert_eq!(before["models"].to_string(), after["models"].to_string());
}

#[test]
fn row_groups_number_kinds_and_whole_number_ids_are_taken_as_they_come() {
    let folder = Folder::new();
    let targets = folder.csv("t.csv", "id,target\n1,0\n2,0.5\n3,1\n4,0.25\n5,0.75\n");
    let frame = |ids: Vec<i64>, floats: Vec<f32>, integers: Vec<i32>, holes: Vec<Option<f64>>| {
        vec![
            Column::new("floats".into(), floats),
            Column::new("id".into(), ids),
            Column::new("integers".into(), integers),
            Column::new("holes".into(), holes),
        ]
    };
    let predictions = folder.parquet(
        "p.parquet",
        vec![
            frame(
                vec![5, 1],
                vec![4.0, 1.0],
                vec![4, 1],
                vec![Some(4.0), Some(1.0)],
            ),
            frame(vec![2], vec![2.0], vec![2], vec![None]),
            frame(
                vec![4, 3],
                vec![5.0, 3.0],
                vec![5, 3],
                vec![Some(5.0), Some(3.0)],
            ),
        ],
    );
    let json = corr_of(&predictions, &targets).expect("scored").to_json();
    let score = |model: &str| &json["models"][model]["corr"]["eras"]["all"];
    assert!(score("floats").is_f64());
    assert_eq!(score("floats"), score("integers"));
    // Four of five rows are enough.
    assert!(score("holes").is_f64() && score("holes") != score("floats"));
}

#[test]
fn progress_counts_every_model_once_without_features() {
    let folder = Folder::new();
    let (predictions, targets) = two_eras(&folder);
    let request = Request {
        predictions,
        targets,
        meta: None,
        features: None,
        metrics: vec![Metric::Corr],
        target_scale: TargetScale::Auto,
    };
    let seen = std::sync::Mutex::new(Vec::new());
    let note = |progress| seen.lock().expect("no panic").push(progress);
    score(&request, &note).expect("scored");
    let last = seen.into_inner().expect("no panic").pop();
    assert_eq!(last, Some(Progress { done: 3, of: 3 }));
}
