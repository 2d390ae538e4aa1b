//! A wire between a real runner and the server that delays or alters what the runner answers, and
//! tells which runs it was lent. Never invents a request.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use server::app::pause;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio_util::sync::CancellationToken;

/// What becomes of a runner's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// They arrive as they are.
    Honest,
    /// They arrive so much later.
    Late(Duration),
    /// The first digit of every probability is another one.
    Lying,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Relay {
    /// Where a runner joins.
    pub(super) url: String,
    leased: Mutex<BTreeSet<String>>,
    leases: AtomicU64,
    altered: AtomicU64,
    stop: CancellationToken,
}

impl Relay {
    /// Listens for one runner and passes on to the server at `server`, `http://HOST:PORT`.
    ///
    /// # Errors
    /// When no port is to be had.
    pub(super) async fn start(server: &str, wire: Wire) -> anyhow::Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let relay = Arc::new(Self {
            url: format!("http://{}", listener.local_addr()?),
            leased: Mutex::new(BTreeSet::new()),
            leases: AtomicU64::new(0),
            altered: AtomicU64::new(0),
            stop: CancellationToken::new(),
        });
        let address = server
            .strip_prefix("http://")
            .context("a plain address")?
            .to_owned();
        let (serving, stop) = (Arc::clone(&relay), relay.stop.clone());
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            while let Ok((runner, _)) = listener.accept().await {
                let relay = Arc::clone(&serving);
                let address = address.clone();
                tokio::spawn(async move {
                    // A runner that was killed breaks its connections.
                    relay.carry(runner, &address, wire).await.ok();
                });
            }
        }));
        Ok(relay)
    }

    /// Runs that the runner was lent a part of.
    pub(super) fn leases(&self) -> u64 {
        self.leases.load(Ordering::SeqCst)
    }

    /// Probabilities that were altered.
    pub(super) fn altered(&self) -> u64 {
        self.altered.load(Ordering::SeqCst)
    }

    /// The rounds of those runs.
    pub(super) fn rounds(&self) -> BTreeSet<String> {
        let leased = self.leased.lock().unwrap_or_else(PoisonError::into_inner);
        leased.clone()
    }

    async fn carry(&self, runner: TcpStream, server: &str, wire: Wire) -> anyhow::Result<()> {
        let server = TcpStream::connect(server).await?;
        let (from_runner, to_runner) = runner.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            done = self.carry_requests(from_runner, to_server, wire) => done,
            done = self.carry_answers(from_server, to_runner) => done,
        }
    }

    async fn carry_requests(
        &self,
        mut from: tcp::OwnedReadHalf,
        mut to: tcp::OwnedWriteHalf,
        wire: Wire,
    ) -> anyhow::Result<()> {
        let mut chunk = vec![0; 1 << 16];
        loop {
            let length = from.read(&mut chunk).await?;
            if length == 0 {
                return Ok(());
            }
            let part = chunk.get_mut(..length).context("what was read")?;
            match wire {
                Wire::Late(by) if find(part, b"/results HTTP").is_some() => pause(by).await,
                Wire::Lying => {
                    let altered = lie(part);
                    self.altered.fetch_add(altered, Ordering::SeqCst);
                }
                Wire::Honest | Wire::Late(_) => {}
            }
            to.write_all(part).await?;
        }
    }

    async fn carry_answers(
        &self,
        mut from: tcp::OwnedReadHalf,
        mut to: tcp::OwnedWriteHalf,
    ) -> anyhow::Result<()> {
        let mut chunk = vec![0; 1 << 16];
        loop {
            let length = from.read(&mut chunk).await?;
            if length == 0 {
                return Ok(());
            }
            let part = chunk.get(..length).context("what was read")?;
            to.write_all(part).await?;
            if let Some(round) = round_of(part) {
                let mut leased = self.leased.lock().unwrap_or_else(PoisonError::into_inner);
                leased.insert(round);
                drop(leased);
                self.leases.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The round of a lease, when `answer` holds one of a run.
fn round_of(answer: &[u8]) -> Option<String> {
    find(answer, br#""kind":"run""#)?;
    let name = br#""round":""#;
    let rest = answer.get(find(answer, name)? + name.len()..)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    String::from_utf8(rest.get(..end)?.to_vec()).ok()
}

/// Changes the first digit of each list of probabilities; gives how many.
fn lie(request: &mut [u8]) -> u64 {
    let name = br#""p":[0."#;
    let mut altered = 0;
    let mut at = 0;
    while let Some(found) = request.get(at..).and_then(|rest| find(rest, name)) {
        at += found + name.len();
        if let Some(digit) = request.get_mut(at).filter(|digit| digit.is_ascii_digit()) {
            *digit = b'0' + (*digit - b'0' + 4) % 10;
            altered += 1;
        }
    }
    altered
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lie_changes_the_first_digit_and_no_length() {
        let mut told = br#"{"results":[{"p":[0.512,0.4]},{"p":[]},{"p":[0.71]}]}"#.to_vec();
        let length = told.len();
        assert_eq!(lie(&mut told), 2);
        let expected = br#"{"results":[{"p":[0.912,0.4]},{"p":[]},{"p":[0.11]}]}"#;
        assert_eq!((told.as_slice(), told.len()), (expected.as_slice(), length));
    }

    #[test]
    fn a_lease_of_a_run_is_told_from_other_answers() {
        let lease = br#"{"lease":"run-b","kind":"run","round":"btc-1","models":[]}"#;
        assert_eq!(round_of(lease).as_deref(), Some("btc-1"));
        assert_eq!(round_of(br#"{"lease":"check-b","kind":"check"}"#), None);
        assert_eq!(round_of(b"HTTP/1.1 204 No Content\r\n\r\n"), None);
    }
}
