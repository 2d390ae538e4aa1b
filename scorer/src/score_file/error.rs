//! Why files cannot be scored: one line that names the file, the thing and what to do.

use std::fmt::Display;

use thiserror::Error;

/// Why [`super::score`] did not score.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScoreFileError {
    /// A file is not as it must be.
    #[error("{file}: {what}")]
    Refused {
        /// The file as named by the caller.
        file: String,
        /// What is wrong with which column and which row, and the remedy.
        what: String,
    },
    /// A metric without its input.
    #[error("metric {metric} needs {input}; name it with --{input} or leave the metric out")]
    InputMissing {
        /// The metric.
        metric: &'static str,
        /// The kind of file.
        input: &'static str,
    },
    /// The disk or the machine refused.
    #[error("{doing}: {source}")]
    Machine {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ScoreFileError {
    pub(super) fn refused(file: &str, what: impl Into<String>) -> Self {
        Self::Refused {
            file: file.to_owned(),
            what: what.into(),
        }
    }

    pub(super) fn machine(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Machine {
            doing: doing.into(),
            source: source.into(),
        }
    }

    /// Whether the input was refused, as against the machine.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        !matches!(self, Self::Machine { .. })
    }
}

/// A file's text in a message: one line, not too long.
pub(super) fn quoted(text: impl Display) -> String {
    let text: String = text.to_string().chars().take(60).collect();
    format!("{text:?}")
}
