//! The rule for the output: one float32 number a row, or one for each class.

use super::super::OutputKind;
use super::super::element::Element;
use super::super::graph::Graph;
use super::super::refusal::{Checked, shown};
use super::super::size::Size;
use super::Info;
use crate::outcome::Reason;

/// Where the probability lies in `answer`.
pub(super) fn check(graph: &Graph<'_>, answer: &Info) -> Checked<OutputKind> {
    let name = shown(graph.answer_name);
    if answer.element != Element::Float32 {
        return Err(Reason::new(
            "output-type",
            format!(
                "model output '{name}' is {}; a float32 probability is needed",
                answer.element.name()
            ),
            "end the model with a float32 probability, for instance Cast(to=FLOAT)",
        ));
    }
    let written: Vec<String> = answer.shape.iter().map(|size| size.written()).collect();
    let written = format!("[{}]", written.join(","));
    let wrong_shape = || {
        Reason::new(
            "output-shape",
            format!("model output '{name}' has shape {written}; one probability a row is needed"),
            "return [N], [N,1], or the probabilities of two classes [N,2] with 'up' in column 1",
        )
    };
    let (rows, classes) = match answer.shape[..] {
        [rows] => (rows, Size::ONE),
        [rows, classes] => (rows, classes),
        _ => return Err(wrong_shape()),
    };
    if rows != Size::ROWS {
        if classes.follows_rows() {
            return Err(wrong_shape());
        }
        return Err(Reason::new(
            "output-rows",
            format!("model output '{name}' has shape {written}; one answer a row is needed"),
            "answer each row by itself: keep the first dimension open and do not reduce it",
        ));
    }
    match (classes.known(), graph.positive_class) {
        (Some(1), None) => Ok(OutputKind::Rows),
        (Some(2), None) => Ok(OutputKind::Class { column: 1, of: 2 }),
        (Some(of), Some(column)) if usize::try_from(of).is_ok_and(|of| column < of && of > 1) => {
            let of = usize::try_from(of).unwrap_or(usize::MAX);
            Ok(OutputKind::Class { column, of })
        }
        (Some(_), Some(column)) => Err(Reason::new(
            "positive-class",
            format!("positive_class names column {column}, and output '{name}' is {written}"),
            "name a column of the class probabilities, counted from 0, or leave positive_class out",
        )),
        (Some(3..), None) => Err(Reason::new(
            "output-shape",
            format!("model output '{name}' has shape {written}: which class is 'up' is not said"),
            "name its column, counted from 0: entry = model.metadata_props.add(); entry.key, \
             entry.value = 'positive_class', '2'; or return [N], [N,1] or [N,2] with 'up' in column 1",
        )),
        _ => Err(wrong_shape()),
    }
}
