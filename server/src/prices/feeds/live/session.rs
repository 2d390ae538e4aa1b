//! One connection to one venue, from the handshake to its end.
//!
//! Owns when a connection is given up. Must never write anything: what it hears goes to the keeper.

use std::sync::Arc;
use std::time::Duration;

use domain::timestamp::SECOND_US;
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

use super::keeper::Event;
use super::venue::Followed;
use crate::prices::feeds::message::{DecodeError, LONGEST_FRAME, Message, shortened};
use crate::prices::feeds::protocol;
use crate::wall::pause;

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was never made.
    NotMade(String),
    /// The venue closed it, or it broke.
    Closed(String),
    /// The venue refused the subscription.
    Refused(String),
    /// No trade of any market for too long.
    Idle(u64),
    /// A market is mute although others trade.
    Mute(String),
    /// We made it end before the venue cuts it.
    Planned,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotMade(why) => write!(f, "no connection: {why}"),
            Self::Closed(why) => write!(f, "connection lost: {why}"),
            Self::Refused(why) => write!(f, "subscription refused: {why}"),
            Self::Idle(seconds) => write!(f, "no trade for {seconds} s"),
            Self::Mute(why) => write!(f, "mute: {why}"),
            Self::Planned => f.write_str("planned reconnect before the daily cut"),
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Runs one connection until it ends; answers why, and whether any trade came.
pub(super) async fn run(
    followed: &Followed,
    events: &mpsc::Sender<Event>,
    orders: &mut mpsc::Receiver<String>,
) -> (End, bool) {
    // An order to reconnect meant the connection before this one.
    while orders.try_recv().is_ok() {}
    let mut socket = match connect(followed).await {
        Ok(socket) => socket,
        Err(why) => return (End::NotMade(why), false),
    };
    let since_us = followed.clock.now_us();
    followed.connected(since_us);
    let mut session = Session {
        followed,
        events,
        since_us,
        trade_us: since_us,
        has_traded: false,
    };
    let end = session.listen(&mut socket, orders).await;
    let closing = socket.close(None);
    tokio::select! {
        _ = closing => {}
        () = pause(Duration::from_secs(1)) => {}
    }
    (end, session.has_traded)
}

async fn connect(followed: &Followed) -> Result<Socket, String> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LONGEST_FRAME))
        .max_frame_size(Some(LONGEST_FRAME));
    let connector = Some(Connector::Rustls(Arc::clone(&followed.tls)));
    let address = followed.settings.stream.as_str();
    let connecting =
        tokio_tungstenite::connect_async_tls_with_config(address, Some(config), true, connector);
    let seconds = followed.patience.answer_s;
    let mut socket = tokio::select! {
        connected = connecting => connected.map_err(|error| shortened(&error.to_string()))?.0,
        () = pause(Duration::from_secs(seconds)) => {
            return Err(format!("no answer within {seconds} s"));
        }
    };
    let symbols: Vec<String> = followed.settings.markets.values().cloned().collect();
    let text = protocol::subscribe(followed.settings.name, &symbols);
    socket
        .send(Frame::text(text))
        .await
        .map_err(|error| shortened(&error.to_string()))?;
    Ok(socket)
}

struct Session<'a> {
    followed: &'a Followed,
    events: &'a mpsc::Sender<Event>,
    since_us: i64,
    /// When the last trade of any market came. Heartbeats and pings do not count: a connection can
    /// live while its subscription is dead.
    trade_us: i64,
    has_traded: bool,
}

impl Session<'_> {
    async fn listen(&mut self, socket: &mut Socket, orders: &mut mpsc::Receiver<String>) -> End {
        let patience = self.followed.patience;
        let longest = micros(patience.longest_connection_s);
        let mut ping_us = self.since_us + micros(patience.ping_s);
        loop {
            let now_us = self.followed.clock.now_us();
            let idle_us = self.trade_us + micros(patience.idle_s);
            let planned_us = self.since_us + longest;
            if now_us >= idle_us {
                return End::Idle(patience.idle_s);
            }
            if now_us >= planned_us {
                return End::Planned;
            }
            if now_us >= ping_us {
                if let Some(text) = protocol::ping(self.followed.settings.name)
                    && let Err(error) = socket.send(Frame::text(text)).await
                {
                    return End::Closed(shortened(&error.to_string()));
                }
                ping_us = now_us + micros(patience.ping_s);
            }
            let next_us = idle_us.min(planned_us).min(ping_us);
            let wait = self.followed.clock.wall_until(next_us);
            tokio::select! {
                () = pause(wait) => {}
                Some(order) = orders.recv() => return End::Mute(order),
                frame = socket.next() => {
                    if let Err(end) = self.take(frame).await {
                        return end;
                    }
                }
            }
        }
    }

    async fn take(
        &mut self,
        frame: Option<Result<Frame, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<(), End> {
        let text = match frame {
            None => return Err(End::Closed("the venue closed it".into())),
            Some(Err(error)) => return Err(End::Closed(shortened(&error.to_string()))),
            Some(Ok(Frame::Close(frame))) => {
                let why = frame.map(|frame| format!("{}: {}", frame.code, frame.reason));
                let why = why.unwrap_or_else(|| "the venue closed it".into());
                return Err(End::Closed(shortened(&why)));
            }
            Some(Ok(Frame::Text(text))) => text.as_str().to_owned(),
            // No venue documents binary frames: garbage that need not be text.
            Some(Ok(Frame::Binary(bytes))) => String::from_utf8_lossy(&bytes).into_owned(),
            Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => return Ok(()),
        };
        let now_us = self.followed.clock.now_us();
        let decoded = protocol::decode(self.followed.settings.name, text.as_bytes());
        self.followed.count(now_us, &decoded);
        let trades = match decoded {
            Ok(Message::Trades(trades)) => trades,
            Ok(Message::Refused(why)) => return Err(End::Refused(why)),
            Ok(Message::Closing) => {
                return Err(End::Closed("the venue announced that it closes".into()));
            }
            Ok(Message::Subscribed(_) | Message::Other) => Vec::new(),
            Err(error) => {
                let venue = self.followed.settings.name.name();
                let is_unknown = matches!(error, DecodeError::Unknown(_));
                tracing::debug!(venue, %error, is_unknown, "a frame is not used");
                Vec::new()
            }
        };
        if !trades.is_empty() {
            self.trade_us = now_us;
            self.has_traded = true;
        }
        let heard = Event::Heard {
            venue: self.followed.settings.name,
            receive_time_us: now_us,
            frame: text,
            trades,
        };
        // The keeper ends only with the process.
        self.events.send(heard).await.ok();
        Ok(())
    }
}

fn micros(seconds: u64) -> i64 {
    i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(SECOND_US)
}
