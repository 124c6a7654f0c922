//! The first commands that somebody types: `init`, `check`, `help`, `man`; and a configuration of a git revision.

use crate::harness::{Folder, Gate, PASSWORD, haechi, haechi_with_input};
use haechi_testkit::{Backend, RedisServer};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_first_configuration_runs_and_is_never_overwritten() {
    let folder = Folder::exactly("");
    fs::remove_file(folder.file("haechi.yaml")).unwrap();
    let made = haechi(folder.path(), &["init"]).success();
    assert!(made.stdout.contains("haechi user add alice --role USER\n"), "{made:#?}");
    let checked = haechi(folder.path(), &["check"]).success();
    assert!(checked.stdout.starts_with("ok: ") && checked.stderr.is_empty(), "{checked:#?}");
    let again = haechi(folder.path(), &["init"]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("`haechi.yaml` exists and is not overwritten"), "{again:#?}");
    haechi(folder.path(), &["init", "-c", "other.yaml"]).success();
    assert_eq!(fs::read(folder.file("other.yaml")).unwrap(), fs::read(folder.file("haechi.yaml")).unwrap());

    // As it is, but for addresses that are free.
    let backend = Backend::saying("reached");
    let text = fs::read_to_string(folder.file("haechi.yaml")).unwrap();
    let text = text.replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:9901", "127.0.0.1:0");
    let folder = Folder::exactly(&text.replace("http://127.0.0.1:7001", &backend.url()));
    folder.add_user("alice", &["USER"]);
    let gate = Gate::start_in(folder).ready();
    gate.get("/health").expect(200);
    gate.get("/orders").expect(401);
    let login =
        gate.post_json("/auth/login", &json!({ "username": "alice", "password": PASSWORD })).expect(200);
    let token = login.json()["access_token"].as_str().unwrap().to_owned();
    gate.get_with_token("/orders", &token).expect(200);
    gate.get_with_token("/admin/users", &token).expect(403);
    assert_eq!(backend.recorded().len(), 2);
}

#[test]
fn a_form_where_json_is_wanted_is_told_so() {
    let backend = Backend::saying("reached");
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db\nidentity: {{ issuer: http://localhost:8080 }}\n\
         services: {{ web: {{ endpoints: [\"{}\"] }} }}\nroutes: []\n",
        backend.url()
    ));
    let gate = Gate::start_in(folder).ready();
    for path in ["/auth/login", "/auth/refresh"] {
        let told = gate.curl(path, &["-d", "username=alice&password=x"]).expect(400).json();
        assert_eq!(told["type"], "urn:haechi:problem:bad-body");
        assert!(told["detail"].as_str().unwrap().contains("content-type: application/json"), "{told}");
    }
    // What is neither is told as before, and every line of JSON ends.
    let reply = gate.post_json("/auth/login", &json!([1])).expect(400);
    assert_eq!(reply.json()["detail"], "the body is not what this call takes");
    for reply in
        [reply, gate.get("/.well-known/jwks.json").expect(200), gate.admin("/readyz"), gate.get("/no")]
    {
        assert!(reply.text().ends_with("}\n"), "{reply:?}");
    }
}

#[test]
fn a_configuration_is_checked_by_name_and_from_standard_input() {
    let folder = Folder::exactly("");
    fs::remove_file(folder.file("haechi.yaml")).unwrap();
    let good = "listeners: [{ bind: 127.0.0.1:0 }]\nservices: {}\nroutes: []\n";
    folder.write("good.yaml", good);
    let by_name = haechi(folder.path(), &["check", "good.yaml"]).success();
    let piped = haechi_with_input(folder.path(), &["check", "-"], good).success();
    assert_eq!(by_name.stdout, piped.stdout);
    let refused = haechi_with_input(folder.path(), &["check", "-"], "listeners: [{ bnid: 127.0.0.1:0 }]\n");
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("standard input:1:15") && refused.stderr.contains("did you mean `bind`?"),
        "{refused:#?}"
    );
    // What it names is looked for beside whoever asks.
    folder.write("rules.cedar", "permit(principal, action, resource);\n");
    let with_policies = format!("{good}policies: [rules.cedar]\n");
    haechi_with_input(folder.path(), &["check", "-"], &with_policies).success();
    assert_eq!(haechi_with_input(Folder::exactly("").path(), &["check", "-"], &with_policies).code, 1);
}

#[test]
fn check_online_asks_the_store_and_every_issuer() {
    let issuer = Backend::saying("{\"keys\":[]}");
    let dead = haechi_testkit::port::unused_address();
    let folder = Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}]
store: sqlite:haechi.db
authenticators:
  dead: {{ type: jwt, issuer: \"http://{dead}\", audiences: [a], keys: {{ jwks_url: \"http://{dead}/keys\" }} }}
  empty: {{ type: jwt, issuer: \"{0}\", audiences: [a], keys: {{ jwks_url: \"{0}/keys\" }} }}
services: {{}}
routes: []
",
        issuer.url()
    ));
    haechi(folder.path(), &["check"]).success();
    let told = haechi(folder.path(), &["check", "--online"]);
    assert_eq!(told.code, 1, "{told:#?}");
    assert!(told.stdout.contains("haechi.db: is not there yet"), "{told:#?}");
    assert!(told.stdout.contains("error: authenticator dead: "), "{told:#?}");
    assert!(told.stdout.contains("error: authenticator empty: "), "{told:#?}");
    assert!(!folder.file("haechi.db").exists(), "it changes nothing");
    let json: Value =
        serde_json::from_str(&haechi(folder.path(), &["check", "--online", "--output", "json"]).stdout)
            .unwrap();
    let online = json["online"].as_array().unwrap();
    assert_eq!(online.iter().filter(|found| found["ok"] == true).count(), 1, "{json:#}");

    let alone = "listeners: [{ bind: 127.0.0.1:0 }]\nstore: sqlite:haechi.db\nservices: {}\nroutes: []\n";
    folder.write("alone.yaml", alone);
    folder.write("haechi.yaml", alone);
    folder.add_user("alice", &[]);
    let well = haechi(folder.path(), &["check", "alone.yaml", "--online"]).success();
    assert!(well.stdout.contains("haechi.db: schema "), "{well:#?}");
}

#[test]
fn check_online_asks_redis() {
    let redis = RedisServer::start(&[]);
    let folder = Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}]\nshared_state: \"{}\"\nservices: {{}}\nroutes: []\n",
        redis.url()
    ));
    let well = haechi(folder.path(), &["check", "--online"]).success();
    assert!(
        well.stdout.contains("ok: shared state redis://") && well.stdout.contains(": answers"),
        "{well:#?}"
    );
    drop(redis);
    let gone = haechi(folder.path(), &["check", "--online"]);
    assert_eq!(gone.code, 1, "{gone:#?}");
    assert!(gone.stdout.contains("error: shared state redis://"), "{gone:#?}");
}

