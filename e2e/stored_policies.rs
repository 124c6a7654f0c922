//! Policies of the store: put by call, validated and proved, in force on all nodes, beside those of the files (docs/authorization.md).

mod approvals;
mod nodes;

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Reply, curl, eventually, haechi};
use haechi_testkit::Backend;
use serde_json::{Value, json};

const FORBID: &str = "@id(\"no-orders\")\nforbid(principal, action, resource == Route::\"orders\");\n";
const PERMIT: &str = "permit(principal, action, resource == Route::\"reports\");\n";

/// A gate with two administrators, an auditor and a user.
struct Site {
    gate: Gate,
    backend: Backend,
    tokens: [String; 4],
}

const NAMES: [(&str, &str); 4] =
    [("root", "haechi-admin"), ("mina", "haechi-admin"), ("eve", "haechi-auditor"), ("alice", "USER")];

fn configuration(backend: &Backend, more: &str) -> String {
    format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}]
workers: 1
reload: {{ watch: false }}
identity: {{ issuer: http://localhost:8080, path: /auth }}
roles: {{ USER: {{}} }}
caller_attributes: {{ tenant: string }}
authenticators: {{ local: {{ type: jwt, issuer: self }} }}
audit: {{ file: audit/haechi.jsonl }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: orders, match: {{ path: /orders }}, authenticate: local, authorize: {{ roles: [USER] }}, service: web }}
  - {{ name: reports, match: {{ path: /reports }}, authenticate: local, authorize: policy, service: web }}
  - {{ name: open, match: {{ path: /open }}, authenticate: anonymous, authorize: any, service: web }}
{more}",
        backend.url()
    )
}

const ADMIN: &str = "admin: { bind: 127.0.0.1:0, socket: admin.sock }\nstore: sqlite:haechi.db\n";

impl Site {
    fn start(more: &str, files: &[(&str, &str)]) -> Self {
        let backend = Backend::saying("reached");
        let folder = Folder::exactly(&configuration(&backend, more));
        for (name, text) in files {
            folder.write(name, text);
        }
        for (name, role) in NAMES {
            folder.add_user(name, &[role]);
        }
        Self::running(Gate::start_in(folder), backend)
    }

    fn running(gate: Gate, backend: Backend) -> Self {
        let tokens = NAMES.map(|(name, _)| {
            let body = json!({ "username": name, "password": PASSWORD });
            let pair = eventually(PATIENCE, || {
                let pair = gate.post_json("/auth/login", &body);
                (pair.status == 200).then_some(pair)
            });
            pair.json()["access_token"].as_str().unwrap().to_owned()
        });
        Self { gate, backend, tokens }
    }

    fn call_as(&self, who: usize, method: &str, path: &str, field: &str, body: Option<&str>) -> Reply {
        let url = format!("http://{}/api/v1/{path}", self.gate.admin_address());
        let bearer = format!("Authorization: Bearer {}", self.tokens[who]);
        let mut arguments = vec!["--request", method, "--header", &bearer];
        if !field.is_empty() {
            arguments.extend(["--header", field]);
        }
        if let Some(body) = body {
            let kind = if body.starts_with('{') { "application/json" } else { "text/plain" };
            let kind = if kind == "text/plain" {
                "Content-Type: text/plain"
            } else {
                "Content-Type: application/json"
            };
            arguments.extend(["--header", kind, "--data-raw", body]);
        }
        arguments.push(&url);
        curl(&arguments)
    }

    fn call(&self, method: &str, path: &str, field: &str, body: Option<&str>) -> Reply {
        self.call_as(0, method, path, field, body)
    }

    fn get(&self, path: &str) -> Value {
        self.call("GET", path, "", None).expect(200).json()
    }

    /// What `alice` gets, and whether the backend was reached.
    fn asks(&self, path: &str) -> (u16, bool) {
        let before = self.backend.recorded().len();
        let status = self.gate.get_with_token(path, &self.tokens[3]).status;
        (status, self.backend.recorded().len() > before)
    }

