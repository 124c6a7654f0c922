//! Tokens that are bound to a key are accepted only with a proof (RFC 9449): that of npm's `dpop`, unmodified, and none that is wrong in any way.

use crate::harness::packages::with_packages;
use crate::harness::{Folder, Gate};
use haechi_testkit::{Backend, RedisServer};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The client with its packages, wherever cargo builds.
fn installed() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/dpop");
    with_packages("e2e-dpop", &here, &["package.json", "client.mjs"], "dpop")
}

fn node(arguments: &[&str]) -> String {
    let ran =
        Command::new("node").arg("client.mjs").args(arguments).current_dir(installed()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// A folder with a gate's configuration and the issuer's keys in it.
fn folder(backend: &Backend, more: &str, keys: Option<&Folder>) -> Folder {
    let jwt = |more: &str| {
        format!(
            "{{ type: jwt, issuer: \"https://issuer.example\", audiences: [orders], keys: {{ jwks_file: jwks.json }}{more} }}"
        )
    };
    let folder = Folder::new(&format!(
        "{more}authenticators:
  corp: {}
  strict: {}
roles: {{ USER: {{}} }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: orders, match: {{ path: /orders/** }}, authenticate: corp, authorize: {{ roles: [USER] }}, service: web }}
  - {{ name: strict, match: {{ path: /strict }}, authenticate: strict, authorize: {{ roles: [USER] }}, service: web }}
",
        jwt(""),
        jwt(", require: dpop, dpop: { max_age: 30s, algorithms: [ES256, EdDSA] }"),
        backend.url()
    ));
    match keys {
        None => drop(node(&["keys", folder.path().to_str().unwrap()])),
        Some(keys) => {
            for file in ["jwks.json", "private.jwk"] {
                folder.write(file, &std::fs::read_to_string(keys.file(file)).unwrap());
            }
        }
    }
    folder
}

fn asked(gates: &[&Gate]) -> Vec<(String, u64, String)> {
    let folder = gates[0].folder().path().to_str().unwrap().to_owned();
    let urls: Vec<String> = gates.iter().map(|gate| format!("http://{}", gate.address())).collect();
    let mut arguments = vec!["ask", &folder];
    arguments.extend(urls.iter().map(String::as_str));
    let told: Vec<Value> = serde_json::from_str(&node(&arguments)).unwrap();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    told.iter()
        .map(|one| (text(one, "name"), one["status"].as_u64().unwrap(), text(one, "challenge")))
        .collect()
}

#[test]
fn npm_proofs_hold_and_none_that_is_wrong_reaches_a_backend() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend, "", None)).ready();
    let told = asked(&[&gate]);
    assert!(told.len() > 60, "{}", told.len());
    let good = told.iter().filter(|(name, ..)| name.starts_with("good")).count();
    for (name, status, challenge) in &told {
        let expected = match &**name {
            name if name.starts_with("good") => 200,
            "two proofs" => 400,
            _ => 401,
        };
        assert_eq!(*status, expected, "{name}: {challenge}");
        let error = match &**name {
            name if name.starts_with("good")
                || name == "two proofs"
                || name.starts_with("strict: nothing") =>
            {
                ""
            }
            // Nothing was proved, or nothing could be.
            "as bearer" | "as bearer with a proof" | "strict: unbound" => "error=\"invalid_token\"",
            name if name.starts_with("bound ") => "error=\"invalid_token\"",
            _ => "error=\"invalid_dpop_proof\"",
        };
        assert!(challenge.contains(error), "{name}: {challenge}");
        if error.contains("dpop") {
            assert!(challenge.starts_with("DPoP realm=\"corp\", algs=\"RS256 "), "{name}: {challenge}");
        }
        if name.starts_with("strict") {
            assert!(
                challenge.starts_with("DPoP realm=\"strict\", algs=\"ES256 EdDSA\""),
                "{name}: {challenge}"
            );
        }
    }
    let reached = backend.recorded();
    assert_eq!(reached.len(), good, "nothing else reached the backend");
    for seen in &reached {
        assert_eq!((seen.field("authorization"), seen.field("dpop")), (None, None), "credentials end here");
        assert_eq!(seen.field("x-auth-subject"), Some("mina"));
    }
}

#[test]
fn a_proof_that_one_node_has_seen_is_refused_by_all() {
    let backend = Backend::saying("reached");
    let redis = RedisServer::start(&[]);
    let shared = format!("shared_state: \"{}?timeout=1s\"\n", redis.url());
    let first = folder(&backend, &shared, None);
    let second = folder(&backend, &shared, Some(&first));
    let gates = [Gate::start_in(first).ready(), Gate::start_in(second).ready()];
    let told = asked(&[&gates[0], &gates[1]]);
    let status = |wanted: &str| told.iter().find(|(name, ..)| name == wanted).unwrap().1;
    let seen = ["good at a node", "replayed at the other node", "good at the other node"].map(status);
    assert_eq!(seen, [200, 401, 200]);
    let reached = backend.recorded().len();
    // Whether a proof was used cannot be found out: never taken for a new one.
    drop(redis);
    let told = asked(&[&gates[0]]);
    let (proven, others): (Vec<_>, Vec<_>) = told
        .iter()
        .filter(|(name, ..)| name.starts_with("good"))
        .partition(|(name, ..)| *name != "good bearer");
    assert!(proven.iter().all(|(_, status, _)| *status == 503), "{proven:?}");
    assert!(others.iter().all(|(_, status, _)| *status == 200), "{others:?}");
    assert_eq!(backend.recorded().len(), reached + 1);
}
