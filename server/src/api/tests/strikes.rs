//! Failed runs of a hosted model: three in a row pause it, on both databases and over the wire.

use axum::http::StatusCode;
use serde_json::json;

use super::World;
use super::model_verbs::place;
use super::runner::{answer, hosted, next, publish_run, state};
use crate::accounts::Scope;
use crate::db::testing::each_database;
use crate::models::{
    ModelState, RunEnd, active_hosted, get, note_run, set_checked, to_check, upload,
};

const FAILED: RunEnd<'_> = RunEnd::Failed("limit-cpu: too slow");

#[tokio::test]
async fn three_failures_in_a_row_pause_a_model_and_a_new_file_clears_them() {
    each_database(|db| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let mut tx = db.begin().await.expect("begin");
        let (ada, btc) = place(&mut tx).await;
        let up = upload(&mut tx, folder.path(), 5, &ada, &btc, "net", b"one", false);
        let up = up.await.expect("new");
        for _ in 0..3 {
            note_run(&mut tx, &up.id, &up.artifact, FAILED)
                .await
                .expect("noted");
        }
        let unchecked = get(&mut tx, &up.id).await.expect("reads");
        assert_eq!(
            unchecked.state,
            ModelState::Checking,
            "it takes no part yet"
        );
        set_checked(&mut tx, &up.id, true, "", "")
            .await
            .expect("checked");
        for end in [FAILED, FAILED, RunEnd::Answered, FAILED, FAILED] {
            note_run(&mut tx, &up.id, &up.artifact, end)
                .await
                .expect("noted");
            note_run(&mut tx, &up.id, "an older file", FAILED)
                .await
                .expect("noted");
        }
        assert_eq!(active_hosted(&mut tx, &btc).await.expect("reads").len(), 1);
        note_run(&mut tx, &up.id, &up.artifact, FAILED)
            .await
            .expect("noted");
        let paused = get(&mut tx, &up.id).await.expect("reads");
        assert_eq!(paused.state, ModelState::Paused);
        assert!(
            paused.reason.contains("limit-cpu: too slow"),
            "{}",
            paused.reason
        );
        assert_eq!(active_hosted(&mut tx, &btc).await.expect("reads"), []);
        let next = upload(&mut tx, folder.path(), 6, &ada, &btc, "net", b"two", false);
        let next = next.await.expect("again");
        assert_eq!((&next.id, next.reason.as_str()), (&up.id, ""));
        assert_eq!(to_check(&mut tx, &btc).await.expect("reads").len(), 1);
        set_checked(&mut tx, &up.id, true, "", "")
            .await
            .expect("checked");
        note_run(&mut tx, &up.id, &next.artifact, FAILED)
            .await
            .expect("noted");
        let again = get(&mut tx, &up.id).await.expect("reads");
        assert_eq!(again.state, ModelState::Active, "the count began anew");
    })
    .await;
}

#[tokio::test]
async fn a_run_counts_what_a_model_did_and_not_what_we_did() {
    let world = World::new().await;
    let key = world.key("ops", &[Scope::Run]).await;
    let models = hosted(&world).await;
    let mut tx = world.app.db.begin().await.expect("begin");
    for model in &models {
        set_checked(&mut tx, &model.id, true, "", "")
            .await
            .expect("checked");
        for _ in 0..2 {
            note_run(&mut tx, &model.id, &model.artifact, FAILED)
                .await
                .expect("noted");
        }
    }
    tx.commit().await.expect("commit");
    publish_run(&world, &models).await;
    let job = next(&world, &key, "r1").await.json;
    let (a, b) = (models[0].id.as_str(), models[1].id.as_str());
    let results = json!([
        {"model": a, "status": "forbidden-syscall", "detail": "it tried to open a file"},
        {"model": b, "status": "platform-error", "detail": "our fault"},
    ]);
    let done = answer(&world, &key, &job["lease"], results).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text);
    let (paused, reason) = state(&world, &models[0].id).await;
    assert_eq!(paused, ModelState::Paused);
    assert!(
        reason.contains("forbidden-syscall: it tried to open a file"),
        "{reason}"
    );
    assert_eq!(state(&world, &models[1].id).await.0, ModelState::Active);
}
