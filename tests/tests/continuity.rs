//! What a demo keeps: on PostgreSQL, over a second start, over a kill −9.

use std::time::Duration;

use nix::sys::signal::Signal;
use tests::demo::{Demo, DemoSettings};
use tests::process_tree::{Descendant, descendants};
use tests::report::Report;
use tests::{scratch, wait};

const LIMIT: Duration = Duration::from_secs(120);
/// Batches are accepted by then.
const BATCH_LIMIT: Duration = Duration::from_secs(90);
/// An interrupted demo has ended by then.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// What a killed demo leaves behind is gone by then.
const ORPHAN_LIMIT: Duration = Duration::from_secs(15);

#[tokio::test]
async fn whole_rounds_run_on_postgresql() {
    let folder = scratch::folder("postgresql").expect("a folder");
    let url = server::db::testing::postgres_url().await;
    let settings = DemoSettings {
        folder: folder.path(),
        rounds: Some(2),
        database_url: Some(&url),
    };
    let demo = Demo::start(&settings).expect("the demo starts");
    let embedded = demo.data().join("foretoken.sqlite");
    let (_, report) = demo.finish(LIMIT).await.expect("two rounds are settled");
    assert!(
        report.decided().count() >= 2,
        "{} rounds",
        report.decided().count()
    );
    assert!(
        report.reconciliation.is_some_and(|found| found.equal),
        "ledger and chain differ"
    );
    assert!(report.withdrawal.is_some(), "no withdrawal");
    assert!(!embedded.exists(), "the embedded database was used");
}

#[tokio::test]
async fn a_second_start_goes_on_where_the_first_ended() {
    let folder = scratch::folder("resume").expect("a folder");
    let first = play(folder.path(), 2)
        .await
        .expect("two rounds are settled");
    let second = play(folder.path(), more_than(&first))
        .await
        .expect("more rounds are settled");
    must_continue(&first, &second);
    assert!(
        second.decided().count() >= 4,
        "{} rounds",
        second.decided().count()
    );
    assert_eq!(first.withdrawal, second.withdrawal, "paid once");
    assert!(
        !folder.path().join("data.old").exists(),
        "the demo began anew"
    );
}

#[tokio::test]
async fn a_killed_demo_leaves_no_process_and_goes_on_when_started_again() {
    let folder = scratch::folder("kill").expect("a folder");
    let settings = DemoSettings {
        folder: folder.path(),
        rounds: Some(500),
        database_url: None,
    };
    let demo = Demo::start(&settings).expect("the demo starts");
    let before = wait::until("an accepted batch", BATCH_LIMIT, async || {
        demo.must_run()?;
        let report = Report::read(demo.json()).ok();
        Ok(report.filter(|report| report.decided().count() > 0))
    })
    .await
    .expect("a batch is accepted");
    let children = descendants(demo.process.pid());
    for name in ["anvil", "foretoken", "inference-runn"] {
        let is_there = children.iter().any(|child| child.name.starts_with(name));
        assert!(is_there, "{name} is not among {children:?}");
    }
    demo.process.signal(Signal::SIGKILL);
    let dead = wait::until("the death of all children", ORPHAN_LIMIT, async || {
        Ok((!children.iter().any(Descendant::is_alive)).then_some(()))
    });
    let survivors = dead.await.map_err(|error| {
        let alive: Vec<_> = children.iter().filter(|child| child.is_alive()).collect();
        format!("{error}: {alive:?}")
    });
    assert_eq!(survivors, Ok(()));
    drop(demo);
    let after = play(folder.path(), more_than(&before))
        .await
        .expect("the demo goes on");
    must_continue(&before, &after);
    assert!(
        !folder.path().join("data.old").exists(),
        "the demo began anew"
    );
}

