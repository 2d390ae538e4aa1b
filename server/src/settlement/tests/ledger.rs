//! What final events post to the double-entry ledger.

use std::collections::BTreeMap;

use alloy::primitives::Address;

use super::*;
use crate::chain::testing::record;
use crate::ledger::{self, Account, VaultBalances};
use crate::stakes::testing::model;

const BOND: i64 = 1_000_000_000;

fn vault() -> String {
    deployment().vault.to_string()
}

/// Records an event of the vault in a block of its own and applies it.
async fn say(conn: &mut Conn, number: i64, said: Said) {
    record(conn, &event(deployment().vault, number, said)).await;
    apply_pending(conn, 1).await.expect("applies");
}

fn wallet(index: u32) -> Address {
    Address::repeat_byte(0x31 + u8::try_from(index).expect("small"))
}

/// Three models with 10,000 tokens each, 500 in the pool, 100 more for the first, 30 paid out of it.
async fn inflows(conn: &mut Conn) -> Vec<ModelId> {
    set_deployment(conn, &deployment()).await.expect("kept");
    let tournament = tournament(conn).await.chain_key.parse().expect("a key");
    let mut made = Vec::new();
    for (index, name) in (0..).zip(["ada", "bob", "cleo"]) {
        let owner = wallet(index);
        let model = model(conn, name, owner).await;
        let said = Said::ModelRegistered {
            index,
            tournament,
            model_key: stakes::model_key(&model),
            owner,
            amount: tokens(10_000).units(),
        };
        say(conn, 10 + i64::from(index), said).await;
        made.push(model);
    }
    let amount = |tokens_paid| tokens(tokens_paid).units();
    say(
        conn,
        20,
        Said::Funded {
            amount: amount(500),
        },
    )
    .await;
    let said = Said::Deposited {
        index: 0,
        amount: amount(100),
    };
    say(conn, 21, said).await;
    let said = Said::Withdrawn {
        index: 0,
        amount: amount(30),
        requested_left: 0,
    };
    say(conn, 22, said).await;
    made
}

/// A batch of one round, proposed and accepted; gives what each model won.
async fn accepted_batch(conn: &mut Conn, models: &[ModelId]) -> (Batch, Vec<i64>) {
    let lease = a_lease(conn).await;
    let (round, _) = committed(conn, START_US, models).await;
    let settled = score(conn, &round).await;
    let now = START_US + 320 * SECOND_US;
    let batch = plan_batch(conn, &lease, now, now, &deployment()).await;
    let batch = batch.expect("plans").expect("a batch");
    let begun = begin_proposal(conn, &lease, 7, &deployment(), &batch.id).await;
    begun.expect("proposes");
    let root: B256 = batch.new_root.parse().expect("a root");
    let (seq, number) = (1, 1);
    let said = Said::BatchProposed {
        seq,
        number,
        new_root: root,
    };
    say(conn, 30, said).await;
    assert_eq!(of_vault(conn).await.bond, BOND);
    say(conn, 31, Said::BatchAccepted { seq, number, root }).await;
    let won = settled.payouts.iter().map(|(_, delta)| delta.units());
    (batch, won.collect())
}

async fn of_vault(conn: &mut Conn) -> VaultBalances {
    ledger::of_vault(conn, &vault()).await.expect("reads")
}

async fn balance(conn: &mut Conn, account: Account) -> i64 {
    ledger::balance(conn, &account).await.expect("reads")
}

