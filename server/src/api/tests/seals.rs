//! Sealed predictions over HTTP.

use alloy::primitives::B256;
use axum::http::{Method, StatusCode};
use contracts::round::seal;
use domain::RoundState;
use domain::timestamp::SECOND_US;
use serde_json::{Value, json};

use super::{Answer, ROUND, World};

const SALT: &str = "0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

fn path(model: &str) -> String {
    format!("/rounds/{ROUND}/predictions/{model}")
}

async fn put(world: &World, key: &str, model: &str, body: &Value) -> Answer {
    world
        .send(Method::PUT, &path(model), Some(key), Some(body))
        .await
}

/// The seal of a model without a stake, by what the API says of the round.
async fn sealed(world: &World, p_ppm: u32, w: u64) -> String {
    let round = world.get(&format!("/rounds/{ROUND}")).await;
    let chain_round = round.json["chain_round"].as_str().expect("a hash");
    let chain_round: B256 = chain_round.parse().expect("a hash");
    let salt: B256 = SALT.parse().expect("a salt");
    seal(chain_round, u32::MAX, w, p_ppm, salt).to_string()
}

async fn moments(world: &World) -> (i64, i64) {
    let round = world.get(&format!("/rounds/{ROUND}")).await;
    let us = |name: &str| round.json[name].as_i64().expect("a moment");
    (us("deadline_us"), us("reveal_until_us"))
}

fn codes(answer: &Answer) -> Vec<&str> {
    let notices = answer.json["notices"].as_array().expect("notices");
    notices
        .iter()
        .map(|notice| notice["code"].as_str().expect("a code"))
        .collect()
}

#[tokio::test]
async fn a_seal_is_acknowledged_without_its_content_and_opened_after_the_deadline() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let seal = sealed(&world, 612_345, 7_500_000_000).await;
    let taken = put(&world, &key, &model, &json!({"seal": seal})).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text);
    for absent in ["p_ppm", "posted_ppm", "stake"] {
        assert_eq!(taken.json[absent], Value::Null, "{absent}");
    }
    assert_eq!(
        (&taken.json["seal"], &taken.json["stake_counted"]),
        (&json!(seal), &json!("0"))
    );
    assert_eq!(codes(&taken), ["sealed"]);
    let again = put(&world, &key, &model, &json!({"seal": seal})).await;
    assert_eq!(codes(&again), ["duplicate", "sealed"]);
    assert_eq!(again.json["signature"], taken.json["signature"]);
    let (deadline_us, reveal_until_us) = moments(&world).await;
    world.wall.set(reveal_until_us - 1);
    let body = json!({"p": 0.612_345, "stake": "7.5", "salt": SALT});
    let opened = put(&world, &key, &model, &body).await;
    assert_eq!(opened.status, StatusCode::OK, "{}", opened.text);
    assert_eq!(opened.json["p_ppm"], 612_345);
    assert_eq!(opened.json["seal"], json!(seal), "both receipts name it");
    assert_eq!(opened.json["sequence"], 2);
    assert_eq!(opened.json["ms_to_deadline"], 0);
    assert_eq!(codes(&opened), ["unstaked"]);
    let own = world
        .send(Method::GET, &path(&model), Some(&key), None)
        .await;
    assert_eq!(own.json["signature"], opened.json["signature"]);
    world.wall.set(deadline_us);
    put(&world, &key, &model, &json!({"seal": seal}))
        .await
        .is_problem(409, "late");
}

