//! What reached the chain: batches in order, a ledger that agrees, a stake that left.

use std::collections::BTreeSet;

use tests::report::units;

use super::run;

#[tokio::test]
async fn batches_follow_each_other_and_burn_what_their_rounds_burned() {
    let (_, report) = run().await;
    let numbers: Vec<i64> = report.batches.iter().map(|batch| batch.seq).collect();
    let expected: Vec<i64> = (1..).take(numbers.len()).collect();
    assert!(!numbers.is_empty(), "no batch");
    assert_eq!(numbers, expected, "every number once, from 1");
    let mut settled = BTreeSet::new();
    let mut hashes = BTreeSet::new();
    for batch in &report.batches {
        let mut burned = 0;
        for id in &batch.rounds {
            let round = report
                .round(id)
                .unwrap_or_else(|| panic!("batch {} has {id}", batch.seq));
            assert_ne!(round.outcome, "void", "batch {} settles {id}", batch.seq);
            assert!(settled.insert(id.clone()), "{id} is settled twice");
            burned += units(&round.burned).expect("a whole number");
        }
        assert_eq!(
            units(&batch.burned).expect("a whole number"),
            burned,
            "batch {}",
            batch.seq
        );
        assert!(
            is_hash(&batch.root),
            "batch {}: root {:?}",
            batch.seq,
            batch.root
        );
        for tx in [&batch.propose_tx, &batch.accept_tx] {
            assert!(is_hash(tx), "batch {}: {tx:?} is no transaction", batch.seq);
            assert!(hashes.insert(tx.clone()), "{tx} stands there twice");
        }
        assert!(batch.gas_used > 0, "batch {} used no gas", batch.seq);
    }
    let decided: BTreeSet<String> = report.decided().map(|round| round.id.clone()).collect();
    assert_eq!(
        settled, decided,
        "every round with an outcome is in one batch"
    );
}

#[tokio::test]
async fn ledger_and_chain_are_equal_and_a_stake_has_left_with_a_proof() {
    let (_, report) = run().await;
    let found = report
        .reconciliation
        .as_ref()
        .expect("ledger and chain were compared");
    assert!(found.equal, "{found:?}");
    assert_eq!(found.ledger, found.chain);
    let paid = report.withdrawal.as_ref().expect("a withdrawal was paid");
    assert_eq!(paid.amount, "1000000000000", "{paid:?}");
    assert!(is_hash(&paid.tx), "{paid:?}");
}

fn is_hash(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
