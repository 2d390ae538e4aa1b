//! Tests of the runner through its real parts: the built program, real children and the real ONNX
//! Runtime. Only the server is a stand-in.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; helpers are tests too"
)]
#![expect(
    clippy::print_stdout,
    reason = "a failed test shows what was seen before it failed"
)]

mod device;
mod double;
mod exporters;
mod hostile;
mod join;
mod models_run;
mod mutants;
mod onnx_writer;
mod program;
mod server_double;
