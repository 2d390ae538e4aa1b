//! What wallets sign, and that it holds in one place, once, now, for one account and as it is.

use alloy::primitives::{Address, B256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use contracts::requests::{CreateKey, DelegateSession, LinkWallet, OpenAccount, signing_hash};
use domain::timestamp::SECOND_US;

use super::*;
use crate::db::testing::{each_database, sqlite};

const NOW_US: i64 = 1_709_639_700 * SECOND_US;
const END_S: u64 = 1_709_639_700 + 3_600;
const PLACE: SigningPlace = SigningPlace {
    chain_id: 31_337,
    registry: Address::repeat_byte(5),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Open,
    Link,
    Key,
    Session,
}

/// What is asked for; each kind takes its part.
#[derive(Clone, Debug)]
struct Ask {
    wallet: Address,
    name: String,
    account: String,
    session: Address,
    expires_s: u64,
    scopes: Vec<String>,
    issued_us: i64,
    nonce: B256,
    signature: String,
}

fn wallet(byte: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).expect("a key")
}

fn ask(signer: &PrivateKeySigner, account: &str, nonce: u8) -> Ask {
    Ask {
        wallet: signer.address(),
        name: "ada".to_owned(),
        account: account.to_owned(),
        session: Address::repeat_byte(0x77),
        expires_s: END_S,
        scopes: vec!["read".to_owned(), "predict".to_owned()],
        issued_us: NOW_US - 5,
        nonce: B256::repeat_byte(nonce),
        signature: String::new(),
    }
}

fn hash(kind: Kind, ask: &Ask, place: SigningPlace) -> B256 {
    let issued = u64::try_from(ask.issued_us).expect("positive");
    let (chain_id, registry) = (place.chain_id, place.registry);
    match kind {
        Kind::Open => {
            let typed = OpenAccount {
                name: ask.name.clone(),
                wallet: ask.wallet,
                issuedAtUs: issued,
                nonce: ask.nonce,
            };
            signing_hash(&typed, chain_id, registry)
        }
        Kind::Link => {
            let typed = LinkWallet {
                account: ask.account.clone(),
                wallet: ask.wallet,
                issuedAtUs: issued,
                nonce: ask.nonce,
            };
            signing_hash(&typed, chain_id, registry)
        }
        Kind::Key => {
            let typed = CreateKey {
                issuedAtUs: issued,
                ..create_request(ask)
            };
            signing_hash(&typed, chain_id, registry)
        }
        Kind::Session => {
            let typed = DelegateSession {
                session: ask.session,
                account: ask.account.clone(),
                expiresAtS: ask.expires_s,
                issuedAtUs: issued,
                nonce: ask.nonce,
            };
            signing_hash(&typed, chain_id, registry)
        }
    }
}

fn create_request(ask: &Ask) -> CreateKey {
    CreateKey {
        wallet: ask.wallet,
        name: ask.name.clone(),
        scopes: ask.scopes.clone(),
        expiresAtS: ask.expires_s,
        addresses: Vec::new(),
        issuedAtUs: 0,
        nonce: ask.nonce,
    }
}

fn signature(signer: &PrivateKeySigner, hash: B256) -> String {
    let signed = signer.sign_hash_sync(&hash).expect("signs");
    format!("0x{}", hex::encode(signed.as_bytes()))
}

fn sign(signer: &PrivateKeySigner, kind: Kind, mut ask: Ask, place: SigningPlace) -> Ask {
    ask.signature = signature(signer, hash(kind, &ask, place));
    ask
}

async fn carry_out(
    conn: &mut Conn,
    kind: Kind,
    ask: &Ask,
    now_us: i64,
    place: SigningPlace,
) -> Result<(), AccountError> {
    let proof = Proof {
        wallet: ask.wallet,
        issued_us: ask.issued_us,
        nonce: ask.nonce,
        signature: ask.signature.clone(),
    };
    let random = B256::from(alloy::primitives::keccak256(ask.signature.as_bytes())).0;
    let random = <[u8; 20]>::try_from(&random[..20]).expect("20 bytes");
    match kind {
        Kind::Open => open_by_wallet(conn, now_us, place, &ask.name, &proof, random)
            .await
            .map(|_| ()),
        Kind::Link => {
            let account = get(conn, &ask.account.parse().expect("an id")).await?;
            link_wallet(conn, now_us, place, &account, &proof)
                .await
                .map(|_| ())
        }
        Kind::Key => create_key_by_wallet(conn, now_us, place, create_request(ask), &proof, random)
            .await
            .map(|_| ()),
        Kind::Session => {
            let account = ask.account.parse().expect("an id");
            let asked = (ask.session, ask.expires_s);
            let proof = |wallet| Proof { wallet, ..proof };
            delegate(conn, now_us, place, &account, asked, proof)
                .await
                .map(|_| ())
        }
    }
}

