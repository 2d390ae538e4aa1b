//! Before the outcome nobody sees what others predicted: not by the API, not on a page.

use std::time::Duration;

use serde_json::{Value, json};
use tests::caller::Caller;
use tests::wait;

use super::{BTC, MEMBER, world};

/// As posted, and every form in which it may be shown. No crowd is ever that sure.
const P: f64 = 0.613_27;
const FORMS: [&str; 5] = ["0.61327", "0.6133", "0.6132", "61.33", "613270"];
const ROUND_LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_prediction_is_its_owners_until_the_outcome_and_everybodys_after() {
    let demo = world().await;
    let owner = demo.member("discreet", MEMBER).await.expect("a key");
    let nosy = demo.member("nosy", MEMBER).await.expect("a key");
    let visitor = demo.visitor().expect("a caller");
    let model = owner.register(BTC, "discreet bot").await.expect("a model");
    let round = owner.fresh_round(BTC).await.expect("a round");
    let answer = owner
        .predict(&round, &model, &json!({"p": P}))
        .await
        .expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text);

    for caller in [&nosy, &visitor] {
        nothing_is_shown(caller, &round, &model).await;
    }
    let receipt = receipt_path(&round, &model);
    let own = owner.get(&receipt).await.expect("an answer");
    assert_eq!(
        own.json().expect("a receipt")["p_ppm"],
        json!(613_270),
        "{}",
        own.text
    );

    let entry = revealed(&visitor, &round, &model).await;
    assert_eq!(entry["p"], json!(P), "{entry}");
    assert_eq!(nosy.get(&receipt).await.expect("an answer").status, 200);
    let page = visitor
        .get(&format!("/rounds/{round}"))
        .await
        .expect("a page");
    let is_shown = FORMS.iter().any(|form| page.text.contains(form));
    assert!(
        is_shown && page.text.contains("discreet bot"),
        "the page does not show it"
    );
}

/// Asserts that nothing of the prediction reaches the caller, while the round waits.
async fn nothing_is_shown(caller: &Caller, round: &str, model: &str) {
    for path in [
        receipt_path(round, model),
        format!("/api/v1/rounds/{round}/aggregate"),
    ] {
        caller
            .get(&path)
            .await
            .expect("an answer")
            .expect_problem(403, "not-yet-resolved");
    }
    for path in places(round, model) {
        let shown = caller.get(&path).await.expect("an answer");
        assert_eq!(shown.status, 200, "{path}: {}", shown.text);
        let leak = FORMS.iter().find(|form| shown.text.contains(**form));
        assert!(leak.is_none(), "{path} shows {leak:?}");
    }
    let page = caller
        .get(&format!("/rounds/{round}"))
        .await
        .expect("a page");
    assert!(
        !page.text.contains("discreet bot"),
        "the page tells who has predicted"
    );
    let seen = caller
        .json(&format!("rounds/{round}"))
        .await
        .expect("a round");
    assert_eq!(
        (&seen["entries"], &seen["totals"]),
        (&Value::Null, &Value::Null),
        "{seen}"
    );
    assert!(
        matches!(seen["state"].as_str(), Some("open" | "locked")),
        "too slow: {seen}"
    );
}

fn receipt_path(round: &str, model: &str) -> String {
    format!("/api/v1/rounds/{round}/predictions/{model}")
}

/// Every place that knows the round or the model.
fn places(round: &str, model: &str) -> Vec<String> {
    let pages = ["", "live", "leaderboard", "batches"].map(|page| format!("/{page}"));
    let api = [
        format!("rounds/{round}"),
        format!("rounds?tournament={BTC}"),
        format!("aggregates?tournament={BTC}"),
        format!("models/{model}"),
        format!("models/{model}/history"),
        format!("models?tournament={BTC}"),
    ];
    let mut places = vec![
        format!("/rounds/{round}"),
        format!("/models/{model}"),
        format!("/tournaments/{BTC}"),
    ];
    places.extend(pages);
    places.extend(api.map(|path| format!("/api/v1/{path}")));
    places
}

/// The model's entry once the round shows what was predicted.
async fn revealed(caller: &Caller, round: &str, model: &str) -> Value {
    let path = format!("rounds/{round}");
    wait::until("the round to be resolved", ROUND_LIMIT, async || {
        let round = caller.json(&path).await?;
        let mut entries = round["entries"].as_array().into_iter().flatten();
        Ok(entries
            .find(|entry| entry["model"] == json!(model))
            .cloned())
    })
    .await
    .expect("the round is resolved")
}
