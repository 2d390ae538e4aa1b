//! The element types of tensors that a model may use.

use super::refusal::Checked;
use crate::outcome::Reason;

/// `TensorProto.DataType`, as far as models need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Float32,
    Float64,
    Float16,
    Uint8,
    Int8,
    Int32,
    Int64,
    Bool,
    /// Never run; labels of classifiers that nobody reads are dropped with it.
    Text,
}

impl Element {
    const ALL: [Self; 9] = [
        Self::Float32,
        Self::Float64,
        Self::Float16,
        Self::Uint8,
        Self::Int8,
        Self::Int32,
        Self::Int64,
        Self::Bool,
        Self::Text,
    ];

    /// The number in the file.
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Float32 => 1,
            Self::Uint8 => 2,
            Self::Int8 => 3,
            Self::Int32 => 6,
            Self::Int64 => 7,
            Self::Text => 8,
            Self::Bool => 9,
            Self::Float16 => 10,
            Self::Float64 => 11,
        }
    }

    pub(super) fn of(code: i64) -> Checked<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|element| element.code() == code).ok_or_else(|| {
            Reason::new(
                "tensor-type",
                format!("a tensor has the element type {code}, which is not run here"),
                "use float32 weights: model.float() before torch.onnx.export, or \
                     X.astype('float32') before to_onnx",
            )
        })
    }

    /// Bytes of one element; zero for text.
    pub(super) fn bytes(self) -> u64 {
        match self {
            Self::Float64 | Self::Int64 => 8,
            Self::Float32 | Self::Int32 => 4,
            Self::Float16 => 2,
            Self::Uint8 | Self::Int8 | Self::Bool => 1,
            Self::Text => 0,
        }
    }

    pub(super) fn is_index(self) -> bool {
        matches!(self, Self::Int32 | Self::Int64)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Float16 => "float16",
            Self::Uint8 => "uint8",
            Self::Int8 => "int8",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Bool => "bool",
            Self::Text => "string",
        }
    }
}
