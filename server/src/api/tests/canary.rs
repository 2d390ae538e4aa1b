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

/// In the header, right and wrong, and in the address.
const ELSEWHERE: [(&str, &str, &str); 12] = [
    ("GET /api/v1/account", "Authorization: Bearer KEY", "200 OK"),
    ("GET /api/v1/keys", "Authorization: Bearer KEY", "403 "),
    ("GET /api/v1/account", "Authorization: Bearer CUT", "401 "),
    ("GET /api/v1/account", "Authorization: KEY", "401 "),
    ("GET /api/v1/account", "Authorization: Basic KEY", "401 "),
    ("GET /api/v1/account", "X-Request-Id: KEY", "401 "),
    ("GET /api/v1/account?key=KEY", "A: b", "400 "),
    ("GET /api/v1/models?tournament=ENCODED", "A: b", "400 "),
    ("GET /api/v1/KEY", "A: b", "400 "),
    (
        "DELETE /api/v1/keys/KEY",
        "Authorization: Bearer KEY",
        "400 ",
    ),
    ("POST /api/v1/keys/KEY/rotate", "A: b", "400 "),
    ("PUT /api/v1/rounds/KEY/predictions/x", "A: b", "400 "),
];

/// In bodies, with the key in the header too.
const IN_BODIES: [(&str, &str, &str); 11] = [
    ("PUT PREDICTION", r#"{"p":0.5}"#, "200 OK"),
    ("PUT PREDICTION", r#"{"p":"KEY"}"#, "422 "),
    ("PUT PREDICTION", r#"{"KEY":1}"#, "422 "),
    ("PUT PREDICTION", r#"{"p":0.5,"stake":"KEY"}"#, "422 "),
    ("POST /api/v1/accounts", r#"{"name":"KEY"}"#, "422 "),
    ("POST /api/v1/accounts", r#"{"key":"KEY"}"#, "422 "),
    ("POST /api/v1/accounts", "KEY", "400 "),
    ("POST /api/v1/session-keys", r#"{"account":"KEY"}"#, "422 "),
    (
        "POST /api/v1/models",
        r#"{"tournament":"KEY","name":"x"}"#,
        "404 ",
    ),
    (
        "POST /api/v1/models",
        r#"{"tournament":"btc-usd-5m","name":"KEY"}"#,
        "422 ",
    ),
    (
        "POST /api/v1/predictions",
        r#"{"predictions":[{"round":"KEY","model":"KEY","p":0.5}]}"#,
        "200 OK",
    ),
];

/// Everything that a caller might do with a key, and how the answer begins.
fn mistakes(key: &str, model: &str, round: &str) -> Vec<(String, &'static str)> {
    let prediction = format!("/api/v1/rounds/{round}/predictions/{model}");
    let filled = |text: &str| {
        let text = text.replace("PREDICTION", &prediction);
        let text = text.replace("ENCODED", &key.replace('_', "%5F"));
        text.replace("CUT", &key[..key.len() - 3])
            .replace("KEY", key)
    };
    let elsewhere = ELSEWHERE.map(|(line, header, answer)| {
        let headers = format!("{}\r\n", filled(header));
        (request(&filled(line), &headers, "{}"), answer)
    });
    let bearer = format!("Authorization: Bearer {key}\r\nIdempotency-Key: a\r\n");
    let bodies = IN_BODIES
        .map(|(line, body, answer)| (request(&filled(line), &bearer, &filled(body)), answer));
    let named = format!("Authorization: Bearer {key}\r\nIdempotency-Key: {key}\r\n");
    let line = "POST /api/v1/predictions";
    let named = (request(line, &named, r#"{"predictions":[]}"#), "400 ");
    elsewhere.into_iter().chain(bodies).chain([named]).collect()
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
            let begins = format!("HTTP/1.1 {expected}");
            assert!(!is_live || answer.starts_with(&begins), "{sent}\n{answer}");
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
