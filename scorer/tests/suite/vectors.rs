//! Every vector of the protocol that this crate owns, to the last unit.

use std::collections::BTreeSet;
use std::str::FromStr;

use domain::{Direction, Price, Probability, Score, TokenAmount};
use scorer::fee_shares::{self, shares_floor};
use scorer::ranking::{self, payouts_floor};
use scorer::returns::return_floor;
use scorer::skill::{
    Memory, Multiplier, Skill, mean_floor, multiplier_floor, next_error_floor, next_stake_floor,
    score_exact,
};
use scorer::stake_cap::capped_floor;
use scorer::wager::{Entry, settle};
use serde_json::Value;

const TEXT: &str = include_str!("../vectors.json");

fn section(name: &str) -> Value {
    let all: Value = serde_json::from_str(TEXT).expect("the vectors are JSON");
    all[name].clone()
}

fn rows(name: &str) -> Vec<Value> {
    let rows = section(name).as_array().expect("a list").clone();
    assert!(!rows.is_empty(), "{name} has no vectors");
    rows
}

fn number<T: FromStr>(row: &Value, key: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    let text = row[key].as_str().unwrap_or_else(|| panic!("{key}: {row}"));
    text.parse().expect("a number")
}

fn numbers<T: FromStr>(row: &Value, key: &str) -> Vec<T>
where
    T::Err: std::fmt::Debug,
{
    let list = row[key]
        .as_array()
        .unwrap_or_else(|| panic!("{key}: {row}"));
    list.iter()
        .map(|x| x.as_str().expect("a string").parse().expect("a number"))
        .collect()
}

fn probability(ppm: u32) -> Probability {
    Probability::from_ppm(ppm).expect("a probability")
}

fn direction(row: &Value) -> Direction {
    match number::<u32>(row, "y") {
        1_000_000 => Direction::Up,
        0 => Direction::Down,
        y => panic!("{y} is no direction"),
    }
}

#[test]
fn every_section_is_known() {
    let all: Value = serde_json::from_str(TEXT).expect("the vectors are JSON");
    let found: BTreeSet<&str> = all
        .as_object()
        .expect("sections")
        .keys()
        .map(String::as_str)
        .collect();
    // The trees belong to the contracts crate; the rest is tested below.
    let known = BTreeSet::from([
        "units",
        "wager",
        "stake_cap",
        "fee_shares",
        "skill",
        "skill_multiplier",
        "stake_average",
        "ranking",
        "returns",
        "trees",
    ]);
    assert_eq!(found, known);
}

#[test]
fn wager() {
    for row in rows("wager") {
        let stakes: Vec<TokenAmount> = numbers(&row, "w");
        let reports: Vec<u32> = numbers(&row, "p");
        let entries: Vec<Entry> = stakes
            .into_iter()
            .zip(reports)
            .map(|(stake, ppm)| Entry {
                stake,
                p: probability(ppm),
            })
            .collect();
        let settled = settle(number(&row, "a"), number(&row, "y"), &entries).expect("settles");
        let deltas: Vec<i64> = settled.deltas.iter().map(|d| d.units()).collect();
        assert_eq!(deltas, numbers::<i64>(&row, "D"), "{row}");
        assert_eq!(settled.totals.stake, number(&row, "W"), "{row}");
        assert_eq!(settled.totals.weighted, number::<u128>(&row, "P"), "{row}");
        assert_eq!(settled.burned, number(&row, "burned"), "{row}");
        assert_eq!(settled.thin, entries.len() == 1, "{row}");
    }
}

#[test]
fn stake_cap() {
    let row = section("stake_cap");
    let asks: Vec<TokenAmount> = numbers(&row, "ask");
    let counted = capped_floor(&asks, number(&row, "cap")).expect("caps");
    assert_eq!(counted, numbers::<TokenAmount>(&row, "w"));
}

