//! What becomes of API keys: lists, rotation, last use, expiry, import (docs/api-keys.md).

use crate::harness::{Finished, Folder, Gate, PATIENCE, eventually, haechi, haechi_with_input, routes_to};
use haechi_testkit::{Backend, postgres_database};
use serde_json::Value;
use std::time::{Duration, Instant};

fn folder(backend: &Backend, store: &str, authenticator: &str) -> Folder {
    Folder::new(&format!(
        "store: \"{store}\"
authenticators: {{ partner: {{ type: api_key{authenticator} }} }}
caller_attributes: {{ tenant: string, groups: set }}
roles: {{ USER: {{}}, ADMIN: {{ includes: [USER] }} }}
{}",
        routes_to(backend, &[("/**", "[partner]", "any"), ("/admin/**", "[partner]", "{ roles: [ADMIN] }")])
    ))
}

fn status(gate: &Gate, key: &str) -> u16 {
    gate.get_with("/x", &[&format!("X-API-Key: {key}")]).status
}

fn json(folder: &Folder, arguments: &[&str]) -> Value {
    let told = haechi(folder.path(), &[arguments, &["--output", "json"]].concat()).success().stdout;
    serde_json::from_str(&told).unwrap_or_else(|fault| panic!("{fault}: {told}"))
}

fn ids(listed: &Value) -> Vec<&str> {
    listed.as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap()).collect()
}

