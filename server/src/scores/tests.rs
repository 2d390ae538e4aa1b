//! Scores on both databases.

use super::*;
use crate::accounts;
use crate::db::testing::each_database;
use crate::models;
use crate::prices::evidence::Record;
use crate::prices::fixture::{at, rounds_from};

pub(super) const START: &str = "2024-03-01T12:00:00Z";

pub(super) async fn models_named(
    conn: &mut Conn,
    tournament: &TournamentId,
    names: &[&str],
) -> Vec<ModelId> {
    let account = accounts::create(conn, 0, "alice", "", false)
        .await
        .expect("an account");
    let mut ids = Vec::new();
    for name in names {
        let model = models::register_external(conn, 0, &account.id, tournament, name).await;
        ids.push(model.expect("a model").id);
    }
    ids
}

pub(super) fn counted(model: &ModelId, tokens: &str, ppm: u32) -> Counted {
    let at_risk = TokenAmount::from_tokens(tokens).expect("an amount");
    let p = Probability::from_ppm(ppm).expect("a probability");
    Counted {
        model: model.clone(),
        sequence: 1,
        model_index: (at_risk > TokenAmount::ZERO).then_some(0),
        at_risk,
        counted: p,
        posted: p,
    }
}

pub(super) fn resolved(round: &Round, outcome: Outcome) -> Resolution {
    let times = (round.schedule.start_us, round.schedule.end_us);
    let record = Record::new(
        &domain::OutcomeRule::default(),
        times,
        Vec::new(),
        Vec::new(),
    );
    let decided = prices::resolve(&record, 0).expect("a resolution");
    Resolution { outcome, ..decided }
}

pub(super) const UP: Outcome = Outcome::Direction(Direction::Up);
pub(super) const DOWN: Outcome = Outcome::Direction(Direction::Down);

#[tokio::test]
async fn a_round_is_scored_once_and_moves_the_skills_of_staked_models() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("a transaction");
        let (tournament, rounds) = rounds_from(&mut tx, at(START), 1).await;
        let round = &rounds[0];
        let ids = models_named(&mut tx, &tournament.id, &["one", "two", "free"]).await;
        let counted = vec![
            counted(&ids[0], "100", 620_000),
            counted(&ids[1], "300", 550_000),
            counted(&ids[2], "0", 500_000),
        ];
        let up = resolved(round, UP);
        score(&mut tx, round, &up, &counted, &[ids[2].clone()])
            .await
            .expect("scored");
        score(&mut tx, round, &up, &counted, &[ids[2].clone()])
            .await
            .expect("the same again");
        let refused = score(&mut tx, round, &resolved(round, DOWN), &counted, &[]).await;
        assert!(matches!(refused, Err(ScoreError::ScoredDifferently(_))));
        let void = score(
            &mut tx,
            round,
            &resolved(round, Outcome::Void),
            &counted,
            &[],
        )
        .await;
        assert!(matches!(void, Err(ScoreError::NoOutcome(_))));
        tx.commit().await.expect("committed");

        let mut conn = db.read().await.expect("a connection");
        let rows = of_round(&mut conn, &round.id).await.expect("rows");
        let row = |id: &ModelId| rows.iter().find(|row| row.model == *id).expect("a row");
        let one = row(&ids[0]);
        assert_eq!(one.brier.units(), 855_600_000);
        assert_eq!(one.crowd.map(Probability::ppm), Some(550_000));
        assert_eq!(one.skill_half.units(), 105_600_000);
        assert_eq!(
            one.skill_persistence, one.skill_half,
            "persistence is one half at first"
        );
        assert_eq!(one.skill_crowd.map(Score::units), Some(58_100_000));
        assert_eq!((one.correct, one.hit()), (true, 1.0));
        // P/W = (62 + 165)/400 is what a model without a stake is measured against.
        let free = row(&ids[2]);
        assert_eq!(free.crowd.map(Probability::ppm), Some(567_500));
        assert_eq!((free.correct, free.hit()), (false, 0.5));
        assert_eq!(free.log.units(), -693_147_181);
        // protocol-vectors.json: E 0, p 620000, baseline 500000, up; w̄ from V.
        let skill_of_one = skill(&mut conn, &ids[0])
            .await
            .expect("readable")
            .expect("a skill");
        assert_eq!(skill_of_one.memory.e_half, 105_600_000_000);
        assert_eq!(skill_of_one.memory.e_reference, 105_600_000_000);
        assert_eq!(skill_of_one.memory.stake_sum, 100_000_000_000);
        assert_eq!(skill_of_one.multiplier.ppm(), 12_222);
        assert_eq!(skill_of_one.staked_rounds, 1, "scoring again moved nothing");
        assert_eq!(skill(&mut conn, &ids[2]).await.expect("readable"), None);
        let skills = skills_of_round(&mut conn, &counted).await.expect("skills");
        assert_eq!(skills.len(), 3);
        assert_eq!(skills[0].1, skill_of_one);
        assert_eq!(skills[2].1, Skill::default());
    })
    .await;
}

#[tokio::test]
async fn a_single_staked_model_has_no_crowd() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("a transaction");
        let (tournament, rounds) = rounds_from(&mut tx, at(START), 1).await;
        let ids = models_named(&mut tx, &tournament.id, &["one"]).await;
        let counted = vec![counted(&ids[0], "100", 400_000)];
        score(
            &mut tx,
            &rounds[0],
            &resolved(&rounds[0], DOWN),
            &counted,
            &[],
        )
        .await
        .expect("scored");
        let rows = of_round(&mut tx, &rounds[0].id).await.expect("rows");
        assert_eq!((rows[0].crowd, rows[0].skill_crowd), (None, None));
        assert!(rows[0].correct);
        let board = leaderboard(&mut tx, &tournament.id)
            .await
            .expect("a leaderboard");
        assert_eq!(board[0].skill_crowd, None);
        // protocol.md §4: one half when no reference model spoke.
        let skill = skill(&mut tx, &ids[0])
            .await
            .expect("readable")
            .expect("a skill");
        assert_eq!(skill.memory.e_reference, skill.memory.e_half);
    })
    .await;
}

