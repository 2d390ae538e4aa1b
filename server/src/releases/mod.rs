//! Releases: the published versions of the datasets, in a folder or in an S3-compatible store.
//!
//! Owns the layout of that store: `files/<sha256>` holds a file's bytes under their own digest, so
//! that versions share what did not change, and `versions/<version>.json` is a version's manifest,
//! put last: a version exists once its manifest does, and one that was broken off leaves nothing to
//! see and is completed by the next run. Must never write over or remove what is there.

mod place;

#[cfg(test)]
mod moto;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use datasets::export::Export;
use datasets::manifest::FileEntry;
use datasets::{DatasetError, Manifest, Version};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, PutMode};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// A manifest is some kilobytes for each year; anything larger is not one of ours.
const MANIFEST_LIMIT: u64 = 8 << 20;
/// Manifests kept in memory; they never change.
const KNOWN_LIMIT: usize = 64;

/// Why a verb of releases fails.
#[derive(Debug, Error)]
pub enum ReleaseError {
    /// The store refused or is gone: retry.
    #[error("the store of datasets, {place}: {source}")]
    Storage {
        /// Which store.
        place: String,
        /// What it said.
        source: object_store::Error,
    },
    /// The address of the store is none that can be opened.
    #[error("the datasets cannot be kept at {url:?}: {reason}")]
    Place {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No version has this name.
    #[error("there is no version {0} of the datasets")]
    UnknownVersion(Version),
    /// Bytes that are not what their name says. Nothing is written over them.
    #[error(
        "{object} in {place} does not hold what its name says: compare it with a copy, move it \
         away, and publish again"
    )]
    Damaged {
        /// Which store.
        place: String,
        /// Which object.
        object: String,
    },
    /// Somebody else published the same version at the same time: ask again what is there.
    #[error("version {0} was published by somebody else at this moment; publish again to compare")]
    Raced(Version),
    /// One day was built more often than versions can count.
    #[error("version {0} has no later revision")]
    Exhausted(Version),
    /// The files cannot be described.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

/// The store of published versions.
#[derive(Clone, Debug)]
pub struct Releases {
    store: Arc<dyn ObjectStore>,
    place: String,
    known: Arc<Mutex<BTreeMap<Version, Arc<Release>>>>,
}

/// A published version.
#[derive(Debug)]
pub struct Release {
    /// What it holds.
    pub manifest: Manifest,
    /// The bytes of `manifest.json`.
    pub json: Bytes,
    /// SHA-256 of `json`, hex.
    pub sha256: String,
}

/// What publishing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// This version is new.
    New(Version),
    /// This version holds the same rows already; nothing was written.
    Unchanged(Version),
}

/// Bytes of a file as they are read.
pub type FileStream = BoxStream<'static, Result<Bytes, object_store::Error>>;

impl Releases {
    /// Opens the store at `url` (`s3://bucket/prefix`), or the folder `datasets` in `data_dir`.
    ///
    /// # Errors
    /// [`ReleaseError::Place`] when there is no store to be opened.
    pub fn open(data_dir: &std::path::Path, url: Option<&str>) -> Result<Self, ReleaseError> {
        let (store, place) = place::open(data_dir, url)?;
        Ok(Self {
            store,
            place,
            known: Arc::default(),
        })
    }

    /// Publishes `export` as the next revision of its day, unless the newest revision of that day
    /// holds the same rows. Safe to repeat and to break off at any point.
    ///
    /// # Errors
    /// [`ReleaseError::Damaged`] names an object that is there and holds something else,
    /// [`ReleaseError::Raced`] when another process was faster; storage errors.
    pub async fn publish(&self, mut export: Export) -> Result<Published, ReleaseError> {
        let first = export.manifest.version;
        let versions = self.versions().await?;
        let latest = versions.into_iter().find(|one| one.is_revision_of(first));
        if let Some(latest) = latest {
            let published = self.release(latest).await?;
            if published.manifest.content_sha256 == export.manifest.content_sha256 {
                return Ok(Published::Unchanged(latest));
            }
            let next = latest.next_revision();
            export.manifest.version = next.ok_or(ReleaseError::Exhausted(latest))?;
        }
        for (file, entry) in export.files.iter().zip(&export.manifest.files) {
            self.keep(&file_path(&entry.sha256), &file.bytes, &entry.sha256)
                .await?;
        }
        let version = export.manifest.version;
        let json = export.manifest_json()?;
        let path = manifest_path(version);
        if self.create(&path, Bytes::from(json)).await? {
            Ok(Published::New(version))
        } else {
            Err(ReleaseError::Raced(version))
        }
    }

