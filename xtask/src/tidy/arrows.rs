//! Arrows between the server's modules, and paths that may be written in few places only.

use super::Complaints;
use super::rust::{Mention, RustFile};
use super::tables::{ARROWS, CONFINED_PATHS, CRATES, LAYERS, SLICES, reachable};

const SERVER: &str = "server/src/";

/// Everything that one Rust file may not name.
pub(super) fn check(path: &str, rust: &RustFile) -> Complaints {
    let mut complaints = Complaints::new();
    for mention in &rust.mentions {
        confined_path(path, mention, &mut complaints);
        foreign_store(path, mention, &mut complaints);
        server_arrow(path, mention, &mut complaints);
        query_in_handler(path, mention, &mut complaints);
    }
    if let Some(module) = server_module(path)
        && layer_of(module).is_none()
    {
        complaints.push((0, format!("`{module}` is in no layer; {WHERE}")));
    }
    complaints.dedup();
    complaints
}

const WHERE: &str =
    "layers and arrows are in xtask/src/tidy/tables.rs and, the same, in docs/ARCHITECTURE.md";

fn confined_path(path: &str, mention: &Mention, complaints: &mut Complaints) {
    for (confined, places) in CONFINED_PATHS {
        let named = mention.path.iter().map(String::as_str);
        let begins_so =
            mention.path.len() >= confined.len() && named.zip(*confined).all(|(a, b)| a == *b);
        if begins_so && !places.iter().any(|place| path.starts_with(place)) {
            let written = confined.join("::");
            let allowed = places.join(", ");
            complaints.push((mention.line, format!("`{written}` is for {allowed} only")));
        }
    }
}

/// The SQL of a slice's tables is that slice's own affair.
fn foreign_store(path: &str, mention: &Mention, complaints: &mut Complaints) {
    let resolved = resolve(path, mention);
    let [slice, store, ..] = resolved.as_slice() else {
        return;
    };
    if store == "store" && SLICES.contains(&slice.as_str()) && server_module(path) != Some(slice) {
        let message = format!("`{slice}::store` is for the slice itself; call a verb of `{slice}`");
        complaints.push((mention.line, message));
    }
}

fn server_arrow(path: &str, mention: &Mention, complaints: &mut Complaints) {
    let Some(user) = server_module(path) else {
        return;
    };
    let resolved = resolve(path, mention);
    let Some(used) = resolved.first().map(String::as_str) else {
        return;
    };
    if used == user || layer_of(user).is_none() {
        return;
    }
    let complaint = match (layer_of(user), layer_of(used)) {
        (_, None) => format!("`crate::{used}` is in no layer; {WHERE}"),
        (Some(upper), Some(lower)) if lower < upper => return,
        (upper, lower) if upper == lower && reachable(ARROWS, user).contains(&used) => return,
        _ => format!("`{user}` may not use `{used}`: no arrow {user} → {used}; {WHERE}"),
    };
    complaints.push((mention.line, complaint));
}

fn query_in_handler(path: &str, mention: &Mention, complaints: &mut Complaints) {
    let is_handler = matches!(server_module(path), Some("api" | "web"));
    let [first, second, ..] = mention.path.as_slice() else {
        return;
    };
    if is_handler && first == "sqlx" && second.starts_with("query") {
        complaints.push((
            mention.line,
            "handlers hold no SQL; call a verb of the slice".to_owned(),
        ));
    }
}

/// The path seen from the root of the server's library; empty when it leads elsewhere.
fn resolve(path: &str, mention: &Mention) -> Vec<String> {
    let Some((first, rest)) = mention.path.split_first() else {
        return Vec::new();
    };
    let inside_library = server_module(path).is_some();
    match first.as_str() {
        "server" if !inside_library => rest.to_vec(),
        "crate" if inside_library => rest.to_vec(),
        "self" | "super" if inside_library => {
            let mut place = module_path(path);
            place.extend(mention.inside.iter().cloned());
            let mut remaining = mention.path.as_slice();
            while let Some((step, rest)) = remaining.split_first() {
                match step.as_str() {
                    "self" => {}
                    "super" => drop(place.pop()),
                    _ => break,
                }
                remaining = rest;
            }
            place.extend(remaining.iter().cloned());
            place
        }
        _ => Vec::new(),
    }
}

/// `server/src/rounds/store.rs` is the module `rounds::store`, `…/rounds/mod.rs` is `rounds`.
fn module_path(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches(SERVER).trim_end_matches(".rs");
    let mut place: Vec<String> = inner.split('/').map(str::to_owned).collect();
    place.pop_if(|last| last == "mod");
    place
}

/// The top-level module of the server's library that a file belongs to. The root itself and the
/// binary belong to none.
fn server_module(path: &str) -> Option<&str> {
    let inner = path.strip_prefix(SERVER)?;
    if matches!(inner, "lib.rs" | "main.rs") {
        return None;
    }
    Some(
        inner
            .split_once('/')
            .map_or(inner, |(folder, _)| folder)
            .trim_end_matches(".rs"),
    )
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS
        .iter()
        .position(|(_, modules)| modules.contains(&module))
}

