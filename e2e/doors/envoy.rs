//! Envoy in front, as in `examples/behind-envoy`: over gRPC, and over HTTP.

use super::World;
use super::bound::{self, Client};
use super::nginx::Front;
use super::table::{Case, some};
use crate::harness::{Folder, Gate, PATIENCE, curl, eventually, haechi, routes_to};
use haechi_testkit::Backend;
use haechi_testkit::jose::Key;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// In the environment that `scripts/test` makes.
fn program() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_haechi")).ancestors().nth(2).unwrap();
    let libraries = std::fs::read_dir(target.join("e2e-python/lib")).unwrap();
    let mut found = libraries.map(|python| python.unwrap().path().join("site-packages/envoy/_bin/envoy"));
    found.find(|path| path.exists()).expect("envoy is installed (scripts/test sees to it)")
}

/// The filter that asks over HTTP in place of the example's.
const OVER_HTTP: &str = "http_service: { server_uri: { uri: \"http://DOOR\", cluster: haechi, timeout: 2s }, path_prefix: /ext_authz, \
    authorization_request: { allowed_headers: { patterns: [{ exact: x-api-key }, { exact: cookie }, { exact: x-forwarded-for }, { exact: x-forwarded-proto }, { exact: authorization }] } }, \
    authorization_response: { allowed_upstream_headers: { patterns: [{ prefix: x-auth- }] }, allowed_client_headers: { patterns: [{ exact: x-auth-status }] } } }";

fn start(backend: &Backend, door: SocketAddr, change: impl Fn(String) -> String) -> Front {
    let url = backend.url();
    let port = url.rsplit(':').next().unwrap().trim_end_matches('/');
    let address = haechi_testkit::port::unused_address();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/behind-envoy/envoy.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text
        .replace("port_value: 8000", &format!("port_value: {}", address.port()))
        .replace("port_value: 7001", &format!("port_value: {port}"))
        .replace("port_value: 9902", &format!("port_value: {}", door.port()));
    let folder = Folder::exactly("");
    folder.write("envoy.yaml", &change(text));
    let mut child = Command::new(program())
        .args(["-c", "envoy.yaml", "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually(PATIENCE, || {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        TcpStream::connect(address).is_ok().then_some(())
    });
    Front::new(child, address, folder)
}

fn before(world: &World, change: impl Fn(String) -> String) -> Front {
    start(&world.backend, world.door, change)
}

fn over_http(world: &World, text: &str) -> String {
    let grpc = "grpc_service: { envoy_grpc: { cluster_name: haechi }, timeout: 2s }";
    let text = text.replace(grpc, &OVER_HTTP.replace("DOOR", &world.door.to_string()));
    let text = text.replace("encode_raw_headers: true", "");
    let (http2, http1) = ("{ http2_protocol_options: {} }", "{ http_protocol_options: {} }");
    text.replace(&format!("explicit_http_config: {http2}"), &format!("explicit_http_config: {http1}"))
}

#[test]
fn the_same_requests_come_to_the_same_behind_envoy_over_grpc() {
    let world = World::new();
    let envoy = before(&world, |text| text);
    for case in some() {
        let (through, proxied) = world.through(world.gate.address(), &case);
        let (reply, behind) = world.through(envoy.address, &case);
        assert_eq!(behind, proxied, "{case:?}: {}", reply.text());
        if behind.identity.is_none() {
            for name in ["content-type", "www-authenticate", "allow"] {
                assert_eq!(reply.field(name), through.field(name), "{case:?}: {name}");
            }
        }
    }
    let spoofed =
        &["Remote-User: root", "X_Auth_Subject: root", "X-Forwarded-Host: evil.example", "Cookie: a=1"];
    let key = Case { method: "GET", target: "/user/a", key: Some("user"), more: spoofed };
    let (_, behind) = world.through(envoy.address, &key);
    assert_eq!(behind.status, 200);
    let seen = world.reached().pop().unwrap();
    for removed in ["x-api-key", "remote-user", "x_auth_subject"] {
        assert_eq!(seen.field(removed), None, "{removed}");
    }
    assert_eq!(seen.field("cookie"), Some("a=1"));
    assert_eq!(seen.field("x-forwarded-host"), Some(&*envoy.address.to_string()));
    let recorded = world.decisions();
    let id = seen.field("x-request-id").unwrap();
    assert!(recorded.contains(id), "{id}: {recorded}");
}

#[test]
fn the_same_requests_come_to_the_same_behind_envoy_over_http() {
    let world = World::new();
    let envoy = before(&world, |text| over_http(&world, &text));
    for case in some() {
        let (_, proxied) = world.through(world.gate.address(), &case);
        let (reply, behind) = world.through(envoy.address, &case);
        assert_eq!(behind, proxied, "{case:?}: {}", reply.text());
    }
}

