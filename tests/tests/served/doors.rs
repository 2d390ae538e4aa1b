//! What the API refuses: each time a problem with a stable code, what happened and what to do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::caller::integer;
use tests::{process, scratch};

use super::{BTC, ETH, MEMBER, model_named, world};

const COMMAND_LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_late_prediction_is_told_by_how_much() {
    let demo = world().await;
    let member = demo.member("late", MEMBER).await.expect("a key");
    let model = member.register(BTC, "late bot").await.expect("a model");
    let round = member
        .round_in(BTC, "locked,resolved,scored,settled")
        .await
        .expect("a round");
    let answer = member
        .predict(&round, &model, &json!({"p": 0.5}))
        .await
        .expect("an answer");
    let problem = answer.expect_problem(409, "late");
    assert!(
        integer(&problem, "missed_ms").expect("a number") > 0,
        "{problem}"
    );
}

#[tokio::test]
async fn a_report_past_the_edge_is_clamped_and_the_receipt_says_so() {
    let demo = world().await;
    let member = demo.member("clamped", MEMBER).await.expect("a key");
    let model = member.register(BTC, "sure bot").await.expect("a model");
    let round = member.fresh_round(BTC).await.expect("a round");
    let mut receipts = Vec::new();
    for _ in 0..2 {
        let answer = member
            .predict(&round, &model, &json!({"p": 0.9, "stake": "1.5"}))
            .await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text);
        let mut receipt = answer.json().expect("a receipt");
        let all = receipt.as_object_mut().expect("an object");
        let notices = all.remove("notices").expect("notices").to_string();
        assert!(notices.contains("\"clamped\""), "{notices}");
        assert_eq!(
            notices.contains("\"duplicate\""),
            !receipts.is_empty(),
            "{notices}"
        );
        receipts.push(receipt);
    }
    let receipt = &receipts[0];
    let expected = [
        ("round", json!(round)),
        ("model", json!(model)),
        ("p_ppm", json!(650_000)),
        ("posted_ppm", json!(900_000)),
        ("clamped", json!(true)),
        ("stake", json!("1.5")),
    ];
    for (name, value) in expected {
        assert_eq!(receipt[name], value, "{receipt}");
    }
    assert!(
        integer(receipt, "ms_to_deadline").expect("a number") > 0,
        "{receipt}"
    );
    let hex_digits = |name: &str| receipt[name].as_str().map_or(0, |text| text.len() - 2);
    assert_eq!(
        (
            hex_digits("hash"),
            hex_digits("signature"),
            hex_digits("signer")
        ),
        (64, 130, 40)
    );
    assert_eq!(
        receipts[0], receipts[1],
        "the same again gives the same receipt"
    );
    let inside = member
        .predict(&round, &model, &json!({"p": 0.6}))
        .await
        .expect("an answer");
    assert_eq!(
        inside.json().expect("a receipt")["clamped"],
        json!(false),
        "{}",
        inside.text
    );
}

#[tokio::test]
async fn what_is_no_prediction_is_refused_and_says_which_field() {
    let demo = world().await;
    let member = demo.member("careless", MEMBER).await.expect("a key");
    let model = member.register(BTC, "careless bot").await.expect("a model");
    let round = member.fresh_round(BTC).await.expect("a round");
    let cases = [
        (json!({"p": 1.5}), "probability-out-of-range", "1.5"),
        (json!({"p": -0.1}), "probability-out-of-range", "-0.1"),
        (json!({"p": "high"}), "body-invalid", "p"),
        (json!({"stake": "1"}), "body-invalid", "p"),
        (json!({"p": 0.5, "steak": "1"}), "body-invalid", "steak"),
        (
            json!({"p": 0.5, "stake": "-1"}),
            "stake-not-an-amount",
            "-1",
        ),
        (
            json!({"p": 0.5, "stake": "0.0000000001"}),
            "stake-not-an-amount",
            "0.0000000001",
        ),
    ];
    for (body, code, word) in cases {
        let answer = member
            .predict(&round, &model, &body)
            .await
            .expect("an answer");
        let problem = answer.expect_problem(422, code);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(word), "{body}: no {word:?} in {detail:?}");
    }
    let own = format!("rounds/{round}/predictions/{model}");
    let answer = member
        .get(&format!("/api/v1/{own}"))
        .await
        .expect("an answer");
    answer.expect_problem(404, "no-prediction");
}

