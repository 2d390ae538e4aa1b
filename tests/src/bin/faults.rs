//! The fault suite as a program: `cargo xtask faults` builds and runs it.

use std::process::ExitCode;

#[cfg(debug_assertions)]
fn main() -> ExitCode {
    tests::faults::main()
}

/// The fail-points exist in debug builds only.
#[cfg(not(debug_assertions))]
fn main() -> ExitCode {
    use std::io::Write;
    writeln!(
        std::io::stderr(),
        "the fault suite needs a debug build: `cargo xtask faults`"
    )
    .ok();
    ExitCode::FAILURE
}