fn create(folder: &Folder, arguments: &[&str]) -> (String, String) {
    let made = json(folder, &[&["key", "create"], arguments].concat());
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

/// Whether the backend is reached with this key; a refusal never gets there.
#[track_caller]
fn works(backend: &Backend, gate: &Gate, key: &str) -> bool {
    let before = backend.recorded().len();
    match (status(gate, key), backend.recorded().len() - before) {
        (200, 1) => true,
        (401, 0) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn lists_are_filtered_paged_and_printed_as_csv() {
    let backend = Backend::saying("reached");
    let folder = folder(&backend, "sqlite:haechi.db", "");
    let (first, _) =
        create(&folder, &["--owner", "acme", "--name", "ci", "--role", "USER", "--expires", "5d"]);
    let (second, _) =
        create(&folder, &["--owner", "o\"k, inc", "--name", "ci", "--role", "ADMIN", "--attr", "tenant=a;b"]);
    let (third, _) = create(
        &folder,
        &["--owner", "acme", "--name", "nightly", "--allow-ip", "10.0.0.0/8", "--expires", "30d"],
    );
    haechi(folder.path(), &["key", "revoke", &third]).success();
    let listed = |arguments: &[&str]| json(&folder, &[&["key", "list"], arguments].concat());
    let cases: [(&[&str], &[&String]); 8] = [
        (&["--owner", "acme"], &[&third, &first]),
        (&["--role", "ADMIN"], &[&second]),
        (&["--name", "ci"], &[&second, &first]),
        (&["--state", "active"], &[&second, &first]),
        (&["--state", "revoked"], &[&third]),
        (&["--expires-within", "14d"], &[&first]),
        (&["--expires-within", "14d", "--owner", "nobody"], &[]),
        (&["--unused-since", "1d"], &[]),
    ];
    for (arguments, expected) in cases {
        let mut found = ids(&listed(arguments)).iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let mut expected: Vec<String> = expected.iter().map(|id| (*id).clone()).collect();
        // Made within the same millisecond, the ids decide.
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{arguments:?}");
    }
    let all = listed(&[]);
    let mut seen = Vec::new();
    let mut after: Vec<String> = Vec::new();
    for _ in 0..3 {
        let rest: Vec<&str> = after.iter().map(String::as_str).collect();
        let page = haechi(
            folder.path(),
            &[&["key", "list", "--limit", "1", "--output", "json"], &rest[..]].concat(),
        );
        let page = page.success();
        let keys: Value = serde_json::from_str(&page.stdout).unwrap();
        let id = ids(&keys)[0].to_owned();
        assert_eq!(page.stderr.contains(&format!("--after {id}")), seen.len() < 2, "{page:?}");
        after = vec!["--after".into(), id.clone()];
        seen.push(id);
    }
    assert_eq!(seen, ids(&all));
    let csv = haechi(folder.path(), &["key", "list", "--output", "csv"]).success().stdout;
    assert!(csv.starts_with("id,name,owner,roles,"), "{csv}");
    assert!(csv.contains("\"o\"\"k, inc\"") && csv.contains("\"[\"\"tenant=a;b\"\"]\""), "{csv}");
    assert_eq!(csv.lines().count(), 4);
    let users = haechi(folder.path(), &["user", "list", "--output", "csv"]).success().stdout;
    assert_eq!(users.trim_end(), "id,name,roles,attributes,state,created_at");
    assert_eq!(haechi(folder.path(), &["key", "show", &first, "--output", "csv"]).code, 2);
    assert_eq!(haechi(folder.path(), &["key", "list", "--after", "nobody"]).code, 1);
}

#[test]
fn a_key_is_shown_by_id_or_by_a_name_that_only_it_has() {
    let backend = Backend::saying("reached");
    let folder = folder(&backend, "sqlite:haechi.db", "");
    let (first, secret) = create(&folder, &["--owner", "acme", "--name", "ci"]);
    assert_eq!(json(&folder, &["key", "show", "ci"])["id"], first.as_str());
    let (second, _) = create(&folder, &["--owner", "acme", "--name", "ci"]);
    let refused = haechi(folder.path(), &["key", "show", "ci"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains(&first) && refused.stderr.contains(&second), "{refused:?}");
    assert_eq!(haechi(folder.path(), &["key", "revoke", "ci"]).code, 1, "none of them is revoked");
    assert_eq!(json(&folder, &["key", "show", &first])["state"], "active");
    let nobody = haechi(folder.path(), &["key", "show", "nobody"]);
    assert!(nobody.code == 1 && nobody.stderr.contains("`nobody`"), "{nobody:?}");
    let misplaced = haechi(folder.path(), &["key", "show", &secret]);
    assert!(misplaced.code == 2 && !misplaced.stderr.contains(&secret), "{misplaced:?}");
}

fn rotate(folder: &Folder, id: &str, overlap: &[&str]) -> String {
    let rotated = haechi(folder.path(), &[&["key", "rotate", id], overlap].concat()).success();
    let secret = rotated.stdout.trim_end().to_owned();
    assert!(
        secret.starts_with("hk_") && !secret.contains(char::is_whitespace),
        "stdout holds the secret alone"
    );
    assert!(!rotated.stderr.contains(&secret));
    secret
}

fn rotation_is_known_everywhere(store: &str) {
    let backend = Backend::saying("reached");
    let one = Gate::start_in(folder(&backend, store, "")).ready();
    let other = Gate::start_in(folder(&backend, store, "")).ready();
    let (id, first) = create(one.folder(), &["--owner", "acme", "--role", "USER"]);
    let everywhere = |key: &str, wanted: bool| {
        eventually(PATIENCE, || {
            [&one, &other].iter().all(|gate| works(&backend, gate, key) == wanted).then_some(())
        });
    };
    everywhere(&first, true);
    let second = rotate(one.folder(), &id, &["--overlap", "24h"]);
    // Both work at once and go on working, also where the first is cached.
    everywhere(&second, true);
    everywhere(&first, true);
    let shown = json(one.folder(), &["key", "show", &id]);
    assert_eq!(shown["id"], id.as_str());
    assert!(shown["previous_works_until"].is_string() && shown["roles"][0] == "USER", "{shown}");
    // A third secret ends the first; the second works no more at once.
    let third = rotate(other.folder(), &id, &[]);
    everywhere(&third, true);
    everywhere(&first, false);
    everywhere(&second, false);
    let fourth = rotate(one.folder(), &id, &["--overlap", "1h"]);
    everywhere(&third, true);
    haechi(one.folder().path(), &["key", "revoke", &id]).success();
    everywhere(&third, false);
    everywhere(&fourth, false);
    let ended = haechi(one.folder().path(), &["key", "rotate", &id]);
    assert!(ended.code == 1 && ended.stdout.is_empty() && ended.stderr.contains("revoked"), "{ended:?}");
}

#[test]
fn rotation_is_known_on_every_node_of_postgres() {
    rotation_is_known_everywhere(&postgres_database());
}

#[test]
fn rotation_is_known_in_every_gate_on_one_file() {
    let shared = tempfile::tempdir().unwrap();
    rotation_is_known_everywhere(&format!("sqlite:{}", shared.path().join("haechi.db").display()));
}

#[test]
fn an_overlap_ends_by_itself() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend, "sqlite:haechi.db", "")).ready();
    let (id, first) = create(gate.folder(), &["--owner", "acme"]);
    assert!(works(&backend, &gate, &first));
    let second = rotate(gate.folder(), &id, &["--overlap", "3s"]);
    assert!(works(&backend, &gate, &second));
    eventually(PATIENCE, || (!works(&backend, &gate, &first)).then_some(()));
    assert!(works(&backend, &gate, &second));
    gate.folder().write("old.log", &format!("{first}\n{second}\n"));
    let found = haechi(gate.folder().path(), &["key", "scan", "old.log", "--output", "csv"]);
    assert_eq!(found.code, 1, "{found:?}");
    let lines: Vec<&str> = found.stdout.lines().collect();
    assert_eq!(lines[0], "file,line,column,state,id,owner");
    assert_eq!(lines[1], format!("old.log,1,1,replaced,{id},acme"));
    assert_eq!(lines[2], format!("old.log,2,1,active,{id},acme"));
    for overlap in ["soon", "-1h", "99999d"] {
        assert_eq!(
            haechi(gate.folder().path(), &["key", "rotate", &id, "--overlap", overlap]).code,
            2,
            "{overlap}"
        );
    }
    assert!(works(&backend, &gate, &second), "what is refused changes nothing");
}

#[test]
fn the_last_use_is_written_with_its_address_and_at_the_end_of_the_process() {
    let backend = Backend::saying("reached");
    let mut gate = Gate::start_in(folder(&backend, "sqlite:haechi.db", "")).ready();
    let (id, key) = create(gate.folder(), &["--owner", "acme"]);
    assert!(works(&backend, &gate, &key));
    let shown = eventually(PATIENCE, || {
        let shown = json(gate.folder(), &["key", "show", &id]);
        shown["last_used_at"].is_string().then_some(shown)
    });
    assert_eq!(shown["last_used_from"], "127.0.0.1", "{shown}");
    assert_eq!(gate.metric("haechi_api_key_uses_dropped_total", &[]), 0.0);
    let (id, key) = create(gate.folder(), &["--owner", "acme"]);
    assert!(works(&backend, &gate, &key));
    gate.signal("TERM");
    assert!(gate.exited().success());
    assert_eq!(json(gate.folder(), &["key", "show", &id])["last_used_from"], "127.0.0.1");
}

#[test]
fn keys_that_expire_are_told_in_log_metric_and_readiness() {
    let backend = Backend::saying("reached");
    let folder = folder(&backend, "sqlite:haechi.db", "");
    let (soon, secret) = create(&folder, &["--owner", "acme", "--name", "ci", "--expires", "5d"]);
    create(&folder, &["--owner", "acme", "--expires", "10d"]);
    create(&folder, &["--owner", "acme", "--expires", "90d"]);
    let gate = Gate::start_in(folder).ready();
    eventually(PATIENCE, || {
        let page = gate.admin("/metrics").text();
        page.contains("haechi_api_keys_expiring{within=\"14d\"} 2").then_some(())
    });
    assert_eq!(gate.metric("haechi_api_keys_expiring", &["within=\"1d\""]), 0.0);
    assert_eq!(gate.metric("haechi_api_keys_expiring", &["within=\"7d\""]), 1.0);
    let log = eventually(PATIENCE, || {
        let log = gate.log().join("\n");
        log.contains(&soon).then_some(log)
    });
    assert!(log.contains("expires before long") && !log.contains(&secret), "{log}");
    assert!(gate.admin("/readyz").expect(200).text().contains("1 API key expires within 7 days"));
}

const KONG: &str = "GQMqzkxqbVfDgaQgNZxQoYvnjsU8RtHp";
const HASHED: &str = "62eb165c070a41d5c1b58d9d3d725ca1";

fn sha256_of(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x"), text).unwrap();
    let told = std::process::Command::new("sha256sum").arg(folder.path().join("x")).output().unwrap();
    String::from_utf8(told.stdout).unwrap()[..64].to_owned()
}

fn import(folder: &Folder, text: &str, flags: &[&str]) -> Finished {
    folder.write("keys.csv", text);
    haechi(folder.path(), &[&["key", "import", "keys.csv"], flags].concat())
}

#[test]
fn keys_of_another_gateway_go_on_working() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend, "sqlite:haechi.db", ", imported_keys: true")).ready();
    assert!(!works(&backend, &gate, KONG));
    let (ours, ours_id) = {
        let (id, key) = create(gate.folder(), &["--owner", "acme"]);
        (key, id)
    };
    let text = format!(
        "key,sha256,owner,name,roles,attributes,allow_ip,limit,quota,expires\n\
         {KONG},,acme,kong,ADMIN;USER,tenant=acme;groups=a;groups=b,127.0.0.0/8,100/1m,10000/1d,90d\n\
         ,{},\"o, inc\",,,,,,,\n",
        sha256_of(HASHED)
    );
    let tried = import(gate.folder(), &text, &["--dry-run"]).success();
    assert!(tried.stderr.contains("2 keys can be imported"), "{tried:?}");
    assert!(!works(&backend, &gate, KONG), "a dry run changes nothing");
    let imported = import(gate.folder(), &text, &["--output", "json"]).success();
    assert!(!imported.stdout.contains(KONG) && !imported.stderr.contains(KONG), "{imported:?}");
    // Known at once: what is not there is not remembered.
    assert!(works(&backend, &gate, KONG) && works(&backend, &gate, HASHED) && works(&backend, &gate, &ours));
    let seen = backend.last();
    assert_eq!(seen.field("x-api-key"), None);
    assert_eq!(gate.get_with("/admin/x", &[&format!("X-API-Key: {KONG}")]).status, 200);
    let shown = json(gate.folder(), &["key", "show", "kong"]);
    assert_eq!((&shown["rate_limit"], &shown["quota"]), (&"100/1m".into(), &"10000/1d".into()), "{shown}");
    assert_eq!(
        (&shown["imported"], &shown["attributes"]["tenant"]),
        (&true.into(), &"acme".into()),
        "{shown}"
    );
    // Found where it lies open, although nothing but the store knows it.
    gate.folder().write("x.env", &format!("API={KONG}\nOURS={ours}\n"));
    let found = haechi(gate.folder().path(), &["key", "scan", "x.env"]);
    assert_eq!(found.code, 1);
    assert!(
        found.stdout.contains(shown["id"].as_str().unwrap()) && found.stdout.contains(&ours_id),
        "{found:?}"
    );
    assert!(!found.stdout.contains(KONG));
    // And rotated into one of ours.
    let id = shown["id"].as_str().unwrap();
    let next = rotate(gate.folder(), id, &["--overlap", "1h"]);
    assert!(works(&backend, &gate, &next));
    assert!(works(&backend, &gate, KONG));
    haechi(gate.folder().path(), &["key", "revoke", id]).success();
    eventually(PATIENCE, || (!works(&backend, &gate, KONG) && !works(&backend, &gate, &next)).then_some(()));
    for guess in ["secret", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "GQMqzkxqbVfDgaQgNZxQoYvnjsU8RtHq"] {
        assert!(!works(&backend, &gate, guess), "{guess}");
    }
}

