//! Several runners: shares, misses, drains, second and third answers.

use super::*;
use crate::runners::fleet::{Benchmark, Machine, Pulse};

const ROUND: &str = "btc-usd-5m-20240305T1200Z";
const SECRET: [u8; 32] = [3; 32];

/// A run of `count` models, published and sampled now, and the clocks.
struct Run {
    account: AccountId,
    models: Vec<Model>,
    wall: WallClock,
    clock: MarketClock,
    job: String,
}

fn machine(rate_milli: i64) -> Machine {
    Machine {
        device: "cpu".to_owned(),
        profile: fleet::CPU_PROFILE.to_owned(),
        cores: 2,
        memory_mb: 4_096,
        workers: 2,
        benchmark: Benchmark {
            tree_us: 900,
            dense_us: 300,
            rate_milli,
        },
    }
}

impl Run {
    async fn publish(conn: &mut Conn, share_ppm: u32) -> Self {
        let Place {
            account,
            round,
            models,
        } = place(conn).await;
        let wall = WallClock::manual(NOW_US);
        for name in ["a", "b", "c"] {
            let registered =
                fleet::register(conn, NOW_US, &runner(name, &account), &machine(20_000)).await;
            assert_eq!(registered.expect("registers").registered_us, NOW_US);
        }
        let job = publish_run(conn, NOW_US, &round, DEADLINE_US, &[1.0], 1, &models).await;
        sample_run(conn, NOW_US, &round, &models, &SECRET, share_ppm)
            .await
            .expect("samples");
        Self {
            account,
            models,
            clock: MarketClock::live(wall.clone()),
            wall,
            job: job.expect("published"),
        }
    }

    /// The names of the models that `runner` is lent.
    async fn ask(&self, conn: &mut Conn, runner: &str) -> Vec<String> {
        let is_waiting = is_work_waiting(conn, &self.clock, runner).await;
        let job = next_job(conn, &self.clock, runner).await.expect("reads");
        assert_eq!(is_waiting.expect("reads"), job.is_some());
        let models = job.map(|job| job.models).unwrap_or_default();
        let name = |id: &ModelId| {
            let known = self.models.iter().find(|model| model.id == *id);
            known.expect("a model of the run").name.clone()
        };
        models.iter().map(|entry| name(&entry.model)).collect()
    }

    /// `runner` says `p` for the model called `name`.
    async fn say(&self, conn: &mut Conn, runner: &str, name: &str, p: f64) -> Vec<Decided> {
        let (job, _) = leased(conn, &self.job, runner, &self.account)
            .await
            .expect("lent");
        let model = self.models.iter().find(|model| model.name == name);
        let said = [answer(model.expect("a model"), Status::Ok, &[p])];
        record_run(conn, &self.clock, &job, runner, &said)
            .await
            .expect("recorded")
    }

    async fn record(&self, conn: &mut Conn, runner: &str) -> fleet::Record {
        fleet::member(conn, runner).await.expect("known").record
    }
}

#[tokio::test]
async fn a_run_is_split_and_a_dead_runners_part_goes_to_the_living() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let run = Run::publish(&mut tx, 0).await;
        let a = run.ask(&mut tx, "a").await;
        let b = run.ask(&mut tx, "b").await;
        assert_eq!(
            (a.len(), b.len()),
            (1, 1),
            "two models, three equal runners"
        );
        assert!(run.ask(&mut tx, "c").await.is_empty());
        run.say(&mut tx, "b", &b[0], 0.5).await;
        run.wall.set(NOW_US + 30_000_000);
        assert!(is_overdue(&mut tx, &run.clock).await.expect("reads"));
        sweep(&mut tx, &run.clock).await.expect("sweeps");
        assert!(!is_overdue(&mut tx, &run.clock).await.expect("reads"));
        assert_eq!(
            run.ask(&mut tx, "b").await,
            a,
            "only b has been heard since"
        );
        run.say(&mut tx, "b", &a[0], 0.5).await;
        let (dead, alive) = (
            run.record(&mut tx, "a").await,
            run.record(&mut tx, "b").await,
        );
        assert_eq!((dead.on_time, dead.missed), (0, 1));
        assert_eq!((alive.on_time, alive.missed), (2, 0));
        assert!(dead.reputation_ppm < reputation::START_PPM);
        assert!(alive.reputation_ppm > reputation::START_PPM);
        assert!(run.ask(&mut tx, "c").await.is_empty(), "the run is done");
    })
    .await;
}

