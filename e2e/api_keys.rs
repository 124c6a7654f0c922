//! API keys (docs/api-keys.md).

use crate::harness::{Folder, Gate, PATIENCE, eventually, haechi, routes_to};
use haechi_testkit::Backend;
use serde_json::Value;
use std::time::{Duration, Instant};

fn start(backend: &Backend) -> Gate {
    let routes = [("/**", "[partner]", "any"), ("/admin/**", "[partner]", "{ roles: [ADMIN] }")];
    Gate::start_in(Folder::new(&format!(
        "store: sqlite:haechi.db
authenticators: {{ partner: {{ type: api_key, header: X-API-Key }} }}
roles: {{ USER: {{}}, ADMIN: {{ includes: [USER] }} }}
{}",
        routes_to(backend, &routes)
    )))
    .ready()
}

fn status(gate: &Gate, path: &str, key: &str) -> u16 {
    gate.get_with(path, &[&format!("X-API-Key: {key}")]).status
}

fn id_of(gate: &Gate, name: &str) -> String {
    let listed = haechi(gate.folder().path(), &["key", "list", "--output", "json"]).success().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap_or_else(|fault| panic!("{fault}: {listed}"));
    let keys = listed.as_array().or_else(|| listed["keys"].as_array()).expect("a list of keys");
    let key = keys.iter().find(|key| key["name"] == name).expect("the key is listed");
    key["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_made_while_the_gate_runs_works_until_it_is_revoked() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    let key = gate.folder().create_key(&[
        "--owner",
        "acme",
        "--name",
        "ci",
        "--role",
        "USER",
        "--scope",
        "orders:read",
    ]);
    assert!(
        key.starts_with("hk_") && !key.contains(char::is_whitespace),
        "stdout holds the secret alone: {key}"
    );
    eventually(PATIENCE, || (status(&gate, "/x", &key) == 200).then_some(()));
    let seen = backend.last();
    assert_eq!(seen.field("x-api-key"), None, "a credential verified here ends here");
    assert_eq!(seen.field("x-auth-authenticator"), Some("partner"));
    assert_eq!(seen.field("x-auth-roles"), Some("USER"));
    assert_eq!(seen.field("x-auth-scopes"), Some("orders:read"));
    assert_eq!(status(&gate, "/admin/x", &key), 403);
    let before = backend.recorded().len();
    haechi(gate.folder().path(), &["key", "revoke", &id_of(&gate, "ci")]).success();
    let start = Instant::now();
    eventually(PATIENCE, || (status(&gate, "/x", &key) == 401).then_some(()));
    assert!(start.elapsed() < Duration::from_millis(5500), "{:?}", start.elapsed());
    let after = backend.recorded().len();
    assert_eq!(status(&gate, "/x", &key), 401);
    assert_eq!(backend.recorded().len(), after);
    assert!(before <= after);
}

#[test]
fn the_secret_is_shown_once_and_kept_nowhere() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    let key = gate.folder().create_key(&["--owner", "acme", "--name", "ci"]);
    assert_eq!(status(&gate, "/x", &key), 200);
    let listed = haechi(gate.folder().path(), &["key", "list"]).success();
    assert!(!listed.stdout.contains(&key) && !listed.stderr.contains(&key));
    for entry in std::fs::read_dir(gate.folder().path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(
            !bytes.windows(key.len()).any(|window| window == key.as_bytes()),
            "the store holds the secret"
        );
    }
    assert!(!gate.log().join("\n").contains(&key));
}

#[test]
fn what_looks_like_a_key_and_is_none() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    let key = gate.folder().create_key(&["--owner", "acme"]);
    let (body, checksum) = key.rsplit_once('_').unwrap();
    let turned: String = checksum.chars().rev().collect();
    let mut changed = body.to_owned();
    let last = changed.pop().unwrap();
    changed.push(if last == 'a' { 'b' } else { 'a' });
    let cases = [
        format!("{body}_{turned}x"),
        format!("{changed}_{checksum}"),
        body.to_owned(),
        key.to_uppercase(),
        format!("{key}x"),
        key.replace("hk_", "hk-"),
        "x".into(),
        "hk_".into(),
        "a".repeat(5000),
    ];
    for wrong in &cases {
        assert_eq!(status(&gate, "/x", wrong), 401, "{wrong}");
    }
    assert_eq!(backend.recorded().len(), 0);
    assert_eq!(status(&gate, "/x", &key), 200);
}

