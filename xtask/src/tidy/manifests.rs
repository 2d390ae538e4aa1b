//! Manifests: arrows between crates; versions, features and lints in the root manifest alone.

use toml::{Table, Value};

use super::Complaints;
use super::tables::{CONFINED_DEPENDENCIES, CRATES, reachable};

/// A dependency as a member's manifest writes it.
struct Dependency {
    name: String,
    value: Value,
}

/// Every member must be in the table of crates (by its package's name or folder).
pub(super) fn members_are_in_the_table(text: &str) -> Complaints {
    let manifest = match text.parse::<Table>() {
        Ok(manifest) => manifest,
        Err(error) => return vec![(0, format!("cannot be read: {error}"))],
    };
    let members = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("members"));
    let members = members
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let folders = members.iter().filter_map(Value::as_str);
    folders
        .filter(|folder| {
            !CRATES
                .iter()
                .any(|(name, _)| name == folder || *folder == "clients/rust")
        })
        .map(|folder| {
            let message = format!("the member `{folder}` is not in xtask/src/tidy/tables.rs");
            (line_of(text, folder), message)
        })
        .collect()
}

/// Warnings of the documentation build are errors by lint, since a flag would make cargo compile
/// everything anew.
pub(super) fn documentation_warnings_are_denied(text: &str) -> Complaints {
    let manifest = text.parse::<Table>().unwrap_or_default();
    let lints = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("lints"));
    let all = lints
        .and_then(|lints| lints.get("rustdoc"))
        .and_then(|rustdoc| rustdoc.get("all"));
    let level = all
        .and_then(|all| all.get("level"))
        .or(all)
        .and_then(Value::as_str);
    if level == Some("deny") {
        return Complaints::new();
    }
    vec![(
        0,
        "[workspace.lints.rustdoc] must say `all = \"deny\"`".to_owned(),
    )]
}

/// A member takes the workspace's lints.
pub(super) fn lints_are_the_workspaces(text: &str) -> Complaints {
    let manifest = text.parse::<Table>().unwrap_or_default();
    let lints = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"));
    if lints.and_then(Value::as_bool) == Some(true) {
        return Complaints::new();
    }
    vec![(0, "write `[lints]` with `workspace = true`".to_owned())]
}

/// A member adds no version and no feature: `name.workspace = true` and nothing else.
pub(super) fn dependencies_are_the_workspaces(text: &str) -> Complaints {
    let dependencies = match dependencies(text) {
        Ok((_, dependencies)) => dependencies,
        Err(complaint) => return vec![(0, complaint)],
    };
    let breaks_rule = |dependency: &&Dependency| {
        let Some(table) = dependency.value.as_table() else {
            return true;
        };
        let inherits = table.get("workspace").and_then(Value::as_bool) == Some(true);
        !inherits
            || table
                .keys()
                .any(|key| key != "workspace" && key != "optional")
    };
    dependencies
        .iter()
        .filter(breaks_rule)
        .map(|dependency| {
            let name = &dependency.name;
            let message = format!(
                "write `{name}.workspace = true`; versions and features are set in the root manifest"
            );
            (line_of(text, name), message)
        })
        .collect()
}

/// A crate uses only the crates that its arrows reach and the dependencies that it may have.
pub(super) fn arrows(text: &str) -> Complaints {
    let (package, dependencies) = match dependencies(text) {
        Ok(read) => read,
        Err(complaint) => return vec![(0, complaint)],
    };
    let reached = reachable(CRATES, &package);
    let mut complaints = Complaints::new();
    for Dependency { name, .. } in &dependencies {
        let is_member = CRATES.iter().any(|(member, _)| member == name);
        if is_member && !reached.contains(&name.as_str()) {
            let message = format!("no arrow {package} → {name} in xtask/src/tidy/tables.rs");
            complaints.push((line_of(text, name), message));
        }
        let confined = CONFINED_DEPENDENCIES
            .iter()
            .find(|(confined, _)| confined == name);
        if let Some((_, allowed)) = confined
            && !allowed.contains(&package.as_str())
        {
            let message = format!("`{name}` is for {} only", allowed.join(", "));
            complaints.push((line_of(text, name), message));
        }
    }
    complaints
}

