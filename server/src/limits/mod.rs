//! How much one caller may ask: requests by class, open streams, open connections, readers at once.
//!
//! Holds counts in memory, of a size that no caller can make grow, and nothing else: no table.
//! Whoever answers a caller says what a [`Verdict`] means. A key counts for itself only after
//! it has been proven once; until then its requests count for the address they come from, so that
//! made-up keys buy nothing.

mod address;
mod bucket;
mod class;
mod headers;
mod place;
mod settings;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::WallClock;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use address::{Network, Networks, neighbourhood};
pub use bucket::{Standing, Verdict};
pub use class::Class;
pub use headers::{write_headers, write_retry_after};
pub use place::{Kept, Place};
pub use settings::{ConnectionLimits, LimitSettings, Rate, Rates};

use bucket::Buckets;
use place::Places;

/// Keys that are known to be real at a time; a key whose place another takes proves itself again.
const PROVEN_PLACES: usize = 1 << 14;
/// Requests that read the database at once. Fewer than the database's connections, so that a crowd
/// of readers leaves some to predictions.
const READERS: usize = 5;
/// A reader waits this long for its turn.
const TURN_LIMIT: Duration = Duration::from_secs(5);

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Where the request comes from.
    pub address: IpAddr,
    /// The whole text of the API key that it brought, proven or not.
    pub key: Option<&'a str>,
}

/// The counts of one serving process.
#[derive(Debug)]
pub struct Limits {
    settings: LimitSettings,
    hasher: RandomState,
    buckets: Vec<(Class, ByHolder)>,
    proven: Box<[AtomicU64]>,
    streams: Arc<Places>,
    connections: Arc<Places>,
    readers: Semaphore,
}

/// The buckets of a class; absent where the class has no such limit.
#[derive(Debug)]
struct ByHolder {
    key: Option<Buckets>,
    address: Option<Buckets>,
}

impl Limits {
    /// Counts that begin at nothing.
    #[must_use]
    pub fn new(settings: LimitSettings, wall: &WallClock) -> Self {
        let made = |class: Class| {
            let rates = settings.rates(class);
            let buckets = |rate: Option<Rate>, holder| {
                let name = format!("{}-per-{holder}", class.name());
                rate.map(|rate| Buckets::new(name, rate, wall))
            };
            let by_holder = ByHolder {
                key: buckets(rates.key, "key"),
                address: buckets(rates.address, "address"),
            };
            (class, by_holder)
        };
        Self {
            buckets: Class::ALL.into_iter().map(made).collect(),
            settings,
            hasher: RandomState::new(),
            proven: (0..PROVEN_PLACES).map(|_| AtomicU64::new(0)).collect(),
            streams: Arc::default(),
            connections: Arc::default(),
            readers: Semaphore::new(READERS),
        }
    }

    /// What the limits are.
    #[must_use]
    pub fn settings(&self) -> &LimitSettings {
        &self.settings
    }

    /// Counts one request.
    #[must_use]
    pub fn check(&self, class: Class, client: &Client<'_>) -> Verdict {
        let by_holder = self.buckets.iter().find(|(known, _)| *known == class);
        let Some((_, by_holder)) = by_holder else {
            return Verdict::Unlimited;
        };
        let key = client.key.map(|key| self.hasher.hash_one(key));
        let proven = key.filter(|hash| self.is_proven(*hash));
        let (buckets, holder) = match (proven, &by_holder.key, &by_holder.address) {
            (Some(hash), Some(buckets), _) => (buckets, hash),
            (_, _, Some(buckets)) => {
                let address = neighbourhood(client.address);
                (buckets, self.hasher.hash_one(address))
            }
            (_, _, None) => return Verdict::Unlimited,
        };
        buckets.check(holder)
    }

    /// Notes that `key` is real: its requests count for it from now on.
    pub fn prove(&self, key: &str) {
        let hash = self.hasher.hash_one(key);
        if let Some(place) = self.proven_place(hash) {
            place.store(hash, Ordering::Relaxed);
        }
    }

    /// Notes that `key` is not accepted (any more).
    pub fn disprove(&self, key: &str) {
        let hash = self.hasher.hash_one(key);
        if let Some(place) = self.proven_place(hash) {
            let _ = place.compare_exchange(hash, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// A place for one more open stream; `None` when the key or the address has as many as it may.
    #[must_use]
    pub fn open_stream(&self, client: &Client<'_>) -> Option<Place> {
        let key = client.key.map(|key| self.hasher.hash_one(key));
        let proven = key.filter(|hash| self.is_proven(*hash));
        let streams = self.settings.streams;
        match proven {
            Some(hash) => self.streams.take(hash, streams.per_key),
            None => {
                let holder = self.hasher.hash_one(neighbourhood(client.address));
                self.streams.take(holder, streams.per_address)
            }
        }
    }

    /// A place for one more connection; `None` when the address has as many as it may.
    #[must_use]
    pub fn open_connection(&self, address: IpAddr) -> Option<Place> {
        let holder = self.hasher.hash_one(neighbourhood(address));
        let most = self.settings.connections.per_address;
        self.connections.take(holder, most)
    }

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.taken()
    }

    /// A reader's turn at the database; `None` when it did not come in time.
    pub async fn reader(&self) -> Option<SemaphorePermit<'_>> {
        let turn = tokio::time::timeout(TURN_LIMIT, self.readers.acquire());
        turn.await.ok()?.ok()
    }

    fn is_proven(&self, hash: u64) -> bool {
        let place = self.proven_place(hash);
        hash != 0 && place.is_some_and(|place| place.load(Ordering::Relaxed) == hash)
    }

    fn proven_place(&self, hash: u64) -> Option<&AtomicU64> {
        self.proven.get(bucket::place(hash, PROVEN_PLACES))
    }
}
