//! Artifacts on disk, named by their digest. Bounded; the one that was not used for longest goes
//! first. A file is checked again each time it is read: the disk is not trusted either.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use domain::WallClock;

use crate::digest::Digest;

/// A folder of artifacts.
#[derive(Debug)]
pub struct ArtifactCache {
    folder: PathBuf,
    bytes_max: u64,
    next_draft: AtomicU64,
    /// One eviction at a time.
    evicting: Mutex<()>,
}

#[derive(Debug, thiserror::Error)]
#[error("the artifact cache {folder} cannot be used ({source}): name a folder with --cache DIR")]
pub struct CacheError {
    folder: PathBuf,
    source: io::Error,
}

impl ArtifactCache {
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: PathBuf, bytes_max: u64) -> Result<Self, CacheError> {
        if let Err(source) = std::fs::create_dir_all(&folder) {
            return Err(CacheError { folder, source });
        }
        Ok(Self {
            folder,
            bytes_max,
            next_draft: AtomicU64::new(0),
            evicting: Mutex::new(()),
        })
    }

    /// The artifact, when it is here and whole.
    #[must_use]
    pub fn get(&self, digest: Digest, clock: &WallClock) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let bytes = std::fs::read(&path).ok()?;
        if Digest::of(&bytes) != digest {
            tracing::warn!(path = %path.display(), "a cached artifact was damaged; fetching it again");
            drop(std::fs::remove_file(&path));
            return None;
        }
        // Only the order of eviction depends on this.
        drop(touch(&path, clock));
        Some(bytes)
    }

    /// Keeps `bytes`, whose digest was checked. A full or read-only disk costs speed, nothing else.
    pub fn put(&self, digest: Digest, bytes: &[u8], clock: &WallClock) {
        let stored = self.store(digest, bytes, clock).and_then(|()| self.evict());
        if let Err(error) = stored {
            tracing::warn!(%error, folder = %self.folder.display(), "an artifact was not cached");
        }
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{digest}.onnx"))
    }

    fn store(&self, digest: Digest, bytes: &[u8], clock: &WallClock) -> io::Result<()> {
        let number = self.next_draft.fetch_add(1, Ordering::Relaxed);
        let name = format!("draft-{}-{number}", std::process::id());
        let draft = self.folder.join(name);
        let written = std::fs::File::create(&draft)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_data()))
            .and_then(|()| touch(&draft, clock))
            .and_then(|()| std::fs::rename(&draft, self.path(digest)));
        if written.is_err() {
            drop(std::fs::remove_file(&draft));
        }
        written
    }

    fn evict(&self) -> io::Result<()> {
        let _one = self.evicting.lock();
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another runner may share the folder and have removed it.
            if let Ok(facts) = entry.metadata()
                && facts.is_file()
            {
                files.push((facts.modified()?, facts.len(), entry.path()));
            }
        }
        let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
        files.sort();
        for (_, length, path) in files {
            if total <= self.bytes_max {
                break;
            }
            std::fs::remove_file(path)?;
            total = total.saturating_sub(length);
        }
        Ok(())
    }
}

fn touch(path: &Path, clock: &WallClock) -> io::Result<()> {
    let since = Duration::from_micros(clock.now_us().unsigned_abs());
    let file = std::fs::File::options().append(true).open(path)?;
    file.set_modified(SystemTime::UNIX_EPOCH + since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_artifact_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ArtifactCache::open(folder.path().join("a"), 250).unwrap();
        let clock = WallClock::manual(1_000_000);
        let blobs: Vec<Vec<u8>> = (0..3).map(|n| vec![n; 100]).collect();
        let digests: Vec<Digest> = blobs.iter().map(|blob| Digest::of(blob)).collect();
        cache.put(digests[0], &blobs[0], &clock);
        clock.set(2_000_000);
        cache.put(digests[1], &blobs[1], &clock);
        clock.set(3_000_000);
        assert_eq!(cache.get(digests[0], &clock).unwrap(), blobs[0]);
        clock.set(4_000_000);
        cache.put(digests[2], &blobs[2], &clock);
        assert!(cache.get(digests[1], &clock).is_none());
        assert!(cache.get(digests[0], &clock).is_some());
        assert!(cache.get(digests[2], &clock).is_some());
    }

    #[test]
    fn a_damaged_artifact_is_not_given_out() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ArtifactCache::open(folder.path().to_path_buf(), 1_000).unwrap();
        let clock = WallClock::manual(1_000_000);
        let digest = Digest::of(b"model");
        cache.put(digest, b"model", &clock);
        std::fs::write(cache.path(digest), b"other").unwrap();
        assert!(cache.get(digest, &clock).is_none());
        assert!(!cache.path(digest).exists());
    }
}
