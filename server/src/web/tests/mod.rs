//! Every page on a fresh server and on one with rounds behind it.

mod diagnostics;
mod feeds;
mod model;
mod published;
mod runners;
mod world;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use tower::ServiceExt;

use crate::app::App;
use crate::app::testing::{NOW_US, app};
use crate::settlement::{self, lease};
use world::Played;

/// A page must stay under this many bytes.
const PAGE_LIMIT: usize = 200_000;

async fn get(app: &Arc<App>, path: &str) -> Response {
    let router = super::router().with_state(Arc::clone(app));
    let request = Request::get(path).body(Body::empty()).expect("a request");
    router.oneshot(request).await.expect("an answer")
}

/// The page at `path`, checked for what every page promises.
async fn page(app: &Arc<App>, path: &str, status: StatusCode) -> String {
    let answer = get(app, path).await;
    assert_eq!(answer.status(), status, "{path}");
    let policy = answer
        .headers()
        .get("content-security-policy")
        .expect("a policy");
    assert!(!policy.to_str().expect("text").contains("unsafe"));
    let bytes = to_bytes(answer.into_body(), PAGE_LIMIT)
        .await
        .expect("a page under the limit");
    let html = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    for foreign in [
        "http://",
        "https://",
        "href=\"//",
        "src=\"//",
        "style=\"",
        "<style",
        " onclick",
        "NaN",
    ] {
        assert!(!html.contains(foreign), "{path} has {foreign}");
    }
    if let Ok(folder) = std::env::var("FORETOKEN_PAGES") {
        // For looking at the pages in a browser; style and script beside them.
        let name = path.trim_matches('/').replace(['/', '?', '='], "_");
        let name = if name.is_empty() { "home" } else { &name };
        std::fs::write(format!("{folder}/{name}.html"), &html).expect("written");
    }
    html
}

#[tokio::test]
async fn every_page_of_a_fresh_server_says_what_is_to_come() {
    let (app, _wall, _folder) = app().await;
    for (path, says) in [
        ("/", "No round is open now"),
        ("/live", "No trade has been recorded yet"),
        ("/tournaments/btc-usd-5m", "No round has opened yet"),
        ("/leaderboard", "No round has been scored yet"),
        ("/leaderboard?tournament=eth-usd-5m", "Ethereum"),
        ("/datasets", "have not been published"),
        ("/batches", "No batch has been planned yet"),
        ("/operator", "never ran"),
        ("/runners", "No runner has asked for work yet"),
    ] {
        let html = page(&app, path, StatusCode::OK).await;
        assert!(
            html.contains(says) || says == "Ethereum",
            "{path} does not say {says:?}"
        );
    }
    assert!(
        page(&app, "/", StatusCode::OK)
            .await
            .contains("its three venues come from one recording")
    );
}

#[tokio::test]
async fn what_does_not_exist_has_a_page_that_says_so() {
    let (app, _wall, _folder) = app().await;
    for path in [
        "/nothing",
        "/tournaments/gold",
        "/tournaments/%FF",
        "/tournaments/Not%20An%20Id",
        "/rounds/btc-usd-5m-20240305T1200Z",
        "/rounds/gold-20240305T1200Z",
        "/rounds/x",
        "/models/nobody",
        "/models/%3Cscript%3E",
        "/leaderboard?tournament=gold",
        "/datasets/files/manifest.json",
        "/datasets/files/..%2f..%2fetc%2fpasswd",
        "/static/style-000000000000.css",
    ] {
        let html = page(&app, path, StatusCode::NOT_FOUND).await;
        assert!(
            html.contains("Not found") && !html.contains("<script>"),
            "{path}"
        );
    }
    page(
        &app,
        "/tournaments/btc-usd-5m?before=x&before=y",
        StatusCode::OK,
    )
    .await;
}

/// A proposal that is refused, a halt and a settler that is gone: the page says what and the way out.
#[tokio::test]
async fn the_operators_page_shows_what_is_stuck_and_the_way_out() {
    let (app, _wall, _folder) = app().await;
    let mut tx = app.db.begin().await.expect("begins");
    lease::take(&mut tx, "4711-1", NOW_US - 90_000_000, NOW_US - 60_000_000)
        .await
        .expect("asks")
        .expect("free");
    settlement::halt(&mut tx, NOW_US - 60_000_000, "ledger and chain <differ>")
        .await
        .expect("halts");
    settlement::testing::refused_acceptance(&mut tx, "WindowOpen { until: 9 }").await;
    tx.commit().await.expect("commits");
    let html = page(&app, "/operator", StatusCode::OK).await;
    for says in [
        "Settlement is halted",
        "ledger and chain &#60;differ&#62;",
        "foretoken admin resume --reason",
        "process 4711-1, fence 1",
        "not running",
        "WindowOpen { until: 9 }",
        "refused it (tries: 1)",
        "3.001",
        "The accounts sum to zero",
    ] {
        assert!(html.contains(says), "the page does not say {says:?}");
    }
    for secret in ["deadbeef", "c0ffee"] {
        assert!(!html.contains(secret), "{secret} is no one's business");
    }
}

