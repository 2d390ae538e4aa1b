//! What executes models here, as the receipts of runs state it: every part that may move a bit of
//! an answer, and the level of the sandbox.

use serde::Serialize;

use crate::digest::Digest;
use crate::limits::ROW_BLOCK;
use crate::runtime::{self, Runtime};

/// The settings of execution by name; see `child::execution`.
pub const PROFILE: &str = "cpu-v1";

/// As [`PROFILE`], on a CUDA device; see `child::device`.
pub const DEVICE_PROFILE: &str = "gpu-v1";

/// A runner's description of itself, sent with every result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// [`PROFILE`].
    pub profile: &'static str,
    /// Version of ONNX Runtime.
    pub ort_version: &'static str,
    /// SHA-256 of the library's file.
    pub library: Digest,
    /// The execution provider.
    pub provider: &'static str,
    /// Its options, and those of the session.
    pub options: String,
    /// The class of the processor's instructions: `x86-64-v3`.
    pub isa: &'static str,
    /// The runner's build.
    pub build: String,
    /// The sandbox level that a model's process reaches.
    pub sandbox: &'static str,
}

impl Environment {
    /// With this library on this machine, where a model's process reaches this sandbox level.
    #[must_use]
    pub fn of(runtime: &Runtime, sandbox: &'static str) -> Self {
        Self {
            profile: PROFILE,
            ort_version: runtime::VERSION,
            library: runtime.digest,
            provider: "CPUExecutionProvider",
            options: format!(
                "intra_op_threads=1 inter_op_threads=1 execution=sequential \
                 deterministic_compute=1 optimization=all row_block={ROW_BLOCK}"
            ),
            isa: isa(),
            build: format!("inference-runner {}", env!("CARGO_PKG_VERSION")),
            sandbox,
        }
    }
}

impl Environment {
    /// The same library's description where a CUDA device runs the model, in a process that nothing
    /// but a limit of its memory confines.
    #[must_use]
    pub fn of_device(runtime: &Runtime, memory_bytes: usize) -> Self {
        Self {
            profile: DEVICE_PROFILE,
            provider: "CUDAExecutionProvider",
            options: format!(
                "tf32=0 memory_limit={memory_bytes} intra_op_threads=1 inter_op_threads=1 \
                 deterministic_compute=1 optimization=all row_block={ROW_BLOCK}"
            ),
            ..Self::of(runtime, "device")
        }
    }
}

/// The highest class of the x86-64 psABI whose instructions the processor has; ONNX Runtime chooses
/// its kernels by them.
#[cfg(target_arch = "x86_64")]
fn isa() -> &'static str {
    let has_v2 = is_x86_feature_detected!("sse4.2") && is_x86_feature_detected!("popcnt");
    let has_v3 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c");
    let has_v4 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (has_v2, has_v3, has_v4) {
        (true, true, true) => "x86-64-v4",
        (true, true, false) => "x86-64-v3",
        (true, false, _) => "x86-64-v2",
        (false, ..) => "x86-64-v1",
    }
}

/// The architecture's name, where no finer classes are known here.
#[cfg(not(target_arch = "x86_64"))]
fn isa() -> &'static str {
    std::env::consts::ARCH
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn every_part_is_named() {
        let runtime = Runtime {
            path: PathBuf::new(),
            digest: Digest::of(b"library"),
        };
        let described = serde_json::to_value(Environment::of(&runtime, "full")).unwrap();
        let parts = described.as_object().unwrap();
        assert_eq!(parts.len(), 8);
        for (name, part) in parts {
            assert!(part.as_str().is_some_and(|text| !text.is_empty()), "{name}");
        }
        assert_eq!(described["library"], Digest::of(b"library").to_string());
    }
}
