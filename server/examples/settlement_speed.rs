//! Times what one settlement computes for 1,000, 10,000 and 100,000 models: the wager's payouts, the
//! shares of buyers' money, the round's tree, the ledger's tree and every model's proof. Prints JSON.

use std::hint::black_box;

use contracts::tree::{LedgerLeaf, LedgerTree, PredictionLeaf, PredictionTree};
use domain::{Direction, Probability, TokenAmount, WallClock};
use scorer::fee_shares::{self, shares_floor};
use scorer::skill::Multiplier;
use scorer::wager::{Entry, settle};

const REPEATS: usize = 5;
const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let clock = WallClock::system();
    let mut growth = Vec::new();
    for models in SIZES {
        let entries = entries(models)?;
        let mut times = Vec::new();
        for _ in 0..REPEATS {
            let started_us = clock.now_us();
            let proofs = settled(black_box(&entries))?;
            times.push(clock.now_us() - started_us);
            if proofs != entries.len() {
                return Err(format!("{proofs} proofs hold for {models} models").into());
            }
        }
        times.sort_unstable();
        growth.push((models, times[REPEATS / 2] as f64 / 1e6));
    }
    let rows: Vec<serde_json::Value> = growth
        .iter()
        .map(|(models, seconds)| serde_json::json!({ "models": models, "wall_s": seconds }))
        .collect();
    let report = serde_json::json!({
        "payouts_100k_s": growth.last().map(|(_, seconds)| seconds),
        "growth": rows,
        "repeats": REPEATS,
        "statistic": "median",
    });
    #[expect(
        clippy::print_stdout,
        reason = "the report is what this program is for"
    )]
    {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    Ok(())
}

/// Stakes of 1 to 1,000 tokens and reports spread over [a, 1 − a].
fn entries(models: u32) -> Result<Vec<Entry>, Failure> {
    (0..models)
        .map(|i| {
            let tokens = 1 + u64::from(i) * 104_729 % 1_000;
            let stake = TokenAmount::from_units(1_000_000_000 * tokens + u64::from(i))?;
            let p = Probability::from_ppm(350_000 + i.wrapping_mul(7_919) % 300_001)?;
            Ok(Entry { stake, p })
        })
        .collect()
}

/// Everything from entries to proofs; answers how many proofs there are.
fn settled(entries: &[Entry]) -> Result<usize, Failure> {
    let paid = settle(350_000, 1_000_000, entries)?;
    let shares = shares_floor(
        Direction::Up,
        TokenAmount::from_tokens("1000")?,
        &fee_entries(entries)?,
    )?;
    let leaves: Vec<PredictionLeaf> = (0..)
        .zip(entries)
        .map(|(index, entry)| PredictionLeaf {
            index,
            w: entry.stake.units(),
            p: entry.p.ppm(),
        })
        .collect();
    black_box(PredictionTree::from_leaves(&leaves)?.root());
    let leaves: Vec<LedgerLeaf> = (0..)
        .zip(paid.deltas.iter().zip(&shares.shares))
        .map(|(index, (delta, share))| LedgerLeaf {
            index,
            stake_delta: i128::from(delta.units()),
            pool_reward: u128::from(share.units()),
        })
        .collect();
    let tree = LedgerTree::from_leaves(&leaves)?;
    let mut proofs = 0;
    for leaf in &leaves {
        black_box(tree.proof(leaf.index)?);
        proofs += 1;
    }
    Ok(proofs)
}

fn fee_entries(entries: &[Entry]) -> Result<Vec<fee_shares::Entry>, Failure> {
    entries
        .iter()
        .map(|entry| {
            Ok(fee_shares::Entry {
                stake: entry.stake,
                p: entry.p,
                average_stake: entry.stake,
                multiplier: Multiplier::from_ppm(entry.p.ppm())?,
            })
        })
        .collect()
}
