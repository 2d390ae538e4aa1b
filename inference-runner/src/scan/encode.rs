//! The canonical file: one encoding for each graph. Fields in the order of their numbers, lists
//! packed, numbers of tensors raw, names `v0`, `v1`, …, nothing that is not run.

use super::OutputKind;
use super::element::Element;
use super::graph::{FEATURES, Graph, Node, TensorId};
use super::infer::Inferred;
use super::read::{Attribute, POSITIVE_CLASS};
use super::size::Size;
use super::tensor::Tensor;

/// IR version of every canonical file: the first whose initialisers are constants, and which every
/// supported operator set allows.
const IR: i64 = 8;

/// Bytes of one message.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn int(&mut self, field: u64, value: i64) {
        self.varint(field << 3);
        self.varint(value.cast_unsigned());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// An empty list is left out, as every reader takes it.
    fn ints(&mut self, field: u64, list: impl IntoIterator<Item = i64>) {
        let mut inner = Self::default();
        for value in list {
            inner.varint(value.cast_unsigned());
        }
        if !inner.0.is_empty() {
            self.bytes(field, &inner.0);
        }
    }
}

fn name(id: TensorId) -> String {
    format!("v{id}")
}

pub(super) fn encode(graph: &Graph<'_>, inferred: &Inferred) -> Vec<u8> {
    let mut model = Message::default();
    model.int(1, IR);
    model.message(7, |out| write_graph(out, graph, inferred));
    for (domain, version) in used_opsets(graph) {
        model.message(8, |out| {
            out.bytes(1, domain.as_bytes());
            out.int(2, version);
        });
    }
    if let OutputKind::Class { column, of } = inferred.output
        && (column, of) != (1, 2)
    {
        model.message(14, |out| {
            out.bytes(1, POSITIVE_CLASS);
            out.bytes(2, column.to_string().as_bytes());
        });
    }
    model.0
}

/// The sets of the operators that are there; a graph without any names the default one.
fn used_opsets<'g>(graph: &'g Graph<'_>) -> Vec<(&'g str, i64)> {
    let used = |domain: &str| {
        let mut nodes = graph.nodes.iter();
        nodes.any(|node| node.operator.domain() == domain)
    };
    let imports = graph.opsets.iter();
    let imports = imports.map(|(domain, version)| (domain.as_str(), *version));
    let used: Vec<_> = imports.filter(|(domain, _)| used(domain)).collect();
    if used.is_empty() {
        vec![("", 17)]
    } else {
        used
    }
}

fn write_graph(out: &mut Message, graph: &Graph<'_>, inferred: &Inferred) {
    for node in &graph.nodes {
        out.message(1, |out| write_node(out, node));
    }
    out.bytes(2, b"g");
    for (id, tensor) in &graph.constants {
        out.message(5, |out| write_tensor(out, Some(*id), tensor));
    }
    out.message(11, |out| {
        write_value(out, FEATURES, Element::Float32, &inferred.features);
    });
    out.message(12, |out| {
        write_value(
            out,
            graph.answer,
            inferred.answer.element,
            &inferred.answer.shape,
        );
    });
}

fn write_node(out: &mut Message, node: &Node<'_>) {
    for (field, ids) in [(1, &node.inputs), (2, &node.outputs)] {
        for id in ids {
            out.bytes(field, id.map(name).unwrap_or_default().as_bytes());
        }
    }
    out.bytes(4, node.operator.name.as_bytes());
    for (name, attribute) in &node.attributes {
        out.message(5, |out| write_attribute(out, name, attribute));
    }
    if node.operator.is_ml {
        out.bytes(7, node.operator.domain().as_bytes());
    }
}

fn write_attribute(out: &mut Message, name: &str, attribute: &Attribute<'_>) {
    out.bytes(1, name.as_bytes());
    let kind = match attribute {
        Attribute::Float(value) => {
            out.float(2, *value);
            1
        }
        Attribute::Int(value) => {
            out.int(3, *value);
            2
        }
        Attribute::Text(text) => {
            out.bytes(4, text);
            3
        }
        Attribute::Tensor(tensor) => {
            out.message(5, |out| write_tensor(out, None, tensor));
            4
        }
        Attribute::Floats(list) => {
            let bytes: Vec<u8> = list.iter().flat_map(|value| value.to_le_bytes()).collect();
            if !bytes.is_empty() {
                out.bytes(7, &bytes);
            }
            6
        }
        Attribute::Ints(list) => {
            out.ints(8, list.iter().copied());
            7
        }
        Attribute::Texts(list) => {
            for text in list {
                out.bytes(9, text);
            }
            8
        }
        // Refused before; an attribute without a value is none.
        Attribute::Other(_) => 0,
    };
    out.int(20, kind);
}

fn write_tensor(out: &mut Message, id: Option<TensorId>, tensor: &Tensor<'_>) {
    let dims = tensor
        .dims
        .iter()
        .map(|dim| i64::try_from(*dim).unwrap_or(i64::MAX));
    out.ints(1, dims);
    out.int(2, tensor.element.code());
    if let Some(id) = id {
        out.bytes(8, name(id).as_bytes());
    }
    out.bytes(9, &tensor.data);
}

fn write_value(out: &mut Message, id: TensorId, element: Element, shape: &[Size]) {
    out.bytes(1, name(id).as_bytes());
    out.message(2, |out| {
        out.message(1, |out| {
            out.int(1, element.code());
            out.message(2, |out| {
                for size in shape {
                    out.message(1, |out| match size.known() {
                        Some(size) => out.int(1, size),
                        None => out.bytes(2, b"N"),
                    });
                }
            });
        });
    });
}
