//! Banned words and names, absolute paths, registry addresses and secrets.

use super::Complaints;
use super::rust::RustFile;

const BANNED_WORDS: [&str; 5] = ["TODO", "FIXME", "XXX", "todo!", "dbg!"];
const BANNED_NAMES: [&str; 8] = [
    "utils", "util", "manager", "managers", "common", "helper", "helpers", "misc",
];
const FOLDERS_OF_ONE_MACHINE: [&str; 4] = ["/home/", "/root/", "/work/", "/Users/"];
const REGISTRIES: [&str; 10] = [
    "registry.npmjs.org",
    "registry.yarnpkg.com",
    "pypi.org/simple",
    "files.pythonhosted.org",
    "static.crates.io",
    "index.crates.io",
    "crates.io-index",
    "crates.io/api",
    "deb.debian.org",
    "artifactory",
];

/// Words that say that something is unfinished.
pub(super) fn banned_words(text: &str) -> Complaints {
    find(text, |line| {
        let found = BANNED_WORDS.iter().find(|word| has_word(line, word))?;
        Some(format!("`{found}`: finish it or leave it out"))
    })
}

/// Names that say nothing, in the path of a file.
pub(super) fn banned_names(path: &str) -> Complaints {
    let parts = path
        .split('/')
        .map(|part| part.split('.').next().unwrap_or(part));
    parts
        .filter_map(vague_part)
        .map(|name| (0, vague_name(name)))
        .collect()
}

/// What a Rust file may not contain whatever it is about.
pub(super) fn rust_words(path: &str, rust: &RustFile) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, line) in &rust.modules {
        complaints.extend(vague_part(name).map(|vague| (*line, vague_name(vague))));
    }
    let ignored = rust.ignored_tests.iter();
    complaints.extend(ignored.map(|line| (*line, "a test that is not run is no test".to_owned())));
    if !is_test_file(path) {
        let message = "`.unwrap()` outside tests: return an error or `expect` with the reason";
        complaints.extend(rust.unwraps.iter().map(|line| (*line, message.to_owned())));
    }
    complaints
}

/// A module opens with what it owns and what it must never do.
pub(super) fn header(path: &str, text: &str) -> Complaints {
    if is_test_file(path) || text.starts_with("//!") {
        return Complaints::new();
    }
    vec![(1, "a module opens with `//!` and what it owns".to_owned())]
}

/// Folders that exist on one machine only.
pub(super) fn absolute_paths(text: &str) -> Complaints {
    find(text, |line| {
        let is_absolute = |folder: &&&str| {
            line.match_indices(**folder).any(|(at, _)| {
                // A longer path such as `target/work/` is a relative one.
                let before = line[..at].chars().next_back();
                !before.is_some_and(|sign| sign.is_alphanumeric() || "_-.~}*>)$".contains(sign))
            })
        };
        let found = FOLDERS_OF_ONE_MACHINE.iter().find(is_absolute)?;
        Some(format!("`{found}…` is a path of one machine"))
    })
}

/// Registries are named by the configuration of the package clients alone.
pub(super) fn registry_addresses(text: &str) -> Complaints {
    find(text, |line| {
        let found = REGISTRIES
            .iter()
            .find(|registry| line.contains(**registry))?;
        Some(format!(
            "`{found}`: which registry is used is the package client's configuration"
        ))
    })
}

/// Key blocks and access keys.
pub(super) fn secrets(text: &str) -> Complaints {
    find(text, |line| {
        let is_block = line.contains("-----BEGIN") && line.contains("PRIVATE KEY-----");
        let is_access_key =
            [("AKIA", 16), ("ghp_", 36), ("npm_", 36)]
                .iter()
                .any(|(prefix, length)| {
                    line.match_indices(prefix).any(|(at, _)| {
                        let rest = line[at + prefix.len()..].chars();
                        rest.take_while(char::is_ascii_alphanumeric).count() >= *length
                    })
                });
        (is_block || is_access_key).then(|| "a secret must not be in the repository".to_owned())
    })
}