#[tokio::test]
async fn what_does_not_exist_or_belong_is_named() {
    let demo = world().await;
    let member = demo.member("lost", MEMBER).await.expect("a key");
    let model = member.register(BTC, "lost bot").await.expect("a model");
    let foreign = model_named(&member, BTC, "noise-bot").await.expect("a bot");
    let other = member.fresh_round(ETH).await.expect("a round");
    let round = member.fresh_round(BTC).await.expect("a round");
    let cases = [
        (
            "btc-usd-5m-20200101T0000Z",
            model.as_str(),
            404,
            "unknown-round",
        ),
        ("btc-usd-5m-yesterday", model.as_str(), 404, "unknown-round"),
        (round.as_str(), "nobody", 404, "unknown-model"),
        (round.as_str(), foreign.as_str(), 403, "not-owner"),
        (other.as_str(), model.as_str(), 409, "wrong-tournament"),
    ];
    for (round, model, status, code) in cases {
        let answer = member
            .predict(round, model, &json!({"p": 0.5}))
            .await
            .expect("an answer");
        answer.expect_problem(status, code);
    }
    let body = json!({"tournament": "tulips-5m", "name": "lost bot"});
    let answer = member
        .send_json(Method::POST, "models", &body)
        .await
        .expect("an answer");
    answer.expect_problem(404, "unknown-tournament");
    let answer = member.get("/api/v1/nowhere").await.expect("an answer");
    answer.expect_problem(404, "unknown-route");
    let answer = member
        .send_json(Method::DELETE, "rounds", &json!({}))
        .await
        .expect("an answer");
    answer.expect_problem(405, "wrong-method");
}

#[tokio::test]
async fn a_key_must_be_there_be_right_and_allow_it() {
    let demo = world().await;
    let visitor = demo.visitor().expect("a caller");
    let reader = demo.member("reader", "read").await.expect("a key");
    let model = model_named(&visitor, BTC, "noise-bot")
        .await
        .expect("a bot");
    let round = visitor.fresh_round(BTC).await.expect("a round");
    let elsewhere = key_of_another_server().await;
    let cases = [
        (visitor.clone(), 401, "key-missing"),
        (visitor.with_key("let me in"), 401, "key-malformed"),
        (visitor.with_key(&elsewhere), 401, "key-unknown"),
        (reader, 403, "scope-missing"),
    ];
    for (caller, status, code) in cases {
        let answer = caller
            .predict(&round, &model, &json!({"p": 0.5}))
            .await
            .expect("an answer");
        answer.expect_problem(status, code);
    }
}

/// A key of the right form that this server has never made.
async fn key_of_another_server() -> String {
    let folder = scratch::folder("elsewhere").expect("a folder");
    let mut command = process::foretoken(["admin", "key", "create", "--account", "x"]).expect("it");
    command.arg("--data").arg(folder.path());
    let made = process::run(command, COMMAND_LIMIT)
        .await
        .expect("the command ends");
    assert_eq!(made.code, 0, "{}", made.stderr);
    made.stdout.trim().to_owned()
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let demo = world().await;
    let member = demo.member("verbose", MEMBER).await.expect("a key");
    let model = member.register(BTC, "verbose bot").await.expect("a model");
    let round = member.fresh_round(BTC).await.expect("a round");
    let body = json!({"p": 0.5, "stake": "1".repeat(1 << 20)});
    let answer = member
        .predict(&round, &model, &body)
        .await
        .expect("an answer");
    answer.expect_problem(413, "body-too-large");
    let (head, body) = announce_upload(&demo.url, member.key().unwrap_or_default(), 64_000_001);
    assert!(head.starts_with("HTTP/1.1 413"), "{head}\n{body}");
    let problem: Value = serde_json::from_str(&body).expect("a problem");
    assert_eq!(problem["code"], json!("body-too-large"), "{problem}");
    assert!(
        problem["remedy"]
            .as_str()
            .unwrap_or_default()
            .contains("64000000"),
        "{problem}"
    );
}

/// Says how long an upload will be and sends none of it: a server that reads on would wait.
fn announce_upload(url: &str, key: &str, length: u64) -> (String, String) {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a limit");
    write!(
        stream,
        "POST /api/v1/models/upload?tournament={BTC}&name=giant HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: Bearer {key}\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    .expect("the request goes out");
    let mut said = String::new();
    stream
        .read_to_string(&mut said)
        .expect("an answer before the body");
    let (head, body) = said.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}