#[test]
fn what_could_not_be_found_out_is_a_denial_also_where_failures_are_allowed() {
    let world = World::new();
    let dead = Case { method: "GET", target: "/dead/a", key: None, more: &["Authorization: Bearer a"] };
    let failing = |text: &str| text.replace("failure_mode_allow: false", "failure_mode_allow: true");
    let (_, proxied) = world.through(world.gate.address(), &dead);
    assert_eq!((proxied.status, proxied.identity), (503, None));
    let envoy = before(&world, |text| failing(&text));
    let (reply, behind) = world.through(envoy.address, &dead);
    assert_eq!((behind.status, behind.identity), (503, None));
    assert!(reply.field("retry-after").is_some());
    drop(envoy);
    let envoy = before(&world, |text| over_http(&world, &failing(&text)));
    let (reply, behind) = world.through(envoy.address, &dead);
    assert_eq!((behind.status, behind.identity), (403, None));
    assert_eq!(reply.field("x-auth-status"), Some("503"));
}

/// A gateway that the gate does not know is told no, and not that its call failed.
#[test]
fn an_envoy_that_may_not_ask_lets_nobody_through_also_where_failures_are_allowed() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}, {{ bind: 127.0.0.1:0, type: authorizer }}]\nadmin: {{ bind: 127.0.0.1:0 }}\nworkers: 1\ntrusted_proxies: [10.0.0.0/8]\n{}",
        routes_to(&backend, &[("/**", "anonymous", "any")])
    )))
    .ready();
    haechi(gate.folder().path(), &["check"]).success();
    let failing = |text: String| text.replace("failure_mode_allow: false", "failure_mode_allow: true");
    let envoy = start(&backend, super::door(&gate), failing);
    curl(&[&format!("http://{}/a", envoy.address)]).expect(403);
    assert!(backend.recorded().is_empty());
}

#[test]
fn a_bound_token_needs_its_proof_behind_envoy_and_neither_goes_on() {
    let issuer = Key::p256("issuer");
    let (folder, backend) = bound::world(&issuer, "");
    let gate = Gate::start_in(folder).ready();
    let envoy = start(&backend, super::door(&gate), |text| text);
    let client = Client::of(&issuer);
    let url = format!("http://{}/orders/1", envoy.address);
    let proof = client.proof("GET", &url);
    let asked = |proof: &str| {
        let [authorization, dpop] = bound::shown(&client, proof);
        curl(&["-H", &authorization, "-H", &dpop, &url])
    };
    asked(&proof).expect(200);
    let seen = backend.sole();
    assert_eq!((seen.field("authorization"), seen.field("dpop")), (None, None), "credentials end here");
    assert_eq!(seen.field("x-auth-subject"), Some("mina"));
    let again = asked(&proof).expect(401);
    assert!(again.challenges().contains("error=\"invalid_dpop_proof\""), "{}", again.challenges());
    asked(&client.proof("POST", &url)).expect(401);
    asked(&client.proof("GET", &format!("http://{}/orders/1", gate.address()))).expect(401);
    let [authorization, _] = bound::shown(&client, "");
    curl(&["-H", &authorization, &url]).expect(401);
    // Two proofs are seen as two.
    let [_, one] = bound::shown(&client, &client.proof("GET", &url));
    let [_, two] = bound::shown(&client, &client.proof("GET", &url));
    curl(&["-H", &authorization, "-H", &one, "-H", &two, &url]).expect(400);
    assert_eq!(backend.recorded().len(), 1);
}

/// What is no question, as it would come from Envoy's port: every call succeeds, and its message says no.
#[test]
fn a_call_that_is_no_question_succeeds_and_says_no() {
    let world = World::new();
    let url = format!("http://{}/envoy.service.auth.v3.Authorization/Check", world.door);
    // `CheckResponse { status: { code: 7 } … }`.
    let denied = [0x0a, 0x02, 0x08, 0x07];
    for (name, sent) in [
        ("empty", &b""[..]),
        ("an empty message", b"\0\0\0\0\0"),
        ("cut short", b"\0\0\0\0\x09ab"),
        ("compressed", b"\x01\0\0\0\0"),
        ("junk", b"\0\0\0\0\x04\xff\xff\xff\xff"),
        ("huge", &[0; (1 << 20) + 64]),
    ] {
        std::fs::write(world.gate.folder().file("question"), sent).unwrap();
        let file = format!("@{}", world.gate.folder().file("question").display());
        let reply = curl(&[
            "--http2-prior-knowledge",
            "-H",
            "Content-Type: application/grpc",
            "-H",
            "TE: trailers",
            "--data-binary",
            &file,
            &url,
        ]);
        assert_eq!(reply.status, 200, "{name}");
        assert_eq!(reply.field("content-type"), Some("application/grpc"), "{name}");
        assert_eq!(reply.body.get(5..9), Some(&denied[..]), "{name}: {:?}", reply.body);
    }
    assert!(world.reached().is_empty());
}