#[test]
fn imported_keys_need_an_authenticator_that_accepts_them() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend, "sqlite:haechi.db", "")).ready();
    let text = format!("{{\"key\": \"{KONG}\", \"owner\": \"acme\", \"roles\": [\"USER\"]}}\n");
    let piped = haechi_with_input(gate.folder().path(), &["key", "import", "-"], &text).success();
    assert!(piped.stderr.contains("imported_keys: true"), "{piped:?}");
    assert!(!works(&backend, &gate, KONG));
}

#[test]
fn an_import_with_a_fault_imports_nothing_and_names_each_line() {
    let backend = Backend::saying("reached");
    let folder = folder(&backend, "sqlite:haechi.db", ", imported_keys: true");
    import(&folder, &format!("key,owner\n{KONG},acme\n"), &[]).success();
    let good = "2c5e7d52-8e08-4f2f-9a51-3c0b9e9a6a11";
    let text = format!(
        "key,owner,roles,attributes,expires,allow_ip,limit\n\
         {good},acme,USER,,,,\n\
         {KONG},acme,,,,,\n\
         {good},other,,,,,\n\
         {good}x,,,,,,\n\
         {good}y,acme,KING,,,,\n\
         {good}z,acme,,colour=red,,,\n\
         {good}a,acme,,,soon,,\n\
         {good}b,acme,,,,nowhere,\n\
         {good}c,acme,,,,,1/0m\n\
         short,acme,,,,,\n\
         {good}d,acme\n"
    );
    for flags in [&["--dry-run"][..], &[]] {
        let refused = import(&folder, &text, flags);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
        for (line, part) in [
            (3, "in the store already"),
            (4, "of line 2"),
            (5, "owner"),
            (6, "KING"),
            (7, "colour"),
            (8, "expires"),
            (9, "allowed_addresses"),
            (10, "limit"),
            (11, "characters long"),
            (12, "cells"),
        ] {
            let told = refused.stderr.lines().find(|told| told.starts_with(&format!("keys.csv:{line}: ")));
            assert!(told.is_some_and(|told| told.contains(part)), "{line} {part}: {}", refused.stderr);
        }
        assert!(
            !refused.stderr.contains(good) && !refused.stderr.contains("keys.csv:2:"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(json(&folder, &["key", "list"]).as_array().unwrap().len(), 1);
    for (text, part) in [
        ("", "empty"),
        ("nonsense,owner\na,b\n", "unknown name"),
        ("key,key\n", "two columns"),
        ("\"key\n", "not closed"),
    ] {
        let refused = import(&folder, text, &[]);
        assert!(refused.code == 1 && refused.stderr.contains(part), "{text}: {refused:?}");
    }
    assert_eq!(haechi(folder.path(), &["key", "import", "no-such-file"]).code, 1);
}

/// How many keys the store has, and how many wrong ones come: `scripts/many-keys` asks for a million.
fn many() -> u32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "how many there are is a setting of the tests, not of the gate"
    )]
    let asked = std::env::var("HAECHI_E2E_KEYS").ok().and_then(|count| count.parse().ok());
    asked.unwrap_or(6000)
}

