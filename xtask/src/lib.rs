//! Set-up, chores and the tidy test.
//!
//! Owns everything that prepares a machine and everything that `cargo check-all` runs. It must
//! start in seconds, so it depends on no crate of the workspace. Narration goes to standard error:
//! `cargo demo --json` prints JSON alone on standard output.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command-line program talks to its terminal"
)]

pub mod api_fuzz;
pub mod bench;
pub mod check_all;
pub mod contracts;
pub mod demo;
pub mod faults;
pub mod fuzz;
pub mod prerequisites;
pub mod process;
pub mod project;
pub mod setup;
pub mod tidy;
