//! Webhooks on both databases; only sending is left out.

use domain::timestamp::SECOND_US;

use super::*;
use crate::accounts;
use crate::db::testing::each_database;

const NOW_US: i64 = 1_709_640_000 * SECOND_US;
const DAY_US: i64 = 24 * 3_600 * SECOND_US;

async fn account(conn: &mut Conn, name: &str) -> AccountId {
    let made = accounts::create(conn, NOW_US, name, "", false).await;
    made.expect("an account").id
}

async fn new_webhook(
    conn: &mut Conn,
    account: &AccountId,
    n: u8,
) -> Result<(Webhook, Secret), WebhookError> {
    let draft = Draft {
        url: "https://hooks.example.com/a".to_owned(),
        tournaments: vec!["btc-usd-5m".parse().expect("an id")],
        kinds: vec![Kind::RoundOpen, Kind::PredictionScored],
    };
    let sender = Sender::new(false);
    create(
        conn,
        (NOW_US, 7),
        &sender,
        account,
        draft,
        ([n; 8], [n; 32]),
    )
    .await
}

fn message(id: &str) -> Message {
    Message {
        id: id.to_owned(),
        kind: "round.open".to_owned(),
        body: "{}".to_owned(),
    }
}

fn failure(status: u16) -> Attempt {
    Attempt {
        status,
        took_us: 5,
        answer: "no".to_owned(),
        error: format!("answered {status}"),
    }
}

async fn read(conn: &mut Conn, account: &AccountId, id: &str) -> Webhook {
    get(conn, account, id).await.expect("reads")
}

#[tokio::test]
async fn an_account_has_five_and_sees_its_own_alone() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        let (ada, bob) = (account(&mut tx, "ada").await, account(&mut tx, "bob").await);
        let (made, secret) = new_webhook(&mut tx, &ada, 1).await.expect("made");
        assert_eq!(made.id, "wh_0101010101010101");
        assert!(secret.text().starts_with("whsec_"));
        for n in 2..=5 {
            new_webhook(&mut tx, &ada, n).await.expect("made");
        }
        let sixth = new_webhook(&mut tx, &ada, 6).await;
        assert!(matches!(sixth, Err(WebhookError::TooMany(_))));
        new_webhook(&mut tx, &bob, 7).await.expect("made");
        assert_eq!(list(&mut tx, &ada).await.expect("reads").len(), 5);
        let foreign = get(&mut tx, &bob, &made.id).await;
        assert!(matches!(foreign, Err(WebhookError::Unknown(_))));
        let found = read(&mut tx, &ada, &made.id).await;
        assert_eq!((found.position, found.url), (7, made.url));
        assert!(found.filter.wants(Kind::PredictionScored));
        assert!(!found.filter.wants(Kind::RoundVoid));
        enqueue(&mut tx, NOW_US, &made.id, &[message("a")], 9)
            .await
            .expect("put down");
        delete(&mut tx, &ada, &made.id).await.expect("removed");
        let gone = delete(&mut tx, &ada, &made.id).await;
        assert!(matches!(gone, Err(WebhookError::Unknown(_))));
        tx.commit().await.expect("commits");
    })
    .await;
}

