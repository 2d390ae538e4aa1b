//! One WebSocket connection of a fake venue, from its handshake to its end.
//!
//! Owns what this client has been sent. Must never decide what the venue does wrong: it looks at
//! the venue's conduct each time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use datasets::Asset;
use domain::Venue;
use domain::timestamp::SECOND_US;
use futures::{SinkExt, StreamExt};
use server::app::pause;
use server::prices::feeds::message::VenueTrade;
use tokio::net::TcpStream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::misbehaviour::Conduct;
use super::site::{Shout, Site};
use super::source::Source;
use super::wire;
use crate::plain_http::Request;

/// Between two looks at the clock.
const LOOK: Duration = Duration::from_millis(10);
/// Who says nothing for so long is left: Binance after an unanswered ping, Kraken always.
const SILENCE_US: i64 = 60 * SECOND_US;
/// A frame that is sent out of order comes up to so much later, a repeated one too.
const SHUFFLE_US: u64 = 2_000_000;
/// The length of a huge frame, bytes.
const HUGE: usize = 2 << 20;

/// A frame on its way, and when it goes out.
struct Outgoing {
    due_us: i64,
    text: String,
}

struct Connection {
    site: Arc<Site>,
    socket: WebSocketStream<TcpStream>,
    is_combined: bool,
    /// The last trade of each market that this client has had its chance of.
    done: BTreeMap<Asset, i64>,
    /// Until when a recording has been played.
    played_us: i64,
    outgoing: Vec<Outgoing>,
    heartbeat_us: i64,
    heard_us: i64,
    ping_us: i64,
    unanswered_ping_us: Option<i64>,
}

