//! The admin API (docs/admin-api.md): who may call, what is changed, and that it is on record before.

use crate::harness::{
    Folder, Gate, PASSWORD, PATIENCE, Reply, Strace, curl, eventually, haechi, program, routes_to,
};
use haechi_testkit::Backend;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

struct Site {
    gate: Gate,
    admin: String,
    auditor: String,
    user: String,
}

fn site(backend: &Backend) -> Site {
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
roles: {{ ADMIN: {{}}, USER: {{}} }}
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators: {{ local: {{ type: jwt, issuer: self }}, partner: {{ type: api_key }} }}
audit: {{ file: audit/haechi.jsonl }}
{}",
        routes_to(backend, &[("/users/**", "[local, partner]", "{ roles: [USER] }")])
    ));
    folder.add_user("root", &["haechi-admin"]);
    folder.add_user("eve", &["haechi-auditor"]);
    folder.add_user("alice", &["USER"]);
    let gate = Gate::start_in(folder).ready();
    let token = |name: &str| {
        let pair =
            gate.post_json("/auth/login", &json!({"username": name, "password": PASSWORD})).expect(200);
        pair.json()["access_token"].as_str().unwrap().to_owned()
    };
    let (admin, auditor, user) = (token("root"), token("eve"), token("alice"));
    Site { gate, admin, auditor, user }
}

impl Site {
    fn call_as(&self, token: Option<&str>, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.call_with(token, method, path, body, &[])
    }

    fn call_with(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
        fields: &[&str],
    ) -> Reply {
        let url = format!("http://{}{path}", self.gate.admin_address());
        let bearer = token.map(|token| format!("Authorization: Bearer {token}"));
        let body = body.map(Value::to_string);
        let mut arguments = vec!["--request", method];
        arguments.extend(bearer.iter().flat_map(|field| ["--header", field]));
        arguments.extend(fields.iter().flat_map(|field| ["--header", *field]));
        if let Some(body) = &body {
            arguments.extend(["--header", "Content-Type: application/json", "--data-binary", body]);
        }
        arguments.push(&url);
        curl(&arguments)
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.call_as(Some(&self.admin), method, path, body)
    }

    fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.gate.folder().file("audit/haechi.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn the_document_beside_the_docs_is_the_one_that_the_gate_serves() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let printed = haechi(&root, &["schema", "openapi"]).success().stdout;
    let kept = std::fs::read_to_string(root.join("docs/openapi.json")).unwrap();
    assert!(kept == printed, "docs/openapi.json is stale: run `haechi schema openapi > docs/openapi.json`");
    let backend = Backend::saying("reached");
    let site = site(&backend);
    let served = site.call("GET", "/api/v1/openapi.json", None).expect(200).json();
    assert_eq!(served, serde_json::from_str::<Value>(&printed).unwrap());
    assert_eq!(served["openapi"], "3.1.0");
}

#[test]
fn nobody_calls_without_a_token_of_the_right_role() {
    let backend = Backend::saying("reached");
    let site = site(&backend);
    let document = site.call("GET", "/api/v1/openapi.json", None).expect(200).json();
    let mut calls = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, call) in methods.as_object().unwrap() {
            let open = call["security"].as_array().unwrap().is_empty();
            let method = method.to_uppercase();
            let path = path.replace(['{', '}'], "");
            let ask = |token| site.call_as(token, &method, &path, Some(&json!({}))).status;
            if open {
                assert!(["/livez", "/readyz", "/metrics"].contains(&&*path), "{path} is open");
                continue;
            }
            calls += 1;
            assert_eq!(
                (ask(None), ask(Some("x.y.z")), ask(Some(&site.user))),
                (401, 401, 403),
                "{method} {path}"
            );
            // These look, and need a body to say at what.
            let looks =
                ["/api/v1/explain", "/api/v1/audit/verify", "/api/v1/tokens/inspect"].contains(&&*path);
            if method != "GET" && !looks {
                assert_eq!(ask(Some(&site.auditor)), 403, "{method} {path}");
            }
        }
    }
    assert!(calls > 25, "{calls}");
    // Nothing was done by any of these, and what somebody was not let do is on record.
    site.call("GET", "/api/v1/users/alice", None).expect(200);
    let refused =
        site.records().into_iter().filter(|line| line["outcome"] == "refused" && line["by"].is_object());
    assert!(refused.filter(|line| line["event"] == "user.delete").count() >= 2);
    for probe in ["/livez?x=1", "/readyz?from=lb", "/metrics?a&b"] {
        site.call_as(None, "GET", probe, None).expect(200);
    }
}

