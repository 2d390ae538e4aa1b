//! `foretoken score`: the command that data scientists use, on the committed vectors of the reference
//! and on files that are not right.

use std::path::PathBuf;

use serde_json::Value;
use tests::{binaries, scratch};

use super::{expect_failure, expect_one_line, foretoken, run};

fn golden(name: &str) -> PathBuf {
    binaries::workspace().join("scorer/tests/golden").join(name)
}

#[tokio::test]
async fn scores_of_files_are_those_of_the_reference() {
    let folder = scratch::folder("score").expect("a folder");
    let out = folder.path().join("scores.json");
    let mut command = foretoken(&["score", "--metric", "corr,mmc,fnc"]);
    for (flag, file) in [
        ("--predictions", "predictions.parquet"),
        ("--targets", "targets.parquet"),
        ("--meta", "meta.parquet"),
        ("--features", "features.parquet"),
    ] {
        command.arg(flag).arg(golden(file));
    }
    command.arg("--out").arg(&out);
    let done = run(command).await;
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (0, ""),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("ignored"), "{}", done.stderr);
    let ours: Value = serde_json::from_slice(&std::fs::read(&out).expect("written")).expect("JSON");
    let expected = std::fs::read(golden("expected.json")).expect("a committed file");
    let expected: Value = serde_json::from_slice(&expected).expect("JSON");
    let mut compared = 0;
    for (model, metrics) in expected.as_object().expect("models") {
        for metric in ["corr", "mmc", "fnc"] {
            let scores = &ours["models"][model][metric];
            for (era, theirs) in metrics[metric].as_object().expect("eras") {
                let ours = &scores["eras"][era];
                match (ours.as_f64(), theirs.as_f64()) {
                    (Some(ours), Some(theirs)) => {
                        assert!((ours - theirs).abs() <= 1e-12, "{metric} {model} {era}");
                        compared += 1;
                    }
                    (None, None) => assert!(scores["reasons"][era].is_string(), "{scores}"),
                    _ => panic!("{metric} of {model} in {era}: {ours} against {theirs}"),
                }
            }
            let ends = scores["interval"].as_array().expect("an interval");
            let mean = scores["mean"].as_f64().expect("a mean");
            assert!(ends[0].as_f64() <= Some(mean) && Some(mean) <= ends[1].as_f64());
        }
    }
    assert!(compared > 400, "{compared}");
}

#[tokio::test]
async fn scores_go_to_standard_output_alone() {
    let mut command = foretoken(&["score", "--metric", "corr", "--threads", "1"]);
    command
        .arg("--predictions")
        .arg(golden("small/predictions.csv"));
    command.arg("--targets").arg(golden("small/targets.csv"));
    let done = run(command).await;
    assert_eq!(done.code, 0, "{}", done.stderr);
    let printed: Value = serde_json::from_str(&done.stdout).expect("JSON alone");
    assert!(printed["models"]["uniform"]["corr"]["eras"]["rows_101"].is_f64());
}

#[tokio::test]
async fn score_refuses_files_in_one_line() {
    let folder = scratch::folder("refused").expect("a folder");
    let targets = folder.path().join("targets.csv");
    std::fs::write(&targets, "id,target\na,0\nb,1\n").expect("a file");
    let predictions = folder.path().join("predictions.csv");
    let cases: [(&str, &[&str]); 6] = [
        ("key,m\na,1\n", &["predictions.csv", "column id is missing"]),
        ("id,m\n", &["predictions.csv", "no rows"]),
        ("id,m\na,1\na,2\n", &["predictions.csv", "\"a\"", "twice"]),
        ("id,m\na,1\nb,high\n", &["column m", "\"high\"", "\"b\""]),
        ("id,m\na,1\nb,-inf\n", &["column m", "infinite", "\"b\""]),
        ("id,m\nx,1\ny,2\n", &["no id in common"]),
    ];
    for (text, words) in cases {
        std::fs::write(&predictions, text).expect("a file");
        let mut command = foretoken(&["score", "--metric", "corr"]);
        command.arg("--predictions").arg(&predictions);
        command.arg("--targets").arg(&targets);
        expect_one_line(&run(command).await, text, words);
    }
    std::fs::write(&predictions, "id,m\na,1\nb,2\n").expect("a file");
    let mut command = foretoken(&["score", "--metric", "corr,mmc"]);
    command.arg("--predictions").arg(&predictions);
    command.arg("--targets").arg(&targets);
    expect_one_line(&run(command).await, "no meta", &["mmc", "--meta"]);
    let mut command = foretoken(&["score", "--metric", "corr"]);
    command.arg("--predictions").arg(&predictions);
    command.arg("--targets").arg(&targets);
    command
        .arg("--out")
        .arg(folder.path().join("none/scores.json"));
    expect_failure(
        &run(command).await,
        1,
        &["scores.json", "cannot be written"],
    );
    expect_failure(
        &run(foretoken(&["score", "--metric", "sharpe"])).await,
        64,
        &["sharpe"],
    );
}
