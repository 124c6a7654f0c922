//! Commands go to a running gate where there is one, and to the store else: with the same output (docs/commands.md).

use crate::harness::{Finished, Folder, Gate, PASSWORD, haechi, haechi_with, haechi_with_input, routes_to};
use haechi_testkit::Backend;
use serde_json::{Value, json};
use std::path::Path;

fn folder(backend: &Backend, admin: &str) -> Folder {
    let folder = Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}]
workers: 1
admin: {{ bind: 127.0.0.1:0{admin} }}
store: sqlite:haechi.db
audit: {{ file: audit/haechi.jsonl }}
identity: {{ issuer: http://localhost:8080 }}
caller_attributes: {{ tenant: string, groups: set }}
roles: {{ USER: {{}}, OPS: {{}} }}
authenticators: {{ local: {{ type: jwt, issuer: self }}, partner: {{ type: api_key }} }}
{}",
        routes_to(
            backend,
            &[("/public", "anonymous", "any"), ("/**", "[local, partner]", "{ roles: [USER] }")]
        )
    ));
    folder.add_user("root", &["haechi-admin"]);
    folder
}

/// What varies between two runs of the same: ids, secrets and times are `#`, and columns have no width.
fn alike(text: &str) -> String {
    let varies = |word: &str| {
        word.len() >= 12 && word.bytes().any(|byte| byte.is_ascii_digit())
            || word.len() >= 26 && !word.contains('/')
    };
    let word = |byte: char| byte.is_alphanumeric() || "_-:.".contains(byte);
    let (mut out, mut rest) = (String::new(), text);
    while !rest.is_empty() {
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(end);
        out.push_str(if varies(token.trim_end_matches([':', '.'])) { "#" } else { token });
        let end = after.find(word).unwrap_or(after.len());
        let (between, after) = after.split_at(end);
        let spaces = between.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        out.push_str(&format!(
            "{}{spaces}{}",
            if between.starts_with(' ') { " " } else { "" },
            if between.ends_with(' ') { " " } else { "" }
        ));
        rest = after;
    }
    out
}

fn told(finished: &Finished) -> (i32, String, String) {
    (finished.code, alike(&finished.stdout), alike(&finished.stderr))
}

const STAFF: &str = "name,password_hash,roles,attributes,disabled
bert,$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC,OPS;USER,tenant=acme;groups=a;groups=b,
kim,$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC,,,true
";
const KEYS: &str = "key,owner,name,roles,scopes,attributes,expires,allowed_addresses,limit,quota
a-key-of-another-gateway-0123456789,billing,moved,USER,orders:read,tenant=acme,2030-01-31T00:00:00Z,10.0.0.0/8,100/1m,10000/1d
";

