//! The program `inference-runner join` against a stand-in for the server.

use std::process::Stdio;
use std::time::Duration;

use crate::double::{COLUMNS, PROGRAM, level_here, model, runtime};
use crate::server_double::{Double, State};
use inference_runner::Digest;
use inference_runner::check::known_rows;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

const LIMIT: Duration = Duration::from_secs(30);

fn join(server: &str, key: &str, cache: &std::path::Path) -> Child {
    Command::new(PROGRAM)
        .args(["join", "--server", server, "--key", key, "--name", "r1"])
        .args(["--workers", "2", "--allow-weaker-sandbox"])
        .arg("--ort")
        .arg(runtime().path)
        .arg("--cache")
        .arg(cache)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// A server with one job for `models`, each a name in the job and a file.
fn state(models: &[(&str, &str)], kind: &str, wall_budget_ms: u64) -> State {
    state_of(3, models, kind, wall_budget_ms)
}

/// Rows over which the model `slow` takes longer than five seconds on any machine.
const SLOW_ROWS: usize = 60_000;

fn state_of(rows: usize, models: &[(&str, &str)], kind: &str, wall_budget_ms: u64) -> State {
    let features = known_rows(rows, COLUMNS).bytes.to_vec();
    let digest = Digest::of(&features).to_string();
    let mut state = State {
        key: "secret".to_owned(),
        ..State::default()
    };
    let mut listed = Vec::new();
    for (id, file) in models {
        let bytes = model(file);
        let artifact = Digest::of(&bytes).to_string();
        listed.push(json!({"model": id, "artifact": artifact}));
        state.blobs.insert(artifact, bytes);
    }
    state.blobs.insert(digest.clone(), features);
    state.jobs = vec![json!({
        "lease": "lease/1",
        "kind": kind,
        "round": "btc-usd-5m-20240305T1200Z",
        "deadline_us": 1_709_640_000_000_000_i64,
        "wall_budget_ms": wall_budget_ms,
        "features": {"digest": digest, "rows": rows, "columns": COLUMNS},
        "models": listed,
    })];
    state
}

fn of<'a>(results: &'a [Value], model: &str) -> &'a Value {
    results
        .iter()
        .find(|result| result["model"] == model)
        .unwrap()
}

async fn results(double: &Double, count: usize) -> Vec<Value> {
    let arrived = double.until(|state| state.results.len() >= count);
    tokio::time::timeout(LIMIT, arrived).await.unwrap();
    double.state.lock().unwrap().results.clone()
}

/// Asks the program to stop and answers its exit code and what it logged.
async fn stopped(child: Child) -> (Option<i32>, String) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    ended(child).await
}

