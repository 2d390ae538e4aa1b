//! The same hostile files before the scanner: which it refuses, with which reason, and which it
//! makes harmless by writing them anew.

use inference_runner::scan::{Rules, scan};
use inference_runner::{Limits, Status, Task};

use super::{files, job, shared_runner};
use crate::double::COLUMNS;

/// What the scanner says: a reason's code, or that the model may run.
const RUNS: &str = "";

macro_rules! scanned {
    ($($family:ident { $($file:ident $code:expr;)* })*) => {
        /// Every file with what the scanner says.
        fn all() -> Vec<(&'static str, Vec<u8>, &'static str)> {
            vec![$($((stringify!($file), files::$family::$file(), $code),)*)*]
        }
    };
}

scanned! {
    growth {
        endless_loop "operator";
        long_loop "operator";
        function_billion_laughs "functions";
        constant_of_shape_64gib "cost-memory";
        folded_constant_64gib "cost-memory";
        expand_64gib "cost-memory";
        range_64gib "cost-memory";
        concat_doubling "cost-memory";
        folded_matmul_16384 "cost-memory";
        folded_matmul_4096 "cost";
        einsum_blow_up "operator-attributes";
        tile_blow_up "cost-memory";
        pad_blow_up "shape-unbounded";
        one_hot_blow_up "cost-memory";
        resize_blow_up "operator";
        topk_2_62 "shape";
        many_layers RUNS;
        dead_initialiser_16mb RUNS;
        huge_metadata RUNS;
    } format {
        garbage "load";
        truncated "load";
        empty "load";
        lying_length "load";
        lying_dims "initializer-size";
        negative_dims "initializer-size";
        overflowing_dims "initializer-size";
        deep_graphs "operator";
        deep_types "input-count";
        recursive_function "functions";
        mutually_recursive_functions "functions";
        future_ir "ir-version";
        future_opset "opset";
        no_opset "opset";
        ort_format "load";
        duplicate_initialisers "names";
        overridable_initialiser RUNS;
        cyclic_graph "graph-order";
        opset_twice RUNS;
        non_utf8_names RUNS;
        path_like_names RUNS;
    } outside {
        external_data_absolute "external-data";
        external_data_relative "external-data";
        external_data_parent "external-data";
        external_data_memory_marker "external-data";
        external_data_sparse "sparse";
        custom_domain "operator-domain";
        contrib_domain "operator-domain";
        ep_context "operator-domain";
        gather_out_of_range "shape";
        gather_far_at_run RUNS;
    } trees {
        tree_cycle "tree";
        tree_long_cycle "tree";
        tree_child_out_of_range "tree";
        tree_feature_out_of_range "tree";
        tree_feature_next_row "tree";
        tree_negative_feature "tree";
        tree_leaf_out_of_range "tree";
        tree_many_targets "cost-memory";
    } contract {
        two_inputs "input-count";
        string_input "input-type";
        string_output "output-type";
        fixed_batch "input-batch";
        float64_output "output-type";
        int64_output "output-type";
        one_by_n_output "output-shape";
        n_by_k_output "output-shape";
        zero_rows "shape-unbounded";
        random_uniform_like "operator";
        training_dropout "training";
        nan_output RUNS;
        infinite_output RUNS;
        output_1e38 RUNS;
        cross_row_mean RUNS;
        batch_size_oracle RUNS;
        constant_output RUNS;
        no_output "output-count";
    }
}

#[test]
fn each_file_is_refused_for_its_reason_or_written_anew() {
    let rules = Rules::of(Limits::DEFAULT, COLUMNS);
    let mut wrong = Vec::new();
    for (name, file, expected) in all() {
        let said = match scan(&file, &rules) {
            Ok(admitted) => {
                let again = scan(&admitted.canonical, &rules).unwrap();
                assert_eq!(again.canonical, admitted.canonical, "{name}");
                RUNS.to_owned()
            }
            Err(reasons) => {
                let plain = reasons.iter().all(|reason| {
                    !reason.fix.is_empty() && !reason.message.contains(char::is_control)
                });
                assert!(plain, "{name}: {reasons:?}");
                reasons[0].code.clone()
            }
        };
        if said != expected {
            wrong.push(format!("{name}: {said:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What the scanner lets through is run as the scanner wrote it, and ends well or by the probe.
#[tokio::test]
async fn what_is_written_anew_is_checked_by_its_answers() {
    for (name, file, expected) in all() {
        if expected != RUNS {
            continue;
        }
        let mut check = job(file, Limits::DEFAULT);
        check.task = Task::Check { repeats: 2 };
        let outcome = shared_runner().run(&check, check.limits.wall).await;
        let code = outcome.reasons.first().map_or("", |reason| &reason.code);
        let wanted = match name {
            "nan_output" | "infinite_output" => "output-finite",
            "output_1e38" => "output-range",
            "cross_row_mean" | "batch_size_oracle" => "cross-row",
            "constant_output" => "output-constant",
            "gather_far_at_run" => "run",
            _ => "",
        };
        assert_eq!(code, wanted, "{name}: {outcome:?}");
        assert_eq!(outcome.status == Status::Ok, wanted.is_empty(), "{name}");
    }
}
