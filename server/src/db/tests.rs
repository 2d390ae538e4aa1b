//! The pool: durable connections, and none that a failed commit has spoilt.

use sqlx::Executor;

use super::testing::{numbers, sqlite, texts};

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
