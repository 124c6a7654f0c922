//! Bound tokens: what each request must prove, also when the token is known, and what is not asked again.

use crate::support::{NOW, claims, config, fixed, head, now, proofs, soon, verified, worker};
use haechi_authn::possession::{ProofRules, RequiredBinding};
use haechi_authn::schemes::jwt::JwtConfig;
use haechi_authn::{Attempt, Chain, Fault, Scheme};
use haechi_core::connection::{ClientCertificate, TlsFacts};
use haechi_core::ports::{BoxFuture, LimitAnswer, LimitCheck, SharedLimits, SharedStateError};
use haechi_core::{RequestHead, Timestamp};
use haechi_testkit::jose::{Key, base64url, with};
use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const ADDRESS: &str = "http://api.example.com/";

struct Client {
    key: Key,
    token: String,
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}

/// Of a P-256 key (RFC 7638).
fn thumbprint(key: &Key) -> String {
    let jwk = key.jwk();
    let text = |name: &str| jwk[name].as_str().unwrap().to_owned();
    let text = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, text("x"), text("y"));
    base64url(sha256(text.as_bytes()))
}

impl Client {
    fn of(issuer: &Key) -> Self {
        let key = Key::p256("client");
        let token = issuer.token(&with(&claims(), &json!({ "cnf": { "jkt": thumbprint(&key) } })));
        Self { key, token }
    }

    /// A proof with this `jti` that was made at this time.
    fn proof(&self, id: &str, at: Timestamp) -> String {
        let jwk = self.key.jwk();
        let public = json!({ "kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"], "y": jwk["y"] });
        let ath = base64url(sha256(self.token.as_bytes()));
        let said = json!({ "jti": id, "htm": "GET", "htu": ADDRESS, "iat": at.as_seconds(), "ath": ath });
        self.key.sign(&json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": public }), &said)
    }

    fn shows(&self, proof: &str) -> RequestHead {
        head(&[("Authorization", &format!("DPoP {}", self.token)), ("DPoP", proof)], None)
    }
}

#[track_caller]
fn refused(attempt: Attempt, fault: Fault, why: &str) {
    match attempt {
        Attempt::Rejected(rejection) => {
            assert_eq!(rejection.fault, fault, "{}", rejection.reason);
            assert!(rejection.reason.contains(why), "{}", rejection.reason);
        }
        other => panic!("{other:?}"),
    }
}

fn scheme(issuer: &Key, change: impl FnOnce(&mut ProofRules)) -> Rc<dyn Scheme> {
    let mut possession = proofs(None);
    change(&mut possession);
    worker(JwtConfig { possession, ..config(fixed(&[issuer])) })
}

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

#[test]
fn each_request_needs_a_proof_of_its_own_also_of_a_known_token() {
    let issuer = Key::rsa("k");
    let (client, scheme) = (Client::of(&issuer), scheme(&issuer, |_| {}));
    for id in ["1", "2"] {
        let request = client.shows(&client.proof(id, NOW));
        verified(now(&*scheme, &request, NOW));
        refused(now(&*scheme, &request, NOW), Fault::InvalidProof, "used before");
    }
    let bare = head(&[("Authorization", &format!("DPoP {}", client.token))], None);
    refused(now(&*scheme, &bare, NOW), Fault::InvalidProof, "no `DPoP` proof");
    let bearer = head(&[("Authorization", &format!("Bearer {}", client.token))], None);
    refused(now(&*scheme, &bearer, NOW), Fault::InvalidToken, "bound to a key");
}

#[test]
fn a_proof_is_good_for_a_minute_and_the_leeway() {
    let issuer = Key::rsa("k");
    let (client, scheme) = (Client::of(&issuer), scheme(&issuer, |_| {}));
    for (made, seen, good) in [(0, 90, true), (0, 91, false), (30, 0, true), (31, 0, false)] {
        let request = client.shows(&client.proof(&format!("{made} {seen}"), later(made)));
        let attempt = now(&*scheme, &request, later(seen));
        if good { drop(verified(attempt)) } else { refused(attempt, Fault::InvalidProof, "too old") }
    }
}

