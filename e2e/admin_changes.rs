//! Every call of the admin API that changes something, by the OpenAPI document: it is made once, on record, and not at all where that cannot be, or where what it
//! changes is not as `If-Match` says. A call without an example here fails the test.

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Reply, Strace, curl, eventually, routes_to};
use haechi_testkit::Backend;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A change: the name of the call, its address, what is sent, and the status of its success.
struct Example {
    call: &'static str,
    method: &'static str,
    path: String,
    body: Option<Value>,
    status: u16,
    /// What it says to be there, where it must say so.
    condition: Option<&'static str>,
}

fn example(
    call: &'static str,
    method: &'static str,
    path: &str,
    body: Option<Value>,
    status: u16,
) -> Example {
    Example { call, method, path: format!("/api/v1/{path}"), body, status, condition: None }
}

/// Changes of policies, which must say what is there.
fn of_policies([approved, rejected]: &[String; 2]) -> Vec<Example> {
    let guarded = |call, method, path: &str, body, status| Example {
        condition: Some("If-Match: *"),
        ..example(call, method, path, body, status)
    };
    vec![
        guarded("put_policy", "PUT", "policies/first", Some(json!(POLICY)), 200),
        guarded("rollback_policy", "POST", "policies/first/rollback", Some(json!({ "version": 2 })), 200),
        guarded("delete_policy", "DELETE", "policies/first", None, 204),
        example("approve_change", "POST", &format!("approvals/{approved}/approve"), None, 200),
        example("reject_change", "DELETE", &format!("approvals/{rejected}"), None, 204),
    ]
}

struct Site {
    gate: Gate,
    admin: String,
    /// The configuration in force.
    text: String,
    /// Two changes that wait for a second person.
    pending: [String; 2],
}

const POLICY: &str = "permit(principal, action, resource == Route::\"r0\");";

