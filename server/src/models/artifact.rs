//! Artifact files: named by their SHA-256, whole or absent, never changed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

use super::{ARTIFACT_LIMIT, ModelError};

/// A stored artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// SHA-256 of its bytes, hexadecimal.
    pub digest: String,
    /// Its length.
    pub size_bytes: u64,
}

/// An artifact on its way in, written to a temporary file chunk by chunk. Dropped before
/// [`Incoming::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    directory: PathBuf,
    path: TemporaryPath,
    file: File,
    hasher: Sha256,
    size_bytes: u64,
}

/// Removes the file when it is dropped.
#[derive(Debug)]
struct TemporaryPath(PathBuf);

impl Drop for TemporaryPath {
    fn drop(&mut self) {
        // After the rename there is nothing to remove; a file that stays costs space only.
        let _ = std::fs::remove_file(&self.0);
    }
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Incoming {
    /// Begins a file in `artifacts_dir`, which is made when it is missing.
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub async fn begin(artifacts_dir: &Path) -> Result<Self, ModelError> {
        fs::create_dir_all(artifacts_dir).await?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!(".incoming-{}-{number}", std::process::id());
        let path = TemporaryPath(artifacts_dir.join(name));
        let file = File::create(&path.0).await?;
        Ok(Self {
            directory: artifacts_dir.to_owned(),
            path,
            file,
            hasher: Sha256::new(),
            size_bytes: 0,
        })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`ModelError::ArtifactTooLarge`], or when the disk refuses.
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), ModelError> {
        self.size_bytes = self.size_bytes.saturating_add(chunk.len() as u64);
        if self.size_bytes > ARTIFACT_LIMIT {
            return Err(ModelError::ArtifactTooLarge);
        }
        self.hasher.update(chunk);
        self.file.write_all(chunk).await?;
        Ok(())
    }

    /// Syncs the file and gives it its name; afterwards it survives a power loss.
    ///
    /// # Errors
    /// [`ModelError::EmptyArtifact`], or when the disk refuses.
    pub async fn finish(mut self) -> Result<Artifact, ModelError> {
        if self.size_bytes == 0 {
            return Err(ModelError::EmptyArtifact);
        }
        self.file.flush().await?;
        self.file.sync_all().await?;
        let digest = hex::encode(self.hasher.finalize());
        fs::rename(&self.path.0, artifact_path(&self.directory, &digest)).await?;
        // The name is durable once the folder is synced.
        File::open(&self.directory).await?.sync_all().await?;
        Ok(Artifact {
            digest,
            size_bytes: self.size_bytes,
        })
    }
}

/// Stores `bytes` at once.
///
/// # Errors
/// When they break the size limit or the disk refuses.
pub async fn store_artifact(artifacts_dir: &Path, bytes: &[u8]) -> Result<Artifact, ModelError> {
    let mut incoming = Incoming::begin(artifacts_dir).await?;
    incoming.write(bytes).await?;
    incoming.finish().await
}

/// The folder of artifacts in a data directory.
#[must_use]
pub fn artifacts_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("artifacts")
}

/// Where the artifact of a digest lies. `digest` must be a stored digest, never a text of a
/// request.
#[must_use]
pub fn artifact_path(artifacts_dir: &Path, digest: &str) -> PathBuf {
    artifacts_dir.join(format!("{digest}.onnx"))
}
