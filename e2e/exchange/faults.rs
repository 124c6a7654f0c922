//! Without a token nothing is forwarded; and what is refused at start.

use super::{World, counted, given, told_as_json, yaml};
use crate::harness::{Folder, PATIENCE, eventually, haechi};
use haechi_testkit::jose::Key;
use haechi_testkit::{Answer, Backend, Latch};
use serde_json::json;
use std::sync::Arc;

/// What the issuer does, and its answer.
type Case = (&'static str, fn() -> Answer);

#[test]
fn without_a_token_nothing_is_forwarded() {
    let world = World::new();
    let cases: [Case; 8] = [
        ("refused", || told_as_json(400, &json!({ "error": "invalid_target" }))),
        ("the gate is no client", || told_as_json(401, &json!({ "error": "invalid_client" }))),
        ("of another kind", || told_as_json(200, &json!({ "access_token": "a", "token_type": "N_A" }))),
        ("two lines", || given("a\r\nX-Auth-Roles: ADMIN", 600)),
        ("over at once", || given("a", 5)),
        ("a refresh token", || {
            let kind = "urn:ietf:params:oauth:token-type:refresh_token";
            let body = json!({ "access_token": "a", "token_type": "Bearer", "issued_token_type": kind });
            told_as_json(200, &body)
        }),
        ("no JSON", || Answer::ok("token")),
        ("broken", || Answer::new(500, &[], "")),
    ];
    for (what, answer) in cases {
        world.does(move |_| answer());
        let reply = world.gate.get_with_token("/x", &world.token(what)).expect(503);
        assert!(reply.field("retry-after").is_some(), "{what}");
        assert!(world.backend.recorded().is_empty(), "{what}");
    }
    // Who has no token, or one that does not hold, is told that: nobody is asked for an exchange.
    let before = world.asked();
    world.gate.get("/x").expect(401);
    world.gate.get_with_token("/x", "not.a.token").expect(401);
    assert_eq!(world.asked(), before);
    assert!(world.backend.recorded().is_empty());
    // A refusal is over in a moment.
    world.does(|_| given("good", 600));
    let token = world.token("refused");
    eventually(PATIENCE, || (world.gate.get_with_token("/x", &token).status == 200).then_some(()));
}

#[test]
fn an_issuer_that_is_away_is_503_and_what_is_known_goes_on() {
    let world = World::new();
    let alice = world.token("alice");
    world.gate.get_with_token("/x", &alice).expect(200);
    let World { server, backend, gate, key, .. } = world;
    drop(server);
    gate.get_with_token("/x", &alice).expect(200);
    let claims = haechi_testkit::jose::claims(super::ISSUER, "bob");
    let bob = key.token(&haechi_testkit::jose::with(&claims, &json!({ "aud": "gate" })));
    for _ in 0..7 {
        gate.get_with_token("/x", &bob).expect(503);
    }
    assert_eq!(backend.recorded().len(), 2);
    let results = ["exchanged", "unavailable", "not_asked"].map(|result| counted(&gate, result).round());
    assert_eq!(results, [1.0, 5.0, 2.0]);
}

#[test]
fn requests_that_wait_for_the_same_token_ask_once() {
    let world = World::new();
    let latch = Arc::new(Latch::new());
    let held = latch.clone();
    world.does(move |_| {
        held.wait();
        given("one", 600)
    });
    let alice = world.token("alice");
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| world.gate.get_with_token("/x", &alice))).collect();
        eventually(PATIENCE, || (world.asked() == 1).then_some(()));
        latch.open();
        all.into_iter().for_each(|one| drop(one.join().unwrap().expect(200)));
    });
    assert_eq!(world.asked(), 1);
    assert_eq!(world.backend.recorded().len(), 8);
}

#[test]
fn what_could_not_be_meant_is_refused() {
    let backend = Backend::saying("reached");
    let usual = yaml(&backend, "http://127.0.0.1:9");
    let exchange = "{ token_url: \"http://127.0.0.1:9/token\", audience: orders, client_id: gate, client_secret: s3cret }";
    let of_service = |identity: &str| usual.replace(&format!("{{ exchange: {exchange} }}"), identity);
    let cases = [
        (of_service("{ exchange: { audience: orders } }"), "needs `token_url` or `issuer`"),
        (
            of_service(
                "{ exchange: { issuer: https://a.example, token_url: https://a.example/t, audience: o } }",
            ),
            "not both",
        ),
        (of_service("{ exchange: { issuer: https://a.example } }"), "audience"),
        (of_service("{ exchange: { issuer: http://192.0.2.1, audience: o } }"), "over plain `http`"),
        (
            of_service("{ exchange: { issuer: https://a.example, audience: o, client_secret: s } }"),
            "there is no `client_id`",
        ),
        (
            of_service("{ exchange: { issuer: https://a.example, audience: o, client_id: a } }"),
            "needs `client_secret` or `private_key_jwt`",
        ),
        (
            of_service(&format!("{{ exchange: {exchange}, token: {{ audience: o }} }}")),
            "`token` and `exchange` would both stand",
        ),
        (
            usual.replace(
                "    identity:",
                "    upstream_auth: { basic: { username: a, password: b } }\n    identity:",
            ),
            "`upstream_auth` and `identity.exchange` would both stand",
        ),
        (usual.replace("authenticate: corp", "authenticate: anonymous"), "`anonymous` verifies no token"),
        (usual.replace("authenticate: corp", "authenticate: passthrough"), "`passthrough` verifies no token"),
        (
            usual.replace("authenticate: corp", "authenticate: [corp, partner]").replace(
                "authenticators:\n",
                "store: sqlite:haechi.db\nauthenticators:\n  partner: { type: api_key }\n",
            ),
            "callers of `partner` have no token",
        ),
        (
            usual.replace("authenticate: corp", "authenticate: { all: [partner] }").replace(
                "authenticators:\n",
                "store: sqlite:haechi.db\nauthenticators:\n  partner: { type: api_key }\n",
            ),
            "none of these authenticators has a token",
        ),
    ];
    for (text, why) in cases {
        let folder = Folder::exactly(&text);
        folder.write("keys.json", &json!({ "keys": [Key::p256("one").jwk()] }).to_string());
        let checked = haechi(folder.path(), &["check"]);
        assert_eq!(checked.code, 1, "{why}: {checked:#?}");
        assert!(checked.stderr.contains(why), "{why}: {checked:#?}");
    }
}
