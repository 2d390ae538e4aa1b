//! A folder for one benchmark's files, below the target folder. It goes when it is dropped, also
//! after an error.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub(super) struct Scratch {
    root: PathBuf,
}

impl Scratch {
    /// Makes `<folder>/bench-<name>-<process>`, empty.
    pub(super) fn new(folder: &Path, name: &str) -> Result<Scratch> {
        let root = folder.join(format!("bench-{name}-{}", std::process::id()));
        if root.exists() {
            // A killed run whose process had the same number left it.
            fs::remove_dir_all(&root).with_context(|| format!("{}", root.display()))?;
        }
        make(&root)?;
        Ok(Scratch { root })
    }

    /// Makes an empty folder in it.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.join(name);
        make(&folder)?;
        Ok(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.root) {
            eprintln!(
                "bench: the scratch folder {} stays: {error}",
                self.root.display()
            );
        }
    }
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("the scratch folder {} cannot be made", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_goes_with_its_owner() {
        let scratch = Scratch::new(&std::env::temp_dir(), "scratch-test").expect("a folder");
        let inner = scratch.folder("inner").expect("a folder");
        fs::write(inner.join("file"), "a").expect("our own file");
        let root = scratch.root.clone();
        drop(scratch);
        assert!(!root.exists());
    }
}
