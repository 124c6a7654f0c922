//! The walls of the house: which room may import which, and what no room may have (ARCHITECTURE.md).

mod circles;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The rooms that each room may import.
const MAY_IMPORT: [(&str, &[&str]); 11] = [
    ("haechi-core", &[]),
    ("haechi-audit", &["haechi-core"]),
    ("haechi-authn", &["haechi-core"]),
    ("haechi-authz", &["haechi-core"]),
    ("haechi-store", &["haechi-core"]),
    ("haechi-shared", &["haechi-core"]),
    ("haechi-proxy", &["haechi-core", "haechi-audit", "haechi-authn", "haechi-authz"]),
    ("haechi-admin", &["haechi-core", "haechi-authn", "haechi-authz"]),
    ("haechi-console", &["haechi-core", "haechi-authn", "haechi-admin"]),
    (
        "haechi",
        &[
            "haechi-core",
            "haechi-audit",
            "haechi-authn",
            "haechi-authz",
            "haechi-store",
            "haechi-shared",
            "haechi-proxy",
            "haechi-admin",
            "haechi-console",
        ],
    ),
    ("haechi-testkit", &["haechi-core", "haechi-store"]),
];

/// Crates from elsewhere that a room must do without, and why.
const BANNED: [(&str, &[&str]); 8] = [
    // Nouns and ports: no input or output, no runtime.
    (
        "haechi-core",
        &["tokio", "hyper", "hyper-util", "sqlx", "clap", "reqwest", "axum", "tracing", "serde_yaml"],
    ),
    // Who is calling knows nothing of HTTP statuses or of where facts live.
    ("haechi-authn", &["http", "hyper", "axum", "sqlx", "reqwest", "clap"]),
    ("haechi-authz", &["hyper", "axum", "sqlx", "reqwest", "clap"]),
    ("haechi-store", &["http", "hyper", "axum", "reqwest", "clap", "redis"]),
    ("haechi-shared", &["http", "hyper", "axum", "reqwest", "clap", "sqlx"]),
    // The request path: no database, no second HTTP stack.
    ("haechi-proxy", &["sqlx", "redis", "axum", "reqwest", "clap", "hyper-util"]),
    ("haechi-admin", &["sqlx", "reqwest", "clap"]),
    ("haechi-console", &["sqlx", "reqwest", "clap", "haechi-store"]),
];

/// Nobody may have these: unkept, or a second way to do what the house does itself.
const BANNED_EVERYWHERE: [&str; 4] = ["serde_yaml", "jsonwebtoken", "openssl", "native-tls"];

/// Rooms that give results, which others turn into statuses.
const WITHOUT_STATUS_CODES: [&str; 4] = ["haechi-authn", "haechi-authz", "haechi-store", "haechi-shared"];

/// Where statuses are chosen: one file for the data plane, one for the control plane, one for its pages; and how often at least.
const CHOOSE_STATUSES: [(&str, usize); 3] = [
    ("haechi-proxy/src/respond.rs", 11),
    ("haechi-admin/src/error.rs", 11),
    ("haechi-console/src/reply.rs", 5),
];

/// Files that name a status besides, and how often: to ask what another side said, to say 100 before a body, or to read a number. None of them
/// decides what a client is told. The list may only shrink.
const NAME_STATUSES: [(&str, usize); 11] = [
    ("haechi-console/src/fetch.rs", 9),
    ("haechi-proxy/src/forward.rs", 1),
    ("haechi-proxy/src/http1/client.rs", 1),
    ("haechi-proxy/src/http1/head.rs", 3),
    ("haechi-proxy/src/http1/request_body.rs", 1),
    ("haechi-proxy/src/http1/response_head.rs", 4),
    ("haechi-proxy/src/http2/body.rs", 1),
    ("haechi-proxy/src/http2/client.rs", 2),
    ("haechi-proxy/src/http2/stream.rs", 3),
    ("haechi/src/config/written/resilience.rs", 7),
    ("haechi/src/wire/points/mod.rs", 1),
];

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

/// The product's part of a file: without the tests at its end.
fn product(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let tests = text.match_indices("#[cfg(test)]\nmod ").find(|(at, _)| {
        let line = text[*at..].lines().nth(1).unwrap_or_default();
        line.ends_with('{')
    });
    text[..tests.map_or(text.len(), |(at, _)| at)].to_owned()
}

fn is_of_tests(path: &Path) -> bool {
    path.components()
        .any(|part| ["tests", "tests.rs", "testing.rs"].iter().any(|name| part.as_os_str() == *name))
}

/// How often a text names a status: `StatusCode::NOT_FOUND`, or one made of a number.
fn statuses_named(text: &str) -> usize {
    let constant = |(at, found): &(usize, &str)| {
        let name = &text[at + found.len()..];
        name.chars().take(2).all(|c| c.is_ascii_uppercase())
    };
    text.match_indices("StatusCode::").filter(constant).count() + text.matches("StatusCode::from_u16").count()
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

#[test]
fn status_codes_are_chosen_in_one_file_of_each_plane() {
    let mut found = Vec::new();
    sources(&root().join("crates"), &mut found);
    let mut named = BTreeMap::new();
    for path in found
        .iter()
        .filter(|path| path.components().any(|part| part.as_os_str() == "src") && !is_of_tests(path))
    {
        let file = path.strip_prefix(root().join("crates")).unwrap().to_str().unwrap().to_owned();
        match statuses_named(&product(path)) {
            0 => {}
            count => match CHOOSE_STATUSES.iter().find(|(chooses, _)| **chooses == *file) {
                Some((_, least)) => assert!(count >= *least, "`{file}` was not read"),
                None => drop(named.insert(file, count)),
            },
        }
    }
    let known: BTreeMap<String, usize> =
        NAME_STATUSES.iter().map(|(file, count)| ((*file).to_owned(), *count)).collect();
    for (file, count) in &named {
        let before = known.get(file).copied().unwrap_or_default();
        assert!(
            *count <= before,
            "`{file}` names {count} statuses, {before} before: choose them in `respond.rs`, or in the admin's `error.rs`"
        );
    }
    assert_eq!(named, known, "there are fewer now: say so in the list");
}
