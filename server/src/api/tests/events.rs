//! Streams of events through real connections, and the answers of those who poll.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::events::{self, RING, Told};

/// Longer than any wait of these tests.
const LIMIT: Duration = Duration::from_secs(20);

/// A world whose events are read, on a port of its own.
pub(super) struct Live {
    pub(super) world: World,
    pub(super) address: SocketAddr,
    reading: CancellationToken,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Live {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut ServeSettings)) -> Self {
        let world = World::with(change).await;
        let reading = CancellationToken::new();
        let (app, token) = (Arc::clone(&world.app), reading.clone());
        tokio::spawn(async move { app.events.run(&app.db, token).await });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = world.app.stop.clone();
        let serving = axum::serve(listener, world.router.clone());
        let serving = serving.with_graceful_shutdown(stop.cancelled_owned());
        world.app.events.newest().await;
        Self {
            address,
            world,
            reading,
            served: tokio::spawn(async move { serving.await }),
        }
    }

    pub(super) async fn tell(&self, told: &[Told]) {
        let app = &self.world.app;
        let mut tx = app.db.begin().await.expect("begins");
        events::append(&mut tx, app.market.now_us(), told)
            .await
            .expect("tells");
        tx.commit().await.expect("commits");
        app.events.wake();
    }

    /// Returns once the broadcaster has read up to this event.
    pub(super) async fn has_read(&self, newest: i64) {
        let mut news = self.world.app.events.listen();
        let seen = news.wait_for(|known| *known >= Some(newest));
        let seen = tokio::time::timeout(LIMIT, seen).await;
        seen.expect("in time").expect("lives");
    }

    pub(super) async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let url = format!("http://{}/api/v1{path}", self.address);
        let mut request = client.get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(!answer.headers().contains_key("content-encoding"));
        Stream {
            answer,
            text: String::new(),
        }
    }

    /// The server ends, and with it every stream.
    pub(super) async fn end(self) {
        self.world.app.stop.cancel();
        let served = tokio::time::timeout(LIMIT, self.served).await;
        served
            .expect("no stream holds the end up")
            .expect("joins")
            .expect("ends well");
        self.reading.cancel();
    }
}

/// A reader of server-sent events.
pub(super) struct Stream {
    answer: reqwest::Response,
    text: String,
}

/// One block: the fields of a server-sent event, or a comment.
#[derive(Debug, Default)]
pub(super) struct Block {
    id: Option<i64>,
    event: String,
    data: Value,
    comment: String,
}

impl Stream {
    /// The next block; none when the stream has ended.
    async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = parse(block);
                self.text = rest.to_owned();
                return Some(block);
            }
            let chunk = tokio::time::timeout(LIMIT, self.answer.chunk()).await;
            let chunk = chunk.expect("in time").expect("readable")?;
            self.text
                .push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }

    /// The next block that is no heartbeat.
    async fn event(&mut self) -> Block {
        loop {
            let block = self.block().await.expect("goes on");
            if !block.event.is_empty() {
                return block;
            }
        }
    }

    /// The names and numbers of the next events.
    async fn events(&mut self, count: usize) -> Vec<(String, Option<i64>)> {
        let mut found = Vec::new();
        for _ in 0..count {
            let block = self.event().await;
            found.push((block.event, block.id));
        }
        found
    }

    /// The last words of a stream that ends.
    async fn last_words(&mut self) -> String {
        let mut last = String::new();
        while let Some(block) = self.block().await {
            last = block.comment;
        }
        last
    }
}

fn parse(text: &str) -> Block {
    let mut block = Block::default();
    for line in text.lines() {
        match line.split_once(": ").expect("a field") {
            ("id", id) => block.id = Some(id.parse().expect("a number")),
            ("event", event) => event.clone_into(&mut block.event),
            ("data", data) => block.data = serde_json::from_str(data).expect("JSON"),
            ("", comment) => comment.clone_into(&mut block.comment),
            (field, _) => assert_eq!(field, "retry"),
        }
    }
    block
}

fn named(events: &[(&str, i64)]) -> Vec<(String, Option<i64>)> {
    let named = events
        .iter()
        .map(|(name, id)| ((*name).to_owned(), Some(*id)));
    named.collect()
}

