//! Rows R14 and R15: venues that misbehave, and what becomes of rounds then.
//!
//! Ten thousand generated rounds are corrupted one by one and decided by the server's rule
//! (`heard`, `corrupt`); the live feeds themselves follow fake venues through every
//! misbehaviour (`soak`).

mod corrupt;
mod heard;
mod refunds;
mod soak;

use std::collections::BTreeMap;

use anyhow::ensure;
use datasets::Asset;
use datasets::candle::BAR_US;
use domain::timestamp::SECOND_US;
use domain::{Outcome, OutcomeRule, Venue};
use serde_json::{Value, json};
use server::prices::rule::decide;

use crate::dice::Dice;
use crate::venues::Market;
use corrupt::{Kind, clock_off, corrupt, die};
use heard::{Heard, closed, truth};
use refunds::{Bank, Generated, Refunds};

/// The first generated round begins here.
const FIRST_US: i64 = 1_709_640_000 * SECOND_US;
const SEED: u64 = 14;
/// With fewer rounds than this the soak is short as well.
const WHOLE_SOAK: u64 = 5_000;
/// Rounds that are generated at a time.
const AT_A_TIME: u64 = 50;
/// One in so many rounds has its trades, gaps and clocks stored and its evidence closed from there.
const STORED: u64 = 20;
/// Of rounds of R14 that have an outcome one in so many is locked and resolved in the database.
const DECIDED: u64 = 20;

/// What became of the rounds of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    rounds: u64,
    unchanged: u64,
    void: u64,
    /// Up where the truth is down, or the reverse.
    wrong: u64,
    /// A direction where the honest market's round is void.
    decided_though_void: u64,
}

impl Tally {
    fn count(&mut self, truth: Outcome, outcome: Outcome) {
        self.rounds += 1;
        match (truth, outcome) {
            (truth, outcome) if truth == outcome => self.unchanged += 1,
            (_, Outcome::Void) => self.void += 1,
            (Outcome::Void, _) => self.decided_though_void += 1,
            _ => self.wrong += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.unchanged += other.unchanged;
        self.void += other.void;
        self.wrong += other.wrong;
        self.decided_though_void += other.decided_though_void;
    }

    fn json(self) -> Value {
        json!({
            "rounds": self.rounds, "unchanged": self.unchanged, "void": self.void,
            "wrong": self.wrong, "decided_though_void": self.decided_though_void,
        })
    }
}

/// Row R14.
///
/// # Errors
/// When the soak cannot be run.
pub async fn misbehaving(rounds: u64) -> anyhow::Result<(bool, Value)> {
    let (tallies, refunds) = corrupted_rounds(rounds).await?;
    let mut all = Tally::default();
    for tally in tallies.values() {
        all.add(*tally);
    }
    let soak = soak::run(rounds < WHOLE_SOAK).await?;
    let kinds: BTreeMap<&str, Value> = tallies
        .iter()
        .map(|(kind, tally)| (kind.name(), tally.json()))
        .collect();
    let counts = json!({
        "rounds": all.rounds, "unchanged": all.unchanged, "void": all.void,
        "wrong": all.wrong, "decided_though_void": all.decided_though_void,
        "refunds": refunds.json(), "soak": soak.counts, "kinds": kinds,
    });
    let is_good = all.wrong == 0 && refunds.is_good() && soak.is_good;
    Ok((is_good, counts))
}

/// Row R15.
///
/// # Errors
/// When the rounds cannot be generated.
pub async fn two_of_three(rounds: u64) -> anyhow::Result<(bool, Value)> {
    let (dead, off, refunds) = two_venues_gone(rounds).await?;
    ensure!(
        dead.rounds + off.rounds == rounds,
        "every round is one of both"
    );
    let counts = json!({
        "rounds_two_dead": dead.rounds, "void_two_dead": dead.rounds - dead.decided,
        "rounds_two_clocks_off": off.rounds, "void_two_clocks_off": off.rounds - off.decided,
        "refunds": refunds.json(),
    });
    let is_good = dead.decided + off.decided == 0 && refunds.is_good();
    Ok((is_good, counts))
}

/// The ends of a round of the generated market, and its asset.
fn round(number: u64) -> ((i64, i64), Asset) {
    let asset = if number.is_multiple_of(2) {
        Asset::Btc
    } else {
        Asset::Eth
    };
    let t0_us = FIRST_US + i64::try_from(number).unwrap_or(0) * BAR_US;
    ((t0_us, t0_us + BAR_US), asset)
}

fn honest(number: u64, dice: &Dice) -> Vec<Heard> {
    let (ends, asset) = round(number);
    let venues = Venue::ALL.into_iter();
    venues
        .map(|venue| Heard::honest(Market::new(SEED), venue, asset, ends, dice))
        .collect()
}

/// Generates rounds away from this thread, some at a time, and hands them on in order.
async fn each<T: Send + 'static>(
    rounds: u64,
    generate: fn(u64) -> T,
    mut take: impl AsyncFnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut from = 0;
    while from < rounds {
        let to = rounds.min(from + AT_A_TIME);
        let numbers = from..to;
        let some = tokio::task::spawn_blocking(move || numbers.map(generate).collect::<Vec<_>>());
        for one in some.await? {
            take(one).await?;
        }
        from = to;
    }
    Ok(())
}

