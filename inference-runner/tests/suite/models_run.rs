//! Honest and hostile models through the real child and the real ONNX Runtime.

use std::collections::HashMap;
use std::time::Duration;

use crate::double::{job, model_path, runner};
use inference_runner::check::known_rows;
use inference_runner::{Job, Outcome, Status, Task};

async fn run(job: &Job) -> Outcome {
    runner().run(job, job.limits.wall).await
}

/// A file that the scanner refuses, run all the same: what the sandbox does about it.
fn unscanned(name: &str, rows: usize) -> Job {
    Job {
        task: Task::Unscanned,
        ..job(name, rows)
    }
}

async fn refused(name: &str, status: Status, code: &str) -> Outcome {
    let outcome = run(&job(name, 256)).await;
    assert_eq!(outcome.status, status, "{name}: {outcome:?}");
    assert_eq!(outcome.reasons[0].code, code, "{name}: {outcome:?}");
    assert!(outcome.p.is_empty());
    assert!(!outcome.detail().is_empty() && !outcome.detail().contains('\n'));
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_equal_those_of_onnxruntime_in_python() {
    let text = std::fs::read_to_string(model_path("x").with_file_name("expected.json")).unwrap();
    let expected: HashMap<String, Vec<f64>> = serde_json::from_str(&text).unwrap();
    assert_eq!(expected.len(), 4);
    let runner = runner();
    for (name, expected) in expected {
        let job = job(&name, 256);
        let outcome = runner.run(&job, job.limits.wall).await;
        assert_eq!(outcome.status, Status::Ok, "{name}: {outcome:?}");
        assert_eq!(outcome.p.len(), 256);
        for (row, (got, expected)) in outcome.p.iter().zip(&expected).enumerate() {
            assert!(
                (got - expected).abs() < 1e-6,
                "{name} row {row}: {got} {expected}"
            );
        }
        assert!(outcome.cost.peak_bytes > 1 << 20 && outcome.cost.load_us > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_and_many_blocks_answer_the_same() {
    let many = run(&job("dense_n2", 3_000)).await;
    let one = run(&job("dense_n2", 1)).await;
    assert_eq!(many.p.len(), 3_000);
    assert!((many.p[0] - one.p[0]).abs() < 1e-6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_column_count_names_the_line_to_change() {
    let mut job = job("ten_columns", 1);
    job.features = known_rows(1, 64);
    let outcome = run(&job).await;
    assert_eq!(outcome.status, Status::LoadError);
    assert_eq!(
        outcome.detail(),
        "model input 'X' has shape [N,10]; this tournament's features have 64 columns (schema \
         direction-v1): export with n_features=64"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn models_that_break_the_contract_are_refused() {
    let load = Status::LoadError;
    refused("fixed_batch", load, "input-batch").await;
    refused("string_input", load, "input-type").await;
    refused("two_inputs", load, "input-count").await;
    refused("garbage", load, "load").await;
    refused("three_classes", load, "output-shape").await;
    refused("one_row", load, "output-rows").await;
    refused("random_output", load, "operator").await;
    refused("endless_loop", load, "operator").await;
    refused("huge_allocation", load, "cost-memory").await;
    let bad = Status::BadOutput;
    refused("nan_output", bad, "output-finite").await;
    refused("no_sigmoid", bad, "output-range").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zipmap_is_taken_off() {
    let (with, without) = (
        run(&job("zipmap", 64)).await,
        run(&job("dense_n2", 64)).await,
    );
    assert_eq!(with.status, Status::Ok, "{with:?}");
    assert_eq!(with.p, without.p);
    let digest = |outcome: &Outcome| outcome.facts.as_ref().unwrap().canonical_digest.unwrap();
    assert_eq!(digest(&with), digest(&without), "the same file is run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_refuses_answers_that_are_not_the_rows_own() {
    for (name, code) in [
        ("row_mean", "cross-row"),
        ("batch_size", "cross-row"),
        ("constant", "output-constant"),
    ] {
        let mut job = job(name, 256);
        assert_eq!(run(&job).await.status, Status::Ok, "{name}");
        job.task = Task::Check { repeats: 3 };
        let outcome = run(&job).await;
        assert_eq!(outcome.status, Status::BadOutput, "{name}: {outcome:?}");
        assert_eq!(outcome.reasons[0].code, code, "{name}: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_too_large_is_refused_unread() {
    let mut job = job("linear_n1", 1);
    job.limits.model_bytes = 100;
    let outcome = run(&job).await;
    assert_eq!(outcome.status, Status::LoadError);
    assert_eq!(outcome.reasons[0].code, "model-bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_is_killed_on_the_wall() {
    let mut job = unscanned("endless_loop", 4);
    job.limits.wall = Duration::from_millis(400);
    let outcome = run(&job).await;
    assert_eq!(outcome.status, Status::LimitWall, "{outcome:?}");
    assert!(outcome.cost.wall_us < 5_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_ends_at_its_processor_time() {
    let mut job = unscanned("endless_loop", 4);
    job.limits.cpu = Duration::from_millis(300);
    let outcome = run(&job).await;
    assert_eq!(outcome.status, Status::LimitCpu, "{outcome:?}");
    assert!(outcome.cost.cpu_us >= 250_000, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_allocation_ends_at_the_address_space() {
    let outcome = run(&unscanned("huge_allocation", 256)).await;
    assert_eq!(outcome.status, Status::LimitMem, "{outcome:?}");
    assert!(outcome.cost.peak_bytes < 2 << 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_space_below_the_runtime_is_a_memory_limit_too() {
    // What the fork server has already mapped may be used; this many rows need more.
    let mut job = job("linear_n1", 100_000);
    job.limits.address_space_bytes = 16 << 20;
    assert_eq!(run(&job).await.status, Status::LimitMem);
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_models_are_unharmed_by_hostile_neighbours() {
    let runner = runner();
    let mut hostile = unscanned("endless_loop", 4);
    hostile.limits.wall = Duration::from_millis(800);
    let greedy = unscanned("huge_allocation", 256);
    let honest = job("linear_n1", 4);
    let (endless, greedy, honest) = tokio::join!(
        runner.run(&hostile, hostile.limits.wall),
        runner.run(&greedy, greedy.limits.wall),
        runner.run(&honest, honest.limits.wall),
    );
    assert_eq!(endless.status, Status::LimitWall);
    assert_eq!(greedy.status, Status::LimitMem);
    assert_eq!(honest.status, Status::Ok);
    assert_eq!(honest.p.len(), 4);
}
