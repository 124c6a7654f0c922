//! npm's `oidc-provider`, which is certified, as the server: the example in `examples/introspection`, unmodified; answers as JSON and as JWT.

use crate::harness::packages::with_packages;
use crate::harness::{Folder, Gate, PATIENCE, Running, curl, eventually};
use haechi_testkit::Backend;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/introspection").join(file)
}

/// The example with its packages, beside the profile's folder, wherever cargo builds.
fn installed() -> PathBuf {
    with_packages("e2e-introspection", &example(""), &["package.json", "server.mjs"], "oidc-provider")
}

fn start(port: u16) -> Running {
    let mut command = Command::new("node");
    command.args(["server.mjs", &port.to_string()]).current_dir(installed());
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let server = Running(child);
    let discovery = format!("http://127.0.0.1:{port}/.well-known/openid-configuration");
    eventually(PATIENCE, || (curl(&[&discovery]).status == 200).then_some(()));
    server
}

/// A token of the client `robot`.
fn token(port: u16, more: &[&str]) -> String {
    let url = format!("http://127.0.0.1:{port}/token");
    let who = ["--user", "robot:this-is-only-an-example", "--data", "grant_type=client_credentials"];
    let reply = curl(&[&who[..], more, &[&url]].concat()).expect(200);
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn opaque_tokens_of_a_certified_server() {
    let port = haechi_testkit::port::unused_port();
    let backend = Backend::saying("reached");
    let text = std::fs::read_to_string(example("haechi.yaml"))
        .unwrap()
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("127.0.0.1:9901", "127.0.0.1:0")
        .replace("127.0.0.1:9000", &format!("127.0.0.1:{port}"))
        .replace("http://127.0.0.1:7001", &backend.url());
    let signed = text.replace("    cache: 30s\n", "    cache: 0s\n    answers: jwt\n");
    let server = start(port);
    let gates =
        [Gate::start_in(Folder::exactly(&text)).ready(), Gate::start_in(Folder::exactly(&signed)).ready()];
    let ours = ["--data", "scope=orders:read", "--data", "resource=https://orders.example.com"];
    let good = token(port, &ours);
    assert!(!good.contains('.'), "{good}");
    for gate in &gates {
        let before = backend.recorded().len();
        gate.get_with_token("/orders/7", &good).expect(200);
        let seen = backend.last();
        assert_eq!(
            (seen.field("x-auth-subject"), seen.field("x-auth-scopes")),
            (Some("robot"), Some("orders:read"))
        );
        gate.get_with_token("/orders/7", "made-up").expect(401);
        gate.get_with_token("/orders/7", &token(port, &[])).expect(401);
        let other = ["--data", "scope=orders:read", "--data", "resource=https://stock.example.com"];
        gate.get_with_token("/orders/7", &token(port, &other)).expect(401);
        let less = ["--data", "scope=orders:write", "--data", "resource=https://orders.example.com"];
        gate.get_with_token("/orders/7", &token(port, &less)).expect(403);
        assert_eq!(backend.recorded().len(), before + 1, "nothing else arrived");
    }
    let url = format!("http://127.0.0.1:{port}/token/revocation");
    let form = format!("token={good}");
    curl(&["--user", "robot:this-is-only-an-example", "--data", &form, &url]).expect(200);
    gates[1].get_with_token("/orders/7", &good).expect(401);
    gates[0].get_with_token("/orders/7", &good).expect(200);
    drop(server);
    gates[0].get_with_token("/orders/7", &good).expect(200);
    for gate in &gates {
        let reply = gate.get_with_token("/orders/7", "another").expect(503);
        assert!(reply.field("retry-after").is_some());
    }
}