/// Serves a client whose request begins with `request` and is not read yet, until either side
/// ends it.
pub(super) async fn serve(
    site: Arc<Site>,
    stream: TcpStream,
    request: &Request,
    mut shouts: Receiver<Shout>,
) -> anyhow::Result<()> {
    let socket = accept_async(stream).await?;
    let now_us = site.clock.now_us();
    let mut connection = Connection {
        is_combined: request.path.starts_with("/stream"),
        socket,
        done: BTreeMap::new(),
        played_us: now_us,
        outgoing: Vec::new(),
        heartbeat_us: now_us,
        heard_us: now_us,
        ping_us: now_us,
        unanswered_ping_us: None,
        site,
    };
    if let Some(greeting) = wire::greeting(connection.site.venue) {
        connection.say(greeting).await?;
    }
    let assets = url_assets(connection.site.venue, request);
    connection.subscribe(&assets).await?;
    loop {
        tokio::select! {
            heard = connection.socket.next() => match heard {
                Some(heard) => connection.hear(heard?).await?,
                None => return Ok(()),
            },
            shout = shouts.recv() => match shout {
                Ok(shout) => {
                    if !connection.obey(shout).await? {
                        return Ok(());
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            () = pause(LOOK) => connection.look().await?,
        }
    }
}

/// Binance takes subscriptions in the address too: `/ws/btcusdt@trade`, `?streams=a/b`.
fn url_assets(venue: Venue, request: &Request) -> Vec<Asset> {
    if venue != Venue::Binance {
        return Vec::new();
    }
    let named = request.path.strip_prefix("/ws/").unwrap_or_default();
    let listed = request.value("streams").unwrap_or_default();
    let names = named.split('/').chain(listed.split('/'));
    names.filter_map(wire::binance::stream_asset).collect()
}

impl Connection {
    fn now_us(&self) -> i64 {
        self.site.clock.now_us()
    }

    async fn say(&mut self, text: String) -> anyhow::Result<()> {
        self.site.count("frames");
        Ok(self.socket.send(Message::text(text)).await?)
    }

    async fn hear(&mut self, message: Message) -> anyhow::Result<()> {
        self.heard_us = self.now_us();
        match message {
            Message::Text(text) => {
                let heard = wire::hear(self.site.venue, &text, self.now_us());
                let venue = self.site.venue;
                if wire::is_snapshot_first(venue) {
                    self.subscribe(&heard.subscribed).await?;
                }
                for answer in heard.answers {
                    self.say(answer).await?;
                }
                if !wire::is_snapshot_first(venue) {
                    self.subscribe(&heard.subscribed).await?;
                }
                Ok(())
            }
            Message::Pong(_) => {
                self.unanswered_ping_us = None;
                Ok(())
            }
            // The library answers pings and closing by itself.
            _ => Ok(()),
        }
    }

    /// Sends the snapshots of new markets; their trades follow from here on.
    async fn subscribe(&mut self, assets: &[Asset]) -> anyhow::Result<()> {
        let (venue, now_us) = (self.site.venue, self.now_us());
        for asset in assets {
            let conduct = self.site.conduct();
            let last = self.site.source.last_id(venue, *asset, now_us);
            let first = last - wire::snapshot(venue) + 1;
            let newest = self
                .site
                .source
                .numbered(venue, *asset, (first, last), now_us);
            let newest: Vec<VenueTrade> = newest
                .into_iter()
                .map(|trade| conduct.streamed(*asset, trade))
                .collect();
            let frame = wire::snapshot_frame(venue, &newest);
            if let Some(frame) = frame.filter(|_| !conduct.is_muted(*asset) && !newest.is_empty()) {
                self.say(frame).await?;
            }
            self.done.insert(*asset, last);
        }
        Ok(())
    }

    /// Does what happens to connections at once; false when this one ends with it.
    async fn obey(&mut self, shout: Shout) -> anyhow::Result<bool> {
        match shout {
            Shout::Drop => return Ok(false),
            Shout::Cut => {
                if let Some(farewell) = wire::farewell(self.site.venue, self.now_us()) {
                    self.say(farewell).await?;
                }
                let frame = CloseFrame {
                    code: CloseCode::Away,
                    reason: "24 hours".into(),
                };
                self.socket.close(Some(frame)).await?;
                return Ok(false);
            }
            Shout::Garbage => {
                self.say("this is no JSON".into()).await?;
                self.say(r#"{"weather":["sunny",17.5]}"#.into()).await?;
                self.say(r#"[[[["#.into()).await?;
                let bytes = Message::binary(vec![0xff_u8, 0xfe, 0x00, 0x7b]);
                self.socket.send(bytes).await?;
                if let Some(frame) = self.some_frame() {
                    let half = frame.get(..frame.len() / 2).unwrap_or_default().to_owned();
                    self.say(half).await?;
                }
            }
            Shout::Huge => self.say(" ".repeat(HUGE)).await?,
        }
        Ok(true)
    }

    /// A true frame of some market.
    fn some_frame(&self) -> Option<String> {
        let (venue, now_us) = (self.site.venue, self.now_us());
        let last = self.site.source.last_id(venue, Asset::Btc, now_us);
        let trade = self
            .site
            .source
            .numbered(venue, Asset::Btc, (last, last), now_us);
        wire::frames(venue, &trade, self.is_combined).pop()
    }

    /// Sends what is due.
    async fn look(&mut self) -> anyhow::Result<()> {
        let now_us = self.now_us();
        self.keep_alive(now_us).await?;
        let site = Arc::clone(&self.site);
        let conduct = site.conduct();
        match &site.source {
            Source::Generated(_) => self.collect(&conduct, now_us),
            Source::Recorded(recording) => {
                let frames = recording.between(self.played_us, now_us);
                let is_sent = !self.done.is_empty() && !conduct.is_mute;
                for frame in frames.filter(|_| is_sent) {
                    self.queue(&conduct, frame.to_owned(), now_us);
                }
            }
        }
        self.played_us = now_us;
        let waiting = std::mem::take(&mut self.outgoing);
        let (due, later): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|frame| frame.due_us <= now_us);
        self.outgoing = later;
        for frame in due {
            self.say(frame.text).await?;
        }
        Ok(())
    }

    /// Queues the trades that have happened since the last look.
    fn collect(&mut self, conduct: &Conduct, now_us: i64) {
        let venue = self.site.venue;
        let markets: Vec<(Asset, i64)> = self.done.iter().map(|(a, id)| (*a, *id)).collect();
        for (asset, done) in markets {
            let last = self.site.source.last_id(venue, asset, now_us);
            if last <= done {
                continue;
            }
            self.done.insert(asset, last);
            if conduct.is_muted(asset) {
                continue;
            }
            let trades = self
                .site
                .source
                .numbered(venue, asset, (done + 1, last), now_us);
            let stated: Vec<VenueTrade> = trades
                .into_iter()
                .map(|trade| conduct.streamed(asset, trade))
                .collect();
            for frame in wire::frames(venue, &stated, self.is_combined) {
                self.queue(conduct, frame, now_us);
            }
        }
    }

    fn queue(&mut self, conduct: &Conduct, text: String, now_us: i64) {
        let dice = &self.site.dice;
        let happens = |percent: u8| dice.below(100) < u64::from(percent);
        let later = || i64::try_from(dice.below(SHUFFLE_US)).unwrap_or(0);
        let mut due_us = now_us + conduct.late_us;
        if happens(conduct.duplicate_percent) {
            self.site.count("duplicated");
            let again = Outgoing {
                due_us: due_us + later(),
                text: text.clone(),
            };
            self.outgoing.push(again);
        }
        if happens(conduct.reorder_percent) {
            self.site.count("reordered");
            due_us += later();
        }
        self.outgoing.push(Outgoing { due_us, text });
    }

    /// Heartbeats and pings; an error ends the connection of a client that is silent.
    async fn keep_alive(&mut self, now_us: i64) -> anyhow::Result<()> {
        let venue = self.site.venue;
        let is_due = now_us - self.heartbeat_us >= SECOND_US && !self.done.is_empty();
        if let Some(heartbeat) = wire::heartbeat(venue).filter(|_| is_due) {
            self.heartbeat_us = now_us;
            self.say(heartbeat.to_owned()).await?;
        }
        let silent_us = match venue {
            Venue::Binance => self.unanswered_ping_us,
            Venue::Kraken => Some(self.heard_us),
            Venue::Coinbase => None,
        };
        if silent_us.is_some_and(|since| now_us - since > SILENCE_US) {
            self.site.count("silent_clients_left");
            self.socket.close(None).await?;
            bail!("a silent client");
        }
        if venue == Venue::Binance && now_us - self.ping_us >= self.site.ping_every_us {
            self.ping_us = now_us;
            self.unanswered_ping_us.get_or_insert(now_us);
            let text = now_us.to_string().into_bytes();
            self.socket.send(Message::Ping(text.into())).await?;
        }
        Ok(())
    }
}
