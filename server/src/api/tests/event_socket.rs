//! Events over WebSockets, through real connections.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::events::Live;
use super::*;
use crate::events::Told;

/// Longer than any wait of these tests.
const LIMIT: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(live: &Live, path: &str, headers: &[(&str, &str)]) -> Result<Socket, Error> {
    let url = format!("ws://{}/api/v1{path}", live.address);
    let mut request = url.into_client_request().expect("a request");
    for (name, value) in headers {
        let name: header::HeaderName = name.parse().expect("a name");
        request
            .headers_mut()
            .insert(name, value.parse().expect("a value"));
    }
    connect_async(request).await.map(|(socket, _)| socket)
}

/// The next message but pings.
async fn next(socket: &mut Socket) -> Message {
    loop {
        let message = tokio::time::timeout(LIMIT, socket.next()).await;
        match message
            .expect("in time")
            .expect("goes on")
            .expect("readable")
        {
            Message::Ping(_) => {}
            message => return message,
        }
    }
}

/// The next object that is no heartbeat.
async fn event(socket: &mut Socket) -> Value {
    loop {
        let Message::Text(text) = next(socket).await else {
            panic!("a text comes")
        };
        let object: Value = serde_json::from_str(&text).expect("JSON");
        if object["type"] != "heartbeat" {
            return object;
        }
    }
}

async fn closed(socket: &mut Socket) -> (u16, String) {
    loop {
        if let Message::Close(frame) = next(socket).await {
            let frame = frame.expect("a reason");
            return (frame.code.into(), frame.reason.to_string());
        }
    }
}

#[tokio::test]
async fn a_socket_tells_what_happens_and_goes_where_it_is_sent() {
    let live = Live::new().await;
    live.tell(&[Told::locked(&round())]).await;
    let mut socket = connect(&live, "/events/ws?types=round.locked,round.scored", &[])
        .await
        .expect("opens");
    let hello = event(&mut socket).await;
    assert_eq!(
        (&hello["type"], &hello["now_us"]),
        (&json!("hello"), &json!(testing::NOW_US))
    );
    live.tell(&[Told::settled(&round()), Told::scored(&round())])
        .await;
    loop {
        // What was read before the stream began is not part of it.
        let object = event(&mut socket).await;
        if object["type"] == "round.scored" {
            assert_eq!(
                (&object["sequence"], &object["round"]),
                (&json!(3), &json!(ROUND))
            );
            break;
        }
    }
    let back = Message::text(r#"{"after":0}"#);
    socket.send(back).await.expect("sent");
    assert_eq!(event(&mut socket).await["sequence"], 1);
    assert_eq!(event(&mut socket).await["sequence"], 3);
    let Message::Text(text) = next(&mut socket).await else {
        panic!("a text comes")
    };
    let beat: Value = serde_json::from_str(&text).expect("JSON");
    let expected = json!({"type": "heartbeat", "sequence": 3, "now_us": testing::NOW_US});
    assert_eq!(beat, expected);
    live.end().await;
    let (code, reason) = closed(&mut socket).await;
    assert_eq!(code, 1001, "{reason}");
}

#[tokio::test]
async fn pages_of_other_sites_and_odd_messages_are_refused() {
    let live = Live::new().await;
    let own = format!("http://{}", live.address);
    for origin in ["http://elsewhere.example", "null", "http://127.0.0.1:1"] {
        let refused = connect(&live, "/events/ws", &[("origin", origin)]).await;
        let Err(Error::Http(answer)) = refused else {
            panic!("{origin} is refused")
        };
        assert_eq!(answer.status(), 403);
        let body = String::from_utf8_lossy(answer.body().as_deref().unwrap_or_default());
        assert!(body.contains(r#""code":"origin-refused""#), "{body}");
    }
    let own = [("origin", own.as_str())];
    for message in [
        Message::text("hello"),
        Message::text(r#"{"after":-1}"#),
        Message::text(r#"{"after":1,"more":1}"#),
        Message::binary(vec![1, 2]),
    ] {
        let mut socket = connect(&live, "/events/ws", &own).await.expect("opens");
        socket.send(message).await.expect("sent");
        let (code, reason) = closed(&mut socket).await;
        assert!(matches!(code, 1003 | 1008), "{code} {reason}");
    }
    let mut socket = connect(&live, "/events/ws", &own).await.expect("opens");
    let long = Message::text("x".repeat(5_000));
    socket.send(long).await.expect("sent");
    while let Some(Ok(message)) = socket.next().await {
        assert!(!matches!(message, Message::Text(text) if text.contains("xxx")));
    }
    live.world
        .get("/events/ws")
        .await
        .is_problem(400, "not-a-websocket");
    live.end().await;
}

#[tokio::test]
async fn a_socket_whose_key_is_revoked_and_one_that_is_silent_are_closed() {
    let live = Live::new().await;
    let key = live.world.key("ada", &[Scope::Read]).await;
    let bearer = format!("Bearer {key}");
    let keyed = [("authorization", bearer.as_str())];
    let mut socket = connect(&live, "/events/ws", &keyed).await.expect("opens");
    let mut tx = live.world.app.db.begin().await.expect("begins");
    let id = key.split('_').nth(1).expect("an id");
    accounts::revoke_key(&mut tx, 1, id).await.expect("revoked");
    tx.commit().await.expect("commits");
    assert_eq!(closed(&mut socket).await.0, 1008);

    // Underneath the protocol nobody answers pings.
    let silent = connect(&live, "/events/ws", &[]).await.expect("opens");
    let mut silent = silent.into_inner();
    let mut said = Vec::new();
    let read = tokio::time::timeout(LIMIT, silent.read_to_end(&mut said)).await;
    read.expect("it is closed").expect("readable");
    let said = String::from_utf8_lossy(&said);
    assert!(said.ends_with("nobody answers the pings"), "{said}");
    live.end().await;
}
