//! Uploaded models: a good one comes to play, others are refused with what to change.

use std::time::Duration;

use serde_json::{Value, json};
use tests::caller::Caller;
use tests::{binaries, process, wait};

use super::{BTC, world};

/// A runner has tried an upload by then.
const TRIAL_LIMIT: Duration = Duration::from_secs(60);
/// An accepted upload is diagnosed by then.
const DIAGNOSIS_LIMIT: Duration = Duration::from_secs(60);
/// A model that plays is in a resolved round by then.
const ROUND_LIMIT: Duration = Duration::from_secs(90);

#[tokio::test]
async fn a_model_of_the_wrong_shape_is_refused_with_the_line_to_change() {
    let demo = world().await;
    let member = demo.member("wide", "read,upload").await.expect("a key");
    let cases = [
        ("ten_columns", "[N,10]", "n_features="),
        ("string_input", "float32", "FloatTensorType"),
    ];
    for (file, found, change) in cases {
        let onnx = file_of(&format!("inference-runner/tests/models/{file}.onnx"));
        let id = member.upload(BTC, file, onnx).await.expect("an upload");
        let model = tried(&member, &id).await;
        assert_eq!(model["state"], json!("refused"), "{model}");
        let reason = model["reason"].as_str().unwrap_or_default();
        assert!(
            reason.contains(found) && reason.contains(change),
            "{file}: {reason}"
        );
        let page = member.get(&format!("/models/{id}")).await.expect("a page");
        assert!(
            page.text.contains("refused"),
            "{file}: the page does not say that it is refused"
        );
    }
}

#[tokio::test]
async fn what_is_no_model_is_refused_and_does_not_disturb_the_runner() {
    let demo = world().await;
    let member = demo.member("broken", "read,upload").await.expect("a key");
    let garbage = file_of("inference-runner/tests/models/garbage.onnx");
    let id = member
        .upload(BTC, "garbage", garbage)
        .await
        .expect("an upload");
    let model = tried(&member, &id).await;
    assert_eq!(model["state"], json!("refused"), "{model}");
    assert!(
        model["reason"]
            .as_str()
            .is_some_and(|reason| reason.len() > 20),
        "{model}"
    );
    let log = std::fs::read_to_string(demo.data().join("logs/runner.log")).expect("a log");
    assert!(!log.contains("panicked"), "{log}");
    demo.must_run().expect("the demo runs on");
}

#[tokio::test]
async fn an_uploaded_model_is_accepted_and_counts_without_a_stake() {
    let demo = world().await;
    let member = demo
        .member("scientist", "read,upload")
        .await
        .expect("a key");
    let id = member
        .upload(BTC, "my-forest", file_of("datasets/models/forest.onnx"))
        .await;
    let id = id.expect("an upload");
    let model = tried(&member, &id).await;
    assert_eq!(model["state"], json!("active"), "{model}");
    assert_eq!(model["hosting"], json!("hosted"), "{model}");
    let played = wait::until("a scored round of the upload", ROUND_LIMIT, async || {
        let history = member.json(&format!("models/{id}/history")).await?;
        Ok(history.pointer("/rounds/0").cloned())
    });
    let played = played.await.expect("the model is scored");
    assert_eq!(
        played["delta"],
        Value::Null,
        "not staked, so not paid: {played}"
    );
    let p = played["p"].as_f64().expect("a probability");
    assert!((0.35..=0.65).contains(&p), "{played}");
}

/// A file that is not uploaded is checked without an account, and the card says what the command's
/// own says.
#[tokio::test]
async fn a_visitor_checks_a_file_as_the_command_does() {
    let visitor = world().await.visitor().expect("a visitor");
    for (file, is_accepted) in [
        ("datasets/models/forest.onnx", true),
        ("inference-runner/tests/models/ten_columns.onnx", false),
    ] {
        let card = visitor.check(file_of(file)).await.expect("an answer");
        assert_eq!(card.status, 200, "{}", card.text);
        let card = card.json().expect("a card");
        assert_eq!(card["accepted"], json!(is_accepted), "{card}");
        let mut command = process::foretoken(["check", "--json"]).expect("the program");
        command.arg(binaries::workspace().join(file));
        let done = process::run(command, TRIAL_LIMIT).await.expect("ends");
        let own: Value = serde_json::from_str(&done.stdout).expect("JSON alone");
        let names = |card: &Value| -> Vec<String> {
            let members = card.as_object().into_iter().flatten();
            members.map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(names(&card), names(&own));
        for same in [
            "status",
            "digest",
            "canonical_digest",
            "reasons",
            "highest_p",
        ] {
            assert_eq!(card[same], own[same], "{same} of {file}");
        }
    }
}

fn file_of(path: &str) -> Vec<u8> {
    std::fs::read(binaries::workspace().join(path)).expect("a file of the repository")
}

/// The model once a runner has tried it.
async fn tried(caller: &Caller, id: &str) -> Value {
    let path = format!("models/{id}");
    wait::until("the trial of an upload", TRIAL_LIMIT, async || {
        let model = caller.json(&path).await?;
        Ok((model["state"] != json!("checking")).then_some(model))
    })
    .await
    .expect("the upload is tried")
}

/// Uploads a reference model's file under another name: the report must say what it is.
#[tokio::test]
async fn an_accepted_model_is_diagnosed_within_a_minute() {
    let demo = world().await;
    let member = demo.member("copyist", "read,upload").await.expect("a key");
    let file = file_of("datasets/models/mlp.onnx");
    let id = member
        .upload(BTC, "not-mlp", file)
        .await
        .expect("an upload");
    let model = tried(&member, &id).await;
    assert_eq!(model["state"], json!("active"), "{model}");
    let path = format!("models/{id}/diagnostics");
    let known = wait::until(
        "the diagnostics of an upload",
        DIAGNOSIS_LIMIT,
        async || {
            let known = member.json(&path).await?;
            let is_over = known["state"] == json!("done") || known["state"] == json!("failed");
            Ok(is_over.then_some(known))
        },
    );
    let known = known.await.expect("a diagnosis");
    assert_eq!(known["state"], json!("done"), "{known}");
    let report = &known["report"];
    let eras = report["eras"].as_array().expect("the owner's eras");
    assert!(eras.len() > 1_000, "six days of rounds: {}", eras.len());
    let skill = report["skill_half"]["mean"].as_f64().expect("a mean");
    assert!((-0.01..0.01).contains(&skill), "{skill}");
    let clones = report["likely_clones"].as_array().expect("a list");
    let reference = clones.iter().find(|clone| clone["name"] == json!("mlp"));
    let reference = reference.unwrap_or_else(|| panic!("no copy of mlp: {clones:?}"));
    assert_eq!(reference["is_same_graph"], json!(true));
    assert_eq!(reference["model"], Value::Null, "somebody else's");
    let page = member.get(&format!("/models/{id}/diagnostics")).await;
    let page = page.expect("a page");
    for words in [
        "Cumulative skill and drawdown",
        "the same graph",
        "Feature exposure",
    ] {
        assert!(page.text.contains(words), "no {words:?} on the page");
    }
}
