//! What a hosted model must look like: one float32 input `[N,F]`, one float32 output of
//! probabilities that the market goes up. Each breach names the line that its author must change.

use ort::session::Session;
use ort::value::{Outlet, Shape, TensorElementType, ValueType};

use crate::outcome::{ModelFacts, Reason, Status, TensorFacts, one_line};
use crate::scan::OutputKind;

/// What the model declares.
pub(super) fn facts(session: &Session) -> ModelFacts {
    ModelFacts {
        inputs: session.inputs().iter().take(16).map(tensor).collect(),
        outputs: session.outputs().iter().take(16).map(tensor).collect(),
        opset: session.opset_for_domain(""),
        ..ModelFacts::default()
    }
}

/// Where the probability of "up" is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// Number of the output.
    pub(super) output: usize,
    /// Number of its column and how many there are.
    column: usize,
    of: usize,
}

impl Answer {
    /// In the only output of a scanned model.
    pub(super) fn of(kind: OutputKind) -> Self {
        let (column, of) = match kind {
            OutputKind::Rows => (0, 1),
            OutputKind::Class { column, of } => (column, of),
        };
        Self {
            output: 0,
            column,
            of,
        }
    }
}

/// Checks the declared input and outputs of a file that no scanner has read against rows of
/// `columns` features.
pub(super) fn check(session: &Session, columns: usize) -> Result<Answer, (Status, Vec<Reason>)> {
    let wrong_input = input(session.inputs(), columns);
    if !wrong_input.is_empty() {
        return Err((Status::LoadError, wrong_input));
    }
    let output = output(session.outputs()).map_err(|reason| (Status::BadOutput, vec![reason]))?;
    Ok(Answer {
        output,
        column: 1,
        of: 2,
    })
}

fn input(inputs: &[Outlet], columns: usize) -> Vec<Reason> {
    let [input] = inputs else {
        let message = format!(
            "the model has {} inputs; this tournament gives one, the features",
            inputs.len()
        );
        let fix = format!("export it with one float32 input of shape [N,{columns}]");
        return vec![Reason::new("input-count", message, fix)];
    };
    let TensorFacts {
        name,
        element,
        shape: written,
    } = tensor(input);
    let fix = format!("export with n_features={columns}");
    if input.dtype().tensor_type() != Some(TensorElementType::Float32) {
        let message = format!("model input '{name}' is {element}; the features are float32");
        let fix = "export with a float32 input: FloatTensorType, or sample.astype('float32')";
        return vec![Reason::new("input-type", message, fix)];
    }
    let dimensions: &[i64] = input.dtype().tensor_shape().map_or(&[], |shape| shape);
    let &[rows, given] = dimensions else {
        let message = format!("model input '{name}' has shape {written}; [N,{columns}] is needed");
        return vec![Reason::new("input-rank", message, fix)];
    };
    let mut reasons = Vec::new();
    if given >= 0 && usize::try_from(given) != Ok(columns) {
        let message = format!(
            "model input '{name}' has shape {written}; this tournament's features have {columns} \
             columns (schema {SCHEMA})"
        );
        reasons.push(Reason::new("input-columns", message, fix));
    }
    if rows >= 0 {
        let message =
            format!("model input '{name}' has shape {written}; the number of rows must be open");
        let fix = format!("export with dynamic_axes={{'{name}': {{0: 'N'}}}}");
        reasons.push(Reason::new("input-batch", message, fix));
    }
    reasons
}

/// The feature schema's name in messages.
const SCHEMA: &str = "direction-v1";

/// With two outputs the float one is meant: converters of classifiers put the label beside it.
fn output(outputs: &[Outlet]) -> Result<usize, Reason> {
    if outputs.iter().any(|output| !output.dtype().is_tensor()) {
        return Err(Reason::new(
            "output-zipmap",
            "an output is a list of dictionaries, not a tensor",
            "convert with options={'zipmap': False}",
        ));
    }
    let is_float =
        |output: &Outlet| output.dtype().tensor_type() == Some(TensorElementType::Float32);
    let labels = |output: &Outlet| {
        matches!(
            output.dtype().tensor_type(),
            Some(TensorElementType::Int64 | TensorElementType::String)
        )
    };
    let chosen = match outputs {
        [only] if is_float(only) => 0,
        [first, second] if labels(first) && is_float(second) => 1,
        [first, second] if is_float(first) && labels(second) => 0,
        [only] => {
            let TensorFacts { name, element, .. } = tensor(only);
            return Err(Reason::new(
                "output-type",
                format!("model output '{name}' is {element}; a float32 probability is needed"),
                "export predict_proba instead of predict, or end the model with a float32 \
                 probability, for instance Cast(to=FLOAT)",
            ));
        }
        _ => {
            return Err(Reason::new(
                "output-count",
                format!(
                    "the model has {} outputs and it is not clear which",
                    outputs.len()
                ),
                "keep one float32 output [N,1], or a label and the class probabilities [N,2]",
            ));
        }
    };
    declared_shape(&outputs[chosen]).map_or(Ok(chosen), Err)
}

