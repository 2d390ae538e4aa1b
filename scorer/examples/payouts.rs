//! Times the payouts of direction rounds of 1,000, 10,000 and 100,000 models; prints JSON.

use std::hint::black_box;

use domain::{Direction, Probability, TokenAmount, WallClock};
use scorer::fee_shares::{self, shares_floor};
use scorer::skill::Multiplier;
use scorer::wager::{Entry, settle};

const REPEATS: usize = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = WallClock::system();
    let mut rows = Vec::new();
    for models in [1_000, 10_000, 100_000] {
        let entries = entries(models)?;
        let wager_us = fastest_us(&clock, || {
            black_box(settle(350_000, 1_000_000, black_box(&entries))).map(|_| ())
        })?;
        let staked = fee_entries(&entries)?;
        let pool = TokenAmount::from_tokens("1000")?;
        let shares_us = fastest_us(&clock, || {
            black_box(shares_floor(Direction::Up, pool, black_box(&staked))).map(|_| ())
        })?;
        rows.push(serde_json::json!({
            "models": models,
            "settle_us": wager_us,
            "fee_shares_us": shares_us,
        }));
    }
    let report = serde_json::json!({ "repeats": REPEATS, "statistic": "fastest", "rounds": rows });
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
fn entries(models: u64) -> Result<Vec<Entry>, Box<dyn std::error::Error>> {
    (0..models)
        .map(|i| {
            let ppm = 350_000 + u32::try_from(i * 7_919 % 300_001)?;
            Ok(Entry {
                stake: TokenAmount::from_units(1_000_000_000 * (1 + i * 104_729 % 1_000) + i)?,
                p: Probability::from_ppm(ppm)?,
            })
        })
        .collect()
}

fn fee_entries(entries: &[Entry]) -> Result<Vec<fee_shares::Entry>, Box<dyn std::error::Error>> {
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

fn fastest_us<E>(clock: &WallClock, work: impl Fn() -> Result<(), E>) -> Result<i64, E> {
    let mut fastest = i64::MAX;
    for _ in 0..REPEATS {
        let start = clock.now_us();
        work()?;
        fastest = fastest.min(clock.now_us() - start);
    }
    Ok(fastest)
}