#[test]
fn every_change_is_in_the_trail_before_it_is_made() {
    let backend = Backend::saying("reached");
    let site = site(&backend);
    let password = json!({"password": "another lantern by the gate"});
    let add = json!({"name": "mina", "password": "a lantern by the western gate", "roles": ["USER"]});
    let mina = site.call("POST", "/api/v1/users", Some(&add)).expect(201).json();
    site.call("POST", "/api/v1/users", Some(&add)).expect(409);
    site.call("PUT", "/api/v1/users/mina/roles", Some(&json!({"roles": ["ADMIN"]}))).expect(200);
    site.call("PUT", "/api/v1/users/mina/password", Some(&password)).expect(204);
    site.call("PUT", "/api/v1/users/mina/state", Some(&json!({"disabled": true}))).expect(200);
    site.call("POST", "/api/v1/users/mina/unlock", None).expect(200);
    site.call("DELETE", "/api/v1/users/alice/sessions", None).expect(204);
    let key = site
        .call("POST", "/api/v1/keys", Some(&json!({"owner": "billing", "roles": ["USER"]})))
        .expect(201)
        .json();
    let (id, secret) =
        (key["key"]["id"].as_str().or(key["id"].as_str()).unwrap().to_owned(), key.to_string());
    site.call("POST", &format!("/api/v1/keys/{id}/revoke"), None);
    site.call("POST", "/api/v1/signing-keys/rotate", Some(&json!({}))).expect(201);
    site.call("DELETE", "/api/v1/users/mina", None).expect(204);
    site.call("GET", "/api/v1/users/mina", None).expect(404);
    let mut all = site.records();
    // The site's own users were added by command.
    all.retain(|line| line["by"]["authenticator"] != "command");
    let about =
        all.iter().find(|line| line["event"] == "user.add" && line["outcome"] == "done").unwrap()["about"]
            .clone();
    assert_eq!(about.as_str().unwrap().len(), 32);
    for (action, concerns) in [
        ("user.add", true),
        ("user.set_roles", true),
        ("user.set_password", true),
        ("user.set_state", true),
        ("user.unlock", true),
        ("session.end_all", false),
        ("key.create", false),
        ("key.revoke", false),
        ("signing_key.rotate", false),
        ("user.delete", true),
    ] {
        let told = all.iter().find(|line| line["event"] == action && line["outcome"] == "done");
        let told = told.unwrap_or_else(|| panic!("no record of {action}"));
        assert!(told["by"]["who"].is_string(), "{told}");
        assert!(!concerns || told["about"] == about, "{told}");
    }
    let text = std::fs::read_to_string(site.gate.folder().file("audit/haechi.jsonl")).unwrap();
    for secret in ["lantern", "mina", mina["id"].as_str().unwrap(), &secret] {
        assert!(!text.contains(secret), "`{secret}` is in the trail");
    }
    let changed = all.iter().find(|line| line["event"] == "user.set_roles").unwrap();
    assert_eq!(
        (&changed["details"]["from"], &changed["details"]["to"]),
        (&json!(["USER"]), &json!(["ADMIN"]))
    );
}

#[test]
fn what_was_changed_meanwhile_is_not_changed_again() {
    let backend = Backend::saying("reached");
    let site = site(&backend);
    let shown = site.call("GET", "/api/v1/users/alice", None).expect(200);
    let tag = format!("If-Match: {}", shown.field("etag").unwrap());
    let roles = |roles: Value| json!({ "roles": roles });
    let change = |roles: &Value| {
        site.call_with(Some(&site.admin), "PUT", "/api/v1/users/alice/roles", Some(roles), &[&tag])
    };
    change(&roles(json!(["ADMIN"]))).expect(200);
    let refused = change(&roles(json!([]))).expect(412);
    assert_eq!(refused.json()["type"], "urn:haechi:problem:changed");
    assert_eq!(site.call("GET", "/api/v1/users/alice", None).json()["roles"], json!(["ADMIN"]));
}

