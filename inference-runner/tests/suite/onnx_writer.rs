//! Writes ONNX files field by field, right ones and wrong ones. Knows the numbers of the format's
//! fields and nothing about what a model may be.

/// A protobuf message as it is written.
#[derive(Clone, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(crate) fn int(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3);
        self.varint(value.cast_unsigned());
        self
    }

    pub(crate) fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.length(field, value.len() as u64);
        self.0.extend(value);
        self
    }

    /// Only the tag and the length: what follows is up to the caller, or missing.
    pub(crate) fn length(&mut self, field: u64, length: u64) {
        self.varint(field << 3 | 2);
        self.varint(length);
    }

    pub(crate) fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub(crate) fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    pub(crate) fn messages<'a>(self, field: u64, all: impl IntoIterator<Item = &'a Self>) -> Self {
        all.into_iter().fold(self, |to, one| to.message(field, one))
    }
}

/// Numbers of element types.
pub(crate) const FLOAT: i64 = 1;
pub(crate) const INT64: i64 = 7;
pub(crate) const STRING: i64 = 8;
pub(crate) const BOOL: i64 = 9;
pub(crate) const DOUBLE: i64 = 11;

/// The other operator domain that may be used.
pub(crate) const ML: &str = "ai.onnx.ml";

pub(crate) fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> Message {
    let node = inputs
        .iter()
        .fold(Message::new(), |to, name| to.text(1, name));
    let node = outputs.iter().fold(node, |to, name| to.text(2, name));
    node.text(4, operator)
}

/// An operator of another domain than the default one.
pub(crate) fn node_of(domain: &str, operator: &str, inputs: &[&str], outputs: &[&str]) -> Message {
    node(operator, inputs, outputs).text(7, domain)
}

/// Attributes of a node; its field 5.
pub(crate) trait Attributes {
    fn with(self, attribute: Message) -> Self;
    fn with_int(self, name: &str, value: i64) -> Self;
    fn with_ints(self, name: &str, values: &[i64]) -> Self;
    fn with_floats(self, name: &str, values: &[f32]) -> Self;
    fn with_text(self, name: &str, value: &str) -> Self;
    fn with_texts(self, name: &str, values: &[&str]) -> Self;
    fn with_graph(self, name: &str, graph: &Message) -> Self;
}

impl Attributes for Message {
    fn with(self, attribute: Message) -> Self {
        self.message(5, &attribute)
    }

    fn with_int(self, name: &str, value: i64) -> Self {
        self.with(Message::new().text(1, name).int(3, value).int(20, 2))
    }

    fn with_ints(self, name: &str, values: &[i64]) -> Self {
        let named = Message::new().text(1, name);
        let all = values.iter().fold(named, |to, value| to.int(8, *value));
        self.with(all.int(20, 7))
    }

    fn with_floats(self, name: &str, values: &[f32]) -> Self {
        let named = Message::new().text(1, name);
        let all = values.iter().fold(named, |to, value| to.float(7, *value));
        self.with(all.int(20, 6))
    }

    fn with_text(self, name: &str, value: &str) -> Self {
        self.with(Message::new().text(1, name).text(4, value).int(20, 3))
    }

    fn with_texts(self, name: &str, values: &[&str]) -> Self {
        let named = Message::new().text(1, name);
        let all = values.iter().fold(named, |to, value| to.text(9, value));
        self.with(all.int(20, 8))
    }

    fn with_graph(self, name: &str, graph: &Message) -> Self {
        self.with(Message::new().text(1, name).message(6, graph).int(20, 5))
    }
}

/// A size that is open, with its name, or a number.
#[derive(Clone, Copy)]
pub(crate) enum Size {
    Open(&'static str),
    Is(i64),
}

/// A tensor's name, type and shape, for inputs and outputs.
pub(crate) fn value(name: &str, element: i64, shape: &[Size]) -> Message {
    let sizes: Vec<Message> = shape
        .iter()
        .map(|size| match size {
            Size::Open(name) => Message::new().text(2, name),
            Size::Is(number) => Message::new().int(1, *number),
        })
        .collect();
    let tensor = Message::new()
        .int(1, element)
        .message(2, &Message::new().messages(1, &sizes));
    let kind = Message::new().message(1, &tensor);
    Message::new().text(1, name).message(2, &kind)
}

/// A tensor with its bytes; nothing checks that they fit the dimensions.
pub(crate) fn tensor(name: &str, element: i64, dimensions: &[i64], raw: &[u8]) -> Message {
    let shape = dimensions
        .iter()
        .fold(Message::new(), |to, size| to.int(1, *size));
    shape.int(2, element).text(8, name).bytes(9, raw)
}

pub(crate) fn floats(name: &str, dimensions: &[i64], values: &[f32]) -> Message {
    let raw: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    tensor(name, FLOAT, dimensions, &raw)
}

pub(crate) fn ints(name: &str, values: &[i64]) -> Message {
    let raw: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let length = i64::try_from(values.len()).unwrap_or_default();
    tensor(name, INT64, &[length], &raw)
}

/// The parts of a graph.
#[derive(Clone, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Message>,
    pub(crate) initializers: Vec<Message>,
    pub(crate) inputs: Vec<Message>,
    pub(crate) outputs: Vec<Message>,
}

impl Graph {
    pub(crate) fn message(&self) -> Message {
        Message::new()
            .messages(1, &self.nodes)
            .text(2, "graph")
            .messages(5, &self.initializers)
            .messages(11, &self.inputs)
            .messages(12, &self.outputs)
    }
}

/// A model of this graph in the versions that exporters write today.
pub(crate) fn model(graph: &Graph) -> Message {
    model_of(&graph.message(), 8, &[("", 17), (ML, 3)])
}

pub(crate) fn model_of(graph: &Message, ir: i64, opsets: &[(&str, i64)]) -> Message {
    let opsets: Vec<Message> = opsets
        .iter()
        .map(|(domain, version)| Message::new().text(1, domain).int(2, *version))
        .collect();
    Message::new()
        .int(1, ir)
        .message(7, graph)
        .messages(8, &opsets)
}
