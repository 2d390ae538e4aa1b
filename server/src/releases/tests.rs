//! Publishing into a folder: nothing is rewritten, nothing is half visible.

use std::collections::BTreeMap;
use std::path::Path as Folder;

use datasets::export::ExportFile;
use datasets::manifest::DATASET_VERSION;
use domain::timestamp::parse_rfc3339;

use super::*;

/// A small version of the day of `at`, whose files say `words`.
pub(super) fn export(at: &str, words: &[(&str, &str)]) -> Export {
    let files: Vec<ExportFile> = words
        .iter()
        .map(|(path, words)| ExportFile {
            path: (*path).to_owned(),
            bytes: words.as_bytes().to_vec(),
        })
        .collect();
    let entries = files.iter().map(|file| FileEntry {
        path: file.path.clone(),
        bytes: file.bytes.len(),
        sha256: hex::encode(Sha256::digest(&file.bytes)),
        rows: None,
    });
    let manifest = Manifest {
        name: "direction-5m".into(),
        version: Version::of_day(parse_rfc3339(at).expect("a moment")),
        feature_schema_version: 1,
        cut: at.into(),
        rows: 0,
        from: at.into(),
        to: at.into(),
        embargo_bars: 288,
        source: "a test".into(),
        columns: vec![],
        content_sha256: hex::encode(Sha256::digest(format!("{words:?}"))),
        files: entries.collect(),
    };
    Export { manifest, files }
}

pub(super) fn version(text: &str) -> Version {
    let full = format!("{DATASET_VERSION}-{text}");
    full.parse().expect("a version")
}

/// Everything in the store: path and content.
fn all(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let content = std::fs::read(&path).expect("readable");
                found.insert(path.display().to_string(), content);
            }
        }
    }
    found
}

pub(super) async fn read(releases: &Releases, of: Version, path: &str) -> String {
    let release = releases.release(of).await.expect("published");
    let mut files = release.manifest.files.iter();
    let file = files.find(|file| file.path == path).expect("listed");
    let bytes = releases.small_file(file).await.expect("readable");
    String::from_utf8(bytes).expect("text")
}

/// The checks that every store must pass: order, revisions, sharing, reading.
pub(super) async fn publishes_without_rewriting(releases: &Releases) {
    assert!(releases.newest().await.expect("listed").is_none());
    let january = ("btc/train/2024-01.parquet", "january");
    let first = export("2024-03-04T23:55:00Z", &[january, ("a.json", "one")]);
    let second = export("2024-03-05T23:55:00Z", &[january, ("a.json", "two")]);
    let corrected = export("2024-03-05T23:55:00Z", &[january, ("a.json", "three")]);
    let (march4, march5) = (version("20240304"), version("20240305"));
    let revised = version("20240305-r2");
    for (what, expected) in [
        (&second, Published::New(march5)),
        (&first, Published::New(march4)),
        (&second, Published::Unchanged(march5)),
        (&corrected, Published::New(revised)),
        (&corrected, Published::Unchanged(revised)),
    ] {
        let published = releases.publish(what.clone()).await;
        assert_eq!(published.expect("published"), expected);
    }
    let versions = releases.versions().await.expect("listed");
    assert_eq!(versions, [revised, march5, march4]);
    for (of, words) in [(march4, "one"), (march5, "two"), (revised, "three")] {
        assert_eq!(read(releases, of, "a.json").await, words);
        assert_eq!(read(releases, of, january.0).await, "january");
    }
    let newest = releases.newest().await.expect("listed").expect("there");
    assert_eq!(newest.manifest.version, revised);
    let entry = &newest.manifest.files[0];
    let chunks = releases.read(entry, 2..5).await.expect("readable");
    let part: Vec<Bytes> = chunks.try_collect().await.expect("read");
    assert_eq!(part.concat(), b"nua");
    let unknown = releases.release(version("20240306")).await;
    assert!(matches!(unknown, Err(ReleaseError::UnknownVersion(_))));
}

