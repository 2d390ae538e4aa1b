//! Predictions that are signed in place of a key, and that none of them comes back.

use alloy::primitives::{Address, B256, keccak256};
use alloy::signers::local::PrivateKeySigner;
use axum::http::{Method, StatusCode};
use contracts::requests::{Prediction, signing_hash};
use contracts::round::{round_id, seal};
use serde_json::{Value, json};

use super::opened_accounts::{open_body, session_body, signature, wallet};
use super::{Answer, ROUND, World};

/// A signed prediction before it is signed.
#[derive(Clone)]
struct Ask {
    round: String,
    model: String,
    posted_ppm: u32,
    stake: Option<u64>,
    seal: B256,
    salt: B256,
    nonce: u64,
    chain_id: u64,
    registry: Address,
}

impl Ask {
    fn new(model: &str, posted_ppm: u32, nonce: u64) -> Self {
        Self {
            round: ROUND.to_owned(),
            model: model.to_owned(),
            posted_ppm,
            stake: None,
            seal: B256::ZERO,
            salt: B256::ZERO,
            nonce,
            chain_id: 31_337,
            registry: Address::ZERO,
        }
    }

    fn chain_round(&self) -> B256 {
        let round: domain::RoundId = self.round.parse().expect("an id");
        let tournament = keccak256(round.tournament().as_str());
        let start_s = u64::try_from(round.start_us() / 1_000_000).expect("positive");
        round_id(self.chain_id, self.registry, tournament, start_s)
    }

    fn signature(&self, signer: &PrivateKeySigner) -> String {
        let typed = Prediction {
            roundId: self.chain_round(),
            model: self.model.clone(),
            postedPpm: self.posted_ppm,
            stakeNamed: self.stake.is_some(),
            stakeUnits: self.stake.unwrap_or(0),
            seal: self.seal,
            salt: self.salt,
            nonce: self.nonce,
        };
        signature(signer, signing_hash(&typed, self.chain_id, self.registry))
    }

    fn body(&self, signer: &PrivateKeySigner) -> Value {
        let signed = json!({
            "signer": signer.address().to_string(), "nonce": self.nonce,
            "signature": self.signature(signer)
        });
        if self.seal != B256::ZERO {
            return json!({"seal": self.seal.to_string(), "signed": signed});
        }
        let p = f64::from(self.posted_ppm) / 1e6;
        if self.salt != B256::ZERO {
            return json!({"p": p, "salt": self.salt.to_string(), "signed": signed});
        }
        match self.stake {
            Some(units) => {
                let stake = (units / 1_000_000_000).to_string();
                json!({"p": p, "stake": stake, "signed": signed})
            }
            None => json!({"p": p, "signed": signed}),
        }
    }
}

/// An account of the wallet 0x11…, and two models of it.
async fn world() -> (World, String, String, String) {
    let world = World::new().await;
    let opened = open_body(&wallet(0x11), "ada", 1);
    let opened = world
        .send(Method::POST, "/accounts/wallet", None, Some(&opened))
        .await;
    let key = opened.json["key"].as_str().expect("a key").to_owned();
    let mut models = Vec::new();
    for name in ["first", "second"] {
        let body = json!({"tournament": "btc-usd-5m", "name": name});
        let model = world
            .send(Method::POST, "/models", Some(&key), Some(&body))
            .await;
        models.push(model.json["id"].as_str().expect("an id").to_owned());
    }
    let second = models.pop().expect("two");
    (world, key, models.pop().expect("two"), second)
}

async fn put(world: &World, key: Option<&str>, ask: &Ask, body: &Value) -> Answer {
    let path = format!("/rounds/{}/predictions/{}", ask.round, ask.model);
    world.send(Method::PUT, &path, key, Some(body)).await
}

