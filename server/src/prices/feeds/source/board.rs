//! What the sources are doing right now, for pages, metrics and the job that closes evidence.
//!
//! Lives in memory alone: what was observed is in the receipts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{MarketClock, SourceId};

use super::settings::SourceSettings;
use crate::prices::observations::{Kept, Observation};

/// One source.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    /// What the feeds file says of it.
    pub settings: SourceSettings,
    /// Questions since the start.
    pub asked: u64,
    /// Questions without a usable answer since the start.
    pub failed: u64,
    /// Questions without a usable answer since the last usable one.
    pub failed_in_a_row: u64,
    /// Why the last one of them failed; empty before the first.
    pub last_error: String,
    /// When; 0 before the first.
    pub last_error_us: i64,
    /// When the last usable answer came; 0 before the first.
    pub answered_us: i64,
    /// Observations taken since the start.
    pub observations: u64,
    /// Other values for moments that had one, since the start.
    pub revisions: u64,
    /// The newest moment's first value; an earlier run's until one comes.
    pub newest: Option<Observation>,
}

impl SourceStatus {
    /// Whether its newest observation is too old, or there is none.
    #[must_use]
    pub fn is_stale(&self, now_us: i64) -> bool {
        let (_, stale_us) = self.settings.schedule_us();
        let newest = self.newest.as_ref();
        newest.is_none_or(|newest| now_us - newest.observed_us > stale_us)
    }
}

/// The shared state of all sources.
#[derive(Debug)]
pub struct SourceBoard(Mutex<BTreeMap<SourceId, Entry>>);

#[derive(Debug)]
struct Entry {
    status: SourceStatus,
    /// An answer of this moment may not be in the database yet.
    writing_since_us: Option<i64>,
}

impl SourceBoard {
    /// Nothing asked yet.
    #[must_use]
    pub fn new(sources: &[SourceSettings]) -> Self {
        let entry = |settings: &SourceSettings| Entry {
            status: SourceStatus {
                settings: settings.clone(),
                asked: 0,
                failed: 0,
                failed_in_a_row: 0,
                last_error: String::new(),
                last_error_us: 0,
                answered_us: 0,
                observations: 0,
                revisions: 0,
                newest: None,
            },
            writing_since_us: None,
        };
        let entries = sources.iter().map(|of| (of.name.clone(), entry(of)));
        Self(Mutex::new(entries.collect()))
    }

    /// Everything, for showing.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceStatus> {
        let entries = self.entries();
        entries.values().map(|entry| entry.status.clone()).collect()
    }

    /// Whether a source is followed.
    #[must_use]
    pub fn follows(&self, source: &SourceId) -> bool {
        self.entries().contains_key(source)
    }

    /// Answers of these sources received by this moment are in the database. `now_us` must have
    /// been read before the call: what is stamped after it is later.
    #[must_use]
    pub fn recorded_through_us<'a>(
        &self,
        sources: impl Iterator<Item = &'a SourceId>,
        now_us: i64,
    ) -> i64 {
        let entries = self.entries();
        let writing = sources.filter_map(|source| entries.get(source)?.writing_since_us);
        writing.map(|since_us| since_us - 1).fold(now_us, i64::min)
    }

    /// An earlier run's newest observation.
    pub(super) fn resume(&self, newest: Option<Observation>, source: &SourceId) {
        self.update(source, |entry| entry.status.newest = newest);
    }

    /// A question goes out.
    pub(super) fn ask(&self, source: &SourceId) {
        self.update(source, |entry| entry.status.asked += 1);
    }

    /// The moment of an answer. Evidence waits for [`SourceBoard::written`] or
    /// [`SourceBoard::failed`] from here on.
    pub(super) fn stamp(&self, source: &SourceId, clock: &MarketClock) -> i64 {
        let mut entries = self.entries();
        let now_us = clock.now_us();
        if let Some(entry) = entries.get_mut(source) {
            entry.writing_since_us = Some(now_us);
        }
        now_us
    }

    /// The answer is in the database.
    pub(super) fn written(&self, observation: Observation, kept: Kept) {
        self.update(&observation.source.clone(), |entry| {
            entry.writing_since_us = None;
            let status = &mut entry.status;
            status.failed_in_a_row = 0;
            status.answered_us = observation.fetched_us;
            status.revisions += u64::from(kept == Kept::Revision);
            status.observations += u64::from(kept == Kept::First);
            let newest_us = status
                .newest
                .as_ref()
                .map_or(0, |newest| newest.observed_us);
            if kept == Kept::First && observation.observed_us > newest_us {
                status.newest = Some(observation);
            }
        });
    }

    /// No answer, or none that can be used.
    pub(super) fn failed(&self, source: &SourceId, now_us: i64, why: String) {
        self.update(source, |entry| {
            entry.writing_since_us = None;
            entry.status.failed += 1;
            entry.status.failed_in_a_row += 1;
            entry.status.last_error = why;
            entry.status.last_error_us = now_us;
        });
    }

    fn update(&self, source: &SourceId, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries().get_mut(source) {
            change(entry);
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<SourceId, Entry>> {
        // A panic elsewhere leaves numbers that are still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
