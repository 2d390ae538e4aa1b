//! A key's secret is nowhere but in the answer that shows it once: not in logs, not in other
//! answers, not in the database, whatever a caller does with the key by mistake.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing_subscriber::fmt::MakeWriter;

use super::World;
use crate::accounts::{self, Scope};
use crate::api::extract::write_uses;

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// One HTTP/1.1 exchange, byte by byte: no client that logs or refuses on its own.
async fn exchange(server: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(server).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("answers");
    String::from_utf8_lossy(&answer).into_owned()
}

fn request(line: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Everything that a caller might do with a key.
fn mistakes(key: &str, model: &str, round: &str) -> Vec<(String, &'static str)> {
    let bearer = format!("Authorization: Bearer {key}\r\n");
    let cut = &key[..key.len() - 3];
    let encoded = key.replace('_', "%5F");
    let prediction = format!("PUT /api/v1/rounds/{round}/predictions/{model}");
    vec![
        (request("GET /api/v1/account", &bearer, ""), "200 OK"),
        (request(&prediction, &bearer, "{\"p\":0.5}"), "200 OK"),
        (request("GET /api/v1/keys", &bearer, ""), "403 Forbidden"),
        (
            request(
                "GET /api/v1/account",
                &format!("Authorization: Bearer {cut}\r\n"),
                "",
            ),
            "401 Unauthorized",
        ),
        (
            request(
                "GET /api/v1/account",
                &format!("Authorization: {key}\r\n"),
                "",
            ),
            "401 Unauthorized",
        ),
        (
            request(
                "GET /api/v1/account",
                &format!("Authorization: Basic {key}\r\n"),
                "",
            ),
            "401 Unauthorized",
        ),
        (
            request(
                "GET /api/v1/account",
                &format!("X-Request-Id: {key}\r\n"),
                "",
            ),
            "401 Unauthorized",
        ),
        (
            request(&format!("GET /api/v1/account?key={key}"), "", ""),
            "400 Bad Request",
        ),
        (
            request(
                &format!("GET /api/v1/models?tournament={encoded}"),
                &bearer,
                "",
            ),
            "400 Bad Request",
        ),
        (
            request(&format!("GET /api/v1/{key}"), "", ""),
            "400 Bad Request",
        ),
        (
            request(&format!("DELETE /api/v1/keys/{key}"), &bearer, ""),
            "400 Bad Request",
        ),
        (
            request(&format!("PUT /api/v1/rounds/{key}/predictions/x"), "", "{}"),
            "400 Bad Request",
        ),
        (
            request(&prediction, &bearer, &format!("{{\"p\":\"{key}\"}}")),
            "422 Unprocessable",
        ),
        (
            request(&prediction, &bearer, &format!("{{\"{key}\":1}}")),
            "422 Unprocessable",
        ),
        (
            request(
                &prediction,
                &bearer,
                &format!("{{\"p\":0.5,\"stake\":\"{key}\"}}"),
            ),
            "422 Unprocessable",
        ),
        (
            request(
                "POST /api/v1/accounts",
                "",
                &format!("{{\"name\":\"{key}\"}}"),
            ),
            "422 Unprocessable",
        ),
        (
            request(
                "POST /api/v1/accounts",
                "",
                &format!("{{\"key\":\"{key}\"}}"),
            ),
            "422 Unprocessable",
        ),
        (
            request(
                "POST /api/v1/models",
                &bearer,
                &format!("{{\"tournament\":\"{key}\",\"name\":\"x\"}}"),
            ),
            "404 Not Found",
        ),
        (
            request(
                "POST /api/v1/models",
                &bearer,
                &format!("{{\"tournament\":\"btc-usd-5m\",\"name\":\"{key}\"}}"),
            ),
            "422 Unprocessable",
        ),
        (
            request(
                "POST /api/v1/predictions",
                &format!("{bearer}Idempotency-Key: a\r\n"),
                &format!(
                    "{{\"predictions\":[{{\"round\":\"{key}\",\"model\":\"{key}\",\"p\":0.5}}]}}"
                ),
            ),
            "200 OK",
        ),
        (
            request(
                "POST /api/v1/predictions",
                &format!("{bearer}Idempotency-Key: {key}\r\n"),
                "{\"predictions\":[]}",
            ),
            "400 Bad Request",
        ),
        (
            request("POST /api/v1/accounts", &bearer, key),
            "400 Bad Request",
        ),
    ]
}

#[tokio::test]
async fn a_keys_secret_is_nowhere() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let gone = world.key("bob", &[Scope::Read]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = listener.local_addr().expect("an address");
    let service = world
        .router
        .clone()
        .into_make_service_with_connect_info::<SocketAddr>();
    let serving = tokio::spawn(async move { axum::serve(listener, service).await });
    let mut answers = String::new();
    for key in [&key, &gone] {
        if *key == gone {
            let id = gone.split('_').nth(1).expect("an id");
            let mut tx = world.app.db.begin().await.expect("begin");
            accounts::revoke_key(&mut tx, 1, id).await.expect("revoked");
            tx.commit().await.expect("commit");
        }
        for (sent, expected) in mistakes(key, &model, super::ROUND) {
            let answer = exchange(server, &sent).await;
            let is_live = *key != gone;
            assert!(!is_live || answer.contains(expected), "{sent}\n{answer}");
            answers.push_str(&answer);
        }
    }
    write_uses(&world.app).await.expect("written");
    serving.abort();
    world.app.db.close().await;
    let logged = log.0.lock().unwrap_or_else(PoisonError::into_inner);
    let logged = String::from_utf8_lossy(&logged).into_owned();
    assert!(logged.contains("answered"), "the log is of the requests");
    let mut stored = Vec::new();
    for entry in std::fs::read_dir(world._folder.path()).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            stored.extend(std::fs::read(path).expect("a file"));
        }
    }
    let stored = String::from_utf8_lossy(&stored).into_owned();
    assert!(
        stored.contains(&model),
        "the database is that of the requests"
    );
    for key in [&key, &gone] {
        let secret = key.split('_').nth(2).expect("a secret");
        // Half of it would be too much.
        for part in [&secret[..20], &secret[20..]] {
            for (what, text) in [
                ("log", &logged),
                ("answers", &answers),
                ("database", &stored),
            ] {
                let at = text.find(part);
                let near = at.map(|at| text[at.saturating_sub(300)..at].to_owned());
                assert!(near.is_none(), "in the {what}, after {near:?}");
            }
        }
    }
}
