//! One listener's events in their order: first those of the table, then those of the broadcaster,
//! with the listener's own between them, and a heartbeat. Both kinds of stream read from it.
//!
//! It holds a position and at most one batch of shared bytes. [`Feed::next`] may be dropped at any
//! await and called again: nothing is lost by it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::RequestPartsExt;
use axum::http::request::Parts;
use domain::timestamp::rfc3339;
use futures::FutureExt;
use serde_json::json;
use tokio::sync::watch;

use super::event_query::Wanted;
use super::extract::MaybeCaller;
use super::problem::Problem;
use crate::accounts::Scope;
use crate::app::App;
use crate::events::{self, Event, Filter, Frame, Next};
use crate::wall::pause;

/// Events taken from the ring or the table at a time.
const BATCH: usize = 64;

/// What a listener is sent.
pub(super) enum Piece {
    /// The first: where the server stands. JSON.
    Hello(String),
    /// What the listener asks for is not kept any more. JSON.
    Gap(String),
    /// An event of its own, which comes before the one that it belongs to.
    Own(Frame),
    /// An event; the position is behind it now.
    Event(i64, Frame),
    /// The stream lives, and everything up to this number was sent or is not wanted.
    Heartbeat {
        /// The number.
        position: i64,
        /// The market's time, microseconds.
        now_us: i64,
    },
    /// Nothing more comes.
    End(End),
}

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The server is stopping.
    Stopping,
    /// The key is not accepted any more.
    Revoked,
    /// The listener does not read as fast as things happen.
    Slow,
    /// The database does not answer.
    Failed,
}

impl End {
    /// For the metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::Revoked => "revoked",
            Self::Slow => "slow",
            Self::Failed => "failed",
        }
    }

    /// For the listener.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Stopping => "the server is stopping; resume in a few seconds",
            Self::Revoked => "the API key is not accepted any more",
            Self::Slow => "events come faster than they are read; resume after the last one",
            Self::Failed => "the server failed; resume in a few seconds",
        }
    }
}

