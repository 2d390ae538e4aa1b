//! A prediction's life and its proof, as its owner and as a stranger see them.

use alloy::primitives::{Address, B256, keccak256};
use axum::http::{Method, StatusCode};
use contracts::round::{commitment, round_id};
use contracts::tree::{DEPTH, Leaf, Node, PredictionLeaf, PredictionSums, Proof};
use domain::{Direction, Outcome, RoundState};
use serde_json::{Value, json};

use super::secrecy::resolve_and_score;
use super::{ROUND, World, round};
use crate::accounts::{self, Scope};
use crate::app::testing::NOW_US;
use crate::chain::Said;
use crate::chain::testing::{deployment, event};
use crate::predictions::Counted;
use crate::{models, predictions, rounds, settlement, stakes};

/// The vault's numbers of the models that these tests stake.
const ADA: u32 = 5;
const BOB: u32 = 6;

/// A key and an external model with 10,000 tokens at `index` of the vault.
async fn staked_bot(world: &World, name: &str, index: u32) -> (String, String) {
    let mut tx = world.app.db.begin().await.expect("begin");
    let owner = Address::repeat_byte(u8::try_from(index).expect("small"));
    let account = accounts::create(&mut tx, 1, name, &owner.to_string(), false)
        .await
        .expect("an account");
    let random = world.app.random_bytes();
    let key = accounts::create_key(&mut tx, 1, &account.id, &[Scope::Predict], random).await;
    let tournament = round().tournament().clone();
    let model = models::register_external(&mut tx, 1, &account.id, &tournament, name).await;
    let model = model.expect("a model").id;
    let entered = rounds::tournament(&mut tx, &tournament)
        .await
        .expect("there");
    let said = Said::ModelRegistered {
        index,
        tournament: entered.chain_key.parse().expect("a key"),
        model_key: stakes::model_key(&model),
        owner,
        amount: 10_000_000_000_000,
    };
    let registered = event(deployment().vault, i64::from(index), said);
    stakes::apply(&mut tx, &registered).await.expect("applies");
    tx.commit().await.expect("commit");
    (key.expect("a key"), model.to_string())
}

async fn post(world: &World, key: &str, model: &str, p: f64) {
    let path = format!("/rounds/{ROUND}/predictions/{model}");
    let body = json!({"p": p});
    let put = world.send(Method::PUT, &path, Some(key), Some(&body)).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text);
}

/// As the lock job does, by the contracts that these receipts are for.
async fn lock(world: &World) {
    let mut tx = world.app.db.begin().await.expect("begin");
    let now = rounds::get(&mut tx, &round()).await.expect("there");
    let entered = rounds::tournament(&mut tx, round().tournament())
        .await
        .expect("there");
    let latest = predictions::latest(&mut tx, &round()).await.expect("reads");
    let asks: Vec<_> = latest
        .iter()
        .map(|one| (one.model.clone(), one.ask))
        .collect();
    let rule = &entered.tournament.stake;
    let at_risk = stakes::snapshot(&mut tx, &round(), rule, &asks)
        .await
        .expect("frozen");
    let counted: Vec<Counted> = latest
        .into_iter()
        .zip(at_risk)
        .map(|(latest, risk)| Counted {
            model: latest.model,
            sequence: latest.sequence,
            model_index: risk.model_index,
            at_risk: risk.at_risk,
            counted: latest.counted,
            posted: latest.posted,
        })
        .collect();
    predictions::freeze(&mut tx, &round(), &counted)
        .await
        .expect("frozen");
    let mut contracts = deployment();
    contracts.registry = world.app.receipts.registry();
    settlement::freeze(&mut tx, NOW_US, &now, &contracts, &counted, [8; 32])
        .await
        .expect("locked");
    let (open, locked) = (RoundState::Open, RoundState::Locked);
    rounds::advance(&mut tx, &round(), open, locked, i64::MAX)
        .await
        .expect("locks");
    tx.commit().await.expect("commit");
}

/// As the jobs of the outcome, the scores and the payouts do; the market went up.
async fn settle(world: &World) {
    resolve_and_score(world).await;
    let outcome = Outcome::Direction(Direction::Up);
    let mut tx = world.app.db.begin().await.expect("begin");
    let now = rounds::get(&mut tx, &round()).await.expect("there");
    let counted = predictions::counted(&mut tx, &round())
        .await
        .expect("reads");
    let entered = rounds::tournament(&mut tx, round().tournament())
        .await
        .expect("there");
    let rule = &entered.tournament.stake;
    settlement::settle(&mut tx, &now, rule, outcome, &counted)
        .await
        .expect("settles");
    let (from, to) = (RoundState::Resolved, RoundState::Scored);
    rounds::advance(&mut tx, &round(), from, to, i64::MAX)
        .await
        .expect("is scored");
    tx.commit().await.expect("commit");
}

