//! What the wager of protocol.md §2 promises, for any round.

use domain::{Delta, Probability, TokenAmount};
use proptest::prelude::*;
use scorer::MoneyError;
use scorer::wager::{Entry, Settlement, settle};

const UP: u32 = 1_000_000;
const DOWN: u32 = 0;

fn entry(units: u64, ppm: u32) -> Entry {
    Entry {
        stake: TokenAmount::from_units(units).expect("below 2^63"),
        p: Probability::from_ppm(ppm).expect("at most 1e6"),
    }
}

fn settled(a: u32, y: u32, entries: &[Entry]) -> Settlement {
    settle(a, y, entries).expect("a valid round")
}

fn units(settlement: &Settlement) -> Vec<i64> {
    settlement.deltas.iter().map(|d| d.units()).collect()
}

/// Dust, ordinary stakes and stakes near the upper limit of W, for up to twelve models.
fn stake() -> impl Strategy<Value = u64> {
    prop_oneof![
        1..20_u64,
        1_000_000_000..2_000_000_000_000_u64,
        1..(1_u64 << 63) / 16
    ]
}

fn report(a: u32) -> impl Strategy<Value = u32> {
    prop_oneof![
        a..=1_000_000 - a,
        Just(a),
        Just(1_000_000 - a),
        Just(500_000)
    ]
}

fn round() -> impl Strategy<Value = (u32, Vec<Entry>)> {
    prop_oneof![Just(350_000_u32), Just(0), 0..500_000_u32].prop_flat_map(|a| {
        let one = (stake(), report(a)).prop_map(|(w, p)| entry(w, p));
        (Just(a), prop::collection::vec(one, 1..12))
    })
}

/// p·D(up) + (1 − p)·D(down), times 1e6.
fn expected(p: u32, up: Delta, down: Delta) -> i128 {
    i128::from(p) * i128::from(up.units()) + i128::from(1_000_000 - p) * i128::from(down.units())
}

