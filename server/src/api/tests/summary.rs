//! What a model's scored rounds come to.

use domain::{Direction, ModelId, Outcome, Probability, TokenAmount};
use serde_json::{Value, json};

use super::World;
use crate::app::testing::NOW_US;
use crate::predictions::Counted;
use crate::prices::{self, Resolution};
use crate::{rounds, scores};

const INTERVAL_US: i64 = 300_000_000;

/// Scores rounds of `model` in a row: what it said and how the price moved, in ppm.
async fn play(world: &World, model: &str, said_and_moved: &[(u32, i64)]) {
    let model: ModelId = model.parse().expect("an id");
    let mut tx = world.app.db.begin().await.expect("begin");
    let entered = rounds::tournament(&mut tx, &"btc-usd-5m".parse().expect("an id"))
        .await
        .expect("entered");
    let mut start_us = NOW_US + 1_000 * INTERVAL_US;
    for (said, moved) in said_and_moved {
        let planned = entered.tournament.round(start_us).expect("on the grid");
        rounds::schedule(&mut tx, std::slice::from_ref(&planned))
            .await
            .expect("scheduled");
        let round = rounds::get(&mut tx, &planned.id).await.expect("a round");
        let is_up = *moved > 0;
        let resolution = Resolution {
            outcome: Outcome::Direction(if is_up {
                Direction::Up
            } else {
                Direction::Down
            }),
            reason: String::new(),
            p0: None,
            p1: None,
            return_e12: moved * 1_000_000,
            evidence: "{}".to_owned(),
            evidence_hash: String::new(),
            resolved_us: start_us,
        };
        prices::write_resolution(&mut tx, &round.id, &resolution)
            .await
            .expect("written");
        let p = Probability::from_ppm(*said).expect("a probability");
        let counted = Counted {
            model: model.clone(),
            sequence: 1,
            model_index: None,
            at_risk: TokenAmount::ZERO,
            counted: p,
            posted: p,
        };
        scores::score(&mut tx, &round, &resolution, &[counted], &[])
            .await
            .expect("scored");
        start_us += INTERVAL_US;
    }
    tx.commit().await.expect("commit");
}

fn near(found: &Value, expected: f64) {
    let number = found.as_f64().expect("a number");
    assert!(
        (number - expected).abs() < 1e-9,
        "{number} is not {expected}"
    );
}

#[tokio::test]
async fn a_model_without_scored_rounds_has_an_empty_summary() {
    let world = World::new().await;
    let (_, model) = world.bot("ada").await;
    let answer = world.get(&format!("/models/{model}/summary")).await;
    for member in [
        "skill_half",
        "skill_persistence",
        "skill_crowd",
        "calibration",
    ] {
        assert_eq!(answer.json[member], json!(null), "{}", answer.text);
    }
    let trading = &answer.json["trading"];
    assert_eq!(trading["account"], json!([]));
    near(&trading["final_equity"], 1.0);
    near(&trading["cost_bp"], 2.0);
    near(&trading["threshold"], 0.0);
}

#[tokio::test]
async fn a_summary_has_skills_calibration_and_the_trading_view_that_was_asked_for() {
    let world = World::new().await;
    let (_, model) = world.bot("ada").await;
    let rounds = [(600_000, 10_000), (505_000, -20_000), (400_000, -10_000)];
    play(&world, &model, &rounds).await;
    let path = format!("/models/{model}/summary");
    let answer = world
        .get(&format!("{path}?cost_bp=100&threshold=0.01"))
        .await;
    let half = &answer.json["skill_half"];
    assert_eq!(half["rounds"], 3, "{}", answer.text);
    // 0.25 less 0.16, 0.255025 and 0.16.
    near(&half["mean"], (0.09 - 0.005_025 + 0.09) / 3.0);
    near(&half["max_drawdown"], 0.005_025);
    near(&half["share_positive"], 2.0 / 3.0);
    assert_eq!(
        (&half["low"], &half["high"]),
        (&json!(null), &json!(null)),
        "three rounds have no interval"
    );
    assert_eq!(answer.json["skill_crowd"], json!(null));
    let calibration = &answer.json["calibration"];
    assert_eq!(calibration["bins"].as_array().map(Vec::len), Some(3));
    near(&calibration["bins"][0]["mean_p"], 0.4);
    near(&calibration["brier_loss"], (0.16 + 0.255_025 + 0.16) / 3.0);
    let trading = &answer.json["trading"];
    near(&trading["threshold"], 0.01);
    // Long and closed, out of the market, short and closed: four times one per cent.
    near(&trading["final_equity"], 1.01 * 1.01 * 0.99_f64.powi(4));
    near(&trading["gross_equity"], 1.01 * 1.01);
    assert_eq!(
        (&trading["turnover"], &trading["trades"]),
        (&json!(4), &json!(2))
    );
    near(&trading["hit_rate"], 1.0);
    let account = trading["account"].as_array().expect("points");
    assert_eq!(account.len(), 4);
    near(&account[1]["equity"], 1.01 * 0.99);
    let free = world.get(&format!("{path}?cost_bp=0")).await;
    near(&free.json["trading"]["final_equity"], 1.01 * 0.98 * 1.01);
}

#[tokio::test]
async fn ten_rounds_have_an_interval() {
    let world = World::new().await;
    let (_, model) = world.bot("ada").await;
    let rounds: Vec<_> = (0..10)
        .map(|n| (600_000, if n % 3 == 0 { -500 } else { 500 }))
        .collect();
    play(&world, &model, &rounds).await;
    let answer = world.get(&format!("/models/{model}/summary")).await;
    let half = &answer.json["skill_half"];
    let at = |name: &str| half[name].as_f64().expect("a number");
    assert!(
        at("low") < at("mean") && at("mean") < at("high"),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn a_rule_outside_its_limits_is_refused_by_name() {
    let world = World::new().await;
    let (_, model) = world.bot("ada").await;
    for (query, says) in [
        ("cost_bp=-1", "cost_bp is -1"),
        ("cost_bp=1000.5", "cost_bp is 1000.5"),
        ("cost_bp=NaN", "cost_bp is NaN"),
        ("threshold=0.6", "threshold is 0.6"),
        ("threshold=x", "threshold"),
        ("cost_bp=", "cost_bp"),
        ("cost_bp=1&cost_bp=2", "cost_bp"),
        ("cost=1", "cost"),
    ] {
        let answer = world.get(&format!("/models/{model}/summary?{query}")).await;
        answer.is_problem(400, "query-invalid");
        let detail = answer.json["detail"].as_str().expect("text");
        assert!(detail.contains(says), "{query}: {detail}");
    }
    world
        .get("/models/nobody/summary")
        .await
        .is_problem(404, "unknown-model");
}