async fn agrees_with_the_stakes(conn: &mut Conn) {
    let posted = of_vault(conn).await;
    let entries = stakes::ledger(conn, &vault()).await.expect("a ledger");
    let claimable: BTreeMap<u32, i64> = entries
        .iter()
        .map(|entry| (entry.model_index, entry.claimable.stored()))
        .collect();
    assert_eq!(posted.models, claimable);
    assert_eq!(
        posted.pool,
        stakes::pool(conn, &vault()).await.expect("reads")
    );
    let totals = ledger::totals(conn).await.expect("reads");
    assert_eq!(ledger::imbalance(&totals), 0);
    assert_eq!(
        ledger::audit(conn).await.expect("reads"),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn every_event_that_moves_money_is_one_entry_that_sums_to_zero() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        let models = inflows(&mut tx).await;
        agrees_with_the_stakes(&mut tx).await;
        let ada = Account::Outside(wallet(0).to_string());
        assert_eq!(balance(&mut tx, ada).await, -tokens(10_070).stored());
        assert_eq!(
            balance(&mut tx, Account::world()).await,
            -tokens(500).stored()
        );
        let (batch, won) = accepted_batch(&mut tx, &models).await;
        agrees_with_the_stakes(&mut tx).await;
        let now = of_vault(&mut tx).await;
        assert_eq!(now.models[&0], tokens(10_070).stored() + won[0]);
        assert_eq!(now.models[&2], tokens(10_000).stored() + won[2]);
        assert_eq!(now.bond, 0, "it went back");
        let burned = balance(&mut tx, Account::Burned(vault())).await;
        assert_eq!(burned, batch.burned.stored());
        // A second proposal is vetoed, a third is there when the vault is shut down.
        for (number, vetoed) in [(2, true), (3, false)] {
            let root = B256::repeat_byte(9);
            let seq = 2;
            let said = Said::BatchProposed {
                seq,
                number,
                new_root: root,
            };
            say(&mut tx, 40 + i64::from(number), said).await;
            let operator = Account::Outside(deployment().operator.to_string());
            assert_eq!(balance(&mut tx, operator).await, -BOND);
            let end = if vetoed {
                Said::BatchDied {
                    seq,
                    number,
                    root,
                    vetoed,
                }
            } else {
                Said::ShutDown {}
            };
            say(&mut tx, 50 + i64::from(number), end).await;
            assert_eq!(of_vault(&mut tx).await.bond, 0);
            agrees_with_the_stakes(&mut tx).await;
        }
        assert_eq!(of_vault(&mut tx).await.pool, 0, "burned with the vault");
        let operator = Account::Outside(deployment().operator.to_string());
        assert_eq!(balance(&mut tx, operator).await, 0, "every bond came back");
        let burned_now = balance(&mut tx, Account::Burned(vault())).await;
        assert_eq!(burned_now, burned + tokens(500).stored());
    })
    .await;
}

#[tokio::test]
async fn an_installation_with_a_history_gets_its_ledger_from_the_recorded_events() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        let models = inflows(&mut tx).await;
        accepted_batch(&mut tx, &models).await;
        let before = of_vault(&mut tx).await;
        let totals = ledger::totals(&mut tx).await.expect("reads");
        for sql in [
            "DELETE FROM ledger_balances",
            "DELETE FROM ledger_postings",
            "DELETE FROM ledger_entries",
            "DELETE FROM facts WHERE name = 'ledger_complete'",
        ] {
            sqlx::query(sql).execute(&mut *tx).await.expect("forgets");
        }
        for _ in 0..2 {
            complete_ledger(&mut tx).await.expect("completes");
            assert_eq!(of_vault(&mut tx).await, before);
        }
        assert_eq!(ledger::totals(&mut tx).await.expect("reads"), totals);
        agrees_with_the_stakes(&mut tx).await;
    })
    .await;
}

#[tokio::test]
async fn half_of_a_challenged_bond_goes_to_the_challenger_and_the_rest_burns() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begins");
        // An odd bond: the odd unit burns.
        let odd = crate::chain::Deployment {
            bond: 1_000_000_001,
            ..deployment()
        };
        set_deployment(&mut tx, &odd).await.expect("kept");
        let (seq, number, root) = (1, 1, B256::repeat_byte(9));
        let said = Said::BatchProposed {
            seq,
            number,
            new_root: root,
        };
        say(&mut tx, 1, said).await;
        let challenger = Address::repeat_byte(0x77);
        let said = Said::BatchChallenged {
            seq,
            number,
            root,
            challenger,
            fault: 1,
        };
        say(&mut tx, 2, said).await;
        assert_eq!(of_vault(&mut tx).await.bond, 0);
        let outside = |address: Address| Account::Outside(address.to_string());
        let rewarded = balance(&mut tx, outside(challenger)).await;
        let burned = balance(&mut tx, Account::Burned(vault())).await;
        assert_eq!((rewarded, burned), (500_000_000, 500_000_001));
        let lost = balance(&mut tx, outside(odd.operator)).await;
        assert_eq!(lost, -1_000_000_001);
    })
    .await;
}
