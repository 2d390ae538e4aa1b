//! One venue that is followed: connected again and again.

use std::sync::Arc;
use std::time::Duration;

use domain::{MarketClock, Venue};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::board::{Board, Connection};
use super::keeper::Event;
use super::session::{self, End};
use super::settings::{Patience, VenueSettings};
use crate::prices::feeds::message::{DecodeError, Message};
use crate::wall::pause;

/// What everything about one venue needs.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    pub(super) settings: VenueSettings,
    pub(super) patience: Patience,
    pub(super) clock: MarketClock,
    pub(super) board: Arc<Board>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) http: reqwest::Client,
}

impl Followed {
    /// The venue.
    pub(super) fn venue(&self) -> Venue {
        self.settings.name
    }

    pub(super) fn connected(&self, since_us: i64) {
        self.board.update(self.venue(), |status| {
            status.connection = Connection::Up { since_us };
        });
        tracing::info!(venue = self.venue().name(), "feed connected");
    }

    pub(super) fn count(&self, now_us: i64, decoded: &Result<Message, DecodeError>) {
        self.board.update(self.venue(), |status| {
            status.frames += 1;
            status.frame_us = now_us;
            match decoded {
                Ok(_) => {}
                Err(DecodeError::Unknown(_)) => status.unknown += 1,
                Err(_) => status.broken += 1,
            }
        });
    }
}

/// Keeps one venue connected until `stop`.
pub(super) async fn follow(
    followed: Followed,
    events: mpsc::Sender<Event>,
    mut orders: mpsc::Receiver<String>,
    seed: [u8; 32],
    stop: CancellationToken,
) {
    let mut dice = StdRng::from_seed(seed);
    let mut failures = 0_u32;
    let venue = followed.venue();
    loop {
        followed.board.update(venue, |status| {
            status.connection = Connection::Connecting;
        });
        let (end, has_traded) = tokio::select! {
            ended = session::run(&followed, &events, &mut orders) => ended,
            () = stop.cancelled() => return,
        };
        let now_us = followed.clock.now_us();
        failures = if has_traded || end == End::Planned {
            1
        } else {
            failures.saturating_add(1)
        };
        let wait = match end {
            End::Planned => Duration::ZERO,
            _ => jittered(followed.patience.pause(failures), &mut dice),
        };
        note_end(&followed, &end, now_us, wait);
        let down = Event::Down {
            venue,
            at_us: now_us,
            reason: end.to_string(),
        };
        events.send(down).await.ok();
        tokio::select! {
            () = pause(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

fn note_end(followed: &Followed, end: &End, now_us: i64, wait: Duration) {
    let wait_us = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
    followed.board.update(followed.venue(), |status| {
        status.ended += 1;
        status.last_end = end.to_string();
        status.connection = Connection::Waiting {
            until_us: now_us.saturating_add(wait_us),
        };
    });
    let venue = followed.venue().name();
    match end {
        End::Planned => tracing::info!(venue, %end, "feed ended"),
        _ => tracing::warn!(venue, %end, again_in_ms = wait.as_millis(), "feed ended"),
    }
}

/// Half to all of a pause, so that many clients do not come back at once.
pub(in crate::prices::feeds) fn jittered(pause: Duration, dice: &mut StdRng) -> Duration {
    pause.mul_f64(dice.random_range(0.5..=1.0))
}
