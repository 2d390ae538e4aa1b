//! The real router behind the real listener, on a port of its own.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::app::testing;
use crate::limits::{LimitSettings, Limits};

struct Served {
    address: std::net::SocketAddr,
    limits: Arc<Limits>,
    stop: tokio_util::sync::CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    _folder: tempfile::TempDir,
}

async fn served(settings: LimitSettings) -> Served {
    let (app, _, folder) = testing::app().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let limits = Arc::new(Limits::new(settings, &app.wall));
    let stop = app.stop.clone();
    let (token, counted) = (stop.clone(), Arc::clone(&limits));
    let router = router(app);
    let task =
        tokio::spawn(async move { listener::serve(listener, router, &counted, token).await });
    Served {
        address,
        limits,
        stop,
        task,
        _folder: folder,
    }
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("sent");
}

/// Everything until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), read).await;
    ended.expect("the server closes").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn ask(served: &Served, request: &str) -> String {
    let mut stream = TcpStream::connect(served.address).await.expect("connects");
    send(&mut stream, request).await;
    rest(&mut stream).await
}

#[tokio::test]
async fn odd_requests_get_clean_answers() {
    let served = served(LimitSettings::off()).await;
    let long = "a".repeat(5_000);
    let headers: String = (0..100).map(|n| format!("x-{n}: 1\r\n")).collect();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    for (request, status, code) in [
        (get("/api/v1/time"), "200", "now_us"),
        (get("http://elsewhere/api/v1/time"), "200", "now_us"),
        (
            get("/api/v1/%2e%2e/%2e%2e/etc/passwd"),
            "404",
            "unknown-route",
        ),
        (get("/api/v1//time"), "404", "unknown-route"),
        (get("/api/v1/models/..%2f..%2fetc"), "404", "unknown-model"),
        (get("/api/v1/models/a%00b"), "400", "path-invalid"),
        (get("/api/v1/models/%ff"), "400", "path-invalid"),
        (get("/api/v1/rounds?state=%00"), "400", "query-invalid"),
        (
            get(&format!("/api/v1/models/{long}")),
            "414",
            "uri-too-long",
        ),
        (get(&format!("/{}", "a".repeat(60_000))), "431", ""),
        (
            format!("GET / HTTP/1.1\r\nhost: x\r\n{headers}\r\n"),
            "431",
            "",
        ),
        (
            "POST /api/v1/models HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n"
                .to_owned(),
            "413",
            "body-too-large",
        ),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), "400", ""),
        ("\u{16}\u{3}\u{1}hello\r\n\r\n".to_owned(), "400", ""),
    ] {
        let answer = ask(&served, &request).await;
        let shown: String = request.chars().take(80).collect();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{shown}: {answer}"
        );
        assert!(answer.contains(code), "{shown}: {answer}");
    }
    served.stop.cancel();
    served.task.await.expect("ends").expect("well");
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_those_that_end_make_room() {
    let mut settings = LimitSettings::off();
    settings.connections.per_address = 3;
    let served = served(settings).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(served.address).await.expect("connects");
        send(&mut stream, "GET /api/v1/time HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut first = [0_u8; 12];
        stream.read_exact(&mut first).await.expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        open.push(stream);
    }
    assert_eq!(served.limits.connections(), 3);
    let mut refused = TcpStream::connect(served.address).await.expect("connects");
    let answer = rest(&mut refused).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 429"), "{answer}");
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.parse().ok())
        .expect("a length");
    assert_eq!(length, body.len());
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body["code"], "too-many-connections");
    drop(open);
    let until = std::time::Duration::from_millis(20);
    while served.limits.connections() > 0 {
        crate::wall::pause(until).await;
    }
    let answer = ask(
        &served,
        "GET /api/v1/time HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    );
    assert!(answer.await.starts_with("HTTP/1.1 200"));
    served.stop.cancel();
    served.task.await.expect("ends").expect("well");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let served = served(LimitSettings::off()).await;
    let mut idle = TcpStream::connect(served.address).await.expect("connects");
    send(&mut idle, "GET /api/v1/time HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut first = [0_u8; 12];
    idle.read_exact(&mut first).await.expect("an answer");
    served.stop.cancel();
    let limit = std::time::Duration::from_secs(5);
    let ended = tokio::time::timeout(limit, served.task).await;
    ended.expect("in time").expect("ends").expect("well");
    rest(&mut idle).await;
}

#[tokio::test]
async fn a_changed_protocol_keeps_its_places_until_it_ends() {
    use axum::extract::ws::{Message, WebSocketUpgrade};
    use futures::{SinkExt, StreamExt};

    let echo = |upgrade: WebSocketUpgrade| async {
        upgrade.on_upgrade(|mut socket| async move {
            while let Some(Ok(Message::Text(text))) = socket.recv().await {
                socket.send(Message::Text(text)).await.ok();
            }
        })
    };
    let router = Router::new().route("/echo", axum::routing::get(echo));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let wall = domain::WallClock::system();
    let limits = Arc::new(Limits::new(LimitSettings::off(), &wall));
    let stop = tokio_util::sync::CancellationToken::new();
    let (token, counted) = (stop.clone(), Arc::clone(&limits));
    let task =
        tokio::spawn(async move { listener::serve(listener, router, &counted, token).await });
    let url = format!("ws://{address}/echo");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("opens");
    for word in ["one", "two"] {
        let message = tokio_tungstenite::tungstenite::Message::text(word);
        socket.send(message).await.expect("sent");
        let answer = socket.next().await.expect("an answer").expect("a frame");
        assert_eq!(answer.to_text().expect("text"), word);
        assert_eq!(limits.connections(), 1);
    }
    drop(socket);
    let until = std::time::Duration::from_millis(20);
    while limits.connections() > 0 {
        crate::wall::pause(until).await;
    }
    stop.cancel();
    task.await.expect("ends").expect("well");
}
