//! npm's `oidc-provider`, which is certified, as the issuer: the example in `examples/token-exchange`, unmodified; and the gate with a key in place of its secret.

use crate::harness::packages::with_packages;
use crate::harness::{Folder, Gate, PATIENCE, Running, curl, eventually};
use haechi_testkit::Backend;
use haechi_testkit::jose::{Key, part};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/token-exchange").join(file)
}

/// The example with its packages, beside the profile's folder, wherever cargo builds.
fn installed() -> PathBuf {
    with_packages("e2e-token-exchange", &example(""), &["package.json", "server.mjs"], "oidc-provider")
}

fn start(port: u16, more: &[&str]) -> Running {
    let mut command = Command::new("node");
    command.arg("server.mjs").arg(port.to_string()).args(more).current_dir(installed());
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let server = Running(child);
    let discovery = format!("http://127.0.0.1:{port}/.well-known/openid-configuration");
    eventually(PATIENCE, || (curl(&[&discovery]).status == 200).then_some(()));
    server
}

fn configuration(port: u16, backend: &Backend) -> String {
    std::fs::read_to_string(example("haechi.yaml"))
        .unwrap()
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("127.0.0.1:9901", "127.0.0.1:0")
        .replace("127.0.0.1:9000", &format!("127.0.0.1:{port}"))
        .replace("http://127.0.0.1:7001", &backend.url())
}

/// Whoever calls with a token of the client `robot` reaches the backend with a token for it.
fn check(gate: &Gate, port: u16, backend: &Backend) {
    let form = ["--data", "grant_type=client_credentials", "--data", "scope=orders:read"];
    let ours = ["--data", "resource=https://gate.example.com"];
    let url = format!("http://127.0.0.1:{port}/token");
    let who = ["--user", "robot:this-is-only-an-example"];
    let reply = curl(&[&who[..], &form, &ours, &[&url]].concat()).expect(200);
    let shown = reply.json()["access_token"].as_str().unwrap().to_owned();
    gate.get_with_token("/orders/7", &shown).expect(200);
    let seen = backend.last();
    assert_eq!(seen.field("x-auth-subject"), Some("robot"));
    let told = seen.field("authorization").unwrap().strip_prefix("Bearer ").unwrap();
    assert!(told != shown);
    let claims = part(told, 1);
    assert_eq!(claims["iss"], format!("http://127.0.0.1:{port}"));
    assert_eq!((&claims["aud"], &claims["sub"]), (&json!("https://orders.internal"), &json!("robot")));
    assert_eq!((&claims["client_id"], &claims["scope"]), (&json!("gate"), &json!("orders:read")));
    gate.get_with_token("/orders/7", "made-up").expect(401);
}

#[test]
fn the_example_with_a_certified_server() {
    let (port, backend) = (haechi_testkit::port::unused_port(), Backend::saying("reached"));
    let _server = start(port, &[]);
    let gate = Gate::start_in(Folder::exactly(&configuration(port, &backend))).ready();
    check(&gate, port, &backend);
    assert_eq!(backend.recorded().len(), 1);
}

#[test]
fn a_key_in_place_of_a_secret() {
    let (port, backend) = (haechi_testkit::port::unused_port(), Backend::saying("reached"));
    let secret = "client_secret: this-is-only-an-example";
    let text =
        configuration(port, &backend).replace(secret, "private_key_jwt: { key: gate.pem, kid: gate-1 }");
    let folder = Folder::exactly(&text);
    let key = Key::rsa("gate-1");
    folder.write("gate.pem", &key.pkcs8_pem());
    folder.write("public.json", &json!({ "keys": [key.jwk()] }).to_string());
    let keys = folder.file("public.json");
    let _server = start(port, &[keys.to_str().unwrap()]);
    let gate = Gate::start_in(folder).ready();
    check(&gate, port, &backend);
    // Another key is not that client: nothing is exchanged, and nothing arrives.
    let other =
        configuration(port, &backend).replace(secret, "private_key_jwt: { key: gate.pem, kid: gate-1 }");
    let folder = Folder::exactly(&other.replacen(
        "private_key_jwt: { key: gate.pem, kid: gate-1 }",
        "private_key_jwt: { key: right.pem, kid: gate-1 }",
        1,
    ));
    folder.write("gate.pem", &Key::rsa("gate-1").pkcs8_pem());
    folder.write("right.pem", &key.pkcs8_pem());
    let gate = Gate::start_in(folder).ready();
    let before = backend.recorded().len();
    let form = ["--data", "grant_type=client_credentials", "--data", "scope=orders:read"];
    let ours = ["--data", "resource=https://gate.example.com"];
    let url = format!("http://127.0.0.1:{port}/token");
    let who = ["--user", "robot:this-is-only-an-example"];
    let reply = curl(&[&who[..], &form, &ours, &[&url]].concat()).expect(200);
    gate.get_with_token("/orders/7", reply.json()["access_token"].as_str().unwrap()).expect(503);
    assert_eq!(backend.recorded().len(), before);
}
