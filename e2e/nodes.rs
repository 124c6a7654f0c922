//! Two gates on one PostgreSQL (docs/stores.md).

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Reply, eventually, haechi, routes_to};
use haechi_testkit::{Backend, PostgresServer, execute_in_postgres, postgres_database};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What a node promises about a change on another.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);

fn folder(backend: &Backend, store: &str) -> Folder {
    Folder::new(&format!(
        "store: \"{store}\"
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators:
  local: {{ type: jwt, issuer: self }}
  partner: {{ type: api_key }}
roles: {{ USER: {{}} }}
{}",
        routes_to(backend, &[("/**", "[local]", "any"), ("/partner/**", "[partner]", "any")])
    ))
}

fn nodes(backend: &Backend, store: &str) -> [Gate; 2] {
    let first = folder(backend, store);
    first.add_user("alice", &["USER"]);
    [Gate::start_in(first).ready(), Gate::start_in(folder(backend, store)).ready()]
}

fn login(gate: &Gate) -> Reply {
    gate.post_json("/auth/login", &json!({"username": "alice", "password": PASSWORD}))
}

fn tokens(gate: &Gate) -> (String, String) {
    let pair: Value = login(gate).expect(200).json();
    let text = |member: &str| pair[member].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

fn status(gate: &Gate, token: &str) -> u16 {
    gate.get_with_token("/x", token).status
}

/// Refused in time, and from then on nothing of it arrives.
fn refused_in_time(backend: &Backend, gate: &Gate, mut ask: impl FnMut(&Gate) -> u16) {
    let began = Instant::now();
    eventually(KNOWN_WITHIN, || (ask(gate) == 401).then_some(()));
    assert!(began.elapsed() < KNOWN_WITHIN);
    let arrived = backend.recorded().len();
    assert_eq!((ask(gate), backend.recorded().len()), (401, arrived));
}

#[test]
fn postgres_makes_two_nodes_one() {
    let backend = Backend::saying("reached");
    let [one, other] = nodes(&backend, &postgres_database());
    // Logged in here, used there; ended there, refused here.
    let (access, refresh) = tokens(&one);
    eventually(PATIENCE, || (status(&other, &access) == 200).then_some(()));
    assert_eq!(one.get("/.well-known/jwks.json").text(), other.get("/.well-known/jwks.json").text());
    other.curl("/auth/logout", &["-X", "POST", "-H", &format!("Authorization: Bearer {access}")]);
    refused_in_time(&backend, &one, |gate| status(gate, &access));
    refused_in_time(&backend, &other, |gate| status(gate, &access));
    one.post_json("/auth/refresh", &json!({"refresh_token": refresh})).expect(401);
    // A refresh token that was used on one node is a replay on the other, and ends the family.
    let (access, refresh) = tokens(&one);
    let next = one.post_json("/auth/refresh", &json!({"refresh_token": refresh})).expect(200).json();
    other.post_json("/auth/refresh", &json!({"refresh_token": refresh})).expect(401);
    let next = next["refresh_token"].as_str().unwrap();
    one.post_json("/auth/refresh", &json!({"refresh_token": next})).expect(401);
    refused_in_time(&backend, &one, |gate| status(gate, &access));
    // A key that a command made and revoked.
    let key = one.folder().create_key(&["--owner", "acme", "--name", "ci"]);
    let ask = |gate: &Gate| gate.get_with("/partner/x", &[&format!("X-API-Key: {key}")]).status;
    assert_eq!([ask(&one), ask(&other)], [200, 200]);
    let listed = haechi(other.folder().path(), &["key", "list", "--output", "json"]).success().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    haechi(other.folder().path(), &["key", "revoke", listed[0]["id"].as_str().unwrap()]).success();
    refused_in_time(&backend, &one, ask);
    refused_in_time(&backend, &other, ask);
}

#[test]
fn postgres_outlives_a_node_that_is_killed() {
    let backend = Backend::saying("reached");
    let [one, mut other] = nodes(&backend, &postgres_database());
    let (access, _) = tokens(&other);
    eventually(PATIENCE, || (status(&one, &access) == 200).then_some(()));
    other.signal("KILL");
    other.exited();
    for _ in 0..50 {
        assert_eq!(status(&one, &access), 200);
    }
    login(&one).expect(200);
}

#[test]
fn postgres_that_is_away_is_503_for_what_needs_it() {
    let backend = Backend::saying("reached");
    let mut server = PostgresServer::start(&[]);
    let [gate, _other] = nodes(&backend, &server.url());
    let (access, _) = tokens(&gate);
    let key = gate.folder().create_key(&["--owner", "acme"]);
    server.kill();
    assert_eq!(status(&gate, &access), 200, "known and young enough");
    let refused = login(&gate).expect(503);
    assert!(refused.field("retry-after").is_some());
    let asked = gate.get_with("/partner/x", &[&format!("X-API-Key: {key}")]);
    assert_eq!(asked.status, 503, "not 401: nobody could be asked");
    eventually(PATIENCE, || (gate.admin("/readyz").status == 503).then_some(()));
    eventually(PATIENCE, || (status(&gate, &access) == 503).then_some(()));
    let arrived = backend.recorded().len();
    assert_eq!(status(&gate, &access), 503);
    assert_eq!(backend.recorded().len(), arrived);
    server.start_again(&[]);
    eventually(PATIENCE, || (gate.admin("/readyz").status == 200).then_some(()));
    login(&gate).expect(200);
    eventually(PATIENCE, || (status(&gate, &access) == 200).then_some(()));
}

#[test]
fn postgres_status_and_migrate_tell_the_version() {
    let url = postgres_database();
    let backend = Backend::saying("reached");
    let folder = folder(&backend, &url);
    let empty = haechi(folder.path(), &["store", "status"]);
    assert_eq!(empty.code, 1, "{empty:#?}");
    assert!(empty.stdout.contains("schema 0") && empty.stderr.contains("haechi store migrate"), "{empty:#?}");
    let shown = url.split_once('@').unwrap().1.split('?').next().unwrap();
    let done = haechi(folder.path(), &["store", "migrate"]).success();
    assert!(done.stderr.contains(shown) && !done.stderr.contains("not-a-secret"), "{done:#?}");
    let status = haechi(folder.path(), &["store", "status", "--output", "json"]).success();
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["schema"], status["known"]);
    execute_in_postgres(&url, "INSERT INTO haechi.migrations VALUES (99, 'future', now(), true, '\\x00', 0)");
    let newer = haechi(folder.path(), &["store", "status"]);
    assert_eq!(newer.code, 1);
    assert!(newer.stderr.contains("newer version"), "{newer:#?}");
    let started = haechi(folder.path(), &["run"]);
    assert_eq!(started.code, 1);
    assert!(started.stderr.contains("newer version of haechi"), "{started:#?}");
}

#[test]
fn what_an_sqlite_store_has_is_told_without_making_one() {
    let backend = Backend::saying("reached");
    let folder = folder(&backend, "sqlite:haechi.db");
    let empty = haechi(folder.path(), &["store", "status"]);
    assert_eq!(empty.code, 1, "{empty:#?}");
    assert!(!folder.file("haechi.db").exists());
    haechi(folder.path(), &["store", "migrate"]).success();
    haechi(folder.path(), &["store", "status"]).success();
}
