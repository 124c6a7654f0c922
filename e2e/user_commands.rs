//! `haechi user`: unlocking, roles and attributes one by one, and users that come from elsewhere (docs/commands.md).

use crate::harness::{
    Finished, Folder, Gate, PASSWORD, PATIENCE, eventually, haechi, haechi_with_input, routes_to,
};
use haechi_testkit::Backend;
use serde_json::{Value, json};

/// Of `myPassword`, from the manual of Apache's htpasswd.
const BCRYPT: &str = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC";

fn folder(backend: &Backend) -> Folder {
    Folder::new(&format!(
        "store: sqlite:haechi.db
roles: {{ ADMIN: {{}}, USER: {{}} }}
caller_attributes: {{ tenant: string, clearance: long, groups: set }}
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators: {{ local: {{ type: jwt, issuer: self }} }}
audit: {{ file: audit/haechi.jsonl }}
{}",
        routes_to(backend, &[("/users/**", "local", "{ roles: [USER] }")])
    ))
}

fn run(folder: &Folder, arguments: &[&str]) -> String {
    let done = haechi(folder.path(), arguments).success();
    format!("{}{}", done.stdout, done.stderr)
}

#[track_caller]
fn refused(done: Finished, code: i32) -> Finished {
    assert_eq!(done.code, code, "{done:#?}");
    done
}