#[tokio::test]
async fn what_opens_no_seal_says_why() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let opening = json!({"p": 0.6, "salt": SALT});
    let none = put(&world, &key, &model, &opening).await;
    none.is_problem(409, "seal-unknown");
    let seal = sealed(&world, 600_000, u64::MAX).await;
    put(&world, &key, &model, &json!({"seal": seal})).await;
    let zero = format!("0x{}", "00".repeat(32));
    for wrong in [
        json!({"p": 0.6, "salt": zero}),
        json!({"p": 0.600_001, "salt": SALT}),
        json!({"p": 0.6, "stake": "1", "salt": SALT}),
        json!({"p": 0.6, "stake": "0", "salt": SALT}),
    ] {
        let refused = put(&world, &key, &model, &wrong).await;
        refused.is_problem(409, "seal-not-opened");
        assert_eq!(refused.json["seal"], json!(seal), "{wrong}");
    }
    let (_, reveal_until_us) = moments(&world).await;
    world.wall.set(reveal_until_us + 1_001);
    let late = put(&world, &key, &model, &opening).await;
    late.is_problem(409, "seal-late");
    assert_eq!(late.json["missed_ms"], 2);
    assert_eq!(late.json["reveal_until_us"], reveal_until_us);
    world.wall.set(reveal_until_us - 1);
    let opened = put(&world, &key, &model, &opening).await;
    assert_eq!(opened.status, StatusCode::OK, "{}", opened.text);
    let again = put(&world, &key, &model, &opening).await;
    assert_eq!(again.json["signature"], opened.json["signature"]);
}

#[tokio::test]
async fn fields_that_do_not_go_together_are_refused() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let seal = sealed(&world, 600_000, u64::MAX).await;
    for body in [
        json!({"p": 0.5, "seal": seal}),
        json!({"seal": seal, "stake": "1"}),
        json!({"seal": seal, "salt": SALT}),
        json!({"salt": SALT}),
        json!({"stake": "1"}),
        json!({"seal": "0x12"}),
        json!({"seal": &seal[2..]}),
        json!({"seal": format!("0x{}zz", &seal[4..])}),
        json!({"p": 0.5, "salt": "salt"}),
        json!({"seal": 7}),
    ] {
        let refused = put(&world, &key, &model, &body).await;
        refused.is_problem(422, "body-invalid");
    }
}

#[tokio::test]
async fn nobody_else_learns_of_a_seal_and_its_owner_that_it_was_never_revealed() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let (stranger, _) = world.bot("bob").await;
    let seal = sealed(&world, 600_000, u64::MAX).await;
    put(&world, &key, &model, &json!({"seal": seal})).await;
    let secret = &seal[2..];
    let look = async |state: &str| {
        for path in super::secrecy::public_paths(&model) {
            for key in [None, Some(stranger.as_str())] {
                let answer = world.send(Method::GET, &path, key, None).await;
                let says = answer.text.contains(secret) || answer.text.contains("never_revealed");
                assert!(!says, "{state}: {path}: {}", answer.text);
            }
        }
        let answer = world
            .send(Method::GET, &path(&model), Some(&stranger), None)
            .await;
        answer.is_problem(403, "not-yet-resolved");
    };
    look("open").await;
    let (_, reveal_until_us) = moments(&world).await;
    let own = async || {
        world
            .send(Method::GET, &path(&model), Some(&key), None)
            .await
    };
    assert_eq!(codes(&own().await), ["sealed"]);
    world.wall.set(reveal_until_us + SECOND_US);
    world.advance(RoundState::Open, RoundState::Locked).await;
    look("locked").await;
    assert_eq!(codes(&own().await), ["never-revealed"]);
    use RoundState as S;
    world.advance(S::Locked, S::Committed).await;
    world.advance(S::Committed, S::Evidenced).await;
    look("evidenced").await;
    super::secrecy::resolve_and_score(&world).await;
    let detail = world.get(&format!("/rounds/{ROUND}")).await;
    assert_eq!(detail.json["totals"]["never_revealed"], 1);
    assert_eq!(detail.json["totals"]["models"], 0);
    let shown = world.get(&path(&model)).await;
    assert_eq!(shown.json["seal"], json!(seal), "now everybody sees it");
    assert_eq!(codes(&shown), ["never-revealed"]);
}