#[tokio::test]
async fn skills_follow_the_published_vectors_and_persistence_the_outcomes() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("a transaction");
        let (tournament, rounds) = rounds_from(&mut tx, at(START), 103).await;
        let ids = models_named(&mut tx, &tournament.id, &["one"]).await;
        let counted = vec![counted(&ids[0], "5", 620_000)];
        // protocol-vectors.json, `skill`: outcomes and E after each round.
        let published = [
            (UP, 105_600_000_000),
            (DOWN, -28_812_222_222),
            (DOWN, -163_208_887_474),
            (UP, -57_589_997_556),
            (UP, 48_016_667_953),
        ];
        for (round, (outcome, e_half)) in rounds.iter().zip(published) {
            score(&mut tx, round, &resolved(round, outcome), &counted, &[])
                .await
                .expect("scored");
            let skill = skill(&mut tx, &ids[0])
                .await
                .expect("readable")
                .expect("a skill");
            assert_eq!(skill.memory.e_half, e_half);
        }
        // A hundred alternating outcomes, one of them void and left out, then a forecast.
        for (number, round) in rounds.iter().take(102).enumerate() {
            let outcome = match number {
                50 => Outcome::Void,
                _ if (number - usize::from(number > 50)) % 2 == 0 => UP,
                _ => DOWN,
            };
            let resolution = resolved(round, outcome);
            prices::write_resolution(&mut tx, &round.id, &resolution)
                .await
                .expect("written");
        }
        let last = &rounds[102];
        score(&mut tx, last, &resolved(last, DOWN), &counted, &[])
            .await
            .expect("scored");
        let rows = of_model(&mut tx, &ids[0], 2).await.expect("rows");
        assert_eq!(rows.len(), 2);
        assert!(rows[0].start_us < rows[1].start_us, "oldest first");
        assert_eq!(rows[1].round, last.id);
        // Nothing ever repeats and the last outcome was up: persistence says down for sure.
        assert_eq!(rows[1].skill_persistence.units(), -384_400_000);
    })
    .await;
}

#[tokio::test]
async fn the_leaderboard_groups_models_that_cannot_be_told_apart() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("a transaction");
        let (tournament, rounds) = rounds_from(&mut tx, at(START), 30).await;
        let ids = models_named(&mut tx, &tournament.id, &["good", "twin", "bad", "half"]).await;
        for (number, round) in rounds.iter().enumerate() {
            let is_up = number % 3 == 0;
            let p = |up: u32, down: u32| if is_up { up } else { down };
            let counted = vec![
                counted(&ids[0], "10", p(640_000, 360_000)),
                counted(&ids[1], "10", p(639_000, 360_000)),
                counted(&ids[2], "10", p(400_000, 600_000)),
                counted(&ids[3], "0", 500_000),
            ];
            let resolution = resolved(round, if is_up { UP } else { DOWN });
            score(&mut tx, round, &resolution, &counted, &[])
                .await
                .expect("scored");
        }
        let board = leaderboard(&mut tx, &tournament.id)
            .await
            .expect("a leaderboard");
        let order: Vec<&ModelId> = board.iter().map(|standing| &standing.model).collect();
        assert_eq!(order, [&ids[0], &ids[1], &ids[3], &ids[2]]);
        let groups: Vec<i64> = board.iter().map(|standing| standing.rank_group).collect();
        assert_eq!(groups, [1, 2, 3, 4]);
        assert_eq!(board[0].rounds, 30);
        assert!((board[0].accuracy - 1.0).abs() < 1e-12);
        assert!((board[2].accuracy - 0.5).abs() < 1e-12);
        let twin = board[1].skill_half;
        let (low, high) = twin.interval.expect("rounds enough");
        assert!(low < twin.mean && twin.mean < high);
        let unknown = "eth-usd-5m".parse().expect("an id");
        assert_eq!(
            leaderboard(&mut tx, &unknown).await.expect("readable"),
            Vec::new()
        );
    })
    .await;
}

#[test]
fn overlapping_intervals_share_a_group() {
    let round: RoundId = "btc-usd-5m-20240301T1200Z".parse().expect("an id");
    let row = |model: &str, number: i64, skill: i64| Row {
        model: model.parse().expect("an id"),
        round: round.clone(),
        start_us: round.start_us() + number,
        counted: Probability::HALF,
        crowd: None,
        brier: Score::from_units(750_000_000 + skill),
        log: Score::from_units(0),
        correct: false,
        skill_half: Score::from_units(skill),
        skill_persistence: Score::from_units(skill),
        skill_crowd: None,
    };
    // `a` and `b` swing widely around nearly the same mean; `c` is far below, without a doubt.
    let swing = |number: i64| {
        if number % 2 == 0 {
            50_000_000
        } else {
            -30_000_000
        }
    };
    let mut rows = Vec::new();
    for (model, shift) in [("a", 0), ("b", -1_000_000), ("c", -200_000_000)] {
        rows.extend((0..40).map(|n| row(model, n, swing(n * n / 3) + shift)));
    }
    let board = leaderboard::standings(&rows);
    let groups: Vec<(&str, i64)> = board
        .iter()
        .map(|standing| (standing.model.as_str(), standing.rank_group))
        .collect();
    assert_eq!(groups, [("a", 1), ("b", 1), ("c", 2)]);
}
