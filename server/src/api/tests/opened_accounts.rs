//! Accounts that anybody opens, the keys that they make, and the wallets that they link.

use alloy::primitives::{Address, B256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolStruct;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode, header};
use contracts::requests::{self, CreateKey, DelegateSession, LinkWallet, OpenAccount};
use domain::timestamp::{SECOND_US, rfc3339};
use serde_json::{Value, json};

use super::{Answer, World, round};
use crate::accounts::{self, Scope};
use crate::api::extract::write_uses;
use crate::app::testing::NOW_US;
use crate::chain::Said;
use crate::chain::testing::{deployment, event};
use crate::{rounds, stakes};

/// One nonce for each request of a test.
pub(super) fn nonce(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

pub(super) fn wallet(byte: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).expect("a key")
}

/// 65 bytes over the hash, `0x…`.
pub(super) fn signature(signer: &PrivateKeySigner, hash: B256) -> String {
    let signed = signer.sign_hash_sync(&hash).expect("signs");
    format!("0x{}", hex::encode(signed.as_bytes()))
}

/// In the domain of the test app.
pub(super) fn signed<T: SolStruct>(signer: &PrivateKeySigner, request: &T) -> String {
    signature(
        signer,
        requests::signing_hash(request, 31_337, Address::ZERO),
    )
}

pub(super) fn issued() -> u64 {
    u64::try_from(NOW_US).expect("positive")
}

impl World {
    async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Answer {
        self.send(Method::POST, path, key, Some(body)).await
    }

    /// Opens an account; its key.
    async fn open(&self, name: &str) -> String {
        let opened = self.post("/accounts", None, &json!({"name": name})).await;
        assert_eq!(opened.status, StatusCode::CREATED, "{}", opened.text);
        opened.json["key"].as_str().expect("a key").to_owned()
    }

    /// As a request of this key that came from this address.
    async fn from_address(&self, key: &str, address: [u8; 4]) -> Answer {
        let peer = std::net::SocketAddr::from((address, 1));
        let request = Request::get("/api/v1/account")
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .extension(ConnectInfo(peer));
        self.request(request.body(Body::empty()).expect("a request"))
            .await
    }
}

pub(super) fn open_body(signer: &PrivateKeySigner, name: &str, byte: u8) -> Value {
    let typed = OpenAccount {
        name: name.to_owned(),
        wallet: signer.address(),
        issuedAtUs: issued(),
        nonce: nonce(byte),
    };
    json!({
        "name": name, "wallet": signer.address().to_string(), "issued_at_us": NOW_US,
        "nonce": nonce(byte).to_string(), "signature": signed(signer, &typed)
    })
}

fn link_body(signer: &PrivateKeySigner, account: &str, byte: u8) -> Value {
    let typed = LinkWallet {
        account: account.to_owned(),
        wallet: signer.address(),
        issuedAtUs: issued(),
        nonce: nonce(byte),
    };
    json!({
        "wallet": signer.address().to_string(), "issued_at_us": NOW_US,
        "nonce": nonce(byte).to_string(), "signature": signed(signer, &typed)
    })
}

pub(super) fn session_body(
    signer: &PrivateKeySigner,
    account: &str,
    session: Address,
    byte: u8,
) -> Value {
    let expires_us = NOW_US + 3_600 * SECOND_US;
    let typed = DelegateSession {
        session,
        account: account.to_owned(),
        expiresAtS: u64::try_from(expires_us / SECOND_US).expect("positive"),
        issuedAtUs: issued(),
        nonce: nonce(byte),
    };
    json!({
        "account": account, "session": session.to_string(), "expires_at": rfc3339(expires_us),
        "issued_at_us": NOW_US, "nonce": nonce(byte).to_string(),
        "signature": signed(signer, &typed)
    })
}