/// Accounts that each kind can be carried out for: `ada` without a wallet or with that of 0x11….
async fn world(conn: &mut Conn, kind: Kind) {
    let has_wallet = matches!(kind, Kind::Key | Kind::Session);
    let (ada, bob) = (wallet(0x11).address(), wallet(0x22).address());
    if kind != Kind::Open {
        let ada = if has_wallet {
            ada.to_string()
        } else {
            String::new()
        };
        create(conn, 1, "ada", &ada, false)
            .await
            .expect("an account");
    }
    create(conn, 1, "bob", &bob.to_string(), false)
        .await
        .expect("an account");
    create(conn, 1, "cleo", "", false)
        .await
        .expect("an account");
}

const KINDS: [Kind; 4] = [Kind::Open, Kind::Link, Kind::Key, Kind::Session];

/// Another field than was signed, and the kinds that have it.
const CHANGES: [(&str, &[Kind], fn(&mut Ask)); 10] = [
    ("name", &[Kind::Open, Kind::Key], |ask| ask.name.push('x')),
    ("account", &[Kind::Link], |ask| ask.account = "cleo".into()),
    ("account", &[Kind::Session], |ask| {
        ask.account = "bob".into();
    }),
    ("user", &[Kind::Open, Kind::Link, Kind::Key], |ask| {
        ask.wallet = wallet(0x22).address();
    }),
    ("scopes", &[Kind::Key], |ask| {
        ask.scopes = vec!["admin".into()];
    }),
    ("more scopes", &[Kind::Key], |ask| {
        ask.scopes.push("admin".into());
    }),
    ("end", &[Kind::Key, Kind::Session], |ask| ask.expires_s += 1),
    ("session", &[Kind::Session], |ask| {
        ask.session = Address::repeat_byte(0x78);
    }),
    ("time", &KINDS, |ask| ask.issued_us += 1),
    ("nonce", &KINDS, |ask| ask.nonce = B256::repeat_byte(0xee)),
];

/// A signed request that is carried out at another place, by somebody else, for another account, as
/// another kind or with another field.
fn forgeries(kind: Kind, good: &Ask) -> Vec<(String, Ask, SigningPlace)> {
    let mut forged = Vec::new();
    let mut place = PLACE;
    place.chain_id = 1;
    forged.push(("chain".to_owned(), good.clone(), place));
    place = PLACE;
    place.registry = Address::repeat_byte(6);
    forged.push(("contract".to_owned(), good.clone(), place));
    for (what, _, change) in CHANGES.iter().filter(|(_, of, _)| of.contains(&kind)) {
        let mut changed = good.clone();
        change(&mut changed);
        forged.push(((*what).to_owned(), changed, PLACE));
    }
    for other in KINDS.into_iter().filter(|other| *other != kind) {
        let mut foreign = good.clone();
        foreign.signature = signature(&wallet(0x11), hash(other, good, PLACE));
        forged.push((format!("{other:?}"), foreign, PLACE));
    }
    let stranger = sign(&wallet(0x33), kind, good.clone(), PLACE);
    forged.push(("stranger".to_owned(), stranger, PLACE));
    forged
}

/// Forged or at another time it is refused; as it is it works, and once.
#[tokio::test]
async fn no_signed_request_is_replayed() {
    for kind in KINDS {
        let (db, _folder) = sqlite().await;
        let mut tx = db.begin().await.expect("begin");
        world(&mut tx, kind).await;
        let signer = wallet(0x11);
        let good = sign(&signer, kind, ask(&signer, "ada", 1), PLACE);
        let forged = forgeries(kind, &good);
        assert!(forged.len() >= 9, "{kind:?}");
        for (what, forged, place) in forged {
            let said = carry_out(&mut tx, kind, &forged, NOW_US, place).await;
            let is_refused = matches!(said, Err(AccountError::Signature(_)));
            assert!(is_refused, "{kind:?} {what}: {said:?}");
        }
        let last_us = good.issued_us + 300 * SECOND_US;
        for at_us in [last_us + 1, good.issued_us - 30 * SECOND_US - 1] {
            let said = carry_out(&mut tx, kind, &good, at_us, PLACE).await;
            let is_refused = matches!(said, Err(AccountError::SignatureExpired(_)));
            assert!(is_refused, "{kind:?} {at_us}: {said:?}");
        }
        let done = carry_out(&mut tx, kind, &good, NOW_US, PLACE).await;
        done.expect("as it is it works");
        for at_us in [NOW_US, last_us] {
            let said = carry_out(&mut tx, kind, &good, at_us, PLACE).await;
            let is_refused = matches!(said, Err(AccountError::NonceUsed(_)));
            assert!(is_refused, "{kind:?}: {said:?}");
        }
        let anew = sign(&signer, kind, ask(&signer, "ada", 2), PLACE);
        let done = carry_out(&mut tx, kind, &anew, NOW_US, PLACE).await;
        done.expect("another nonce");
    }
}