/// The package's name and all its dependencies, those of tests, builds and targets included.
fn dependencies(text: &str) -> Result<(String, Vec<Dependency>), String> {
    let manifest = text
        .parse::<Table>()
        .map_err(|error| format!("cannot be read: {error}"))?;
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"));
    let name = name
        .and_then(Value::as_str)
        .ok_or("names no package")?
        .to_owned();
    let mut tables: Vec<&Table> = vec![&manifest];
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        tables.extend(targets.values().filter_map(Value::as_table));
    }
    let mut found = Vec::new();
    for table in tables {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(listed) = table.get(kind).and_then(Value::as_table) else {
                continue;
            };
            found.extend(listed.iter().map(|(name, value)| Dependency {
                name: name.clone(),
                value: value.clone(),
            }));
        }
    }
    Ok((name, found))
}

fn line_of(text: &str, word: &str) -> usize {
    let is_entry = |line: &str| line.trim_start().trim_start_matches('"').starts_with(word);
    text.lines().position(is_entry).map_or(0, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(package: &str, dependencies: &str) -> String {
        format!("[package]\nname = \"{package}\"\n\n[dependencies]\n{dependencies}")
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_found() {
        let text = manifest(
            "domain",
            "serde.workspace = true\nscorer.workspace = true\n",
        );
        let found = arrows(&text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, 6);
        assert!(found[0].1.contains("no arrow domain → scorer"));
        assert!(arrows(&manifest("tests", "domain.workspace = true\n")).is_empty());
        let dev = "[package]\nname = \"scorer\"\n[dev-dependencies]\nserver.workspace = true\n";
        assert!(arrows(dev)[0].1.contains("no arrow scorer → server"));
    }

    #[test]
    fn a_confined_dependency_is_found_elsewhere() {
        let found = arrows(&manifest("tests", "sqlx.workspace = true\n"));
        assert!(found[0].1.contains("`sqlx` is for server only"));
        assert!(arrows(&manifest("server", "sqlx.workspace = true\n")).is_empty());
    }

    #[test]
    fn features_and_versions_are_for_the_root_manifest() {
        let fine = manifest(
            "server",
            "sqlx.workspace = true\nort = { workspace = true, optional = true }\n",
        );
        assert!(dependencies_are_the_workspaces(&fine).is_empty());
        for wrong in [
            "sqlx = \"0.9\"\n",
            "sqlx = { workspace = true, features = [\"json\"] }\n",
            "sqlx = { path = \"../sqlx\" }\n",
        ] {
            assert_eq!(
                dependencies_are_the_workspaces(&manifest("server", wrong)).len(),
                1,
                "{wrong}"
            );
        }
        let target = "[package]\nname = \"x\"\n[target.'cfg(unix)'.dependencies]\nnix = \"1\"\n";
        assert_eq!(dependencies_are_the_workspaces(target).len(), 1);
    }

    #[test]
    fn missing_lints_are_found() {
        let table = "[workspace.lints.rustdoc]\nall = { level = \"deny\", priority = -1 }\n";
        assert!(documentation_warnings_are_denied(table).is_empty());
        let word = "[workspace.lints.rustdoc]\nall = \"deny\"\n";
        assert!(documentation_warnings_are_denied(word).is_empty());
        assert_eq!(
            documentation_warnings_are_denied(&word.replace("deny", "warn")).len(),
            1
        );
        assert_eq!(documentation_warnings_are_denied("[workspace]\n").len(), 1);
        assert!(lints_are_the_workspaces("[lints]\nworkspace = true\n").is_empty());
        assert_eq!(
            lints_are_the_workspaces("[package]\nname = \"a\"\n").len(),
            1
        );
    }

    #[test]
    fn a_member_outside_the_table_is_found() {
        let text = "[workspace]\nmembers = [\n    \"domain\",\n    \"bridge\",\n]\n";
        let found = members_are_in_the_table(text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, 4);
    }
}
