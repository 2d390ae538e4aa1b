//! Damaged copies of honest models that the scanner admits all the same: what it wrote must load.

use std::collections::BTreeSet;

use inference_runner::check::known_rows;
use inference_runner::scan::{Rules, scan};
use inference_runner::{Job, Limits, Status, Task};

use crate::double::{model, runner};

/// Admitted copies that are run.
const RUN: usize = 80;

fn exporter(name: &str) -> (Vec<u8>, usize) {
    (model(&format!("exporters/{name}")), 70)
}

fn next(state: &mut u64) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    usize::try_from(*state >> 33).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_scanner_wrote_from_damaged_files_loads() {
    let models = [
        (model("dense_n2"), 8),
        (model("batch_size"), 8),
        (model("zipmap"), 8),
        exporter("torch_script_n1"),
        exporter("torch_dynamo_n2"),
        exporter("sklearn_pipeline"),
        exporter("lightgbm_zipmap"),
    ];
    let runner = runner();
    let mut state = 11;
    let mut seen = BTreeSet::new();
    let mut turn = 0;
    while seen.len() < RUN && turn < 40_000 {
        let (bytes, columns) = &models[turn % models.len()];
        turn += 1;
        let mut damaged = bytes.clone();
        // Fields of the structure lie at the start and at the end, between them are numbers.
        let edge = damaged.len().min(1_500);
        let place = match turn % 3 {
            0 => next(&mut state) % damaged.len(),
            1 => next(&mut state) % edge,
            _ => damaged.len() - 1 - next(&mut state) % edge,
        };
        damaged[place] ^= 1 << (next(&mut state) % 8);
        let Ok(admitted) = scan(&damaged, &Rules::of(Limits::DEFAULT, *columns)) else {
            continue;
        };
        if !seen.insert(admitted.canonical_digest) {
            continue;
        }
        let job = Job {
            task: Task::Run,
            model: damaged.into(),
            features: known_rows(4, *columns),
            limits: Limits::DEFAULT,
        };
        let outcome = runner.run(&job, job.limits.wall).await;
        let ends = [Status::Ok, Status::BadOutput];
        assert!(
            ends.contains(&outcome.status),
            "{turn} {place}: {outcome:?}"
        );
        let facts = outcome.facts.unwrap();
        assert_eq!(facts.canonical_digest, Some(admitted.canonical_digest));
    }
    assert_eq!(seen.len(), RUN, "{turn}");
}
