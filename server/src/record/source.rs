//! Where a record is read from: a folder, or any server that serves such a folder.

use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::RecordError;

/// No file of a record is larger; what is larger is not read on.
pub(super) const MOST_BYTES: usize = 64 * 1_024 * 1_024;
/// A server that takes longer counts as unreachable.
const LIMIT: Duration = Duration::from_secs(30);

/// A record to read.
#[derive(Clone, Debug)]
pub enum Source {
    /// A copy of the record on this computer.
    Folder(PathBuf),
    /// A server; the address of the record's folder, without a slash at the end.
    Server {
        /// `http://…/record`.
        base: String,
        /// Asks.
        client: reqwest::Client,
    },
}

impl Source {
    /// The record of a foretoken server: `<server>/record`.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn of_server(server: &str) -> Result<Self, RecordError> {
        let base = format!("{}/record", server.trim_end_matches('/'));
        let client = reqwest::Client::builder()
            .timeout(LIMIT)
            .no_proxy()
            .build()
            .map_err(|error| RecordError::Unreachable {
                place: base.clone(),
                path: String::new(),
                why: error.to_string(),
            })?;
        Ok(Self::Server { base, client })
    }

    /// Where it is, for people.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Server { base, .. } => base.clone(),
        }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// [`RecordError::Missing`], [`RecordError::Unreachable`], [`RecordError::Path`].
    pub async fn bytes(&self, path: &str) -> Result<Vec<u8>, RecordError> {
        check_path(path)?;
        match self {
            Self::Folder(folder) => self.read_from_folder(folder.join(path), path).await,
            Self::Server { base, client } => {
                let asked = client.get(format!("{base}/{path}")).send().await;
                let answer = asked.map_err(|error| self.unreachable(path, &error))?;
                if answer.status() == reqwest::StatusCode::NOT_FOUND {
                    return Err(self.missing(path));
                }
                let mut answer = answer
                    .error_for_status()
                    .map_err(|error| self.unreachable(path, &error))?;
                let mut bytes = Vec::new();
                while let Some(chunk) = answer
                    .chunk()
                    .await
                    .map_err(|error| self.unreachable(path, &error))?
                {
                    bytes.extend_from_slice(&chunk);
                    if bytes.len() > MOST_BYTES {
                        return Err(self.unreachable(path, &"it is larger than any such file"));
                    }
                }
                Ok(bytes)
            }
        }
    }

    /// A file that is read as JSON.
    ///
    /// # Errors
    /// As [`Source::bytes`], and [`RecordError::Unreadable`].
    pub async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, RecordError> {
        let bytes = self.bytes(path).await?;
        serde_json::from_slice(&bytes).map_err(|error| RecordError::Unreadable {
            path: path.to_owned(),
            why: error.to_string(),
        })
    }

    async fn read_from_folder(&self, file: PathBuf, path: &str) -> Result<Vec<u8>, RecordError> {
        let read = tokio::task::spawn_blocking(move || {
            let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
            let mut bytes = Vec::new();
            std::fs::File::open(file)?
                .take(most)
                .read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        })
        .await;
        match read {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) if is_no_file(error.kind()) => Err(self.missing(path)),
            Ok(Err(error)) => Err(self.unreachable(path, &error)),
            Err(error) => Err(self.unreachable(path, &error)),
        }
    }

    fn missing(&self, path: &str) -> RecordError {
        RecordError::Missing {
            place: self.place(),
            path: path.to_owned(),
        }
    }

    fn unreachable(&self, path: &str, why: &dyn std::fmt::Display) -> RecordError {
        RecordError::Unreachable {
            place: self.place(),
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}

/// Nothing there, a folder, or a file where the path has a folder.
fn is_no_file(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::NotADirectory
    )
}

/// Refuses what could lead out of the folder: only letters, digits, `-`, `_`, and `.` inside names.
pub(super) fn check_path(path: &str) -> Result<(), RecordError> {
    let is_plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    if path.len() <= 200 && path.split('/').all(is_plain) {
        return Ok(());
    }
    Err(RecordError::Path(path.chars().take(200).collect()))
}
