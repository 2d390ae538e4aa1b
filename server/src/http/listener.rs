//! Accepts connections: so many in all, so many of one address, and goes on whatever happens to one
//! of them or to the process's files.

use std::io::{Error, ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::connection::{self, Accepted};
use crate::limits::Limits;
use crate::wall::pause;

/// After the process's files are used up, until the next try.
const RECOVERY: Duration = Duration::from_millis(100);
/// Files that the process asks for; the machine may allow fewer.
const MOST_FILES: u64 = 65_536;
/// Requests that are being answered have so long to end when the process does.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Said to an address that has too many connections, before the connection is closed.
const TURNED_AWAY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\n\
    content-type: application/problem+json\r\nretry-after: 5\r\nconnection: close\r\n\
    content-length: 224\r\n\r\n\
    {\"type\":\"urn:foretoken:problem:too-many-connections\",\
    \"title\":\"Too many connections\",\"status\":429,\
    \"code\":\"too-many-connections\",\
    \"detail\":\"This address has as many connections as it may.\",\
    \"remedy\":\"Use one for many requests.\"}";

/// Serves `router` until `stop`, then lets the requests that are being answered end.
///
/// # Errors
/// None but that of a closed semaphore, which nobody closes.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &Limits,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let total = total(limits);
    let permits = Arc::new(Semaphore::new(total as usize));
    while !stop.is_cancelled() {
        // More than all places wait in the kernel's queue.
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = Arc::clone(&permits).acquire_owned() => permit?,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                recover(&error).await;
                continue;
            }
        };
        let Some(place) = limits.open_connection(peer.ip()) else {
            turn_away(stream);
            continue;
        };
        stream.set_nodelay(true).ok();
        let accepted = Accepted {
            stream,
            peer,
            place,
            permit,
        };
        tokio::spawn(connection::serve(accepted, router.clone(), stop.clone()));
    }
    drop(listener);
    let all = tokio::time::timeout(LAST_ANSWERS, permits.acquire_many(total)).await;
    if all.is_err() {
        tracing::info!("connections that did not end are closed");
    }
    Ok(())
}

/// Asks the machine for as many files as it may have, and leaves half of them to everything else.
fn total(limits: &Limits) -> u32 {
    let asked = limits.settings().connections.total;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return asked;
    };
    let wanted = soft.max(hard.min(MOST_FILES));
    let files = match setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) {
        Ok(()) => wanted,
        Err(_) => soft,
    };
    let half = u32::try_from(files / 2).unwrap_or(u32::MAX);
    asked.min(half).max(1)
}

/// A connection that broke before it was accepted is its own affair; anything else (no file is
/// left) passes when others end.
async fn recover(error: &Error) {
    let is_one_connection = matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    );
    if !is_one_connection {
        tracing::warn!(%error, "no connection can be accepted");
        pause(RECOVERY).await;
    }
}

fn turn_away(stream: TcpStream) {
    metrics::counter!("http_connections_refused_total").increment(1);
    // Nobody waits for a client that is over its limit: what the socket does not take at once is
    // not said.
    if let Ok(mut stream) = stream.into_std() {
        stream.write_all(TURNED_AWAY).ok();
    }
}
