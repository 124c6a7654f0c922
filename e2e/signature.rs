//! Requests that their callers have signed (`type: signature`, RFC 9421, RFC 9530; docs/authentication.md#signature): the client is `http-message-signatures` of PyPI, and openssl in a shell.

use crate::harness::{Folder, Gate, Reply, haechi, python_with_input};
use haechi_testkit::{Backend, RedisServer};
use serde_json::{Value, json};
use std::process::Command;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

struct World {
    backend: Backend,
    gate: Gate,
}

fn openssl(folder: &Folder, arguments: &[&str]) {
    let made = Command::new("openssl").args(arguments).current_dir(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

impl World {
    fn new() -> Self {
        Self::with("")
    }

    /// With more keys of the authenticator.
    fn with(more: &str) -> Self {
        let backend = Backend::reading(|_| haechi_testkit::Answer::ok("reached"));
        let folder = Folder::exactly(&format!(
            "listeners: [{{ bind: 127.0.0.1:0 }}, {{ bind: 127.0.0.1:0, type: authorizer }}]
admin: {{ bind: 127.0.0.1:0, socket: admin.sock }}
trusted_proxies: [127.0.0.1/32]
caller_attributes: {{ tenant: string, level: long }}
roles: {{ PARTNER: {{}} }}
authenticators:
  partners:
    type: signature
    issuer: partners
    keys:
      shared: {{ secret: {SECRET}, algorithm: hmac-sha256, subject: acme, roles: [PARTNER], scopes: [orders], attributes: {{ tenant: acme, level: \"3\" }} }}
      p: {{ public_key: p.pem, algorithm: ecdsa-p256-sha256, roles: [PARTNER] }}
      e: {{ public_key: e.pem, algorithm: ed25519, roles: [PARTNER] }}
      pss: {{ public_key: r.pem, algorithm: rsa-pss-sha512, roles: [PARTNER] }}
      pkcs: {{ public_key: r.pem, algorithm: rsa-v1_5-sha256, roles: [PARTNER] }}
      weak: {{ secret: {SECRET}, algorithm: hmac-sha256 }}
{more}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes: [{{ name: all, match: {{ path: /** }}, authenticate: partners, authorize: {{ roles: [PARTNER] }}, service: web }}]
",
            backend.url()
        ));
        for (name, kind) in [
            ("p", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..]),
            ("e", &["-algorithm", "ED25519"]),
            ("r", &["-algorithm", "RSA"]),
        ] {
            let (private, public) = (format!("{name}.key"), format!("{name}.pem"));
            openssl(&folder, &[&["genpkey", "-out", &private], kind].concat());
            openssl(&folder, &["pkey", "-in", &private, "-pubout", "-out", &public]);
        }
        let gate = Gate::start_in(folder).ready();
        Self { backend, gate }
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.gate.folder().file(name)).unwrap()
    }

    /// What to sign, by the shared secret.
    fn usual(&self, path: &str, nonce: &str) -> Value {
        json!({
            "method": "GET", "url": self.gate.url(path), "headers": {}, "key": SECRET, "key_id": "shared", "algorithm": "HMAC_SHA256",
            "components": ["@method", "@authority", "@path", "@query"], "nonce": nonce,
        })
    }

    /// Sends what these fields were signed for.
    fn send(&self, asked: &Value, fields: &[String]) -> Reply {
        let mut arguments = vec!["-X".to_owned(), asked["method"].as_str().unwrap().to_owned()];
        fields.iter().for_each(|field| arguments.extend(["-H".to_owned(), field.clone()]));
        if let Some(body) = asked["body"].as_str() {
            arguments.extend(["--data-binary".to_owned(), body.to_owned()]);
        }
        arguments.push(asked["url"].as_str().unwrap().to_owned());
        crate::harness::curl(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// The fields that a library of somebody else's adds.
fn signed(asked: &Value) -> Vec<String> {
    let script = include_str!("signature/sign.py");
    python_with_input(script, &asked.to_string()).lines().map(str::to_owned).collect()
}

fn with(asked: &Value, members: &Value) -> Value {
    haechi_testkit::jose::with(asked, members)
}

#[test]
fn a_nonce_of_which_nobody_can_tell_is_taken_for_neither_new_nor_used() {
    let redis = RedisServer::start(&[]);
    let world = World::with(&format!("shared_state: \"{}?timeout=1s\"", redis.url()));
    let asked = |nonce: &str| with(&world.usual("/a?q=1", nonce), &json!({}));
    let first = signed(&asked("one"));
    world.send(&asked("one"), &first).expect(200);
    world.send(&asked("one"), &first).expect(401);
    drop(redis);
    for nonce in ["two", "three"] {
        let reply = world.send(&asked(nonce), &signed(&asked(nonce))).expect(503);
        assert!(reply.field("retry-after").is_some());
    }
    // What does not verify is refused without asking anybody.
    let wrong = with(&asked("four"), &json!({ "key": "ffffffffffffffffffffffffffffffff" }));
    world.send(&wrong, &signed(&wrong)).expect(401);
    assert_eq!(world.backend.recorded().len(), 1);
}

#[test]
fn whoever_signs_is_the_caller_once() {
    let world = World::new();
    let asked = world.usual("/a%62?q=1&r=%20", "one");
    // What is signed is what is routed: `/ab`.
    let asked = with(&asked, &json!({ "url": world.gate.url("/ab?q=1&r=%20") }));
    let fields = signed(&asked);
    world.send(&asked, &fields).expect(200);
    let seen = world.backend.sole();
    for (name, value) in [
        ("x-auth-subject", Some("acme")),
        ("x-auth-issuer", Some("partners")),
        ("x-auth-roles", Some("PARTNER")),
        ("x-auth-scopes", Some("orders")),
        ("x-auth-attr-tenant", Some("acme")),
        ("x-auth-attr-level", Some("3")),
        ("signature", None),
        ("signature-input", None),
    ] {
        assert_eq!(seen.field(name), value, "{name}");
    }
    world.send(&asked, &fields).expect(401);
    // The same signature for anything else.
    for change in [
        json!({ "method": "DELETE" }),
        json!({ "url": world.gate.url("/ab?q=2&r=%20") }),
        json!({ "url": world.gate.url("/ac?q=1&r=%20") }),
    ] {
        let fields = signed(&with(&asked, &json!({ "nonce": change.to_string().len().to_string() })));
        world.send(&with(&asked, &change), &fields).expect(401);
    }
    let elsewhere: Vec<String> =
        signed(&world.usual("/x", "host")).into_iter().chain(["Host: elsewhere".to_owned()]).collect();
    world.send(&world.usual("/x", "host"), &elsewhere).expect(401);
    assert_eq!(world.backend.recorded().len(), 1);
    let refused = world.gate.get("/ab").expect(401);
    assert!(refused.challenges().contains("Signature realm=\"partners\""), "{}", refused.challenges());
}

#[test]
fn each_algorithm_and_only_its_own() {
    let world = World::new();
    for (id, file, algorithm) in [
        ("p", "p.key", "ECDSA_P256_SHA256"),
        ("e", "e.key", "ED25519"),
        ("pss", "r.key", "RSA_PSS_SHA512"),
        ("pkcs", "r.key", "RSA_V1_5_SHA256"),
    ] {
        let change = json!({ "key_id": id, "key": world.file(file), "algorithm": algorithm });
        let asked = with(&world.usual("/x", id), &change);
        world.send(&asked, &signed(&asked)).expect(200);
        assert_eq!(world.backend.last().field("x-auth-subject"), Some(id));
    }
    let before = world.backend.recorded().len();
    for (id, file, algorithm) in [("pss", "r.key", "RSA_V1_5_SHA256"), ("p", "e.key", "ED25519")] {
        let change = json!({ "key_id": id, "key": world.file(file), "algorithm": algorithm });
        let asked = with(&world.usual("/x", "misfit"), &change);
        world.send(&asked, &signed(&asked)).expect(401);
    }
    // The key's text is no secret of anybody's.
    let confused = json!({ "key_id": "p", "key": world.file("p.pem"), "algorithm": "HMAC_SHA256" });
    let asked = with(&world.usual("/x", "confused"), &confused);
    world.send(&asked, &signed(&asked)).expect(401);
    let unknown = with(&world.usual("/x", "unknown"), &json!({ "key_id": "nobody" }));
    world.send(&unknown, &signed(&unknown)).expect(401);
    let less = with(&world.usual("/x", "less"), &json!({ "components": ["@method", "@path", "@query"] }));
    world.send(&less, &signed(&less)).expect(401);
    let no_nonce = with(&world.usual("/x", ""), &json!({}));
    world.send(&no_nonce, &signed(&no_nonce)).expect(401);
    let forbidden = with(&world.usual("/x", "weak"), &json!({ "key_id": "weak" }));
    world.send(&forbidden, &signed(&forbidden)).expect(403);
    assert_eq!(world.backend.recorded().len(), before);
}

#[test]
fn a_body_goes_on_only_where_it_is_the_one_that_was_signed() {
    let world = World::with("    max_body: 1KiB");
    let post =
        |nonce: &str, body: &str| with(&world.usual("/x", nonce), &json!({ "method": "POST", "body": body }));
    let asked = post("good", "hello");
    let fields = signed(&asked);
    assert!(fields.iter().any(|field| field.starts_with("Content-Digest: ")), "{fields:?}");
    world.send(&asked, &fields).expect(200);
    let seen = world.backend.last();
    assert_eq!((&*seen.body, seen.field("content-length")), (&b"hello"[..], Some("5")));
    let asked = post("chunked", "hello");
    let fields: Vec<String> =
        signed(&asked).into_iter().chain(["Transfer-Encoding: chunked".to_owned()]).collect();
    world.send(&asked, &fields).expect(200);
    assert_eq!(&*world.backend.last().body, b"hello");
    let before = world.backend.recorded().len();
    let other = with(&post("other", "hello"), &json!({ "body": "hallo" }));
    world.send(&other, &signed(&post("other", "hello"))).expect(401);
    let unsigned = with(&world.usual("/x", "unsigned"), &json!({ "method": "POST" }));
    let fields = signed(&unsigned);
    world.send(&with(&unsigned, &json!({ "body": "hello" })), &fields).expect(401);
    let large = post("large", &"x".repeat(1025));
    world.send(&large, &signed(&large)).expect(413);
    assert_eq!(world.backend.recorded().len(), before, "nothing of it arrived");
    // Without a body nothing has to be signed of one.
    let empty = with(&world.usual("/x", "empty"), &json!({ "method": "POST" }));
    world.send(&empty, &signed(&empty)).expect(200);
    // Another gateway would show no body, so nobody can compare it.
    let asked = world.usual("/x", "door");
    let host = world.gate.address().to_string();
    let fields = signed(&asked).into_iter().chain([
        "X-Forwarded-Method: GET".to_owned(),
        "X-Forwarded-Proto: http".to_owned(),
        format!("X-Forwarded-Host: {host}"),
        "X-Forwarded-Uri: /x".to_owned(),
        "X-Forwarded-For: 192.0.2.7".to_owned(),
    ]);
    let door = format!("http://{}/forward_auth", crate::doors::door(&world.gate));
    let asked = with(&asked, &json!({ "url": door }));
    world.send(&asked, &fields.collect::<Vec<_>>()).expect(403);
}

/// The example in docs/authentication.md, run by a shell.
#[test]
fn a_shell_signs_with_openssl() {
    let world = World::new();
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/authentication.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, after) = page.split_once("```sh\n# sign.sh").unwrap();
    let script = format!("# sign.sh{}", after.split_once("```").unwrap().0);
    world.gate.folder().write("sign.sh", &script);
    let host = world.gate.address().to_string();
    let ran = Command::new("bash")
        .arg("sign.sh")
        .args(["POST", &host, "/orders", "a=1", "{\"item\":7}"])
        .env("SECRET", SECRET)
        .env("KEY_ID", "shared")
        .env("SCHEME", "http")
        .current_dir(world.gate.folder().path())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let seen = world.backend.sole();
    assert_eq!((seen.target(), &*seen.body), ("/orders?a=1", &b"{\"item\":7}"[..]));
    assert_eq!(seen.field("x-auth-subject"), Some("acme"));
}

#[test]
fn commands_know_its_callers_and_what_could_not_be_meant_is_refused() {
    let world = World::new();
    let folder = world.gate.folder().path();
    let matrix = haechi(folder, &["matrix", "--output", "csv"]).success().stdout;
    assert!(matrix.contains("PARTNER"), "{matrix}");
    let usual = world.file("haechi.yaml");
    for (from, to, why) in [
        ("algorithm: ed25519", "algorithm: rsa-pss-sha512", "not one for this algorithm"),
        (
            "secret: 0123456789abcdef0123456789abcdef, algorithm: hmac-sha256 }",
            "secret: short, algorithm: hmac-sha256 }",
            "at least 32 bytes",
        ),
        (
            "secret: 0123456789abcdef0123456789abcdef, algorithm: hmac-sha256 }",
            "secret: 0123456789abcdef0123456789abcdef, algorithm: ed25519 }",
            "does not use a shared secret",
        ),
        ("public_key: e.pem", "secret: x, public_key: e.pem", "a key is a `public_key` or a `secret`"),
        ("public_key: e.pem", "public_key: e.key", "no `PUBLIC KEY`"),
        ("    issuer: partners", "    components: [\"@authority\"]", "neither method nor path"),
        (
            "    issuer: partners",
            "    components: [\"@method\", \"@path\", \"@status\"]",
            "nothing that every signature could cover",
        ),
        ("level: \"3\"", "level: high", "is declared as long"),
        ("tenant: acme, level", "color: red, level", "no caller attribute `color`"),
        ("weak: {", "weak: { roles: [haechi-admin],", "built-in role"),
    ] {
        assert!(usual.contains(from), "{from}");
        world.gate.folder().write("other.yaml", &usual.replace(from, to));
        let checked = haechi(folder, &["check", "-c", "other.yaml"]);
        assert_eq!(checked.code, 1, "{to}: {checked:#?}");
        assert!(checked.stderr.contains(why), "{to}: {}", checked.stderr);
    }
}
