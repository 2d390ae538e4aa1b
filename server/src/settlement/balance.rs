//! The double-entry ledger against the stakes and against the chain. Pure: values in, what differs
//! out, each with the account's name.

use super::ChainView;
use crate::ledger::{Account, VaultBalances};
use crate::stakes::Entry;

/// Differences named; more are counted.
const NAMED: usize = 5;

/// What differs between the balances of a vault's accounts, the stakes and the chain.
pub(super) fn differences(
    vault: &str,
    posted: &VaultBalances,
    entries: &[Entry],
    pool: u64,
    view: &ChainView,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut known = posted.models.clone();
    for entry in entries {
        let in_ledger = known.remove(&entry.model_index).unwrap_or(0);
        let claimable = entry.claimable.units();
        if i128::from(in_ledger) != i128::from(claimable) {
            let account = model(vault, entry.model_index);
            wrong.push(format!(
                "account {account}: {in_ledger} units in the ledger, {claimable} in the stakes"
            ));
        }
    }
    for (index, in_ledger) in known {
        let account = model(vault, index);
        wrong.push(format!(
            "account {account}: {in_ledger} units in the ledger, no such stake"
        ));
    }
    let staked = posted
        .models
        .values()
        .fold(0_i128, |sum, units| sum.saturating_add(i128::from(*units)));
    if staked != i128::from(view.staked) {
        wrong.push(format!(
            "accounts model:{vault}: {staked} units in the ledger, {} staked on the chain",
            view.staked
        ));
    }
    let of_pool = i128::from(posted.pool);
    if of_pool != i128::from(pool) || of_pool != i128::from(view.pool) {
        let account = Account::Pool(vault.to_owned());
        wrong.push(format!(
            "account {account}: {of_pool} units in the ledger, {pool} in the stakes, {} on the chain",
            view.pool
        ));
    }
    if i128::from(posted.bond) != i128::from(view.bond) {
        let account = Account::Bond(vault.to_owned());
        wrong.push(format!(
            "account {account}: {} units in the ledger, {} on the chain",
            posted.bond, view.bond
        ));
    }
    let more = wrong.len().saturating_sub(NAMED);
    if more > 0 {
        wrong.truncate(NAMED);
        wrong.push(format!("and {more} more accounts"));
    }
    wrong
}

fn model(vault: &str, index: u32) -> Account {
    Account::Model {
        vault: vault.to_owned(),
        index,
    }
}

#[cfg(test)]
mod tests {
    use domain::TokenAmount;

    use super::*;
    use crate::chain::{B256, Head, U256};

    fn view() -> ChainView {
        ChainView {
            head: Head {
                number: 9,
                hash: B256::ZERO,
                time_s: 9,
            },
            root: B256::ZERO,
            seq: 1,
            staked: 30,
            pool: 5,
            bond: 7,
            balance: U256::ZERO,
            accepted_at_s: 0,
        }
    }

    fn entries() -> Vec<Entry> {
        let entry = |model_index, units| Entry {
            model_index,
            stake_delta: 0,
            pool_reward: 0,
            claimable: TokenAmount::from_units(units).expect("in range"),
        };
        vec![entry(0, 10), entry(1, 20)]
    }

    fn posted() -> VaultBalances {
        VaultBalances {
            models: [(0, 10), (1, 20)].into(),
            pool: 5,
            bond: 7,
        }
    }

    #[test]
    fn three_books_that_agree_differ_in_nothing_and_each_difference_names_its_account() {
        let look = |posted: &VaultBalances, entries: &[Entry], pool, view: &ChainView| {
            differences("0xv", posted, entries, pool, view).join("; ")
        };
        assert_eq!(look(&posted(), &entries(), 5, &view()), "");
        let mut off = posted();
        off.models.insert(1, 21);
        assert!(look(&off, &entries(), 5, &view()).contains("account model:0xv:1: 21"));
        let mut off = posted();
        off.models.insert(2, 0);
        assert!(look(&off, &entries(), 5, &view()).contains("model:0xv:2"));
        assert!(look(&posted(), &entries().split_off(1), 5, &view()).contains("model:0xv:0"));
        assert!(look(&posted(), &entries(), 6, &view()).contains("account pool:0xv: 5"));
        let mut off = view();
        off.bond = 0;
        assert!(look(&posted(), &entries(), 5, &off).contains("account bond:0xv: 7"));
        let mut off = view();
        off.staked = 31;
        assert!(look(&posted(), &entries(), 5, &off).contains("31 staked on the chain"));
    }
}
