//! What caps, fee shares, skill and ranking payouts promise, for any round.

use domain::{Direction, Probability, Score, TokenAmount};
use proptest::prelude::*;
use scorer::MoneyError;
use scorer::fee_shares::{self, shares_floor};
use scorer::ranking::{self, payouts_floor, reserve_ceil};
use scorer::skill::{Memory, Multiplier, ONE_SCORE, Skill, reference_half_even};
use scorer::stake_cap::capped_floor;

fn amount() -> impl Strategy<Value = TokenAmount> {
    prop_oneof![0..100_u64, 0..1_000_000_000_000_u64, 0..(1_u64 << 63) / 16]
        .prop_map(|units| TokenAmount::from_units(units).expect("below 2^63"))
}

fn probability() -> impl Strategy<Value = Probability> {
    (350_000..=650_000_u32).prop_map(|ppm| Probability::from_ppm(ppm).expect("at most 1e6"))
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Up), Just(Direction::Down)]
}

fn total(amounts: &[TokenAmount]) -> u128 {
    amounts.iter().map(|x| u128::from(x.units())).sum()
}

fn fee_entry() -> impl Strategy<Value = fee_shares::Entry> {
    (amount(), probability(), amount(), 0..=1_000_000_u32).prop_map(
        |(stake, p, average_stake, m)| fee_shares::Entry {
            stake,
            p,
            average_stake,
            multiplier: Multiplier::from_ppm(m).expect("at most 1e6"),
        },
    )
}

fn ranking_entry() -> impl Strategy<Value = ranking::Entry> {
    let score = || prop_oneof![-300_000_000..300_000_000_i64, any::<i64>()];
    (amount(), score(), score()).prop_map(|(stake, corr, mmc)| ranking::Entry {
        stake,
        corr: Score::from_units(corr),
        mmc: Score::from_units(mmc),
    })
}

fn ranking_rule() -> impl Strategy<Value = ranking::Rule> {
    (
        0..5_000_000_u32,
        0..5_000_000_u32,
        0..=1_000_000_u32,
        amount(),
        amount(),
    )
        .prop_map(
            |(corr_ppm, mmc_ppm, limit_ppm, threshold, budget)| ranking::Rule {
                corr_ppm,
                mmc_ppm,
                limit_ppm,
                threshold,
                budget,
            },
        )
}

proptest! {
    #[test]
    fn the_cap_holds(asks in prop::collection::vec(amount(), 0..12), cap in amount()) {
        let counted = capped_floor(&asks, cap).expect("valid amounts");
        prop_assert!(total(&counted) <= u128::from(cap.units()).max(total(&asks).min(u128::from(cap.units()))));
        prop_assert!(asks.iter().zip(&counted).all(|(ask, w)| w <= ask));
        if total(&asks) <= u128::from(cap.units()) {
            prop_assert_eq!(counted, asks);
        } else {
            // At most one unit per model is lost.
            prop_assert!(total(&counted) + asks.len() as u128 > u128::from(cap.units()));
        }
    }

    #[test]
    fn fee_shares_stay_within_the_pool_and_the_rate(
        entries in prop::collection::vec(fee_entry(), 0..12),
        pool in amount(),
        y in direction(),
    ) {
        let paid = shares_floor(y, pool, &entries).expect("valid amounts");
        prop_assert!(paid.pool_used <= paid.payable && paid.payable <= pool);
        prop_assert_eq!(total(&paid.shares), u128::from(paid.pool_used.units()));
        let skilled = total(&entries.iter().map(|e| e.stake).collect::<Vec<_>>());
        prop_assert!(u128::from(paid.payable.units()) <= skilled * 500 / 1_000_000);
        for (entry, share) in entries.iter().zip(&paid.shares) {
            let idle = entry.multiplier.ppm() == 0
                || entry.stake.min(entry.average_stake) == TokenAmount::ZERO;
            prop_assert!(!idle || *share == TokenAmount::ZERO);
        }
    }

    #[test]
    fn ranking_pays_within_limits_and_budget(
        rule in ranking_rule(),
        entries in prop::collection::vec(ranking_entry(), 0..12),
    ) {
        let paid = payouts_floor(rule, &entries).expect("valid numbers");
        prop_assert!(paid.pool_used <= rule.budget);
        let sum = |keep: fn(i64) -> bool| -> i128 {
            paid.deltas.iter().map(|d| d.units()).filter(|x| keep(*x)).map(i128::from).sum()
        };
        prop_assert_eq!(sum(|x| x > 0), i128::from(paid.pool_used.units()));
        prop_assert_eq!(-sum(|x| x < 0), i128::from(paid.burned.units()));
        for (entry, (before, after)) in
            entries.iter().zip(paid.before_budget.iter().zip(&paid.deltas))
        {
            let reserve = reserve_ceil(rule.limit_ppm, entry.stake).expect("at most 1e6");
            prop_assert!(before.units().unsigned_abs() <= reserve.units());
            prop_assert!(after <= before);
            prop_assert!(before.units() > 0 || after == before);
        }
    }

    #[test]
    fn skill_and_average_stay_in_range(
        rounds in prop::collection::vec((amount(), probability(), probability(), direction()), 1..200),
        n in 1..100_i64,
    ) {
        let memory = Memory::new(n).expect("at least 1");
        let mut skill = Skill::default();
        let mut most = TokenAmount::ZERO;
        for (stake, p, reference, y) in rounds {
            skill = skill.after_round_floor(memory, stake, p, reference, y).expect("in range");
            most = most.max(stake);
            let bound = n * (ONE_SCORE + 1);
            prop_assert!(skill.e_half.abs() <= bound && skill.e_reference.abs() <= bound);
            prop_assert!(skill.average_stake_floor(memory).expect("in range") <= most);
            prop_assert!(skill.multiplier_floor(memory).ppm() <= 1_000_000);
        }
    }
}

#[test]
fn the_reference_mean_rounds_half_to_even() {
    let mean = |ppm: &[u32]| {
        let reports: Vec<Probability> = ppm
            .iter()
            .map(|ppm| Probability::from_ppm(*ppm).expect("at most 1e6"))
            .collect();
        reference_half_even(&reports).ppm()
    };
    assert_eq!(mean(&[]), 500_000);
    assert_eq!(mean(&[400_000, 400_001]), 400_000);
    assert_eq!(mean(&[400_001, 400_002]), 400_002);
    assert_eq!(mean(&[400_000, 400_000, 400_002]), 400_001);
    assert_eq!(mean(&[1_000_000]), 1_000_000);
}

#[test]
fn what_is_no_parameter_is_refused() {
    assert_eq!(Memory::new(0), Err(MoneyError::Memory { rounds: 0 }));
    assert!(Multiplier::from_ppm(1_000_001).is_err());
    let stake = TokenAmount::from_units(1).expect("below 2^63");
    let over = MoneyError::LimitRange { ppm: 1_000_001 };
    assert_eq!(reserve_ceil(1_000_001, stake), Err(over));
    assert_eq!(reserve_ceil(50_000, stake), Ok(stake));
    let broken = Skill {
        e_half: i64::MIN,
        ..Skill::default()
    };
    let memory = Memory::new(i64::MAX).expect("at least 1");
    let (p, y) = (Probability::HALF, Direction::Up);
    let worst = Probability::from_ppm(0).expect("at most 1e6");
    let next = broken.after_round_floor(memory, stake, worst, p, y);
    // E − ⌊E/N⌋ leaves i64::MIN + 2, less a score below the baseline: out of range, not wrapped.
    assert!(matches!(next, Err(MoneyError::OutOfRange(_))));
}
