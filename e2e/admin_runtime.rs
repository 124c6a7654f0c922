//! Calls of the admin API that look at a running gate, or steer it (docs/admin-api.md).

mod endpoints;

use crate::harness::{Folder, Gate, PASSWORD, Reply, curl};
use serde_json::{Value, json};

/// A gate with an administrator, an auditor and a user.
struct Site {
    gate: Gate,
    admin: String,
    auditor: String,
    user: String,
}

/// What every gate here has, before its services and routes.
const BEGINNING: &str = "\
store: sqlite:haechi.db
roles: { ADMIN: {}, USER: {} }
identity: { issuer: http://localhost:8080, path: /auth }
authenticators: { local: { type: jwt, issuer: self }, partner: { type: api_key } }
audit: { file: audit/haechi.jsonl }
";

impl Site {
    fn start(rest: &str) -> Self {
        let folder = Folder::new(&format!("{BEGINNING}{rest}"));
        folder.add_user("root", &["haechi-admin"]);
        folder.add_user("eve", &["haechi-auditor"]);
        folder.add_user("alice", &["USER"]);
        let gate = Gate::start_in(folder).ready();
        let token = |name: &str| {
            let pair =
                gate.post_json("/auth/login", &json!({ "username": name, "password": PASSWORD })).expect(200);
            pair.json()["access_token"].as_str().unwrap().to_owned()
        };
        let (admin, auditor, user) = (token("root"), token("eve"), token("alice"));
        Self { gate, admin, auditor, user }
    }

    fn call_as(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let url = format!("http://{}{path}", self.gate.admin_address());
        let bearer = format!("Authorization: Bearer {token}");
        let body = body.map(Value::to_string);
        let mut arguments = vec!["--globoff", "--request", method, "--header", &bearer];
        if let Some(body) = &body {
            arguments.extend(["--header", "Content-Type: application/json", "--data-binary", body]);
        }
        arguments.push(&url);
        curl(&arguments)
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.call_as(&self.admin, method, path, body)
    }

    fn get(&self, path: &str) -> Value {
        self.call("GET", path, None).expect(200).json()
    }

    /// The records of what was done, of this kind.
    fn records(&self, event: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.gate.folder().file("audit/haechi.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == event).collect()
    }

    fn reload(&self, rest: &str) {
        self.gate.folder().rewrite(&format!("{BEGINNING}{rest}"));
        self.call("POST", "/api/v1/config/reload", None).expect(200);
    }
}
