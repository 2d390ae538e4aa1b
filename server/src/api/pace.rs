//! Bodies that dribble: a body must come at a pace, or its request ends with 408.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::problem::Problem;
use crate::wall::pause;

/// Every body has so long.
const GRACE: Duration = Duration::from_secs(10);
/// Bytes that earn a further second.
const BYTES_A_SECOND: u64 = 16 * 1024;

type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Ends a request whose body comes too slowly.
pub(super) async fn at_a_pace(request: Request, next: Next) -> Response {
    paced(request, next, GRACE).await
}

pub(super) async fn paced(request: Request, next: Next, grace: Duration) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let is_late = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&is_late);
    let request = request.map(|body| {
        Body::new(Paced {
            body,
            is_late: noted,
            allowed: grace,
            earned: 0,
            timer: None,
        })
    });
    let response = next.run(request).await;
    match is_late.load(Ordering::Relaxed) {
        true => too_slow(),
        false => response,
    }
}

fn too_slow() -> Response {
    let problem = Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "request-timeout",
        "The body came too slowly",
        format!(
            "A body has {} s and a further second for each {BYTES_A_SECOND} bytes; nothing was done.",
            GRACE.as_secs()
        ),
        "Send the request again, over a line that is fast enough.",
    );
    let mut response = problem.into_response();
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// A body with a time limit that grows with what has come. The timer exists only while the body
/// has to be waited for, which a small one seldom has.
struct Paced {
    body: Body,
    is_late: Arc<AtomicBool>,
    allowed: Duration,
    earned: u64,
    timer: Option<Timer>,
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            if let Some(Ok(frame)) = &frame {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.earn(length);
            }
            return Poll::Ready(frame);
        }
        if self.timer.is_none() {
            self.timer = Some(Box::pin(pause(self.allowed)));
        }
        let timer = self.timer.as_mut();
        if timer.is_none_or(|timer| timer.as_mut().poll(cx).is_pending()) {
            return Poll::Pending;
        }
        self.timer = None;
        if self.earned >= BYTES_A_SECOND {
            // What came while the timer ran has bought more time.
            let seconds = self.earned / BYTES_A_SECOND;
            self.earned %= BYTES_A_SECOND;
            self.allowed = Duration::from_secs(seconds);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_late.store(true, Ordering::Relaxed);
        let slow = std::io::Error::from(std::io::ErrorKind::TimedOut);
        Poll::Ready(Some(Err(axum::Error::new(slow))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        HttpBody::size_hint(&self.body)
    }
}

impl Paced {
    fn earn(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.earned = self.earned.saturating_add(bytes);
    }
}
