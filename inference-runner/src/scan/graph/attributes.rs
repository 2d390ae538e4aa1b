//! Attributes of a node: named once, of a kind that is run, and without text of the author's.

use std::collections::BTreeMap;

use super::super::element::Element;
use super::super::operators::Operator;
use super::super::read::{Attribute, NodeFile};
use super::super::refusal::{Checked, misused, shown};
use super::known;

/// Longest name of an attribute and longest equation.
const NAME_MAX: usize = 64;

/// Labels of a classifier: they say how many classes there are and are read by nobody.
const LABELS: &str = "classlabels_strings";

/// Whether `node` may be written again as it is.
pub(super) fn check(operator: &'static Operator, node: &NodeFile<'_>) -> Checked<()> {
    kept(operator, node).map(drop)
}

/// The attributes by name.
pub(super) fn kept<'a>(
    operator: &'static Operator,
    node: &NodeFile<'a>,
) -> Checked<BTreeMap<&'a str, Attribute<'a>>> {
    let mut kept = BTreeMap::new();
    for (name, attribute) in &node.attributes {
        let name = identifier(name)
            .ok_or_else(|| misused(operator.name, format!("attribute '{}'", shown(name))))?;
        let attribute = one(operator, name, attribute)?;
        if kept.insert(name, attribute).is_some() {
            return Err(misused(operator.name, format!("two attributes '{name}'")));
        }
    }
    Ok(kept)
}

fn one<'a>(
    operator: &'static Operator,
    name: &str,
    attribute: &Attribute<'a>,
) -> Checked<Attribute<'a>> {
    match attribute {
        Attribute::Other(kind) => Err(misused(operator.name, format!("'{name}' is {kind}"))),
        Attribute::Texts(list) if name == LABELS => Ok(Attribute::Texts(vec![b"c"; list.len()])),
        attribute if !known::attribute(name, attribute) => Err(misused(
            operator.name,
            format!("it has no such attribute '{name}'"),
        )),
        Attribute::Text(text) if name == "equation" && text.len() <= NAME_MAX => {
            Ok(attribute.clone())
        }
        Attribute::Text(text) if !known::word(text) => Err(misused(
            operator.name,
            format!("'{name}' is '{}'", shown(text)),
        )),
        Attribute::Tensor(tensor) if tensor.element == Element::Text => {
            Err(misused(operator.name, format!("'{name}' holds text")))
        }
        Attribute::Texts(list) if !list.iter().all(|text| known::word(text)) => Err(misused(
            operator.name,
            format!("'{name}' holds an unknown word"),
        )),
        _ => Ok(attribute.clone()),
    }
}

fn identifier(name: &[u8]) -> Option<&str> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_one = (1..=NAME_MAX).contains(&name.len()) && name.iter().all(allowed);
    is_one.then(|| std::str::from_utf8(name).ok()).flatten()
}
