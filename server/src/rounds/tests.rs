//! Rounds on both databases.

use domain::RoundState;
use domain::timestamp::SECOND_US;

use super::*;
use crate::db::testing::each_database;

const FILE: &str = include_str!("../demo/btc-usd-5m.toml");
const START_US: i64 = 1_709_640_000 * SECOND_US;

#[tokio::test]
async fn a_tournament_is_entered_once_and_never_changes() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let first = enter(&mut tx, 1, FILE).await.expect("enters");
        enter(&mut tx, 2, FILE)
            .await
            .expect("the same file again changes nothing");
        let other = FILE.replace("interval_s = 300", "interval_s = 240");
        let refused = enter(&mut tx, 3, &other).await.expect_err("other rules");
        assert!(matches!(refused, RoundError::Exists(_)), "{refused}");
        tx.commit().await.expect("commit");
        let mut conn = db.read().await.expect("read");
        let all = tournaments(&mut conn).await.expect("lists");
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].rule_hash, first.rule_hash);
    })
    .await;
}

#[tokio::test]
async fn a_round_walks_its_states_and_refuses_to_jump() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        enter(&mut tx, 1, FILE).await.expect("enters");
        let before = START_US - 300 * SECOND_US;
        let moments = missing(&mut tx, before, None).await.expect("missing");
        assert_eq!(moments.first().map(|m| m.start_us), Some(START_US));
        assert_eq!(
            schedule(&mut tx, &moments).await.expect("schedules"),
            moments.len()
        );
        assert_eq!(schedule(&mut tx, &moments).await.expect("again"), 0);
        assert!(
            missing(&mut tx, before, None)
                .await
                .expect("missing")
                .is_empty()
        );
        let round = due(&mut tx, START_US).await.expect("due").remove(0);
        assert_eq!(round.state, RoundState::Scheduled);
        let id = &round.id;
        advance(&mut tx, id, RoundState::Scheduled, RoundState::Open, 7)
            .await
            .expect("opens");
        assert_eq!(next_due_us(&mut tx).await.expect("due"), Some(7));
        let again = advance(&mut tx, id, RoundState::Scheduled, RoundState::Open, 7).await;
        assert!(matches!(again, Err(RoundError::Moved { .. })));
        let jump = advance(&mut tx, id, RoundState::Open, RoundState::Scored, 7).await;
        assert!(matches!(jump, Err(RoundError::Moved { .. })));
        void(&mut tx, id, RoundState::Open, "test")
            .await
            .expect("voids");
        let read = get(&mut tx, id).await.expect("reads");
        assert_eq!(
            (read.state, read.void_reason.as_str()),
            (RoundState::Void, "test")
        );
        let counts = void_counts(&mut tx).await.expect("counts");
        let of = |cause| counts.iter().find(|(name, _)| *name == cause);
        assert_eq!(of("other"), Some(&("other", 1)));
        assert_eq!(of("dead_band"), Some(&("dead_band", 0)));
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<i64>(), 1);
        record_stage(&mut tx, id, "lock", 1, 2)
            .await
            .expect("stage");
        record_stage(&mut tx, id, "lock", 9, 9)
            .await
            .expect("the first note stays");
        let stages = stages(&mut tx, id).await.expect("stages");
        assert_eq!((stages.len(), stages[0].took_us), (1, 2));
        tx.commit().await.expect("commit");
    })
    .await;
}
