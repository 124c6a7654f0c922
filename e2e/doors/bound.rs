//! Bound tokens at a door: the proof is for the request that the other gateway describes, is used once wherever it is shown, and no certificate of the gateway that asks
//! stands for one of the client.

use super::door;
use crate::harness::{Authority, Folder, Gate, PATIENCE, Reply, curl, eventually};
use crate::mtls::Kept;
use aws_lc_rs::digest::{SHA256, digest};
use haechi_testkit::Backend;
use haechi_testkit::jose::{Key, base64url, claims, now, with};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::net::SocketAddr;

const ISSUER: &str = "https://issuer.example";

fn sha256(bytes: impl AsRef<[u8]>) -> String {
    base64url(digest(&SHA256, bytes.as_ref()))
}

pub(super) struct Client {
    key: Key,
    token: String,
}

impl Client {
    fn public(&self) -> Value {
        let jwk = self.key.jwk();
        json!({ "kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"], "y": jwk["y"] })
    }

    /// With a token that is bound to a key of its own (RFC 7638, RFC 9449 6).
    pub(super) fn of(issuer: &Key) -> Self {
        let mut client = Self { key: Key::p256("client"), token: String::new() };
        // In the order of RFC 7638.
        let jwk = client.key.jwk();
        let (x, y) = (jwk["x"].as_str().unwrap(), jwk["y"].as_str().unwrap());
        let thumbprint = sha256(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        client.token = issuer.token(&with(&claims(ISSUER, "mina"), &json!({ "cnf": { "jkt": thumbprint } })));
        client
    }

    pub(super) fn proof(&self, method: &str, address: &str) -> String {
        let said = json!({
            "jti": base64url(fresh()), "htm": method, "htu": address, "iat": now(), "ath": sha256(&self.token)
        });
        self.key.sign(&json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": self.public() }), &said)
    }
}

fn fresh() -> [u8; 16] {
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).unwrap();
    id
}

