//! The rule for the input: one, float32, `[N,F]`, N open, F the tournament's columns.

use super::super::element::Element;
use super::super::refusal::shown;
use super::names::Names;
use super::written;
use crate::outcome::Reason;

/// The feature schema's name in messages.
const SCHEMA: &str = "direction-v1";

pub(super) fn check(names: &Names<'_>, columns: usize) -> Result<(), Vec<Reason>> {
    let (Some(input), 1) = (names.features(), names.inputs.len()) else {
        let message = format!(
            "the model has {} inputs; this tournament gives one, the features",
            names.inputs.len()
        );
        let fix = format!("export it with one float32 input of shape [N,{columns}]");
        return Err(vec![Reason::new("input-count", message, fix)]);
    };
    let name = shown(input.name);
    let code = input.element.unwrap_or(0);
    if code != Element::Float32.code() {
        let element = Element::of(code).map_or("no float32 tensor", Element::name);
        let message = format!("model input '{name}' is {element}; the features are float32");
        let fix = "export with a float32 input: FloatTensorType, or sample.astype('float32')";
        return Err(vec![Reason::new("input-type", message, fix)]);
    }
    let shape = written(input);
    let fix = format!("export with n_features={columns}");
    let Some([rows, given]) = input.dims.as_deref() else {
        let message = format!("model input '{name}' has shape {shape}; [N,{columns}] is needed");
        return Err(vec![Reason::new("input-rank", message, fix)]);
    };
    let mut reasons = Vec::new();
    if given.is_some_and(|given| usize::try_from(given) != Ok(columns)) {
        let message = format!(
            "model input '{name}' has shape {shape}; this tournament's features have {columns} \
             columns (schema {SCHEMA})"
        );
        reasons.push(Reason::new("input-columns", message, fix));
    }
    if rows.is_some() {
        let message =
            format!("model input '{name}' has shape {shape}; the number of rows must be open");
        let fix = format!(
            "export with dynamic_axes={{'{name}': {{0: 'N'}}}}, or FloatTensorType([None, {columns}])"
        );
        reasons.push(Reason::new("input-batch", message, fix));
    }
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(reasons)
    }
}