#[tokio::test]
async fn a_signature_is_as_good_as_a_key() {
    let (world, key, model, _) = world().await;
    let (signer, session) = (wallet(0x11), wallet(0x33));
    let mut ask = Ask::new(&model, 530_000, 17);
    ask.stake = Some(10_000_000_000);
    let first = put(&world, None, &ask, &ask.body(&signer)).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    assert_eq!(
        (&first.json["posted_ppm"], &first.json["stake"]),
        (&json!(530_000), &json!("10"))
    );
    let again = put(&world, None, &ask, &ask.body(&signer)).await;
    assert_eq!(again.json["hash"], first.json["hash"], "the same receipt");
    let by_session = Ask::new(&model, 540_000, 18);
    let refused = put(&world, None, &by_session, &by_session.body(&session)).await;
    refused.is_problem(401, "signature-invalid");
    let body = session_body(&signer, "ada", session.address(), 2);
    world
        .send(Method::POST, "/session-keys", None, Some(&body))
        .await;
    let second = put(&world, None, &by_session, &by_session.body(&session)).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text);
    let path = format!("/session-keys/{}", session.address());
    world.send(Method::DELETE, &path, Some(&key), None).await;
    let ended = Ask::new(&model, 550_000, 19);
    let refused = put(&world, None, &ended, &ended.body(&session)).await;
    refused.is_problem(401, "signature-invalid");
    put(&world, None, &ended, &json!({"p": 0.5}))
        .await
        .is_problem(401, "key-missing");
}

/// Elsewhere, for another round or model, by somebody else, or with another field: refused.
#[tokio::test]
async fn a_signed_prediction_holds_as_it_is_alone() {
    let (world, _, model, second) = world().await;
    let signer = wallet(0x11);
    let good = Ask::new(&model, 530_000, 17);
    type Change = fn(&mut Ask);
    let changes: [(&str, Change); 8] = [
        ("chain", |ask| ask.chain_id = 1),
        ("contract", |ask| ask.registry = Address::repeat_byte(1)),
        ("round", |ask| {
            ask.round = "btc-usd-5m-20240305T1205Z".to_owned()
        }),
        ("tournament", |ask| {
            ask.round = "eth-usd-5m-20240305T1200Z".to_owned()
        }),
        ("p", |ask| ask.posted_ppm = 530_001),
        ("stake", |ask| ask.stake = Some(0)),
        ("stake named", |ask| ask.stake = Some(5)),
        ("nonce", |ask| ask.nonce = 18),
    ];
    for (what, change) in changes {
        let mut other = good.clone();
        change(&mut other);
        let mut body = good.body(&signer);
        body["signed"]["signature"] = json!(other.signature(&signer));
        let refused = put(&world, None, &good, &body).await;
        refused.is_problem(401, "signature-invalid");
        assert!(refused.text.contains("something else"), "{what}");
    }
    let elsewhere = Ask {
        model: second,
        ..good.clone()
    };
    let mut body = good.body(&signer);
    put(&world, None, &elsewhere, &body)
        .await
        .is_problem(401, "signature-invalid");
    body["signed"]["signer"] = json!(wallet(0x22).address().to_string());
    put(&world, None, &good, &body)
        .await
        .is_problem(401, "signature-invalid");
    let stranger = good.body(&wallet(0x22));
    put(&world, None, &good, &stranger)
        .await
        .is_problem(401, "signature-invalid");
    let mut body = good.body(&signer);
    body["signed"]["nonce"] = json!(-1);
    put(&world, None, &good, &body)
        .await
        .is_problem(422, "body-invalid");
    body["signed"]["nonce"] = json!(1e30);
    put(&world, None, &good, &body)
        .await
        .is_problem(422, "body-invalid");
    let unknown = Ask::new("nobody", 530_000, 17);
    put(&world, None, &unknown, &unknown.body(&signer))
        .await
        .is_problem(404, "unknown-model");
    let accepted = put(&world, None, &good, &good.body(&signer)).await;
    assert_eq!(
        accepted.status,
        StatusCode::OK,
        "no refusal used the nonce up"
    );
}

