//! What a key may do, how long, from where, and its rotations, on both databases.

use std::net::IpAddr;

use domain::timestamp::SECOND_US;

use super::*;
use crate::db::testing::each_database;

const NOW_US: i64 = 1_709_639_700 * SECOND_US;
const DAY_US: i64 = 86_400 * SECOND_US;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn rights(scopes: &[&str], expires_us: i64, addresses: &[&str]) -> KeyRights {
    let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    KeyRights::parse(NOW_US, "bot", &list(scopes), expires_us, &list(addresses)).expect("valid")
}

#[test]
fn what_no_key_can_be_names_its_field() {
    let ask = |name: &str, scopes: &[&str], expires_us, addresses: &[&str]| {
        let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        KeyRights::parse(NOW_US, name, &list(scopes), expires_us, &list(addresses))
    };
    let many = ["10.0.0.1"; ADDRESS_LIMIT + 1];
    for (asked, named) in [
        (ask("", &["read"], 0, &[]), "`name`"),
        (ask("a\nb", &["read"], 0, &[]), "`name`"),
        (ask("bot", &["all"], 0, &[]), "`scopes`"),
        (ask("bot", &["read", "read"], 0, &[]), "`scopes`"),
        (ask("bot", &["read"], NOW_US, &[]), "`expires_at`"),
        (ask("bot", &["read"], -1, &[]), "`expires_at`"),
        (ask("bot", &["read"], 0, &["10.1.2.3/8"]), "`addresses`"),
        (ask("bot", &["read"], 0, &many), "`addresses`"),
    ] {
        let said = asked.expect_err(named).to_string();
        assert!(said.contains(named), "{said}");
    }
    assert!(matches!(
        ask("bot", &[], 0, &[]),
        Err(AccountError::NoScope)
    ));
}

#[tokio::test]
async fn a_key_ends_and_works_from_its_addresses_alone() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let ada = create(&mut tx, NOW_US, "ada", "", false)
            .await
            .expect("new");
        let asked = rights(&["read", "trade"], NOW_US + DAY_US, &["10.0.0.0/8", "::1"]);
        let made = make_key(&mut tx, NOW_US, &ada.id, asked.clone(), [1; 20]).await;
        let made = made.expect("a key");
        for (at_us, from, is_let_in) in [
            (NOW_US, "10.1.2.3", true),
            (NOW_US, "::1", true),
            (NOW_US + DAY_US - 1, "::ffff:10.1.2.3", true),
            (NOW_US, "11.1.2.3", false),
            (NOW_US, "127.0.0.1", false),
        ] {
            let found = by_key(&mut tx, at_us, &made.text, address(from)).await;
            match found {
                Ok((account, entry)) => {
                    assert!(is_let_in, "{from}");
                    assert_eq!((&account, &entry.rights), (&ada, &asked));
                }
                Err(AccountError::KeyAddress { from: said, .. }) => {
                    assert!(!is_let_in && said == from, "{said}");
                }
                Err(error) => panic!("{from}: {error}"),
            }
        }
        let late = by_key(&mut tx, NOW_US + DAY_US, &made.text, address("::1")).await;
        assert!(matches!(late, Err(AccountError::KeyExpired { .. })));
    })
    .await;
}

/// Rotates as the account's owner; `byte` makes the new key.
async fn rotate(
    tx: &mut Conn,
    (account, id): (&Account, &str),
    now_us: i64,
    old_ends_us: Option<i64>,
    byte: u8,
) -> Result<(MadeKey, KeyEntry), AccountError> {
    rotate_key(tx, now_us, account, &[], id, old_ends_us, [byte; 20]).await
}

#[tokio::test]
async fn two_keys_of_a_rotation_live_and_no_third() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let ada = create(&mut tx, NOW_US, "ada", "", false).await;
        let ada = ada.expect("new");
        let asked = rights(&["predict"], NOW_US + 9 * DAY_US, &["::1"]);
        let first = make_key(&mut tx, NOW_US, &ada.id, asked.clone(), [1; 20]).await;
        let first = first.expect("a key");
        let (home, old) = (address("::1"), (&ada, first.entry.id.as_str()));
        for end_us in [NOW_US - 1, NOW_US + 7 * DAY_US + 1] {
            let refused = rotate(&mut tx, old, NOW_US, Some(end_us), 2).await;
            assert!(matches!(refused, Err(AccountError::Rights(_))));
        }
        let (second, retired) = rotate(&mut tx, old, NOW_US, None, 2).await.expect("made");
        assert_eq!(second.entry.rights, asked);
        assert_eq!(retired.ends_us(), NOW_US + DAY_US);
        let last_us = NOW_US + DAY_US - 1;
        for text in [&first.text, &second.text] {
            assert!(by_key(&mut tx, last_us, text, home).await.is_ok());
        }
        let new = (&ada, second.entry.id.as_str());
        for one in [old, new] {
            let third = rotate(&mut tx, one, NOW_US, None, 3).await;
            assert!(matches!(third, Err(AccountError::RotationRunning(_))));
        }
        let later_us = NOW_US + DAY_US;
        let ended = by_key(&mut tx, later_us, &first.text, home).await;
        assert!(matches!(ended, Err(AccountError::KeyExpired { .. })));
        let again = rotate(&mut tx, old, later_us, None, 3).await;
        assert!(matches!(again, Err(AccountError::KeyEnded(_))));
        let third = rotate(&mut tx, new, later_us, None, 3).await;
        let (third, _) = third.expect("the first has ended");
        // A successor that was lost is revoked, and another one made.
        let lost = revoke_own_key(&mut tx, later_us, &ada.id, &third.entry.id).await;
        lost.expect("revoked");
        assert!(rotate(&mut tx, new, later_us, None, 4).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn nobody_rotates_or_revokes_keys_of_others_or_gets_at_run_by_it() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let ada = create(&mut tx, NOW_US, "ada", "", false)
            .await
            .expect("new");
        let bob = create(&mut tx, NOW_US, "bob", "", false)
            .await
            .expect("new");
        let fleet = make_key(&mut tx, NOW_US, &ada.id, rights(&["run"], 0, &[]), [1; 20]).await;
        let id = fleet.expect("a key").entry.id;
        let foreign = rotate_key(&mut tx, NOW_US, &bob, &[Scope::Admin], &id, None, [2; 20]).await;
        assert!(matches!(foreign, Err(AccountError::UnknownKey(_))));
        let foreign = revoke_own_key(&mut tx, NOW_US, &bob.id, &id).await;
        assert!(matches!(foreign, Err(AccountError::UnknownKey(_))));
        let own = rotate_key(&mut tx, NOW_US, &ada, &Scope::OWN, &id, None, [2; 20]).await;
        assert!(matches!(own, Err(AccountError::RunNotGiven)));
        let asked = rights(&["run"], 0, &[]);
        let given = give_key(&mut tx, NOW_US, &ada, &Scope::OWN, asked.clone(), [3; 20]).await;
        assert!(matches!(given, Err(AccountError::RunNotGiven)));
        let runner = [Scope::Run, Scope::Admin];
        let given = give_key(&mut tx, NOW_US, &ada, &runner, asked.clone(), [3; 20]).await;
        assert!(given.is_ok());
        let ops = create(&mut tx, NOW_US, "ops", "", true).await.expect("new");
        let given = give_key(&mut tx, NOW_US, &ops, &Scope::OWN, asked, [4; 20]).await;
        assert!(given.is_ok());
    })
    .await;
}

