//! The folder that the record is published from. A file is there whole or not at all, also after
//! a crash: written beside its place, made durable, then renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::RecordError;
use super::format::{INDEX_PATH, Index, IndexEntry, bytes_of};
use super::source::{MOST_BYTES, check_path};

/// The public record's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

/// A file to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFile {
    /// Relative to the record's folder.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Folder {
    /// The record in this folder; it is made with the first file.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Publishes the files in their order, then enters the batch in the index: whoever finds the
    /// batch there finds all of it. What is there with the same bytes stays untouched.
    ///
    /// # Errors
    /// [`RecordError::Write`] when a file is not durable, [`RecordError::Unreadable`] when the
    /// index was damaged.
    pub fn publish(&self, files: &[RecordFile], entry: IndexEntry) -> Result<(), RecordError> {
        for file in files {
            self.write(&file.path, &file.bytes)?;
        }
        let mut index = self.index()?;
        index.batches.retain(|one| {
            (one.vault, one.seq, one.attempt) != (entry.vault, entry.seq, entry.attempt)
        });
        index.batches.push(entry);
        index.batches.sort();
        let bytes = bytes_of(&index).map_err(|error| unreadable(INDEX_PATH, &error))?;
        self.write(INDEX_PATH, &bytes)
    }

    fn index(&self) -> Result<Index, RecordError> {
        match fs::read(self.root.join(INDEX_PATH)) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| unreadable(INDEX_PATH, &error))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Index::default()),
            Err(source) => Err(RecordError::Write {
                path: INDEX_PATH.to_owned(),
                source,
            }),
        }
    }

    /// Writes one file durably, unless it is there with the same bytes.
    ///
    /// # Errors
    /// [`RecordError::Write`], [`RecordError::Path`].
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<(), RecordError> {
        check_path(path)?;
        self.write_durably(path, bytes)
            .map_err(|source| RecordError::Write {
                path: path.to_owned(),
                source,
            })
    }

    fn write_durably(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > MOST_BYTES {
            return Err(io::Error::other(
                "it is larger than a file of a record may be",
            ));
        }
        let place = self.root.join(path);
        let folder = place.parent().unwrap_or(&self.root);
        self.make_durable_folder(folder)?;
        if fs::read(&place).is_ok_and(|there| there == bytes) {
            // It may have been renamed by a process that died before the folder was durable.
            return File::open(folder)?.sync_all();
        }
        let mut fresh = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(folder)?;
        fresh.write_all(bytes)?;
        // A web server of another user reads it.
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fresh.as_file().set_permissions(readable)?;
        fresh.as_file().sync_all()?;
        fresh.persist(&place).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }

    /// Makes the folder and those above it, each durable in the one that holds it.
    fn make_durable_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder
            .parent()
            .filter(|above| !above.as_os_str().is_empty())
        {
            self.make_durable_folder(above)?;
            match fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => return File::open(above)?.sync_all(),
            }
        }
        fs::create_dir_all(folder)
    }
}

fn unreadable(path: &str, why: &dyn std::fmt::Display) -> RecordError {
    RecordError::Unreadable {
        path: path.to_owned(),
        why: why.to_string(),
    }
}
