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
    /// A line that works by itself when pasted into a shell.
    curl: String,
    /// The status of the answer.
    status: u16,
    /// The same for people, who log in once and keep the token in a variable.
    #[serde(skip)]
    short: String,
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
admin: {{ bind: 127.0.0.1:{admin_port}, console: true }}
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
  - {{ name: welcome, match: {{ path: / }}, authenticate: anonymous, authorize: any, service: web }}
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
    let (alice, key) = (password(accounts, "alice"), accounts.api_key.expose());
    let plain = |title, status, rest: String| {
        let curl = format!("curl -i {rest}");
        Attempt { title, status, short: curl.clone(), curl }
    };
    let with_token = |title, status, name: &str, rest: String| {
        let variable = name.to_uppercase();
        let short = format!(r#"curl -i -H "Authorization: Bearer ${variable}" {rest}"#);
        let curl = format!("{}; {short}", keep_token(url, accounts, name));
        Attempt { title, status, curl, short }
    };
    let forged = format!("-H 'X-Auth-Roles: ADMIN' {url}/admin/users");
    let legacy = format!("-H 'Authorization: Bearer for-the-backend' {url}/legacy/thing");
    vec![
        plain("a public route, open by name", 200, format!("{url}/public/hello")),
        plain("no token", 401, format!("{url}/orders/42")),
        plain("log in; the answer is a token", 200, login(url, accounts, "alice")),
        with_token("with the token; see what the backend was told", 200, "alice", format!("{url}/orders/42")),
        with_token("alice is a USER, and /admin is for ADMIN", 403, "alice", format!("{url}/admin/users")),
        with_token("a forged role changes nothing", 403, "alice", forged),
        with_token("root is an ADMIN", 200, "root", format!("{url}/admin/users")),
        with_token("mina is a MANAGER, which includes USER", 200, "mina", format!("{url}/orders/42")),
        plain(
            "a path that could be read in two ways",
            400,
            format!("--path-as-is {url}/public/..%2Fadmin/users"),
        ),
        plain("name and password with the request", 200, format!("-u 'alice:{alice}' {url}/orders/42")),
        plain("an API key", 200, format!("-H 'X-API-Key: {key}' {url}/orders/42")),
        plain("passed through: the backend verifies by itself", 200, legacy),
    ]
}

fn password<'a>(accounts: &'a Accounts, wanted: &str) -> &'a str {
    accounts.users.iter().find(|(name, _)| *name == wanted).map_or("", |(_, password)| password.expose())
}

fn login(url: &str, accounts: &Accounts, name: &str) -> String {
    let body = format!(r#"{{"username":"{name}","password":"{}"}}"#, password(accounts, name));
    format!("{url}/auth/login -H 'content-type: application/json' -d '{body}'")
}

/// A line that logs in and keeps the token in a variable of the user's name: `$ALICE`.
fn keep_token(url: &str, accounts: &Accounts, name: &str) -> String {
    let login = login(url, accounts, name);
    format!(r#"{}=$(curl -s {login} | sed 's/.*"access_token":"\([^"]*\)".*/\1/')"#, name.to_uppercase())
}

/// What a person reads first.
pub(super) fn welcome(
    url: &str,
    (admin_url, console_url): (&str, &str),
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
        "\n{bold}해치 Haechi{plain} guards {bold}{url}{plain}\nthe console         {bold}{console_url}{plain}\n{dim}                    logged in as root, once and within ten minutes; then {admin_url}/console{plain}\n{dim}health and metrics  {admin_url}/readyz  {admin_url}/metrics\nconfiguration       {}{plain}\n\n",
        file.display()
    );
    let roles = ["USER", "MANAGER, includes USER", "ADMIN, includes MANAGER"];
    for ((name, password), role) in accounts.users.iter().zip(roles) {
        let _ = writeln!(text, "  {bold}{name:<6}{plain} {}   {dim}{role}{plain}", password.expose());
    }
    let _ = writeln!(text, "  {bold}key{plain}    {}   {dim}USER{plain}\n", accounts.api_key.expose());
    let _ =
        writeln!(text, "{bold}What to try{plain}, in another terminal. First log in, and keep the tokens:\n");
    for (name, _) in &accounts.users {
        let _ = writeln!(text, "{}", keep_token(url, accounts, name));
    }
    let _ = writeln!(text);
    for attempt in attempts {
        let _ = writeln!(
            text,
            "{dim}# {} -> {plain}{}\n{}\n",
            attempt.title,
            status(attempt.status),
            attempt.short
        );
    }
    let _ = writeln!(
        text,
        "{dim}# why not? with the decision_id of a 403, which its body names{plain}\nhaechi explain -c {} --admin {admin_url} --decision ID\n",
        file.display()
    );
    let _ = writeln!(
        text,
        "{bold}Decisions{plain}, as they fall {dim}(Ctrl-C ends the demo and removes its files){plain}:\n"
    );
    text
}
