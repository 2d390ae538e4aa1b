//! The folder, the names of files, and what receipts say.

use alloy::primitives::{Address, B256};
use domain::{ModelId, Probability, RoundId, TokenAmount};

use super::folder::Folder;
use super::format::{INDEX_PATH, Index, IndexEntry, digest, is_fixed};
use super::source::check_path;
use super::*;
use crate::predictions::{self, ReceiptSigner, Said, Submission};

fn entry(seq: i64, bytes: &[u8]) -> IndexEntry {
    IndexEntry {
        vault: Address::repeat_byte(3),
        seq,
        attempt: 1,
        rounds: 1,
        file: format::batch_path(Address::repeat_byte(3), seq, 1),
        keccak256: digest(bytes),
    }
}

fn batch(seq: i64) -> (Vec<RecordFile>, IndexEntry) {
    let bytes = format!("batch {seq}").into_bytes();
    let entry = entry(seq, &bytes);
    let round = RecordFile {
        path: format!("rounds/btc-usd-5m-20240301T000{seq}Z/evidence.json"),
        bytes: b"{}".to_vec(),
    };
    let file = RecordFile {
        path: entry.file.clone(),
        bytes,
    };
    (vec![round, file], entry)
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            names.extend(self::names(&path));
        } else {
            names.push(path.display().to_string());
        }
    }
    names.sort();
    names
}

#[tokio::test]
async fn publishing_again_changes_nothing_and_leaves_nothing_behind() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = Folder::new(place.path().join("deep/record"));
    let (files, first) = batch(1);
    folder.publish(&files, first.clone()).expect("publishes");
    let there = names(folder.root());
    let touched = |path: &str| {
        let at = std::fs::metadata(folder.root().join(path)).expect("there");
        at.modified().expect("a time")
    };
    let written_at = touched(&first.file);
    folder
        .publish(&files, first.clone())
        .expect("publishes again");
    assert_eq!(names(folder.root()), there, "no other file, no rest");
    assert_eq!(touched(&first.file), written_at, "the same file stays");
    let (files, second) = batch(2);
    folder.publish(&files, second.clone()).expect("publishes");
    let source = Source::Folder(folder.root().to_owned());
    let index: Index = source.json(INDEX_PATH).await.expect("an index");
    assert_eq!(index.batches, [first, second]);
}

#[tokio::test]
async fn a_crash_in_the_middle_is_finished_by_the_next_try() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = Folder::new(place.path().to_owned());
    let (files, entry) = batch(1);
    // What a process leaves that died after the first file, and while it wrote the second.
    folder
        .write(&files[0].path, &files[0].bytes)
        .expect("writes");
    let torn = place.path().join(&files[1].path);
    std::fs::create_dir_all(torn.parent().expect("a folder")).expect("makes");
    std::fs::write(&torn, b"bat").expect("writes");
    assert!(
        !place.path().join(INDEX_PATH).exists(),
        "nothing is known of it"
    );
    folder.publish(&files, entry).expect("publishes");
    assert_eq!(std::fs::read(&torn).expect("reads"), files[1].bytes);
    let source = Source::Folder(place.path().to_owned());
    let index: Index = source.json(INDEX_PATH).await.expect("an index");
    assert_eq!(index.batches.len(), 1);
}

#[test]
fn nothing_is_entered_in_the_index_when_a_file_cannot_be_written() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = Folder::new(place.path().to_owned());
    let (files, entry) = batch(1);
    // A file where a folder must be.
    std::fs::write(place.path().join("batches"), b"").expect("writes");
    let failed = folder
        .publish(&files, entry)
        .expect_err("cannot be written");
    assert!(matches!(failed, RecordError::Write { .. }), "{failed}");
    assert!(!place.path().join(INDEX_PATH).exists());
    let damaged = tempfile::tempdir().expect("a folder");
    std::fs::write(damaged.path().join(INDEX_PATH), b"{").expect("writes");
    let (files, entry) = batch(2);
    let failed = Folder::new(damaged.path().to_owned()).publish(&files, entry);
    let failed = failed.expect_err("a damaged index is not overwritten");
    assert!(matches!(failed, RecordError::Unreadable { .. }), "{failed}");
}