#[tokio::test]
async fn an_interrupted_demo_ends_well_and_without_its_chain_begins_anew() {
    let folder = scratch::folder("interrupt").expect("a folder");
    let settings = DemoSettings {
        folder: folder.path(),
        rounds: None,
        database_url: None,
    };
    let demo = Demo::start(&settings).expect("the demo starts");
    demo.ready().await.expect("rounds run");
    let children = descendants(demo.process.pid());
    let data = demo.data().to_path_buf();
    demo.process.signal(Signal::SIGINT);
    let (ended, report) = demo.finish(STOP_LIMIT).await.expect("it ends well");
    assert!(
        ended.stdout.contains("equal"),
        "no comparison in {}",
        ended.stdout
    );
    assert!(
        report.reconciliation.is_some_and(|found| found.equal),
        "ledger and chain differ"
    );
    assert!(!children.iter().any(Descendant::is_alive), "{children:?}");

    std::fs::remove_file(data.join("anvil-state.json")).expect("the chain's state was written");
    let demo = Demo::start(&settings).expect("the demo starts");
    demo.ready().await.expect("rounds run");
    let said = demo.process.stderr();
    assert!(
        said.contains("begins anew") && said.contains("data.old"),
        "{said}"
    );
    assert!(
        folder.path().join("data.old").is_dir(),
        "the old folder was not kept"
    );
}

#[tokio::test]
async fn a_demo_whose_part_dies_says_which_and_ends() {
    // A demo that is just talking to its chain learns of its end by that.
    let parts: [(&str, &[&str]); 2] = [
        ("inference-runn", &["runner ended with signal: 9"]),
        (
            "anvil",
            &["the chain (anvil) has ended", "the node did not answer"],
        ),
    ];
    for (name, messages) in parts {
        let folder = scratch::folder("part").expect("a folder");
        let settings = DemoSettings {
            folder: folder.path(),
            rounds: None,
            database_url: None,
        };
        let demo = Demo::start(&settings).expect("the demo starts");
        demo.ready().await.expect("rounds run");
        let children = descendants(demo.process.pid());
        let part = children.iter().find(|child| child.name.starts_with(name));
        part.expect("a part of the demo").kill();
        let ended = demo.process.finish(STOP_LIMIT).await.expect("it ends");
        assert_eq!(ended.code, 1, "{name}: {}", ended.stderr);
        let last = ended
            .stderr
            .lines()
            .rev()
            .find(|line| line.starts_with("foretoken: "));
        let last = last.unwrap_or_default();
        let is_named = messages.iter().any(|message| last.contains(message));
        assert!(is_named, "{name}: {}", ended.stderr);
        assert!(
            !children.iter().any(Descendant::is_alive),
            "{name}: {children:?}"
        );
    }
}

#[tokio::test]
async fn an_interrupted_headless_demo_does_not_look_done() {
    let folder = scratch::folder("unfinished").expect("a folder");
    let settings = DemoSettings {
        folder: folder.path(),
        rounds: Some(500),
        database_url: None,
    };
    let demo = Demo::start(&settings).expect("the demo starts");
    demo.ready().await.expect("rounds run");
    demo.process.signal(Signal::SIGTERM);
    let ended = demo.process.finish(STOP_LIMIT).await.expect("it ends");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("of 500 rounds"), "{}", ended.stderr);
}

async fn play(folder: &std::path::Path, rounds: u32) -> anyhow::Result<Report> {
    let settings = DemoSettings {
        folder,
        rounds: Some(rounds),
        database_url: None,
    };
    let (_, report) = Demo::start(&settings)?.finish(LIMIT).await?;
    Ok(report)
}

/// The rounds of all starts together count.
fn more_than(report: &Report) -> u32 {
    u32::try_from(report.decided().count()).expect("few rounds") + 2
}

/// What was settled stays as it was; more has followed, on the same chain.
fn must_continue(first: &Report, second: &Report) {
    for round in first.decided() {
        assert_eq!(
            second.round(&round.id),
            Some(round),
            "a settled round has changed"
        );
    }
    for (before, after) in first.batches.iter().zip(&second.batches) {
        // A demo killed right after an acceptance may not have known its gas yet.
        assert!(before.gas_used <= after.gas_used, "{before:?} {after:?}");
        let mut before = before.clone();
        before.gas_used = after.gas_used;
        assert_eq!(&before, after, "an accepted batch has changed");
    }
    assert!(
        second.batches.len() > first.batches.len(),
        "no batch was added"
    );
    assert!(
        second.decided().count() > first.decided().count(),
        "no round was added"
    );
    let found = second
        .reconciliation
        .as_ref()
        .expect("ledger and chain were compared");
    assert!(found.equal, "{found:?}");
}
