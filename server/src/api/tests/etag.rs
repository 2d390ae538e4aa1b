//! Validators and caching.

use axum::body::Body;
use axum::http::{HeaderName, Method, Request, StatusCode, header};
use domain::RoundState;
use domain::{Direction, Outcome};

use super::{Answer, ROUND, World, round};
use crate::accounts::Scope;
use crate::prices::{self, Resolution};
use crate::rounds;

async fn ask(world: &World, method: Method, path: &str, with: &[(HeaderName, &str)]) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"));
    for (name, value) in with {
        request = request.header(name, *value);
    }
    world
        .request(request.body(Body::empty()).expect("a request"))
        .await
}

async fn get(world: &World, path: &str, with: &[(HeaderName, &str)]) -> Answer {
    ask(world, Method::GET, path, with).await
}

fn said(answer: &Answer, name: &HeaderName) -> String {
    let all = answer.headers.get_all(name).into_iter();
    let all: Vec<&str> = all.filter_map(|value| value.to_str().ok()).collect();
    all.join(", ")
}

#[tokio::test]
async fn who_has_an_answer_already_is_told_so() {
    let world = World::new().await;
    let path = format!("/rounds/{ROUND}");
    let first = get(&world, &path, &[]).await;
    let tag = said(&first, &header::ETAG);
    assert!(tag.starts_with("W/\"") && tag.len() == 36, "{tag}");
    assert_eq!(said(&first, &header::CACHE_CONTROL), "no-cache");
    let strong = tag.trim_start_matches("W/");
    for known in [tag.as_str(), strong, "*", &format!("\"other\", {tag}")] {
        let again = get(&world, &path, &[(header::IF_NONE_MATCH, known)]).await;
        assert_eq!(
            (again.status, again.text.as_str()),
            (StatusCode::NOT_MODIFIED, "")
        );
        assert_eq!(said(&again, &header::ETAG), tag, "{known}");
        assert_eq!(said(&again, &header::CACHE_CONTROL), "no-cache");
    }
    let head = ask(&world, Method::HEAD, &path, &[]).await;
    assert_eq!(
        (said(&head, &header::ETAG), head.text.as_str()),
        (tag.clone(), "")
    );
    world.advance(RoundState::Open, RoundState::Locked).await;
    let changed = get(&world, &path, &[(header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(said(&changed, &header::ETAG), tag);
    assert_eq!(changed.json["state"], "locked");
}

#[tokio::test]
async fn what_is_true_for_a_moment_or_refused_is_not_kept() {
    let world = World::new().await;
    for path in ["/time", "/health", "/rounds/next", "/feeds", "/rounds/none"] {
        let answer = get(&world, path, &[(header::IF_NONE_MATCH, "*")]).await;
        assert_ne!(answer.status, StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!(said(&answer, &header::ETAG), "", "{path}");
        assert_eq!(said(&answer, &header::CACHE_CONTROL), "no-store", "{path}");
    }
    let key = world.key("ada", &[Scope::Upload]).await;
    let body = serde_json::json!({"tournament": "btc-usd-5m", "name": "ada"});
    let made = world
        .send(Method::POST, "/models", Some(&key), Some(&body))
        .await;
    assert_eq!(said(&made, &header::CACHE_CONTROL), "no-store");
}

#[tokio::test]
async fn an_answer_that_depends_on_the_key_is_for_that_key_alone() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let bearer = format!("Bearer {key}");
    let own = [(header::AUTHORIZATION, bearer.as_str())];
    for (path, with) in [
        ("/predictions".to_owned(), &own[..]),
        (format!("/models/{model}"), &own[..]),
        (format!("/models/{model}"), &[][..]),
    ] {
        let answer = get(&world, &path, with).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(said(&answer, &header::CACHE_CONTROL), "private, no-cache");
        assert!(
            said(&answer, &header::VARY).contains("authorization"),
            "{path}"
        );
    }
    let public = get(&world, "/tournaments", &own).await;
    assert!(!said(&public, &header::VARY).contains("authorization"));
}

#[tokio::test]
async fn what_never_changes_may_be_kept_for_ever_and_a_packed_answer_has_a_weak_tag() {
    let world = World::new().await;
    let hash = format!("0x{}", "ab".repeat(32));
    let resolution = Resolution {
        outcome: Outcome::Direction(Direction::Up),
        reason: String::new(),
        p0: None,
        p1: None,
        return_e12: 1,
        evidence: format!("{{\"venues\": \"{}\"}}", "long ".repeat(200)),
        evidence_hash: hash.clone(),
        resolved_us: 1,
    };
    let mut tx = world.app.db.begin().await.expect("begin");
    prices::write_resolution(&mut tx, &round(), &resolution)
        .await
        .expect("written");
    rounds::get(&mut tx, &round()).await.expect("there");
    tx.commit().await.expect("commit");
    let path = format!("/rounds/{ROUND}/evidence");
    let plain = get(&world, &path, &[]).await;
    assert_eq!(said(&plain, &header::ETAG), format!("\"{hash}\""));
    assert!(said(&plain, &header::CACHE_CONTROL).contains("immutable"));
    let packed = get(&world, &path, &[(header::ACCEPT_ENCODING, "gzip")]).await;
    assert_eq!(said(&packed, &header::CONTENT_ENCODING), "gzip");
    let weak = said(&packed, &header::ETAG);
    assert_eq!(weak, format!("W/\"{hash}\""));
    let with = [
        (header::ACCEPT_ENCODING, "gzip"),
        (header::IF_NONE_MATCH, weak.as_str()),
    ];
    let again = get(&world, &path, &with).await;
    assert_eq!(
        (again.status, again.text.as_str()),
        (StatusCode::NOT_MODIFIED, "")
    );
}
