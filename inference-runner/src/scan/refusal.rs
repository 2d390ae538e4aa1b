//! How the scanner says no: one reason with a stable code and the line that its author changes.

use crate::outcome::{Reason, one_line};

/// A step of the scanner.
pub(super) type Checked<T> = Result<T, Reason>;

/// The bytes are no ONNX file.
pub(super) fn broken(what: &str) -> Reason {
    Reason::new(
        "load",
        format!("the file is no ONNX model: it holds {what}"),
        "export it again and upload the .onnx file itself: onnx.checker.check_model must pass",
    )
}

/// Text of the file, made safe to show: a name may hold anything.
pub(super) fn shown(name: &[u8]) -> String {
    one_line(&String::from_utf8_lossy(name), 60)
}

/// An attribute or a tensor that its operator does not allow.
pub(super) fn misused(operator: &str, what: impl std::fmt::Display) -> Reason {
    Reason::new(
        "operator-attributes",
        format!("{operator}: {what}"),
        "export it again: onnx.checker.check_model(model, full_check=True) must pass",
    )
}

/// A size that the scanner cannot bound before the model runs.
pub(super) fn unbounded(operator: &str, what: &str) -> Reason {
    Reason::new(
        "shape-unbounded",
        format!("{operator}: {what}, so the size of its result cannot be bounded before it runs"),
        "use constant shapes (only the first dimension, the rows, is open): \
         torch.onnx.export(..., dynamic_axes={'x': {0: 'N'}}) with fixed sizes elsewhere",
    )
}

/// Shapes that do not fit each other.
pub(super) fn unfit(operator: &str, what: impl std::fmt::Display) -> Reason {
    Reason::new(
        "shape",
        format!("{operator}: {what}"),
        "export it again: onnx.shape_inference.infer_shapes(model, strict_mode=True) must pass",
    )
}