#[tokio::test]
async fn anybody_opens_an_account_and_enters_a_model() {
    let world = World::new().await;
    let opened = world
        .post("/accounts", None, &json!({"name": "Ada L."}))
        .await;
    assert_eq!(opened.status, StatusCode::CREATED, "{}", opened.text);
    assert_eq!(opened.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(
        opened.json["account"],
        json!({"id": "ada-l", "name": "Ada L.", "wallet": null, "created_at": rfc3339(NOW_US)})
    );
    let scopes = json!(["read", "predict", "upload", "trade", "admin"]);
    assert_eq!(opened.json["scopes"], scopes);
    let key = opened.json["key"].as_str().expect("a key");
    let account = world.send(Method::GET, "/account", Some(key), None).await;
    assert_eq!(account.json["account"], opened.json["account"]);
    assert_eq!(account.json["key"]["id"], opened.json["key_id"]);
    assert_eq!(account.json["key"]["scopes"], scopes);
    assert_eq!(account.json["limits"]["keys"], 20);
    let body = json!({"tournament": "btc-usd-5m", "name": "first"});
    let model = world.post("/models", Some(key), &body).await;
    assert_eq!(
        (model.status, &model.json["account"]),
        (StatusCode::CREATED, &json!("ada-l"))
    );
    let taken = world
        .post("/accounts", None, &json!({"name": "Ada L."}))
        .await;
    taken.is_problem(409, "account-name-taken");
    for name in ["", "a<b", " x", &"x".repeat(41)] {
        let refused = world.post("/accounts", None, &json!({"name": name})).await;
        refused.is_problem(422, "account-name-invalid");
    }
    world
        .post("/accounts", None, &json!({"nom": "x"}))
        .await
        .is_problem(422, "body-invalid");
    // An account that anybody may open runs nobody's models.
    let next = json!({"runner": "r", "wait_ms": 0, "version": "1", "runtime": "x", "sandbox": "x"});
    let refused = world.post("/runner/jobs/next", Some(key), &next).await;
    refused.is_problem(403, "scope-missing");
}

#[tokio::test]
async fn a_wallet_opens_its_account_once_and_gets_keys_of_it() {
    let world = World::new().await;
    let signer = wallet(0x11);
    let body = open_body(&signer, "ada", 1);
    let opened = world.post("/accounts/wallet", None, &body).await;
    assert_eq!(opened.status, StatusCode::CREATED, "{}", opened.text);
    let address = signer.address().to_string();
    assert_eq!(opened.json["account"]["wallet"], address);
    world
        .post("/accounts/wallet", None, &body)
        .await
        .is_problem(409, "nonce-used");
    let again = world
        .post("/accounts/wallet", None, &open_body(&signer, "other", 2))
        .await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text);
    assert_eq!(again.json["account"], opened.json["account"]);
    assert_ne!(again.json["key_id"], opened.json["key_id"]);
    let taken = world
        .post(
            "/accounts/wallet",
            None,
            &open_body(&wallet(0x22), "ada", 3),
        )
        .await;
    taken.is_problem(409, "account-name-taken");
    let fresh = open_body(&wallet(0x22), "bob", 4);
    let changed = |field: &str, value: Value| {
        let mut body = fresh.clone();
        body[field] = value;
        body
    };
    for (body, status, code) in [
        (changed("name", json!("eve")), 401, "signature-invalid"),
        (changed("wallet", json!(address)), 401, "signature-invalid"),
        (
            changed("signature", json!("0x12")),
            401,
            "signature-invalid",
        ),
        (
            changed("issued_at_us", json!(NOW_US - 301 * SECOND_US)),
            401,
            "signature-expired",
        ),
        (
            changed("issued_at_us", json!(NOW_US + 31 * SECOND_US)),
            401,
            "signature-expired",
        ),
        (changed("issued_at_us", json!(-1)), 401, "signature-expired"),
        (changed("nonce", json!("0x12")), 422, "body-invalid"),
        (changed("wallet", json!("0x12")), 422, "wallet-invalid"),
    ] {
        let refused = world.post("/accounts/wallet", None, &body).await;
        refused.is_problem(status, code);
    }
    let made = world.post("/accounts/wallet", None, &fresh).await;
    assert_eq!(
        made.status,
        StatusCode::CREATED,
        "no refusal used the nonce up"
    );
    let domain = world.get("/signing-domain").await.json;
    assert_eq!(
        domain,
        json!({"name": "Foretoken", "version": "1", "chain_id": 31_337,
               "verifying_contract": Address::ZERO.to_string()})
    );
}