/// Each command, with what it reads. `{key}`, `{client}` stand for what was made before.
const COMMANDS: &[(&[&str], &str)] = &[
    (
        &[
            "user",
            "add",
            "mina",
            "--role",
            "USER",
            "--attr",
            "tenant=acme",
            "--attr",
            "groups=a",
            "--attr",
            "groups=b",
        ],
        "a lantern by the gate\n",
    ),
    (&["user", "add", "mina"], "a lantern by the gate\n"),
    (&["user", "add", "nobody", "--role", "NONE"], "a lantern by the gate\n"),
    (&["user", "add", "nobody"], "short\n"),
    (&["user", "add", "nobody", "--attr", "colour=red"], "a lantern by the gate\n"),
    (&["user", "list"], ""),
    (&["user", "list", "--output", "json"], ""),
    (&["user", "list", "--output", "csv"], ""),
    (&["user", "show", "mina"], ""),
    (&["user", "show", "mina", "--output", "json"], ""),
    (&["user", "show", "a/b c"], ""),
    (&["user", "set-roles", "mina", "--role", "OPS", "--role", "USER"], ""),
    (&["user", "set-roles", "mina", "--role", "NONE"], ""),
    (&["user", "set-roles", "nobody", "--none"], ""),
    (&["user", "set-password", "mina"], "another lantern by the gate\n"),
    (&["user", "set-password", "nobody"], "another lantern by the gate\n"),
    (&["user", "disable", "mina"], ""),
    (&["user", "show", "mina"], ""),
    (&["user", "enable", "mina"], ""),
    (&["user", "disable", "nobody"], ""),
    (&["user", "import", "-", "--dry-run"], STAFF),
    (&["user", "import", "-", "--role", "USER"], STAFF),
    (&["user", "import", "-"], STAFF),
    (&["user", "import", "-", "--if-missing"], STAFF),
    (
        &["user", "import", "-"],
        "name,password_hash,roles,attributes,disabled\nx,$1$md5,,,\ny,,NONE,,\nz,,,colour=red,\nx,$1$md5,,,no\n",
    ),
    (&["user", "import", "-"], "no table\n"),
    (&["user", "export"], ""),
    (&["user", "export", "--output", "json"], ""),
    (&["key", "import", "-", "--dry-run"], KEYS),
    (&["key", "import", "-", "--output", "json"], KEYS),
    (&["key", "import", "-"], KEYS),
    (&["key", "import", "-"], "key,owner,roles\nshort,a,\n,b,\nanother-strong-key-0123456789abcdef,c,NONE\n"),
    (&["key", "list", "--name", "moved", "--output", "json"], ""),
    (
        &[
            "key",
            "create",
            "--owner",
            "billing",
            "--name",
            "nightly",
            "--role",
            "USER",
            "--scope",
            "orders:read",
            "--attr",
            "tenant=acme",
            "--expires",
            "90d",
            "--allow-ip",
            "10.0.0.0/8",
            "--limit",
            "100/1m",
            "--quota",
            "10000/1d",
        ],
        "",
    ),
    (&["key", "create", "--owner", "billing", "--output", "json"], ""),
    (&["key", "create", "--owner", "billing", "--role", "NONE"], ""),
    (&["key", "list"], ""),
    (&["key", "list", "--output", "json"], ""),
    (&["key", "list", "--output", "csv"], ""),
    (&["key", "list", "--limit", "1"], ""),
    (&["key", "list", "--name", "nightly", "--state", "active", "--role", "USER", "--owner", "billing"], ""),
    (&["key", "list", "--expires-within", "91d"], ""),
    (&["key", "list", "--expires-within", "89d"], ""),
    (&["key", "list", "--unused-since", "1d"], ""),
    (&["key", "show", "nightly"], ""),
    (&["key", "show", "nightly", "--output", "json"], ""),
    (&["key", "show", "no such key"], ""),
    (&["key", "rotate", "nightly", "--overlap", "24h"], ""),
    (&["key", "rotate", "nightly", "--output", "json"], ""),
    (&["key", "revoke", "nightly"], ""),
    (&["key", "rotate", "nightly"], ""),
    (&["key", "revoke", "no such key"], ""),
    (&["key", "create", "--owner", "a", "--name", "twice"], ""),
    (&["key", "create", "--owner", "b", "--name", "twice"], ""),
    (&["key", "revoke", "twice"], ""),
    (&["token", "inspect", "nonsense"], ""),
    (
        &["token", "inspect", "-"],
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwOi8vbG9jYWxob3N0OjgwODAiLCJqdGkiOiJ4In0.x\n",
    ),
    (&["token", "inspect", "a.eyJpc3MiOiJ4In0.x", "--output", "json"], ""),
    (&["token", "revoke", "-"], "0123456789abcdef0123456789abcdef\n"),
    (&["token", "revoke", "a.eyJpc3MiOiJ4In0.x"], ""),
    (&["token", "revoke", "hr_x"], ""),
    (&["token", "revoke", "nonsense"], ""),
    (
        &[
            "client",
            "add",
            "worker",
            "--role",
            "USER",
            "--scope",
            "orders:read",
            "--token-lifetime",
            "5m",
            "--audience",
            "https://orders.example",
        ],
        "",
    ),
    (&["client", "add", "other", "--output", "json"], ""),
    (&["client", "add", "third", "--role", "NONE"], ""),
    (&["client", "list"], ""),
    (&["client", "list", "--output", "json"], ""),
    (&["client", "show", "worker"], ""),
    (&["client", "show", "worker", "--output", "json"], ""),
    (&["client", "rotate", "worker", "--overlap", "1h"], ""),
    (&["client", "rotate", "worker", "--output", "json"], ""),
    (&["client", "delete", "other"], ""),
    (&["client", "delete", "other"], ""),
    (&["session", "list"], ""),
    (&["session", "list", "--output", "json"], ""),
    (&["session", "list", "--user", "root"], ""),
    (&["session", "list", "--user", "nobody"], ""),
    (&["session", "end", "--user", "mina"], ""),
    (&["session", "end", "--user", "nobody"], ""),
    (&["session", "end", "hr_abc"], ""),
    (&["session", "end", "no-such-login"], ""),
    (&["signing-key", "list"], ""),
    (&["signing-key", "list", "--output", "json"], ""),
    (&["signing-key", "rotate", "--in", "1h"], ""),
    (&["signing-key", "rotate"], ""),
    (&["signing-key", "retire", "no-such-key"], ""),
    (&["signing-key", "reseal"], ""),
    (&["user", "delete", "mina"], ""),
    (&["user", "delete", "mina"], ""),
    // The token of `--admin` ends with it.
    (&["session", "end", "--all"], ""),
];

