//! HTTP/1.1 by hand: one request a connection, JSON answers.
//!
//! For the stand-ins of outside services, which have to break the protocol on command. Must never
//! serve anything but tests.

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request larger than this is refused.
const MOST_BYTES: usize = 4 << 20;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// Names and values of the query, as they were written.
    pub query: Vec<(String, String)>,
    /// Empty when the head names no length.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a name of the query.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut found = self.query.iter().filter(|(written, _)| written == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// The same as a whole number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.value(name)?.parse().ok()
    }

    /// A request without a body, from the head's first line.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Some(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: Vec::new(),
        })
    }
}

/// Reads one request; the head says how long its body is.
///
/// # Errors
/// When it ends early, is too large or no HTTP.
pub async fn read(stream: &mut TcpStream) -> anyhow::Result<Request> {
    let mut read = Vec::new();
    loop {
        let mut part = [0_u8; 8_192];
        let length = stream.read(&mut part).await?;
        ensure!(length > 0, "the request ended early");
        read.extend_from_slice(part.get(..length).context("a part")?);
        ensure!(read.len() <= MOST_BYTES, "the request is too large");
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let body = read.split_off(end + 4);
        let head = String::from_utf8_lossy(&read).into_owned();
        let mut request = head.lines().next().and_then(Request::of_line);
        let request = request.take().context("a request begins with its line")?;
        let length = body_length(&head)?;
        ensure!(length <= MOST_BYTES, "the request is too large");
        let mut rest = vec![0_u8; length.saturating_sub(body.len())];
        stream.read_exact(&mut rest).await?;
        return Ok(Request {
            body: [body, rest].concat(),
            ..request
        });
    }
}

fn body_length(head: &str) -> anyhow::Result<usize> {
    let lower = head.to_ascii_lowercase();
    let stated = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    Ok(stated.map_or(Ok(0), |length| length.trim().parse())?)
}

/// Answers with JSON and ends the connection.
///
/// # Errors
/// When the other side is gone.
pub async fn answer(stream: &mut TcpStream, status: u16, body: &str) -> anyhow::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_path_and_query() {
        let request = Request::of_line("GET /a/b?x=1&y=&z HTTP/1.1").expect("a line");
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("GET", "/a/b")
        );
        assert_eq!(request.number("x"), Some(1));
        assert_eq!(
            (request.value("y"), request.value("z")),
            (Some(""), Some(""))
        );
        assert_eq!(request.value("w"), None);
        assert_eq!(Request::of_line("GET"), None);
    }

    #[test]
    fn the_length_is_found_whatever_its_case() {
        let length = |head| body_length(head).expect("a length");
        assert_eq!(length("POST / HTTP/1.1\r\nContent-Length: 12\r\n\r\n"), 12);
        assert_eq!(length("GET / HTTP/1.1\r\n\r\n"), 0);
    }
}
