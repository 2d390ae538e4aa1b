//! Summaries of a model's scored rounds, on both databases.

use super::tests::{DOWN, START, UP, counted, models_named, resolved};
use super::*;
use crate::db::testing::each_database;
use crate::prices::fixture::{at, rounds_from};

const INTERVAL_US: i64 = 300_000_000;

/// What the only model says and how the price moves, in ppm, round by round; 0 is void and a model
/// that says nothing is `None`.
async fn played(
    conn: &mut Conn,
    rounds: &[(Option<u32>, i64)],
) -> (Tournament, Vec<Row>, Vec<Round>) {
    let count = i64::try_from(rounds.len()).expect("few");
    let (tournament, scheduled) = rounds_from(conn, at(START), count).await;
    let ids = models_named(conn, &tournament.id, &["one"]).await;
    for (round, (said, move_ppm)) in scheduled.iter().zip(rounds) {
        let outcome = match move_ppm.signum() {
            1 => UP,
            -1 => DOWN,
            _ => Outcome::Void,
        };
        let resolution = Resolution {
            return_e12: move_ppm * 1_000_000,
            ..resolved(round, outcome)
        };
        prices::write_resolution(conn, &round.id, &resolution)
            .await
            .expect("written");
        if let (Some(ppm), Outcome::Direction(_)) = (said, outcome) {
            score(
                conn,
                round,
                &resolution,
                &[counted(&ids[0], "5", *ppm)],
                &[],
            )
            .await
            .expect("scored");
        }
    }
    let rows = of_model(conn, &ids[0], 2_016).await.expect("rows");
    (tournament, rows, scheduled)
}

fn free() -> Rule {
    trading_rule(Some(0.0), None).expect("inside the limits")
}

#[tokio::test]
async fn void_and_missed_rounds_close_a_position() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("a transaction");
        let rounds = [
            (Some(600_000), 10_000),
            (Some(600_000), -20_000),
            (Some(600_000), 0),
            (Some(600_000), 5_000),
            (None, 90_000),
            (Some(400_000), -10_000),
        ];
        let (tournament, rows, scheduled) = played(&mut tx, &rounds).await;
        assert_eq!(rows.len(), 4);
        let found = summary(&mut tx, &tournament, &rows, free())
            .await
            .expect("a summary");
        // Held for two rounds, for one before the missed one, and for the last.
        assert_eq!((found.trading.trades, found.trading.turnover), (3, 6));
        assert_eq!(found.trading.hit_rate, Some(0.75));
        let expected = 1.01 * 0.98 * 1.005 * 1.01;
        assert!((found.trading.final_equity - expected).abs() < 1e-12);
        let times: Vec<i64> = found.account.iter().map(|point| point.at_us).collect();
        let end = |at: usize| scheduled[at].schedule.start_us + INTERVAL_US;
        assert_eq!(times, [at(START), end(0), end(1), end(3), end(5)]);
        assert_eq!(found.account[0].equity.to_bits(), 1.0_f64.to_bits());
        assert!((found.account[1].equity - 1.01).abs() < 1e-12);
        let calibration = found.calibration.expect("rounds");
        assert_eq!(calibration.forecasts, 4);
        // (0.16 + 0.36 + 0.16 + 0.16)/4.
        assert!((calibration.brier_loss - 0.21).abs() < 1e-12);
        let half = found.skills.half.expect("rounds");
        assert_eq!(half.eras, 4);
        assert!((half.mean - 0.04).abs() < 1e-12);
        assert_eq!(Estimate::from(&half).interval, None, "four rounds");
        assert_eq!(found.skills.crowd, None, "nobody else had a stake");
        let dear = trading_rule(Some(100.0), None).expect("inside the limits");
        let dear = summary(&mut tx, &tournament, &rows, dear)
            .await
            .expect("a summary");
        let paid = expected * 0.99_f64.powi(6);
        assert!((dear.trading.final_equity - paid).abs() < 1e-12);
    })
    .await;
}

#[tokio::test]
async fn a_summary_says_the_same_as_the_leaderboard() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("a transaction");
        let rounds: Vec<_> = (0..30_u32)
            .map(|n| {
                (
                    Some(450_000 + 5_000 * n),
                    if n % 3 == 0 { -700 } else { 900 },
                )
            })
            .collect();
        let (tournament, rows, _) = played(&mut tx, &rounds).await;
        let found = summary(&mut tx, &tournament, &rows, free())
            .await
            .expect("a summary");
        let board = leaderboard(&mut tx, &tournament.id)
            .await
            .expect("a leaderboard");
        let half = found.skills.half.expect("rounds");
        assert_eq!(Estimate::from(&half), board[0].skill_half);
        assert!(board[0].skill_half.interval.is_some());
        let calibration = found.calibration.expect("rounds");
        assert!((1.0 - calibration.brier_loss - board[0].brier_mean).abs() < 1e-9);
        assert_eq!(calibration.bins.len(), 10);
    })
    .await;
}

#[tokio::test]
async fn a_model_without_rounds_has_an_empty_summary_and_a_lost_outcome_is_named() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("a transaction");
        let (tournament, mut rows, _) = played(&mut tx, &[(Some(600_000), 10_000)]).await;
        let empty = summary(&mut tx, &tournament, &[], free())
            .await
            .expect("a summary");
        assert_eq!((&empty.skills.half, &empty.calibration), (&None, &None));
        assert_eq!(empty.account, Vec::new());
        let lost: RoundId = "btc-usd-5m-20300101T0000Z".parse().expect("an id");
        rows[0].round = lost.clone();
        let refused = summary(&mut tx, &tournament, &rows, free()).await;
        assert!(matches!(refused, Err(ScoreError::Unresolved(round)) if round == lost));
    })
    .await;
}

#[test]
fn a_rule_that_nobody_asked_for_has_two_basis_points_and_no_threshold() {
    let usual = trading_rule(None, None).expect("inside the limits");
    assert_eq!(usual.cost_bp().to_bits(), 2.0_f64.to_bits());
    assert_eq!(usual.threshold().ppm(), 0);
    assert!(trading_rule(Some(2_000.0), None).is_err());
    assert!(trading_rule(None, Some(0.6)).is_err());
}