async fn ended(child: Child) -> (Option<i32>, String) {
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
    let output = output.unwrap().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), log)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_is_run_and_answered() {
    let cache = tempfile::tempdir().unwrap();
    let models = [("good", "dense_n2"), ("bad", "nan_output")];
    let double = Double::start(state(&models, "run", 20_000)).await;
    let child = join(&double.url, "secret", cache.path());
    let results = results(&double, 2).await;
    let good = of(&results, "good");
    assert_eq!(good["status"], "ok");
    assert_eq!(good["p"].as_array().unwrap().len(), 3);
    assert_eq!(good["detail"], "");
    assert_eq!(good["card"], Value::Null);
    assert!(good["wall_ms"].as_u64().unwrap() > 0);
    let bad = of(&results, "bad");
    assert_eq!(bad["status"], "bad-output");
    assert!(bad["detail"].as_str().unwrap().contains("NaN for row 0"));
    let (code, log) = stopped(child).await;
    assert_eq!(code, Some(0), "{log}");
    let state = double.state.lock().unwrap();
    let hello = &state.registrations[0];
    assert_eq!(hello["runner"], "r1");
    assert_eq!(hello["sandbox"], level_here().name());
    let described = hello["runtime"].as_str().unwrap();
    assert!(
        described.starts_with("onnxruntime 1.31.1 sha256:"),
        "{described}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_are_fetched_once_and_features_are_not_kept() {
    let cache = tempfile::tempdir().unwrap();
    let mut first = state(&[("a", "linear_n1")], "run", 20_000);
    let again = first.jobs[0].clone();
    first.jobs.push(again);
    let double = Double::start(first).await;
    let child = join(&double.url, "secret", cache.path());
    results(&double, 2).await;
    let (code, log) = stopped(child).await;
    assert_eq!(code, Some(0), "{log}");
    let artifact = Digest::of(&model("linear_n1")).to_string();
    let asked = double.state.lock().unwrap().blob_requests.clone();
    let times = asked.iter().filter(|digest| **digest == artifact).count();
    // Two leases may ask at the same moment, before the first answer is on the disk.
    assert!((1..=2).contains(&times), "{asked:?}");
    let kept: Vec<_> = std::fs::read_dir(cache.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(kept, [format!("{artifact}.onnx")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_with_another_digest_are_refused() {
    let cache = tempfile::tempdir().unwrap();
    let mut damaged = state(&[("a", "linear_n1")], "run", 20_000);
    let artifact = Digest::of(&model("linear_n1")).to_string();
    damaged.blobs.insert(artifact, model("dense_n2"));
    let double = Double::start(damaged).await;
    let child = join(&double.url, "secret", cache.path());
    let results = results(&double, 1).await;
    assert_eq!(results[0]["status"], "platform-error");
    let detail = results[0]["detail"].as_str().unwrap();
    assert!(detail.contains("has the digest"), "{detail}");
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0);
    assert_eq!(stopped(child).await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_done_in_time_is_killed_and_reported() {
    let cache = tempfile::tempdir().unwrap();
    let models = [("slow", "slow"), ("good", "linear_n1")];
    let double = Double::start(state_of(SLOW_ROWS, &models, "check", 5_000)).await;
    let child = join(&double.url, "secret", cache.path());
    let results = results(&double, 2).await;
    assert_eq!(of(&results, "slow")["status"], "limit-wall", "{results:?}");
    // One check at a time: the other either ran first or found no worker, which is our fault.
    let good = of(&results, "good");
    let status = &good["status"];
    assert!(status == "ok" || status == "platform-error", "{good}");
    assert_eq!(status == "ok", good["card"]["accepted"] == true, "{good}");
    assert_eq!(of(&results, "slow")["card"]["status"], "limit-wall");
    assert_eq!(stopped(child).await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_runner_finishes_its_job() {
    let cache = tempfile::tempdir().unwrap();
    let double = Double::start(state_of(SLOW_ROWS, &[("slow", "slow")], "run", 5_000)).await;
    let child = join(&double.url, "secret", cache.path());
    let asked = double.until(|state| state.blob_requests.len() == 2);
    tokio::time::timeout(LIMIT, asked).await.unwrap();
    let (code, log) = stopped(child).await;
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(
        double.state.lock().unwrap().results[0]["status"],
        "limit-wall"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_ends_the_runner_with_a_remedy() {
    let cache = tempfile::tempdir().unwrap();
    let double = Double::start(state(&[], "run", 1_000)).await;
    let (code, log) = ended(join(&double.url, "wrong", cache.path())).await;
    assert_eq!(code, Some(2), "{log}");
    assert!(
        log.contains("refused the key (401)") && log.contains("--key"),
        "{log}"
    );
    assert!(!log.contains("wrong"), "the key is not logged: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_name_ends_the_runner_in_the_servers_words() {
    let cache = tempfile::tempdir().unwrap();
    let mut refusing = state(&[], "run", 1_000);
    let problem = json!({"detail": "r1 is taken.", "remedy": "Use another --name."});
    refusing.refusal = Some((409, problem.to_string()));
    let double = Double::start(refusing).await;
    let (code, log) = ended(join(&double.url, "secret", cache.path())).await;
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("r1 is taken. Use another --name."), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_server_is_named_once_and_tried_again() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let cache = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let mut child = join(&url, "secret", cache.path());
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut seen = String::new();
    while !seen.contains("cannot be reached") {
        let line = tokio::time::timeout(LIMIT, log.next_line()).await.unwrap();
        seen = line.unwrap().unwrap();
    }
    // Several attempts later nothing more was said, and it still stops when asked.
    let silence = tokio::time::timeout(Duration::from_secs(2), log.next_line()).await;
    assert!(silence.is_err(), "{silence:?}");
    assert_eq!(stopped(child).await.0, Some(0));
}