#[tokio::test]
async fn an_older_prediction_never_comes_back() {
    let (world, key, model, second) = world().await;
    let signer = wallet(0x11);
    let send = async |posted_ppm, nonce| {
        let ask = Ask::new(&model, posted_ppm, nonce);
        put(&world, None, &ask, &ask.body(&signer)).await
    };
    let read = async || {
        let path = format!("/rounds/{ROUND}/predictions/{model}");
        world.send(Method::GET, &path, Some(&key), None).await.json["posted_ppm"].clone()
    };
    assert_eq!(send(600_000, 10).await.status, StatusCode::OK);
    assert_eq!(send(400_000, 20).await.status, StatusCode::OK);
    for (posted_ppm, nonce) in [(600_000, 10), (600_000, 20), (500_000, 15), (500_000, 0)] {
        let refused = send(posted_ppm, nonce).await;
        refused.is_problem(409, "nonce-used");
        assert_eq!(refused.json["highest"], 20);
    }
    assert_eq!(read().await, 400_000);
    // What a key posts does not make signatures good again that were old before it.
    let by_key = Ask::new(&model, 450_000, 0);
    put(&world, Some(&key), &by_key, &json!({"p": 0.45})).await;
    send(400_000, 20).await.is_problem(409, "nonce-used");
    assert_eq!(read().await, 450_000);
    // A higher nonce counts even where it says the same again.
    let same = send(450_000, 40).await;
    assert_eq!(same.status, StatusCode::OK, "{}", same.text);
    send(600_000, 30).await.is_problem(409, "nonce-used");
    assert_eq!(read().await, 450_000);
    // Nonces are of one model and round each.
    let other = Ask::new(&second, 500_000, 1);
    assert_eq!(
        put(&world, None, &other, &other.body(&signer)).await.status,
        StatusCode::OK
    );
}

/// A seal and what opens it are signed too; neither holds as the other, and none comes back.
#[tokio::test]
async fn seals_are_signed_too() {
    let (world, key, model, _) = world().await;
    let signer = wallet(0x11);
    let salt = B256::repeat_byte(7);
    let mut sealed = Ask::new(&model, 0, 5);
    sealed.seal = seal(sealed.chain_round(), u32::MAX, u64::MAX, 530_000, salt);
    let first = put(&world, None, &sealed, &sealed.body(&signer)).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    let again = put(&world, None, &sealed, &sealed.body(&signer)).await;
    assert_eq!(again.json["hash"], first.json["hash"]);
    let mut opened = Ask::new(&model, 530_000, 6);
    opened.salt = salt;
    let mut body = opened.body(&signer);
    body["signed"]["signature"] = json!(Ask::new(&model, 530_000, 6).signature(&signer));
    put(&world, None, &opened, &body)
        .await
        .is_problem(401, "signature-invalid");
    let second = put(&world, None, &opened, &opened.body(&signer)).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text);
    let stored = async || {
        let path = format!("/rounds/{ROUND}/predictions/{model}");
        world.send(Method::GET, &path, Some(&key), None).await.json["hash"].clone()
    };
    let replayed = put(&world, None, &sealed, &sealed.body(&signer)).await;
    assert_eq!(
        replayed.json["hash"], first.json["hash"],
        "the receipt of the seal"
    );
    assert_eq!(stored().await, second.json["hash"], "it stays open");
    let mut other = Ask::new(&model, 0, 8);
    other.seal = B256::repeat_byte(9);
    assert_eq!(
        put(&world, None, &other, &other.body(&signer)).await.status,
        StatusCode::OK
    );
    let last = stored().await;
    for old in [&sealed, &opened] {
        put(&world, None, old, &old.body(&signer))
            .await
            .is_problem(409, "nonce-used");
    }
    assert_eq!(stored().await, last);
}

#[tokio::test]
async fn many_at_once_are_each_signed_and_ordered() {
    let (world, key, model, second) = world().await;
    let signer = wallet(0x11);
    let item = |ask: &Ask, signer: &PrivateKeySigner| {
        let mut item = ask.body(signer);
        item["round"] = json!(ask.round);
        item["model"] = json!(ask.model);
        item
    };
    let items = [
        item(&Ask::new(&model, 600_000, 5), &signer),
        item(&Ask::new(&model, 400_000, 4), &signer),
        item(&Ask::new(&model, 410_000, 6), &signer),
        item(&Ask::new(&second, 420_000, 1), &wallet(0x22)),
        json!({"round": ROUND, "model": second, "p": 0.5}),
    ];
    let body = json!({"predictions": items});
    let answer = world
        .send(Method::POST, "/predictions", None, Some(&body))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let results = answer.json["results"].as_array().expect("results");
    let codes: Vec<&Value> = results.iter().map(|one| &one["problem"]["code"]).collect();
    let expected = [
        json!(null),
        json!("nonce-used"),
        json!(null),
        json!("signature-invalid"),
        json!("key-missing"),
    ];
    assert_eq!(codes, expected.iter().collect::<Vec<_>>());
    let path = format!("/rounds/{ROUND}/predictions/{model}");
    let latest = world.send(Method::GET, &path, Some(&key), None).await;
    assert_eq!(latest.json["posted_ppm"], 410_000);
}