#[test]
fn what_is_open_is_judged_again_by_the_proof_that_it_came_with() {
    let issuer = Key::rsa("k");
    let (client, scheme) = (Client::of(&issuer), scheme(&issuer, |_| {}));
    let request = client.shows(&client.proof("1", NOW));
    verified(now(&*scheme, &request, NOW));
    let open = request.judged_again(later(300));
    verified(now(&*scheme, &open, later(300)));
    // What it came with must still be a proof.
    let other = Client::of(&issuer).proof("1", NOW);
    let open = client.shows(&other).judged_again(later(300));
    refused(now(&*scheme, &open, later(300)), Fault::InvalidProof, "another key");
}

#[test]
fn a_token_that_is_bound_to_a_certificate_is_its_bearer_s_alone() {
    let issuer = Key::rsa("k");
    let certificate = |der: &[u8]| ClientCertificate::verified(der, [], "CN=ca".into());
    let token = |cnf: Value| issuer.token(&with(&claims(), &json!({ "cnf": cnf })));
    let bound = token(json!({ "x5t#S256": base64url(sha256(b"one")) }));
    let shows = |token: &str, shown: Option<&[u8]>| {
        let mut request = head(&[("Authorization", &format!("Bearer {token}"))], None);
        request.connection.tls = Some(TlsFacts { client_certificate: shown.map(certificate) });
        request
    };
    let open = scheme(&issuer, |_| {});
    verified(now(&*open, &shows(&bound, Some(b"one")), NOW));
    for shown in [Some(&b"two"[..]), None] {
        refused(now(&*open, &shows(&bound, shown), NOW), Fault::InvalidToken, "certificate");
    }
    // Both are asked for where both are named.
    let client = Client::of(&issuer);
    let both = token(json!({ "x5t#S256": base64url(sha256(b"one")), "jkt": thumbprint(&client.key) }));
    refused(now(&*open, &shows(&both, Some(b"one")), NOW), Fault::InvalidToken, "bound to a key");
    let strict = scheme(&issuer, |rules| rules.required = Some(RequiredBinding::Certificate));
    verified(now(&*strict, &shows(&bound, Some(b"one")), NOW));
    let unbound = issuer.token(&claims());
    refused(now(&*strict, &shows(&unbound, Some(b"one")), NOW), Fault::InvalidToken, "require: certificate");
}

#[tokio::test]
async fn a_used_proof_is_none_for_another_authenticator_of_the_route_either() {
    let issuer = Key::rsa("k");
    let replays = proofs(None).replays;
    let named = |name: &str| {
        let possession = ProofRules { name: name.into(), replays: replays.clone(), ..proofs(None) };
        worker(JwtConfig { name: name.into(), possession, ..config(fixed(&[&issuer])) })
    };
    let chain = Chain::any(vec![named("one"), named("other")]).unwrap();
    let client = Client::of(&issuer);
    let request = client.shows(&client.proof("1", NOW));
    verified(chain.authenticate(&request, NOW, |_, _| {}).await.attempt);
    let again = chain.authenticate(&request, NOW, |_, _| {}).await.attempt;
    refused(again, Fault::InvalidProof, "used before");
}

/// A shared state that knows every proof, none, or nothing.
struct Shared(Result<bool, ()>);

impl SharedLimits for Shared {
    fn take(&self, _: Vec<LimitCheck>) -> BoxFuture<'static, Result<Vec<LimitAnswer>, SharedStateError>> {
        let answer = |is_within| LimitAnswer {
            is_within,
            remaining: 0,
            retry_after: Duration::ZERO,
            more_after: Duration::ZERO,
            full_after: Duration::ZERO,
        };
        let answer =
            self.0.map(|first| vec![answer(first)]).map_err(|()| SharedStateError("gone".to_owned()));
        Box::pin(async move { answer })
    }

    fn is_reachable(&self) -> bool {
        true
    }

    fn nodes(&self) -> NonZeroU32 {
        NonZeroU32::MIN
    }
}

#[tokio::test]
async fn all_nodes_know_a_proof_or_nobody_does() {
    let issuer = Key::rsa("k");
    for (known, name) in [(Ok(true), "verified"), (Ok(false), "rejected"), (Err(()), "unavailable")] {
        let possession = proofs(Some(Arc::new(Shared(known))));
        let scheme = worker(JwtConfig { possession, ..config(fixed(&[&issuer])) });
        let client = Client::of(&issuer);
        let attempt = soon(&*scheme, &client.shows(&client.proof("1", NOW)), NOW).await;
        assert_eq!(attempt.name(), name, "{attempt:?}");
    }
}