    fn records(&self, event: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.gate.folder().file("audit/haechi.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == event).collect()
    }

    fn replayed(&self) -> Value {
        let told = haechi(self.gate.folder().path(), &["audit", "replay", "--recorded", "--output", "json"]);
        assert_eq!(told.code, 0, "{told:?}");
        serde_json::from_str(&told.stdout).unwrap()
    }
}

/// Ends a gate, and gives back its folder.
fn ended(gate: Gate) -> Folder {
    gate.signal("TERM");
    gate.into_folder()
}

const NEW: &str = "If-None-Match: *";

fn if_match(version: i64) -> String {
    format!("If-Match: \"{version}\"")
}

fn kind(reply: &Value) -> &str {
    reply["type"].as_str().unwrap().strip_prefix("urn:haechi:problem:").unwrap()
}

#[test]
fn a_policy_counts_when_it_was_put_and_no_more_when_it_was_deleted() {
    let site = Site::start(ADMIN, &[]);
    assert_eq!(site.asks("/orders"), (200, true));
    assert_eq!(site.asks("/reports"), (403, false), "no policy permits it");
    let first = site.get("config")["sha256"].clone();
    let made = site.call("PUT", "policies/no-orders", NEW, Some(FORBID)).expect(201);
    assert_eq!(made.field("etag"), Some("\"1\""));
    let made = made.json();
    assert_eq!((&made["state"], &made["source"]), (&json!("in_force"), &json!("store")), "{made}");
    assert_eq!(site.asks("/orders"), (403, false));
    site.call("PUT", "policies/reports", NEW, Some(PERMIT)).expect(201);
    assert_eq!(site.asks("/reports"), (200, true));
    assert_eq!(site.asks("/open"), (200, true));
    let shown = site.call_as(2, "GET", "policies/no-orders", "", None).expect(200);
    assert_eq!((shown.field("etag"), &shown.json()["text"]), (Some("\"1\""), &json!(FORBID)));
    assert_ne!(site.get("config")["sha256"], first, "the hash covers it");
    // Everything that looks at the gate sees it.
    let question = json!({ "method": "GET", "path": "/orders", "caller": { "roles": ["USER"] } }).to_string();
    let told = site.call("POST", "explain", "", Some(&question)).expect(200).json();
    assert_eq!(told["outcome"], "denied", "{told}");
    assert!(told.to_string().contains("no-orders"), "{told}");
    let who = site.get("who-can?method=GET&path=/orders");
    assert!(who["roles"].as_array().unwrap().iter().all(|role| role["outcome"] == "deny"), "{who}");
    site.call("DELETE", "policies/no-orders", &if_match(1), None).expect(204);
    assert_eq!(site.asks("/orders"), (200, true));
    site.call("GET", "policies/no-orders", "", None).expect(404);
    let names = site.get("policies")["items"].clone();
    assert_eq!(names.as_array().unwrap().len(), 1, "{names}");
    assert_eq!(site.records("policy.put").len(), 2);
    let record = &site.records("policy.delete")[0];
    assert!(record["details"]["sha256_before"].is_string() && record["by"]["who"].is_string(), "{record}");
    assert_eq!(
        (&record["details"]["sha256_after"], &record["target"]),
        (&Value::Null, &json!("policy no-orders"))
    );
    let replayed = site.replayed();
    assert_eq!((&replayed["changes"], &replayed["unreadable"]), (&json!([]), &json!(0)), "{replayed}");
    assert!(replayed["decided"].as_u64().unwrap() >= 6, "{replayed}");
}

#[test]
fn who_changes_a_policy_says_what_they_take_to_be_there() {
    let site = Site::start(ADMIN, &[]);
    let put = |field: &str, text: &str| site.call("PUT", "policies/p", field, Some(text));
    assert_eq!(kind(&put("", PERMIT).expect(428).json()), "no-condition");
    for wrong in ["If-Match: *", "If-Match: \"1\""] {
        assert_eq!(kind(&put(wrong, PERMIT).expect(412).json()), "changed", "{wrong}");
    }
    put(NEW, PERMIT).expect(201);
    put(NEW, PERMIT).expect(412);
    for wrong in ["If-Match: \"2\"", "If-Match: W/\"1\"", "If-Match: 1", "If-Match: nonsense"] {
        put(wrong, FORBID).expect(412);
    }
    assert_eq!(put("If-Match: \"7\", \"1\"", FORBID).expect(200).field("etag"), Some("\"2\""));
    put(&if_match(1), PERMIT).expect(412);
    put("If-Match: *", PERMIT).expect(200);
    let call = |method: &str, path: &str, field: &str, body| site.call(method, path, field, body);
    let back = Some("{\"version\":2}");
    for (method, path, body) in [("DELETE", "policies/p", None), ("POST", "policies/p/rollback", back)] {
        assert_eq!(kind(&call(method, path, "", body).expect(428).json()), "no-condition");
        call(method, path, &if_match(2), body).expect(412);
    }
    let set_back = call("POST", "policies/p/rollback", &if_match(3), back).expect(200).json();
    assert_eq!((&set_back["revision"], &set_back["text"]), (&json!(4), &json!(FORBID)));
    assert_eq!(site.asks("/orders"), (403, false));
    call("POST", "policies/p/rollback", &if_match(4), Some("{\"version\":9}")).expect(404);
    call("DELETE", "policies/p", &if_match(4), None).expect(204);
    call("DELETE", "policies/p", "If-Match: *", None).expect(404);
    call("POST", "policies/p/rollback", NEW, Some("{\"version\":5}")).expect(422);
    call("POST", "policies/p/rollback", NEW, Some("{\"version\":1}")).expect(201);
    assert_eq!(site.asks("/reports"), (200, true));
    let versions = site.get("policies/p/versions");
    let states: Vec<_> =
        versions["items"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["current", "deleted", "earlier", "earlier", "earlier", "earlier"], "{versions}");
    let next = site.get("policies/p/versions?limit=2")["next"].as_str().unwrap().to_owned();
    assert_eq!(site.get(&format!("policies/p/versions?limit=2&cursor={next}"))["items"][0]["revision"], 4);
    assert_eq!(site.get("policies/p/versions/3")["text"], PERMIT);
    site.call("GET", "policies/p/versions/7", "", None).expect(404);
    site.call("GET", "policies/q/versions", "", None).expect(404);
}

#[test]
fn what_does_not_fit_changes_nothing_and_a_dry_run_never_does() {
    let site = Site::start(&format!("{ADMIN}policies: [file.cedar]\n"), &[("file.cedar", PERMIT)]);
    let put = |name: &str, text: &str| site.call("PUT", &format!("policies/{name}"), NEW, Some(text));
    let faulty = "permit(principal, action, resource)\nwhen { principal has tenat };\nforbid(principal, action, resource == Route::\"order\");\n";
    let refused = put("p", faulty).expect(422).json();
    assert_eq!(kind(&refused), "policy");
    let faults = refused["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 2, "{refused}");
    assert_eq!((&faults[0]["file"], &faults[0]["line"]), (&json!("store:p"), &json!(2)), "{refused}");
    assert!(
        faults[0]["column"].is_u64() && faults[0]["help"].as_str().unwrap().contains("tenant"),
        "{refused}"
    );
    assert!(faults[1]["message"].as_str().unwrap().contains("order"), "{refused}");
    put("p", "not cedar").expect(422);
    for name in ["file.cedar", "a.b", "a%20b", "%EA%B0%80", &"x".repeat(65), "store:p"] {
        put(name, PERMIT).expect(422);
    }
    put("empty", " \n").expect(422);
    site.gate.folder().write("long.cedar", &format!("// {}\n{PERMIT}", "x".repeat(256 * 1024)));
    let long = haechi(site.gate.folder().path(), &["policy", "put", "long", "long.cedar"]);
    assert!(long.code == 2 && long.stderr.contains("256 KiB"), "{long:?}");
    let would = site.call("PUT", "policies/p?dry_run=true", NEW, Some(FORBID)).expect(200).json();
    assert_eq!((&would["state"], &would["revision"]), (&json!("would_be"), &json!(1)));
    site.call("PUT", "policies/p?dry_run=true", NEW, Some(faulty)).expect(422);
    assert_eq!(site.asks("/orders"), (200, true));
    assert_eq!(site.get("config")["generation"], 1);
    assert!(site.records("policy.put").is_empty());
    for who in [2, 3] {
        let reply = site.call_as(who, "PUT", "policies/p", NEW, Some(FORBID));
        assert_eq!(reply.status, 403);
    }
    // Files are shown, and not to be changed.
    let listed = site.call_as(2, "GET", "policies", "", None).expect(200).json();
    assert_eq!(
        (&listed["items"][0]["name"], &listed["items"][0]["source"]),
        (&json!("file.cedar"), &json!("file"))
    );
    assert_eq!(site.get("policies/file.cedar")["text"], PERMIT);
    site.call("DELETE", "policies/file.cedar", "If-Match: *", None).expect(404);
}

#[test]
fn a_property_is_proved_before_a_policy_counts() {
    let properties = "- { name: orders are for users, routes: [orders], allowed_only_if: { roles: [USER] } }\n- { name: reports stay closed to nobody in particular, routes: [reports], allowed_only_if: { when: 'principal has tenant' } }\n";
    let site =
        Site::start(&format!("{ADMIN}properties: [properties.yaml]\n"), &[("properties.yaml", properties)]);
    let refused = site.call("PUT", "policies/wide", NEW, Some(PERMIT)).expect(409).json();
    assert_eq!(kind(&refused), "property");
    let shown = refused["faults"][0].clone();
    assert_eq!(shown["outcome"], "does_not_hold", "{refused}");
    assert!(shown["routes"][0]["example"]["path"] == "/reports", "{refused}");
    assert!(refused["report"].as_str().unwrap().contains("GET /reports"), "{refused}");
    assert_eq!(site.asks("/reports"), (403, false));
    let narrow = "permit(principal, action, resource == Route::\"reports\") when { principal has tenant };";
    let made = site.call("PUT", "policies/narrow", NEW, Some(narrow)).expect(201).json();
    assert_eq!(made["proved"].as_array().unwrap().len(), 2, "{made}");
    // By command, with and without the gate, the same.
    site.gate.folder().write("wide.cedar", PERMIT);
    let path = site.gate.folder().path().to_owned();
    let by_gate = haechi(&path, &["policy", "put", "wide", "wide.cedar"]);
    assert!(by_gate.code == 1 && by_gate.stderr.contains("would not hold"), "{by_gate:?}");
    let folder = ended(site.gate);
    let on_store = haechi(folder.path(), &["policy", "put", "wide", "wide.cedar"]);
    assert_eq!((on_store.code, &on_store.stderr), (by_gate.code, &by_gate.stderr));
    let mut command = crate::harness::program(folder.path());
    let lost = command.env("PATH", "/nowhere").args(["policy", "put", "w", "wide.cedar"]).output().unwrap();
    assert!(String::from_utf8_lossy(&lost.stderr).contains("cvc5"), "{lost:?}");
    haechi(folder.path(), &["prove"]).success();
    folder.write("properties.yaml", "- { name: x, routes: [nowhere], never: { anonymous: true } }\n");
    let faulty = haechi(folder.path(), &["check"]);
    assert!(faulty.code == 1 && faulty.stderr.contains("properties.yaml:1"), "{faulty:?}");
}

#[test]
fn without_the_solver_nothing_changes() {
    let backend = Backend::saying("reached");
    let more = format!("{ADMIN}properties: [properties.yaml]\n");
    let folder = Folder::exactly(&configuration(&backend, &more));
    folder.write("properties.yaml", "- { name: a, routes: [orders], allowed_only_if: { roles: [USER] } }\n");
    for (name, role) in NAMES {
        folder.add_user(name, &[role]);
    }
    let site = Site::running(Gate::start_with(folder, &[("PATH", "/nowhere")]), backend);
    let refused = site.call("PUT", "policies/p", NEW, Some(FORBID)).expect(503);
    assert!(refused.field("retry-after").is_some());
    assert_eq!(kind(&refused.json()), "unproved");
    assert_eq!(site.asks("/orders"), (200, true));
    site.call("GET", "policies/p", "", None).expect(404);
}

#[test]
fn a_solver_that_does_not_answer_changes_nothing_and_is_ended() {
    let backend = Backend::saying("reached");
    let more = format!("{ADMIN}properties: [properties.yaml]\n");
    let folder = Folder::exactly(&configuration(&backend, &more));
    folder.write(
        "properties.yaml",
        "- { name: a, routes: [reports], allowed_only_if: { when: 'principal has tenant' } }\n",
    );
    for (name, role) in NAMES {
        folder.add_user(name, &[role]);
    }
    let told = folder.file("solver.pid");
    folder.write("cvc5", &format!("#!/bin/sh\necho $$ > {}\nexec /bin/sleep 1000\n", told.display()));
    std::fs::set_permissions(folder.file("cvc5"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let programs = folder.path().display().to_string();
    let site = Site::running(Gate::start_with(folder, &[("PATH", &programs)]), backend);
    let refused = site.call("PUT", "policies/p", NEW, Some(PERMIT)).expect(503);
    assert_eq!(kind(&refused.json()), "unproved");
    assert_eq!(site.asks("/reports"), (403, false));
    site.call("GET", "policies/p", "", None).expect(404);
    let solver = std::fs::read_to_string(told).unwrap();
    let process = std::path::Path::new("/proc").join(solver.trim());
    // What is left of it may wait to be collected.
    let is_gone = || std::fs::read_to_string(process.join("cmdline")).map_or(true, |line| line.is_empty());
    eventually(PATIENCE, || is_gone().then_some(()));
}

#[test]
fn matrix_and_differences_count_the_policies_of_the_store() {
    let site = Site::start(ADMIN, &[]);
    let cells = || {
        let matrix = site.get("matrix?route=reports");
        let rows = matrix["rows"].as_array().unwrap().clone();
        rows.iter()
            .flat_map(|row| row["cells"].as_array().unwrap().clone())
            .map(|cell| cell["outcome"].clone())
            .collect::<Vec<_>>()
    };
    assert!(cells().iter().all(|cell| cell == "deny"), "{:?}", cells());
    site.call("PUT", "policies/wide", NEW, Some(PERMIT)).expect(201);
    assert!(cells().iter().any(|cell| cell == "allow"), "{:?}", cells());
    assert_eq!(site.asks("/reports"), (200, true));
    // They count on both sides: the configuration in force is no change, and what it takes away is one.
    let text = std::fs::read_to_string(site.gate.folder().file("haechi.yaml")).unwrap();
    let changed = |text: &str| {
        let told = site.call("POST", "config/diff", "", Some(text)).expect(200).json();
        let routes = told["routes"].as_array().unwrap().clone();
        routes.into_iter().find(|route| route["route"] == "reports").unwrap()
    };
    let same = changed(&text);
    assert_eq!(
        (&same["relation"], &same["gained"], &same["lost"]),
        (&json!("same"), &Value::Null, &Value::Null),
        "{same}"
    );
    let closed = text.replace(
        "path: /reports }, authenticate: local, authorize: policy",
        "path: /reports }, authenticate: local, authorize: { roles: [USER] }",
    );
    let narrower = changed(&closed);
    assert_eq!(narrower["relation"], "narrower", "{narrower}");
}

#[test]
fn a_configuration_that_a_policy_of_the_store_does_not_fit_is_refused() {
    let site = Site::start(ADMIN, &[]);
    let uses = "forbid(principal, action, resource == Route::\"orders\") unless { principal has tenant };";
    site.call("PUT", "policies/tenants", NEW, Some(uses)).expect(201);
    assert_eq!(site.asks("/orders"), (403, false));
    let file = site.gate.folder().file("haechi.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let without = text.replace("caller_attributes: { tenant: string }\n", "");
    site.gate.folder().write("haechi.yaml", &without);
    let refused = site.call("POST", "config/reload", "", None).expect(422).json();
    assert_eq!(refused["faults"][0]["file"], "store:tenants", "{refused}");
    assert!(refused["report"].as_str().unwrap().contains("tenant"), "{refused}");
    assert_eq!(site.asks("/orders"), (403, false), "it is still in force");
    let validated = site.call("POST", "config/validate", "", Some(&without)).expect(422).json();
    assert_eq!(validated["faults"][0]["file"], "store:tenants");
    // Nor does a gate start so; what is in the way can be taken away without one.
    let folder = ended(site.gate);
    let refused = haechi(folder.path(), &["run"]);
    assert!(refused.code == 1 && refused.stderr.contains("store:tenants:1"), "{refused:?}");
    haechi(folder.path(), &["policy", "delete", "tenants"]).success();
    let site = Site::running(Gate::start_in(folder).ready(), site.backend);
    assert_eq!(site.asks("/orders"), (200, true));
}

#[test]
fn commands_work_at_a_gate_and_on_the_store() {
    let site = Site::start(ADMIN, &[]);
    site.gate.folder().write("forbid.cedar", FORBID);
    let path = site.gate.folder().path().to_owned();
    let run = |arguments: &[&str]| haechi(&path, &[&["policy"], arguments].concat());
    let put = run(&["put", "p", "forbid.cedar"]).success();
    assert!(put.stderr.contains("this is version 1"), "{put:?}");
    assert_eq!(site.asks("/orders"), (403, false));
    assert_eq!(run(&["show", "p"]).success().stdout.trim(), FORBID.trim());
    assert_eq!(run(&["delete", "p", "--if-version", "2"]).code, 1);
    run(&["delete", "p", "--dry-run"]).success();
    assert_eq!(site.asks("/orders"), (403, false));
    run(&["delete", "p"]).success();
    assert_eq!(site.asks("/orders"), (200, true));
    run(&["rollback", "p", "1"]).success();
    let versions = run(&["versions", "p", "--output", "json"]).success().stdout;
    let versions: Value = serde_json::from_str(&versions).unwrap();
    assert_eq!((versions.as_array().unwrap().len(), &versions[0]["revision"]), (3, &json!(3)));
    assert_eq!(versions[0]["changed_by"]["authenticator"], "socket");
    let folder = ended(site.gate);
    let run = |arguments: &[&str]| haechi(folder.path(), &[&["policy"], arguments].concat());
    assert!(run(&["list"]).success().stdout.contains("p     store   stored"), "{:?}", run(&["list"]));
    run(&["put", "p", "forbid.cedar", "--if-version", "9"]);
    folder.write("bad.cedar", "permit(principal, action, resource == Route::\"nowhere\");");
    let refused = run(&["put", "q", "bad.cedar"]);
    assert!(refused.code == 1 && refused.stderr.contains("store:q:1:"), "{refused:?}");
    folder.write("permit.cedar", PERMIT);
    run(&["put", "q", "permit.cedar"]).success();
    let text = std::fs::read_to_string(folder.file("audit/haechi.jsonl")).unwrap();
    let record: Value = text
        .lines()
        .rev()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|line| line["event"] == "policy.put")
        .unwrap();
    assert!(record["details"]["sha256_after"].is_string() && record["by"]["uid"].is_u64(), "{record}");
    let site = Site::running(Gate::start_in(folder).ready(), site.backend);
    assert_eq!((site.asks("/orders"), site.asks("/reports")), ((403, false), (200, true)));
}
