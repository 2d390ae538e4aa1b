//! Counted places: so many at a time for each holder. A place is free again when it is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many places each holder has taken. It has an entry for a holder only while one is taken.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<u64, u32>>);

/// A place that is taken.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    holder: u64,
}

/// Something that lives as long as a connection keeps places here: also after the connection has
/// become a stream of another protocol.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Vec<Place>>>);

impl Places {
    pub(super) fn take(self: &Arc<Self>, holder: u64, most: u32) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(&holder).copied().unwrap_or(0);
        if count >= most {
            return None;
        }
        taken.insert(holder, count + 1);
        Some(Place {
            places: Arc::clone(self),
            holder,
        })
    }

    pub(super) fn taken(&self) -> usize {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.values().map(|count| *count as usize).sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = &self.places.0;
        let mut taken = places.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.holder) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.holder)),
        }
    }
}

impl Kept {
    /// Keeps `place` until the last clone of this is dropped.
    pub fn keep(&self, place: Place) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(place);
    }
}
