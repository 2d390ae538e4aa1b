//! Those who ask too much, too slowly, or for what is not there; each from an address of its own,
//! until the row ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use server::app::pause;
use tokio::task::JoinSet;

use super::line::{Line, get, json};

/// Connections that flood with reads, and as many with predictions, each as fast as it is answered.
const FLOOD_LINES: usize = 16;
/// More than an address may have.
const SLOW_LINES: usize = 300;
const DRIBBLES: usize = 20;

/// What no handler should ever see, and what must be answered.
const TRICKS: [(&str, &[u16]); 9] = [
    ("/api/v1/%2e%2e/%2e%2e/etc/passwd", &[404]),
    ("/api/v1/../../etc/passwd", &[404]),
    ("//api//v1//time", &[404]),
    ("/api/v1/models/%00", &[400]),
    ("/api/v1/models/%ff%fe", &[400]),
    ("/api/v1/models/..%2f..%2fkeys%2freceipt.key", &[404]),
    ("/record/../keys/receipt.key", &[404]),
    ("/record/%2e%2e/keys/receipt.key", &[404]),
    ("/static/..%2f..%2fCargo.toml", &[404]),
];

/// What the attackers were told.
#[derive(Debug, Default)]
pub struct Told {
    /// Requests that were let through.
    pub served: AtomicU64,
    /// Requests over a limit.
    pub limited: AtomicU64,
    /// Connections over the limit of an address.
    pub turned_away: AtomicU64,
    /// Bodies that came too slowly.
    pub too_slow: AtomicU64,
    /// Bodies that were too large.
    pub too_large: AtomicU64,
    /// Tricks that got a clean refusal.
    pub clean: AtomicU64,
    /// Answers that nobody should get.
    pub wrong: AtomicU64,
}

impl Told {
    fn count(&self, status: u16) {
        let counter = match status {
            200..=299 => &self.served,
            408 => &self.too_slow,
            413 => &self.too_large,
            429 => &self.limited,
            _ => &self.wrong,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Starts all of them; they end when the set is dropped.
pub fn start(server: SocketAddr, key: &str, put: &str, told: &Arc<Told>) -> JoinSet<()> {
    let mut set = JoinSet::new();
    let read = get("/api/v1/rounds?limit=50");
    let write = json("PUT", put, key, "{\"p\":0.51}");
    for _ in 0..FLOOD_LINES {
        set.spawn(flood(server, 3, read.clone(), Arc::clone(told)));
        set.spawn(flood(server, 4, write.clone(), Arc::clone(told)));
    }
    set.spawn(crowd(server, Arc::clone(told)));
    for _ in 0..DRIBBLES {
        set.spawn(dribble(server, key.to_owned(), Arc::clone(told)));
    }
    set.spawn(giants(server, key.to_owned(), Arc::clone(told)));
    set.spawn(tricks(server, Arc::clone(told)));
    set
}

/// One request over and over.
async fn flood(server: SocketAddr, host: u8, request: String, told: Arc<Told>) {
    while let Ok(mut line) = Line::open(host, server).await {
        while let Ok(answer) = line.ask(&request).await {
            told.count(answer.status);
        }
    }
}

/// Heads that never end, on as many connections as there are.
async fn crowd(server: SocketAddr, told: Arc<Told>) {
    let mut lines = Vec::new();
    for _ in 0..SLOW_LINES {
        if let Ok(mut line) = Line::open(5, server).await {
            line.send(b"GET /api/v1/time HTTP/1.1\r\nx-a: ").await.ok();
            lines.push(line);
        }
    }
    // Those that were not accepted have their answer already.
    for line in &mut lines {
        let soon = tokio::time::timeout(Duration::from_millis(5), line.answer());
        if let Ok(Ok(answer)) = soon.await
            && answer.status == 429
        {
            told.turned_away.fetch_add(1, Ordering::Relaxed);
        }
    }
    loop {
        for line in &mut lines {
            line.send(b"a").await.ok();
        }
        pause(Duration::from_secs(1)).await;
    }
}

/// A body that comes a byte at a time.
async fn dribble(server: SocketAddr, key: String, told: Arc<Told>) {
    let Ok(mut line) = Line::open(6, server).await else {
        return;
    };
    let head = json("POST", "/api/v1/models", &key, &" ".repeat(5_000));
    let head = head.trim_end_matches(' ').to_owned();
    line.send(head.as_bytes()).await.ok();
    for _ in 0..15 {
        line.send(b" ").await.ok();
        let soon = tokio::time::timeout(Duration::from_secs(1), line.answer());
        if let Ok(Ok(answer)) = soon.await {
            told.count(answer.status);
            return;
        }
    }
}

/// Bodies that are larger than anything, said to be so or not.
async fn giants(server: SocketAddr, key: String, told: Arc<Told>) {
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    let head = |length: &str| {
        format!(
            "POST /api/v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\n{length}\r\n\r\n"
        )
    };
    for number in 0_u64.. {
        let Ok(mut line) = Line::open(7, server).await else {
            return;
        };
        let is_said = number.is_multiple_of(2);
        let length = match is_said {
            true => "content-length: 100000000",
            false => "transfer-encoding: chunked",
        };
        let mut sent = line.send(head(length).as_bytes()).await;
        for _ in 0..20 {
            if is_said || sent.is_err() {
                break;
            }
            sent = line.send(chunk.as_bytes()).await;
        }
        // A server that closes while we send may take its answer with it.
        if let Ok(answer) = line.answer().await {
            told.count(answer.status);
        }
        pause(Duration::from_millis(100)).await;
    }
}

/// Paths that mean something else than they say.
async fn tricks(server: SocketAddr, told: Arc<Told>) {
    loop {
        for (path, expected) in TRICKS {
            let Ok(mut line) = Line::open(8, server).await else {
                return;
            };
            if let Ok(answer) = line.ask(&get(path)).await {
                let is_clean = expected.contains(&answer.status) || answer.status == 429;
                let counter = if is_clean { &told.clean } else { &told.wrong };
                counter.fetch_add(1, Ordering::Relaxed);
            }
            pause(Duration::from_millis(20)).await;
        }
    }
}
