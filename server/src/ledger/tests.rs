//! The ledger on both databases.

use super::*;
use crate::chain::Said;
use crate::chain::testing::{deployment, event};
use crate::db::testing::each_database;

fn vault() -> String {
    deployment().vault.to_string()
}

fn model(index: u32) -> Account {
    Account::Model {
        vault: vault(),
        index,
    }
}

fn wallet(name: &str) -> Account {
    Account::Outside(name.to_owned())
}

/// An event of its own in block `number`.
fn at(number: i64) -> Event {
    event(deployment().vault, number, Said::Funded { amount: 1 })
}

/// Two deposits and a batch: 0 loses 60 units, 1 gains 50, 10 burn.
async fn fill(conn: &mut Conn) {
    for (number, index) in [(1, 0), (2, 1)] {
        let mut postings = Postings::default();
        postings.transfer(wallet("ada"), model(index), 1_000);
        assert!(post(conn, &at(number), postings).await.expect("posts"));
    }
    assert!(post(conn, &at(3), batch()).await.expect("posts"));
}

fn batch() -> Postings {
    let mut postings = Postings::default();
    postings.add(model(0), -60);
    postings.add(model(1), 50);
    postings.add(Account::Burned(vault()), 10);
    postings
}

#[tokio::test]
async fn entries_sum_to_zero_and_an_event_is_posted_once() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        fill(&mut tx).await;
        assert!(!post(&mut tx, &at(3), batch()).await.expect("posts"));
        let of = of_vault(&mut tx, &vault()).await.expect("reads");
        assert_eq!(of.models, BTreeMap::from([(0, 940), (1, 1_050)]));
        let outside = balance(&mut tx, &wallet("ada")).await.expect("reads");
        assert_eq!(outside, -2_000);
        let totals = totals(&mut tx).await.expect("reads");
        assert_eq!(imbalance(&totals), 0);
        let kinds: Vec<_> = totals.iter().map(|t| (t.accounts, t.balance)).collect();
        assert_eq!(kinds, [(1, -2_000), (2, 1_990), (0, 0), (0, 0), (1, 10)]);
        assert_eq!(audit(&mut tx).await.expect("reads"), Vec::<String>::new());
        let mut odd = batch();
        odd.add(model(1), 1);
        let refused = post(&mut tx, &at(4), odd).await;
        assert!(matches!(
            refused,
            Err(LedgerError::Unbalanced { sum: 1, .. })
        ));
        assert_eq!(of_vault(&mut tx, &vault()).await.expect("reads"), of);
    })
    .await;
}

#[tokio::test]
async fn an_audit_names_what_somebody_changed() {
    each_database(|db| async move {
        for (sql, named) in [
            (
                "UPDATE ledger_postings SET amount = amount + 1 WHERE account LIKE 'model:%:1' \
                 AND amount = 50",
                "model:",
            ),
            (
                "UPDATE ledger_balances SET balance = balance - 1 WHERE kind = 'burned'",
                "burned:",
            ),
            (
                "DELETE FROM ledger_balances WHERE kind = 'outside'",
                "outside:ada",
            ),
            (
                "DELETE FROM ledger_postings WHERE amount = 10",
                "log 0 sums to -10 units",
            ),
        ] {
            let mut tx = db.begin().await.expect("begins");
            fill(&mut tx).await;
            let done = sqlx::query(sql).execute(&mut *tx).await.expect("changes");
            assert_eq!(done.rows_affected(), 1, "{sql}");
            let wrong = audit(&mut tx).await.expect("reads").join("; ");
            assert!(wrong.contains(named), "{sql}: {wrong}");
            tx.rollback().await.expect("rolls back");
        }
    })
    .await;
}

/// The only file that writes these tables has no statement that could change history.
#[test]
fn no_statement_changes_or_deletes_an_entry_or_a_posting() {
    let sql = include_str!("store.rs").to_uppercase();
    assert!(sql.contains("INSERT INTO LEDGER_POSTINGS"));
    for forbidden in ["UPDATE LEDGER_", "DELETE FROM", "DROP ", "REPLACE INTO"] {
        assert!(!sql.contains(forbidden), "{forbidden}");
    }
    // The one thing that is updated is a balance.
    assert_eq!(sql.matches("DO UPDATE").count(), 1);
    assert!(sql.contains("SET BALANCE = LEDGER_BALANCES.BALANCE + EXCLUDED.BALANCE"));
}