#[test]
fn one_form_of_a_signature_is_taken() {
    let (signer, hash) = (wallet(0x11), B256::repeat_byte(9));
    let good = signer.sign_hash_sync(&hash).expect("signs");
    let bytes = good.as_bytes();
    let text = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
    assert_eq!(
        recover(&hash, &text(&bytes)).expect("good"),
        signer.address()
    );
    // The twin of every signature: n − s, with the other v.
    let order = alloy::primitives::uint!(
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256
    );
    let twin = alloy::primitives::Signature::new(good.r(), order - good.s(), !good.v());
    assert_eq!(
        twin.recover_address_from_prehash(&hash).expect("holds"),
        signer.address()
    );
    let with_v = |v: u8| [&bytes[..64], &[v]].concat();
    let compact: Vec<u8> = good.as_erc2098().to_vec();
    let zero_s = [&bytes[..32], &[0; 32], &bytes[64..]].concat();
    let zero_r = [&[0; 32], &bytes[32..]].concat();
    for refused in [
        text(&twin.as_bytes()),
        text(&with_v(0)),
        text(&with_v(1)),
        text(&with_v(29)),
        text(&with_v(37)),
        text(&compact),
        text(&bytes[..64]),
        text(&[&bytes[..], &[0]].concat()),
        text(&zero_s),
        text(&zero_r),
        hex::encode(bytes),
        "0xzz".to_owned(),
        String::new(),
    ] {
        let said = recover(&hash, &refused);
        assert!(
            matches!(said, Err(AccountError::Signature(_))),
            "{refused}: {said:?}"
        );
    }
}

#[tokio::test]
async fn a_wallet_belongs_to_one_account_for_good() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        let (one, two) = (wallet(0x11), wallet(0x22));
        let ada = create(&mut tx, 1, "ada", "", false).await.expect("new");
        create(&mut tx, 1, "bob", "", false).await.expect("new");
        let link = async |tx: &mut Conn, signer: &PrivateKeySigner, account: &str, nonce| {
            let asked = sign(signer, Kind::Link, ask(signer, account, nonce), PLACE);
            carry_out(tx, Kind::Link, &asked, NOW_US, PLACE).await
        };
        link(&mut tx, &one, "ada", 1).await.expect("linked");
        link(&mut tx, &one, "ada", 2).await.expect("linked already");
        let taken = link(&mut tx, &one, "bob", 3).await;
        assert!(
            matches!(taken, Err(AccountError::WalletTaken(_))),
            "{taken:?}"
        );
        let differs = link(&mut tx, &two, "ada", 4).await;
        assert!(
            matches!(differs, Err(AccountError::WalletDiffers { .. })),
            "{differs:?}"
        );
        let wallet = get(&mut tx, &ada.id).await.expect("reads").wallet;
        assert_eq!(wallet, one.address().to_string());
        let taken = create(&mut tx, 1, "cleo", &wallet, false).await;
        assert!(
            matches!(taken, Err(AccountError::WalletTaken(_))),
            "{taken:?}"
        );
        // Opening again gives another key of the same account, whatever the name.
        let asked = sign(&one, Kind::Open, ask(&one, "", 5), PLACE);
        carry_out(&mut tx, Kind::Open, &asked, NOW_US, PLACE)
            .await
            .expect("a key");
        assert_eq!(keys(&mut tx, &ada.id).await.expect("reads").len(), 1);
        let nobody = sign(&two, Kind::Key, ask(&two, "", 6), PLACE);
        let unknown = carry_out(&mut tx, Kind::Key, &nobody, NOW_US, PLACE).await;
        assert!(
            matches!(unknown, Err(AccountError::WalletUnknown(_))),
            "{unknown:?}"
        );
    })
    .await;
}