#[tokio::test]
async fn a_stream_tells_what_happens_and_resumes_where_it_was() {
    let live = Live::new().await;
    live.tell(&[Told::locked(&round())]).await;
    live.has_read(1).await;
    let mut stream = live.open("/events", &[("accept-encoding", "gzip")]).await;
    let hello = stream.event().await;
    assert_eq!((hello.event.as_str(), hello.id), ("hello", None));
    assert_eq!(
        (&hello.data["newest"], &hello.data["oldest"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(hello.data["now_us"], testing::NOW_US);
    live.tell(&[Told::scored(&round()), Told::void(&round(), "a test")])
        .await;
    let scored = stream.event().await;
    assert_eq!(
        (scored.event.as_str(), scored.id),
        ("round.scored", Some(2))
    );
    assert_eq!(scored.data["type"], "round.scored");
    assert_eq!(scored.data["sequence"], 2);
    assert_eq!(scored.data["round"], ROUND);
    assert_eq!(scored.data["tournament"], "btc-usd-5m");
    let void = stream.event().await;
    assert_eq!(void.data["reason"], "a test");
    drop(stream);
    live.tell(&[Told::settled(&round())]).await;
    let all = [
        ("round.locked", 1),
        ("round.scored", 2),
        ("round.void", 3),
        ("round.settled", 4),
    ];
    for (path, headers, from) in [
        ("/events?after=2", vec![], 2),
        ("/events", vec![("last-event-id", "3")], 3),
        ("/events?after=0", vec![("last-event-id", "1")], 1),
        ("/events?after=0", vec![], 0),
    ] {
        let mut stream = live.open(path, &headers).await;
        assert_eq!(stream.event().await.event, "hello");
        let rest = &all[from..];
        assert_eq!(stream.events(rest.len()).await, named(rest), "{path}");
    }
    live.end().await;
}

#[tokio::test]
async fn filters_leave_out_and_heartbeats_move_on() {
    let live = Live::new().await;
    let elsewhere = ROUND.replace("btc", "eth").parse().expect("an id");
    let path = "/events?tournaments=btc-usd-5m&types=round.scored,round.void";
    let mut stream = live.open(path, &[]).await;
    live.tell(&[
        Told::scored(&elsewhere),
        Told::locked(&round()),
        Told::scored(&round()),
        Told::settled(&round()),
    ])
    .await;
    assert_eq!(stream.event().await.event, "hello");
    assert_eq!(stream.events(1).await, named(&[("round.scored", 3)]));
    // The position goes past what is not wanted.
    loop {
        let beat = stream.block().await.expect("goes on");
        assert_eq!(
            (beat.comment.as_str(), beat.event.as_str()),
            ("heartbeat", "")
        );
        if beat.id == Some(4) {
            break;
        }
        assert_eq!(beat.id, Some(3));
    }
    live.end().await;
}

#[tokio::test]
async fn what_is_not_kept_is_a_gap() {
    let live = Live::new().await;
    let three = [
        Told::locked(&round()),
        Told::scored(&round()),
        Told::settled(&round()),
    ];
    live.tell(&three).await;
    let app = &live.world.app;
    let mut tx = app.db.begin().await.expect("begins");
    events::forget_before(&mut tx, i64::MAX)
        .await
        .expect("forgets");
    tx.commit().await.expect("commits");
    live.tell(&[Told::void(&round(), "a test")]).await;
    // Nothing kept after 1; and a number that this server has never given.
    for after in ["1", "99"] {
        let mut stream = live.open("/events", &[("last-event-id", after)]).await;
        assert_eq!(stream.event().await.event, "hello");
        let gap = stream.event().await;
        assert_eq!((gap.event.as_str(), gap.id), ("gap", None));
        assert_eq!(gap.data, json!({"type": "gap", "oldest": 4}));
        assert_eq!(stream.events(1).await, named(&[("round.void", 4)]));
    }
    let mut stream = live.open("/events?after=3", &[]).await;
    assert_eq!(stream.event().await.event, "hello");
    assert_eq!(
        stream.events(1).await,
        named(&[("round.void", 4)]),
        "no gap"
    );
    live.end().await;
}

#[tokio::test]
async fn a_key_brings_its_own_events_until_it_is_revoked() {
    let live = Live::new().await;
    let world = &live.world;
    let key = world.key("ada", &[Scope::Read]).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let mut own = live.open("/events", &headers).await;
    let mut public = live.open("/events", &[]).await;
    let ada = "ada".parse().expect("an id");
    let model = "btc-usd-5m-net".parse().expect("an id");
    let paused = Told::paused(&ada, round().tournament(), &model, "three failures");
    live.tell(&[paused, Told::locked(&round())]).await;
    assert_eq!(own.event().await.event, "hello");
    assert_eq!(public.event().await.event, "hello");
    let all = [("model.paused", 1), ("round.locked", 2)];
    assert_eq!(own.events(2).await, named(&all));
    assert_eq!(public.events(1).await, named(&all[1..]));

    let mut tx = world.app.db.begin().await.expect("begins");
    let id = key.split('_').nth(1).expect("an id");
    accounts::revoke_key(&mut tx, 1, id).await.expect("revoked");
    tx.commit().await.expect("commits");
    assert_eq!(
        own.last_words().await,
        "ends, the API key is not accepted any more"
    );
    live.tell(&[Told::scored(&round())]).await;
    assert_eq!(public.events(1).await, named(&[("round.scored", 3)]));
    live.end().await;
}

#[tokio::test]
async fn own_events_come_just_before_the_event_that_they_belong_to() {
    let live = Live::new().await;
    let (key, model) = live.world.bot("ada").await;
    let read = live.world.key("bob", &[Scope::Read]).await;
    drop(key);
    let app = &live.world.app;
    let mut tx = app.db.begin().await.expect("begins");
    let ada: domain::AccountId = "ada".parse().expect("an id");
    let random = app.random_bytes();
    let own = accounts::create_key(&mut tx, 1, &ada, &[Scope::Read], random).await;
    tx.commit().await.expect("commits");
    let own = format!("Bearer {}", own.expect("a key"));
    let other = format!("Bearer {read}");
    live.tell(&[Told::locked(&round())]).await;
    let mut stream = live
        .open("/events?after=0", &[("authorization", &own)])
        .await;
    assert_eq!(stream.event().await.event, "hello");
    let absent = stream.event().await;
    assert_eq!(
        (absent.event.as_str(), absent.id),
        ("prediction.absent", None)
    );
    assert_eq!(
        (&absent.data["model"], &absent.data["sequence"]),
        (&json!(model), &json!(1))
    );
    assert_eq!(stream.events(1).await, named(&[("round.locked", 1)]));
    let mut foreign = live
        .open("/events?after=0", &[("authorization", &other)])
        .await;
    assert_eq!(foreign.event().await.event, "hello");
    assert_eq!(foreign.events(1).await, named(&[("round.locked", 1)]));
    // Without the round's event the position moves by the heartbeat.
    let path = "/events?after=0&types=prediction.absent";
    let mut alone = live.open(path, &[("authorization", &own)]).await;
    assert_eq!(alone.event().await.event, "hello");
    assert_eq!(alone.event().await.event, "prediction.absent");
    assert_eq!(alone.block().await.expect("goes on").id, Some(1));
    live.end().await;
}

#[tokio::test]
async fn a_listener_that_does_not_read_is_closed_and_resumes() {
    let live = Live::new().await;
    let request = Request::get("/api/v1/events").body(Body::empty());
    let router = live.world.router.clone();
    let answer = router.oneshot(request.expect("a request")).await;
    let mut body = answer.expect("infallible").into_body().into_data_stream();
    let hello = body.next().await.expect("a block").expect("readable");
    assert!(hello.starts_with(b"retry: 1000\nevent: hello\n"));
    assert!(body.next().now_or_never().is_none(), "it waits for news");
    let many: Vec<Told> = (0..=RING).map(|_| Told::locked(&round())).collect();
    live.tell(&many).await;
    let all = i64::try_from(many.len()).expect("small");
    live.has_read(all).await;
    let mut last = Vec::new();
    while let Some(block) = body.next().await {
        last = block.expect("readable").to_vec();
    }
    let last = String::from_utf8(last).expect("UTF-8");
    assert!(last.starts_with(": ends, events come faster"), "{last}");
    // Others are not concerned, and whoever comes back gets everything.
    let mut again = live.open("/events?after=0", &[]).await;
    assert_eq!(again.event().await.event, "hello");
    for sequence in 1..=all {
        assert_eq!(again.event().await.id, Some(sequence));
    }
    live.end().await;
}

#[tokio::test]
async fn requests_for_events_are_refused_with_reasons() {
    let world = World::new().await;
    let blind = world.key("ada", &[Scope::Predict]).await;
    for (path, key, status, code) in [
        ("?types=round.opened", None, 400, "query-invalid"),
        ("?after=-1", None, 400, "query-invalid"),
        ("?after=x", None, 400, "query-invalid"),
        ("?tournaments=B", None, 400, "query-invalid"),
        ("?tournaments=doge-usd-5m", None, 404, "unknown-tournament"),
        ("?types=prediction.scored", None, 401, "key-missing"),
        ("", Some(blind.as_str()), 403, "scope-missing"),
        ("", Some("ftk_1_2_3"), 401, "key-malformed"),
    ] {
        for events in ["/events", "/events/recent"] {
            let path = format!("{events}{path}");
            world
                .send(Method::GET, &path, key, None)
                .await
                .is_problem(status, code);
        }
    }
    let request = Request::get("/api/v1/events").header("last-event-id", "abc");
    let request = request.body(Body::empty()).expect("a request");
    world
        .request(request)
        .await
        .is_problem(400, "query-invalid");
}

#[tokio::test]
async fn those_who_poll_get_the_same() {
    let world = World::new().await;
    let mut tx = world.app.db.begin().await.expect("begins");
    let told: Vec<Told> = (0..6).map(|_| Told::locked(&round())).collect();
    events::append(&mut tx, 5, &told).await.expect("tells");
    tx.commit().await.expect("commits");
    let sequences = |answer: &Answer| -> Vec<i64> {
        let events = answer.json["events"].as_array().expect("a list");
        let numbers = events.iter().map(|event| event["sequence"].as_i64());
        numbers.map(|number| number.expect("a number")).collect()
    };
    for (query, expected, next) in [
        ("", vec![1, 2, 3, 4, 5, 6], 6),
        ("?limit=2", vec![5, 6], 6),
        ("?after=1&limit=3", vec![2, 3, 4], 4),
        ("?after=6", vec![], 6),
        ("?after=0&types=round.void", vec![], 6),
        ("?after=99&limit=1", vec![1], 1),
    ] {
        let answer = world.get(&format!("/events/recent{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(sequences(&answer), expected, "{query}");
        assert_eq!(answer.json["next_after"], next, "{query}");
        assert_eq!(
            (&answer.json["newest"], &answer.json["oldest"]),
            (&json!(6), &json!(1))
        );
    }
}