#[tokio::test]
async fn a_path_stays_inside_of_the_folder() {
    for good in ["index.json", "rounds/btc-usd-5m-20240301T0005Z/batch.json"] {
        check_path(good).expect(good);
    }
    let long = "a".repeat(201);
    for bad in [
        "",
        "/etc/passwd",
        "..",
        "../keys/operator.key",
        "rounds/../../keys/operator.key",
        "a//b",
        "rounds/",
        ".new-x",
        "rounds/.new-x",
        "a\\b",
        "a%2e%2e/b",
        "a\0",
        "é",
        &long,
    ] {
        let refused = check_path(bad).expect_err(bad);
        assert!(matches!(refused, RecordError::Path(_)), "{refused}");
        let source = Source::Folder(std::path::PathBuf::from("."));
        assert!(source.bytes(bad).await.is_err(), "{bad}");
    }
    assert!(!is_fixed("index.json") && !is_fixed("rounds/x/batch.json"));
    assert!(is_fixed("rounds/x/0123456789abcdef.json") && is_fixed("batches/0x0/1-1.json"));
}

#[tokio::test]
async fn what_cannot_be_fetched_is_told_apart_from_what_differs() {
    let empty = tempfile::tempdir().expect("a folder");
    let source = Source::Folder(empty.path().to_owned());
    let missing = source.bytes("index.json").await.expect_err("missing");
    assert!(missing.is_unfetchable() && matches!(missing, RecordError::Missing { .. }));
    let nobody = Source::of_server("http://127.0.0.1:9").expect("a source");
    let silent = nobody
        .bytes("index.json")
        .await
        .expect_err("nobody answers");
    assert!(silent.is_unfetchable(), "{silent}");
    assert!(
        matches!(silent, RecordError::Unreachable { .. }),
        "{silent}"
    );
    let other = RecordError::History(String::new());
    assert!(!other.is_unfetchable());
}

#[test]
fn a_receipt_for_another_chain_has_another_signer() {
    let signer = ReceiptSigner::from_secret(&[7; 32], 1, Address::ZERO);
    let signer = signer.expect("a key");
    let round: RoundId = "btc-usd-5m-20240305T1200Z".parse().expect("a round");
    let model: ModelId = "twice-said".parse().expect("a model");
    let submission = Submission {
        round,
        model,
        account: "somebody".parse().expect("an account"),
        said: Said::Open {
            posted: Probability::HALF,
            ask: TokenAmount::from_tokens("1.5").ok(),
        },
        nonce: None,
        received_us: 5,
    };
    let receipt = predictions::receipt_for_tests(&signer, submission, None);
    let own = signer_of(&receipt, 1, Address::ZERO);
    assert_eq!(own, Ok(signer.address()));
    assert_ne!(signer_of(&receipt, 2, Address::ZERO), own);
    assert_ne!(signer_of(&receipt, 1, Address::repeat_byte(1)), own);
    let mut other = receipt.clone();
    other.sequence += 1;
    assert_ne!(signer_of(&other, 1, Address::ZERO), own);
    other.sequence = -1;
    assert!(signer_of(&other, 1, Address::ZERO).is_err());
    let mut other = receipt.clone();
    other.stake_counted = "0.5".to_owned();
    assert_ne!(signer_of(&other, 1, Address::ZERO), own);
    other.stake_counted = "much".to_owned();
    assert!(signer_of(&other, 1, Address::ZERO).is_err());
    let mut other = receipt.clone();
    other.seal = Some(B256::repeat_byte(1).to_string());
    assert_ne!(signer_of(&other, 1, Address::ZERO), own);
    other.seal = Some("0x12".to_owned());
    assert!(signer_of(&other, 1, Address::ZERO).is_err());
    let _: B256 = receipt.hash.parse().expect("a hash");
}
