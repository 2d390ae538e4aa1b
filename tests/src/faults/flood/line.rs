//! One connection of a client with an address of its own, HTTP by hand: attackers break the rules,
//! and nothing here retries or hides what the server said.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// An answer is there by then.
const LIMIT: Duration = Duration::from_secs(25);

/// An open connection.
pub struct Line {
    stream: TcpStream,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status; 0 when the connection ended without one.
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Line {
    /// From 127.0.0.`host`; every address of 127.0.0.0/8 is this machine.
    ///
    /// # Errors
    /// When the server does not accept.
    pub async fn open(host: u8, server: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)))?;
        let stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the other side is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn answer(&mut self) -> anyhow::Result<Answer> {
        let answer = tokio::time::timeout(LIMIT, self.read());
        answer.await.context("no answer came")?
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// When the other side is gone or no answer comes in time.
    pub async fn ask(&mut self, request: &str) -> anyhow::Result<Answer> {
        self.send(request.as_bytes()).await?;
        self.answer().await
    }

    async fn read(&mut self) -> anyhow::Result<Answer> {
        let mut read = Vec::new();
        let end = loop {
            let mut part = [0_u8; 4_096];
            let length = self.stream.read(&mut part).await?;
            read.extend_from_slice(part.get(..length).context("a part")?);
            let end = read.windows(4).position(|four| four == b"\r\n\r\n");
            if end.is_some() || length == 0 {
                break end.unwrap_or(read.len());
            }
        };
        let head = String::from_utf8_lossy(read.get(..end).unwrap_or_default()).to_lowercase();
        let mut body = read.split_off(read.len().min(end + 4));
        let stated = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = stated.and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut rest = vec![0; length.saturating_sub(body.len())];
        self.stream.read_exact(&mut rest).await?;
        body.extend(rest);
        let status = head.split(' ').nth(1);
        Ok(Answer {
            status: status.and_then(|status| status.parse().ok()).unwrap_or(0),
            body: String::from_utf8_lossy(&body).into_owned(),
            head,
        })
    }
}

/// A request without a body.
#[must_use]
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: foretoken\r\n\r\n")
}

/// A request with a JSON body.
#[must_use]
pub fn json(method: &str, path: &str, key: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: foretoken\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