/// Counts an open stream for as long as it lives.
struct Open(&'static str);

impl Open {
    fn new(transport: &'static str) -> Self {
        metrics::gauge!("foretoken_event_streams", "transport" => transport).increment(1);
        Self(transport)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("foretoken_event_streams", "transport" => self.0).decrement(1);
    }
}

/// One listener.
pub(super) struct Feed {
    app: Arc<App>,
    filter: Filter,
    /// The request, where it had a key: the key is looked up again at each heartbeat.
    keyed: Option<Parts>,
    /// Everything up to here is in `pieces` or was handed out.
    position: i64,
    /// Everything up to here was handed out.
    told: i64,
    /// Whether it has caught up once: from there on the ring must reach.
    is_live: bool,
    pieces: VecDeque<Piece>,
    news: watch::Receiver<Option<i64>>,
    heartbeat: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_beat_due: bool,
    open: Open,
}

impl Feed {
    /// Begins where the request wants, with [`Piece::Hello`].
    pub(super) async fn start(
        app: Arc<App>,
        wanted: Wanted,
        parts: Parts,
        transport: &'static str,
    ) -> Result<Self, Problem> {
        let heartbeat = app.settings.heartbeat;
        let newest = app.events.newest().await;
        let keyed = wanted.filter.account().is_some().then_some(parts);
        let mut feed = Self {
            news: app.events.listen(),
            app,
            filter: wanted.filter,
            keyed,
            position: newest,
            told: newest,
            is_live: false,
            pieces: VecDeque::new(),
            heartbeat: Box::pin(pause(heartbeat)),
            is_beat_due: false,
            open: Open::new(transport),
        };
        feed.hello(newest).await?;
        if let Some(after) = wanted.after {
            feed.seek(after).await?;
        }
        Ok(feed)
    }

    async fn hello(&mut self, newest: i64) -> Result<(), Problem> {
        let oldest = {
            let mut conn = self.app.db.read().await?;
            events::oldest(&mut conn).await?
        };
        let now_us = self.app.market.now_us();
        let hello = json!({
            "type": "hello",
            "newest": newest,
            "oldest": oldest,
            "now_us": now_us,
            "now_at": rfc3339(now_us),
            "speed": self.app.market.speed(),
        });
        self.pieces.push_back(Piece::Hello(hello.to_string()));
        Ok(())
    }

    /// Goes on after the event `after`; says so where that is not kept any more, or was never given.
    pub(super) async fn seek(&mut self, after: i64) -> Result<(), Problem> {
        let (oldest, newest) = {
            let mut conn = self.app.db.read().await?;
            (
                events::oldest(&mut conn).await?,
                events::newest(&mut conn).await?,
            )
        };
        self.pieces.retain(|piece| matches!(piece, Piece::Hello(_)));
        self.is_live = false;
        let is_kept = after >= oldest - 1 && after <= newest;
        self.position = if is_kept { after } else { oldest - 1 };
        self.told = self.position;
        if !is_kept {
            self.pieces.push_back(gap(oldest));
        }
        Ok(())
    }

    /// The next piece; waits for it.
    pub(super) async fn next(&mut self) -> Piece {
        loop {
            if self.app.stop.is_cancelled() {
                return self.end(End::Stopping);
            }
            if self.is_beat_due {
                if !is_key_good(&self.app, self.keyed.as_ref()).await {
                    return self.end(End::Revoked);
                }
                self.is_beat_due = false;
                return Piece::Heartbeat {
                    position: self.told,
                    now_us: self.app.market.now_us(),
                };
            }
            if let Some(piece) = self.pieces.pop_front() {
                return self.counted(piece);
            }
            self.told = self.position;
            if (&mut self.heartbeat).now_or_never().is_some() {
                self.beat();
                continue;
            }
            let step = match self.app.events.after(self.position, BATCH) {
                Next::Behind if self.is_live => return self.end(End::Slow),
                Next::Behind => self.read_table().await,
                Next::Events(events) if events.is_empty() => {
                    self.is_live = true;
                    self.wait().await;
                    Ok(())
                }
                Next::Events(events) => self.take(&events).await,
            };
            if let Err(problem) = step {
                tracing::error!(detail = problem.detail(), "a stream of events ends");
                return self.end(End::Failed);
            }
        }
    }

    fn counted(&mut self, piece: Piece) -> Piece {
        if let Piece::Event(sequence, _) = &piece {
            self.told = *sequence;
        }
        if matches!(piece, Piece::Event(..) | Piece::Own(_)) {
            metrics::counter!("foretoken_events_sent_total", "transport" => self.open.0)
                .increment(1);
        }
        piece
    }

    fn end(&self, end: End) -> Piece {
        metrics::counter!("foretoken_event_streams_ended_total", "reason" => end.name())
            .increment(1);
        Piece::End(end)
    }

    fn beat(&mut self) {
        self.heartbeat = Box::pin(pause(self.app.settings.heartbeat));
        self.is_beat_due = true;
    }

    async fn wait(&mut self) {
        tokio::select! {
            () = self.app.stop.cancelled() => {}
            // The sender is part of the app and lives.
            _ = self.news.changed() => {}
            () = &mut self.heartbeat => self.beat(),
        }
    }

    async fn read_table(&mut self) -> Result<(), Problem> {
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let page = {
            let mut conn = self.app.db.read().await?;
            events::after(&mut conn, self.position, limit).await?
        };
        if page.is_empty() {
            // All of it was forgotten since.
            self.position = self.app.events.newest().await;
            return Ok(());
        }
        let page: Vec<Arc<Event>> = page.into_iter().map(Arc::new).collect();
        self.take(&page).await
    }

    /// Takes over a batch as a whole, or nothing of it.
    async fn take(&mut self, batch: &[Arc<Event>]) -> Result<(), Problem> {
        let mut pieces = VecDeque::new();
        if let Some(first) = batch.first()
            && first.sequence > self.position + 1
        {
            pieces.push_back(gap(first.sequence));
        }
        for event in batch {
            pieces.extend(told(&self.app, &self.filter, event).await?);
        }
        self.position = batch.last().map_or(self.position, |last| last.sequence);
        self.pieces.append(&mut pieces);
        Ok(())
    }
}

/// What an event says to a listener: its own events first, so that its position is behind all of
/// them once it is behind the event.
pub(super) async fn told(app: &App, filter: &Filter, event: &Event) -> Result<Vec<Piece>, Problem> {
    let mut pieces = Vec::new();
    if let Some(account) = filter.account()
        && filter.covers(&event.tournament)
    {
        let own = app.own_events.of(&app.db, &app.market, event).await?;
        let wanted = own.get(account).into_iter().flatten();
        let wanted = wanted.filter(|one| filter.wants(one.kind));
        pieces.extend(wanted.map(|one| Piece::Own(one.frame.clone())));
    }
    if filter.admits(event) {
        pieces.push(Piece::Event(event.sequence, event.frame.clone()));
    }
    Ok(pieces)
}

/// A failure of ours is not the key's fault.
async fn is_key_good(app: &Arc<App>, keyed: Option<&Parts>) -> bool {
    let Some(parts) = keyed else {
        return true;
    };
    let mut parts = parts.clone();
    match parts.extract_with_state::<MaybeCaller, _>(app).await {
        Ok(MaybeCaller(caller)) => caller.is_some_and(|caller| caller.require(Scope::Read).is_ok()),
        Err(problem) => problem.is_ours(),
    }
}

fn gap(oldest: i64) -> Piece {
    Piece::Gap(json!({"type": "gap", "oldest": oldest}).to_string())
}
