//! `GET /events`: events as a server-sent stream.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::event_feed::{Feed, Piece};
use super::event_query::{EventQuery, wanted};
use super::extract::{ApiQuery, MaybeCaller};
use super::problem::{KeyProblems, Problem, QueryProblems, UnknownTournament};
use crate::app::App;

/// Events as they happen, server-sent. The stream has no end: programs that read answers whole must
/// leave this address out.
///
/// First comes `hello`, then every event once, in order, with its number as `id`. Send the last `id`
/// as the header `Last-Event-ID` to go on after it; `gap` says that what came next is not kept any
/// more. With a key of the scope `read` the account's own events come too, each just before the event
/// that it belongs to and without an `id`.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    params(
        EventQuery,
        ("last-event-id" = Option<i64>, Header, minimum = 0,
         description = "Begin after the event of this number; wins over `after`")
    ),
    responses(
        (status = 200, description = "Server-sent events", body = String,
         content_type = "text/event-stream"),
        KeyProblems,
        QueryProblems,
        UnknownTournament
    ),
    security((), ("key" = []))
)]
pub(super) async fn get_events(
    State(app): State<Arc<App>>,
    MaybeCaller(caller): MaybeCaller,
    ApiQuery(query): ApiQuery<EventQuery>,
    parts: Parts,
) -> Result<Response, Problem> {
    let wanted = wanted(&app, caller.as_ref(), query, &parts.headers).await?;
    let feed = Feed::start(app, wanted, parts, "sse").await?;
    let blocks = futures::stream::unfold(Some(feed), |feed| async {
        let mut feed = feed?;
        let piece = feed.next().await;
        let next = (!matches!(piece, Piece::End(_))).then_some(feed);
        Some((Ok::<Bytes, Infallible>(block(piece)), next))
    });
    let mut response = Body::from_stream(blocks).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Proxies must not gather what is to be read at once.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn block(piece: Piece) -> Bytes {
    match piece {
        Piece::Hello(json) => format!("retry: 1000\nevent: hello\ndata: {json}\n\n").into(),
        Piece::Gap(json) => format!("event: gap\ndata: {json}\n\n").into(),
        Piece::Own(frame) => frame.block_without_id(),
        Piece::Event(_, frame) => frame.block(),
        // An id without data moves the reader's position and tells it nothing.
        Piece::Heartbeat { position, .. } => format!(": heartbeat\nid: {position}\n\n").into(),
        Piece::End(end) => format!(": ends, {}\n\n", end.reason()).into(),
    }
}
