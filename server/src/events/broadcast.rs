//! One reader for all listeners: new rows are read once, written as bytes once, and kept in a ring
//! that every listener reads at its own pace.
//!
//! A listener holds nothing but its position, so what it costs does not grow while it does not read,
//! and it can delay nobody. Who falls further behind than the ring reaches has to begin again from
//! the table. Rows of other processes are noticed by looking often.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{Event, EventError, store};
use crate::db::Db;
use crate::wall::pause;

/// Events kept in memory: how far a listener may fall behind.
pub const RING: usize = 1_024;
/// Rows of one look.
const PAGE: i64 = 500;
/// How often other processes' rows are looked for, wall time.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the database is left alone after it failed, wall time.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// What comes after a position.
#[derive(Debug)]
pub enum Next {
    /// These, possibly none yet.
    Events(Vec<Arc<Event>>),
    /// Something that the ring does not hold any more; the table may.
    Behind,
}

/// The newest events of this process's database.
#[derive(Debug)]
pub struct Broadcast {
    ring: RwLock<Ring>,
    /// The newest number, once it is known.
    newest: watch::Sender<Option<i64>>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Ring {
    /// The number before the first of `events`.
    base: i64,
    events: VecDeque<Arc<Event>>,
}

impl Default for Broadcast {
    fn default() -> Self {
        Self {
            ring: RwLock::default(),
            newest: watch::Sender::new(None),
            bell: Notify::new(),
        }
    }
}

impl Broadcast {
    /// Says that this process has just committed events.
    pub fn wake(&self) {
        self.bell.notify_one();
    }

    /// The newest number; waits for the first look at the table.
    pub async fn newest(&self) -> i64 {
        let mut news = self.newest.subscribe();
        let known = news.wait_for(Option::is_some).await;
        // The sender is part of `self` and lives.
        known.ok().and_then(|newest| *newest).unwrap_or(0)
    }

    /// Changes with each look that found something.
    #[must_use]
    pub fn listen(&self) -> watch::Receiver<Option<i64>> {
        self.newest.subscribe()
    }

    /// Events after `position`, at most `limit`.
    #[must_use]
    pub fn after(&self, position: i64, limit: usize) -> Next {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let Ok(skip) = usize::try_from(position.saturating_sub(ring.base)) else {
            return Next::Behind;
        };
        Next::Events(ring.events.iter().skip(skip).take(limit).cloned().collect())
    }

    /// Reads new rows as they come, until `stop`.
    pub async fn run(&self, db: &Db, stop: CancellationToken) {
        let mut is_failing = false;
        while !stop.is_cancelled() {
            let nap = match self.look(db).await {
                Ok(()) => {
                    is_failing = false;
                    LOOK_EVERY
                }
                Err(error) => {
                    if !is_failing {
                        tracing::error!(%error, "events cannot be read; tried again");
                    }
                    is_failing = true;
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.bell.notified() => {}
                () = pause(nap) => {}
            }
        }
    }

    /// Takes over every row that is new.
    async fn look(&self, db: &Db) -> Result<(), EventError> {
        let mut conn = db.read().await?;
        let known = *self.newest.borrow();
        let Some(mut position) = known else {
            let newest = store::newest(&mut conn).await?;
            self.ring
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .base = newest;
            self.newest.send_replace(Some(newest));
            return Ok(());
        };
        loop {
            let page = store::after(&mut conn, position, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            position = last.sequence;
            self.push(page);
            self.newest.send_replace(Some(position));
        }
    }

    fn push(&self, page: Vec<Event>) {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        for event in page {
            // Rows that were forgotten before anybody read them leave a hole: nothing before it
            // can be counted from here.
            if event.sequence != ring.base + i64::try_from(ring.events.len()).unwrap_or(0) + 1 {
                ring.events.clear();
                ring.base = event.sequence - 1;
            }
            ring.events.push_back(Arc::new(event));
            if ring.events.len() > RING {
                ring.events.pop_front();
                ring.base += 1;
            }
        }
    }
}
