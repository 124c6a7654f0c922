//! The embedded provider as a standard one (docs/identity-provider.md#logging-in-with-a-browser): authorization code with PKCE, the pages, and what is refused.

mod chromium;
mod clients;
mod cors;
mod mcp;
mod nodes;
mod own_pages;
mod passkeys;
mod refused;
mod registration;
mod second_factor;

use crate::harness::{Folder, Gate, PASSWORD, Reply, haechi};
use crate::login::browser::{Browser, location};
use haechi_testkit::Backend;

/// The challenge of RFC 7636, appendix B, and its verifier.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const REDIRECT: &str = "https://app.example.com/callback";

/// A gate with a provider under its own address, the user `alice`, and two clients.
struct World {
    gate: Gate,
    issuer: String,
    /// With a secret.
    client: Client,
    /// Public.
    public: Client,
}

struct Client {
    id: String,
    secret: String,
}

fn free_port() -> u16 {
    haechi_testkit::port::unused_port()
}

fn configuration(port: u16, identity: &str, backend: &Backend) -> String {
    format!(
        "listeners: [{{ bind: 127.0.0.1:{port} }}]
admin: {{ bind: 127.0.0.1:0 }}
workers: 1
store: sqlite:haechi.db
audit: {{ file: audit/haechi.jsonl }}
identity: {{ issuer: \"http://127.0.0.1:{port}\", login: {{ per_address: {{ requests: 10000, per: 1m }}, per_account: {{ requests: 10000, per: 1m }} }}{identity} }}
authenticators: {{ local: {{ type: jwt, issuer: self }} }}
roles: {{ USER: {{}} }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: open, match: {{ path: /open/** }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: app, match: {{ path: /** }}, authenticate: local, authorize: {{ roles: [USER] }}, service: web }}
",
        backend.url()
    )
}

fn add_client(folder: &Folder, arguments: &[&str]) -> Client {
    let arguments: Vec<&str> =
        ["client", "add"].iter().chain(arguments).chain(&["--output", "json"]).copied().collect();
    let made: serde_json::Value =
        serde_json::from_str(&haechi(folder.path(), &arguments).success().stdout).unwrap();
    let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
    Client { id: text("client_id"), secret: text("client_secret") }
}

impl World {
    fn new(backend: &Backend) -> Self {
        Self::with(backend, "", &[])
    }

    /// With more of the configuration, and more said of the confidential client.
    fn with(backend: &Backend, identity: &str, more: &[&str]) -> Self {
        let port = free_port();
        let folder = Folder::exactly(&configuration(port, identity, backend));
        folder.add_user("alice", &["USER"]);
        let uris = ["--redirect-uri", REDIRECT, "--post-logout-redirect-uri", "https://app.example.com/"];
        let client = add_client(&folder, &[&["shop"], &uris[..], &["--scope", "orders:read"], more].concat());
        let loopback = ["--redirect-uri", "http://127.0.0.1/cb", "--redirect-uri", REDIRECT];
        let public = add_client(&folder, &[&["app", "--public"], &loopback[..]].concat());
        let gate = Gate::start_in(folder).ready();
        Self { gate, issuer: format!("http://127.0.0.1:{port}"), client, public }
    }

    /// An authorization request of the client with this id.
    fn request(&self, client: &str, more: &[(&str, &str)]) -> String {
        let mut parameters = vec![
            ("client_id", client),
            ("redirect_uri", REDIRECT),
            ("response_type", "code"),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "s-1"),
        ];
        for (name, value) in more {
            parameters.retain(|(other, _)| other != name);
            if !value.is_empty() {
                parameters.push((name, value));
            }
        }
        let query: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        format!("{}/auth/authorize?{}", self.issuer, query.join("&"))
    }

    /// Sends the form of a page.
    fn send(&self, browser: &mut Browser, page: &Reply, fields: &[(&str, &str)]) -> Reply {
        let text = page.text();
        let (ticket, action) =
            (between(&text, "name=\"ticket\" value=\"", "\""), between(&text, "action=\"", "\""));
        let mut form = format!("ticket={ticket}");
        for (name, value) in fields {
            form.push_str(&format!("&{name}={}", encoded(value)));
        }
        browser.submit(&format!("{}{action}", self.issuer), &form, &[&format!("Origin: {}", self.issuer)])
    }

    /// Logs `alice` in on the way of a request. Where it leads to.
    #[track_caller]
    fn log_in(&self, browser: &mut Browser, request: &str) -> String {
        let page = browser.open(request).expect(200);
        let sent = [("username", "alice"), ("password", PASSWORD), ("action", "login")];
        location(&self.send(browser, &page, &sent), &self.issuer)
    }

    /// Exchanges a code.
    fn token(&self, client: &Client, code: &str, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
            ("client_id", &client.id),
        ];
        if !client.secret.is_empty() {
            form.push(("client_secret", &client.secret));
        }
        for (name, value) in more {
            form.retain(|(other, _)| other != name);
            form.push((name, value));
        }
        form.retain(|(_, value)| !value.is_empty());
        self.post("/auth/token", &form)
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        let fields: Vec<String> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut arguments = vec!["-X", "POST"];
        for field in &fields {
            arguments.extend(["--data-urlencode", field]);
        }
        self.gate.curl(path, &arguments)
    }

    /// A code for the client, of a browser that logs in for it.
    #[track_caller]
    fn code(&self, client: &Client) -> String {
        let to = self.log_in(&mut Browser::default(), &self.request(&client.id, &[]));
        crate::login::browser::parameter(&to, "code")
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no `{before}` in {text}"));
    rest.split(after).next().unwrap()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
