//! The walls of the house: which room may import which, and what no room may have (ARCHITECTURE.md).

mod circles;

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The rooms that each room may import.
const MAY_IMPORT: [(&str, &[&str]); 8] = [
    ("haechi-core", &[]),
    ("haechi-authn", &["haechi-core"]),
    ("haechi-authz", &["haechi-core"]),
    ("haechi-store", &["haechi-core"]),
    ("haechi-proxy", &["haechi-core", "haechi-authn", "haechi-authz"]),
    ("haechi-admin", &["haechi-core", "haechi-authn", "haechi-authz"]),
    (
        "haechi",
        &["haechi-core", "haechi-authn", "haechi-authz", "haechi-store", "haechi-proxy", "haechi-admin"],
    ),
    ("haechi-testkit", &["haechi-core", "haechi-store"]),
];

/// Crates from elsewhere that a room must do without, and why.
const BANNED: [(&str, &[&str]); 6] = [
    // Nouns and ports: no input or output, no runtime.
    (
        "haechi-core",
        &["tokio", "hyper", "hyper-util", "sqlx", "clap", "reqwest", "axum", "tracing", "serde_yaml"],
    ),
    // Who is calling knows nothing of HTTP statuses or of where facts live.
    ("haechi-authn", &["http", "hyper", "axum", "sqlx", "reqwest", "clap"]),
    ("haechi-authz", &["hyper", "axum", "sqlx", "reqwest", "clap"]),
    ("haechi-store", &["http", "hyper", "axum", "reqwest", "clap"]),
    // The request path: no database, no second HTTP stack.
    ("haechi-proxy", &["sqlx", "axum", "reqwest", "clap", "hyper-util"]),
    ("haechi-admin", &["sqlx", "reqwest", "clap"]),
];

/// Nobody may have these: unkept, or a second way to do what the house does itself.
const BANNED_EVERYWHERE: [&str; 4] = ["serde_yaml", "jsonwebtoken", "openssl", "native-tls"];

/// Rooms that give results, which others turn into statuses.
const WITHOUT_STATUS_CODES: [&str; 3] = ["haechi-authn", "haechi-authz", "haechi-store"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--no-deps"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The normal and build dependencies of each room; what only tests use does not count.
fn rooms() -> Vec<(String, BTreeSet<String>)> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().unwrap();
            (name(package), all.iter().filter(|one| one["kind"] != "dev").map(name).collect())
        })
        .collect()
}

#[test]
fn no_room_imports_what_it_may_not() {
    let rooms = rooms();
    let named: BTreeSet<&str> = MAY_IMPORT.iter().map(|(room, _)| *room).collect();
    let present: BTreeSet<&str> = rooms.iter().map(|(room, _)| room.as_str()).collect();
    assert_eq!(named, present, "a crate is added only to forbid an import: say here which");
    for (room, dependencies) in &rooms {
        let (_, allowed) = MAY_IMPORT.iter().find(|(name, _)| name == room).unwrap();
        for dependency in dependencies.iter().filter(|name| name.starts_with("haechi")) {
            assert!(allowed.contains(&dependency.as_str()), "`{room}` imports `{dependency}`");
        }
        for (_, banned) in BANNED.iter().filter(|(name, _)| name == room) {
            for dependency in *banned {
                assert!(!dependencies.contains(*dependency), "`{room}` depends on `{dependency}`");
            }
        }
    }
}

#[test]
fn nobody_has_what_nobody_may_have() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"haechi\""));
    for banned in BANNED_EVERYWHERE {
        assert!(!lock.contains(&format!("name = \"{banned}\"")), "`{banned}` is in the tree");
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn status_codes_are_not_chosen_where_results_are_made() {
    for room in WITHOUT_STATUS_CODES {
        let mut found = Vec::new();
        sources(&root().join("crates").join(room).join("src"), &mut found);
        assert!(!found.is_empty());
        for path in found {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("StatusCode"), "`{}` knows HTTP statuses", path.display());
        }
    }
}
