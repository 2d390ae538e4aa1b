//! Transactions whose nonce is used although none of them is mined, as far as the node knows.
//! Forgotten by a restart, which then looks as often again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::settlement::intent::{Missing, Verdict};

/// What was missing at the last look, by intent.
#[derive(Debug, Default)]
pub(super) struct MissingIntents(Mutex<HashMap<String, Missing>>);

impl MissingIntents {
    pub(super) fn get(&self, intent: &str) -> Option<Missing> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(intent).copied()
    }

    /// Keeps what a look found; any other verdict ends the row.
    pub(super) fn note(&self, intent: &str, verdict: Verdict) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match verdict {
            Verdict::Missing(missing) => {
                seen.insert(intent.to_owned(), missing);
            }
            Verdict::Unknown | Verdict::Decided { .. } => {
                seen.remove(intent);
            }
        }
    }
}
