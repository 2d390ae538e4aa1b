//! What the tests share: the runtime, the models, a runner that starts the built program.

use std::path::{Path, PathBuf};

use inference_runner::check::known_rows;
use inference_runner::{Job, Limits, ModelRunner, RunnerConfig, Runtime, SandboxLevel, Task};

/// Columns of the models in tests/models.
pub(crate) const COLUMNS: usize = 8;

/// The program as cargo built it for these tests.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_inference-runner");

/// The real ONNX Runtime. The tests do not run without it.
pub(crate) fn runtime() -> Runtime {
    Runtime::find(None, |name| std::env::var_os(name)).unwrap_or_else(|error| {
        panic!("these tests need ONNX Runtime: run `cargo xtask setup tests` ({error})")
    })
}

pub(crate) fn model_path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
    folder.join(format!("{name}.onnx"))
}

pub(crate) fn model(name: &str) -> Vec<u8> {
    std::fs::read(model_path(name)).unwrap()
}

pub(crate) fn runner() -> ModelRunner {
    let config = RunnerConfig {
        runtime: runtime(),
        executable: PROGRAM.into(),
        limits: Limits::DEFAULT,
    };
    ModelRunner::start(config).unwrap()
}

/// The sandbox level that this kernel offers, asked of the kernel and not of the runner. Printed, so
/// that a log of the tests says what they ran under.
pub(crate) fn level_here() -> SandboxLevel {
    #[expect(unsafe_code, reason = "two questions that have no wrapper")]
    // SAFETY: the first call asks for Landlock's version and the second whether an action of
    // seccomp is known; neither changes anything.
    let (landlock, seccomp) = unsafe {
        let kill = libc::SECCOMP_RET_KILL_PROCESS;
        (
            libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) >= 1,
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_GET_ACTION_AVAIL,
                0,
                &raw const kill,
            ) == 0,
        )
    };
    let level = match (landlock, seccomp) {
        (false, false) => SandboxLevel::Rlimits,
        (true, false) => SandboxLevel::LandlockOnly,
        (false, true) => SandboxLevel::SeccompOnly,
        (true, true) => SandboxLevel::Full,
    };
    println!("this kernel offers the sandbox level {}", level.name());
    level
}

/// One run over `rows` of the known rows.
pub(crate) fn job(name: &str, rows: usize) -> Job {
    Job {
        task: Task::Run,
        model: model(name).into(),
        features: known_rows(rows, COLUMNS),
        limits: Limits::DEFAULT,
    }
}
