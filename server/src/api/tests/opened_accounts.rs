//! Accounts that anybody opens, and the wallets that they link.

use alloy::primitives::{Address, B256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolStruct;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode, header};
use contracts::requests::{self, DelegateSession, LinkWallet, OpenAccount};
use domain::timestamp::{SECOND_US, rfc3339};
use serde_json::{Value, json};

use super::{Answer, World, round};
use crate::accounts::{self, Scope};
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
    pub(super) async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Answer {
        self.send(Method::POST, path, key, Some(body)).await
    }

    /// Opens an account; its key.
    pub(super) async fn open(&self, name: &str) -> String {
        let opened = self.post("/accounts", None, &json!({"name": name})).await;
        assert_eq!(opened.status, StatusCode::CREATED, "{}", opened.text);
        opened.json["key"].as_str().expect("a key").to_owned()
    }

    /// As a request of this key that came from this address.
    pub(super) async fn from_address(&self, key: &str, address: [u8; 4]) -> Answer {
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

pub(super) fn link_body(signer: &PrivateKeySigner, account: &str, byte: u8) -> Value {
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
            amount: 10_000_000_000_000,
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
}

#[tokio::test]
async fn a_wallet_is_linked_once_for_good_and_to_one_account() {
    let world = World::new().await;
    let (signer, stranger) = (wallet(0x11), wallet(0x22));
    let (ada, bob) = (world.open("ada").await, world.open("bob").await);
    for (key, body, status, code) in [
        (&ada, link_body(&signer, "ada", 1), 200, ""),
        (&ada, link_body(&signer, "ada", 1), 409, "nonce-used"),
        (&ada, link_body(&signer, "ada", 2), 200, ""),
        (&ada, link_body(&stranger, "ada", 3), 409, "wallet-differs"),
        (&bob, link_body(&signer, "bob", 4), 409, "wallet-taken"),
        // Signed for another account.
        (
            &bob,
            link_body(&stranger, "ada", 5),
            401,
            "signature-invalid",
        ),
    ] {
        let answer = world.post("/account/wallet", Some(key), &body).await;
        match status {
            200 => assert_eq!(answer.status, StatusCode::OK, "{}", answer.text),
            _ => answer.is_problem(status, code),
        }
    }
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