fn events(folder: &Folder, event: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.file("audit/haechi.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

fn log_in(gate: &Gate, name: &str, password: &str) -> u16 {
    gate.post_json("/auth/login", &json!({ "username": name, "password": password })).status
}

#[test]
fn a_user_who_failed_too_often_is_unlocked_by_command_while_the_gate_runs() {
    let backend = Backend::saying("reached");
    let folder = folder(&backend);
    folder.add_user("alice", &["USER"]);
    folder.add_user("mina", &["USER"]);
    let gate = Gate::start_in(folder).ready();
    for name in ["alice", "mina"] {
        for _ in 0..5 {
            assert_eq!(log_in(&gate, name, "wrong but long enough"), 401);
        }
        assert_eq!(log_in(&gate, name, PASSWORD), 401, "{name} is locked");
    }
    assert!(run(gate.folder(), &["user", "unlock", "alice"]).contains("unlocked user `alice`"));
    // The gate hears of it within a second or two. Each try that comes too early is refused without being counted.
    eventually(PATIENCE, || (log_in(&gate, "alice", PASSWORD) == 200).then_some(()));
    assert_eq!(log_in(&gate, "mina", PASSWORD), 401, "another user");
    assert_eq!(events(gate.folder(), "user.unlock").len(), 1);
    refused(haechi(gate.folder().path(), &["user", "unlock", "nobody"]), 1);
}

#[test]
fn roles_and_attributes_change_one_by_one() {
    let backend = Backend::saying("reached");
    let folder = folder(&backend);
    folder.add_user("alice", &["USER"]);
    let shown = || -> Value {
        serde_json::from_str(&run(&folder, &["user", "show", "alice", "--output", "json"])).unwrap()
    };
    assert!(run(&folder, &["user", "add-role", "alice", "ADMIN", "USER"]).contains("USER, ADMIN"));
    assert_eq!(shown()["roles"], json!(["USER", "ADMIN"]));
    run(&folder, &["user", "remove-role", "alice", "USER", "ADMIN"]);
    assert_eq!(shown()["roles"], json!([]));
    refused(haechi(folder.path(), &["user", "add-role", "alice", "NOPE"]), 2);
    run(&folder, &["user", "set-attr", "alice", "tenant=acme", "clearance=3", "groups=a", "groups=b"]);
    run(&folder, &["user", "set-attr", "alice", "clearance=4", "--remove", "tenant"]);
    assert_eq!(shown()["attributes"], json!({ "clearance": 4, "groups": ["a", "b"] }));
    refused(haechi(folder.path(), &["user", "set-attr", "alice", "clearance=high"]), 2);
    refused(haechi(folder.path(), &["user", "set-attr", "alice", "tenant=a", "--remove", "tenant"]), 2);
    refused(haechi(folder.path(), &["user", "set-attr", "alice"]), 2);
    assert_eq!(events(&folder, "user.set_attributes").len(), 2);
    assert_eq!(events(&folder, "user.set_roles").len(), 2);
    let again = haechi(folder.path(), &["user", "add", "alice", "--if-missing"]).success();
    assert!(again.stderr.contains("there already"), "{}", again.stderr);
    refused(haechi(folder.path(), &["user", "add", "alice"]), 1);
}

#[test]
fn users_come_with_their_hashes_from_elsewhere() {
    let backend = Backend::saying("reached");
    let folder = folder(&backend);
    folder.add_user("alice", &["USER"]);
    folder.write(
        "users.csv",
        &format!(
            "name,password_hash,roles,attributes,disabled\r\nbert,{BCRYPT},USER;ADMIN,tenant=acme;groups=a;groups=b,\r\n\"kim, mina\",{BCRYPT},,,true\r\n"
        ),
    );
    let import = |arguments: &[&str]| haechi(folder.path(), &[&["user", "import"][..], arguments].concat());
    assert!(import(&["users.csv", "--dry-run"]).success().stderr.contains("2 users can be imported"));
    assert!(import(&["users.csv", "--role", "USER"]).success().stderr.contains("imported 2 users"));
    assert_eq!(events(&folder, "user.import").len(), 2, "each is on record");
    let shown: Value =
        serde_json::from_str(&run(&folder, &["user", "show", "kim, mina", "--output", "json"])).unwrap();
    assert_eq!((&shown["roles"], &shown["disabled"]), (&json!(["USER"]), &json!(true)));

    // All or none: each fault with its line, and no hash in it.
    folder.write("htpasswd", &format!("# staff\nanna:{BCRYPT}\nmd5:$apr1$x$abcdefghijklmnopqrstuv\nno pair\nalice:{BCRYPT}\nanna:{BCRYPT}\n"));
    let told = refused(import(&["htpasswd"]), 1);
    for line in ["htpasswd:3: ", "htpasswd:4: ", "htpasswd:5: ", "htpasswd:6: "] {
        assert!(told.stderr.contains(line), "{line}: {}", told.stderr);
    }
    assert!(told.stderr.contains("4 faults; no user was imported") && !told.stderr.contains("$apr1"));
    refused(haechi(folder.path(), &["user", "show", "anna"]), 1);
    for (bad, why) in [
        ("name,hash\na,b\n", "no column `hash`"),
        ("name,password_hash\nonly\n", "cells"),
        ("", "empty"),
        (
            "name,password_hash,disabled\na,$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC,maybe\n",
            "fault",
        ),
    ] {
        let told = refused(haechi_with_input(folder.path(), &["user", "import", "-"], bad), 1);
        assert!(told.stderr.contains(why), "{why}: {}", told.stderr);
    }
    let staff = format!("anna:{BCRYPT}\r\nalice:{BCRYPT}\r\n");
    let added =
        haechi_with_input(folder.path(), &["user", "import", "-", "--if-missing", "--role", "USER"], &staff);
    assert!(added.success().stderr.contains("imported 1 user; 1 user there already"));

    // What is exported can be imported.
    let plain = run(&folder, &["user", "export"]);
    assert!(!plain.contains("$2y$") && plain.starts_with("name,password_hash,roles,attributes,disabled\r\n"));
    let whole = haechi(folder.path(), &["user", "export", "--with-hashes"]).success().stdout;
    assert_eq!(events(&folder, "user.export").len(), 1);
    let other = self::folder(&backend);
    other.write("all.csv", &whole);
    assert!(
        haechi(other.path(), &["user", "import", "all.csv"]).success().stderr.contains("imported 4 users")
    );
    assert_eq!(haechi(other.path(), &["user", "export", "--with-hashes"]).success().stdout, whole);
    let gate = Gate::start_in(other).ready();
    assert_eq!((log_in(&gate, "bert", "myPassword"), log_in(&gate, "bert", "wrong horse!")), (200, 401));
    assert_eq!((log_in(&gate, "alice", PASSWORD), log_in(&gate, "kim, mina", "myPassword")), (200, 401));
}
