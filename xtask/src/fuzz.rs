//! Fuzzing of the venues' decoders by command: the test command runs the same with fewer inputs.

use anyhow::Result;

use crate::{process, project};

/// Feeds `inputs` changed frames to every decoder; fails when one panics.
pub fn run(inputs: u64) -> Result<()> {
    let mut cargo = process::cargo();
    cargo
        .current_dir(project::root())
        .env("FORETOKEN_FUZZ_INPUTS", inputs.to_string())
        .args(["test", "--locked", "-p", "server", "--lib"])
        .args(["no_input_makes_a_decoder_panic", "--", "--nocapture"]);
    process::run(&mut cargo)
}
