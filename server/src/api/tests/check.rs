//! `POST /check`, with a shell script in the runner's place.

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use super::{Answer, World};
use crate::checks::tests::runner;
use crate::models;

/// A card as `foretoken check --json` prints it.
fn card(is_accepted: bool) -> Value {
    json!({
        "accepted": is_accepted, "status": if is_accepted { "ok" } else { "bad-output" },
        "class": "tree",
        "reasons": [{"code": "output-range", "message": "1.5 is no probability", "fix": "clip"}],
        "ops": {"TreeEnsembleClassifier": 1}, "opset": 17, "opsets": {"": 17, "ai.onnx.ml": 3},
        "ir": 8, "params": 12, "cost_per_row": 30, "digest": "ab".repeat(32),
        "canonical_digest": null, "bytes": 5,
        "inputs": [{"name": "x", "element": "float32", "shape": "[N,70]"}], "outputs": [],
        "rows": 256, "columns": 70, "lowest_p": 0.25, "highest_p": null,
        "load_ms": 1.5, "scan_ms": 0.25, "run_ms_p50": 0.5, "run_ms_p99": 0.75, "cpu_ms": 3.0,
        "peak_mb": 61.5, "runtime": "onnxruntime 1.31.1", "sandbox": "full"
    })
}

/// A runner that reads the model and answers `card` with this exit code.
fn answers(card: &Value, code: u8) -> (std::path::PathBuf, tempfile::TempDir) {
    runner(&format!(
        "cat \"$2\" > /dev/null; cat <<'END'\n{card}\nEND\nexit {code}"
    ))
}

async fn check(world: &World, kind: &str, body: &'static [u8]) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/v1/check")
        .header(header::CONTENT_TYPE, kind)
        .body(Body::from(body));
    world.request(request.expect("a request")).await
}

const BYTES: &str = "application/octet-stream";

/// Every file of a folder with its size.
fn files(folder: &Path) -> BTreeSet<(std::path::PathBuf, u64)> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert((entry.path(), entry.metadata().expect("a file").len()));
        }
    }
    found
}

#[tokio::test]
async fn anybody_gets_the_card_of_a_file_and_nothing_of_it_stays() {
    for (is_accepted, code) in [(true, 0), (false, 2)] {
        let expected = card(is_accepted);
        let (path, folder) = answers(&expected, code);
        let world = World::with_runner(Some(path)).await;
        let before = (
            files(world.app.settings.data_dir.as_path()),
            files(folder.path()),
        );
        let answer = check(&world, BYTES, b"model").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.json, expected, "the card as the runner wrote it");
        let after = (
            files(world.app.settings.data_dir.as_path()),
            files(folder.path()),
        );
        assert_eq!(before, after, "no file");
        let mut conn = world.app.db.read().await.expect("a connection");
        let models = models::list(&mut conn, None, None).await.expect("reads");
        assert_eq!(models, [], "no row");
    }
}

#[tokio::test]
async fn what_cannot_be_checked_is_refused_with_what_to_do() {
    let (path, _folder) = runner("cat > /dev/null; echo 'no runtime in /secret/place' >&2; exit 1");
    let world = World::with_runner(Some(path)).await;
    let failed = check(&world, BYTES, b"model").await;
    failed.is_problem(503, "check-unavailable");
    assert!(!failed.text.contains("secret"), "{}", failed.text);
    check(&world, BYTES, b"")
        .await
        .is_problem(422, "artifact-empty");
    check(&world, "text/plain", b"model")
        .await
        .is_problem(415, "content-type-wrong");
    let large: &'static [u8] = vec![0_u8; 64_000_001].leak();
    check(&world, BYTES, large)
        .await
        .is_problem(413, "body-too-large");
    let nothing = World::new().await;
    let absent = check(&nothing, BYTES, b"model").await;
    absent.is_problem(503, "check-unavailable");
    assert!(
        absent.json["remedy"]
            .as_str()
            .is_some_and(|said| said.contains("--runner"))
    );
}

#[tokio::test]
async fn when_every_place_is_taken_the_answer_says_when_to_come_back() {
    let (path, _folder) = answers(&card(true), 0);
    let world = World::with_runner(Some(path)).await;
    let mut places = Vec::new();
    while let Ok(place) = world.app.checks.place() {
        places.push(place);
    }
    let busy = check(&world, BYTES, b"model").await;
    busy.is_problem(503, "busy");
    assert_eq!(busy.headers[header::RETRY_AFTER], "10");
    drop(places);
    assert_eq!(check(&world, BYTES, b"model").await.status, StatusCode::OK);
}