/// A breach that the declaration alone shows; converters declare shapes loosely, so an open or
/// missing one is judged by what the run returns.
fn declared_shape(output: &Outlet) -> Option<Reason> {
    let dimensions: &[i64] = output.dtype().tensor_shape().map_or(&[], |shape| shape);
    match *dimensions {
        [] | [_] | [_, -1 | 1 | 2] => None,
        _ => Some(wrong_shape(output.name(), &written(output.dtype()))),
    }
}

fn wrong_shape(name: &str, written: &str) -> Reason {
    Reason::new(
        "output-shape",
        format!(
            "model output '{}' has shape {written}; one probability a row is needed",
            one_line(name, 60)
        ),
        "return [N], [N,1], or the probabilities of two classes [N,2] with 'up' in column 1",
    )
}

/// The probabilities of "up" of one block of `rows` rows; `first_row` is the number of its first
/// row in the job, for messages.
pub(super) fn probabilities(
    rows: usize,
    shape: &Shape,
    values: &[f32],
    answer: Answer,
    first_row: usize,
) -> Result<Vec<f64>, Reason> {
    let dimensions: Vec<usize> = shape
        .iter()
        .map(|&dimension| usize::try_from(dimension).unwrap_or(usize::MAX))
        .collect();
    let (stride, column) = match dimensions[..] {
        [n] | [n, 1] if n == rows => (1, 0),
        [n, of] if n == rows && of == answer.of => (of, answer.column),
        [n] | [n, 1 | 2] if n != rows => {
            return Err(Reason::new(
                "output-rows",
                format!("the model returned {n} rows for {rows}"),
                "answer each row by itself: keep the first dimension open and do not reduce it",
            ));
        }
        _ => return Err(wrong_shape("(as returned)", &format!("{dimensions:?}"))),
    };
    let up = values.iter().skip(column).step_by(stride);
    let up: Vec<f64> = up.map(|&value| f64::from(value)).collect();
    if up.len() != rows {
        return Err(wrong_shape("(as returned)", &format!("{dimensions:?}")));
    }
    for (row, p) in up.iter().enumerate() {
        if !p.is_finite() || !(0.0..=1.0).contains(p) {
            return Err(not_a_probability(first_row + row, *p));
        }
    }
    Ok(up)
}

fn not_a_probability(row: usize, p: f64) -> Reason {
    if p.is_finite() {
        return Reason::new(
            "output-range",
            format!("the model returned {p} for row {row}; a probability is 0 to 1"),
            "end the model with a sigmoid, or export predict_proba instead of predict",
        );
    }
    Reason::new(
        "output-finite",
        format!("the model returned {p} for row {row}; every answer must be a finite number"),
        "guard divisions and logarithms, for instance log(max(x, 1e-6))",
    )
}

fn tensor(outlet: &Outlet) -> TensorFacts {
    let element = match outlet.dtype() {
        ValueType::Tensor { ty, .. } => element_name(*ty),
        ValueType::Sequence(_) => "sequence".to_owned(),
        ValueType::Map { .. } => "map".to_owned(),
        ValueType::Optional(_) => "optional".to_owned(),
    };
    TensorFacts {
        name: one_line(outlet.name(), 60),
        element,
        shape: written(outlet.dtype()),
    }
}

fn element_name(element: TensorElementType) -> String {
    let short = element.to_string().to_lowercase();
    for (letter, word) in [("i", "int"), ("u", "uint"), ("f", "float")] {
        if let Some(bits) = short.strip_prefix(letter)
            && bits.starts_with(|c: char| c.is_ascii_digit())
        {
            return format!("{word}{bits}");
        }
    }
    short
}

/// `[N,64]`: the first dimension is the rows.
fn written(kind: &ValueType) -> String {
    let dimensions: &[i64] = kind.tensor_shape().map_or(&[], |shape| shape);
    let names = dimensions.iter().take(8).enumerate();
    let names: Vec<String> = names
        .map(|(place, &size)| match (place, size) {
            (0, ..0) => "N".to_owned(),
            (_, ..0) => "?".to_owned(),
            (_, size) => size.to_string(),
        })
        .collect();
    format!("[{}]", names.join(","))
}
