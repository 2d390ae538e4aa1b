//! With shell scripts in the runner's place.

use std::io::Write;
use std::sync::Arc;

use super::*;
use crate::wall::pause;

/// A runner that does what `script` says, in a folder of its own.
pub(crate) fn runner(script: &str) -> (PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inference-runner");
    // Written by another process: a child that a neighbouring test starts must not inherit a handle
    // to the file that is being written, or it could not be run.
    let mut shell = std::process::Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 700 \"$0\""])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut pipe = shell.stdin.take().expect("a pipe");
    write!(pipe, "#!/bin/sh\n{script}\n").expect("written");
    drop(pipe);
    assert!(shell.wait().expect("ends").success());
    (path, folder)
}

fn checker(runner: PathBuf) -> Checker {
    Checker::new(Some(runner), Duration::from_millis(50))
}

/// Waits until `is_so`, at most ten seconds.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        pause(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within ten seconds");
}

#[tokio::test]
async fn a_model_reaches_the_runner_through_a_pipe_and_its_card_comes_back() {
    let (path, _folder) = runner("printf '%s %s ' \"$1\" \"$3\"; wc -c < \"$2\"");
    let card = checker(path).check(&[7; 200_000]).await.expect("a card");
    assert_eq!(
        String::from_utf8_lossy(&card).trim(),
        "check --json 200000",
        "the command line and every byte"
    );
}

#[tokio::test]
async fn a_refused_model_has_a_card_and_a_runner_that_cannot_has_none() {
    let (path, _folder) = runner("cat > /dev/null; echo refused; exit 2");
    let card = checker(path).check(b"model").await.expect("a card");
    assert_eq!(card, b"refused\n");
    let (path, _folder) = runner("echo one >&2; echo 'no ONNX Runtime' >&2; exit 1");
    let error = checker(path).check(&[7; 1_000_000]).await;
    assert!(
        matches!(&error, Err(CheckError::CouldNot(said)) if said == "no ONNX Runtime"),
        "{error:?}"
    );
    let nothing = Checker::new(None, Duration::ZERO);
    assert!(matches!(nothing.place(), Err(CheckError::NoRunner)));
    let gone = checker("no-such-runner".into()).check(b"model").await;
    assert!(matches!(gone, Err(CheckError::Start(_))));
}

#[tokio::test]
async fn the_runner_is_handed_nothing_of_the_servers_environment() {
    let (path, _folder) = runner("cat > /dev/null; /usr/bin/env");
    let said = checker(path).check(b"model").await.expect("a card");
    let said = String::from_utf8_lossy(&said).into_owned();
    // What a shell sets for itself.
    let own = ["PWD", "OLDPWD", "SHLVL", "_"];
    for line in said.lines() {
        let name = line.split('=').next().unwrap_or_default();
        assert!(KEPT.contains(&name) || own.contains(&name), "{line}");
    }
}

#[tokio::test]
async fn two_run_at_once_the_third_is_told_and_a_caller_that_goes_away_ends_its_child() {
    let script = "echo $$ >> \"$(dirname \"$0\")/pids\"; cat > /dev/null; exec sleep 600";
    let (path, folder) = runner(script);
    let checker = Arc::new(checker(path));
    let pids = || -> Vec<u32> {
        let text = std::fs::read_to_string(folder.path().join("pids")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    };
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let checker = Arc::clone(&checker);
            tokio::spawn(async move { checker.check(b"model").await })
        })
        .collect();
    until("two children", || pids().len() == 2).await;
    let third = checker.check(b"model").await;
    assert!(matches!(third, Err(CheckError::Busy)), "{third:?}");
    for caller in &callers {
        caller.abort();
    }
    let is_gone = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    until("no child is left", || pids().iter().all(is_gone)).await;
    let places: Vec<_> = (0..READING).map(|_| checker.place()).collect();
    assert!(places.iter().all(Result::is_ok));
    assert!(matches!(checker.place(), Err(CheckError::Busy)));
}
