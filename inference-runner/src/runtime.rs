//! Finding ONNX Runtime, the pinned shared library. It is only read here, for its digest; the
//! child alone loads it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// The pinned release.
pub const VERSION: &str = "1.31.1";

/// The environment variable that names the library.
pub const VARIABLE: &str = "FORETOKEN_ORT";

const FILE: &str = "libonnxruntime.so.1.31.1";

/// A library file that was there and could be read.
#[derive(Clone, Debug)]
pub struct Runtime {
    pub path: PathBuf,
    pub digest: Digest,
}

#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error(
        "ONNX Runtime {VERSION} was not found at {path} ({source}): run `cargo xtask setup demo`, \
         or name the library with --ort PATH or {VARIABLE}=PATH"
    )]
    Missing {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "ONNX Runtime {VERSION} was not found: neither XDG_CACHE_HOME nor HOME is set; name the \
         library with --ort PATH or {VARIABLE}=PATH (`cargo xtask setup demo` fetches it)"
    )]
    NoHome,
}

impl Runtime {
    /// The library named by `flag`, else by `FORETOKEN_ORT`, else the one that the set-up fetched.
    ///
    /// # Errors
    /// When there is no readable file at that place.
    pub fn find(
        flag: Option<&Path>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, RuntimeError> {
        let named = flag
            .map(Path::to_path_buf)
            .or_else(|| variable(VARIABLE).map(PathBuf::from));
        let path = match named {
            Some(path) => path,
            None => cache_folder(variable)
                .ok_or(RuntimeError::NoHome)?
                .join(format!("tools/onnxruntime-{VERSION}"))
                .join(FILE),
        };
        match std::fs::canonicalize(&path).and_then(|real| Ok((std::fs::read(&real)?, real))) {
            Ok((bytes, real)) => Ok(Self {
                path: real,
                digest: Digest::of(&bytes),
            }),
            Err(source) => Err(RuntimeError::Missing { path, source }),
        }
    }

    /// For the server: version and digest.
    #[must_use]
    pub fn description(&self) -> String {
        format!("onnxruntime {VERSION} sha256:{}", self.digest)
    }
}

/// `${XDG_CACHE_HOME:-~/.cache}/foretoken`.
#[must_use]
pub fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = variable("XDG_CACHE_HOME").filter(|value| !value.is_empty());
    let folder = match named {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(variable("HOME")?).join(".cache"),
    };
    Some(folder.join("foretoken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<OsString> {
        None
    }

    #[test]
    fn a_missing_library_names_the_remedy() {
        let flag = Path::new("/nowhere/libonnxruntime.so");
        let message = Runtime::find(Some(flag), none).unwrap_err().to_string();
        for part in [
            "/nowhere/libonnxruntime.so",
            VARIABLE,
            "cargo xtask setup demo",
        ] {
            assert!(message.contains(part), "{message}");
        }
        let homeless = Runtime::find(None, none).unwrap_err().to_string();
        assert!(homeless.contains("cargo xtask setup demo"), "{homeless}");
    }

    #[test]
    fn the_flag_goes_before_the_variable_and_the_variable_before_the_cache() {
        let set = |name: &str| (name == VARIABLE).then(|| OsString::from("/from/variable"));
        let by_flag = Runtime::find(Some(Path::new("/from/flag")), set).unwrap_err();
        assert!(by_flag.to_string().contains("/from/flag"));
        let by_variable = Runtime::find(None, set).unwrap_err();
        assert!(by_variable.to_string().contains("/from/variable"));
        let home = |name: &str| (name == "HOME").then(|| OsString::from("/from/home"));
        let by_home = Runtime::find(None, home).unwrap_err().to_string();
        let place = "/from/home/.cache/foretoken/tools/onnxruntime-1.31.1/libonnxruntime.so.1.31.1";
        assert!(by_home.contains(place), "{by_home}");
    }
}
