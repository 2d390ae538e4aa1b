//! One connection: HTTP/1.1 with limits on time and size. It ends when it is idle, when its head
//! dribbles in, when nobody reads its answers, and at the end of the process.

use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::limits::{Kept, Place};
use crate::wall::pause;

/// A request's head is there by then, and the next request of an idle connection has begun.
pub(super) const HEAD_LIMIT: Duration = Duration::from_secs(20);
/// A client that reads nothing for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// Most headers of a request; with more it is answered 431.
const MOST_HEADERS: usize = 64;
/// Most bytes of a request's head, and of what is read ahead.
const BUFFER: usize = 32 * 1024;

type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a connection is made of.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    /// One of the places of its address.
    pub(super) place: Place,
    /// One of all places.
    pub(super) permit: OwnedSemaphorePermit,
}

/// Serves requests until the connection ends.
pub(super) async fn serve(accepted: Accepted, router: Router, stop: CancellationToken) {
    let (kept, peer) = (Kept::default(), accepted.peer);
    kept.keep(accepted.place);
    let io = TokioIo::new(Guarded {
        stream: accepted.stream,
        stalled: None,
        _kept: kept.clone(),
        _permit: accepted.permit,
    });
    let service = router.map_request(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(kept.clone());
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_headers(MOST_HEADERS)
        .max_buf_size(BUFFER)
        .serve_connection(io, TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// A socket that gives up when its other end does not read, and that keeps the connection's places
/// for as long as it is open, whatever protocol it speaks by then.
struct Guarded {
    stream: TcpStream,
    stalled: Option<Timer>,
    _kept: Kept,
    _permit: OwnedSemaphorePermit,
}

impl Guarded {
    /// What a write may say: pending for too long is an error.
    fn watched<T>(&mut self, cx: &mut Context<'_>, written: Poll<Result<T>>) -> Poll<Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timer = self
            .stalled
            .get_or_insert_with(|| Box::pin(pause(WRITE_LIMIT)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(Error::from(ErrorKind::TimedOut))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watched(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watched(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