#[test]
fn a_key_has_one_place() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    let key = gate.folder().create_key(&["--owner", "acme"]);
    let field = format!("X-API-Key: {key}");
    gate.get_with("/x", &[&field, &field]).expect(400);
    gate.get(&format!("/x?api_key={key}")).expect(401);
    gate.get(&format!("/x?X-API-Key={key}")).expect(401);
    gate.get_with("/x", &[&format!("Authorization: Bearer {key}")]).expect(401);
    gate.get_with("/x", &[&format!("Cookie: X-API-Key={key}")]).expect(401);
    assert_eq!(backend.recorded().len(), 0);
}

#[test]
fn keys_end_and_are_bound_to_addresses() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    let folder = gate.folder();
    let elsewhere = folder.create_key(&["--owner", "acme", "--allow-ip", "203.0.113.0/24"]);
    let here =
        folder.create_key(&["--owner", "acme", "--allow-ip", "203.0.113.0/24", "--allow-ip", "127.0.0.0/8"]);
    let short = folder.create_key(&["--owner", "acme", "--expires", "3s"]);
    assert_eq!(status(&gate, "/x", &short), 200);
    assert_eq!(status(&gate, "/x", &elsewhere), 401);
    assert_eq!(status(&gate, "/x", &here), 200);
    eventually(PATIENCE, || (status(&gate, "/x", &short) == 401).then_some(()));
}

#[test]
fn a_key_that_is_asked_for_more_than_can_be_is_refused_at_once() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    for arguments in [
        &["key", "create"][..],
        &["key", "create", "--owner", "acme", "--allow-ip", "nowhere"],
        &["key", "create", "--owner", "acme", "--expires", "soon"],
        &["key", "create", "--owner", "acme", "--no-such-flag"],
    ] {
        let refused = haechi(gate.folder().path(), arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{arguments:?}: {}", refused.stderr);
    }
    let unknown = haechi(gate.folder().path(), &["key", "revoke", "no-such-key"]);
    assert_eq!(unknown.code, 1, "{}", unknown.stderr);
}

#[test]
fn keys_that_lie_open_are_found_and_not_repeated() {
    let backend = Backend::saying("reached");
    let gate = start(&backend);
    let folder = gate.folder();
    let ours = folder.create_key(&["--owner", "acme", "--name", "ci"]);
    let revoked = folder.create_key(&["--owner", "acme", "--name", "old"]);
    haechi(folder.path(), &["key", "revoke", &id_of(&gate, "old")]).success();
    folder.write("build.log", &format!("start\nX-API-Key: {ours}\nhk_nothing and {revoked}\n"));
    let found = haechi(folder.path(), &["key", "scan", "build.log"]);
    assert_eq!(found.code, 1, "{found:#?}");
    assert!(!found.stdout.contains(&ours) && !found.stdout.contains(&revoked), "a key is repeated");
    let lines: Vec<&str> = found.stdout.lines().skip(1).collect();
    let [first, second] = lines[..] else { panic!("{found:#?}") };
    assert!(
        first.starts_with("build.log:2:12")
            && first.contains("active")
            && first.contains(&id_of(&gate, "ci"))
    );
    assert!(second.starts_with("build.log:3:16") && second.contains("revoked"));
    let input = format!("nothing here\n{revoked}");
    let piped = crate::harness::haechi_with_input(folder.path(), &["key", "scan", "-"], &input);
    assert_eq!(piped.code, 0, "it works no more: {piped:#?}");
    let offline = haechi(folder.path(), &["key", "scan", "--offline", "--output", "json", "build.log"]);
    assert_eq!(offline.code, 1);
    let offline: Value = serde_json::from_str(&offline.stdout).unwrap();
    assert_eq!(
        (offline[0]["state"].as_str(), offline[1]["state"].as_str()),
        (Some("unknown"), Some("unknown"))
    );
    assert_eq!(haechi(folder.path(), &["key", "scan", "haechi.yaml"]).code, 0);
}
