//! The commands: what they print, where, and how they end.

use crate::harness::{Folder, PASSWORD, haechi, haechi_with_input};
use serde_json::Value;

const GOOD: &str = "\
store: sqlite:haechi.db
identity: { issuer: http://localhost:8080, path: /auth }
authenticators:
  local: { type: jwt, issuer: self }
  partner: { type: api_key, header: X-API-Key }
roles: { USER: {}, ADMIN: { includes: [USER] } }
services: { web: { endpoints: [\"http://127.0.0.1:9\"] } }
routes:
  - { name: public, match: { path: \"/public/**\" }, authenticate: anonymous, authorize: any, service: web }
  - { name: admin, match: { path: \"/admin/**\", methods: [GET] }, authenticate: [local, partner], authorize: { roles: [ADMIN] }, service: web }
";

#[test]
fn a_good_configuration_passes() {
    let folder = Folder::new(GOOD);
    haechi(folder.path(), &["check"]).success();
    haechi(folder.path(), &["check", "-c", "haechi.yaml"]).success();
}

/// Breaks `GOOD` in one way, and expects the fault at this place with these words.
#[track_caller]
fn fault(change: (&str, &str), place: &str, words: &[&str]) {
    assert!(GOOD.contains(change.0), "{change:?}");
    let folder = Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}]\n{}",
        GOOD.replacen(change.0, change.1, 1)
    ));
    let checked = haechi(folder.path(), &["check"]);
    assert_eq!(checked.code, 1, "{change:?}: {checked:#?}");
    assert!(checked.stderr.contains(&format!("haechi.yaml:{place}")), "{change:?}: {}", checked.stderr);
    for word in words {
        assert!(checked.stderr.contains(word), "no `{word}` for {change:?}: {}", checked.stderr);
    }
}

#[test]
fn a_fault_is_told_with_its_place_and_the_fix() {
    fault(("store:", "storage:"), "2:1", &["storage", "store"]);
    fault(("service: web }\n  - { name: admin", "service: wep }\n  - { name: admin"), "10:", &["wep", "web"]);
    fault(("[local, partner]", "[local, partnr]"), "11:", &["partnr", "partner"]);
    fault(("roles: [ADMIN]", "roles: [ADMIM]"), "11:", &["ADMIM", "ADMIN"]);
    fault((" authorize: any,", ""), "10:", &["authorize"]);
    fault((" authenticate: anonymous,", ""), "10:", &["authenticate"]);
    fault(("methods: [GET]", "methods: [GETT]"), "11:", &["GETT"]);
    fault(("http://127.0.0.1:9", "127.0.0.1:9"), "8:", &["127.0.0.1:9"]);
    fault(("includes: [USER]", "includes: [ADMIN]"), "7:", &["ADMIN"]);
    fault(("issuer: self", "issuer: https://sso.example.com"), "5:", &["audiences"]);
    fault(("path: \"/admin/**\"", "path: \"/public/{rest}/../x\""), "11:", &["/public/{rest}/../x"]);
    fault(("name: admin", "name: public"), "11:", &["public"]);
    fault(("path: \"/admin/**\", methods: [GET]", "path: \"/public/**\""), "11:", &["public"]);
    fault(("sqlite:haechi.db", "${env:NO_SUCH_VARIABLE_HERE}"), "2:", &["NO_SUCH_VARIABLE_HERE"]);
    fault(("roles: {", "roles: {}\nroles: {"), "8:1", &["roles"]);
}

#[test]
fn all_faults_are_told_at_once() {
    let broken = GOOD.replacen("[GET]", "[GETT]", 1).replacen("store:", "storage:", 1).replacen(
        "service: web }",
        "service: wep }",
        1,
    );
    let folder = Folder::new(&broken);
    let checked = haechi(folder.path(), &["check"]);
    assert_eq!(checked.code, 1);
    for word in ["GETT", "storage", "wep"] {
        assert!(checked.stderr.contains(word), "no `{word}`: {}", checked.stderr);
    }
    let run = haechi(folder.path(), &["run"]);
    assert_eq!(run.code, 1, "{run:#?}");
    assert!(run.stderr.contains("GETT") && run.stderr.contains("wep"), "{}", run.stderr);
}

#[test]
fn what_is_not_built_is_refused_and_not_ignored() {
    let saml = GOOD.replace("{ type: api_key, header: X-API-Key }", "{ type: saml, url: http://auth }");
    let no_policies = format!("{GOOD}policies: [policies/*.cedar]\n");
    for (key, text) in [("saml", saml), ("policies", no_policies)] {
        let folder = Folder::new(&text);
        let checked = haechi(folder.path(), &["check"]);
        assert_eq!(checked.code, 1, "{key}: {checked:#?}");
        assert!(checked.stderr.contains(key), "{}", checked.stderr);
    }
}

#[test]
fn a_secret_in_the_configuration_is_not_repeated() {
    let broken = GOOD.replacen(
        "{ type: jwt, issuer: self }",
        "{ type: jwt, issuer: https://a.example, audiences: [a], keys: { secret: hunter2-hunter2 }, algorithms: [HS256] }",
        1,
    );
    let checked = haechi(Folder::new(&broken).path(), &["check"]);
    assert_eq!(checked.code, 1, "a secret shorter than the hash");
    assert!(!checked.stderr.contains("hunter2"), "{}", checked.stderr);
}

#[test]
fn a_missing_file_and_wrong_usage_are_told_apart() {
    let folder = Folder::new(GOOD);
    let missing = haechi(folder.path(), &["check", "-c", "nowhere.yaml"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("nowhere.yaml"), "{}", missing.stderr);
    for arguments in
        [&["chekc"][..], &["check", "--no-such-flag"], &["user"], &["user", "add"], &["explain"], &[]]
    {
        let wrong = haechi(folder.path(), arguments);
        assert_eq!(wrong.code, 2, "{arguments:?}: {wrong:#?}");
        assert!(!wrong.stderr.is_empty() && wrong.stdout.is_empty(), "{arguments:?}: {wrong:#?}");
    }
    haechi(folder.path(), &["--version"]).success();
    haechi(folder.path(), &["--help"]).success();
}

#[test]
fn a_file_that_is_not_there_is_told_with_its_name_in_plain_words() {
    let folder = Folder::new(GOOD);
    for arguments in [
        &["audit", "verify", "gone"][..],
        &["audit", "search", "gone"],
        &["audit", "replay", "gone"],
        &["key", "scan", "gone"],
        &["key", "import", "gone"],
        &["user", "import", "gone"],
        &["policy", "put", "a", "gone"],
        &["client", "add", "a", "--jwks", "gone"],
        &["test", "gone"],
        &["prove", "gone"],
        &["check", "gone"],
        &["diff", "haechi.yaml", "gone"],
    ] {
        let told = haechi(folder.path(), arguments);
        // A trail that cannot be read is told apart from one that was tampered with.
        let code = if arguments[..2] == ["audit", "verify"] { 2 } else { 1 };
        assert_eq!(told.code, code, "{arguments:?}: {told:#?}");
        assert!(told.stderr.contains("gone"), "{arguments:?}: {}", told.stderr);
        assert!(told.stderr.contains("no such file or directory"), "{arguments:?}: {}", told.stderr);
        assert!(!told.stderr.contains("os error"), "{arguments:?}: {}", told.stderr);
    }
}

#[test]
fn a_list_of_nothing_says_so_beside_its_heads() {
    let folder = Folder::new(GOOD);
    for what in ["user", "key", "client", "session", "policy"] {
        let told = haechi(folder.path(), &[what, "list"]).success();
        assert_eq!((told.stdout.lines().count(), &*told.stderr), (1, "none\n"), "{what}: {told:#?}");
        let json = haechi(folder.path(), &[what, "list", "--output", "json"]).success();
        assert_eq!((json.stdout.trim(), &*json.stderr), ("[]", ""), "{what}");
    }
    let unknown = haechi(folder.path(), &["session", "end", "no-such-login"]);
    assert!(
        unknown.code == 1 && unknown.stderr.contains("there is no login `no-such-login`"),
        "{unknown:#?}"
    );
}

#[test]
fn the_schema_is_json_and_completions_are_a_script() {
    let folder = Folder::exactly("");
    let schema = haechi(folder.path(), &["schema", "config"]).success().stdout;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert!(schema["$schema"].is_string(), "{schema}");
    for key in ["listeners", "authenticators", "routes", "services", "roles", "identity", "store"] {
        assert!(schema["properties"].get(key).is_some(), "no `{key}`");
    }
    let script = haechi(folder.path(), &["completions", "bash"]).success().stdout;
    folder.write("completions.bash", &script);
    let read =
        std::process::Command::new("bash").arg("-n").arg(folder.file("completions.bash")).status().unwrap();
    assert!(read.success());
    assert_eq!(haechi(folder.path(), &["completions", "no-such-shell"]).code, 2);
}

fn users(folder: &Folder) -> Vec<Value> {
    let listed = haechi(folder.path(), &["user", "list", "--output", "json"]).success().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap_or_else(|fault| panic!("{fault}: {listed}"));
    listed.as_array().or_else(|| listed["users"].as_array()).expect("a list of users").clone()
}

#[test]
fn users_are_added_listed_changed_and_deleted() {
    let folder = Folder::new(GOOD);
    folder.add_user("alice", &["USER"]);
    folder.add_user("root", &["ADMIN"]);
    let listed = users(&folder);
    assert_eq!(listed.len(), 2);
    assert!(
        listed.iter().any(|user| user["name"] == "alice" && user["roles"] == serde_json::json!(["USER"])),
        "{listed:?}"
    );
    assert!(haechi(folder.path(), &["user", "list"]).success().stdout.contains("alice"));
    let twice = haechi_with_input(folder.path(), &["user", "add", "alice"], &format!("{PASSWORD}\n"));
    assert_eq!(twice.code, 1, "{twice:#?}");
    assert!(twice.stderr.contains("user `alice`"), "{}", twice.stderr);
    let unasked = haechi(folder.path(), &["user", "add", "alice"]);
    assert_eq!((unasked.code, unasked.stderr), (1, twice.stderr), "no password is asked for in vain");
    haechi_with_input(folder.path(), &["user", "set-password", "alice"], "cranes over the western wall\n")
        .success();
    haechi(folder.path(), &["user", "disable", "alice"]).success();
    haechi(folder.path(), &["user", "delete", "alice"]).success();
    assert_eq!(users(&folder).len(), 1);
    assert_eq!(haechi(folder.path(), &["user", "delete", "alice"]).code, 1);
}

#[test]
fn weak_passwords_are_refused_and_never_repeated() {
    let folder = Folder::new(GOOD);
    for weak in ["short", "fourteen chars", "", "passwordpassword", "aaaaaaaaaaaaaaaaaaaa"] {
        let refused = haechi_with_input(folder.path(), &["user", "add", "alice"], &format!("{weak}\n"));
        assert_eq!(refused.code, 1, "`{weak}`: {refused:#?}");
        assert!(weak.is_empty() || !refused.stderr.contains(weak), "{}", refused.stderr);
    }
    let long = "seventeen cranes crossed the palace wall while two guards slept.";
    assert_eq!(long.len(), 64);
    haechi_with_input(folder.path(), &["user", "add", "alice"], &format!("{long}\n")).success();
    let unknown = haechi_with_input(
        folder.path(),
        &["user", "add", "bob", "--role", "NOBODY"],
        &format!("{PASSWORD}\n"),
    );
    assert_ne!(unknown.code, 0, "a role that the configuration does not have");
    assert_eq!(users(&folder).len(), 1);
}

#[test]
fn what_the_configuration_does_not_declare_is_wrong_usage() {
    let folder = Folder::new(&format!("{GOOD}caller_attributes: {{ tenant: string, clearance: long }}\n"));
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--role", "ADMIM"], &["`ADMIM`", "`ADMIN`", "`USER`"]),
        (&["--role", "USER", "--role", "admin"], &["`admin`", "`ADMIN`"]),
        (&["--attr", "team=a"], &["`team`", "`tenant`", "`clearance`"]),
        (&["--attr", "clearance=high"], &["`clearance`", "long", "`high`"]),
        (&["--attr", "tenant=a", "--attr", "tenant=b"], &["`tenant`", "twice"]),
        (&["--attr", "tenant"], &["NAME=VALUE"]),
    ];
    for (arguments, words) in cases {
        for command in [&["key", "create", "--owner", "acme"][..], &["user", "add", "alice"]] {
            let refused = haechi(folder.path(), &[command, arguments].concat());
            assert_eq!((refused.code, &*refused.stdout), (2, ""), "{command:?} {arguments:?}: {refused:#?}");
            for word in words {
                assert!(refused.stderr.contains(word), "no {word} for {arguments:?}: {}", refused.stderr);
            }
        }
    }
    for odd in [
        &["key", "create", "--owner", "a:b"][..],
        &["key", "create", "--owner", "acme", "--name", " ci"],
        &["key", "create", "--owner", "acme", "--scope", "two words"],
        &["user", "add", ""],
    ] {
        let refused = haechi(folder.path(), odd);
        assert_eq!((refused.code, &*refused.stdout), (2, ""), "{odd:?}: {refused:#?}");
    }
    assert_eq!(haechi(folder.path(), &["key", "list", "--output", "json"]).success().stdout.trim(), "[]");
    assert_eq!(users(&folder).len(), 0);
}

fn explained(folder: &Folder, arguments: &[&str]) -> Value {
    let all = [&["explain", "--output", "json"], arguments].concat();
    let told = haechi(folder.path(), &all);
    serde_json::from_str(&told.stdout).unwrap_or_else(|fault| panic!("{fault}: {told:#?}"))
}

#[test]
fn explain_tells_which_route_wins_and_what_it_asks() {
    let folder = Folder::new(GOOD);
    folder.add_user("alice", &["USER"]);
    let public = explained(&folder, &["--method", "GET", "--path", "/public/x"]);
    assert!(public.to_string().contains("\"public\""), "{public}");
    let admin = explained(&folder, &["--method", "GET", "--path", "/%61dmin/x", "--role", "ADMIN"]);
    assert!(admin.to_string().contains("\"admin\""), "{admin}");
    let text = haechi(folder.path(), &["explain", "--method", "GET", "--path", "/admin/x", "--as", "alice"]);
    assert!(text.stdout.contains("admin") && text.stdout.contains("ADMIN"), "{text:#?}");
    for (method, path) in [("GET", "/nowhere"), ("DELETE", "/admin/x"), ("GET", "/a/../b")] {
        let told = haechi(folder.path(), &["explain", "--method", method, "--path", path]);
        assert!(told.code == 0 || told.code == 1, "{told:#?}");
        assert!(!told.stdout.is_empty(), "{told:#?}");
    }
}
