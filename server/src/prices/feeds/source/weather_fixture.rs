//! A source for tests: an HTTP server of our own that says what it is told to, well or badly.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::timestamp::SECOND_US;
use domain::{MarketClock, WallClock};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::settings::SourceSettings;
use super::{Source, client};
use crate::db::Db;
use crate::prices::feeds::live::board::Board;
use crate::prices::feeds::live::settings::FeedSettings;

/// What it does with a question.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// Answers with this body.
    Body(String),
    /// Answers with this status.
    Status(u16),
    /// Sends elsewhere.
    Redirect,
    /// Answers with so many bytes.
    Huge(usize),
    /// Never answers.
    Nothing,
}

/// The source's server.
#[derive(Debug)]
pub(crate) struct Weather {
    first: Mutex<VecDeque<Says>>,
    then: Mutex<Says>,
    asked: AtomicUsize,
    elsewhere: AtomicUsize,
}

/// The body that says `value` of the moment `observed_us`.
pub(crate) fn body(observed_us: i64, value: &str) -> String {
    let time = observed_us / SECOND_US;
    format!(r#"{{"current":{{"time":{time},"interval":900,"temperature_2m":{value}}}}}"#)
}

impl Weather {
    /// Serves on a port of its own; the address.
    pub(crate) async fn serve() -> (Arc<Self>, String) {
        let weather = Arc::new(Self {
            first: Mutex::new(VecDeque::new()),
            then: Mutex::new(Says::Status(404)),
            asked: AtomicUsize::new(0),
            elsewhere: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/v1/forecast", get(answer))
            .route("/elsewhere", get(elsewhere))
            .with_state(Arc::clone(&weather));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        (weather, format!("http://{address}"))
    }

    /// From now on.
    pub(crate) fn says(&self, says: Says) {
        *self.then.lock().unwrap_or_else(PoisonError::into_inner) = says;
    }

    /// From now on, with this value.
    pub(crate) fn observes(&self, observed_us: i64, value: &str) {
        self.says(Says::Body(body(observed_us, value)));
    }

    /// Before that, once.
    pub(crate) fn first(&self, says: Says) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.push_back(says);
    }

    /// Questions so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Questions at the address that redirects name.
    pub(crate) fn asked_elsewhere(&self) -> usize {
        self.elsewhere.load(Ordering::SeqCst)
    }
}

async fn answer(State(weather): State<Arc<Weather>>) -> Response {
    weather.asked.fetch_add(1, Ordering::SeqCst);
    let first = weather
        .first
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .pop_front();
    let then = || {
        let then = weather.then.lock().unwrap_or_else(PoisonError::into_inner);
        then.clone()
    };
    match first.unwrap_or_else(then) {
        Says::Body(body) => body.into_response(),
        Says::Status(code) => {
            let status = StatusCode::from_u16(code).expect("a status");
            (status, "not today").into_response()
        }
        Says::Redirect => (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]).into_response(),
        Says::Huge(bytes) => vec![b' '; bytes].into_response(),
        Says::Nothing => std::future::pending().await,
    }
}

async fn elsewhere(State(weather): State<Arc<Weather>>) -> String {
    weather.elsewhere.fetch_add(1, Ordering::SeqCst);
    body(1_709_640_000_000_000, "99")
}

/// The example's feeds file with its source at `address`, impatient.
pub(crate) fn feeds_file(address: &str) -> String {
    let example = include_str!("berlin-temperature.toml");
    let at_home = example.replace("https://api.open-meteo.com", address);
    format!(
        "{at_home}answer_s = 1\nretries = 2\n\
         [patience]\nfirst_pause_ms = 1\nlongest_pause_ms = 2\n"
    )
}

/// The example's source at `address`, not started, with a board of its own.
pub(crate) fn source(db: &Db, clock: &WallClock, address: &str) -> Source {
    let feeds = FeedSettings::parse(&feeds_file(address)).expect("a feeds file");
    let settings: SourceSettings = feeds.sources[0].clone();
    Source {
        settings,
        patience: feeds.patience,
        db: db.clone(),
        clock: MarketClock::live(clock.clone()),
        board: Arc::new(Board::new(&feeds)),
        http: client().expect("a client"),
    }
}

/// Randomness for pauses.
pub(crate) fn dice() -> StdRng {
    StdRng::from_seed([3; 32])
}