#[test]
fn every_list_is_printed_as_comma_separated_values() {
    let folder = Folder::new(
        "store: sqlite:haechi.db\nidentity: { issuer: http://localhost:8080 }\nroles: { JOBS: {} }\nservices: {}\nroutes: []\n",
    );
    haechi(folder.path(), &["client", "add", "nightly", "--role", "JOBS", "--scope", "a", "--scope", "b"])
        .success();
    haechi(folder.path(), &["signing-key", "rotate"]).success();
    let list = |command: &[&str]| {
        let printed = haechi(folder.path(), &[command, &["--output", "csv"]].concat()).success().stdout;
        printed.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let clients = list(&["client", "list"]);
    assert!(clients[0].starts_with("client_id,name,roles,scopes,"), "{clients:?}");
    assert!(clients.len() == 2 && clients[1].contains(",nightly,JOBS,a;b,"), "{clients:?}");
    let keys = list(&["signing-key", "list"]);
    assert!(keys[0].starts_with("kid,algorithm,state,") && keys.len() > 1, "{keys:?}");
    assert_eq!(list(&["session", "list"]), ["id,subject,user,authenticator,created_at,expires_at"]);
    assert_eq!(list(&["policy", "list"]).len(), 1);
    assert_eq!(haechi(folder.path(), &["check", "--output", "csv"]).code, 2);
}

#[test]
fn help_and_manual_pages_tell_of_every_command() {
    let folder = Folder::exactly("");
    let help = haechi(folder.path(), &["help"]).success().stdout;
    assert!(help.contains("\n  explain ") && help.contains("\n  help "), "{help}");
    let of_key = haechi(folder.path(), &["help", "key", "create"]).success().stdout;
    assert_eq!(of_key, haechi(folder.path(), &["key", "create", "--help"]).success().stdout);
    haechi(folder.path(), &["man", "pages"]).success();
    let page = fs::read_to_string(folder.file("pages/haechi-key-create.1")).unwrap();
    assert!(page.contains(".TH haechi-key-create 1") && page.contains("\\-\\-owner"), "{page}");
    let first = haechi(folder.path(), &["man"]).success().stdout;
    assert_eq!(first.trim_end(), fs::read_to_string(folder.file("pages/haechi.1")).unwrap().trim_end());
    for command in ["explain", "signing-key", "decisions", "man", "init"] {
        assert!(folder.file(&format!("pages/haechi-{command}.1")).exists(), "{command}");
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "init.defaultBranch=main"];
    let done = Command::new("git").current_dir(folder).args(identity).args(arguments).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_configuration_of_a_revision_is_read_with_what_stood_beside_it() {
    let folder = Folder::exactly("");
    let config = |roles: &str| {
        format!(
            "listeners: [{{ bind: 127.0.0.1:0 }}]\nroles: {{ USER: {{}}, ADMIN: {{}} }}\ninclude: [more.yaml]\n\
             authenticators: {{ partner: {{ type: api_key }} }}\nstore: sqlite:haechi.db\n\
             routes: [{{ name: orders, match: {{ path: /orders }}, authenticate: partner, authorize: {{ roles: {roles} }}, service: web }}]\n"
        )
    };
    fs::create_dir(folder.file("gate")).unwrap();
    folder.write("gate/haechi.yaml", &config("[ADMIN]"));
    folder.write("gate/more.yaml", "services: { web: { endpoints: [\"http://127.0.0.1:1\"] } }\n");
    git(folder.path(), &["init", "-q"]);
    git(folder.path(), &["add", "gate"]);
    git(folder.path(), &["commit", "-qm", "first"]);
    // What stands beside it today is of another shape.
    folder.write("gate/haechi.yaml", &config("[ADMIN, USER]").replace("more.yaml", "other.yaml"));
    fs::rename(folder.file("gate/more.yaml"), folder.file("gate/other.yaml")).unwrap();
    let before = git(folder.path(), &["status", "--porcelain"]);

    let gate = folder.file("gate");
    for (at, old, new) in [
        (&*gate, "git:HEAD", "haechi.yaml"),
        (folder.path(), "git:HEAD", "gate/haechi.yaml"),
        (folder.path(), "git:HEAD:gate/haechi.yaml", "gate/haechi.yaml"),
    ] {
        let told = haechi(at, &["diff", old, new, "--fail-on", "wider"]);
        assert_eq!(told.code, 1, "{told:#?}");
        assert!(told.stdout.starts_with("wider        `orders`"), "{told:#?}");
        haechi(at, &["diff", new, old, "--fail-on", "wider"]).success();
    }
    let matrix = haechi(&gate, &["matrix", "-c", "git:HEAD"]).success().stdout;
    assert_ne!(matrix, haechi(&gate, &["matrix"]).success().stdout);
    assert_eq!(before, git(folder.path(), &["status", "--porcelain"]), "the repository stays as it is");
    for (wrong, why) in [
        ("git:no-such-revision", "no-such-revision"),
        ("git:--output=x", "--output=x"),
        ("git:HEAD:gate/missing.yaml", "the file is not there"),
    ] {
        let refused = haechi(&gate, &["diff", wrong, "haechi.yaml"]);
        assert_eq!(refused.code, 1, "{refused:#?}");
        assert!(refused.stderr.contains(why), "{refused:#?}");
    }
    assert!(!gate.join("x").exists());
}

/// What `haechi` prints in `folder` on a terminal, which `script` (util-linux) makes.
fn on_a_terminal(folder: &Folder, arguments: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new("script")
        .args(["-qec", &format!("{} {arguments}", env!("CARGO_BIN_EXE_haechi")), "/dev/null"])
        .current_dir(folder.path())
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR")
        .env_remove("CLICOLOR_FORCE")
        // Where it is set, a log with colours is taken to be wanted.
        .env_remove("CI")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn verdicts_have_colours_on_a_terminal_and_nowhere_else() {
    let folder = Folder::exactly(
        "listeners: [{ bind: 127.0.0.1:0 }]\nroles: { USER: {}, ADMIN: {} }\n\
         services: { web: { endpoints: [\"http://127.0.0.1:1\"] } }\n\
         authenticators: { key: { type: api_key } }\nstore: sqlite:haechi.db\n\
         routes:\n  - { name: open, match: { path: /open }, service: web, authenticate: anonymous, authorize: any }\n\
         \x20 - { name: admin, match: { path: /admin/** }, service: web, authenticate: [key], authorize: { roles: [ADMIN] } }\n",
    );
    folder.write(
        "cases.yaml",
        "- { name: refused, request: { method: GET, path: /admin/x }, caller: { roles: [USER] }, expect: deny }\n\
         - { name: allowed, request: { method: GET, path: /admin/x }, caller: { roles: [USER] }, expect: allow }\n",
    );
    folder.write("bad.yaml", "listeners: 7\n");
    let explained = "explain --method GET --path /admin/x --role USER";
    let (green, red) =
        (["\x1b[1;32mok\x1b[0m  ", "\x1b[1;32mallow"], ["\x1b[1;31mFAIL\x1b[0m", "\x1b[1;31m"]);
    let tried = on_a_terminal(&folder, "test cases.yaml", &[]);
    assert!(tried.contains(green[0]) && tried.contains(red[0]), "{tried}");
    let open = on_a_terminal(&folder, "explain --method GET --path /open", &[]);
    assert!(open.starts_with(green[1]), "{open:?}");
    for arguments in [explained, "check -c bad.yaml"] {
        let shown = on_a_terminal(&folder, arguments, &[]);
        assert!(shown.starts_with(red[1]), "{shown:?}");
        for quiet in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            assert!(!on_a_terminal(&folder, arguments, &[quiet]).contains('\x1b'), "{arguments} {quiet:?}");
        }
        let piped = Command::new(env!("CARGO_BIN_EXE_haechi"))
            .args(arguments.split(' '))
            .current_dir(folder.path())
            .env("TERM", "xterm")
            .output()
            .unwrap();
        assert!(![piped.stdout, piped.stderr].concat().contains(&0x1b), "{arguments}");
    }
    // Programs read JUnit's XML and JSON, wherever they are printed.
    for form in ["junit", "json"] {
        let shown = on_a_terminal(&folder, &format!("test cases.yaml --output {form}"), &[]);
        assert!(shown.contains("/admin/x") && !shown.contains('\x1b'), "{shown:?}");
    }
}
