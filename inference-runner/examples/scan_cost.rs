//! Measures the processor time that the scanner takes for one model of each common kind: 100 trees of depth 5 over 64
//! columns, and a net 64-64-32-1.
//!
//!     cargo run -p inference-runner --example scan_cost

#![expect(clippy::print_stdout, reason = "prints its measurements")]

#[path = "inference/honest.rs"]
mod honest;
#[path = "../tests/suite/onnx_writer.rs"]
#[expect(dead_code, reason = "the tests write more than the benchmark does")]
mod onnx_writer;

use inference_runner::Limits;
use inference_runner::scan::{Rules, scan};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

const COLUMNS: usize = 64;
const ROUNDS: usize = 101;

fn main() -> anyhow::Result<()> {
    let rules = Rules::of(Limits::DEFAULT, COLUMNS);
    for (name, model) in [
        ("100 trees", honest::trees(COLUMNS, 100, 1)),
        ("net 64-32", honest::dense(COLUMNS, 1)),
    ] {
        let mut took_us = Vec::new();
        let mut canonical = 0;
        for _ in 0..ROUNDS {
            let start_us = processor_us()?;
            let admitted =
                scan(&model, &rules).map_err(|reasons| anyhow::anyhow!("{reasons:?}"))?;
            took_us.push(processor_us()? - start_us);
            canonical = admitted.canonical.len();
        }
        took_us.sort_unstable();
        println!(
            "{name}: {} bytes, canonical {canonical}; scan p50 {} µs, least {} µs",
            model.len(),
            took_us[ROUNDS / 2],
            took_us[0]
        );
    }
    Ok(())
}

fn processor_us() -> anyhow::Result<i64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok((usage.user_time() + usage.system_time()).num_microseconds())
}