#[tokio::test]
async fn a_folder_is_a_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let releases = Releases::open(folder.path(), None).expect("opened");
    publishes_without_rewriting(&releases).await;
    // Three manifests; the month once, and the other file in three forms.
    assert_eq!(all(folder.path()).len(), 7);
    let again = Releases::open(folder.path(), None).expect("opened again");
    let published = again.versions().await.expect("listed");
    assert_eq!(published, releases.versions().await.expect("listed"));
}

#[tokio::test]
async fn a_run_that_broke_off_is_invisible_and_the_next_completes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let releases = Releases::open(folder.path(), None).expect("opened");
    let whole = export("2024-03-05T23:55:00Z", &[("a", "one"), ("b", "two")]);
    let entry = &whole.manifest.files[0];
    let path = file_path(&entry.sha256);
    let kept = releases.keep(&path, &whole.files[0].bytes, &entry.sha256);
    kept.await.expect("the first file of two");
    assert!(releases.newest().await.expect("listed").is_none());
    let before = all(folder.path());
    let published = releases.publish(whole).await.expect("completed");
    assert_eq!(published, Published::New(version("20240305")));
    let after = all(folder.path());
    assert_eq!(after.len(), 3);
    assert!(before.iter().all(|(path, bytes)| after[path] == *bytes));
}

#[tokio::test]
async fn what_is_there_and_wrong_is_named_and_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let releases = Releases::open(folder.path(), None).expect("opened");
    let whole = export("2024-03-05T23:55:00Z", &[("a", "one")]);
    let sha256 = whole.manifest.files[0].sha256.clone();
    let wrong = folder.path().join("datasets/files").join(&sha256);
    std::fs::create_dir_all(wrong.parent().expect("a folder")).expect("made");
    std::fs::write(&wrong, "on").expect("written");
    let refused = releases.publish(whole.clone()).await.expect_err("damaged");
    assert!(refused.to_string().contains(&sha256), "{refused}");
    assert_eq!(std::fs::read(&wrong).expect("there"), b"on");
    assert!(releases.versions().await.expect("listed").is_empty());

    std::fs::remove_file(&wrong).expect("moved away");
    releases.publish(whole.clone()).await.expect("published");
    std::fs::write(&wrong, "longer").expect("damaged later");
    let file = &whole.manifest.files[0];
    let refused = releases.read(file, 0..3).await.err().expect("another size");
    assert!(matches!(refused, ReleaseError::Damaged { .. }), "{refused}");
}

#[tokio::test]
async fn a_manifest_under_a_wrong_name_is_no_version() {
    let folder = tempfile::tempdir().expect("a folder");
    let releases = Releases::open(folder.path(), None).expect("opened");
    let whole = export("2024-03-05T23:55:00Z", &[("a", "one")]);
    releases.publish(whole).await.expect("published");
    let place = folder.path().join("datasets/versions");
    let name = |day: &str| place.join(format!("{}.json", version(day)));
    std::fs::copy(name("20240305"), name("20240306")).expect("copied");
    std::fs::write(place.join("notes.txt"), "x").expect("written");
    std::fs::write(name("20240307"), "{").expect("written");
    for day in ["20240306", "20240307"] {
        let refused = releases.release(version(day)).await.expect_err("damaged");
        assert!(matches!(refused, ReleaseError::Damaged { .. }), "{refused}");
    }
    assert_eq!(releases.versions().await.expect("listed").len(), 3);
}

#[test]
fn an_address_that_cannot_be_a_store_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for url in [
        "https://x/y",
        "s3:/bucket",
        "s3://",
        "s3://a@b/c",
        "s3://b/../c",
        "folder",
    ] {
        let refused = Releases::open(folder.path(), Some(url)).expect_err("refused");
        assert!(matches!(refused, ReleaseError::Place { .. }), "{url}");
    }
}