#[tokio::test]
async fn only_live_keys_are_counted() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let ada = create(&mut tx, NOW_US, "ada", "", false)
            .await
            .expect("new");
        let mut ids = Vec::new();
        for n in 0..20 {
            let end_us = if n == 0 { NOW_US + 1 } else { 0 };
            let asked = rights(&["read"], end_us, &[]);
            let made = make_key(&mut tx, NOW_US, &ada.id, asked, [n; 20]).await;
            ids.push(made.expect("a key").entry.id);
        }
        let mut more = 20;
        let mut make = async |tx: &mut Conn, at_us| {
            more += 1;
            make_key(tx, at_us, &ada.id, rights(&["read"], 0, &[]), [more; 20]).await
        };
        let full = make(&mut tx, NOW_US).await;
        assert!(matches!(full, Err(AccountError::TooManyKeys(_))));
        assert!(make(&mut tx, NOW_US + 1).await.is_ok(), "one has ended");
        assert!(make(&mut tx, NOW_US + 1).await.is_err());
        revoke_own_key(&mut tx, NOW_US + 1, &ada.id, &ids[1])
            .await
            .expect("revoked");
        assert!(make(&mut tx, NOW_US + 1).await.is_ok(), "one is revoked");
        assert_eq!(keys(&mut tx, &ada.id).await.expect("reads").len(), 22);
        // What ended a month ago is forgotten when the next key is made.
        revoke_own_key(&mut tx, NOW_US + 1, &ada.id, &ids[2])
            .await
            .expect("revoked");
        assert!(make(&mut tx, NOW_US + 31 * DAY_US).await.is_ok());
        assert_eq!(keys(&mut tx, &ada.id).await.expect("reads").len(), 20);
    })
    .await;
}

#[tokio::test]
async fn a_last_use_is_written_once_a_minute_and_never_goes_back() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let ada = create(&mut tx, NOW_US, "ada", "", false)
            .await
            .expect("new");
        let made = make_key(&mut tx, NOW_US, &ada.id, rights(&["read"], 0, &[]), [1; 20]).await;
        let mut entry = made.expect("a key").entry;
        let uses = LastUses::default();
        assert!(uses.note(&entry, NOW_US), "the first asks for a write");
        assert!(!uses.note(&entry, NOW_US + 7), "the second waits with it");
        let taken = uses.take();
        assert_eq!(taken, [(entry.id.clone(), NOW_US + 7)]);
        write_uses(&mut tx, &taken).await.expect("written");
        write_uses(&mut tx, &[(entry.id.clone(), 5)])
            .await
            .expect("ignored");
        entry = keys(&mut tx, &ada.id).await.expect("reads").remove(0);
        assert_eq!(entry.used_us, NOW_US + 7);
        assert!(!uses.note(&entry, NOW_US + 60 * SECOND_US));
        assert!(uses.take().is_empty(), "within the minute nothing is noted");
        assert!(uses.note(&entry, NOW_US + 7 + 60 * SECOND_US));
    })
    .await;
}

#[test]
fn keys_in_texts_are_replaced() {
    let key = key::from_random(&[7; 20]).text;
    for (text, clean) in [
        (format!("x {key} y"), "x ftk_… y"),
        (
            format!("\"{key}\",\"{}\"", &key[..20]),
            "\"ftk_…\",\"ftk_…\"",
        ),
        ("ftk_<id>_<secret>".to_owned(), "ftk_<id>_<secret>"),
        ("ftk_short".to_owned(), "ftk_short"),
        (format!("ftk_{key}"), "ftk_ftk_…"),
        ("nothing".to_owned(), "nothing"),
    ] {
        assert_eq!(without_keys(&text), clean);
        assert_eq!(may_hold_key(&text), clean != text, "{text}");
    }
}