#[tokio::test]
async fn messages_are_put_down_once_and_sent_until_they_are_taken() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        let ada = account(&mut tx, "ada").await;
        let (hook, _) = new_webhook(&mut tx, &ada, 1).await.expect("made");
        assert!(due(&mut tx, NOW_US, 7).await.expect("reads").is_empty());
        assert_eq!(due(&mut tx, NOW_US, 8).await.expect("reads").len(), 1);
        let two = [message("evt_8"), message("evt_9")];
        for _ in 0..2 {
            enqueue(&mut tx, NOW_US, &hook.id, &two, 9)
                .await
                .expect("put down");
        }
        assert_eq!(waiting_count(&mut tx, &hook.id).await.expect("counts"), 2);
        let hook = read(&mut tx, &ada, &hook.id).await;
        let until_us = NOW_US + 60 * SECOND_US;
        assert!(claim(&mut tx, &hook, until_us).await.expect("asks"));
        assert!(
            !claim(&mut tx, &hook, until_us).await.expect("asks"),
            "taken"
        );
        let waits = waiting(&mut tx, &hook.id, NOW_US, 9).await.expect("reads");
        let ids: Vec<_> = waits.iter().map(|one| one.message.id.as_str()).collect();
        assert_eq!(ids, ["evt_8", "evt_9"]);
        record(&mut tx, NOW_US, &hook.id, &waits[0], &failure(500), 0)
            .await
            .expect("noted");
        let after = read(&mut tx, &ada, &hook.id).await;
        assert_eq!((after.failures, after.failing_since_us), (1, NOW_US));
        assert_eq!(after.next_us, NOW_US + 4 * SECOND_US, "5 s less a fifth");
        assert!(
            due(&mut tx, NOW_US + SECOND_US, 9)
                .await
                .expect("reads")
                .is_empty()
        );
        let later = NOW_US + 5 * SECOND_US;
        assert_eq!(due(&mut tx, later, 9).await.expect("reads").len(), 1);
        let waits = waiting(&mut tx, &hook.id, later, 9).await.expect("reads");
        assert_eq!((waits.len(), waits[0].attempts), (2, 1));
        let taken = Attempt {
            status: 204,
            ..Attempt::default()
        };
        record(&mut tx, later, &hook.id, &waits[0], &taken, 0)
            .await
            .expect("noted");
        let after = read(&mut tx, &ada, &hook.id).await;
        assert_eq!((after.failures, after.failing_since_us), (0, 0));
        let log = deliveries(&mut tx, &hook, None, 9).await.expect("reads");
        assert_eq!(log.len(), 2);
        assert_eq!(
            (log[1].state, log[1].attempts),
            (DeliveryState::Delivered, 2)
        );
        assert_eq!(log[0].state, DeliveryState::Waiting);
        let older = deliveries(&mut tx, &hook, Some(log[0].number), 9).await;
        assert_eq!(older.expect("reads").len(), 1);
        assert_eq!(forget_before(&mut tx, later).await.expect("forgets"), 2);
        tx.commit().await.expect("commits");
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_fails_for_a_day_is_disabled_until_its_owner_enables_it() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        let ada = account(&mut tx, "ada").await;
        let (hook, _) = new_webhook(&mut tx, &ada, 1).await.expect("made");
        enqueue(&mut tx, NOW_US, &hook.id, &[message("evt_8")], 8)
            .await
            .expect("put down");
        let mut at_us = NOW_US;
        for failures in 1.. {
            let waits = waiting(&mut tx, &hook.id, at_us, 1).await.expect("reads");
            record(&mut tx, at_us, &hook.id, &waits[0], &failure(503), u32::MAX)
                .await
                .expect("noted");
            let after = read(&mut tx, &ada, &hook.id).await;
            if after.disabled_us != 0 {
                assert!((DAY_US..DAY_US + 2 * 3_600 * SECOND_US).contains(&(at_us - NOW_US)));
                assert!(after.reason.contains("answered 503"), "{}", after.reason);
                break;
            }
            assert!(failures < 60, "a day takes that many attempts at most");
            let log = deliveries(&mut tx, &hook, None, 1).await.expect("reads");
            at_us = log[0].next_us;
        }
        let log = deliveries(&mut tx, &hook, None, 1).await.expect("reads");
        assert_eq!(log[0].state, DeliveryState::Failed);
        assert!(due(&mut tx, i64::MAX, 99).await.expect("reads").is_empty());
        let again = enable(&mut tx, (at_us, 50), &ada, &hook.id)
            .await
            .expect("enabled");
        assert_eq!((again.position, again.disabled_us), (50, 0));
        assert_eq!((again.failures, again.reason.as_str()), (0, ""));

        enqueue(&mut tx, at_us, &hook.id, &[message("evt_51")], 51)
            .await
            .expect("put down");
        let waits = waiting(&mut tx, &hook.id, at_us, 1).await.expect("reads");
        record(&mut tx, at_us, &hook.id, &waits[0], &failure(410), 0)
            .await
            .expect("noted");
        let gone = read(&mut tx, &ada, &hook.id).await;
        assert_eq!(gone.reason, "the receiver answered 410 Gone");
        tx.commit().await.expect("commits");
    })
    .await;
}

#[tokio::test]
async fn an_old_secret_signs_for_a_day_beside_the_new_one() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        let ada = account(&mut tx, "ada").await;
        let (hook, first) = new_webhook(&mut tx, &ada, 1).await.expect("made");
        let (_, second) = rotate(&mut tx, NOW_US, &ada, &hook.id, [9; 32])
            .await
            .expect("rotated");
        assert_ne!(first.text(), second.text());
        for (at_us, expected) in [
            (NOW_US, vec![second.text(), first.text()]),
            (NOW_US + DAY_US, vec![second.text()]),
        ] {
            let now = secrets(&mut tx, &hook.id, at_us).await.expect("reads");
            let now: Vec<&str> = now.iter().map(Secret::text).collect();
            assert_eq!(now, expected);
        }
        tx.commit().await.expect("commits");
    })
    .await;
}