fn run(folder: &Path, arguments: &[&str], input: &str) -> Finished {
    haechi_with_input(folder, arguments, input)
}

fn login(gate: &Gate) -> String {
    let login = json!({ "username": "root", "password": PASSWORD });
    let pair = gate.post_json("/auth/login", &login).expect(200).json();
    pair["access_token"].as_str().unwrap().to_owned()
}

fn changes_by(folder: &Folder) -> Vec<String> {
    let text = std::fs::read_to_string(folder.file("audit/haechi.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let by = lines.filter(|line| line["event"].as_str().is_some_and(|event| event.contains('.')));
    by.filter_map(|line| line["by"]["authenticator"].as_str().map(str::to_owned)).collect()
}

#[test]
fn every_command_says_the_same_at_a_gate_and_at_the_store() {
    let backend = Backend::saying("reached");
    let over_socket = Gate::start_in(folder(&backend, ", socket: admin.sock")).ready();
    let over_address = Gate::start_in(folder(&backend, "")).ready();
    let mut store = Gate::start_in(folder(&backend, "")).ready();
    // A login for each, so that there is one to see.
    let token = login(&over_address);
    login(&over_socket);
    login(&store);
    store.signal("TERM");
    let store = {
        store.exited();
        store.into_folder()
    };
    let url = format!("http://{}", over_address.admin_address());
    let (mut compared, mut differing) = (0, Vec::new());
    for (arguments, input) in COMMANDS {
        let plain = told(&run(store.path(), arguments, input));
        let socket = told(&run(over_socket.folder().path(), arguments, input));
        let with_address = [*arguments, &["--admin", &url, "--token", &token]].concat();
        let address = told(&run(over_address.folder().path(), &with_address, input));
        for (way, there) in [("socket", socket), ("--admin", address)] {
            if there != plain {
                differing
                    .push(format!("{arguments:?} over {way}:\n{there:#?}\nand at the store:\n{plain:#?}"));
            }
        }
        compared += 1;
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(compared > 60);
    let by = |folder: &Folder, name: &str| changes_by(folder).iter().filter(|by| *by == name).count();
    // Of the commands only adding `root` came before the gate did.
    assert_eq!(by(over_socket.folder(), "command"), 1);
    assert!(by(over_socket.folder(), "socket") >= 20, "{:?}", changes_by(over_socket.folder()));
    assert_eq!(by(over_address.folder(), "command"), 1);
    assert!(by(over_address.folder(), "admin") >= 20);
    assert!(by(&store, "command") >= 20);
}

#[test]
fn without_a_gate_at_the_socket_the_store_is_worked_on() {
    let backend = Backend::saying("reached");
    let mut gate = Gate::start_in(folder(&backend, ", socket: admin.sock"));
    gate.signal("KILL");
    gate.exited();
    let folder = gate.into_folder();
    assert!(folder.file("admin.sock").exists(), "a dead one");
    run(folder.path(), &["user", "add", "mina"], "a lantern by the gate\n").success();
    assert_eq!(changes_by(&folder), ["command", "command"]);
}

#[test]
fn tokens_come_from_where_nobody_reads_them_and_go_where_nobody_listens() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend, "")).ready();
    let (token, url) = (login(&gate), format!("http://{}", gate.admin_address()));
    let path = gate.folder().path();
    let list = ["user", "list", "--admin", &url];
    let refused = haechi(path, &list);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("does not let this caller in"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--token-file"), "{}", refused.stderr);
    haechi_with(path, &[("HAECHI_ADMIN_TOKEN", &token)], &list, "").success();
    gate.folder().write("token", &format!("{token}\n"));
    haechi(path, &[&list[..], &["--token-file", "token"]].concat()).success();
    // Not even when it is refused is it repeated.
    let bad = haechi(path, &[&list[..], &["--token", "not a token"]].concat());
    assert_eq!((bad.code, bad.stderr.contains("not a token\n")), (2, true), "{}", bad.stderr);
    let wrong = haechi(path, &[&list[..], &["--token", "secret-text"]].concat());
    assert!(wrong.code == 1 && !wrong.stderr.contains("secret-text"), "{}", wrong.stderr);
    let help =
        haechi_with(path, &[("HAECHI_ADMIN_TOKEN", "hunter2")], &["user", "list", "--help"], "").success();
    assert!(help.stdout.contains("HAECHI_ADMIN_TOKEN") && !help.stdout.contains("hunter2"));
    let away = haechi(path, &["user", "list", "--admin", "http://192.0.2.1:9901", "--token", &token]);
    assert!(away.code == 2 && away.stderr.contains("unencrypted"), "{}", away.stderr);
    let scan = haechi(path, &["key", "scan", "x.csv", "--admin", &url]);
    assert!(scan.code == 2 && scan.stderr.contains("works on the store itself"), "{}", scan.stderr);
    let silent = haechi(path, &["user", "list", "--admin", "http://127.0.0.1:1", "--token", &token]);
    assert!(silent.code == 1 && silent.stderr.contains("does not answer"), "{}", silent.stderr);
}

#[test]
fn decisions_are_listed_filtered_and_explained_over_the_socket() {
    let backend = Backend::saying("reached");
    let yaml = folder(&backend, ", socket: admin.sock");
    let text = std::fs::read_to_string(yaml.file("haechi.yaml")).unwrap();
    // Without an identity provider of its own: nobody could be given a token.
    let text = text.lines().filter(|line| !line.starts_with("identity:")).collect::<Vec<_>>().join("\n");
    yaml.write(
        "haechi.yaml",
        &text.replace("local: { type: jwt, issuer: self }, ", "").replace("[local, partner]", "partner"),
    );
    let key = yaml.create_key(&["--owner", "billing", "--role", "OPS"]);
    let gate = Gate::start_in(yaml);
    let path = gate.folder().path();
    gate.get("/public").expect(200);
    let denied = gate.get_with("/orders", &[&format!("X-API-Key: {key}")]).expect(403).json();
    let (request, decision) =
        (denied["request_id"].as_str().unwrap(), denied["decision_id"].as_str().unwrap());
    let list = |more: &[&str]| -> Vec<Value> {
        let done = haechi(path, &[&["decisions", "--output", "json"], more].concat()).success();
        serde_json::from_str(&done.stdout).unwrap()
    };
    assert_eq!(list(&[]).len(), 2);
    for more in [&["--denied"][..], &["--request", request], &["--subject", "billing"], &["--route", "r1"]] {
        let found = list(more);
        assert_eq!(found.len(), 1, "{more:?}");
        assert_eq!((found[0]["id"].as_str(), found[0]["outcome"].as_str()), (Some(decision), Some("deny")));
    }
    assert_eq!(list(&["--limit", "1"]).len(), 1);
    assert!(list(&["--subject", "nobody"]).is_empty());
    let text = haechi(path, &["decisions", "--denied"]).success().stdout;
    for part in ["TIME", "OUTCOME", "deny", "/orders", "billing", decision, "because missing role"] {
        assert!(text.contains(part), "no {part}: {text}");
    }
    let by_decision = haechi(path, &["explain", "--decision", decision]).success().stdout;
    let by_request = haechi(path, &["explain", "--request", request]).success().stdout;
    assert_eq!(by_decision, by_request);
    assert!(by_decision.contains("missing role: needs `USER`"), "{by_decision}");
    let unknown = haechi(path, &["explain", "--request", &"a".repeat(31)]);
    assert_eq!(unknown.code, 2);
    let forgotten = haechi(path, &["explain", "--request", &"a".repeat(32)]);
    assert!(forgotten.code == 1 && forgotten.stderr.contains("does not remember"), "{}", forgotten.stderr);
}

#[test]
fn who_follows_sees_each_decision_once_and_in_order() {
    use std::io::{BufRead, BufReader};
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend, ", socket: admin.sock"));
    gate.get("/public").expect(200);
    gate.get("/orders").expect(401);
    let mut following = crate::harness::program(gate.folder().path());
    following.args(["decisions", "--follow", "--output", "json"]).stdout(std::process::Stdio::piped());
    let mut following = following.spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let mut ids = vec![next()["id"].as_str().unwrap().to_owned()];
    for _ in 0..3 {
        (0..2).for_each(|_| drop(gate.get("/public").expect(200)));
        for _ in 0..2 {
            let record = next();
            assert_eq!(record["request"]["path"], "/public");
            ids.push(record["id"].as_str().unwrap().to_owned());
        }
    }
    following.kill().unwrap();
    following.wait().unwrap();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