    /// All versions, newest first.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn versions(&self) -> Result<Vec<Version>, ReleaseError> {
        let folder = Path::from("versions");
        let listed = self.store.list(Some(&folder)).try_collect::<Vec<_>>();
        let listed = listed.await.map_err(|source| self.failed(source))?;
        let name = |path: &Path| path.filename()?.strip_suffix(".json")?.parse().ok();
        let mut versions: Vec<Version> = listed
            .iter()
            .filter_map(|object| name(&object.location))
            .collect();
        versions.sort_unstable_by(|a, b| b.cmp(a));
        Ok(versions)
    }

    /// The newest version; none before the first was published.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn newest(&self) -> Result<Option<Arc<Release>>, ReleaseError> {
        let versions = self.versions().await?;
        match versions.first() {
            Some(newest) => self.release(*newest).await.map(Some),
            None => Ok(None),
        }
    }

    /// One version.
    ///
    /// # Errors
    /// [`ReleaseError::UnknownVersion`] when it was not published; storage errors.
    pub async fn release(&self, version: Version) -> Result<Arc<Release>, ReleaseError> {
        if let Some(known) = self.known().get(&version) {
            return Ok(Arc::clone(known));
        }
        let path = manifest_path(version);
        let damaged = || self.damaged(&path);
        let found = self.get(&path, None).await?;
        let found = found.ok_or(ReleaseError::UnknownVersion(version))?;
        if found.meta.size > MANIFEST_LIMIT {
            return Err(damaged());
        }
        let json = found.bytes().await.map_err(|source| self.failed(source))?;
        let manifest: Manifest = serde_json::from_slice(&json).map_err(|_| damaged())?;
        if manifest.version != version {
            return Err(damaged());
        }
        let release = Arc::new(Release {
            sha256: hex::encode(Sha256::digest(&json)),
            manifest,
            json,
        });
        let mut known = self.known();
        known.insert(version, Arc::clone(&release));
        while known.len() > KNOWN_LIMIT {
            known.pop_first();
        }
        Ok(release)
    }

    /// Reads `range`, which is not empty and lies within the file.
    ///
    /// # Errors
    /// [`ReleaseError::Damaged`] when the object is missing or has another size than the manifest
    /// says; storage errors.
    pub async fn read(
        &self,
        file: &FileEntry,
        range: Range<u64>,
    ) -> Result<FileStream, ReleaseError> {
        let path = file_path(&file.sha256);
        let found = self.get(&path, Some(GetRange::Bounded(range))).await?;
        match found {
            Some(found) if found.meta.size == file.bytes as u64 => Ok(found.into_stream()),
            _ => Err(self.damaged(&path)),
        }
    }

    /// The whole of a file that is a few kilobytes.
    ///
    /// # Errors
    /// As [`Self::read`]; [`ReleaseError::Damaged`] also when it is larger than any such file.
    pub async fn small_file(&self, file: &FileEntry) -> Result<Vec<u8>, ReleaseError> {
        let length = file.bytes as u64;
        if length > MANIFEST_LIMIT {
            return Err(self.damaged(&file_path(&file.sha256)));
        }
        let stream = self.read(file, 0..length).await?;
        let chunks: Vec<Bytes> = stream
            .try_collect()
            .await
            .map_err(|source| self.failed(source))?;
        Ok(chunks.concat())
    }

    /// Puts bytes under their digest unless they are there; what is there is read and compared.
    async fn keep(&self, path: &Path, bytes: &[u8], sha256: &str) -> Result<(), ReleaseError> {
        // At most twice: once more when another process put the object in between.
        for _ in 0..2 {
            if let Some(found) = self.digest_of(path).await? {
                return if found == sha256 {
                    Ok(())
                } else {
                    Err(self.damaged(path))
                };
            }
            if self.create(path, Bytes::copy_from_slice(bytes)).await? {
                return Ok(());
            }
        }
        Err(self.damaged(path))
    }

    async fn digest_of(&self, path: &Path) -> Result<Option<String>, ReleaseError> {
        let Some(found) = self.get(path, None).await? else {
            return Ok(None);
        };
        let mut digest = Sha256::new();
        let mut stream = found.into_stream();
        while let Some(chunk) = stream.next().await {
            digest.update(chunk.map_err(|source| self.failed(source))?);
        }
        Ok(Some(hex::encode(digest.finalize())))
    }

    /// Whether the object was made; false when there is one already.
    async fn create(&self, path: &Path, bytes: Bytes) -> Result<bool, ReleaseError> {
        let put = self
            .store
            .put_opts(path, bytes.into(), PutMode::Create.into());
        match put.await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(self.failed(source)),
        }
    }

    async fn get(
        &self,
        path: &Path,
        range: Option<GetRange>,
    ) -> Result<Option<object_store::GetResult>, ReleaseError> {
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        match self.store.get_opts(path, options).await {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.failed(source)),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<Version, Arc<Release>>> {
        // What is kept never changes, so a panic elsewhere leaves it good.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: object_store::Error) -> ReleaseError {
        let place = self.place.clone();
        ReleaseError::Storage { place, source }
    }

    fn damaged(&self, path: &Path) -> ReleaseError {
        ReleaseError::Damaged {
            place: self.place.clone(),
            object: path.to_string(),
        }
    }
}

fn file_path(sha256: &str) -> Path {
    Path::from_iter(["files", sha256])
}

fn manifest_path(version: Version) -> Path {
    Path::from_iter(["versions".to_owned(), format!("{version}.json")])
}
