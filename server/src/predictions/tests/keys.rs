//! Idempotency keys.

use super::*;

const WALL_US: i64 = 5_000_000;

fn once(account: &AccountId, key: &str, request: &str, now_us: i64) -> Once {
    Once {
        account: account.clone(),
        key: IdempotencyKey::parse(key).expect("a key"),
        request: request.to_owned(),
        now_us,
        render: Box::new(|verdicts| {
            let sequence = |verdict: Verdict| verdict.map_or(-1, |answer| answer.receipt.sequence);
            format!(
                "{:?}",
                verdicts.into_iter().map(sequence).collect::<Vec<_>>()
            )
        }),
    }
}

#[test]
fn a_key_is_1_to_64_printable_characters() {
    for good in ["a", "7f3c 9!~", &"x".repeat(64)] {
        assert_eq!(IdempotencyKey::parse(good).expect("a key").as_str(), good);
    }
    for bad in ["", "a\n", "ü", "\u{7f}", &"x".repeat(65)] {
        assert!(IdempotencyKey::parse(bad).is_none(), "{bad:?}");
    }
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once_on_both_databases() {
    each_database(|db| async move {
        let writer = writer(&db);
        let mut tx = db.begin().await.expect("begin");
        let (round, model, account) = open_round_with_model(&mut tx).await;
        tx.commit().await.expect("commit");
        let asked = |p| vec![submission(&round, &model, &account, p)];
        let ask = async |p, key, request, now_us| {
            submit_once(&writer, asked(p), once(&account, key, request, now_us)).await
        };
        let first = ask(0.5, "k", "r", WALL_US).await.expect("done");
        assert_eq!(first, ("[1]".to_owned(), false));
        // Other predictions under the same name of a request: only the name counts.
        let again = ask(0.6, "k", "r", WALL_US + 1).await.expect("replayed");
        assert_eq!(again, ("[1]".to_owned(), true));
        let other = ask(0.6, "k", "other", WALL_US + 2).await;
        assert!(matches!(other, Err(PredictionError::KeyReused)));
        let second = ask(0.6, "l", "other", WALL_US + 2).await.expect("done");
        assert_eq!(second, ("[2]".to_owned(), false));
        let last_us = WALL_US + ANSWER_KEPT_US;
        assert!(ask(0.7, "k", "r", last_us).await.expect("replayed").1);
        let later = ask(0.7, "k", "third", last_us + 1).await.expect("expired");
        assert_eq!(later, ("[3]".to_owned(), false));
        let mut tx = db.begin().await.expect("begin");
        let forgotten = forget_answers(&mut tx, last_us + 3).await;
        assert_eq!(forgotten.expect("forgets"), 1);
        tx.commit().await.expect("commit");
        assert!(!ask(0.6, "l", "other", last_us + 4).await.expect("done").1);
    })
    .await;
}

#[tokio::test]
async fn one_of_two_at_the_same_time_is_done_and_nothing_of_the_other() {
    each_database(|db| async move {
        let writer = writer(&db);
        let mut tx = db.begin().await.expect("begin");
        let (round, model, account) = open_round_with_model(&mut tx).await;
        tx.commit().await.expect("commit");
        let mut tasks = tokio::task::JoinSet::new();
        for turn in 0..8 {
            let p = 0.5 + f64::from(turn) / 100.0;
            let asked = vec![submission(&round, &model, &account, p)];
            let (writer, once) = (writer.clone(), once(&account, "k", "r", WALL_US));
            tasks.spawn(async move { submit_once(&writer, asked, once).await });
        }
        let mut fresh = 0;
        for done in tasks.join_all().await {
            match done {
                Ok((text, is_replay)) => {
                    assert_eq!(text, "[1]");
                    fresh += usize::from(!is_replay);
                }
                Err(error) => assert!(matches!(error, PredictionError::KeyInProgress)),
            }
        }
        assert_eq!(fresh, 1);
        let mut conn = db.read().await.expect("read");
        let latest = latest(&mut conn, &round).await.expect("latest");
        assert_eq!((latest.len(), latest[0].sequence), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn an_account_keeps_so_many_answers_and_no_more() {
    let (db, _folder) = sqlite().await;
    let writer = writer(&db);
    let mut tx = db.begin().await.expect("begin");
    let (_, _, account) = open_round_with_model(&mut tx).await;
    tx.commit().await.expect("commit");
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..ANSWER_LIMIT {
        let (writer, once) = (
            writer.clone(),
            once(&account, &number.to_string(), "r", WALL_US),
        );
        tasks.spawn(async move { submit_once(&writer, Vec::new(), once).await });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    let ask = async |key, now_us| {
        let once = once(&account, key, "r", now_us);
        submit_once(&writer, Vec::new(), once).await
    };
    let refused = ask("more", WALL_US).await;
    assert!(matches!(refused, Err(PredictionError::TooManyKeys)));
    assert!(ask("0", WALL_US).await.expect("kept").1);
    let later_us = WALL_US + ANSWER_KEPT_US + 1;
    assert!(
        !ask("more", later_us)
            .await
            .expect("the old ones are gone")
            .1
    );
}