/// A key that was made elsewhere, the same for every number.
fn made_elsewhere(n: u32) -> String {
    format!("kong-{n:08x}-{:08x}{:08x}", n.wrapping_mul(0x9e37_79b9), n.wrapping_mul(0x85eb_ca6b))
}

#[test]
fn many_keys_and_many_wrong_ones_take_little_memory_and_nobody_waits_for_them() {
    const THREADS: u32 = 4;
    let (count, backend) = (many(), Backend::saying("reached"));
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators: {{ partner: {{ type: api_key, imported_keys: true }}, local: {{ type: jwt, issuer: self }} }}
roles: {{ USER: {{}} }}
{}",
        routes_to(&backend, &[("/**", "[partner]", "any"), ("/token/**", "[local]", "any")])
    ));
    folder.add_user("alice", &["USER"]);
    let gate = Gate::start_in(folder).ready();
    let login = serde_json::json!({ "username": "alice", "password": crate::harness::PASSWORD });
    let token =
        gate.post_json("/auth/login", &login).expect(200).json()["access_token"].as_str().unwrap().to_owned();
    // What a running gate has grown to before.
    flood(&gate, 0x8000_0000..0x8000_0000 + 2000, 401);
    let before = gate.resident();
    let lines = (0..count).map(|n| {
        format!("{{\"key\":\"{}\",\"owner\":\"o{}\",\"roles\":[\"USER\"]}}\n", made_elsewhere(n), n % 997)
    });
    gate.folder().write("keys.jsonl", &lines.collect::<String>());
    let began = Instant::now();
    haechi(gate.folder().path(), &["key", "import", "keys.jsonl"]).success();
    eprintln!("keys: imported {count} in {:.1} s", began.elapsed().as_secs_f64());
    let step = (count / 6000).max(1) as usize;
    let began = Instant::now();
    let used: Vec<u32> = (0..count).step_by(step).collect();
    flood(&gate, used.iter().copied(), 200);
    eprintln!(
        "keys: {} of them used at {:.0} a second",
        used.len(),
        used.len() as f64 / began.elapsed().as_secs_f64()
    );
    let grown = gate.resident().saturating_sub(before);
    eprintln!("keys: {} KiB more resident", grown);
    assert!(grown < 300 * 1024, "{grown} KiB");
    let before = gate.resident();
    let slowest = std::thread::scope(|scope| {
        let share = count / THREADS;
        let floods: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (gate, from) = (&gate, 0x4000_0000 + thread * share);
                scope.spawn(move || flood(gate, from..from + share, 401))
            })
            .collect();
        let mut conversation = gate.converse();
        let mut slowest = Duration::ZERO;
        let mut asked = 0_u32;
        while floods.iter().any(|flood| !flood.is_finished()) {
            let began = Instant::now();
            conversation.send(format!(
                "GET /token/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
            ));
            assert_eq!(conversation.answer().unwrap().status, 200);
            (slowest, asked) = (slowest.max(began.elapsed()), asked + 1);
        }
        eprintln!(
            "keys: {asked} requests with a token beside {} wrong keys, the slowest {slowest:?}",
            share * THREADS
        );
        slowest
    });
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let grown = gate.resident().saturating_sub(before);
    eprintln!("keys: {grown} KiB more resident after that");
    assert!(grown < 16 * 1024, "{grown} KiB");
    flood(&gate, used.into_iter().take(10), 200);
}

fn flood(gate: &Gate, keys: impl IntoIterator<Item = u32>, expected: u16) {
    let mut conversation = gate.converse();
    for n in keys {
        let key = made_elsewhere(n);
        conversation.send(format!("GET /x HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n"));
        assert_eq!(conversation.answer().unwrap().status, expected, "{n}");
    }
}
