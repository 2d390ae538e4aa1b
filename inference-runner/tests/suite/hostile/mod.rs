//! Hostile models. Each file is written by code ([`files`]) and run by the sandbox alone, which
//! must end it with the outcome that its test is named after, and leave its neighbours unharmed.

mod crowd;
mod escape;
mod files;
mod scanned;

use std::sync::OnceLock;
use std::time::Duration;

use inference_runner::check::known_rows;
use inference_runner::{Job, Limits, ModelRunner, Outcome, Status, Task};

use crate::double::{COLUMNS, model, runner};

/// One runner and one fork server for all tests of this module, so that each hostile model has
/// the fork server that all the others have met.
fn shared_runner() -> &'static ModelRunner {
    static RUNNER: OnceLock<ModelRunner> = OnceLock::new();
    RUNNER.get_or_init(runner)
}

/// The lowered class. What a test does not expect to be reached is generous, so that a busy
/// machine changes no outcome.
fn limits(expected: Status) -> Limits {
    let (slow, long) = (Duration::from_secs(5), Duration::from_secs(20));
    Limits {
        model_bytes: Limits::DEFAULT.model_bytes,
        address_space_bytes: 512 << 20,
        cpu: if expected == Status::LimitCpu {
            Duration::from_millis(300)
        } else {
            slow
        },
        wall: if expected == Status::LimitWall {
            Duration::from_secs(1)
        } else {
            long
        },
    }
}

fn job(file: Vec<u8>, limits: Limits) -> Job {
    Job {
        // Twice, so that answers that change are found.
        task: Task::Unscanned,
        model: file.into(),
        features: known_rows(64, COLUMNS),
        limits,
    }
}

/// `limit_cpu` names `Status::LimitCpu`.
fn status(name: &str) -> Status {
    serde_json::from_value(name.replace('_', "-").into()).unwrap()
}

/// Runs the file without any scanner before it.
async fn contained(name: &str, file: Vec<u8>, expected: &str) {
    let expected = status(expected);
    let runner = shared_runner();
    let limits = limits(expected);
    let outcome = runner.run(&job(file, limits), limits.wall).await;
    println!(
        "{name}: {} in {} ms",
        outcome.detail(),
        outcome.cost.wall_us / 1_000
    );
    assert_eq!(outcome.status, expected, "{outcome:?}");
    judge(&outcome, limits);
    let honest = job(model("linear_n1"), Limits::DEFAULT);
    let neighbour = runner.run(&honest, honest.limits.wall).await;
    assert_eq!(neighbour.status, Status::Ok, "{neighbour:?}");
}

/// What holds whatever a model does.
fn judge(outcome: &Outcome, limits: Limits) {
    assert_eq!(outcome.status == Status::Ok, outcome.reasons.is_empty());
    assert_eq!(outcome.status == Status::Ok, !outcome.p.is_empty());
    assert!(outcome.p.iter().all(|p| (0.0..=1.0).contains(p)));
    assert!(outcome.cost.peak_bytes <= limits.address_space_bytes);
    let second = Duration::from_secs(1);
    let most = limits.cpu.as_secs().max(1) * 1_000_000 + 1_000_000;
    assert!(outcome.cost.cpu_us <= most, "{outcome:?}");
    let late = limits.wall + 10 * second;
    assert!(u128::from(outcome.cost.wall_us) <= late.as_micros());
    assert!(!outcome.detail().contains("root:"), "it read a file");
}

macro_rules! hostile {
    ($($family:ident { $($file:ident $outcome:ident;)* })*) => { $($(
        mod $file {
            #[tokio::test]
            async fn $outcome() {
                let file = super::files::$family::$file();
                super::contained(stringify!($file), file, stringify!($outcome)).await;
            }
        }
    )*)* };
}

hostile! {
    growth {
        endless_loop limit_cpu;
        long_loop limit_cpu;
        function_billion_laughs limit_cpu;
        constant_of_shape_64gib limit_mem;
        folded_constant_64gib limit_mem;
        expand_64gib limit_mem;
        range_64gib limit_mem;
        concat_doubling limit_mem;
        folded_matmul_16384 limit_mem;
        folded_matmul_4096 limit_cpu;
        einsum_blow_up limit_mem;
        tile_blow_up run_error;
        pad_blow_up limit_mem;
        one_hot_blow_up limit_mem;
        resize_blow_up limit_mem;
        topk_2_62 bad_output;
        many_layers limit_cpu;
        dead_initialiser_16mb ok;
        huge_metadata ok;
    } format {
        garbage load_error;
        truncated load_error;
        empty load_error;
        lying_length load_error;
        lying_dims load_error;
        negative_dims load_error;
        overflowing_dims load_error;
        deep_graphs load_error;
        deep_types load_error;
        recursive_function load_error;
        mutually_recursive_functions load_error;
        future_ir load_error;
        future_opset load_error;
        no_opset load_error;
        ort_format load_error;
        duplicate_initialisers ok;
        overridable_initialiser ok;
        cyclic_graph load_error;
        opset_twice ok;
        non_utf8_names load_error;
        path_like_names run_error;
    } outside {
        external_data_absolute load_error;
        external_data_relative forbidden_syscall;
        external_data_parent forbidden_syscall;
        external_data_memory_marker load_error;
        external_data_sparse load_error;
        custom_domain load_error;
        contrib_domain ok;
        ep_context load_error;
        gather_out_of_range run_error;
        gather_far_at_run run_error;
    } trees {
        tree_cycle load_error;
        tree_long_cycle load_error;
        tree_child_out_of_range load_error;
        tree_feature_out_of_range run_error;
        tree_feature_next_row run_error;
        tree_negative_feature load_error;
        tree_leaf_out_of_range load_error;
        tree_many_targets limit_mem;
    } contract {
        two_inputs load_error;
        string_input load_error;
        string_output bad_output;
        fixed_batch load_error;
        float64_output bad_output;
        int64_output bad_output;
        one_by_n_output bad_output;
        n_by_k_output bad_output;
        zero_rows bad_output;
        random_uniform_like bad_output;
        training_dropout ok;
        nan_output bad_output;
        infinite_output bad_output;
        output_1e38 bad_output;
        cross_row_mean ok;
        batch_size_oracle ok;
        constant_output ok;
        no_output bad_output;
    }
}