/// The tables as docs/ARCHITECTURE.md states them.
pub fn arrows_block() -> String {
    let mut lines = vec!["crates (A → B: A may use B, and what B may use)".to_owned()];
    let arrows = |table: &[(&str, &[&str])]| -> Vec<String> {
        let used = table.iter().filter(|(_, to)| !to.is_empty());
        used.map(|(from, to)| format!("{from} → {}", to.join(", ")))
            .collect()
    };
    lines.extend(arrows(CRATES));
    lines.push(String::new());
    lines.push("layers of the server (a module may use every layer above its own)".to_owned());
    lines.extend(
        LAYERS
            .iter()
            .map(|(name, modules)| format!("{name}: {}", modules.join(", "))),
    );
    lines.push(String::new());
    lines.push("arrows inside a layer".to_owned());
    lines.extend(arrows(ARROWS));
    lines.join("\n") + "\n"
}

/// The document and the tables must not drift apart.
pub(super) fn stated_arrows(document: &str) -> Complaints {
    let stated: Vec<&str> = document.lines().map(str::trim).collect();
    let block = arrows_block();
    let missing = block
        .lines()
        .filter(|line| !line.is_empty() && !stated.contains(line));
    missing
        .map(|line| {
            (
                0,
                format!("lacks the line `{line}` (cargo xtask tidy --print-arrows)"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::rust::read;
    use super::*;

    fn complaints(path: &str, text: &str) -> String {
        let all = check(path, &read(text));
        all.into_iter()
            .map(|(line, message)| format!("{line}: {message}\n"))
            .collect()
    }

    #[test]
    fn an_arrow_that_points_up_is_found() {
        let found = complaints(
            "server/src/accounts/mod.rs",
            "use crate::db;\nuse crate::models::Model;",
        );
        assert!(
            found.starts_with("2: `accounts` may not use `models`"),
            "{found}"
        );
        assert!(
            complaints("server/src/db.rs", "use crate::{settings, rounds};").contains("`rounds`")
        );
        assert!(complaints("server/src/jobs/lock.rs", "crate::api::x();").contains("jobs → api"));
        assert!(complaints("server/src/scores/mod.rs", "super::jobs::x();").contains("`jobs`"));
    }

    #[test]
    fn arrows_of_the_table_are_allowed() {
        for (path, text) in [
            (
                "server/src/aggregates/mod.rs",
                "use crate::accounts::Account; use crate::db;",
            ),
            (
                "server/src/jobs/lock.rs",
                "use crate::{predictions, stakes, app::pause, chain};",
            ),
            ("server/src/cli/mod.rs", "use crate::{api, demo, web};"),
            (
                "server/src/rounds/store.rs",
                "use super::Round; mod tests { use super::super::x; }",
            ),
            (
                "server/src/rounds/mod.rs",
                "mod tests { use super::store::insert; }",
            ),
            ("server/src/main.rs", "use server::cli;"),
        ] {
            assert_eq!(complaints(path, text), "", "{path}");
        }
    }

    #[test]
    fn a_module_in_no_layer_is_found() {
        assert!(complaints("server/src/bridge/mod.rs", "").contains("`bridge` is in no layer"));
        let found = complaints("server/src/cli/mod.rs", "use crate::bridge::x;");
        assert!(found.contains("`crate::bridge` is in no layer"), "{found}");
    }

    #[test]
    fn a_store_is_for_its_own_slice() {
        let text = "use crate::rounds::store::insert;";
        assert!(complaints("server/src/jobs/a.rs", text).contains("call a verb of `rounds`"));
        assert_eq!(complaints("server/src/rounds/verbs.rs", text), "");
        let from_outside = complaints("tests/tests/a.rs", "use server::rounds::store::insert;");
        assert!(from_outside.contains("call a verb of `rounds`"));
    }

    #[test]
    fn chain_providers_and_queries_stay_in_their_places() {
        let text = "use alloy::{primitives::U256, providers::Provider};";
        assert!(
            complaints("server/src/settler/mod.rs", text).contains("`alloy::providers` is for")
        );
        assert_eq!(complaints("server/src/chain/follower.rs", text), "");
        let query = "fn a() { sqlx::query(\"\"); }";
        assert!(complaints("server/src/api/get_round.rs", query).contains("no SQL"));
        assert_eq!(complaints("server/src/rounds/store.rs", query), "");
    }

    #[test]
    fn the_document_must_state_every_arrow() {
        assert!(stated_arrows(&format!("text\n```\n{}```\n", arrows_block())).is_empty());
        let one_less = arrows_block().replace("models → accounts\n", "");
        let found = stated_arrows(&one_less);
        assert_eq!(found.len(), 1);
        assert!(found[0].1.contains("`models → accounts`"));
    }
}
