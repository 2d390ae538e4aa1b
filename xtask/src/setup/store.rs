//! The folder of fetched tools, `<name>-<version>` each. A tool appears there whole or not at all:
//! it is filled and checked in a staging folder beside its place and then renamed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::project;

const STAGING: &str = ".staging-";

/// A native file of a fetched tool and the digest that it must have.
pub(super) struct PinnedFile {
    /// The tool's folder, `<name>-<version>`.
    pub(super) folder: &'static str,
    pub(super) file: &'static str,
    pub(super) sha256: &'static str,
    /// The variable by which a user names a file of their own instead.
    pub(super) variable: &'static str,
}

pub(super) struct Store {
    root: PathBuf,
}

impl Store {
    pub(super) fn open() -> Result<Store> {
        Store::open_at(project::tools()?)
    }

    fn open_at(root: PathBuf) -> Result<Store> {
        fs::create_dir_all(&root).with_context(|| {
            format!(
                "the folder for fetched tools, {}, cannot be made",
                root.display()
            )
        })?;
        Ok(Store { root })
    }

    /// Waits until no other set-up works at the named thing.
    pub(super) fn lock(&self, name: &str) -> Result<File> {
        let path = self.root.join(format!(".lock-{name}"));
        let lock = File::create(&path).with_context(|| format!("{}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("set-up: another one is making {name}; waiting for it");
                lock.lock()
                    .with_context(|| format!("{} cannot be locked", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("{} cannot be locked", path.display()));
            }
        }
        Ok(lock)
    }

    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Makes the folder `name` unless it is there: fills a staging folder and renames it. The
    /// filling checks what it fetched.
    pub(super) fn ensure(
        &self,
        name: &str,
        is_there: impl Fn() -> Result<bool>,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        if is_there()? {
            return Ok(());
        }
        let _lock = self.lock(name)?;
        // Another set-up may have made it while this one waited.
        if is_there()? {
            return Ok(());
        }
        let place = self.folder(name);
        if place.exists() {
            eprintln!("set-up: {} is damaged; making it again", place.display());
        }
        let staging = self.root.join(format!("{STAGING}{name}"));
        if staging.exists() {
            // An interrupted set-up left it.
            fs::remove_dir_all(&staging)?;
        }
        fs::create_dir_all(&staging)?;
        fill(&staging)?;
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        fs::rename(&staging, &place)
            .with_context(|| format!("{} cannot be put in its place", place.display()))
    }

    /// `ensure` for a tool that is one pinned file.
    pub(super) fn ensure_pinned(
        &self,
        pinned: &PinnedFile,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        self.ensure(
            pinned.folder,
            || self.holds(pinned),
            |staging| {
                fill(staging)?;
                check_and_note(&staging.join(pinned.file), pinned)
            },
        )
    }

    /// Whether the pinned file is there (or named by its variable) with the right digest. A file
    /// whose digest is wrong counts as absent, so that it is fetched again.
    fn holds(&self, pinned: &PinnedFile) -> Result<bool> {
        if let Some(named) = std::env::var_os(pinned.variable).filter(|value| !value.is_empty()) {
            if !Path::new(&named).is_file() {
                bail!(
                    "{} names {}, which is no file; correct it or unset it",
                    pinned.variable,
                    Path::new(&named).display()
                );
            }
            eprintln!("set-up: {} is named by {}", pinned.folder, pinned.variable);
            return Ok(true);
        }
        let path = self.folder(pinned.folder).join(pinned.file);
        if !path.is_file() {
            return Ok(false);
        }
        Ok(sha256_of(&path)? == pinned.sha256)
    }
}

/// Checks a freshly fetched file and writes its digest beside it as `sha256sum` would.
fn check_and_note(path: &Path, pinned: &PinnedFile) -> Result<()> {
    let found = sha256_of(path)?;
    if found != pinned.sha256 {
        bail!(
            "{} has SHA-256 {found}, the pinned one is {}; it is not used. The package client \
             answered with another file: check its mirror, then run `cargo xtask setup` again",
            path.display(),
            pinned.sha256
        );
    }
    let note = path.with_file_name(format!("{}.sha256", pinned.file));
    fs::write(note, format!("{found}  {}\n", pinned.file))?;
    Ok(())
}

/// The SHA-256 of a file, in hexadecimal.
pub(super) fn sha256_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("{}", path.display()))?;
    let mut hash = HashWriter(Sha256::new());
    io::copy(&mut file, &mut hash)?;
    Ok(hexadecimal(&hash.0.finalize()))
}

/// The SHA-256 of bytes, in hexadecimal.
pub(super) fn sha256_of_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct HashWriter(Sha256);

impl Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const PINNED: PinnedFile = PinnedFile {
        folder: "letters-1.0",
        file: "letters",
        sha256: ABC,
        variable: "FORETOKEN_XTASK_TEST_LETTERS",
    };

    fn store(test: &str) -> Store {
        let root = std::env::temp_dir().join(format!("xtask-{test}-{}", std::process::id()));
        drop(fs::remove_dir_all(&root));
        Store::open_at(root).expect("a folder in the temporary folder")
    }

    fn fill(staging: &Path, text: &str) -> Result<()> {
        fs::write(staging.join(PINNED.file), text)?;
        Ok(())
    }

    #[test]
    fn a_tool_appears_only_when_its_digest_is_right() {
        let store = store("digest");
        let refused = store.ensure_pinned(&PINNED, |staging| fill(staging, "abd"));
        assert!(refused.is_err_and(|error| error.to_string().contains("the pinned one is")));
        assert!(!store.folder(PINNED.folder).exists());

        store
            .ensure_pinned(&PINNED, |staging| fill(staging, "abc"))
            .expect("the pinned bytes");
        assert!(store.holds(&PINNED).expect("readable"));
        let note = fs::read_to_string(store.folder(PINNED.folder).join("letters.sha256"));
        assert_eq!(note.expect("a note"), format!("{ABC}  letters\n"));
        fs::remove_dir_all(&store.root).expect("our own folder");
    }

    #[test]
    fn a_damaged_tool_counts_as_absent_and_is_replaced() {
        let store = store("damage");
        store
            .ensure_pinned(&PINNED, |staging| fill(staging, "abc"))
            .expect("the pinned bytes");
        fs::write(store.folder(PINNED.folder).join(PINNED.file), "abx").expect("our own file");
        assert!(!store.holds(&PINNED).expect("readable"));
        store
            .ensure_pinned(&PINNED, |staging| fill(staging, "abc"))
            .expect("the pinned bytes");
        assert!(store.holds(&PINNED).expect("readable"));
        fs::remove_dir_all(&store.root).expect("our own folder");
    }

    #[test]
    fn what_an_interrupted_set_up_left_is_cleared() {
        let store = store("staging");
        let left = store.root.join(".staging-letters-1.0");
        fs::create_dir_all(&left).expect("our own folder");
        fs::write(left.join("half"), "ab").expect("our own file");
        store
            .ensure_pinned(&PINNED, |staging| fill(staging, "abc"))
            .expect("the pinned bytes");
        assert!(!left.exists());
        assert!(!store.folder(PINNED.folder).join("half").exists());
        fs::remove_dir_all(&store.root).expect("our own folder");
    }
}