#[test]
fn fee_shares() {
    for row in rows("fee_shares") {
        assert_eq!(number::<u32>(&row, "phi_ppm"), fee_shares::RATE_PPM);
        let averages: Vec<TokenAmount> = numbers(&row, "w_bar");
        let multipliers: Vec<u32> = numbers(&row, "m");
        let entries: Vec<fee_shares::Entry> = numbers::<TokenAmount>(&row, "w")
            .into_iter()
            .zip(numbers::<u32>(&row, "p"))
            .zip(averages.into_iter().zip(multipliers))
            .map(|((stake, ppm), (average_stake, m))| fee_shares::Entry {
                stake,
                p: probability(ppm),
                average_stake,
                multiplier: Multiplier::from_ppm(m).expect("at most 1e6"),
            })
            .collect();
        let paid = shares_floor(direction(&row), number(&row, "pool_G"), &entries).expect("pays");
        assert_eq!(paid.payable, number(&row, "F"), "{row}");
        let mean = paid.mean_score.map(|s| s.to_string());
        assert_eq!(mean.as_deref(), row["s_bar"].as_str(), "{row}");
        assert_eq!(paid.shares, numbers::<TokenAmount>(&row, "shares"), "{row}");
        assert_eq!(paid.pool_used, number(&row, "pool_used"), "{row}");
    }
}

#[test]
fn skill() {
    for row in rows("skill") {
        let memory = Memory::new(number(&row, "N")).expect("at least 1");
        let y = direction(&row);
        let own = score_exact(probability(number(&row, "p")), y);
        let baseline = probability(number(&row, "baseline"));
        let next = next_error_floor(number(&row, "E"), own, score_exact(baseline, y), memory);
        let next = next.expect("in range");
        assert_eq!(next, number::<i64>(&row, "E_next"), "{row}");
        assert_eq!(mean_floor(next, memory), number::<i64>(&row, "e"), "{row}");

        let before = Skill {
            e_half: number(&row, "E"),
            ..Skill::default()
        };
        let p = probability(number(&row, "p"));
        let after = before
            .after_round_floor(memory, TokenAmount::ZERO, p, Probability::HALF, y)
            .expect("in range");
        assert_eq!(baseline, Probability::HALF);
        assert_eq!(after.e_half, next, "{row}");
    }
}

#[test]
fn skill_multiplier() {
    for row in rows("skill_multiplier") {
        let lesser = number::<i64>(&row, "e_half").min(number(&row, "e_reference"));
        assert_eq!(
            multiplier_floor(lesser).ppm(),
            number::<u32>(&row, "m"),
            "{row}"
        );
    }
}

#[test]
fn stake_average() {
    let memory = Memory::new(8_640).expect("at least 1");
    for row in rows("stake_average") {
        let next = next_stake_floor(number(&row, "V"), number(&row, "w"), memory);
        let next = next.expect("in range");
        assert_eq!(next, number::<u128>(&row, "V_next"), "{row}");
        let skill = Skill {
            stake_sum: next,
            ..Skill::default()
        };
        let average = skill.average_stake_floor(memory).expect("in range");
        assert_eq!(average, number(&row, "w_bar"), "{row}");
    }
}

#[test]
fn ranking() {
    for row in rows("ranking") {
        let entries: Vec<ranking::Entry> = numbers::<TokenAmount>(&row, "w")
            .into_iter()
            .zip(numbers::<i64>(&row, "corr"))
            .zip(numbers::<i64>(&row, "mmc"))
            .map(|((stake, corr), mmc)| ranking::Entry {
                stake,
                corr: Score::from_units(corr),
                mmc: Score::from_units(mmc),
            })
            .collect();
        let rule = ranking::Rule {
            corr_ppm: number(&row, "c"),
            mmc_ppm: number(&row, "k"),
            limit_ppm: number(&row, "L"),
            threshold: number(&row, "threshold"),
            budget: number(&row, "budget"),
        };
        let paid = payouts_floor(rule, &entries).expect("pays");
        let units = |deltas: &[domain::Delta]| -> Vec<i64> {
            deltas.iter().map(|delta| delta.units()).collect()
        };
        let before: Vec<i64> = numbers(&row, "x_before_budget");
        assert_eq!(units(&paid.before_budget), before, "{row}");
        assert_eq!(units(&paid.deltas), numbers::<i64>(&row, "x"), "{row}");
        assert_eq!(paid.pool_used, number(&row, "pool_used"), "{row}");
        assert_eq!(paid.burned, number(&row, "burned"), "{row}");
    }
}

#[test]
fn returns() {
    for row in rows("returns") {
        let p0: Price = number(&row, "p0");
        let p1: Price = number(&row, "p1");
        let change = return_floor(p0, p1).expect("in range");
        assert_eq!(change.units(), number::<i64>(&row, "return_1e-12"), "{row}");
    }
    let least = Price::from_units(1).expect("above 0");
    let most = Price::from_units(i64::MAX).expect("above 0");
    assert_eq!(return_floor(least, most), None);
    assert_eq!(
        return_floor(most, least).map(|change| change.units()),
        Some(-1_000_000_000_000)
    );
}
