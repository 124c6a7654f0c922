//! An MCP client finds its way: npm's `@modelcontextprotocol/sdk`, unmodified, from a refusal by way of the metadata to an authorization server that it did
//! not know, where it registers itself, and with a token of it through the gate.

use crate::harness::packages::with_packages;
use crate::harness::{Gate, PATIENCE, Running, curl, eventually};
use haechi_testkit::Backend;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Both programs with their packages, beside the profile's folder, wherever cargo builds.
fn installed() -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/protected_resources");
    with_packages("e2e-mcp", &from, &["package.json", "client.mjs", "server.mjs"], "oidc-provider")
}

fn client(folder: &Path, arguments: &[&str]) -> Value {
    let made = Command::new("node").arg("client.mjs").args(arguments).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    serde_json::from_slice(&made.stdout).unwrap_or_else(|fault| panic!("{fault}: {said}"))
}

/// Logs in at the server's development pages: the code that the client is given.
#[track_caller]
fn log_in(server: &str, page: &str) -> String {
    let mut cookies: BTreeMap<String, String> = BTreeMap::new();
    let mut at = (page.to_owned(), None);
    for _ in 0..12 {
        if let Some((_, code)) = at.0.split_once("/callback?code=") {
            return code.split('&').next().unwrap().to_owned();
        }
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie = format!("Cookie: {}", pairs.join("; "));
        let form: Vec<&str> = at.1.iter().flat_map(|form: &String| ["--data", form.as_str()]).collect();
        let reply = curl(&[&["--header", &cookie], &*form, &[&at.0]].concat());
        for set in reply.head.all("set-cookie") {
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        at = if reply.status == 200 {
            let prompt = if reply.text().contains("value=\"login\"") { "login" } else { "consent" };
            (at.0, Some(format!("prompt={prompt}&login=alice&password=any")))
        } else {
            let to = reply.field("location").unwrap_or_else(|| panic!("{reply:#?}"));
            (if to.starts_with('/') { format!("{server}{to}") } else { to.to_owned() }, None)
        };
    }
    panic!("the login leads nowhere: {}", at.0);
}

#[test]
fn an_mcp_client_finds_its_way_from_a_refusal_to_the_resource() {
    let folder = installed();
    let port = haechi_testkit::port::unused_port();
    let server = format!("http://127.0.0.1:{port}");
    let mut command = Command::new("node");
    command.args(["server.mjs", &port.to_string()]).current_dir(&folder);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _server = Running(child);
    let discovery = format!("{server}/.well-known/openid-configuration");
    eventually(PATIENCE, || (curl(&[&discovery]).status == 200).then_some(()));
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "authenticators: {{ corp: {{ type: jwt, issuer: \"{server}\", audiences: [mcp] }} }}
protected_resources: [{{ path: /mcp, scopes: [\"mcp:use\"] }}]
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes: [{{ name: mcp, match: {{ path: /mcp/** }}, authenticate: corp, authorize: {{ scopes: [\"mcp:use\"] }}, service: web }}]
",
        backend.url()
    ))
    .ready();
    let state = gate.folder().file("client.json").display().to_string();
    let resource = gate.url("/mcp");
    let asked = client(&folder, &[&resource, &state]);
    assert_eq!((&asked["refused"], &asked["outcome"]), (&401.into(), &"REDIRECT".into()), "{asked:#}");
    assert_eq!(asked["metadata"], gate.url("/.well-known/oauth-protected-resource/mcp"));
    assert!(backend.recorded().is_empty());
    let code = log_in(&server, asked["page"].as_str().unwrap());
    let done = client(&folder, &[&resource, &state, &code]);
    assert_eq!((&done["outcome"], &done["reached"]), (&"AUTHORIZED".into(), &200.into()), "{done:#}");
    let seen = backend.sole();
    assert_eq!((seen.field("x-auth-subject"), seen.field("x-auth-scopes")), (Some("alice"), Some("mcp:use")));
}