#[tokio::test]
async fn pages_of_a_server_with_rounds_show_their_numbers() {
    let played = Played::new().await;
    let app = &played.app;
    for path in [
        "/",
        "/live",
        "/tournaments/btc-usd-5m",
        "/leaderboard",
        "/batches",
        "/operator",
        "/runners",
    ] {
        let html = page(app, path, StatusCode::OK).await;
        assert!(
            html.contains("Bitcoin") || html.contains("Settlement"),
            "{path}"
        );
    }
    let round = page(app, &format!("/rounds/{}", played.scored), StatusCode::OK).await;
    for says in [
        "The constant 0.5",
        "constant-half",
        "Binance",
        "Salt",
        "posted 0.2000",
        "scored",
    ] {
        assert!(round.contains(says), "the round does not say {says:?}");
    }
    let model = page(app, "/models/btc-usd-5m-steady", StatusCode::OK).await;
    for says in [
        "Cumulative payout",
        "Cumulative skill",
        "someone",
        "95 % interval",
    ] {
        assert!(model.contains(says), "the model does not say {says:?}");
    }
    let board = page(app, "/leaderboard", StatusCode::OK).await;
    assert!(board.contains("steady") && board.contains("class=\"interval"));
    let void = page(app, &format!("/rounds/{}", played.void), StatusCode::OK).await;
    assert!(void.contains("This round is void") && void.contains("the test says so"));
}

#[tokio::test]
async fn nothing_that_others_said_is_seen_before_the_outcome() {
    let played = Played::new().await;
    for round in [&played.open, &played.locked] {
        let html = page(&played.app, &format!("/rounds/{round}"), StatusCode::OK).await;
        assert!(html.contains("Predictions of others become visible once the round is resolved"));
        for secret in ["steady", "0.5600", "Salt", "Crowd without", "At risk"] {
            assert!(!html.contains(secret), "{round} shows {secret:?}");
        }
    }
    let list = page(&played.app, "/tournaments/btc-usd-5m", StatusCode::OK).await;
    let row = list
        .split("<tr>")
        .find(|row| row.contains(&played.locked.to_string()));
    let row = row.expect("the locked round is listed");
    assert!(row.matches("<td class=\"n\">–</td>").count() == 2, "{row}");
}

/// A seal that nobody opened is told with the outcome; before, the number of predictions is the same
/// whatever became of it.
#[tokio::test]
async fn a_seal_that_was_never_revealed_is_told_with_the_outcome() {
    let played = Played::new().await;
    let mut tx = played.app.db.begin().await.expect("begins");
    for (sequence, round) in [(1, &played.scored), (2, &played.locked)] {
        // No verb stores a row of a round that is over.
        let sql = format!(
            "INSERT INTO predictions (sequence, round_id, model_id, posted_ppm, counted_ppm, ask, \
             received_us, receipt, stake_counted, seal, salt, seal_index) \
             SELECT {sequence}, '{round}', MIN(id), 0, 0, -1, 1, '', 0, '0x{}', '', 0 FROM models",
            "ab".repeat(32)
        );
        crate::db::testing::change(&mut tx, &sql)
            .await
            .expect("stored");
    }
    tx.commit().await.expect("commits");
    let path = format!("/rounds/{}", played.scored);
    let html = page(&played.app, &path, StatusCode::OK).await;
    assert!(html.contains("One prediction was sealed and never revealed"));
    let path = format!("/rounds/{}", played.locked);
    let html = page(&played.app, &path, StatusCode::OK).await;
    assert!(!html.contains("sealed"), "{html}");
    assert!(html.contains("7 predictions received"), "six, and the seal");
}

#[tokio::test]
async fn static_files_are_found_under_their_names_and_kept_for_ever() {
    let (app, _wall, _folder) = app().await;
    let html = page(&app, "/", StatusCode::OK).await;
    let names = html.split('"').filter(|part| part.starts_with("/static/"));
    let mut seen = 0;
    for name in names {
        let answer = get(&app, name).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        let kept = answer.headers().get("cache-control").expect("kept");
        assert!(kept.to_str().expect("text").contains("immutable"));
        if let Ok(folder) = std::env::var("FORETOKEN_PAGES") {
            let body = to_bytes(answer.into_body(), PAGE_LIMIT)
                .await
                .expect("a body");
            std::fs::create_dir_all(format!("{folder}/static")).expect("a folder");
            std::fs::write(format!("{folder}{name}"), body).expect("written");
        }
        seen += 1;
    }
    assert_eq!(seen, 3);
}
