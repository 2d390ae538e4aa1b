//! The pool: durable connections, and none that a failed commit has spoilt.

use sqlx::Executor;

use super::testing::{numbers, sqlite, texts};
use super::{pieces, questions};

/// As many as the pool holds.
const CONNECTIONS: usize = 8;

#[tokio::test]
async fn every_connection_writes_each_commit_through_to_the_disk() {
    let (db, _folder) = sqlite().await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push(db.read().await.expect("a connection"));
    }
    for conn in &mut held {
        // FULL is 2.
        for (pragma, value) in [
            ("PRAGMA synchronous", 2),
            ("PRAGMA foreign_keys", 1),
            ("PRAGMA busy_timeout", 20_000),
        ] {
            let stands = numbers(conn, pragma).await.expect("reads");
            assert_eq!(stands, [value], "{pragma}");
        }
        let journal = texts(conn, "PRAGMA journal_mode").await.expect("reads");
        assert_eq!(journal, ["wal"]);
    }
}

#[tokio::test]
async fn a_connection_whose_commit_failed_is_not_used_again() {
    let (db, _folder) = sqlite().await;
    for _ in 0..2 * CONNECTIONS {
        let mut tx = db.begin().await.expect("begins");
        // As a full disk does: SQLite ends the transaction by itself and the commit fails.
        tx.execute("ROLLBACK").await.expect("ends it");
        tx.commit().await.expect_err("there is nothing to commit");
    }
    let tx = db.begin().await.expect("begins as if nothing had been");
    tx.commit().await.expect("commits");
}

#[test]
fn statements_have_few_lengths_and_lose_nothing() {
    let rows: Vec<usize> = (0..700).collect();
    let cut = pieces(&rows);
    let lengths: Vec<usize> = cut.iter().map(|piece| piece.len()).collect();
    assert_eq!(lengths, [256, 256, 64, 64, 16, 16, 16, 4, 4, 4]);
    assert_eq!(cut.concat(), rows);
    let asked = questions(&rows);
    let lengths: Vec<usize> = asked.iter().map(Vec::len).collect();
    assert_eq!(lengths, [256, 256, 256]);
    let mut found: Vec<usize> = asked.into_iter().flatten().copied().collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, rows);
    assert!(pieces(&rows[..0]).is_empty() && questions(&rows[..0]).is_empty());
    assert_eq!(questions(&rows[..2]), [[&0, &1, &0, &1]]);
}
