//! Calls of the admin API that look at a running gate, or steer it (docs/admin-api.md).

mod configuration;
mod endpoints;
mod evidence;
mod rehearsal;
mod stream;

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Reply, curl, eventually};
use serde_json::{Value, json};

/// A gate with an administrator, an auditor and a user.
struct Site {
    gate: Gate,
    admin: String,
    auditor: String,
    user: String,
}

/// What every gate here has, before its services and routes.
fn beginning(authenticators: &str) -> String {
    format!(
        "store: sqlite:haechi.db
roles: {{ ADMIN: {{}}, USER: {{}} }}
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators: {{ local: {{ type: jwt, issuer: self }}, partner: {{ type: api_key }}, {authenticators} }}
"
    )
}

const TRAIL: &str = "audit: { file: audit/haechi.jsonl }\n";

impl Site {
    fn start(rest: &str) -> Self {
        Self::start_with("", rest)
    }

    /// With more authenticators.
    fn start_with(authenticators: &str, rest: &str) -> Self {
        Self::start_exactly(&format!("{}{TRAIL}{rest}", beginning(authenticators)))
    }

    fn start_without_trail(rest: &str) -> Self {
        Self::start_exactly(&format!("{}{rest}", beginning("")))
    }

    /// With listeners and all, and with files.
    fn start_in(rest: &str, files: impl FnOnce(&Folder)) -> Self {
        let folder = Folder::exactly(&format!("{rest}{}{TRAIL}", beginning("")));
        files(&folder);
        Self::running(folder)
    }

    fn start_exactly(configuration: &str) -> Self {
        Self::running(Folder::new(configuration))
    }

    fn running(folder: Folder) -> Self {
        folder.add_user("root", &["haechi-admin"]);
        folder.add_user("eve", &["haechi-auditor"]);
        folder.add_user("alice", &["USER"]);
        let gate = Gate::start_in(folder);
        let token = |name: &str| {
            let body = json!({ "username": name, "password": PASSWORD });
            let pair = eventually(PATIENCE, || {
                let pair = gate.post_json("/auth/login", &body);
                (pair.status == 200).then_some(pair)
            });
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
        self.gate.folder().rewrite(&format!("{}{TRAIL}{rest}", beginning("")));
        self.call("POST", "/api/v1/config/reload", None).expect(200);
    }
}
