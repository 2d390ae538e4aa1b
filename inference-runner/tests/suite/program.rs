//! The program itself: the card, exit codes, no telemetry, children that do not outlive it.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::double::{PROGRAM, model_path, runtime};
use serde_json::Value;

fn check(model: &Path, more: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg("check")
        .arg(model)
        .args(["--columns", "8", "--ort"])
        .arg(runtime().path)
        .args(more)
        .output()
        .unwrap()
}

#[test]
fn an_accepted_model_gets_its_card() {
    let output = check(&model_path("label_and_n2"), &["--json"]);
    assert_eq!(output.status.code(), Some(0));
    let card: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(card["accepted"], true);
    assert_eq!(card["opset"], 17);
    assert_eq!(card["inputs"][0]["shape"], "[N,8]");
    assert_eq!(card["outputs"][0]["element"], "int64");
    assert_eq!(card["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(card["sandbox"], "rlimits");
    for number in ["load_ms", "run_ms_p50", "run_ms_p99", "peak_bytes"] {
        assert!(card[number].as_f64().unwrap() > 0.0, "{number}");
    }
}

#[test]
fn a_refused_model_is_told_why() {
    let output = check(&model_path("ten_columns"), &[]);
    assert_eq!(output.status.code(), Some(2));
    let card = String::from_utf8(output.stdout).unwrap();
    assert!(card.starts_with("refused"), "{card}");
    assert!(card.contains("change: export with n_features=8"), "{card}");
}

#[test]
fn what_cannot_be_checked_is_not_refused() {
    let missing = check(Path::new("/nowhere/model.onnx"), &[]);
    assert_eq!(missing.status.code(), Some(1));
    let no_runtime = Command::new(PROGRAM)
        .arg("check")
        .arg(model_path("linear_n1"))
        .args(["--ort", "/nowhere/libonnxruntime.so"])
        .output()
        .unwrap();
    assert_eq!(no_runtime.status.code(), Some(1));
    let message = String::from_utf8(no_runtime.stderr).unwrap();
    assert!(message.contains("FORETOKEN_ORT"), "{message}");
    assert!(message.contains("cargo xtask setup demo"), "{message}");
    let usage = Command::new(PROGRAM).arg("join").output().unwrap();
    assert_eq!(usage.status.code(), Some(64));
}

#[test]
fn a_library_that_is_no_onnx_runtime_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libonnxruntime.so");
    std::fs::write(&library, "no library").unwrap();
    let output = Command::new(PROGRAM)
        .arg("check")
        .arg(model_path("linear_n1"))
        .arg("--ort")
        .arg(&library)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("libonnxruntime.so"), "{message}");
}

#[test]
fn nothing_is_written_anywhere() {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(PROGRAM)
        .arg("check")
        .arg(model_path("linear_n1"))
        .args(["--columns", "8", "--ort"])
        .arg(runtime().path)
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

/// The child started as the parent starts it, but free to write and with a home of its own: only
/// the switch keeps the runtime from writing a device id there.
fn child_with_home(home: &Path, switch: Option<&str>) -> Value {
    let mut command = Command::new(PROGRAM);
    command
        .arg("child")
        .arg("--ort")
        .arg(runtime().path)
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if let Some(switch) = switch {
        command.env("ORT_DISABLE_TELEMETRY", switch);
    }
    let mut child = command.spawn().unwrap();
    let mut said = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
    assert!(child.wait().unwrap().success());
    serde_json::from_slice(&said[4..]).unwrap()
}

#[test]
fn telemetry_is_off_before_the_runtime_is_loaded() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(child_with_home(home.path(), Some("1"))["frame"], "ready");
    for switch in [None, Some("0")] {
        let refusal = child_with_home(home.path(), switch);
        assert_eq!(refusal["frame"], "not-ready");
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

/// `join` to a server that is not there, with two warm children.
fn join(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args([
            "join",
            "--server",
            "http://127.0.0.1:9",
            "--key",
            "k",
            "--warm",
            "2",
        ])
        .arg("--cache")
        .arg(folder)
        .arg("--ort")
        .arg(runtime().path)
        .stderr(Stdio::null());
    command
}

fn two_children_of(parent: u32) -> Vec<u32> {
    wait_for("two warm children", || {
        let children = children_of(parent);
        // The third, which only shows that the runtime loads, is gone when two are warm. Loading
        // passes through four descriptors too; the file limit falls to zero only after it.
        let warm = |pid: &u32| descriptors(*pid) == 4 && limit(*pid, "Max open files")[0] == "0";
        (children.len() == 2 && children.iter().all(warm)).then_some(children)
    })
}

#[test]
fn children_die_with_a_killed_parent() {
    let folder = tempfile::tempdir().unwrap();
    let mut parent = join(folder.path()).spawn().unwrap();
    let children = two_children_of(parent.id());
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_for("the end of the children", || {
        let ended = children.iter().all(|child| !is_running(*child));
        ended.then_some(())
    });
}

#[test]
fn a_runner_asked_to_ends_with_the_process_that_started_it() {
    let folder = tempfile::tempdir().unwrap();
    let inner = join(folder.path());
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$@\" & wait", "sh", PROGRAM]);
    shell.args(inner.get_args()).arg("--parent-dies");
    let mut parent = shell.stderr(Stdio::null()).spawn().unwrap();
    let runner = wait_for("the runner", || children_of(parent.id()).first().copied());
    let children = two_children_of(runner);
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_for("the end of the runner and its children", || {
        let ended = !is_running(runner) && children.iter().all(|child| !is_running(*child));
        ended.then_some(())
    });
}

#[test]
fn a_warm_child_is_confined_before_it_sees_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let mut parent = join(folder.path()).spawn().unwrap();
    for child in two_children_of(parent.id()) {
        let limit = |name| limit(child, name);
        assert_eq!(limit("Max open files"), ["0", "0"]);
        assert_eq!(limit("Max file size"), ["0", "0"]);
        assert_eq!(limit("Max core file size"), ["0", "0"]);
        assert_eq!(limit("Max address space"), ["2147483648", "2147483648"]);
        assert_ne!(limit("Max cpu time")[0], "unlimited");
        let environment = std::fs::read(format!("/proc/{child}/environ")).unwrap();
        assert_eq!(environment, b"ORT_DISABLE_TELEMETRY=1\0");
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
}

/// The three pipes and /proc/self/status are what a warm child holds.
fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// The soft and the hard limit of a process; empty texts when it has ended.
fn limit(pid: u32, name: &str) -> [String; 2] {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with(name));
    let mut values = line.map_or("", |line| &line[26..]).split_whitespace();
    [(); 2].map(|()| values.next().unwrap_or_default().to_owned())
}

/// Looks until there is something to see, ten seconds at most.
fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    for _ in 0..1_000 {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("waited ten seconds for {what}");
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// A killed orphan may stay a zombie where nobody waits for it.
fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z" && state != "X")
}

fn children_of(parent: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap();
    let ids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent))
        .collect()
}
