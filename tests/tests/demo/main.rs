//! `foretoken demo --headless`: one run of twelve rounds, and everything that must hold of it.

mod chain;
mod events;
mod exit;
mod money;
mod record;

use std::time::Duration;

use domain::Price;
use record::Heard;
use tempfile::TempDir;
use tests::demo::{Demo, DemoSettings};
use tests::process::Finished;
use tests::report::{Report, Round};
use tests::scratch;
use tokio::sync::OnceCell;

/// Twelve rounds of two tournaments, settlement and the withdrawal, with room for a busy machine.
const LIMIT: Duration = Duration::from_secs(180);

/// What the one run left behind. The folder holds everything, also after its end.
struct Run {
    ended: Finished,
    report: Report,
    /// What a member did and heard while the server ran.
    heard: Heard,
    folder: TempDir,
}

/// The one run that all tests of this file look at.
async fn run() -> &'static (Finished, Report) {
    static PAIR: OnceCell<(Finished, Report)> = OnceCell::const_new();
    let pair = async || {
        let run = whole_run().await;
        (run.ended.clone(), run.report.clone())
    };
    PAIR.get_or_init(pair).await
}

async fn whole_run() -> &'static Run {
    static RUN: OnceCell<Result<Run, String>> = OnceCell::const_new();
    let done = RUN
        .get_or_init(async || play().await.map_err(|error| format!("{error:#}")))
        .await;
    done.as_ref().expect("twelve rounds are settled")
}

async fn play() -> anyhow::Result<Run> {
    let folder = scratch::folder("demo")?;
    let settings = DemoSettings {
        folder: folder.path(),
        rounds: Some(12),
        database_url: None,
    };
    let demo = Demo::start(&settings)?;
    demo.ready().await?;
    let heard = record::take_part(&demo, folder.path()).await?;
    let (ended, report) = demo.finish(LIMIT).await?;
    Ok(Run {
        ended,
        report,
        heard,
        folder,
    })
}

#[tokio::test]
async fn twelve_rounds_are_settled_in_both_tournaments() {
    let (_, report) = run().await;
    let staked: Vec<&Round> = report
        .decided()
        .filter(|round| round.entries.len() > 1)
        .collect();
    assert!(
        staked.len() >= 12,
        "{} rounds have an outcome",
        staked.len()
    );
    for tournament in ["btc-usd-5m", "eth-usd-5m"] {
        let of_it = staked.iter().filter(|round| round.tournament == tournament);
        // The first ones may begin before the hosted models have passed their trial.
        let mixed = of_it
            .filter(|round| has(round, "hosted") && has(round, "external"))
            .count();
        assert!(
            mixed >= 4,
            "{tournament}: hosted and external models meet in {mixed} rounds"
        );
    }
    for round in &report.rounds {
        assert!(
            round.opens_at < round.locks_at,
            "{}: locked before it opened",
            round.id
        );
    }
}

fn has(round: &Round, hosting: &str) -> bool {
    round.entries.iter().any(|entry| entry.hosting == hosting)
}

#[tokio::test]
async fn the_outcome_is_up_exactly_when_the_price_rose() {
    let (_, report) = run().await;
    for round in report.decided() {
        let price = |text: &Option<String>| -> Price {
            text.as_deref()
                .expect("a price")
                .parse()
                .expect("a decimal price")
        };
        let rose = price(&round.p1) > price(&round.p0);
        let expected = if rose { "up" } else { "down" };
        assert_eq!(
            round.outcome, expected,
            "{}: {:?} to {:?}",
            round.id, round.p0, round.p1
        );
    }
    for round in report.rounds.iter().filter(|round| round.outcome == "void") {
        assert!(
            round.void_reason.is_some(),
            "{} is void and says not why",
            round.id
        );
        assert!(
            round.entries.iter().all(|entry| entry.delta == "0"),
            "{} is void and paid",
            round.id
        );
    }
}

#[tokio::test]
async fn the_time_of_every_stage_is_printed() {
    let (ended, _) = run().await;
    let line = ended
        .stdout
        .lines()
        .find(|line| line.starts_with("stage, median time"));
    let line = line.unwrap_or_else(|| panic!("no stage times in\n{}", ended.stdout));
    for stage in [
        "lock",
        "aggregate",
        "commit",
        "resolve",
        "score",
        "propose",
        "accept",
    ] {
        let time = line
            .split(&[':', ';'])
            .find_map(|part| part.trim().strip_prefix(stage));
        let time = time
            .unwrap_or_else(|| panic!("no {stage} in {line}"))
            .trim();
        let number = time
            .strip_suffix(" ms")
            .and_then(|number| number.parse::<f64>().ok());
        assert!(
            number.is_some_and(|ms| ms >= 0.0),
            "{stage}: {time:?} is no time"
        );
    }
}