fn find(text: &str, complaint: impl Fn(&str) -> Option<String>) -> Complaints {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| Some((index + 1, complaint(line)?)))
        .collect()
}

/// Whether the line holds the word by itself, not as a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let joins = |sign: Option<char>| sign.is_some_and(|sign| sign.is_alphanumeric() || sign == '_');
    line.match_indices(word).any(|(at, _)| {
        let after = line[at + word.len()..].chars().next();
        !joins(line[..at].chars().next_back()) && (word.ends_with('!') || !joins(after))
    })
}

fn vague_part(name: &str) -> Option<&'static str> {
    let mut parts = name.split(['_', '-']);
    parts.find_map(|part| BANNED_NAMES.into_iter().find(|banned| *banned == part))
}

fn vague_name(name: &str) -> String {
    format!("`{name}` says nothing about what is inside; name the thing")
}

fn is_test_file(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let is_test_module = matches!(file, "tests.rs" | "testing.rs") || file.ends_with("_tests.rs");
    is_test_module || path.starts_with("tests/") || path.contains("/tests/")
}

#[cfg(test)]
mod tests {
    use super::super::rust::read;
    use super::*;

    #[test]
    fn unfinished_work_is_found() {
        let found = banned_words("fine\n// TODO later\nlet a = todo!();\nTODOS XXXL my_todo!\nXXX");
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 5]);
    }

    #[test]
    fn vague_names_are_found() {
        assert_eq!(banned_names("server/src/utils.rs").len(), 1);
        assert_eq!(banned_names("tests/common/mod.rs").len(), 1);
        assert_eq!(banned_names("server/src/stake_manager.rs").len(), 1);
        assert!(banned_names("server/src/rounds/store.rs").is_empty());
        assert_eq!(rust_words("a.rs", &read("mod helpers { }")).len(), 1);
    }

    #[test]
    fn unwraps_and_ignored_tests_are_found() {
        let text = "fn a() { b.unwrap(); }\n#[test]\n#[ignore]\nfn c() {}";
        assert_eq!(rust_words("server/src/a.rs", &read(text)).len(), 2);
        assert_eq!(rust_words("tests/tests/a.rs", &read(text)).len(), 1);
    }

    #[test]
    fn headers_are_demanded_outside_tests() {
        assert_eq!(header("server/src/a.rs", "use b::c;").len(), 1);
        assert!(header("server/src/a.rs", "//! Owns a.\n").is_empty());
        assert!(header("server/src/a/tests.rs", "use b::c;").is_empty());
    }

    #[test]
    fn absolute_paths_are_found() {
        for wrong in ["cd /work/main", "\"/home/me\"", "=/root/x", "(/Users/a)"] {
            assert_eq!(absolute_paths(wrong).len(), 1, "{wrong}");
        }
        for fine in [
            "target/work/x",
            "/proofs/{id}/root/x",
            "~/home/",
            "/workshop",
        ] {
            assert!(absolute_paths(fine).is_empty(), "{fine}");
        }
    }

    #[test]
    fn registry_addresses_are_found() {
        assert_eq!(
            registry_addresses("https://registry.npmjs.org/solc").len(),
            1
        );
        assert_eq!(
            registry_addresses("--index-url https://pypi.org/simple").len(),
            1
        );
        assert!(registry_addresses("npm ci").is_empty());
    }

    #[test]
    fn secrets_are_found() {
        assert_eq!(
            secrets(concat!("-----BEGIN EC ", "PRIVATE KEY-----")).len(),
            1
        );
        assert_eq!(
            secrets(&format!("key = {}{}", "AKIA", "ABCDEFGHIJKLMNOP")).len(),
            1
        );
        assert!(secrets("a private key never leaves the settler").is_empty());
    }
}
