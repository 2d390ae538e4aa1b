//! The same store in S3: moto's server on a free port, from the pinned environment of the set-up.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::prefix::PrefixStore;

use super::tests::{export, publishes_without_rewriting, version};
use super::*;

/// The list from which the set-up makes the environment, whose folder is named by its digest.
const REQUIREMENTS: &[u8] = include_bytes!("../../../tests/requirements-moto.txt");
/// Of 50 ms and more: two minutes.
const LOOKS: usize = 2_400;

/// A running server; ended when dropped.
struct Moto {
    child: Child,
    endpoint: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = cache.or(home).expect("XDG_CACHE_HOME or HOME is set");
    let digest = hex::encode(Sha256::digest(REQUIREMENTS));
    let folder = cache
        .join("foretoken/tools")
        .join(format!("python-{}", &digest[..16]));
    let program = folder.join("bin/moto_server");
    assert!(
        program.is_file(),
        "{} is missing: run `cargo xtask setup tests`",
        program.display()
    );
    program
}

impl Moto {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let child = Command::new(program())
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        let mut moto = Self {
            child,
            endpoint: format!("http://127.0.0.1:{port}"),
        };
        moto.make_bucket().await;
        moto
    }

    /// A bucket is made by a plain PUT of its name; that it succeeds says that the server is up.
    async fn make_bucket(&mut self) {
        let client = reqwest::Client::new();
        for _ in 0..LOOKS {
            let made = client.put(format!("{}/releases", self.endpoint)).send();
            if made.await.is_ok_and(|made| made.status().is_success()) {
                return;
            }
            let ended = self.child.try_wait().expect("can be asked");
            assert!(ended.is_none(), "moto_server ended: {ended:?}");
            crate::wall::pause(Duration::from_millis(50)).await;
        }
        panic!("moto_server makes no bucket");
    }

    /// As [`place`] opens a bucket, with the `AWS_…` variables as arguments: a test process has one
    /// environment for all its threads.
    fn releases(&self, prefix: &str) -> Releases {
        let store = AmazonS3Builder::new()
            .with_bucket_name("releases")
            .with_endpoint(&self.endpoint)
            .with_allow_http(true)
            .with_region("us-east-1")
            .with_access_key_id("test")
            .with_secret_access_key("test");
        let store = store.build().expect("a store");
        Releases {
            store: Arc::new(PrefixStore::new(store, prefix)),
            place: format!("s3://releases/{prefix}"),
            known: Arc::default(),
        }
    }
}

#[tokio::test]
async fn a_bucket_is_a_store() {
    let moto = Moto::start().await;
    let releases = moto.releases("some/where");
    publishes_without_rewriting(&releases).await;

    // Another process finds what was published, and another prefix nothing.
    let again = moto.releases("some/where");
    let newest = again.newest().await.expect("listed").expect("there");
    assert_eq!(newest.manifest.version, version("20240305-r2"));
    let elsewhere = moto.releases("elsewhere");
    assert!(elsewhere.newest().await.expect("listed").is_none());

    // What is there is never written over, whatever it is.
    let next = export("2024-03-06T23:55:00Z", &[("a", "four")]);
    let path = file_path(&next.manifest.files[0].sha256);
    let wrong = releases.create(&path, Bytes::from_static(b"five")).await;
    assert!(wrong.expect("made"));
    let once_more = releases.create(&path, Bytes::from_static(b"six")).await;
    assert!(!once_more.expect("asked"), "an object was written over");
    let refused = releases.publish(next).await.expect_err("damaged");
    assert!(matches!(refused, ReleaseError::Damaged { .. }), "{refused}");
    let found = releases.get(&path, None).await.expect("asked");
    let bytes = found.expect("there").bytes().await.expect("read");
    assert_eq!(bytes, "five");
    assert_eq!(releases.versions().await.expect("listed").len(), 3);
}
