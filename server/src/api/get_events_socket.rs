//! `GET /events/ws`: events over a WebSocket.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::event_feed::{End, Feed, Piece};
use super::event_query::{EventQuery, wanted};
use super::extract::{ApiQuery, MaybeCaller};
use super::problem::UnknownTournament;
use super::problem::{KeyProblems, NotASocket, OriginRefused, Problem, QueryProblems};
use crate::app::App;
use crate::wall::pause;

/// A listener says little: bytes of a message.
const MESSAGE_LIMIT: usize = 4_096;
/// Bytes that wait to be sent; a listener that lets more gather is closed.
const WRITE_LIMIT: usize = 256 << 10;
/// A listener that does not take a message for so long is gone.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// Heartbeats after which a listener that says nothing, not even a pong, is gone.
const MOST_QUIET: u32 = 3;

/// What a listener may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seek {
    after: u64,
}

/// Events as they happen, over a WebSocket: text messages of one JSON object each. The stream has no
/// end: programs that read answers whole must leave this address out.
///
/// `hello`, `gap` and events are as in `GET /events`; `{"type":"heartbeat"}` comes every 15 seconds
/// beside a ping. Send `{"after":SEQUENCE}` at any time to go on from there.
#[utoipa::path(
    get,
    path = "/events/ws",
    tag = "events",
    params(EventQuery),
    responses(
        (status = 101, description = "A WebSocket from here on"),
        KeyProblems,
        OriginRefused,
        QueryProblems,
        NotASocket,
        UnknownTournament
    ),
    security((), ("key" = []))
)]
pub(super) async fn get_events_socket(
    State(app): State<Arc<App>>,
    MaybeCaller(caller): MaybeCaller,
    ApiQuery(query): ApiQuery<EventQuery>,
    parts: Parts,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    if !is_ours(&parts.headers) {
        return Err(origin_refused());
    }
    let wanted = wanted(&app, caller.as_ref(), query, &parts.headers).await?;
    let upgrade = upgrade.map_err(|rejection| not_a_socket(&rejection))?;
    let feed = Feed::start(app, wanted, parts, "websocket").await?;
    let upgrade = upgrade
        .max_message_size(MESSAGE_LIMIT)
        .max_frame_size(MESSAGE_LIMIT)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_LIMIT);
    Ok(upgrade
        .on_upgrade(|socket| talk(socket, feed))
        .into_response())
}

/// Sends until either side ends it.
async fn talk(mut socket: WebSocket, mut feed: Feed) {
    let mut quiet = 0;
    loop {
        let close = tokio::select! {
            piece = feed.next() => match piece {
                Piece::End(end) => Some((code(end), end.reason())),
                piece => {
                    let is_beat = matches!(piece, Piece::Heartbeat { .. });
                    quiet += u32::from(is_beat);
                    if quiet > MOST_QUIET {
                        Some((close_code::POLICY, "nobody answers the pings"))
                    } else if !send(&mut socket, piece, is_beat).await {
                        return;
                    } else {
                        None
                    }
                }
            },
            said = socket.recv() => match said {
                Some(Ok(Message::Text(text))) => {
                    quiet = 0;
                    seek(&mut feed, &text).await
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    quiet = 0;
                    None
                }
                Some(Ok(Message::Binary(_))) => Some((close_code::UNSUPPORTED, UNREADABLE)),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        };
        if let Some((code, reason)) = close {
            let frame = CloseFrame {
                code,
                reason: reason.into(),
            };
            in_time(socket.send(Message::Close(Some(frame)))).await;
            return;
        }
    }
}

const UNREADABLE: &str = "send {\"after\":SEQUENCE} as text, or nothing";

/// Goes where the listener wants; gives how to end when that cannot be.
async fn seek(feed: &mut Feed, text: &str) -> Option<(u16, &'static str)> {
    let seek = serde_json::from_str::<Seek>(text).ok();
    let Some(after) = seek.and_then(|seek| i64::try_from(seek.after).ok()) else {
        return Some((close_code::POLICY, UNREADABLE));
    };
    let failed = (close_code::ERROR, End::Failed.reason());
    feed.seek(after).await.err().map(|_| failed)
}

/// `false` when the listener is gone or does not read.
async fn send(socket: &mut WebSocket, piece: Piece, is_beat: bool) -> bool {
    let text: Utf8Bytes = match piece {
        Piece::Hello(json) | Piece::Gap(json) => json.into(),
        Piece::Own(frame) | Piece::Event(_, frame) => match frame.object().try_into() {
            Ok(text) => text,
            Err(_) => return false,
        },
        Piece::Heartbeat { position, now_us } => {
            let beat = json!({"type": "heartbeat", "sequence": position, "now_us": now_us});
            beat.to_string().into()
        }
        Piece::End(_) => return false,
    };
    let is_sent = in_time(socket.send(Message::Text(text))).await;
    is_sent && (!is_beat || in_time(socket.send(Message::Ping(Vec::new().into()))).await)
}

async fn in_time(sending: impl Future<Output = Result<(), axum::Error>>) -> bool {
    tokio::select! {
        sent = sending => sent.is_ok(),
        () = pause(SEND_LIMIT) => false,
    }
}

fn code(end: End) -> u16 {
    match end {
        End::Stopping => close_code::AWAY,
        End::Revoked => close_code::POLICY,
        End::Slow => close_code::AGAIN,
        End::Failed => close_code::ERROR,
    }
}

/// Programs send no origin; a browser sends that of the page, which must be one of this server.
fn is_ours(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let origin: Option<Uri> = origin.to_str().ok().and_then(|text| text.parse().ok());
    let origin = origin.as_ref().and_then(Uri::authority);
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let both = origin.zip(host);
    both.is_some_and(|(origin, host)| origin.as_str().eq_ignore_ascii_case(host))
}

fn origin_refused() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "origin-refused",
        "A page of another site asks",
        "The header `Origin` names another site than this server.",
        "Connect from a program, which sends no `Origin`, or read `GET /api/v1/events`.",
    )
}

fn not_a_socket(rejection: &WebSocketUpgradeRejection) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "not-a-websocket",
        "The request opens no WebSocket",
        rejection.body_text(),
        "Connect with a WebSocket client, or read `GET /api/v1/events`.",
    )
}
