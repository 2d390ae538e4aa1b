//! What does not follow: each difference names the thing, the model and the field.

use std::fmt::{self, Display};

use serde::Serialize;

/// One thing that is recorded differently from what it follows from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `round btc-usd-5m-…`, `batch 3`, `proposal of batch 3`.
    pub thing: String,
    /// The model's position, when it is about one.
    pub model_index: Option<u32>,
    /// Which value.
    pub field: String,
    /// As recorded.
    pub recorded: String,
    /// As it follows.
    pub recomputed: String,
}

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.thing)?;
        if let Some(index) = self.model_index {
            write!(f, ", model {index}")?;
        }
        write!(
            f,
            ": {} is recorded as {}, recomputed {}",
            self.field, self.recorded, self.recomputed
        )
    }
}

/// What was checked and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was checked, for people.
    pub checked: Vec<String>,
    /// What nobody can check or what is worth knowing, for people.
    pub notes: Vec<String>,
    /// What differs.
    pub differences: Vec<Difference>,
}

impl Report {
    /// Adds another report to this one.
    pub fn extend(&mut self, other: Self) {
        self.checked.extend(other.checked);
        self.notes.extend(other.notes);
        self.differences.extend(other.differences);
    }
}

/// Collects the differences of one thing.
#[derive(Debug)]
pub(super) struct Compare {
    thing: String,
    found: Vec<Difference>,
}

impl Compare {
    pub(super) fn new(thing: impl Into<String>) -> Self {
        Self {
            thing: thing.into(),
            found: Vec::new(),
        }
    }

    pub(super) fn same(&mut self, field: &str, recorded: impl Display, recomputed: impl Display) {
        self.same_of(None, field, recorded, recomputed);
    }

    pub(super) fn same_of(
        &mut self,
        model_index: Option<u32>,
        field: &str,
        recorded: impl Display,
        recomputed: impl Display,
    ) {
        let (recorded, recomputed) = (recorded.to_string(), recomputed.to_string());
        if recorded != recomputed {
            self.found.push(Difference {
                thing: self.thing.clone(),
                model_index,
                field: field.to_owned(),
                recorded,
                recomputed,
            });
        }
    }

    pub(super) fn done(self) -> Vec<Difference> {
        self.found
    }
}

/// An optional value as text; absent is `none`.
pub(super) fn or_none(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}