/// A gate that takes tokens of `issuer`, with a door that `more` says how to open.
pub(super) fn world(issuer: &Key, tls: &str) -> (Folder, Backend) {
    let backend = Backend::saying("reached");
    let folder = Folder::exactly(&format!(
        "listeners: [{{ bind: 127.0.0.1:0 }}, {{ bind: 127.0.0.1:0, type: authorizer{tls} }}]
admin: {{ bind: 127.0.0.1:0 }}
workers: 1
trusted_proxies: [127.0.0.1/32]
authenticators: {{ corp: {{ type: jwt, issuer: \"{ISSUER}\", audiences: [orders], keys: {{ jwks_file: jwks.json }} }}, mesh: {{ type: mtls, subject: subject_cn }} }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: orders, match: {{ path: /orders/** }}, authenticate: corp, authorize: any, service: web }}
  - {{ name: mesh, match: {{ path: /mesh/** }}, authenticate: mesh, authorize: any, service: web }}
",
        backend.url()
    ));
    folder.write("jwks.json", &json!({ "keys": [issuer.jwk()] }).to_string());
    (folder, backend)
}

/// Asks in the name of a client that came to `https://api.example`.
fn ask(door: &str, path: &str, method: &str, target: &str, more: &[String], options: &[&str]) -> Reply {
    let said = |name: &str, value: &str| format!("{name}: {value}");
    let mut fields = vec![said("Host", "api.example"), said("X-Forwarded-For", "192.0.2.1")];
    fields.push(said("X-Forwarded-Proto", "https"));
    match path {
        "/auth_request" => {
            fields.extend([said("X-Original-Method", method), said("X-Original-URI", target)]);
        }
        "/forward_auth" => fields.extend([
            said("X-Forwarded-Method", method),
            said("X-Forwarded-Uri", target),
            said("X-Forwarded-Host", "api.example"),
        ]),
        _ => {}
    }
    fields.extend_from_slice(more);
    let url = if path == "/ext_authz" { format!("{door}{path}{target}") } else { format!("{door}{path}") };
    let mut arguments = options.to_vec();
    if path == "/ext_authz" {
        arguments.extend(["-X", method]);
    }
    for field in &fields {
        arguments.extend(["-H", field]);
    }
    arguments.push(&url);
    curl(&arguments)
}

pub(super) fn shown(client: &Client, proof: &str) -> [String; 2] {
    [format!("Authorization: DPoP {}", client.token), format!("DPoP: {proof}")]
}

fn plain(address: SocketAddr) -> String {
    format!("http://{address}")
}

#[test]
fn a_proof_is_for_the_request_that_is_asked_about_and_good_once_at_doors_and_listeners() {
    let issuer = Key::p256("issuer");
    let (folder, backend) = world(&issuer, "");
    let gate = Gate::start_in(folder).ready();
    let door = plain(door(&gate));
    let client = Client::of(&issuer);
    let address = "https://api.example/orders/1";
    for path in ["/forward_auth", "/auth_request", "/ext_authz"] {
        let asked = |method: &str, target: &str, proof: &str| {
            ask(&door, path, method, target, &shown(&client, proof), &[])
        };
        let proof = client.proof("POST", address);
        let told = asked("POST", "/orders/1?a=b", &proof).expect(200);
        assert_eq!(told.field("x-auth-subject"), Some("mina"), "{path}");
        // Used: at this door, at the others, and where requests are forwarded.
        for again in ["/forward_auth", "/auth_request", "/ext_authz"] {
            let told = ask(&door, again, "POST", "/orders/1", &shown(&client, &proof), &[]).expect(401);
            let challenge = told.field("www-authenticate").unwrap();
            assert!(challenge.contains("error=\"invalid_dpop_proof\""), "{path}, {again}: {challenge}");
        }
        let (authorization, dpop) =
            (format!("Authorization: DPoP {}", client.token), format!("DPoP: {proof}"));
        let forwarded = ["Host: api.example", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"];
        let mut arguments = vec!["-X", "POST", "-H", &authorization, "-H", &dpop];
        arguments.extend(forwarded.iter().flat_map(|field| ["-H", field]));
        let url = format!("{}/orders/1", plain(gate.address()));
        arguments.push(&url);
        curl(&arguments).expect(401);

        // Of another method, path, scheme and host than the other gateway names; of the question itself.
        let question = format!("{door}{path}");
        for (method, htu) in [
            ("GET", address),
            ("POST", "https://api.example/orders/2"),
            ("POST", "http://api.example/orders/1"),
            ("POST", "https://other.example/orders/1"),
            ("GET", &question),
            ("POST", &format!("{question}/orders/1")),
        ] {
            let told = asked("POST", "/orders/1", &client.proof(method, htu));
            assert_eq!(told.status, 401, "{path}: {method} {htu}");
        }
        // No proof, and a token that only its key may show.
        let bare = [format!("Authorization: DPoP {}", client.token)];
        ask(&door, path, "POST", "/orders/1", &bare, &[]).expect(401);
        let bearer = [format!("Authorization: Bearer {}", client.token)];
        ask(&door, path, "POST", "/orders/1", &bearer, &[]).expect(401);
    }
    assert!(backend.recorded().is_empty(), "{:?}", backend.recorded());
}

#[test]
fn a_proof_that_was_forwarded_with_is_used_at_doors_as_well() {
    let issuer = Key::p256("issuer");
    let (folder, backend) = world(&issuer, "");
    let gate = Gate::start_in(folder).ready();
    let (door, client) = (plain(door(&gate)), Client::of(&issuer));
    let own = format!("{}/orders/1", plain(gate.address()));
    let proof = client.proof("GET", &own);
    let [authorization, dpop] = shown(&client, &proof);
    curl(&["-H", &authorization, "-H", &dpop, &own]).expect(200);
    assert_eq!(backend.recorded().len(), 1);
    let host = format!("X-Forwarded-Host: {}", gate.address());
    let question = [
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Method: GET",
        "X-Forwarded-Uri: /orders/1",
        &host,
        &authorization,
        &dpop,
    ];
    let url = format!("{door}/forward_auth");
    let mut arguments: Vec<&str> = question.iter().flat_map(|field| ["-H", field]).collect();
    arguments.push(&url);
    curl(&arguments).expect(401);
}

#[test]
fn no_certificate_of_the_gateway_that_asks_stands_for_a_client() {
    let issuer = Key::p256("issuer");
    let tls = ", tls: { certificates: [{ certificate: site.pem, key: site.key }], client_ca: ca.pem, client_certificate: required }";
    let (folder, backend) = world(&issuer, tls);
    let authority = Authority::new("gateways");
    folder.write("ca.pem", &authority.pem());
    authority.leaf(&["127.0.0.1"]).write(&folder, "site");
    let front = authority.leaf(&["front"]);
    front.write(&folder, "front");
    let der = CertificateDer::from_pem_slice(front.certificate.as_bytes()).unwrap();
    let bound = json!({ "cnf": { "x5t#S256": sha256(&der) } });
    let bound = issuer.token(&with(&claims(ISSUER, "mina"), &bound));
    let unbound = issuer.token(&claims(ISSUER, "mina"));
    let files = ["ca.pem", "front.pem", "front.key"].map(|file| folder.file(file));
    let [ca, certificate, key] = files.each_ref().map(|file| file.to_str().unwrap());
    let gate = Gate::start_in(folder).ready();
    let address = door(&gate);
    let door = format!("https://{address}");
    let options = ["--cacert", ca, "--cert", certificate, "--key", key];
    for path in ["/forward_auth", "/auth_request", "/ext_authz"] {
        let asked = |token: &str, target: &str| {
            let credential = [format!("Authorization: Bearer {token}")];
            ask(&door, path, "GET", target, &credential, &options)
        };
        asked(&unbound, "/orders/1").expect(200);
        asked(&bound, "/orders/1").expect(401);
        // Nor is the gateway the caller of its clients' requests.
        asked(&unbound, "/mesh/1").expect(401);
    }
    assert!(backend.recorded().is_empty());

    // A gateway whose authority is no longer named is answered no more, over connections that are open either.
    let mut kept = Kept::to(address, gate.folder(), "ca", ("front", "127.0.0.1"));
    let question = format!(
        "GET /forward_auth HTTP/1.1\r\nHost: door\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /orders/1\r\nX-Forwarded-Host: api.example\r\nAuthorization: Bearer {unbound}\r\n\r\n"
    );
    assert_eq!(kept.ask(&question), 200);
    gate.folder().write("ca.pem", &Authority::new("others").pem());
    gate.folder().write("old.pem", &authority.pem());
    let old = gate.folder().file("old.pem");
    let options = ["--cacert", old.to_str().unwrap(), "--cert", certificate, "--key", key];
    eventually(PATIENCE, || {
        (ask(&door, "/forward_auth", "GET", "/", &[], &options).status == 0).then_some(())
    });
    assert_eq!(kept.ask(&question), 421);
    assert!(kept.is_closed());
}
