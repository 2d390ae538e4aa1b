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
    for (name, attribute) in &node.attributes {
        let name = identifier(name)
            .ok_or_else(|| misused(operator.name, format!("attribute '{}'", shown(name))))?;
        if let Some(what) = wrong(name, attribute) {
            return Err(misused(operator.name, what));
        }
    }
    let mut names: Vec<&[u8]> = node.attributes.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(misused(
            operator.name,
            format!("two attributes '{}'", shown(pair[0])),
        )),
    }
}

/// The attributes of a node that [`check`] has passed, by name.
pub(super) fn kept<'a>(node: &NodeFile<'a>) -> BTreeMap<&'a str, Attribute<'a>> {
    let named = node.attributes.iter();
    let named = named.filter_map(|(name, attribute)| Some((identifier(name)?, attribute)));
    named
        .map(|(name, attribute)| match attribute {
            Attribute::Texts(list) if name == LABELS => {
                (name, Attribute::Texts(vec![b"c"; list.len()]))
            }
            attribute => (name, attribute.clone()),
        })
        .collect()
}

/// What is wrong with an attribute, if anything.
fn wrong(name: &str, attribute: &Attribute<'_>) -> Option<String> {
    match attribute {
        Attribute::Other(kind) => Some(format!("'{name}' is {kind}")),
        attribute if !known::attribute(name, attribute) => {
            Some(format!("it has no such attribute '{name}'"))
        }
        Attribute::Text(text) if name == "equation" && text.len() <= NAME_MAX => None,
        Attribute::Text(text) if !known::word(text) => {
            Some(format!("'{name}' is '{}'", shown(text)))
        }
        Attribute::Tensor(tensor) if tensor.element == Element::Text => {
            Some(format!("'{name}' holds text"))
        }
        Attribute::Texts(list) if name != LABELS && !are_words(list) => {
            Some(format!("'{name}' holds an unknown word"))
        }
        _ => None,
    }
}

/// The same few words, thousands of times.
fn are_words(list: &[&[u8]]) -> bool {
    let mut last: &[u8] = &[];
    list.iter().all(|text| {
        let is_word = *text == last || known::word(text);
        last = text;
        is_word && !text.is_empty()
    })
}

fn identifier(name: &[u8]) -> Option<&str> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_one = (1..=NAME_MAX).contains(&name.len()) && name.iter().all(allowed);
    is_one.then(|| std::str::from_utf8(name).ok()).flatten()
}
