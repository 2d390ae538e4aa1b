//! Which output is the answer: the one of float32. A label beside it is not read, and a `ZipMap`
//! at the end is taken off.

use super::super::element::Element;
use super::super::read::{GraphFile, ValueFile};
use super::super::refusal::{Checked, shown};
use super::names::{Names, Source};
use crate::outcome::Reason;

#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    /// The output's own name, for messages.
    pub(super) declared: &'a [u8],
    /// The tensor to read; another than the output where a `ZipMap` was taken off.
    pub(super) name: &'a [u8],
    pub(super) source: Source,
}

/// What an output may be.
enum Kind<'a> {
    Answer(Answer<'a>),
    Label,
    /// Its type, for the message.
    Neither(&'static str),
}

pub(super) fn find<'a>(graph: &GraphFile<'a>, names: &Names<'a>) -> Checked<Answer<'a>> {
    let mut answers = Vec::new();
    let mut wrong = None;
    for output in &graph.outputs {
        match kind(graph, names, output)? {
            Kind::Answer(answer) => answers.push(answer),
            Kind::Label => wrong = wrong.or(Some((output.name, "int64 or string"))),
            Kind::Neither(element) => wrong = Some((output.name, element)),
        }
    }
    match (&answers[..], wrong) {
        ([answer], None | Some((_, "int64 or string"))) => Ok(*answer),
        ([], Some((name, element))) => Err(wrong_type(name, element)),
        _ => Err(Reason::new(
            "output-count",
            format!(
                "the model has {} outputs and it is not clear which",
                graph.outputs.len()
            ),
            "keep one float32 output [N,1], or a label and the class probabilities [N,2]",
        )),
    }
}

fn kind<'a>(graph: &GraphFile<'a>, names: &Names<'a>, output: &ValueFile<'a>) -> Checked<Kind<'a>> {
    let Some(source) = names.get(output.name) else {
        return Err(Reason::new(
            "graph-order",
            format!("nothing makes the output '{}'", shown(output.name)),
            "export it again: onnx.checker.check_model(model) must pass",
        ));
    };
    if let Source::Node(place) = source {
        let node = &graph.nodes[place];
        if (node.domain, node.operator) == (b"ai.onnx.ml", b"ZipMap") {
            let zipped = node.inputs.first().copied().unwrap_or_default();
            return Ok(match names.get(zipped) {
                Some(source) => Kind::Answer(Answer {
                    declared: output.name,
                    name: zipped,
                    source,
                }),
                None => Kind::Neither("a map"),
            });
        }
    }
    let Some(code) = output.element else {
        return Ok(Kind::Neither("a list of dictionaries"));
    };
    Ok(match Element::of(code).ok() {
        // Some converters declare no element; what the nodes make is checked later.
        _ if code == 0 => Kind::Answer(Answer {
            declared: output.name,
            name: output.name,
            source,
        }),
        Some(Element::Float32) => Kind::Answer(Answer {
            declared: output.name,
            name: output.name,
            source,
        }),
        Some(Element::Int64 | Element::Int32 | Element::Bool | Element::Text) => Kind::Label,
        Some(element) => Kind::Neither(element.name()),
        None => Kind::Neither("of another type"),
    })
}

fn wrong_type(name: &[u8], element: &str) -> Reason {
    Reason::new(
        "output-type",
        format!(
            "model output '{}' is {element}; a float32 probability is needed",
            shown(name)
        ),
        "export predict_proba instead of predict, or end the model with a float32 probability, \
         for instance Cast(to=FLOAT); for skl2onnx: options={'zipmap': False}",
    )
}