async fn corrupted_rounds(rounds: u64) -> anyhow::Result<(BTreeMap<Kind, Tally>, Refunds)> {
    let mut tallies: BTreeMap<Kind, Tally> = BTreeMap::new();
    let mut bank = Bank::open().await?;
    each(rounds, corrupted, async |(kind, expected, generated)| {
        let outcome = decide(&generated.record).outcome;
        tallies.entry(kind).or_default().count(expected, outcome);
        if outcome == Outcome::Void || generated.number.is_multiple_of(DECIDED) {
            bank.play(&generated).await?;
        }
        Ok(())
    })
    .await?;
    Ok((tallies, bank.found()))
}

/// A round with a venue that misbehaves, and its true outcome.
fn corrupted(number: u64) -> (Kind, Outcome, Generated) {
    let dice = Dice::new(SEED ^ number.wrapping_mul(0x9e37_79b9));
    let (ends, _) = round(number);
    let mut heard = honest(number, &dice);
    let expected = truth(&OutcomeRule::default(), ends, &heard).outcome;
    let kind = Kind::ALL[usize::try_from(number % 14).unwrap_or(0)];
    let first = usize::try_from(dice.below(3)).unwrap_or(0);
    corrupt(kind, &mut heard[first], ends, &dice);
    // In one round of four a second venue loses trades as well.
    if dice.below(4) == 0 {
        let loss = Kind::LOSSES[usize::try_from(dice.below(6)).unwrap_or(0)];
        corrupt(loss, &mut heard[(first + 1) % 3], ends, &dice);
    }
    (kind, expected, generated(number, heard))
}

fn generated(number: u64, heard: Vec<Heard>) -> Generated {
    let (ends, asset) = round(number);
    Generated {
        number,
        ends,
        asset,
        record: closed(&OutcomeRule::default(), ends, &heard),
        heard: number.is_multiple_of(STORED).then_some(heard),
    }
}

/// Rounds and those among them with a direction.
#[derive(Clone, Copy, Debug, Default)]
struct Gone {
    rounds: u64,
    decided: u64,
}

/// Rounds with two dead venues, and with two whose clocks are five seconds off.
async fn two_venues_gone(rounds: u64) -> anyhow::Result<(Gone, Gone, Refunds)> {
    let (mut dead, mut off) = (Gone::default(), Gone::default());
    let mut bank = Bank::open().await?;
    each(rounds, two_gone, async |(is_dead, generated)| {
        let gone = if is_dead { &mut dead } else { &mut off };
        gone.rounds += 1;
        gone.decided += u64::from(decide(&generated.record).outcome != Outcome::Void);
        bank.play(&generated).await
    })
    .await?;
    Ok((dead, off, bank.found()))
}

/// A round with two dead venues, or with two whose clocks are off.
fn two_gone(number: u64) -> (bool, Generated) {
    let dice = Dice::new(!SEED ^ number.wrapping_mul(0x9e37_79b9));
    let (ends, _) = round(number);
    let mut heard = honest(number, &dice);
    let spared = usize::try_from(dice.below(3)).unwrap_or(0);
    let is_dead = dice.below(2) == 0;
    for place in (0..3).filter(|place| *place != spared) {
        // From before the round until shortly before its end.
        let since_us =
            ends.0 - 70 * SECOND_US + i64::try_from(dice.below(369_000)).unwrap_or(0) * 1_000;
        if is_dead {
            die(&mut heard[place], since_us);
        } else {
            clock_off(&mut heard[place], since_us, &dice);
        }
    }
    (is_dead, generated(number, heard))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Direction;

    #[test]
    fn a_tally_tells_wrong_from_void() {
        let (up, down) = (
            Outcome::Direction(Direction::Up),
            Outcome::Direction(Direction::Down),
        );
        let mut tally = Tally::default();
        for (truth, outcome) in [
            (up, up),
            (up, Outcome::Void),
            (up, down),
            (Outcome::Void, up),
        ] {
            tally.count(truth, outcome);
        }
        let expected = Tally {
            rounds: 4,
            unchanged: 1,
            void: 1,
            wrong: 1,
            decided_though_void: 1,
        };
        assert_eq!(tally, expected);
    }

    #[test]
    fn honest_rounds_are_decided_as_the_market_says() {
        let rule = OutcomeRule::default();
        for number in 0..20 {
            let (ends, asset) = round(number);
            let heard = honest(number, &Dice::new(number));
            let record = Market::new(SEED).expected_evidence(asset, &rule, ends, 0);
            let expected = decide(&record).outcome;
            assert_eq!(truth(&rule, ends, &heard).outcome, expected);
            assert_eq!(decide(&closed(&rule, ends, &heard)).outcome, expected);
        }
    }

    #[test]
    fn a_dead_venue_is_left_out_and_two_make_a_round_void() {
        let rule = OutcomeRule::default();
        let (ends, _) = round(3);
        let mut heard = honest(3, &Dice::new(3));
        die(&mut heard[0], ends.0 + SECOND_US);
        let one = decide(&closed(&rule, ends, &heard));
        assert!(!one.venues[0].is_used() && one.venues[1].is_used());
        die(&mut heard[1], ends.0 + SECOND_US);
        assert_eq!(decide(&closed(&rule, ends, &heard)).outcome, Outcome::Void);
    }
}
