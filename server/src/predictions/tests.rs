//! Predictions on both databases, through the writer.

mod groups;
mod keys;

use std::sync::Arc;

use domain::timestamp::SECOND_US;
use domain::{RoundState, TokenAmount};

use super::*;
use crate::db::Db;
use crate::db::testing::{each_database, sqlite};
use crate::{accounts, models, rounds};

const FILES: [&str; 2] = [
    include_str!("../demo/btc-usd-5m.toml"),
    include_str!("../demo/eth-usd-5m.toml"),
];
/// 2024-03-05T11:55:00Z.
const NOW_US: i64 = 1_709_639_700 * SECOND_US;

/// The round that starts at 12:00 is open at [`NOW_US`], 11:55; its deadline is 11:59.
const ROUND: &str = "btc-usd-5m-20240305T1200Z";

fn writer(db: &Db) -> Writer {
    let signer = ReceiptSigner::from_secret(&[7; 32], 1, alloy::primitives::Address::ZERO);
    Writer::start(db.clone(), Arc::new(signer.expect("a key")), Arc::default())
}

/// The receipt without what stands beside it.
async fn submit(writer: &Writer, s: Submission) -> Result<Receipt, PredictionError> {
    super::submit(writer, s).await.map(|answer| answer.receipt)
}

/// The receipts without what stands beside them.
async fn submit_all(
    writer: &Writer,
    all: Vec<Submission>,
) -> Result<Vec<Result<Receipt, PredictionError>>, PredictionError> {
    let verdicts = super::submit_all(writer, all).await?.into_iter();
    Ok(verdicts
        .map(|verdict| verdict.map(|answer| answer.receipt))
        .collect())
}

async fn open_round_with_model(conn: &mut Conn) -> (RoundId, ModelId, AccountId) {
    for file in FILES {
        rounds::enter(conn, NOW_US, file).await.expect("enters");
    }
    let round: RoundId = ROUND.parse().expect("valid");
    let missing = rounds::missing(conn, NOW_US, None).await.expect("missing");
    rounds::schedule(conn, &missing).await.expect("schedules");
    rounds::advance(conn, &round, RoundState::Scheduled, RoundState::Open, 1)
        .await
        .expect("opens");
    let account = accounts::create(conn, NOW_US, "ada", "", false)
        .await
        .expect("account");
    let model = models::register_external(conn, NOW_US, &account.id, round.tournament(), "first")
        .await
        .expect("model");
    (round, model.id, account.id)
}

fn submission(round: &RoundId, model: &ModelId, account: &AccountId, p: f64) -> Submission {
    Submission {
        round: round.clone(),
        model: model.clone(),
        account: account.clone(),
        said: Said::Open {
            posted: Probability::from_f64(p).expect("a probability"),
            ask: Some(TokenAmount::from_tokens("10").expect("an amount")),
        },
        nonce: None,
        received_us: NOW_US + SECOND_US,
    }
}

#[tokio::test]
async fn a_prediction_is_clamped_receipted_and_repeated_without_a_second_row() {
    let (db, _folder) = sqlite().await;
    let writer = writer(&db);
    let mut tx = db.begin().await.expect("begin");
    let (round, model, account) = open_round_with_model(&mut tx).await;
    tx.commit().await.expect("commit");
    let first = submit(&writer, submission(&round, &model, &account, 0.9))
        .await
        .expect("accepted");
    assert_eq!(
        (first.p_ppm, first.posted_ppm, first.clamped),
        (Some(650_000), Some(900_000), true)
    );
    assert_eq!(first.ms_to_deadline, 239_000);
    assert!(first.signature.starts_with("0x") && first.signature.len() == 132);
    let again = submit(&writer, submission(&round, &model, &account, 0.9))
        .await
        .expect("accepted");
    assert_eq!(again, first);
    let later = submit(&writer, submission(&round, &model, &account, 0.4))
        .await
        .expect("accepted");
    assert_eq!(later.sequence, first.sequence + 1);
    let mut conn = db.read().await.expect("read");
    let latest = latest(&mut conn, &round).await.expect("latest");
    assert_eq!(latest.len(), 1);
    assert_eq!(
        (latest[0].posted.ppm(), latest[0].sequence),
        (400_000, later.sequence)
    );
    assert_eq!(
        received(&mut conn, &round, &model).await.expect("reads"),
        Some(later)
    );
}

