//! Numeric sources: one number and its moment in a JSON document, asked for again and again.
//!
//! Owns when a source is asked and what of its answer is believed. Must never decide an outcome and
//! never follow a redirect; every answer that tells something new is kept, byte for byte, as a
//! receipt.

pub mod board;
pub mod decode;
pub mod settings;

mod fetch;

#[cfg(test)]
mod poll_tests;
#[cfg(test)]
mod round_tests;
#[cfg(test)]
pub(crate) mod weather_fixture;

use std::sync::Arc;
use std::time::Duration;

use domain::WallClock;
use domain::timestamp::{SECOND_US, rfc3339};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use self::fetch::{Answer, fetch};
use self::settings::SourceSettings;
use super::live::board::Board;
use super::live::jittered;
use super::live::settings::Patience;
use crate::db::Db;
use crate::prices::observations::{self, Kept, Observation};
use crate::wall::pause;

pub(in crate::prices::feeds) use self::fetch::client;

/// A source's clock may be ahead of ours by this much; a later moment is a forecast, not an
/// observation.
const AHEAD_US: i64 = 5 * SECOND_US;
/// After a write that failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// One source that is followed.
pub(in crate::prices::feeds) struct Source {
    pub(in crate::prices::feeds) settings: SourceSettings,
    pub(in crate::prices::feeds) patience: Patience,
    pub(in crate::prices::feeds) db: Db,
    pub(in crate::prices::feeds) clock: WallClock,
    pub(in crate::prices::feeds) board: Arc<Board>,
    pub(in crate::prices::feeds) http: reqwest::Client,
}

impl Source {
    /// Asks by the source's own schedule until `stop`.
    pub(in crate::prices::feeds) async fn follow(self, seed: [u8; 32], stop: CancellationToken) {
        let mut dice = StdRng::from_seed(seed);
        self.resume().await;
        let every = Duration::from_secs(self.settings.poll_s);
        loop {
            // Up to a tenth more, so that many servers do not ask at once.
            let wait = every.mul_f64(dice.random_range(1.0..=1.1));
            let round = async {
                self.poll(&mut dice).await;
                pause(wait).await;
            };
            tokio::select! {
                () = round => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Shows what an earlier run observed last.
    pub(super) async fn resume(&self) {
        let now_us = self.clock.now_us();
        let newest = async {
            let mut conn = self.db.read().await?;
            observations::newest(&mut conn, &self.settings.name, now_us).await
        };
        match newest.await {
            Ok(newest) => self.board.sources().resume(newest, &self.settings.name),
            Err(error) => tracing::error!(%error, "a source's receipts cannot be read"),
        }
    }

    /// One poll: asks until there is a usable answer or the retries are spent.
    pub(super) async fn poll(&self, dice: &mut StdRng) {
        let name = &self.settings.name;
        for failures in 1..=self.settings.retries + 1 {
            self.board.sources().ask(name);
            let Err(why) = self.ask_once().await else {
                return;
            };
            if failures > self.settings.retries {
                tracing::warn!(source = %name, why, failures, "a source gave no usable answer");
            }
            self.board.sources().failed(name, self.clock.now_us(), why);
            if failures <= self.settings.retries {
                pause(jittered(self.patience.pause(failures), dice)).await;
            }
        }
    }

    /// Asks, and keeps what is new; why not, for people.
    async fn ask_once(&self) -> Result<(), String> {
        let answer = fetch(&self.http, &self.settings).await?;
        let fetched_us = self.board.sources().stamp(&self.settings.name, &self.clock);
        let observation = self.read(&answer, fetched_us)?;
        let kept = self.keep(&observation, &answer.body).await;
        match kept {
            Kept::First | Kept::Nothing => {}
            Kept::Revision => tracing::warn!(
                source = %observation.source, observed_us = observation.observed_us,
                value = observation.value, "a source revised a value; the first one counts"
            ),
            Kept::TooMany => tracing::error!(
                source = %observation.source, observed_us = observation.observed_us,
                "a source revises one value again and again; no more receipts are kept of it"
            ),
        }
        self.board.sources().written(observation, kept);
        Ok(())
    }

    fn read(&self, answer: &Answer, fetched_us: i64) -> Result<Observation, String> {
        let said = decode::decode(&self.settings, &answer.body).map_err(|e| e.to_string())?;
        if said.observed_us > fetched_us + AHEAD_US {
            let observed = rfc3339(said.observed_us);
            return Err(format!("{observed} is in the future: not observed yet"));
        }
        Ok(Observation {
            source: self.settings.name.clone(),
            observed_us: said.observed_us,
            fetched_us,
            price: said.price,
            value: said.value,
            reading: self.settings.reading(),
            status: answer.status,
            sha256: hex::encode(Sha256::digest(&answer.body)),
        })
    }

    /// Keeps until it is kept: an answer is not lost because the database was away.
    async fn keep(&self, observation: &Observation, body: &[u8]) -> Kept {
        loop {
            match observations::keep(&self.db, observation, body).await {
                Ok(kept) => return kept,
                Err(error) => {
                    tracing::error!(%error, "an observation is not written, trying again");
                    pause(AFTER_FAILURE).await;
                }
            }
        }
    }
}
