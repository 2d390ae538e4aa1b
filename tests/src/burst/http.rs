//! HTTP/1.1 over one connection that is kept, by hand: the machine that is measured also carries
//! the load, so the load must cost little.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer answers are refused.
const MOST_BYTES: usize = 1 << 20;

/// One kept connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    host: SocketAddr,
    /// What was read and not answered yet.
    read: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(host: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host,
            read: Vec::new(),
        })
    }

    /// Sends JSON with a key and reads the answer.
    ///
    /// # Errors
    /// When the connection ends before the answer.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        key: &str,
        body: &str,
    ) -> std::io::Result<Reply> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        loop {
            if let Some((reply, length)) = parse(&self.read)? {
                self.read.drain(..length);
                return Ok(reply);
            }
            if self.read.len() > MOST_BYTES {
                return Err(Error::new(ErrorKind::InvalidData, "the answer is too long"));
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// A whole answer at the front of `read`, and its length.
fn parse(read: &[u8]) -> std::io::Result<Option<(Reply, usize)>> {
    let bad = || Error::new(ErrorKind::InvalidData, "no HTTP answer with a length");
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = read
        .get(..end)
        .and_then(|head| std::str::from_utf8(head).ok());
    let head = head.ok_or_else(bad)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.and_then(|code| code.parse().ok()).ok_or_else(bad)?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = end + 4 + length.ok_or_else(bad)?;
    let Some(body) = read.get(end + 4..whole) else {
        return Ok(None);
    };
    let body = String::from_utf8_lossy(body).into_owned();
    Ok(Some((Reply { status, body }, whole)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let text = b"HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\nx: y\r\n\r\nlateHTTP/1.1";
        for cut in 0..text.len() - 8 {
            assert_eq!(parse(&text[..cut]).expect("no nonsense"), None, "{cut}");
        }
        let (reply, length) = parse(text).expect("HTTP").expect("whole");
        assert_eq!((reply.status, reply.body.as_str()), (409, "late"));
        assert_eq!(length, text.len() - 8);
        assert!(parse(b"nonsense\r\n\r\n").is_err());
    }
}