impl Site {
    fn new(backend: &Backend) -> Self {
        let text = format!(
            "listeners: [{{ bind: 127.0.0.1:0 }}]
workers: 1
reload: {{ watch: false }}
admin: {{ bind: 127.0.0.1:0, socket: admin.sock, approvals: 2 }}
store: sqlite:haechi.db
roles: {{ USER: {{}} }}
caller_attributes: {{ tenant: string }}
identity: {{ issuer: http://localhost:8080, path: /auth, signing_keys: {{ seal: \"${{file:seal}}\" }} }}
authenticators: {{ local: {{ type: jwt, issuer: self }} }}
audit: {{ file: audit/haechi.jsonl }}
{}",
            routes_to(backend, &[("/users/**", "local", "{ roles: [USER] }")])
        );
        let folder = Folder::exactly(&text);
        folder.write("seal", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        folder.add_user("root", &["haechi-admin"]);
        for name in ["alice", "mina", "gone"] {
            folder.add_user(name, &["USER"]);
        }
        let gate = Gate::start_in(folder).ready();
        let log_in = |name: &str| {
            let who = json!({ "username": name, "password": PASSWORD });
            gate.post_json("/auth/login", &who).expect(200).json()["access_token"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        log_in("alice");
        log_in("gone");
        let admin = log_in("root");
        // Asked for by the root of the machine, while two people were asked for.
        let socket = gate.folder().file("admin.sock");
        let pending = ["second", "third"].map(|name| {
            let url = format!("http://gate/api/v1/policies/{name}");
            let put = ["--request", "PUT", "--header", "If-None-Match: *", "--data-binary", POLICY];
            let asked = curl(&[&["--unix-socket", socket.to_str().unwrap(), &url], &put[..]].concat());
            asked.expect(202).json()["id"].as_str().unwrap().to_owned()
        });
        let text = text.replace(", approvals: 2", ", write_config: true");
        gate.folder().write("haechi.yaml", &text);
        let site = Self { gate, admin, text, pending };
        site.call("POST", "/api/v1/config/reload", None, None).expect(200);
        let policy = |field| site.call("PUT", "/api/v1/policies/first", Some(&json!(POLICY)), Some(field));
        policy("If-None-Match: *").expect(201);
        for _ in 0..2 {
            policy("If-Match: *").expect(200);
        }
        site
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>, field: Option<&str>) -> Reply {
        let url = format!("http://{}{path}", self.gate.admin_address());
        let bearer = format!("Authorization: Bearer {}", self.admin);
        let text = |body: &Value| body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let body = body.map(text);
        let mut arguments = vec!["--request", method, "--header", &bearer];
        arguments.extend(field.iter().flat_map(|field| ["--header", *field]));
        if let Some(body) = &body {
            arguments.extend(["--header", "Content-Type: application/json", "--data-binary", body]);
        }
        arguments.push(&url);
        curl(&arguments)
    }

    fn get(&self, path: &str) -> Value {
        self.call("GET", path, None, None).expect(200).json()
    }

    fn make(&self, path: &str, body: &Value, id: &str) -> String {
        self.call("POST", path, Some(body), None).expect(201).json()[id].as_str().unwrap().to_owned()
    }

    fn send(&self, example: &Example, field: Option<&str>) -> Reply {
        self.call(example.method, &example.path, example.body.as_ref(), field)
    }

    /// Everything that calls change, as the gate shows it.
    fn state(&self) -> Vec<Value> {
        let lists =
            ["users", "keys", "clients", "sessions", "signing-keys", "services", "policies", "approvals"];
        let mut all: Vec<Value> = lists.iter().map(|list| self.get(&format!("/api/v1/{list}"))).collect();
        let metrics = self.call("GET", "/metrics", None, None).text();
        all.push(metrics.lines().find(|line| line.starts_with("haechi_config_generation ")).unwrap().into());
        all
    }

    fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.gate.folder().file("audit/haechi.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// In an order in which each succeeds.
    fn examples(&self) -> Vec<Example> {
        let key = self.make("/api/v1/keys", &json!({ "owner": "billing", "roles": ["USER"] }), "id");
        let client = self.make("/api/v1/clients", &json!({ "name": "orders" }), "client_id");
        let signing = self.get("/api/v1/signing-keys")["items"][0]["kid"].as_str().unwrap().to_owned();
        self.make("/api/v1/signing-keys/rotate", &json!({ "lead": 30 }), "kid");
        let session = self.get("/api/v1/sessions?user=gone")["items"][0]["id"].as_str().unwrap().to_owned();
        let service = self.get("/api/v1/services")["items"][0].clone();
        let (name, endpoint) =
            (service["name"].as_str().unwrap(), service["endpoints"][0]["id"].as_str().unwrap());
        let password = json!({ "password": "another lantern by the gate" });
        let add = json!({ "name": "new", "password": "a lantern by the western gate", "roles": ["USER"] });
        let hash = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC";
        let moved = json!({ "users": [{ "name": "moved", "password_hash": hash }] });
        let strange = json!({ "keys": [{ "key": "a-key-of-another-gateway-0123", "owner": "partner" }] });
        let apply = example("apply_config", "PUT", "config", Some(json!(self.text)), 200);
        let others = vec![
            Example { condition: Some("If-Match: *"), ..apply },
            example("reload_config", "POST", "config/reload", None, 200),
            example(
                "set_endpoint_state",
                "PUT",
                &format!("services/{name}/endpoints/{endpoint}/state"),
                Some(json!({ "drained": true })),
                200,
            ),
            example("add_user", "POST", "users", Some(add), 201),
            example("set_user_roles", "PUT", "users/mina/roles", Some(json!({ "roles": [] })), 200),
            example(
                "set_user_attributes",
                "PUT",
                "users/mina/attributes",
                Some(json!({ "attributes": { "tenant": "acme" } })),
                200,
            ),
            example("set_user_password", "PUT", "users/mina/password", Some(password), 204),
            example("set_user_state", "PUT", "users/mina/state", Some(json!({ "disabled": true })), 200),
            example("unlock_user", "POST", "users/mina/unlock", None, 200),
            example("remove_second_factor", "DELETE", "users/mina/second-factor", None, 200),
            example("remove_passkeys", "DELETE", "users/mina/passkeys", None, 200),
            example("end_session", "DELETE", &format!("sessions/{session}"), None, 204),
            example("end_user_sessions", "DELETE", "users/alice/sessions", None, 204),
            example("delete_user", "DELETE", "users/gone", None, 204),
            example("import_users", "POST", "users/import", Some(moved), 200),
            example("export_users", "POST", "users/export", None, 200),
            example("import_keys", "POST", "keys/import", Some(strange), 200),
            example("create_key", "POST", "keys", Some(json!({ "owner": "partner" })), 201),
            example("rotate_key", "POST", &format!("keys/{key}/rotate"), Some(json!({})), 200),
            example("revoke_key", "POST", &format!("keys/{key}/revoke"), None, 204),
            example("add_client", "POST", "clients", Some(json!({ "name": "billing" })), 201),
            example("rotate_client", "POST", &format!("clients/{client}/rotate"), Some(json!({})), 200),
            example("delete_client", "DELETE", &format!("clients/{client}"), None, 204),
            example("rotate_signing_key", "POST", "signing-keys/rotate", Some(json!({ "lead": 30 })), 201),
            example("reseal_signing_keys", "POST", "signing-keys/reseal", None, 200),
            example("export_subject", "GET", "audit/export?subject=alice", None, 200),
            example("erase_subject", "POST", "audit/erase", Some(json!({ "subject": "alice" })), 200),
            example("revoke_token", "POST", "tokens/revoke", Some(json!({ "token": "0".repeat(32) })), 200),
            // The last: the administrator's own token is signed with it.
            example("retire_signing_key", "POST", &format!("signing-keys/{signing}/retire"), None, 204),
        ];
        of_policies(&self.pending).into_iter().chain(others).collect()
    }
}

/// Where a change must say what is there, it says so or is not made.
fn nothing_without_a_condition(site: &Site, examples: &[Example], before: &[Value]) {
    for example in examples.iter().filter(|example| example.condition.is_some()) {
        let refused = site.send(example, None).expect(428).json();
        assert_eq!(refused["type"], "urn:haechi:problem:no-condition", "{}", example.call);
    }
    assert_eq!(site.state(), before, "nothing was changed of which nobody said what is there");
}

/// Calls of which nothing is seen in [`Site::state`].
const UNSEEN: &[&str] = &[
    "unlock_user",
    "remove_passkeys",
    "remove_second_factor",
    "revoke_token",
    "reseal_signing_keys",
    "export_subject",
    "export_users",
    "erase_subject",
    "retire_signing_key",
];

#[test]
fn strace_every_change_is_on_record_or_not_made() {
    let backend = Backend::saying("reached");
    let site = Site::new(&backend);
    let examples = site.examples();
    let document = site.get("/api/v1/openapi.json");
    let calls = document["paths"].as_object().unwrap().values();
    let changes: Vec<&Value> = calls
        .flat_map(|methods| methods.as_object().unwrap().values())
        .filter(|call| call["x-audit-event"].is_string())
        .collect();
    let of = |name: &str| *changes.iter().find(|call| call["operationId"] == name).unwrap();
    let known: BTreeSet<&str> = examples.iter().map(|example| example.call).collect();
    let listed: BTreeSet<&str> = changes.iter().map(|call| call["operationId"].as_str().unwrap()).collect();
    assert_eq!(known, listed, "each change has an example here");
    // A key can be withdrawn once its successor signs. One call a look: callers who ask too often are refused.
    let oldest = site.get("/api/v1/signing-keys")["items"][0]["kid"].clone();
    let signs = |key: &Value| key["state"] == "signs" && key["kid"] != oldest;
    eventually(PATIENCE * 2, || {
        site.get("/api/v1/signing-keys")["items"].as_array().unwrap().iter().any(signs).then_some(())
    });

    let before = site.state();
    for example in &examples {
        let conditional = of(example.call)["parameters"].to_string().contains("If-Match");
        let problem = if conditional { "changed" } else { "no-etag" };
        for tag in ["\"1\"", "\"1\", \"2\"", "W/\"1\"", "nonsense"] {
            let refused = site.send(example, Some(&format!("If-Match: {tag}"))).expect(412).json();
            assert_eq!(refused["type"], format!("urn:haechi:problem:{problem}"), "{} {tag}", example.call);
        }
    }
    assert_eq!(site.state(), before, "nothing was changed that is not as `If-Match` says");

    nothing_without_a_condition(&site, &examples, &before);
    let trail = site.gate.folder().file("audit/haechi.jsonl");
    let fault = ["-P", trail.to_str().unwrap(), "-e", "trace=write", "-e", "inject=write:error=ENOSPC"];
    let failing = Strace::attach(site.gate.process(), &fault);
    for example in &examples {
        let refused = site.send(example, example.condition).expect(503).json();
        assert_eq!(refused["type"], "urn:haechi:problem:unrecorded", "{}", example.call);
    }
    failing.end();
    assert_eq!(site.state(), before, "nothing was changed that is not on record");
    eventually(PATIENCE, || (site.call("GET", "/readyz", None, None).status == 200).then_some(()));

    for example in &examples {
        let event = &of(example.call)["x-audit-event"];
        let done = |records: &[Value]| {
            let told = records.iter().filter(|line| line["event"] == *event && line["outcome"] == "done");
            told.filter(|line| line["by"]["who"].is_string()).count()
        };
        let (told, state) = (done(&site.records()), site.state());
        site.send(example, Some("If-Match: *")).expect(example.status);
        assert_eq!(done(&site.records()), told + 1, "{} is on record once", example.call);
        let unseen = UNSEEN.contains(&example.call);
        assert!(unseen || site.state() != state, "{} changed nothing that is shown", example.call);
    }
}
