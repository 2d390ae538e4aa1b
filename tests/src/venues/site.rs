//! One fake venue: its listener, its conduct, and who gets which answer.
//!
//! Streams and REST share a port: a request that asks for a WebSocket becomes a stream. Beside what
//! the venue documents stand `POST /misbehave` and `GET /counts`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use domain::{MarketClock, Venue};
use serde_json::json;
use server::app::pause;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::misbehaviour::{Conduct, Misbehaviour};
use super::rest::History;
use super::source::Source;
use super::{stream, wire};
use crate::dice::Dice;
use crate::plain_http::{self, Request};

/// A head longer than this is none.
const LONGEST_HEAD: usize = 16 << 10;
/// Looks at an unfinished head, 5 ms apart.
const LOOKS: u32 = 400;

/// What happens to every connection at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shout {
    Drop,
    Cut,
    Garbage,
    Huge,
}

/// A venue.
#[derive(Debug)]
pub(super) struct Site {
    pub venue: Venue,
    pub source: Source,
    pub clock: MarketClock,
    pub ping_every_us: i64,
    pub dice: Dice,
    conduct: Mutex<Conduct>,
    shouts: broadcast::Sender<Shout>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl Site {
    pub(super) fn new(
        venue: Venue,
        source: Source,
        clock: MarketClock,
        ping_every_us: i64,
    ) -> Self {
        Self {
            venue,
            source,
            clock,
            ping_every_us,
            dice: Dice::new(venue as u64),
            conduct: Mutex::default(),
            shouts: broadcast::channel(64).0,
            counts: Mutex::default(),
        }
    }

    pub(super) fn conduct(&self) -> Conduct {
        let conduct = self.conduct.lock().unwrap_or_else(PoisonError::into_inner);
        conduct.clone()
    }

    pub(super) fn count(&self, what: &'static str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what).or_default() += 1;
    }

    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.clone()
    }

    pub(super) fn command(&self, command: Misbehaviour) {
        let now_us = self.clock.now_us();
        let next = |asset| self.source.last_id(self.venue, asset, now_us) + 1;
        self.conduct
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .obey(command, now_us, next);
        let shout = match command {
            Misbehaviour::Disconnect => Shout::Drop,
            Misbehaviour::Cut24h => Shout::Cut,
            Misbehaviour::Garbage => Shout::Garbage,
            Misbehaviour::HugeFrame => Shout::Huge,
            _ => return,
        };
        // Nobody may be connected.
        self.shouts.send(shout).ok();
    }

    /// Listens on `address` and serves until `stop`; answers where.
    pub(super) async fn listen(
        self: &Arc<Self>,
        address: SocketAddr,
        stop: CancellationToken,
    ) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let site = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                let Ok((stream, _)) = accepted else { continue };
                let (site, stop) = (Arc::clone(&site), stop.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        // A connection that breaks is the client's to try again.
                        _ = site.serve(stream) => {}
                    }
                });
            }
        });
        Ok(address)
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) -> anyhow::Result<()> {
        let head = peek_head(&stream).await?;
        let line = head.lines().next().unwrap_or_default();
        let request = Request::of_line(line).context("a request begins with its line")?;
        if request.path == "/misbehave" || request.path == "/counts" {
            return self.control(stream).await;
        }
        // A dropped connection is what a venue that cannot be reached looks like from here.
        if self.clock.now_us() < self.conduct().refuse_until_us {
            self.count("refused_connections");
            return Ok(());
        }
        if head.to_ascii_lowercase().contains("upgrade: websocket") {
            self.count("streams");
            let shouts = self.shouts.subscribe();
            return stream::serve(self, stream, &request, shouts).await;
        }
        let request = plain_http::read(&mut stream).await?;
        self.count("rest_requests");
        let conduct = self.conduct();
        pause(Duration::from_secs(conduct.rest_slow_s)).await;
        if let Some(status) = conduct.rest_status {
            let body = json!({"message": "the fake venue fails on command"});
            return plain_http::answer(&mut stream, status, &body.to_string()).await;
        }
        let history = History {
            venue: self.venue,
            source: &self.source,
            conduct: &conduct,
            now_us: self.clock.now_us(),
        };
        let (status, body) = wire::rest(self.venue, &request, &history);
        plain_http::answer(&mut stream, status, &body).await
    }

    /// Takes a command or tells what was counted.
    async fn control(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        let request = plain_http::read(&mut stream).await?;
        if request.path == "/counts" {
            let counts = serde_json::to_string(&self.counts())?;
            return plain_http::answer(&mut stream, 200, &counts).await;
        }
        match serde_json::from_slice::<Misbehaviour>(&request.body) {
            Ok(command) => {
                self.command(command);
                let taken = serde_json::to_string(&command)?;
                plain_http::answer(&mut stream, 200, &taken).await
            }
            Err(error) => {
                let body = json!({"message": error.to_string()});
                plain_http::answer(&mut stream, 422, &body.to_string()).await
            }
        }
    }
}

/// The head of a request that stays unread, so that a WebSocket library finds it whole.
async fn peek_head(stream: &TcpStream) -> anyhow::Result<String> {
    let mut seen = vec![0_u8; LONGEST_HEAD];
    for _ in 0..LOOKS {
        let length = stream.peek(&mut seen).await?;
        ensure!(length > 0, "the client has gone");
        let read = seen.get(..length).unwrap_or_default();
        if read.windows(4).any(|four| four == b"\r\n\r\n") {
            return Ok(String::from_utf8_lossy(read).into_owned());
        }
        pause(Duration::from_millis(5)).await;
    }
    anyhow::bail!("the head of a request did not end")
}
