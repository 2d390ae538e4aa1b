//! The program itself: the card, exit codes, no telemetry, children that do not outlive it.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::double::{PROGRAM, level_here, model_path, runtime};
use inference_runner::SandboxLevel;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socketpair};
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
    assert_eq!(
        card["outputs"][0]["element"], "float32",
        "the label is left out"
    );
    assert_eq!(card["digest"].as_str().unwrap().len(), 64);
    assert_eq!(card["canonical_digest"].as_str().unwrap().len(), 64);
    assert_eq!(card["class"], "dense");
    assert_eq!(card["ops"]["Gemm"], 2);
    assert_eq!((&card["ir"], &card["params"]), (&8.into(), &178.into()));
    assert_eq!(card["sandbox"], level_here().name());
    for number in ["load_ms", "run_ms_p50", "run_ms_p99", "peak_mb"] {
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

/// The fork server started as the runner starts it, but free to write and with a home of its own:
/// only the switch keeps the runtime from writing a device id there. Answers its first word.
fn server_with_home(home: &Path, switch: Option<&str>) -> String {
    let mut command = Command::new(PROGRAM);
    let kind = SockType::SeqPacket;
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).unwrap();
    command
        .args(["fork-server", "--ort"])
        .arg(runtime().path)
        .current_dir(home)
        .env_clear()
        .envs(
            [
                "HOME",
                "XDG_CACHE_HOME",
                "XDG_CONFIG_HOME",
                "XDG_DATA_HOME",
                "XDG_STATE_HOME",
            ]
            .map(|name| (name, home)),
        )
        .env("TMPDIR", home)
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null());
    if let Some(switch) = switch {
        command.env("ORT_DISABLE_TELEMETRY", switch);
    }
    let mut server = command.spawn().unwrap();
    drop(command);
    let mut said = [0; 8192];
    let length = recv(ours.as_raw_fd(), &mut said, MsgFlags::empty()).unwrap();
    drop(ours);
    assert!(server.wait().unwrap().success());
    String::from_utf8(said[..length].to_vec()).unwrap()
}

#[test]
fn telemetry_is_off_before_the_runtime_is_loaded() {
    let home = tempfile::tempdir().unwrap();
    let ready = server_with_home(home.path(), Some("1"));
    assert!(ready.starts_with(r#"{"Ready""#), "{ready}");
    for switch in [None, Some("0")] {
        let refusal = server_with_home(home.path(), switch);
        assert!(refusal.starts_with(r#"{"NotReady""#), "{refusal}");
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

/// `join` to a server that is not there.
fn join(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(["join", "--server", "http://127.0.0.1:9", "--key", "k"])
        .arg("--allow-weaker-sandbox")
        .arg("--cache")
        .arg(folder)
        .arg("--ort")
        .arg(runtime().path)
        .stderr(Stdio::null());
    command
}

/// The fork server once it is ready: the process on trial that it made is gone.
fn fork_server_of(runner: u32) -> u32 {
    wait_for("the fork server", || {
        let server = *children_of(runner).first()?;
        (handles_sigchld(server) && children_of(server).is_empty()).then_some(server)
    })
}

/// Only a fork server that takes orders handles the end of its children.
fn handles_sigchld(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("SigCgt:"));
    let mask = line.and_then(|line| u64::from_str_radix(line[7..].trim(), 16).ok());
    let bit = 1 << (nix::sys::signal::Signal::SIGCHLD as u64 - 1);
    mask.is_some_and(|mask| mask & bit != 0)
}

#[test]
fn the_fork_server_dies_with_a_killed_runner() {
    let folder = tempfile::tempdir().unwrap();
    let mut runner = join(folder.path()).spawn().unwrap();
    let server = fork_server_of(runner.id());
    runner.kill().unwrap();
    runner.wait().unwrap();
    wait_for("the end of the fork server", || {
        (!is_running(server)).then_some(())
    });
}

#[test]
fn a_running_model_dies_with_a_killed_runner() {
    let folder = tempfile::tempdir().unwrap();
    let mut runner = slow_check(folder.path());
    let process = running_model_of(runner.id());
    runner.kill().unwrap();
    runner.wait().unwrap();
    wait_for("the end of the model's process", || {
        (!is_running(process)).then_some(())
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
    let server = fork_server_of(runner);
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_for("the end of the runner and its fork server", || {
        (!is_running(runner) && !is_running(server)).then_some(())
    });
}

/// A check that takes many seconds: the slowest model of the class over many rows.
fn slow_check(folder: &Path) -> Child {
    let rows = folder.join("rows");
    std::fs::write(&rows, vec![0; 20_000 * 8 * 4]).unwrap();
    let mut runner = Command::new(PROGRAM);
    runner.arg("check").arg(model_path("slow"));
    runner.args(["--columns", "8", "--features"]).arg(rows);
    runner.arg("--ort").arg(runtime().path);
    runner.stdout(Stdio::null()).spawn().unwrap()
}

/// The process of the model that `runner` checks, once it is locked and has used time.
fn running_model_of(runner: u32) -> u32 {
    wait_for("a running model", || {
        let server = *children_of(runner).first()?;
        let process = *children_of(server).first()?;
        // The one on trial ends by itself; only a model reads from a pipe.
        let is_model = std::fs::read_link(format!("/proc/{process}/fd/0"))
            .is_ok_and(|pipe| pipe.to_string_lossy().starts_with("pipe:"));
        (is_model && limit(process, "Max open files")[0] == "0").then_some(process)
    })
}

#[test]
fn a_running_model_is_confined() {
    let folder = tempfile::tempdir().unwrap();
    let mut runner = slow_check(folder.path());
    let process = running_model_of(runner.id());
    let of = |name| limit(process, name);
    assert_eq!(of("Max open files"), ["0", "0"]);
    assert_eq!(of("Max file size"), ["0", "0"]);
    assert_eq!(of("Max core file size"), ["0", "0"]);
    assert_eq!(of("Max address space"), ["2147483648", "2147483648"]);
    assert_eq!(of("Max cpu time"), ["11", "12"]);
    let seen = wait_for("the filter", || {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        (field(&status, "Seccomp:") == "2" || level_here() < SandboxLevel::SeccompOnly)
            .then_some(status)
    });
    assert_eq!(field(&seen, "NoNewPrivs:"), "1");
    assert_eq!(field(&seen, "Threads:"), "1");
    if nix::unistd::getuid().is_root() {
        assert_eq!(field(&seen, "Uid:"), "65534");
        assert_eq!(field(&seen, "Gid:"), "65534");
        assert_eq!(field(&seen, "CapPrm:"), "0000000000000000");
        let open = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        assert_eq!(open.count(), 3);
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap();
        assert_eq!(environment, b"ORT_DISABLE_TELEMETRY=1\0");
    }
    runner.kill().unwrap();
    runner.wait().unwrap();
}

/// The first word after `name` in a status of /proc.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.unwrap_or_default()
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
