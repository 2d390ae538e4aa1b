//! Aggregates on both databases.

use super::*;
use crate::db::testing::each_database;
use crate::prices::evidence::Record;
use crate::prices::fixture::{at, rounds_from};

const START: &str = "2024-03-01T12:00:00Z";

fn counted(model: &str, tokens: &str, ppm: u32) -> Counted {
    let at_risk = TokenAmount::from_tokens(tokens).expect("an amount");
    let p = Probability::from_ppm(ppm).expect("a probability");
    Counted {
        model: model.parse().expect("an id"),
        sequence: 1,
        model_index: (at_risk > TokenAmount::ZERO).then_some(0),
        at_risk,
        counted: p,
        posted: p,
    }
}

/// The four models of the wager's published vector, and one without a stake.
fn four() -> Vec<Counted> {
    vec![
        counted("a", "100", 620_000),
        counted("b", "300", 550_000),
        counted("c", "50", 400_000),
        counted("d", "150", 500_000),
        counted("free", "0", 650_000),
    ]
}

async fn resolve_up(conn: &mut Conn, round: &Round) {
    let times = (round.schedule.start_us, round.schedule.end_us);
    let record = Record::new(
        &domain::OutcomeRule::default(),
        times,
        Vec::new(),
        Vec::new(),
    );
    let decided = prices::resolve(&record, 0).expect("a resolution");
    let up = prices::Resolution {
        outcome: Outcome::Direction(Direction::Up),
        ..decided
    };
    prices::write_resolution(conn, &round.id, &up)
        .await
        .expect("written");
}

#[tokio::test]
async fn an_aggregate_is_built_once() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("a transaction");
        let (tournament, rounds) = rounds_from(&mut tx, at(START), 2).await;
        let round = &rounds[0];
        let built = build(&mut tx, 7, round, &four(), &[])
            .await
            .expect("built")
            .expect("staked");
        assert_eq!(built.model_count, 4);
        assert_eq!(built.stake.units(), 600_000_000_000);
        // P/W = 322000000000000000 / 600000000000 of the published vector, half to even.
        assert_eq!(built.pool.ppm(), 536_667);
        assert!(built.low <= built.calibrated && built.calibrated <= built.high);
        assert_eq!(
            (built.intercept.units(), built.slope.units()),
            (0, 1_000_000_000)
        );
        // Every weight but one is at the cap of W/10: (60·3 + 50)² / (3·60² + 50²).
        assert_eq!(built.effective_n_milli, 3_977);
        let again = build(&mut tx, 8, round, &four(), &[])
            .await
            .expect("the same");
        assert_eq!(again.as_ref(), Some(&built));
        let mut others = four();
        others.pop();
        others.pop();
        let refused = build(&mut tx, 8, round, &others, &[]).await;
        assert!(matches!(refused, Err(AggregateError::BuiltDifferently(_))));
        let unstaked = [counted("free", "0", 650_000)];
        let none = build(&mut tx, 8, &rounds[1], &unstaked, &[])
            .await
            .expect("an answer");
        assert_eq!(none, None);
        tx.commit().await.expect("committed");

        let mut tx = db.begin().await.expect("a transaction");
        assert_eq!(
            of_round(&mut tx, &round.id).await.expect("readable"),
            Some(built.clone())
        );
        assert_eq!(
            of_round(&mut tx, &rounds[1].id).await.expect("readable"),
            None
        );
        let id = &tournament.id;
        let listed = of_resolved_rounds(&mut tx, id, i64::MAX, 10)
            .await
            .expect("readable");
        assert_eq!(listed, Vec::new(), "nothing is free before its outcome");
        for round in &rounds {
            resolve_up(&mut tx, round).await;
        }
        let listed = of_resolved_rounds(&mut tx, id, i64::MAX, 10)
            .await
            .expect("readable");
        assert_eq!(listed, vec![(built, Outcome::Direction(Direction::Up))]);
    })
    .await;
}

#[tokio::test]
async fn skill_moves_the_weights() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("a transaction");
        let (_, rounds) = rounds_from(&mut tx, at(START), 2).await;
        let counted = [counted("a", "100", 620_000), counted("b", "100", 400_000)];
        let equal = build(&mut tx, 0, &rounds[0], &counted, &[])
            .await
            .expect("built");
        let multiplier = scorer::skill::Multiplier::from_ppm(1_000_000).expect("a multiplier");
        let skill = Skill {
            multiplier,
            ..Skill::default()
        };
        let skills = [(counted[0].model.clone(), skill)];
        let skilled = build(&mut tx, 0, &rounds[1], &counted, &skills)
            .await
            .expect("built");
        let (equal, skilled) = (equal.expect("staked"), skilled.expect("staked"));
        assert_eq!(equal.pool, skilled.pool, "settlement knows no skill");
        assert!(skilled.calibrated > equal.calibrated);
        assert!(skilled.effective_n_milli < equal.effective_n_milli);
    })
    .await;
}

#[tokio::test]
async fn five_hundred_resolved_rounds_calibrate_the_next_day() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("a transaction");
        // Two days of 288 rounds and the first rounds of the third.
        let (_, rounds) = rounds_from(&mut tx, at("2024-03-01T00:00:00Z"), 578).await;
        for (number, round) in rounds.iter().enumerate() {
            let ppm = if number % 2 == 0 { 560_000 } else { 460_000 };
            let counted = [counted("a", "100", ppm), counted("b", "100", ppm + 10_000)];
            let built = build(&mut tx, 0, round, &counted, &[])
                .await
                .expect("built");
            let slope = built.expect("staked").slope.units();
            assert_eq!(
                slope != 1_000_000_000,
                number >= 576,
                "round {number}: {slope}"
            );
            // Right three times of four: more often than the models dare to say.
            let is_up = (number % 2 == 0) == (number % 8 != 3 && number % 8 != 4);
            let times = (round.schedule.start_us, round.schedule.end_us);
            let rule = domain::OutcomeRule::default();
            let record = Record::new(&rule, times, Vec::new(), Vec::new());
            let decided = prices::resolve(&record, 0).expect("a resolution");
            let direction = if is_up {
                Direction::Up
            } else {
                Direction::Down
            };
            let resolution = prices::Resolution {
                outcome: Outcome::Direction(direction),
                ..decided
            };
            prices::write_resolution(&mut tx, &round.id, &resolution)
                .await
                .expect("written");
        }
        let last = of_round(&mut tx, &rounds[576].id)
            .await
            .expect("readable")
            .expect("staked");
        assert!(last.slope.units() > 2_000_000_000, "{}", last.slope.units());
        assert!(last.calibrated > last.pool);
    })
    .await;
}
