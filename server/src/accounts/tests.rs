//! Accounts and keys on both databases.

use super::*;
use crate::db::testing::each_database;

const RANDOM: [u8; 20] = [7; 20];
const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

#[tokio::test]
async fn an_account_has_a_name_of_its_own() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let wallet = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
        let ada = create(&mut tx, 1, "Ada L.", wallet, true)
            .await
            .expect("new");
        assert_eq!(ada.id.as_str(), "ada-l");
        assert_eq!(ada.wallet, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
        let twin = create(&mut tx, 2, "Ada-L", "", false)
            .await
            .expect("another name");
        assert!(twin.id.as_str().starts_with("ada-l-"), "{}", twin.id);
        let again = create(&mut tx, 3, "Ada L.", "", false).await;
        assert!(matches!(again, Err(AccountError::NameTaken(_))));
        let found = by_name(&mut tx, "Ada L.").await.expect("reads");
        assert_eq!(found, Some(ada.clone()));
        let both = by_ids(&mut tx, &[twin.id.clone(), ada.id.clone()])
            .await
            .expect("reads");
        assert_eq!(both, [ada, twin]);
        tx.commit().await.expect("commit");
    })
    .await;
}

#[tokio::test]
async fn names_and_wallets_that_break_a_rule_are_refused() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        for name in ["", " ada", "a\nb", "<b>", &"x".repeat(41)] {
            let refused = create(&mut tx, 1, name, "", false).await;
            assert!(matches!(refused, Err(AccountError::Name(_))), "{name:?}");
        }
        let wrong_case = "0x5AAeb6053f3e94c9b9a09f33669435e7ef1beaed";
        for wallet in ["0x", "abc", wrong_case] {
            let refused = create(&mut tx, 1, "ada", wallet, false).await;
            assert!(matches!(refused, Err(AccountError::Wallet(_))), "{wallet}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_works_until_it_is_revoked() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let ada = create(&mut tx, 1, "ada", "", false).await.expect("new");
        let scopes = [Scope::Read, Scope::Predict];
        let key = create_key(&mut tx, 1, &ada.id, &scopes, RANDOM)
            .await
            .expect("a key");
        let (account, entry) = by_key(&mut tx, 1, &key, HERE).await.expect("right");
        assert_eq!(
            (account, entry.rights.scopes),
            (ada.clone(), scopes.to_vec())
        );
        let other = create_key(&mut tx, 1, &ada.id, &[Scope::Run], [8; 20])
            .await
            .expect("a key");
        let id = key.split('_').nth(1).expect("an id");
        revoke_key(&mut tx, 2, id).await.expect("revoked");
        let refused = by_key(&mut tx, 3, &key, HERE).await;
        assert!(matches!(refused, Err(AccountError::KeyRevoked { .. })));
        assert!(by_key(&mut tx, 3, &other, HERE).await.is_ok());
        assert_eq!(keys(&mut tx, &ada.id).await.expect("reads").len(), 2);
    })
    .await;
}

#[tokio::test]
async fn wrong_keys_are_told_apart() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let ada = create(&mut tx, 1, "ada", "", false).await.expect("new");
        let key = create_key(&mut tx, 1, &ada.id, &[Scope::Read], RANDOM)
            .await
            .expect("a key");
        let cut = &key[..key.len() - 1];
        let mistyped = key.replacen("0707", "0708", 1);
        for text in ["", "ftk", "ftk_a_b_c", cut, &mistyped] {
            let refused = by_key(&mut tx, 1, text, HERE).await;
            assert!(matches!(refused, Err(AccountError::KeyForm)), "{text}");
        }
        let nobody = key::from_random(&[9; 20]).text;
        assert!(matches!(
            by_key(&mut tx, 1, &nobody, HERE).await,
            Err(AccountError::KeyUnknown)
        ));
        let none = create_key(&mut tx, 1, &ada.id, &[], [1; 20]).await;
        assert!(matches!(none, Err(AccountError::NoScope)));
    })
    .await;
}

#[tokio::test]
async fn the_database_holds_no_key() {
    let (db, folder) = crate::db::testing::sqlite().await;
    let mut tx = db.begin().await.expect("begin");
    let ada = create(&mut tx, 1, "ada", "", false).await.expect("new");
    let key = create_key(&mut tx, 1, &ada.id, &[Scope::Read], RANDOM)
        .await
        .expect("a key");
    tx.commit().await.expect("commit");
    db.close().await;
    let secret = key.split('_').nth(2).expect("a secret").as_bytes().to_vec();
    for entry in std::fs::read_dir(folder.path()).expect("the folder") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        assert!(!bytes.windows(secret.len()).any(|part| part == secret));
    }
}