/// Delegates from ada's wallet to the address of this byte.
async fn delegated(tx: &mut Conn, byte: u8, expires_s: u64) -> Result<(), AccountError> {
    let signer = wallet(0x11);
    let mut asked = ask(&signer, "ada", byte);
    asked.session = Address::repeat_byte(byte);
    asked.expires_s = expires_s;
    let asked = sign(&signer, Kind::Session, asked, PLACE);
    carry_out(tx, Kind::Session, &asked, NOW_US, PLACE).await
}

async fn named(tx: &mut Conn, name: &str) -> Account {
    let found = by_name(tx, name).await.expect("reads");
    found.expect("there")
}

#[tokio::test]
async fn session_keys_sign_until_they_end() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        world(&mut tx, Kind::Session).await;
        let (ada, bob) = (named(&mut tx, "ada").await, named(&mut tx, "bob").await);
        let (own, session) = (wallet(0x11).address(), Address::repeat_byte(0x77));
        let end_us = NOW_US + 3_600 * SECOND_US;
        delegated(&mut tx, 0x77, END_S).await.expect("delegated");
        for (account, signer, at_us, may) in [
            (&ada, own, NOW_US, true),
            (&ada, session, end_us - 1, true),
            (&ada, session, end_us, false),
            (&bob, session, NOW_US, false),
            (&ada, Address::repeat_byte(0x78), NOW_US, false),
            (&ada, wallet(0x22).address(), NOW_US, false),
        ] {
            let said = may_sign(&mut tx, at_us, account, signer).await;
            assert_eq!(said.expect("reads"), may, "{} {signer}", account.id);
        }
        let text = session.to_string();
        let ended = revoke_session(&mut tx, NOW_US, &ada.id, &text).await;
        ended.expect("ended");
        let said = may_sign(&mut tx, NOW_US, &ada, session).await;
        assert!(!said.expect("reads"));
        for unknown in [text.as_str(), "0x12", ""] {
            let refused = revoke_session(&mut tx, NOW_US, &ada.id, unknown).await;
            assert!(matches!(refused, Err(AccountError::UnknownSession(_))));
        }
    })
    .await;
}

#[tokio::test]
async fn ten_session_keys_live_for_ninety_days_at_most() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("begin");
        world(&mut tx, Kind::Session).await;
        let ada = named(&mut tx, "ada").await;
        for expires_s in [0, END_S - 3_600, END_S + 90 * 86_400, u64::MAX] {
            let said = delegated(&mut tx, 0x79, expires_s).await;
            let is_refused = matches!(said, Err(AccountError::Rights(_)));
            assert!(is_refused, "{expires_s}: {said:?}");
        }
        for byte in 1..=10 {
            delegated(&mut tx, byte, END_S).await.expect("delegated");
        }
        let full = delegated(&mut tx, 11, END_S).await;
        assert!(matches!(full, Err(AccountError::TooManySessions(_))));
        let first = Address::repeat_byte(1).to_string();
        let ended = revoke_session(&mut tx, NOW_US, &ada.id, &first).await;
        ended.expect("ended");
        delegated(&mut tx, 12, END_S).await.expect("there is room");
        let live = sessions(&mut tx, NOW_US, &ada.id).await.expect("reads");
        assert_eq!(live.len(), 10);
        let cleo = ask(&wallet(0x11), "cleo", 0x50);
        let asked = sign(&wallet(0x11), Kind::Session, cleo, PLACE);
        let refused = carry_out(&mut tx, Kind::Session, &asked, NOW_US, PLACE).await;
        assert!(matches!(refused, Err(AccountError::WalletMissing(_))));
    })
    .await;
}

/// The same request twice at once: the nonce decides, on both databases.
#[tokio::test]
async fn of_two_at_once_one_is_carried_out() {
    each_database(|db| async move {
        let signer = wallet(0x11);
        let asked = sign(&signer, Kind::Open, ask(&signer, "", 1), PLACE);
        let mut both = tokio::task::JoinSet::new();
        for _ in 0..2 {
            let (db, asked) = (db.clone(), asked.clone());
            both.spawn(async move {
                let mut tx = db.begin().await.expect("begin");
                let done = carry_out(&mut tx, Kind::Open, &asked, NOW_US, PLACE).await;
                if done.is_ok() {
                    tx.commit().await.expect("commit");
                }
                done.is_ok()
            });
        }
        let done = both.join_all().await;
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
    })
    .await;
}