#[tokio::test]
async fn keys_are_made_listed_rotated_and_revoked() {
    let world = World::new().await;
    let admin = world.open("ada").await;
    let end_us = NOW_US + 60 * SECOND_US;
    let asked = json!({
        "name": "desk", "scopes": ["read", "trade"], "expires_at": rfc3339(end_us),
        "addresses": ["192.0.2.7", "10.0.0.0/8"]
    });
    let made = world.post("/keys", Some(&admin), &asked).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.headers[header::CACHE_CONTROL], "no-store");
    for member in ["name", "scopes", "expires_at", "addresses"] {
        assert_eq!(made.json[member], asked[member]);
    }
    let key = made.json["key"].as_str().expect("a key");
    assert_eq!(
        world.from_address(key, [10, 1, 2, 3]).await.status,
        StatusCode::OK
    );
    let refused = world.from_address(key, [11, 1, 2, 3]).await;
    refused.is_problem(403, "key-address-refused");
    assert!(
        refused.json["detail"]
            .as_str()
            .is_some_and(|said| said.contains("11.1.2.3"))
    );
    world
        .send(Method::GET, "/account", Some(key), None)
        .await
        .is_problem(403, "key-address-refused");
    write_uses(&world.app).await.expect("written");
    let listed = world.send(Method::GET, "/keys", Some(&admin), None).await;
    assert!(!listed.text.contains(key), "no secret is listed");
    let entry = &listed.json["keys"][1];
    assert_eq!(
        (&entry["name"], &entry["last_used_at"]),
        (&json!("desk"), &json!(rfc3339(NOW_US)))
    );
    let id = made.json["key_id"].as_str().expect("an id");
    let path = format!("/keys/{id}/rotate");
    let rotated = world.post(&path, Some(&admin), &json!({})).await;
    assert_eq!(rotated.status, StatusCode::CREATED, "{}", rotated.text);
    assert_eq!(rotated.json["old_key_id"], id);
    assert_eq!(
        rotated.json["old_expires_at"], asked["expires_at"],
        "the earlier end holds"
    );
    assert_eq!(rotated.json["addresses"], asked["addresses"]);
    world
        .post(&path, Some(&admin), &json!({}))
        .await
        .is_problem(409, "rotation-running");
    let late = json!({"old_expires_at": rfc3339(NOW_US + 8 * 86_400 * SECOND_US)});
    world
        .post(&path, Some(&admin), &late)
        .await
        .is_problem(422, "key-rights-invalid");
    let odd = json!({"old_expires_at": "soon"});
    world
        .post(&path, Some(&admin), &odd)
        .await
        .is_problem(422, "body-invalid");
    world.wall.set(end_us);
    world
        .from_address(key, [10, 1, 2, 3])
        .await
        .is_problem(401, "key-expired");
    world
        .post(&path, Some(&admin), &json!({}))
        .await
        .is_problem(409, "key-ended");
    let other = world
        .post(
            "/keys",
            Some(&admin),
            &json!({"name": "b", "scopes": ["read"]}),
        )
        .await;
    let (other, id) = (other.json["key"].clone(), other.json["key_id"].clone());
    let path = format!("/keys/{}", id.as_str().expect("an id"));
    let gone = world.send(Method::DELETE, &path, Some(&admin), None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    world
        .send(Method::GET, "/account", other.as_str(), None)
        .await
        .is_problem(401, "key-revoked");
}

