//! When keys were last used: remembered here, written now and then, never while a request waits.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::timestamp::SECOND_US;

use super::{AccountError, KeyEntry, store};
use crate::db::Conn;

/// A use is written when the one that is stored is so old.
const STEP_US: i64 = 60 * SECOND_US;

/// Uses that wait to be written.
#[derive(Debug, Default)]
pub struct LastUses {
    waiting: Mutex<BTreeMap<String, i64>>,
}

impl LastUses {
    /// Notes a use. `true`: nothing waited before, so the caller sees to it that what waits is
    /// written soon.
    #[must_use]
    pub fn note(&self, key: &KeyEntry, now_us: i64) -> bool {
        if now_us - key.used_us < STEP_US {
            return false;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = waiting.is_empty();
        // Copied once for many requests: a busy key is in the list already.
        match waiting.get_mut(&key.id) {
            Some(used_us) => *used_us = now_us,
            None => {
                waiting.insert(key.id.clone(), now_us);
            }
        }
        is_first
    }

    /// Takes what waits.
    #[must_use]
    pub fn take(&self) -> Vec<(String, i64)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *waiting).into_iter().collect()
    }
}

/// Writes uses; a later one that is stored stays.
///
/// # Errors
/// Database errors.
pub async fn write_uses(conn: &mut Conn, uses: &[(String, i64)]) -> Result<(), AccountError> {
    for (id, used_us) in uses {
        store::keys::set_used(conn, id, *used_us).await?;
    }
    Ok(())
}