#[tokio::test]
async fn what_a_runner_had_before_it_started_again_is_for_others_at_once() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let run = Run::publish(&mut tx, 0).await;
        let had = run.ask(&mut tx, "a").await;
        run.ask(&mut tx, "b").await;
        assert!(run.ask(&mut tx, "c").await.is_empty(), "all is lent");
        let again = runner("a", &run.account);
        fleet::register(&mut tx, NOW_US, &again, &machine(20_000))
            .await
            .expect("registers");
        assert_eq!(run.ask(&mut tx, "c").await, had);
    })
    .await;
}

#[tokio::test]
async fn a_draining_runner_gets_nothing_new_and_may_answer_what_it_has() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let run = Run::publish(&mut tx, 0).await;
        let had = run.ask(&mut tx, "a").await;
        fleet::ask_to_drain(&mut tx, NOW_US, "a", true)
            .await
            .expect("asks");
        let pulse = Pulse {
            free_workers: 2,
            load_milli: 100,
            is_draining: false,
        };
        let asked = fleet::beat(&mut tx, NOW_US, "a", &run.account, pulse).await;
        assert!(asked.expect("beats"), "it is told");
        assert!(run.ask(&mut tx, "a").await.is_empty());
        run.say(&mut tx, "a", &had[0], 0.5).await;
        assert_eq!(
            run.ask(&mut tx, "b").await.len(),
            1,
            "the rest is for the others"
        );
        fleet::ask_to_drain(&mut tx, NOW_US, "a", false)
            .await
            .expect("asks");
        let nobody = fleet::ask_to_drain(&mut tx, NOW_US, "nobody", true).await;
        assert!(matches!(nobody, Err(RunnerError::UnknownRunner(_))));
        let early = fleet::beat(&mut tx, NOW_US, "nobody", &run.account, pulse).await;
        assert!(matches!(early, Err(RunnerError::UnknownRunner(_))));
    })
    .await;
}

#[tokio::test]
async fn a_lie_is_found_by_the_second_runner_and_decided_by_the_third() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let run = Run::publish(&mut tx, 1_000_000).await;
        let first = run.ask(&mut tx, "a").await;
        let name = first[0].as_str();
        assert!(
            run.say(&mut tx, "a", name, 0.9).await.is_empty(),
            "it counts as it is"
        );
        let second = run.ask(&mut tx, "b").await;
        assert!(second.iter().any(|one| one == name), "{second:?}");
        let disputed = run.say(&mut tx, "b", name, 0.5).await;
        assert_eq!(
            disputed[0].p,
            [0.9],
            "until a third has spoken the first counts"
        );
        let third = run.ask(&mut tx, "c").await;
        assert!(third.iter().any(|one| one == name), "{third:?}");
        let settled = run.say(&mut tx, "c", name, 0.500_000_4).await;
        assert_eq!(settled[0].p, [0.500_000_4], "the majority's, as just said");
        assert_eq!(settled[0].runner, "c", "who can be receipted");
        let (liar, honest) = (
            run.record(&mut tx, "a").await,
            run.record(&mut tx, "b").await,
        );
        assert_eq!((liar.disagreed, honest.disagreed), (1, 0));
        assert!(liar.reputation_ppm < reputation::TRUSTED_PPM);
        let now_us = run.clock.now_us();
        let hidden = disagreements(&mut tx, now_us, 10).await.expect("reads");
        assert!(hidden.is_empty(), "the round is open");
        let shown = disagreements(&mut tx, DEADLINE_US + 60_000_000, 10)
            .await
            .expect("reads");
        let comparison = &shown[0].comparison;
        assert_eq!(comparison.state, ComparisonState::Settled);
        assert_eq!(comparison.blamed, ["a"]);
        assert_eq!(comparison.counted_runner, "c");
        assert_eq!(comparison.difference_e9, 400_000_000);
        assert_eq!(shown[0].round.to_string(), ROUND);
        let counted = counts(&mut tx).await.expect("reads");
        assert!(
            counted.contains(&(ComparisonState::Settled, 1)),
            "{counted:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn without_time_for_a_third_the_first_counts_and_the_truth_is_found_afterwards() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let run = Run::publish(&mut tx, 1_000_000).await;
        let name = run.ask(&mut tx, "a").await.remove(0);
        run.say(&mut tx, "a", &name, 0.9).await;
        run.ask(&mut tx, "b").await;
        run.say(&mut tx, "b", &name, 0.5).await;
        run.wall.set(DEADLINE_US + 1_000_000);
        sweep(&mut tx, &run.clock).await.expect("sweeps");
        assert_eq!(
            run.ask(&mut tx, "c").await,
            std::slice::from_ref(&name),
            "nothing else is due"
        );
        let settled = run.say(&mut tx, "c", &name, 0.5).await;
        assert!(settled.is_empty(), "nothing changes for the round");
        let liar = run.record(&mut tx, "a").await;
        assert_eq!(liar.disagreed, 1);
        let shown = disagreements(&mut tx, DEADLINE_US + 60_000_000, 10)
            .await
            .expect("reads");
        let comparison = &shown[0].comparison;
        assert_eq!(comparison.state, ComparisonState::Settled);
        assert_eq!(comparison.blamed, ["a"]);
        assert_eq!(comparison.counted_runner, "a", "as the round had it");
        let states = counts(&mut tx).await.expect("reads");
        assert!(states.contains(&(ComparisonState::Single, 1)), "{states:?}");
    })
    .await;
}