#[tokio::test]
async fn a_key_without_the_right_makes_changes_and_sees_no_key() {
    let world = World::new().await;
    let admin = world.open("ada").await;
    let stranger = world.open("bob").await;
    let body = json!({"name": "bot", "scopes": ["read", "predict"]});
    let made = world.post("/keys", Some(&admin), &body).await;
    let weak = made.json["key"].as_str().expect("a key").to_owned();
    let id = made.json["key_id"].as_str().expect("an id").to_owned();
    let (rotate, one) = (format!("/keys/{id}/rotate"), format!("/keys/{id}"));
    for (method, path, body) in [
        (Method::GET, "/keys", None),
        (Method::POST, "/keys", Some(&body)),
        (Method::POST, &rotate, Some(&json!({}))),
        (Method::DELETE, &one, None),
        (Method::GET, "/session-keys", None),
        (Method::DELETE, "/session-keys/0x12", None),
        (
            Method::POST,
            "/account/wallet",
            Some(&link_body(&wallet(0x11), "ada", 1)),
        ),
    ] {
        let refused = world.send(method.clone(), path, Some(&weak), body).await;
        refused.is_problem(403, "scope-missing");
        world
            .send(method, path, None, body)
            .await
            .is_problem(401, "key-missing");
    }
    world
        .post(&rotate, Some(&stranger), &json!({}))
        .await
        .is_problem(404, "unknown-key");
    world
        .send(Method::DELETE, &one, Some(&stranger), None)
        .await
        .is_problem(404, "unknown-key");
    for (field, value) in [
        ("name", json!("")),
        ("scopes", json!([])),
        ("scopes", json!(["all"])),
        ("expires_at", json!(rfc3339(NOW_US))),
        ("addresses", json!(["10.1.2.3/8"])),
        ("addresses", json!(vec!["10.0.0.1"; 21])),
    ] {
        let mut broken = body.clone();
        broken[field] = value;
        let refused = world.post("/keys", Some(&admin), &broken).await;
        refused.is_problem(422, "key-rights-invalid");
    }
    let run = json!({"name": "bot", "scopes": ["run"]});
    world
        .post("/keys", Some(&admin), &run)
        .await
        .is_problem(403, "scope-missing");
    for n in 0..18 {
        let made = world.post("/keys", Some(&admin), &body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{n}");
    }
    world
        .post("/keys", Some(&admin), &body)
        .await
        .is_problem(409, "too-many-keys");
}

#[tokio::test]
async fn a_key_is_made_by_a_signature_of_the_wallet() {
    let world = World::new().await;
    let signer = wallet(0x11);
    world
        .post("/accounts/wallet", None, &open_body(&signer, "ada", 1))
        .await;
    let ask = |byte: u8, scopes: &[&str], addresses: &[&str], end: Option<&str>| {
        let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let typed = CreateKey {
            wallet: signer.address(),
            name: "bot".to_owned(),
            scopes: list(scopes),
            expiresAtS: end.map_or(0, |_| 1_900_000_000),
            addresses: list(addresses),
            issuedAtUs: issued(),
            nonce: nonce(byte),
        };
        json!({
            "wallet": signer.address().to_string(), "name": "bot", "scopes": scopes,
            "expires_at": end, "addresses": addresses, "issued_at_us": NOW_US,
            "nonce": nonce(byte).to_string(), "signature": signed(&signer, &typed)
        })
    };
    let end = rfc3339(1_900_000_000 * SECOND_US);
    let body = ask(2, &["predict"], &["10.0.0.0/8"], Some(&end));
    let made = world.post("/keys/signed", None, &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(
        (&made.json["expires_at"], &made.json["scopes"]),
        (&json!(end), &json!(["predict"]))
    );
    world
        .post("/keys/signed", None, &body)
        .await
        .is_problem(409, "nonce-used");
    let mut more = ask(3, &["predict"], &[], None);
    more["scopes"] = json!(["admin"]);
    world
        .post("/keys/signed", None, &more)
        .await
        .is_problem(401, "signature-invalid");
    let fraction = ask(4, &["read"], &[], Some("2030-03-17T17:46:40.5Z"));
    world
        .post("/keys/signed", None, &fraction)
        .await
        .is_problem(422, "body-invalid");
    let run = ask(5, &["run"], &[], None);
    world
        .post("/keys/signed", None, &run)
        .await
        .is_problem(403, "scope-missing");
    let past = ask(6, &["read"], &[], Some("2020-01-01T00:00:00Z"));
    world
        .post("/keys/signed", None, &past)
        .await
        .is_problem(422, "key-rights-invalid");
    let nobody = wallet(0x22);
    let typed = CreateKey {
        wallet: nobody.address(),
        name: "bot".to_owned(),
        scopes: vec!["read".to_owned()],
        expiresAtS: 0,
        addresses: Vec::new(),
        issuedAtUs: issued(),
        nonce: nonce(7),
    };
    let body = json!({
        "wallet": nobody.address().to_string(), "name": "bot", "scopes": ["read"],
        "issued_at_us": NOW_US, "nonce": nonce(7).to_string(), "signature": signed(&nobody, &typed)
    });
    world
        .post("/keys/signed", None, &body)
        .await
        .is_problem(404, "unknown-account");
}

#[tokio::test]
async fn session_keys_are_delegated_listed_and_ended() {
    let world = World::new().await;
    let signer = wallet(0x11);
    let opened = world
        .post("/accounts/wallet", None, &open_body(&signer, "ada", 1))
        .await;
    let admin = opened.json["key"].as_str().expect("a key");
    let session = Address::repeat_byte(0x77);
    let body = session_body(&signer, "ada", session, 2);
    let made = world.post("/session-keys", None, &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    world
        .post("/session-keys", None, &body)
        .await
        .is_problem(409, "nonce-used");
    let listed = world
        .send(Method::GET, "/session-keys", Some(admin), None)
        .await;
    assert_eq!(listed.json["session_keys"], json!([made.json]));
    let foreign = session_body(&wallet(0x22), "ada", session, 3);
    world
        .post("/session-keys", None, &foreign)
        .await
        .is_problem(401, "signature-invalid");
    let unknown = session_body(&signer, "nobody", session, 4);
    world
        .post("/session-keys", None, &unknown)
        .await
        .is_problem(404, "unknown-account");
    world.open("cleo").await;
    let walletless = session_body(&signer, "cleo", session, 5);
    world
        .post("/session-keys", None, &walletless)
        .await
        .is_problem(409, "wallet-missing");
    let mut late = session_body(&signer, "ada", session, 6);
    late["expires_at"] = json!("2044-01-01T00:00:00Z");
    world
        .post("/session-keys", None, &late)
        .await
        .is_problem(422, "key-rights-invalid");
    let path = format!("/session-keys/{session}");
    let ended = world.send(Method::DELETE, &path, Some(admin), None).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    let again = world.send(Method::DELETE, &path, Some(admin), None).await;
    again.is_problem(404, "unknown-session-key");
    for byte in 0..10 {
        let body = session_body(&signer, "ada", Address::repeat_byte(byte), 0x20 + byte);
        assert_eq!(
            world.post("/session-keys", None, &body).await.status,
            StatusCode::CREATED
        );
    }
    let full = session_body(&signer, "ada", session, 0x40);
    world
        .post("/session-keys", None, &full)
        .await
        .is_problem(409, "too-many-session-keys");
}

/// What a wallet has registered on chain for a model counts once the model's account has the wallet.
#[tokio::test]
async fn a_wallet_that_is_linked_later_brings_its_stakes() {
    let world = World::new().await;
    let (signer, stranger) = (wallet(0x11), wallet(0x22));
    let key = world.open("ada").await;
    let body = json!({"tournament": "btc-usd-5m", "name": "first"});
    let model = world.post("/models", Some(&key), &body).await.json["id"].clone();
    let model: domain::ModelId = model.as_str().expect("an id").parse().expect("an id");
    let mut tx = world.app.db.begin().await.expect("begin");
    let tournament = rounds::tournament(&mut tx, round().tournament())
        .await
        .expect("there");
    for (index, owner) in [(0, stranger.address()), (1, signer.address())] {
        let said = Said::ModelRegistered {
            index,
            tournament: tournament.chain_key.parse().expect("a key"),
            model_key: stakes::model_key(&model),
            owner,
            amount: 100_000_000_000,
        };
        let registered = event(deployment().vault, i64::from(index), said);
        stakes::apply(&mut tx, &registered).await.expect("applies");
    }
    assert_eq!(
        stakes::of_model(&mut tx, &model).await.expect("reads"),
        None
    );
    tx.commit().await.expect("commit");
    let linked = world
        .post("/account/wallet", Some(&key), &link_body(&signer, "ada", 1))
        .await;
    assert_eq!(linked.status, StatusCode::OK, "{}", linked.text);
    assert_eq!(linked.json["wallet"], signer.address().to_string());
    let mut tx = world.app.db.begin().await.expect("begin");
    let stake = stakes::of_model(&mut tx, &model)
        .await
        .expect("reads")
        .expect("a stake");
    assert_eq!(
        (stake.model_index, stake.owner),
        (1, signer.address().to_string())
    );
    let rule = &tournament.tournament.stake;
    let taken = stakes::snapshot(&mut tx, &round(), rule, &[(model.clone(), None)]).await;
    assert_eq!(taken.expect("freezes")[0].model_index, Some(1));
    tx.commit().await.expect("commit");
    let again = world
        .post("/account/wallet", Some(&key), &link_body(&signer, "ada", 1))
        .await;
    again.is_problem(409, "nonce-used");
    let other = world
        .post(
            "/account/wallet",
            Some(&key),
            &link_body(&stranger, "ada", 2),
        )
        .await;
    other.is_problem(409, "wallet-differs");
    let bob = world.open("bob").await;
    let taken = world
        .post("/account/wallet", Some(&bob), &link_body(&signer, "bob", 3))
        .await;
    taken.is_problem(409, "wallet-taken");
    // Signed for another account.
    let foreign = world
        .post(
            "/account/wallet",
            Some(&bob),
            &link_body(&stranger, "ada", 4),
        )
        .await;
    foreign.is_problem(401, "signature-invalid");
}

/// The operator's `admin` covers runners; that of an account that was opened over the API does not.
#[tokio::test]
async fn only_the_operators_admin_covers_runners() {
    let world = World::new().await;
    let mut tx = world.app.db.begin().await.expect("begin");
    let ops = accounts::create(&mut tx, 1, "ops", "", true)
        .await
        .expect("an account");
    let key = accounts::create_key(&mut tx, 1, &ops.id, &[Scope::Admin], [1; 20]).await;
    tx.commit().await.expect("commit");
    let key = key.expect("a key");
    let body = json!({"name": "fleet", "scopes": ["run"]});
    let made = world.post("/keys", Some(&key), &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
}
