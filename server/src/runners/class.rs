//! What kind of graph a model is, as far as running it is concerned. Pure; the scanner decides, the
//! report card tells.

use serde_json::Value;

/// The kind of a model's graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Tree ensembles: the same bits on every processor.
    Tree,
    /// Linear `ai.onnx.ml` operators.
    Linear,
    /// Everything with matrix products.
    Dense,
    /// The card does not say.
    Unknown,
}

const CLASSES: [(Class, &str); 4] = [
    (Class::Tree, "tree"),
    (Class::Linear, "linear"),
    (Class::Dense, "dense"),
    (Class::Unknown, ""),
];

impl Class {
    /// The class that a report card (JSON) names.
    #[must_use]
    pub fn of_card(card: &str) -> Self {
        let card: Option<Value> = serde_json::from_str(card).ok();
        let named = card.as_ref().and_then(|card| card.get("class")?.as_str());
        Self::parse(named.unwrap_or_default())
    }

    /// The class of a stored name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let known = CLASSES.iter().find(|(_, name)| *name == text);
        known.map_or(Self::Unknown, |(class, _)| *class)
    }

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = CLASSES.iter().find(|(class, _)| *class == self);
        named.map_or("", |(_, name)| name)
    }

    /// Whether a CUDA device has kernels for it: those of `ai.onnx.ml` run on the processor only.
    #[must_use]
    pub fn gains_from_cuda(self) -> bool {
        self == Self::Dense
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_names_the_class_or_nobody_knows_it() {
        assert_eq!(
            Class::of_card(r#"{"class": "tree", "ops": []}"#),
            Class::Tree
        );
        assert_eq!(Class::of_card(r#"{"class": "dense"}"#), Class::Dense);
        for card in ["", "{}", "[]", r#"{"class": 3}"#, r#"{"class": "quantum"}"#] {
            assert_eq!(Class::of_card(card), Class::Unknown, "{card}");
        }
        for (class, name) in CLASSES {
            assert_eq!((Class::parse(name), class.name()), (class, name));
        }
    }

    #[test]
    fn only_dense_models_gain_from_a_device() {
        let gaining = CLASSES.iter().filter(|(class, _)| class.gains_from_cuda());
        assert_eq!(
            gaining.map(|(_, name)| *name).collect::<Vec<_>>(),
            ["dense"]
        );
    }
}