proptest! {
    #[test]
    fn solvent_and_bounded((a, entries) in round(), y in 0..=UP) {
        let settlement = settled(a, y, &entries);
        let sum: i128 = units(&settlement).iter().map(|d| i128::from(*d)).sum();
        prop_assert!(sum <= 0);
        prop_assert_eq!(-sum, i128::from(settlement.burned.units()));
        let total = settlement.totals.stake.units();
        for (entry, delta) in entries.iter().zip(&settlement.deltas) {
            let most = entry.stake.units().min(total - entry.stake.units());
            prop_assert!(delta.units().unsigned_abs() <= most);
        }
    }

    #[test]
    fn the_burn_does_not_depend_on_the_outcome((a, entries) in round()) {
        let up = settled(a, UP, &entries).burned.units();
        let down = settled(a, DOWN, &entries).burned.units();
        prop_assert!(up.abs_diff(down) < entries.len() as u64);
    }

    #[test]
    fn the_order_of_entries_changes_nothing(
        ((a, entries), shuffled) in round().prop_flat_map(|(a, entries)| {
            let places: Vec<usize> = (0..entries.len()).collect();
            (Just((a, entries)), Just(places).prop_shuffle())
        }),
    ) {
        let straight = settled(a, UP, &entries);
        let mixed: Vec<Entry> = shuffled.iter().map(|place| entries[*place]).collect();
        let other = settled(a, UP, &mixed);
        prop_assert_eq!(straight.burned, other.burned);
        prop_assert_eq!(straight.totals, other.totals);
        for (position, place) in shuffled.iter().enumerate() {
            prop_assert_eq!(straight.deltas[*place], other.deltas[position]);
        }
    }

    #[test]
    fn copying_the_crowd_earns_nothing((a, mut entries) in round(), w in stake(), y in 0..=UP) {
        let before = settled(a, y, &entries).totals;
        let total = u128::from(before.stake.units());
        let crowd = u32::try_from((before.weighted + total / 2) / total).expect("a mean of ppm");
        entries.push(entry(w, crowd));
        let copy = units(&settled(a, y, &entries)).pop().expect("the copy");
        // Half a ppm of rounding in its report, at most twice the distance, times λ.
        let rounding = w / u64::from(1_000_000 - 2 * a) + 1;
        prop_assert!(copy.unsigned_abs() <= rounding, "{} > {}", copy, rounding);
    }

    #[test]
    fn agreement_pays_exactly_nothing(stakes in prop::collection::vec(stake(), 2..12), p in report(350_000), y in 0..=UP) {
        let entries: Vec<Entry> = stakes.into_iter().map(|w| entry(w, p)).collect();
        let settlement = settled(350_000, y, &entries);
        prop_assert!(units(&settlement).iter().all(|d| *d == 0));
        prop_assert_eq!(settlement.burned, TokenAmount::ZERO);
    }

    #[test]
    fn splitting_never_gains((a, mut entries) in round(), cut in any::<prop::sample::Index>(), y in 0..=UP) {
        let whole = settled(a, y, &entries);
        let last = entries.pop().expect("at least one");
        let joint = whole.deltas.last().expect("at least one").units();
        let w = last.stake.units();
        prop_assume!(w >= 2);
        let first = 1 + cut.index(usize::try_from(w - 1).expect("64 bits")) as u64;
        entries.push(entry(first, last.p.ppm()));
        entries.push(entry(w - first, last.p.ppm()));
        let split = units(&settled(a, y, &entries));
        let parts: i64 = split.iter().rev().take(2).sum();
        prop_assert!(parts <= joint);
    }

    #[test]
    fn merging_never_loses(
        (a, entries) in round(),
        (parts, first) in (2..50_u64).prop_flat_map(|parts| (Just(parts), 1..parts)),
        unit in 1..1_000_000_000_000_u64,
        mean in 0.0..1.0_f64,
        spread in 0.0..1.0_f64,
        y in prop_oneof![Just(UP), Just(DOWN)],
    ) {
        // Two reports around a whole mean: mean + (parts − first)·step and mean − first·step.
        let (low, high) = (u64::from(a), u64::from(1_000_000 - a));
        let mean = low + (mean * (high - low) as f64) as u64;
        let room = ((high - mean) / (parts - first)).min((mean - low) / first);
        let step = (spread * (room + 1) as f64) as u64;
        let ppm = |p: u64| u32::try_from(p).expect("at most 1e6");
        let mut apart = entries.clone();
        apart.push(entry(first * unit, ppm(mean + (parts - first) * step)));
        apart.push(entry((parts - first) * unit, ppm(mean - first * step)));
        let mut merged = entries;
        merged.push(entry(parts * unit, ppm(mean)));
        let apart: i64 = units(&settled(a, y, &apart)).iter().rev().take(2).sum();
        let merged = units(&settled(a, y, &merged)).pop().expect("the merged one");
        prop_assert!(apart <= merged, "{} > {}", apart, merged);
    }

    #[test]
    fn truth_is_the_best_report_and_never_a_loss((a, mut entries) in round(), other in 0.0..=1.0_f64) {
        let belief = entries.last().expect("at least one").p.ppm();
        let pay = |entries: &[Entry]| {
            let last = |y| *settled(a, y, entries).deltas.last().expect("at least one");
            expected(belief, last(UP), last(DOWN))
        };
        let truth = pay(&entries);
        prop_assert!(truth >= -1_000_000);
        let lie = a + (other * f64::from(1_000_000 - 2 * a)) as u32;
        let last = entries.pop().expect("at least one");
        entries.push(entry(last.stake.units(), lie));
        prop_assert!(pay(&entries) <= truth + 1_000_000);
    }

    /// The definition of protocol.md §2 with everything over one denominator, in plain 128 bits.
    #[test]
    fn small_rounds_equal_the_definition(
        stakes in prop::collection::vec((1..1_000_i128, 0..=300_000_i128), 2..8),
        y in prop_oneof![Just(0_i128), Just(500_000), Just(1_000_000)],
    ) {
        let reports: Vec<(i128, i128)> = stakes.iter().map(|(w, p)| (*w, p + 350_000)).collect();
        let entries: Vec<Entry> = reports
            .iter()
            .map(|(w, p)| entry(u64::try_from(*w).expect("small"), u32::try_from(*p).expect("small")))
            .collect();
        let total: i128 = reports.iter().map(|(w, _)| w).sum();
        let weighted: i128 = reports.iter().map(|(w, p)| w * p).sum();
        let settlement = settled(350_000, u32::try_from(y).expect("ppm"), &entries);
        for ((w, p), delta) in reports.iter().zip(&settlement.deltas) {
            let (a, b) = (weighted - w * p, total - w);
            let crowd_off = a - b * y;
            let own_off = b * (p - y);
            let numerator = 1_000_000 * w * (crowd_off * crowd_off - own_off * own_off);
            let denominator = 300_000 * b * total * 1_000_000_000_000;
            prop_assert_eq!(i128::from(delta.units()), numerator.div_euclid(denominator));
        }
    }
}

#[test]
fn what_is_no_round_is_refused() {
    let good = entry(10, 500_000);
    let refused = |a, y, entries: &[Entry]| settle(a, y, entries).expect_err("refused");
    assert_eq!(
        refused(500_000, UP, &[good]),
        MoneyError::EdgeTooWide { a_ppm: 500_000 }
    );
    assert_eq!(
        refused(350_000, UP + 1, &[good]),
        MoneyError::OutcomeRange { y_ppm: UP + 1 }
    );
    assert_eq!(
        refused(350_000, UP, &[good, entry(0, 500_000)]),
        MoneyError::ZeroStake { position: 1 }
    );
    for p_ppm in [349_999, 650_001] {
        let outside = MoneyError::OutsideEdge {
            position: 0,
            p_ppm,
            a_ppm: 350_000,
        };
        assert_eq!(refused(350_000, UP, &[entry(1, p_ppm)]), outside);
    }
    let most = entry((1 << 63) - 1, 500_000);
    assert_eq!(
        refused(350_000, UP, &[most, entry(1, 500_000)]),
        MoneyError::TotalTooLarge
    );
    assert!(settled(350_000, UP, &[most]).thin);
}

#[test]
fn the_largest_round_fits() {
    let half = (1 << 62) - 1;
    for a in [0, 350_000, 499_999] {
        for y in [UP, DOWN] {
            let pair = [entry(half, a), entry(half, 1_000_000 - a)];
            let settlement = settled(a, y, &pair);
            assert!(
                settlement
                    .deltas
                    .iter()
                    .all(|d| d.units().unsigned_abs() <= half)
            );
        }
    }
}

#[test]
fn nobody_is_an_empty_settlement() {
    let nobody = settled(350_000, UP, &[]);
    assert!(nobody.deltas.is_empty() && !nobody.thin);
    assert_eq!(nobody.burned, TokenAmount::ZERO);
}
