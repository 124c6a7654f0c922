//! What the demo says: its configuration, what to try, and the welcome.

use super::Accounts;
use super::backends::Addresses;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// Something to try, with the answer to expect.
#[derive(Serialize)]
pub(super) struct Attempt {
    title: &'static str,
    /// A line that works when pasted into a shell.
    curl: String,
    /// The status of the answer.
    status: u16,
}

/// The demo's `haechi.yaml`.
pub(super) fn configuration(
    port: u16,
    admin_port: u16,
    [web, orders, admin]: Addresses,
    log: &str,
) -> String {
    format!(
        "listeners: [{{ bind: 127.0.0.1:{port} }}]
admin: {{ bind: 127.0.0.1:{admin_port} }}
store: sqlite:haechi.db
access_log: {{ format: text, target: {log} }}

identity:
  issuer: http://127.0.0.1:{port}

caller_attributes: {{ tenant: string, clearance: long }}

roles:
  USER: {{}}
  MANAGER: {{ includes: [USER] }}
  ADMIN: {{ includes: [MANAGER] }}

authenticators:
  local: {{ type: jwt, issuer: self }}
  staff: {{ type: basic, realm: staff }}
  partner: {{ type: api_key, header: X-API-Key }}

services:
  web: {{ endpoints: [http://{web}] }}
  orders: {{ endpoints: [http://{orders}] }}
  admin: {{ endpoints: [http://{admin}] }}

routes:
  - {{ name: public, match: {{ path: /public/** }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: orders, match: {{ path: /orders/** }}, authenticate: [local, staff, partner], authorize: {{ roles: [USER] }}, service: orders }}
  - {{ name: reports, match: {{ path: /reports/** }}, authenticate: [local, staff], authorize: {{ roles: [MANAGER] }}, service: orders }}
  - {{ name: admin, match: {{ path: /admin/** }}, authenticate: [local, staff], authorize: {{ roles: [ADMIN] }}, service: admin }}
  - {{ name: legacy, match: {{ path: /legacy/** }}, authenticate: passthrough, authorize: any, service: web }}
"
    )
}

/// What to try, in the order that tells the story.
pub(super) fn attempts(url: &str, accounts: &Accounts) -> Vec<Attempt> {
    let password = |wanted: &str| {
        accounts.users.iter().find(|(name, _)| *name == wanted).map_or("", |(_, password)| password.expose())
    };
    let login = |name: &str| {
        let body = format!(r#"{{"username":"{name}","password":"{}"}}"#, password(name));
        format!("curl -s {url}/auth/login -H 'content-type: application/json' -d '{body}'")
    };
    let token =
        |name: &str| format!(r#"TOKEN=$({} | sed 's/.*"access_token":"\([^"]*\)".*/\1/')"#, login(name));
    let with_token = |name: &str, rest: &str| {
        format!(r#"{}; curl -i -H "Authorization: Bearer $TOKEN" {rest}"#, token(name))
    };
    let attempt = |title, curl, status| Attempt { title, curl, status };
    vec![
        attempt("a public route, open by name", format!("curl -i {url}/public/hello"), 200),
        attempt("no token", format!("curl -i {url}/orders/42"), 401),
        attempt("log in", login("alice").replacen("curl -s", "curl -i", 1), 200),
        attempt(
            "with the token; the answer shows what the backend was told",
            with_token("alice", &format!("{url}/orders/42")),
            200,
        ),
        attempt(
            "alice is a USER, and /admin is for ADMIN",
            with_token("alice", &format!("{url}/admin/users")),
            403,
        ),
        attempt("root is an ADMIN", with_token("root", &format!("{url}/admin/users")), 200),
        attempt(
            "a forged role changes nothing",
            with_token("alice", &format!("-H 'X-Auth-Roles: ADMIN' {url}/admin/users")),
            403,
        ),
        attempt(
            "mina is a MANAGER, which includes USER",
            with_token("mina", &format!("{url}/orders/42")),
            200,
        ),
        attempt(
            "a path that could be read in two ways",
            format!("curl -i --path-as-is {url}/public/..%2Fadmin/users"),
            400,
        ),
        attempt(
            "name and password with the request",
            format!("curl -i -u 'alice:{}' {url}/orders/42", password("alice")),
            200,
        ),
        attempt(
            "an API key",
            format!("curl -i -H 'X-API-Key: {}' {url}/orders/42", accounts.api_key.expose()),
            200,
        ),
        attempt(
            "the backend verifies by itself: the credential travels on",
            format!("curl -i -H 'Authorization: Bearer for-the-backend' {url}/legacy/thing"),
            200,
        ),
    ]
}

/// What a person reads first.
pub(super) fn welcome(
    url: &str,
    admin_url: &str,
    accounts: &Accounts,
    attempts: &[Attempt],
    file: &Path,
    color: bool,
) -> String {
    let (bold, dim, plain) = if color { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    let status = |status: u16| match (color, status) {
        (false, _) => status.to_string(),
        (true, 200) => format!("\x1b[32m{status}{plain}"),
        (true, 401 | 403) => format!("\x1b[33m{status}{plain}"),
        (true, _) => format!("\x1b[31m{status}{plain}"),
    };
    let mut text = format!(
        "\n{bold}해치 Haechi{plain} guards {bold}{url}{plain}\n{dim}health and metrics  {admin_url}/readyz  {admin_url}/metrics\nconfiguration       {}{plain}\n\n",
        file.display()
    );
    let roles = ["USER", "MANAGER, includes USER", "ADMIN, includes MANAGER"];
    for ((name, password), role) in accounts.users.iter().zip(roles) {
        let _ = writeln!(text, "  {bold}{name:<6}{plain} {}   {dim}{role}{plain}", password.expose());
    }
    let _ = writeln!(text, "  {bold}key{plain}    {}   {dim}USER{plain}\n", accounts.api_key.expose());
    let _ = writeln!(text, "{bold}What to try{plain}, in another terminal:\n");
    for attempt in attempts {
        let _ = writeln!(
            text,
            "{dim}# {} -> {plain}{}\n{}\n",
            attempt.title,
            status(attempt.status),
            attempt.curl
        );
    }
    let _ = writeln!(
        text,
        "{bold}Decisions{plain}, as they fall {dim}(Ctrl-C ends the demo and removes its files){plain}:\n"
    );
    text
}