#[tokio::test]
async fn who_was_found_lying_does_not_count_however_fast_it_is() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let run = Run::publish(&mut tx, 1_000_000).await;
        let lied = reputation::Deed::False(1);
        fleet::credit(&mut tx, NOW_US, "a", lied)
            .await
            .expect("credits");
        assert!(run.ask(&mut tx, "a").await.is_empty(), "nothing of its own");
        let first = run.ask(&mut tx, "b").await.remove(0);
        assert_eq!(
            run.ask(&mut tx, "a").await,
            std::slice::from_ref(&first),
            "to be compared"
        );
        let (job, _) = leased(&mut tx, &run.job, "a", &run.account)
            .await
            .expect("lent");
        let counting = first_answers(&mut tx, &run.clock, &job, "a").await;
        assert!(counting.expect("reads").is_empty());
        assert!(run.say(&mut tx, "a", &first, 0.9).await.is_empty());
        let round = ROUND.parse().expect("an id");
        assert!(
            results_of_round(&mut tx, &round)
                .await
                .expect("reads")
                .is_empty()
        );
        let disputed = run.say(&mut tx, "b", &first, 0.5).await;
        assert_eq!(disputed[0].p, [0.5], "the answer of the trusted one");
    })
    .await;
}

#[tokio::test]
async fn the_sample_can_be_checked_once_the_round_has_locked() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let run = Run::publish(&mut tx, 50_000).await;
        let open = samples(&mut tx, run.clock.now_us(), 5)
            .await
            .expect("reads");
        assert_eq!((open[0].seed.as_ref(), open[0].sample_count), (None, 1));
        let locked = samples(&mut tx, DEADLINE_US + 60_000_000, 5)
            .await
            .expect("reads");
        let seed = locked[0].seed.clone().expect("revealed");
        assert_eq!(
            hex::encode(Sha256::digest(seed.as_bytes())),
            open[0].commitment
        );
        let ids: Vec<ModelId> = run.models.iter().map(|model| model.id.clone()).collect();
        assert_eq!(choose(&seed, &ids, 50_000).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_failure_of_one_runner_is_no_result_while_another_is_there() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let run = Run::publish(&mut tx, 0).await;
        let name = run.ask(&mut tx, "a").await.remove(0);
        let model = run.models.iter().find(|model| model.name == name);
        let failed = [answer(model.expect("a model"), Status::PlatformError, &[])];
        let (job, _) = leased(&mut tx, &run.job, "a", &run.account)
            .await
            .expect("lent");
        record_run(&mut tx, &run.clock, &job, "a", &failed)
            .await
            .expect("recorded");
        let round = ROUND.parse().expect("an id");
        assert!(
            results_of_round(&mut tx, &round)
                .await
                .expect("reads")
                .is_empty()
        );
        let others = [run.ask(&mut tx, "b").await, run.ask(&mut tx, "c").await].concat();
        assert!(others.contains(&name), "{others:?}");
        assert_eq!(run.record(&mut tx, "a").await.missed, 1);
    })
    .await;
}