#[test]
fn odd_calls_are_refused_with_words_and_change_nothing() {
    let backend = Backend::saying("reached");
    let site = site(&backend);
    let problem =
        |reply: Reply| reply.json()["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    for (method, path, body, wanted) in [
        ("POST", "/api/v1/users", Some(json!({"name": "x", "password": "short"})), "password"),
        (
            "POST",
            "/api/v1/users",
            Some(json!({"name": "x", "password": "long enough to be one", "roles": ["NOPE"]})),
            "invalid",
        ),
        ("POST", "/api/v1/users", Some(json!({"name": "x", "sudo": true})), "bad-body"),
        ("POST", "/api/v1/users", None, "content-type"),
        ("GET", "/api/v1/users?limit=0", None, "bad-query"),
        ("GET", "/api/v1/users?bogus=1", None, "bad-query"),
        ("PATCH", "/api/v1/users", None, "method-not-allowed"),
        ("GET", "/api/v1/nothing", None, "not-found"),
        ("GET", "/api/v1/users/%ff", None, "bad-path"),
        ("DELETE", "/api/v1/users/nobody", None, "missing"),
    ] {
        assert_eq!(problem(site.call(method, path, body.as_ref())), wanted, "{method} {path}");
    }
    assert_eq!(site.call("GET", "/api/v1/users", None).json()["items"].as_array().unwrap().len(), 3);
}

#[test]
fn strace_what_cannot_be_recorded_is_not_changed() {
    let backend = Backend::saying("reached");
    let site = site(&backend);
    let trail = site.gate.folder().file("audit/haechi.jsonl");
    let options = ["-P", trail.to_str().unwrap(), "-e", "trace=write", "-e", "inject=write:error=ENOSPC"];
    let failing = Strace::attach(site.gate.process(), &options);
    let refused = site.call("DELETE", "/api/v1/users/alice", None).expect(503);
    assert_eq!(refused.json()["type"], "urn:haechi:problem:unrecorded");
    site.call("GET", "/api/v1/users/alice", None).expect(200);
    failing.end();
    eventually(PATIENCE, || (site.call("DELETE", "/api/v1/users/alice", None).status == 204).then_some(()));
}

/// What schemathesis makes of the OpenAPI document: each parameter and field once as it should be, and in the ways in which it should not.
#[test]
fn schemathesis_finds_no_answer_that_the_document_does_not_have() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/schemathesis");
    let gate = program(Path::new("."));
    let target = Path::new(gate.get_program()).ancestors().nth(2).unwrap();
    let mut calls = Command::new("python3");
    calls.arg(script).args(["--phases", "coverage", "--haechi"]).arg(gate.get_program());
    let done = calls.env("CARGO_TARGET_DIR", target).output().unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&done.stderr));
    assert!(told.contains("Test cases:"), "{told}");
}

#[test]
fn users_are_searched_by_name_role_attribute_and_state() {
    let backend = Backend::saying("reached");
    let site = site(&backend);
    let names = |query: &str| -> Vec<String> {
        let list = site.call("GET", &format!("/api/v1/users?{query}"), None).expect(200).json();
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = names("");
    assert!(all.len() >= 2, "{all:?}");
    let some = &all[0];
    assert_eq!(names(&format!("name={}", some.to_uppercase())).join(","), *some);
    let admins = names("role=haechi-admin");
    assert!(!admins.is_empty() && admins.len() < all.len(), "{admins:?}");
    assert_eq!(names("role=NOBODY&name=a"), [""; 0]);
    assert_eq!(names("attribute=none"), [""; 0]);
    assert_eq!(names("state=active"), all);
    assert_eq!(names("state=disabled"), [""; 0]);
    site.call("GET", "/api/v1/users?state=x", None).expect(400);
    // Page by page, each once.
    let (mut found, mut at) = (Vec::new(), "/api/v1/users?state=active&limit=1".to_owned());
    loop {
        let page = site.call("GET", &at, None).expect(200).json();
        found.extend(
            page["items"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        at = format!("/api/v1/users?state=active&limit=1&cursor={next}");
    }
    assert_eq!(found, all);
}
