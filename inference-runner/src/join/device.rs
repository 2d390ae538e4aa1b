//! Where models run.

/// What a runner runs dense models on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// Profile `cpu-v1`.
    #[default]
    Cpu,
    /// Profile `gpu-v1`.
    Cuda,
}

impl Device {
    /// As the wire has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}