async fn walk_to_evidence(world: &World) {
    use RoundState as S;
    world.advance(S::Locked, S::Committed).await;
    world.advance(S::Committed, S::Evidenced).await;
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn hash(value: &Value, name: &str) -> B256 {
    text(value, name).parse().expect("a hash")
}

fn node(value: &Value) -> Node<PredictionSums> {
    let sum = |name: &str| text(value, name).parse::<u128>().expect("a sum");
    Node {
        hash: hash(value, "hash"),
        sums: PredictionSums {
            stake: sum("w"),
            weighted: sum("wp"),
        },
    }
}

/// The commitment that a stranger computes from a proof with the contracts' own functions.
fn recomputed(proof: &Value) -> B256 {
    let leaf = PredictionLeaf {
        index: u32::try_from(proof["leaf"]["index"].as_u64().expect("an index")).expect("small"),
        w: text(&proof["leaf"], "w").parse().expect("units"),
        p: u32::try_from(proof["leaf"]["p_ppm"].as_u64().expect("ppm")).expect("small"),
    };
    assert_eq!(leaf.node().hash, hash(&proof["leaf"], "hash"));
    let siblings: Vec<Node<PredictionSums>> = proof["siblings"]
        .as_array()
        .expect("siblings")
        .iter()
        .map(node)
        .collect();
    let siblings: [Node<PredictionSums>; DEPTH] = siblings.try_into().expect("twenty");
    let top = Proof(siblings)
        .climb(leaf.index, leaf.node())
        .expect("sums");
    assert_eq!(top, node(&proof["top"]));
    assert_eq!(top.root(), hash(proof, "root"));
    let chain_round = round_id(
        proof["chain_id"].as_u64().expect("a chain"),
        text(proof, "registry").parse().expect("an address"),
        keccak256("btc-usd-5m"),
        proof["starts_at_s"].as_u64().expect("seconds"),
    );
    assert_eq!(chain_round, hash(proof, "chain_round"));
    commitment(chain_round, top.root(), hash(proof, "salt"))
}

#[tokio::test]
async fn a_life_is_its_owners_until_the_outcome_and_then_proves_itself_to_everybody() {
    let world = World::new().await;
    let (key, model) = staked_bot(&world, "ada", ADA).await;
    let (other, rival) = staked_bot(&world, "bob", BOB).await;
    let path = format!("/rounds/{ROUND}/predictions/{model}/life");
    let own = async || world.send(Method::GET, &path, Some(&key), None).await;
    own().await.is_problem(404, "no-prediction");
    post(&world, &key, &model, 0.4).await;
    post(&world, &key, &model, 0.62).await;
    post(&world, &other, &rival, 0.45).await;
    let received = own().await;
    assert_eq!(received.json["state"], "received", "{}", received.text);
    assert_eq!(received.json["receipts"].as_array().map(Vec::len), Some(2));
    assert_eq!(received.json["receipt"], received.json["receipts"][0]);
    assert_eq!(received.json["receipt"]["posted_ppm"], 620_000);

    lock(&world).await;
    walk_to_evidence(&world).await;
    let counted = own().await.json;
    assert_eq!(counted["state"], "counted");
    let frozen = &counted["counted"];
    assert_eq!(
        (&frozen["at_risk"], &frozen["model_index"]),
        (&json!("50"), &json!(ADA))
    );
    for secret in ["proof", "crowd", "score", "payout", "outcome"] {
        assert_eq!(counted[secret], Value::Null, "{secret} before the outcome");
    }
    for stranger in [None, Some(other.as_str())] {
        let hidden = world.send(Method::GET, &path, stranger, None).await;
        hidden.is_problem(403, "not-yet-resolved");
    }

    settle(&world).await;
    let shown = world.get(&path).await.json;
    assert_eq!(
        (&shown["state"], &shown["outcome"]),
        (&json!("scored"), &json!("up"))
    );
    assert_eq!(shown["crowd"], 0.535);
    assert_eq!(shown["score"]["crowd_without"], 0.45);
    assert!(text(&shown, "payout").starts_with(|first: char| first.is_ascii_digit()));
    assert_eq!(shown["reason"], Value::Null);
    let chain = &world.get(&format!("/rounds/{ROUND}")).await.json["chain"];
    let committed = hash(chain, "commitment");
    assert_eq!(recomputed(&shown["proof"]), committed);
    let theirs = path.replace(&model, &rival);
    assert_eq!(
        recomputed(&world.get(&theirs).await.json["proof"]),
        committed
    );
    let mut forged = shown["proof"].clone();
    forged["leaf"]["p_ppm"] = json!(630_000);
    let forged = std::panic::catch_unwind(|| recomputed(&forged));
    assert!(forged.is_err(), "another leaf does not lead there");
    let absent = format!(
        "/rounds/{ROUND}/predictions/{}/life",
        world.bot("cleo").await.1
    );
    let absent = world.get(&absent).await.json;
    assert_eq!(
        (&absent["state"], &absent["proof"]),
        (&json!("absent"), &Value::Null)
    );
    assert_eq!(absent["reason"]["code"], "no-prediction");
}

#[tokio::test]
async fn own_predictions_are_listed_page_by_page() {
    let world = World::new().await;
    let (key, model) = staked_bot(&world, "ada", ADA).await;
    let (other, rival) = world.bot("bob").await;
    post(&world, &key, &model, 0.6).await;
    post(&world, &other, &rival, 0.45).await;
    let body = json!({"tournament": "btc-usd-5m", "name": "second"});
    let upload = world.key("carl", &[Scope::Predict, Scope::Upload]).await;
    let mut mine = Vec::new();
    for name in ["first", "second", "third"] {
        let body = json!({"name": name, "tournament": body["tournament"]});
        let made = world
            .send(Method::POST, "/models", Some(&upload), Some(&body))
            .await;
        let id = text(&made.json, "id").to_owned();
        post(&world, &upload, &id, 0.5).await;
        mine.push(id);
    }
    let page = async |query: &str| {
        let path = format!("/predictions?{query}");
        world
            .send(Method::GET, &path, Some(&upload), None)
            .await
            .json
    };
    let models = |page: &Value| -> Vec<String> {
        let listed = page["predictions"].as_array().expect("a list").iter();
        listed.map(|one| text(one, "model").to_owned()).collect()
    };
    let first = page("limit=2").await;
    assert_eq!(models(&first), [mine[2].as_str(), &mine[1]]);
    let before = &first["next_before"];
    let second = page(&format!("limit=2&before={before}")).await;
    assert_eq!(models(&second), [mine[0].as_str()]);
    assert_eq!(second["next_before"], Value::Null);
    let one = page(&format!("model={}", mine[1])).await;
    assert_eq!(models(&one), [mine[1].as_str()]);
    assert_eq!(one["predictions"][0]["state"], "received");
    let life = text(&one["predictions"][0], "life")
        .trim_start_matches("/api/v1")
        .to_owned();
    let life = world.send(Method::GET, &life, Some(&upload), None).await;
    assert_eq!(life.json["receipt"], one["predictions"][0]["receipt"]);
    world
        .get("/predictions")
        .await
        .is_problem(401, "key-missing");
    let wrong = world
        .send(Method::GET, "/predictions?limit=201", Some(&key), None)
        .await;
    wrong.is_problem(400, "query-invalid");
}

#[tokio::test]
async fn a_void_round_returns_the_stake_and_says_why() {
    let world = World::new().await;
    let (key, model) = staked_bot(&world, "ada", ADA).await;
    post(&world, &key, &model, 0.6).await;
    let mut tx = world.app.db.begin().await.expect("begin");
    rounds::void(&mut tx, &round(), RoundState::Open, "a test")
        .await
        .expect("void");
    tx.commit().await.expect("commit");
    let path = format!("/rounds/{ROUND}/predictions/{model}/life");
    let own = world.send(Method::GET, &path, Some(&key), None).await.json;
    assert_eq!(
        (&own["state"], &own["reason"]["code"]),
        (&json!("void"), &json!("round-void"))
    );
    assert!(text(&own["reason"], "detail").contains("a test"));
    world.get(&path).await.is_problem(403, "not-yet-resolved");
}

#[tokio::test]
async fn a_stake_says_what_is_free_and_what_the_next_prediction_would_risk() {
    let world = World::new().await;
    let (key, model) = staked_bot(&world, "ada", ADA).await;
    let path = format!("/models/{model}/stake");
    let stake = async |query: &str| {
        let path = format!("{path}{query}");
        world.send(Method::GET, &path, Some(&key), None).await.json
    };
    let before = stake("").await;
    assert_eq!(
        (&before["free"], &before["reserved"]),
        (&json!("10000"), &json!("0"))
    );
    assert_eq!(
        (&before["default_limit"], &before["cap"]),
        (&json!("50"), &json!("200"))
    );
    assert_eq!(
        (&before["would_risk"], &before["model_index"]),
        (&json!("50"), &json!(ADA))
    );
    for (named, risked) in [("7.5", "7.5"), ("900", "200"), ("0.5", "0")] {
        let would = &stake(&format!("?stake={named}")).await["would_risk"];
        assert_eq!(would, risked, "{named}");
    }
    post(&world, &key, &model, 0.6).await;
    lock(&world).await;
    let held = stake("").await;
    assert_eq!(
        (&held["free"], &held["reserved"]),
        (&json!("9950"), &json!("50"))
    );
    let of_round = json!([{"round": ROUND, "at_risk": "50", "reserved": "50"}]);
    assert_eq!(held["reservations"], of_round);
}
