//! The verbs of `models` on both databases. They are here because a model needs a tournament, and
//! `models` may not know `rounds`.

use domain::{AccountId, TournamentId};

use crate::accounts;
use crate::db::Conn;
use crate::db::testing::each_database;
use crate::models::{
    Hosting, MODEL_LIMIT, ModelError, ModelState, active_hosted, artifact_path, get, list,
    register_external, retire, set_checked, to_check, upload,
};
use crate::rounds;

const FILE: &str = include_str!("../../demo/btc-usd-5m.toml");

pub(super) async fn place(conn: &mut Conn) -> (AccountId, TournamentId) {
    let entered = rounds::enter(conn, 1, FILE).await.expect("enters");
    let ada = accounts::create(conn, 1, "ada", "", false)
        .await
        .expect("account");
    (ada.id, entered.tournament.id)
}

#[tokio::test]
async fn an_external_model_is_active_at_once_and_its_name_is_taken() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let (ada, btc) = place(&mut tx).await;
        let model = register_external(&mut tx, 5, &ada, &btc, "Momentum 1")
            .await
            .expect("new");
        assert_eq!(model.id.as_str(), "btc-usd-5m-momentum-1");
        assert_eq!(
            (model.state, model.hosting),
            (ModelState::Active, Hosting::External)
        );
        let taken = register_external(&mut tx, 6, &ada, &btc, "Momentum 1").await;
        assert!(matches!(taken, Err(ModelError::NameTaken { .. })));
        let near = register_external(&mut tx, 6, &ada, &btc, "momentum-1")
            .await
            .expect("new");
        assert_ne!(near.id, model.id);
        let named = register_external(&mut tx, 6, &ada, &btc, "ünß")
            .await
            .expect("new");
        assert_eq!(get(&mut tx, &named.id).await.expect("reads"), named);
        assert_eq!(
            list(&mut tx, Some(&btc), Some(&ada))
                .await
                .expect("reads")
                .len(),
            3
        );
        assert_eq!(list(&mut tx, None, None).await.expect("reads").len(), 3);
        assert_eq!(active_hosted(&mut tx, &btc).await.expect("reads"), []);
    })
    .await;
}

#[tokio::test]
async fn an_upload_is_checked_before_it_takes_part() {
    each_database(|db| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let mut tx = db.begin().await.expect("begin");
        let (ada, btc) = place(&mut tx).await;
        let dir = folder.path();
        let up = upload(&mut tx, dir, 5, &ada, &btc, "net", b"one", true)
            .await
            .expect("new");
        assert_eq!((up.state, up.is_reference), (ModelState::Checking, true));
        let stored = std::fs::read(artifact_path(dir, &up.artifact)).expect("the file");
        assert_eq!(stored, b"one");
        let waiting = to_check(&mut tx, &btc).await.expect("reads");
        assert_eq!(waiting, std::slice::from_ref(&up));
        set_checked(&mut tx, &up.id, false, "load-error", "{}")
            .await
            .expect("checked");
        let refused = get(&mut tx, &up.id).await.expect("reads");
        assert_eq!(
            (refused.state, refused.reason.as_str()),
            (ModelState::Refused, "load-error")
        );
        let next = upload(&mut tx, dir, 6, &ada, &btc, "net", b"two", true)
            .await
            .expect("again");
        assert_eq!(
            (next.id.clone(), next.state),
            (up.id.clone(), ModelState::Checking)
        );
        assert_ne!(next.artifact, up.artifact);
        set_checked(&mut tx, &up.id, true, "", "{}")
            .await
            .expect("checked");
        assert_eq!(active_hosted(&mut tx, &btc).await.expect("reads").len(), 1);
        let taken = upload(&mut tx, dir, 7, &ada, &btc, "net", b"three", true).await;
        assert!(matches!(taken, Err(ModelError::NameTaken { .. })));
    })
    .await;
}

#[tokio::test]
async fn only_the_owner_retires_and_nothing_brings_a_model_back() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let (ada, btc) = place(&mut tx).await;
        let bob = accounts::create(&mut tx, 1, "bob", "", false)
            .await
            .expect("account")
            .id;
        let model = register_external(&mut tx, 5, &ada, &btc, "m")
            .await
            .expect("new")
            .id;
        let refused = retire(&mut tx, &model, &bob).await;
        assert!(matches!(refused, Err(ModelError::NotOwner(_))));
        retire(&mut tx, &model, &ada).await.expect("retired");
        set_checked(&mut tx, &model, true, "", "")
            .await
            .expect("no change");
        let state = get(&mut tx, &model).await.expect("reads").state;
        assert_eq!(state, ModelState::Retired);
    })
    .await;
}

#[tokio::test]
async fn an_account_has_at_most_fifty_models_in_a_tournament() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let (ada, btc) = place(&mut tx).await;
        for number in 0..MODEL_LIMIT {
            let name = format!("m{number}");
            register_external(&mut tx, 5, &ada, &btc, &name)
                .await
                .expect("new");
        }
        let refused = register_external(&mut tx, 5, &ada, &btc, "one more").await;
        assert!(matches!(refused, Err(ModelError::TooMany { .. })));
        let first = "btc-usd-5m-m0".parse().expect("an id");
        retire(&mut tx, &first, &ada).await.expect("retired");
        register_external(&mut tx, 5, &ada, &btc, "one more")
            .await
            .expect("a free place");
    })
    .await;
}
