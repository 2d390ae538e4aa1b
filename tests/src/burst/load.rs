//! The load: bots post one after the other over a fixed number of kept connections, each
//! connection as fast as it is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::{MarketClock, RoundId};
use tokio::task::JoinSet;

use super::http::{Connection, Reply};
use super::stage::Bot;

/// What is sent, and until when.
#[derive(Clone, Debug)]
pub struct Load {
    /// For which round.
    pub round: RoundId,
    /// The server's clock.
    pub market: MarketClock,
    /// The turn with which the bots begin: every turn posts another probability.
    pub first_turn: usize,
    /// Turns of every bot; `None`: as many as there is time for.
    pub turns: Option<usize>,
    /// Nothing is sent from this market moment on, microseconds.
    pub until_us: i64,
}

/// One request and what came of it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Which bot.
    pub bot: usize,
    /// When, market microseconds.
    pub sent_us: i64,
    /// When its answer was there.
    pub answered_us: i64,
    /// The answer.
    pub answer: Answer,
}

impl Sent {
    /// The number of its receipt, if it has one.
    #[must_use]
    pub fn sequence(&self) -> Option<i64> {
        match self.answer {
            Answer::Acknowledged { sequence, .. } => Some(sequence),
            _ => None,
        }
    }
}

/// What a bot was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has a receipt.
    Acknowledged {
        /// The receipt's number.
        sequence: i64,
        /// When the server had read the request whole, market microseconds.
        received_us: i64,
    },
    /// A refusal and its code.
    Refused(String),
    /// The connection ended before.
    Nothing,
}

/// Opens connections that are kept.
///
/// # Errors
/// When the server does not take one.
pub async fn connect(server: SocketAddr, count: usize) -> anyhow::Result<Vec<Connection>> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        connections.push(Connection::open(server).await?);
    }
    Ok(connections)
}

/// Sends the load over all connections and gives every request. A connection that ends is not
/// opened again.
///
/// # Errors
/// When the server answers what no receipt and no problem is.
pub async fn run(
    load: &Load,
    bots: &Arc<Vec<Bot>>,
    connections: Vec<Connection>,
) -> anyhow::Result<Vec<Sent>> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for connection in connections {
        let (load, bots, next) = (load.clone(), Arc::clone(bots), Arc::clone(&next));
        tasks.spawn(async move { post(&load, &bots, &next, connection).await });
    }
    let mut sent = Vec::new();
    while let Some(done) = tasks.join_next().await {
        sent.extend(done??);
    }
    Ok(sent)
}

async fn post(
    load: &Load,
    bots: &[Bot],
    next: &AtomicUsize,
    mut connection: Connection,
) -> anyhow::Result<Vec<Sent>> {
    let last = load.turns.map_or(usize::MAX, |turns| turns * bots.len());
    let mut sent = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let (bot, turn) = (number % bots.len(), load.first_turn + number / bots.len());
        let sent_us = load.market.now_us();
        let Some(who) = bots
            .get(bot)
            .filter(|_| number < last && sent_us < load.until_us)
        else {
            return Ok(sent);
        };
        let path = format!("/api/v1/rounds/{}/predictions/{}", load.round, who.model);
        let body = format!("{{\"p\":0.{}}}", 400 + turn % 200);
        let reply = connection.send("PUT", &path, &who.key, &body).await;
        let is_over = reply.is_err();
        sent.push(Sent {
            bot,
            sent_us,
            answered_us: load.market.now_us(),
            answer: reply.map_or(Ok(Answer::Nothing), |reply| read(&reply))?,
        });
        if is_over {
            return Ok(sent);
        }
    }
}

fn read(reply: &Reply) -> anyhow::Result<Answer> {
    let answer = if reply.status == 200 {
        let (sequence, received_us) = (number(reply, "sequence"), number(reply, "received_us"));
        sequence
            .zip(received_us)
            .map(|(sequence, received_us)| Answer::Acknowledged {
                sequence,
                received_us,
            })
    } else {
        after(reply, "code").and_then(|text| {
            let code = text.strip_prefix('"')?.split('"').next()?;
            Some(Answer::Refused(code.to_owned()))
        })
    };
    answer.ok_or_else(|| anyhow::anyhow!("the server answered {} {}", reply.status, reply.body))
}

/// What stands behind a member's name: cheaper than reading the whole answer.
fn after<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let (_, rest) = reply.body.split_once(&format!("\"{name}\":"))?;
    Some(rest)
}

fn number(reply: &Reply, name: &str) -> Option<i64> {
    let rest = after(reply, name)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_and_problems_are_told_apart() {
        let reply = |status, body: &str| Reply {
            status,
            body: body.to_owned(),
        };
        let receipt = reply(200, r#"{"stake":null,"sequence":17,"received_us":5}"#);
        let expected = Answer::Acknowledged {
            sequence: 17,
            received_us: 5,
        };
        assert_eq!(read(&receipt).expect("a receipt"), expected);
        let late = reply(409, r#"{"title":"x","code":"late","remedy":"y"}"#);
        assert_eq!(
            read(&late).expect("a problem"),
            Answer::Refused("late".to_owned())
        );
        assert!(read(&reply(200, "{}")).is_err() && read(&reply(500, "oops")).is_err());
    }
}
