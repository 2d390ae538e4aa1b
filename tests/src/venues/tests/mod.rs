//! The fake venues met by a client through the server's own decoders.

mod honest;
mod misbehaving;

use std::time::Duration;

use datasets::Asset;
use domain::timestamp::SECOND_US;
use domain::{MarketClock, Venue, WallClock};
use futures::{SinkExt, StreamExt};
use server::prices::feeds::message::{DecodeError, Message, VenueTrade};
use server::prices::feeds::protocol::{decode, subscribe};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::market::symbol;
use super::{Market, Settings, Venues};

/// When the tests' clock begins: somewhere inside a bar.
const NOW_US: i64 = 1_709_640_123 * SECOND_US;
/// A frame that is on its way comes within this time.
const LIMIT: Duration = Duration::from_secs(20);

/// Three venues and the hand-moved clock that they follow.
async fn venues() -> (Venues, WallClock) {
    let clock = WallClock::manual(NOW_US);
    let settings = Settings::new(Market::new(5), MarketClock::live(clock.clone()));
    let venues = Venues::start(settings).await.expect("free ports");
    (venues, clock)
}

fn symbols(venue: Venue) -> Vec<String> {
    let names = Asset::ALL.map(|asset| symbol(venue, asset).to_owned());
    names.to_vec()
}

struct Client {
    venue: Venue,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    async fn connect(venues: &Venues, venue: Venue) -> Self {
        let (socket, _) = connect_async(venues.stream_url(venue))
            .await
            .expect("a stream");
        Self { venue, socket }
    }

    /// Connected, subscribed to both markets, and past everything that is said first.
    async fn subscribed(venues: &Venues, venue: Venue) -> Self {
        let mut client = Self::connect(venues, venue).await;
        client.say(&subscribe(venue, &symbols(venue))).await;
        let answers = if venue == Venue::Kraken { 2 } else { 1 };
        let mut heard = 0;
        while heard < answers {
            if matches!(client.message().await, Ok(Message::Subscribed(_))) {
                heard += 1;
            }
        }
        if venue == Venue::Kraken {
            for _ in Asset::ALL {
                client.trades().await;
            }
        }
        client
    }

    async fn say(&mut self, text: &str) {
        self.socket.send(Frame::text(text)).await.expect("sent");
    }

    /// The next frame with content; none when the venue has ended the connection.
    async fn frame(&mut self) -> Option<Vec<u8>> {
        loop {
            let next = tokio::time::timeout(LIMIT, self.socket.next());
            match next.await.expect("a frame within the limit") {
                Some(Ok(Frame::Text(text))) => return Some(text.as_bytes().to_vec()),
                Some(Ok(Frame::Binary(bytes))) => return Some(bytes.to_vec()),
                Some(Ok(Frame::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    async fn message(&mut self) -> Result<Message, DecodeError> {
        let frame = self.frame().await.expect("the connection lives");
        decode(self.venue, &frame)
    }

    /// The trades of the next frame that has any.
    async fn trades(&mut self) -> Vec<VenueTrade> {
        loop {
            match self.message().await.expect("a frame that is documented") {
                Message::Trades(trades) => return trades,
                Message::Other => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Trades until there are `count`.
    async fn many(&mut self, count: usize) -> Vec<VenueTrade> {
        let mut heard = Vec::new();
        while heard.len() < count {
            heard.extend(self.trades().await);
        }
        heard
    }
}

/// What is traded from the tests' first moment until `to_us`, both markets, by market and number.
fn truth(market: Market, venue: Venue, to_us: i64) -> Vec<VenueTrade> {
    let both = Asset::ALL.into_iter();
    both.flat_map(|asset| market.trades(venue, asset, NOW_US + 1, to_us + 1))
        .collect()
}

fn by_number(mut trades: Vec<VenueTrade>) -> Vec<VenueTrade> {
    trades.sort_by(|a, b| (&a.symbol, a.trade_id).cmp(&(&b.symbol, b.trade_id)));
    trades
}

/// A REST answer's status and bytes.
async fn get(url: &str) -> (u16, Vec<u8>) {
    let answer = reqwest::get(url).await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.bytes().await.expect("a body").to_vec())
}
