//! The keys and the session keys of an account.

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use axum::http::{Method, StatusCode, header};
use contracts::requests::CreateKey;
use domain::timestamp::{SECOND_US, rfc3339};
use serde_json::{Value, json};

use super::World;
use super::opened_accounts::{issued, link_body, nonce, open_body, session_body, signed, wallet};
use crate::api::extract::write_uses;
use crate::app::testing::NOW_US;

/// A wallet asks for a key; a named end is signed as that of 1,900,000,000 s.
fn signed_key_body(
    signer: &PrivateKeySigner,
    byte: u8,
    scopes: &[&str],
    end: Option<&str>,
) -> Value {
    let addresses = ["10.0.0.0/8".to_owned()];
    let typed = CreateKey {
        wallet: signer.address(),
        name: "bot".to_owned(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        expiresAtS: end.map_or(0, |_| 1_900_000_000),
        addresses: addresses.to_vec(),
        issuedAtUs: issued(),
        nonce: nonce(byte),
    };
    json!({
        "wallet": signer.address().to_string(), "name": "bot", "scopes": scopes,
        "expires_at": end, "addresses": addresses, "issued_at_us": NOW_US,
        "nonce": nonce(byte).to_string(), "signature": signed(signer, &typed)
    })
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
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
async fn a_key_is_rotated_and_its_own_end_holds() {
    let world = World::new().await;
    let admin = world.open("ada").await;
    let end_us = NOW_US + 60 * SECOND_US;
    let asked = json!({
        "name": "desk", "scopes": ["read"], "expires_at": rfc3339(end_us), "addresses": ["10.0.0.0/8"]
    });
    let made = world.post("/keys", Some(&admin), &asked).await;
    let key = made.json["key"].as_str().expect("a key");
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
    let ask = |byte, scopes, end| signed_key_body(&signer, byte, scopes, end);
    let end = rfc3339(1_900_000_000 * SECOND_US);
    let body = ask(2, &["predict"], Some(&end));
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
    let mut more = ask(3, &["predict"], None);
    more["scopes"] = json!(["admin"]);
    world
        .post("/keys/signed", None, &more)
        .await
        .is_problem(401, "signature-invalid");
    let fraction = ask(4, &["read"], Some("2030-03-17T17:46:40.5Z"));
    world
        .post("/keys/signed", None, &fraction)
        .await
        .is_problem(422, "body-invalid");
    let run = ask(5, &["run"], None);
    world
        .post("/keys/signed", None, &run)
        .await
        .is_problem(403, "scope-missing");
    let past = ask(6, &["read"], Some("2020-01-01T00:00:00Z"));
    world
        .post("/keys/signed", None, &past)
        .await
        .is_problem(422, "key-rights-invalid");
    let body = signed_key_body(&wallet(0x22), 7, &["read"], None);
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