#[tokio::test]
async fn what_may_not_count_is_refused_and_leaves_no_row() {
    let (db, _folder) = sqlite().await;
    let writer = writer(&db);
    let mut tx = db.begin().await.expect("begin");
    let (round, model, account) = open_round_with_model(&mut tx).await;
    let other = accounts::create(&mut tx, NOW_US, "bob", "", false)
        .await
        .expect("account");
    tx.commit().await.expect("commit");
    let good = submission(&round, &model, &account, 0.5);
    let mut late = good.clone();
    late.received_us = NOW_US + 240 * SECOND_US;
    let mut early = good.clone();
    early.received_us = NOW_US - 3_600 * SECOND_US;
    let foreign = Submission {
        account: other.id,
        ..good.clone()
    };
    let elsewhere = Submission {
        round: ROUND.replace("btc", "eth").parse().expect("valid"),
        ..good.clone()
    };
    let unknown = Submission {
        round: ROUND.replace("1200Z", "1700Z").parse().expect("valid"),
        ..good.clone()
    };
    assert!(matches!(
        submit(&writer, late).await,
        Err(PredictionError::Late { missed_us: 0, .. })
    ));
    assert!(matches!(
        submit(&writer, early).await,
        Err(PredictionError::NotOpenYet { .. })
    ));
    assert!(matches!(
        submit(&writer, foreign).await,
        Err(PredictionError::NotOwner(_))
    ));
    assert!(matches!(
        submit(&writer, elsewhere).await,
        Err(PredictionError::WrongTournament { .. })
    ));
    let refused = submit(&writer, unknown).await;
    assert!(matches!(
        refused,
        Err(PredictionError::Round(RoundError::UnknownRound(_)))
    ));
    let mut conn = db.read().await.expect("read");
    assert!(latest(&mut conn, &round).await.expect("latest").is_empty());
}

#[tokio::test]
async fn a_locked_round_takes_nothing_even_when_the_request_came_in_time() {
    let (db, _folder) = sqlite().await;
    let writer = writer(&db);
    let mut tx = db.begin().await.expect("begin");
    let (round, model, account) = open_round_with_model(&mut tx).await;
    tx.commit().await.expect("commit");
    let s = submission(&round, &model, &account, 0.5);
    let mut tx = db.begin().await.expect("begin");
    rounds::advance(&mut tx, &round, RoundState::Open, RoundState::Locked, 1)
        .await
        .expect("locks");
    tx.commit().await.expect("commit");
    assert!(matches!(
        submit(&writer, s).await,
        Err(PredictionError::Late { .. })
    ));
}

#[tokio::test]
async fn a_group_commits_together_on_both_databases() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let (round, model, account) = open_round_with_model(&mut tx).await;
        tx.commit().await.expect("commit");
        let writer = writer(&db);
        let mut writes = tokio::task::JoinSet::new();
        for i in 0..50 {
            let s = submission(&round, &model, &account, 0.4 + f64::from(i) / 1_000.0);
            let writer = writer.clone();
            writes.spawn(async move { submit(&writer, s).await.expect("stored").sequence });
        }
        let mut sequences = writes.join_all().await;
        sequences.sort_unstable();
        assert_eq!(sequences, (1..=50).collect::<Vec<i64>>());
        writer.barrier().await.expect("runs");
        let mut tx = db.begin().await.expect("begin");
        let latest = latest(&mut tx, &round).await.expect("latest");
        assert_eq!((latest.len(), latest[0].sequence), (1, 50));
        let counted = Counted {
            model,
            sequence: 50,
            model_index: Some(3),
            at_risk: TokenAmount::from_tokens("1").expect("an amount"),
            counted: latest[0].counted,
            posted: latest[0].posted,
        };
        freeze(&mut tx, &round, std::slice::from_ref(&counted))
            .await
            .expect("freezes");
        tx.commit().await.expect("commit");
        let mut conn = db.read().await.expect("read");
        assert_eq!(
            super::counted(&mut conn, &round).await.expect("reads"),
            vec![counted]
        );
    })
    .await;
}

#[tokio::test]
async fn what_the_writer_acknowledges_the_lock_has_seen() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let (round, model, account) = open_round_with_model(&mut tx).await;
        tx.commit().await.expect("commit");
        let writer = writer(&db);
        let s = submission(&round, &model, &account, 0.5);
        // The lock has begun and looked; the prediction comes in time, but behind it.
        let mut lock = db.begin().await.expect("begin");
        let open = RoundState::Open;
        assert!(rounds::hold(&mut lock, &round, open).await.expect("holds"));
        assert!(latest(&mut lock, &round).await.expect("latest").is_empty());
        let mut late = tokio::spawn(async move { submit(&writer, s).await });
        let soon = std::time::Duration::from_millis(200);
        let answered = tokio::time::timeout(soon, &mut late).await;
        assert!(
            answered.is_err(),
            "the writer must wait for the lock: {answered:?}"
        );
        let (to, due_us) = (RoundState::Locked, 1);
        rounds::advance(&mut lock, &round, open, to, due_us)
            .await
            .expect("locks");
        lock.commit().await.expect("commit");
        let verdict = late.await.expect("the writer runs");
        assert!(
            matches!(verdict, Err(PredictionError::Late { .. })),
            "{verdict:?}"
        );
        let mut conn = db.read().await.expect("read");
        assert!(latest(&mut conn, &round).await.expect("latest").is_empty());
    })
    .await;
}
