//! A stand-in for the server's runner API: real HTTP on a real port, one job, recorded answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What the stand-in knows and saw.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) key: String,
    /// Given out once each, first to last.
    pub(crate) jobs: Vec<Value>,
    /// Bytes by the name under which they are asked for.
    pub(crate) blobs: HashMap<String, Vec<u8>>,
    /// The answer to every request for a job, when set.
    pub(crate) refusal: Option<(u16, String)>,
    /// What the operator wants of the runner.
    pub(crate) drain: bool,
    pub(crate) machines: Vec<Value>,
    pub(crate) heartbeats: Vec<Value>,
    pub(crate) registrations: Vec<Value>,
    pub(crate) blob_requests: Vec<String>,
    pub(crate) results: Vec<Value>,
}

#[derive(Clone)]
pub(crate) struct Double {
    pub(crate) url: String,
    pub(crate) state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

impl Double {
    pub(crate) async fn start(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let double = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::new(Mutex::new(state)),
            changed: Arc::new(Notify::new()),
        };
        let serving = double.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        double
    }

    /// Waits until the state is as `seen` wants it.
    pub(crate) async fn until(&self, seen: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if seen(&self.state.lock().unwrap()) {
                return;
            }
            changed.await;
        }
    }

    async fn serve(&self, mut stream: TcpStream) {
        while let Some((line, body)) = request(&mut stream).await {
            let (status, answer) = self.answer(&line, &body);
            self.changed.notify_waiters();
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            if stream.write_all(head.as_bytes()).await.is_err()
                || stream.write_all(&answer).await.is_err()
            {
                return;
            }
        }
    }

    fn answer(&self, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut state = self.state.lock().unwrap();
        let authorized = head
            .lines()
            .any(|line| line.eq_ignore_ascii_case(&format!("authorization: Bearer {}", state.key)));
        if !authorized {
            return (401, Vec::new());
        }
        let target = head.split_whitespace().nth(1).unwrap_or_default();
        let parts: Vec<&str> = target.trim_start_matches("/api/v1/").split('/').collect();
        match parts[..] {
            ["runner", "registrations"] => {
                state.machines.push(serde_json::from_slice(body).unwrap());
                let answer = json!({"heartbeat_ms": 100, "drain": state.drain});
                (200, answer.to_string().into_bytes())
            }
            ["runner", "heartbeats"] => {
                state.heartbeats.push(serde_json::from_slice(body).unwrap());
                (200, json!({"drain": state.drain}).to_string().into_bytes())
            }
            ["runner", "jobs", "next"] => {
                state
                    .registrations
                    .push(serde_json::from_slice(body).unwrap());
                if let Some((status, problem)) = &state.refusal {
                    return (*status, problem.clone().into_bytes());
                }
                if state.jobs.is_empty() {
                    return (204, Vec::new());
                }
                (200, state.jobs.remove(0).to_string().into_bytes())
            }
            ["runner", "blobs", digest] => {
                state.blob_requests.push(digest.to_owned());
                match state.blobs.get(digest) {
                    Some(bytes) => (200, bytes.clone()),
                    None => (404, b"no such blob".to_vec()),
                }
            }
            ["runner", "jobs", _, "results"] => {
                let sent: Value = serde_json::from_slice(body).unwrap();
                let results = sent["results"].as_array().unwrap().clone();
                state.results.extend(results);
                (204, Vec::new())
            }
            _ => (404, Vec::new()),
        }
    }
}

/// The head and the body of the next request on this connection.
async fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head
        .lines()
        .filter_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")
                .map(str::to_owned)
        })
        .find_map(|value| value.trim().parse::<usize>().ok())
        .unwrap_or_default();
    let mut body = bytes.split_off(end);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}
