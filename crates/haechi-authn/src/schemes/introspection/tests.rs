use super::IntrospectionAuthenticator;
use crate::control::Control;
use crate::introspection::{Answers, IntrospectionConfig, IntrospectionParts, Server};
use crate::keys::FetchFault;
use crate::oidc::{ClientProof, WebAnswer, WebCalls, WebRequest};
use crate::possession::{ProofRules, ReplayMemory};
use crate::schemes::jwt::{Audiences, ClaimsMap, JsonPointer};
use crate::test_support::{ask, clock, head, learn, refusal, verified};
use crate::token_place::TokenPlace;
use crate::{Attempt, Authenticator, RevocationWatch, Scheme};
use haechi_core::ports::{BoxFuture, Change, Revoked};
use haechi_core::{Clock, RoleTable, Secret, Timestamp};
use haechi_testkit::FixedClock;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

const NOW: i64 = 1_800_000_000;

/// A server that answers as it is told to, when it may.
struct FakeServer {
    answer: Mutex<(u16, &'static str, String)>,
    may: Semaphore,
    asked: Mutex<Vec<String>>,
}

impl WebCalls for FakeServer {
    fn call(&self, request: WebRequest) -> BoxFuture<'_, Result<WebAnswer, FetchFault>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(request.form.unwrap().expose().clone());
            drop(self.may.acquire().await.unwrap());
            let (status, content_type, body) = self.answer.lock().unwrap().clone();
            Ok(WebAnswer { status, content_type: Some(content_type.to_owned()), body: body.into_bytes() })
        })
    }
}

struct World {
    server: Arc<FakeServer>,
    clock: Arc<FixedClock>,
    watch: Arc<RevocationWatch>,
    authenticator: IntrospectionAuthenticator,
}

impl World {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut IntrospectionConfig)) -> Self {
        let server = Arc::new(FakeServer {
            answer: Mutex::new((200, "application/json", String::new())),
            may: Semaphore::new(1000),
            asked: Mutex::default(),
        });
        let clock = clock();
        let watch = Arc::new(RevocationWatch::new(clock.clone()));
        learn(&watch, &[], &clock);
        let mut config = IntrospectionConfig {
            name: "opaque".into(),
            server: Server::At("https://sso/introspect".into(), Some("https://sso".into())),
            client_id: "gate".into(),
            proof: ClientProof::Secret(Secret::from("secret"), None),
            from: vec![TokenPlace::Bearer],
            audiences: Audiences::OneOf(vec!["orders".into()]),
            required_claims: Vec::new(),
            answers: Answers::Json,
            claims: ClaimsMap { scopes: vec![JsonPointer::of_name("scope")], ..ClaimsMap::default() },
            leeway: Duration::from_secs(10),
            possession: ProofRules::new(
                "opaque".into(),
                Duration::from_secs(10),
                Arc::new(ReplayMemory::new(None, clock.clone())),
            ),
            cache: Duration::from_secs(30),
            timeout: Duration::from_secs(2),
            allow_http: false,
        };
        change(&mut config);
        let parts = IntrospectionParts {
            config,
            calls: server.clone(),
            roles: Arc::new(RoleTable::default()),
            clock: clock.clone(),
            control: Control::new(Handle::current()),
        };
        let authenticator = IntrospectionAuthenticator::new(parts, Some(watch.clone()));
        let world = Self { server, clock, watch, authenticator };
        world.says(r#"{"active":true,"sub":"alice","aud":"orders","scope":"a b","jti":"t1"}"#);
        world
    }

    fn says(&self, body: &str) {
        self.answers(200, "application/json", body);
    }

    fn answers(&self, status: u16, content_type: &'static str, body: &str) {
        *self.server.answer.lock().unwrap() = (status, content_type, body.to_owned());
    }

    fn asked(&self) -> usize {
        self.server.asked.lock().unwrap().len()
    }

    async fn ask(&self, worker: &Rc<dyn Scheme>, token: &str) -> Attempt {
        let field = format!("Bearer {token}");
        ask(&**worker, &head(&[("authorization", &field)], None), self.clock.now()).await
    }

    fn moves(&self, by: Duration) {
        self.clock.advance(by);
        learn(&self.watch, &[], &self.clock);
    }
}

#[tokio::test]
async fn an_active_token_is_its_caller_and_is_asked_about_once() {
    let world = World::new();
    let (one, two) = (world.authenticator.for_worker(), world.authenticator.for_worker());
    let caller = verified(world.ask(&one, "abc").await);
    assert_eq!((&*caller.subject, &*caller.issuer, caller.scopes.len()), ("alice", "https://sso", 2));
    verified(world.ask(&one, "abc").await);
    verified(world.ask(&two, "abc").await);
    assert_eq!(world.asked(), 1);
    assert_eq!(world.server.asked.lock().unwrap()[0], "token=abc&token_type_hint=access_token");
    world.moves(Duration::from_secs(31));
    world.says(r#"{"active":false}"#);
    refusal(world.ask(&one, "abc").await);
    assert_eq!(world.asked(), 2, "no longer than the bound");
}

#[tokio::test]
async fn fifty_requests_with_one_new_token_ask_once() {
    let world = World::new();
    world.server.may.forget_permits(1000);
    let worker = world.authenticator.for_worker();
    let all = (0..50).map(|_| world.ask(&worker, "abc"));
    let release = async {
        tokio::task::yield_now().await;
        world.server.may.add_permits(1);
    };
    let (attempts, ()) = tokio::join!(futures(all), release);
    assert!(attempts.into_iter().all(|attempt| matches!(attempt, Attempt::Verified(_))));
    assert_eq!(world.asked(), 1);
}

/// All of them at once.
async fn futures(all: impl Iterator<Item = impl Future<Output = Attempt>>) -> Vec<Attempt> {
    let mut pending: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in &mut pending {
            if done.is_none()
                && let std::task::Poll::Ready(attempt) = future.as_mut().poll(cx)
            {
                *done = Some(attempt);
            }
        }
        if pending.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    pending.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test]
async fn a_flood_of_tokens_is_bounded_and_costs_those_who_are_known_nothing() {
    let world = World::new();
    let worker = world.authenticator.for_worker();
    verified(world.ask(&worker, "known").await);
    world.server.may.forget_permits(1000);
    let tokens: Vec<String> = (0..400).map(|n| format!("t{n}")).collect();
    let flood = futures(tokens.iter().map(|token| world.ask(&worker, token)));
    let release = async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        verified(world.ask(&worker, "known").await);
        world.server.may.add_permits(1000);
    };
    let (attempts, ()) = tokio::join!(flood, release);
    let unavailable = attempts.iter().filter(|attempt| matches!(attempt, Attempt::Unavailable(_))).count();
    assert_eq!((unavailable, world.asked()), (400 - 256, 257));
    assert!(matches!(world.ask(&worker, "t399").await, Attempt::Verified(_)), "later it is asked about");
}

#[tokio::test]
async fn no_answer_is_gone_by_beyond_the_tokens_end() {
    let world = World::new();
    let worker = world.authenticator.for_worker();
    world.says(&format!(r#"{{"active":true,"sub":"a","aud":["orders"],"exp":{}}}"#, NOW + 5));
    verified(world.ask(&worker, "abc").await);
    world.moves(Duration::from_secs(6));
    verified(world.ask(&worker, "abc").await);
    assert_eq!(world.asked(), 2, "within the leeway the server is asked each time");
    verified(world.ask(&worker, "abc").await);
    assert_eq!(world.asked(), 3);
    world.moves(Duration::from_secs(10));
    assert_eq!(refusal(world.ask(&worker, "abc").await).1, "the token has expired");
}

#[tokio::test]
async fn what_is_not_active_or_not_for_us_is_refused() {
    for (answer, why) in [
        (r#"{"active":false}"#, "not active"),
        (r#"{"active":"true","sub":"a","aud":"orders"}"#, "not active"),
        (r#"{"active":1,"sub":"a","aud":"orders"}"#, "not active"),
        (r#"{"active":null,"sub":"a","aud":"orders"}"#, "not active"),
        (r#"{"active":true,"sub":"a"}"#, "audience"),
        (r#"{"active":true,"sub":"a","aud":"stock"}"#, "audience"),
        (r#"{"active":true,"sub":"a","aud":"orders","iss":"https://evil"}"#, "other issuer"),
        (r#"{"active":true,"sub":"a","aud":"orders","exp":1700000000}"#, "expired"),
        (r#"{"active":true,"sub":"a","aud":"orders","nbf":1900000000}"#, "future"),
        (r#"{"active":true,"sub":"a","aud":"orders","cnf":{"jkt":"x"}}"#, "bound to a key"),
        (r#"{"active":true,"sub":"a","aud":"orders","token_type":"DPoP"}"#, "another type"),
        (r#"{"active":true,"sub":"a","aud":"orders","token_type":"refresh_token"}"#, "another type"),
        (r#"{"active":true,"sub":"a","aud":"orders","token_use":"refresh_token"}"#, "another type"),
        (r#"{"active":true,"sub":"a","aud":"orders","typ":"Refresh"}"#, "another type"),
        (r#"{"active":true,"aud":"orders"}"#, "`sub` is missing"),
        (r#"{"active":true,"sub":"","aud":"orders"}"#, "`sub` is missing"),
    ] {
        let world = World::new();
        let worker = world.authenticator.for_worker();
        world.says(answer);
        let (_, reason) = refusal(world.ask(&worker, "abc").await);
        assert!(reason.contains(why), "{answer}: {reason}");
        refusal(world.ask(&worker, "abc").await);
        assert_eq!(world.asked(), 1, "{answer}: remembered for a moment");
        world.moves(Duration::from_secs(6));
        world.says(r#"{"active":true,"sub":"alice","aud":"orders"}"#);
        verified(world.ask(&worker, "abc").await);
    }
}

#[tokio::test]
async fn what_is_no_answer_is_no_verdict() {
    for (status, content_type, body) in [
        (200, "application/json", ""),
        (200, "application/json", "{\"active\":true"),
        (200, "application/json", "[true]"),
        (200, "application/json", "{}"),
        (200, "application/json", r#"{"active":false,"active":true,"sub":"a","aud":"orders"}"#),
        (200, "application/json", r#"{"active":true,"sub":7,"aud":"orders"}"#),
        (200, "application/json", r#"{"active":true,"sub":"a","aud":"orders","exp":"soon"}"#),
        (200, "application/json", r#"{"active":true,"sub":"a","aud":{"a":1}}"#),
        (200, "text/html", r#"{"active":true,"sub":"a","aud":"orders"}"#),
        (200, "application/token-introspection+jwt", "a.b.c"),
        (204, "application/json", ""),
        (302, "application/json", r#"{"active":true,"sub":"a","aud":"orders"}"#),
        (401, "application/json", r#"{"error":"invalid_client"}"#),
        (403, "application/json", ""),
        (404, "application/json", ""),
        (429, "application/json", ""),
        (500, "application/json", r#"{"active":false}"#),
    ] {
        let world = World::new();
        let worker = world.authenticator.for_worker();
        world.answers(status, content_type, body);
        let attempt = world.ask(&worker, "abc").await;
        assert!(matches!(attempt, Attempt::Unavailable(_)), "{status} {body}: {attempt:?}");
        world.says(r#"{"active":true,"sub":"alice","aud":"orders"}"#);
        verified(world.ask(&worker, "abc").await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let world = World::new();
    world.server.may.forget_permits(1000);
    let attempt = world.ask(&world.authenticator.for_worker(), "abc").await;
    assert!(matches!(&attempt, Attempt::Unavailable(why) if why.reason.contains("2s")), "{attempt:?}");
}

#[tokio::test]
async fn what_is_asked_for_must_be_said() {
    let world = World::with(|config| config.required_claims = vec!["exp".into(), "iss".into()]);
    let worker = world.authenticator.for_worker();
    let (_, reason) = refusal(world.ask(&worker, "abc").await);
    assert!(reason.contains("`exp` is missing"), "{reason}");
    world.moves(Duration::from_secs(6));
    let exp = NOW + 100;
    world.says(&format!(r#"{{"active":true,"sub":"a","aud":"orders","exp":{exp},"iss":"https://sso"}}"#));
    verified(world.ask(&worker, "abc").await);
}

#[tokio::test]
async fn what_is_revoked_here_is_refused_however_the_server_answers() {
    let world = World::new();
    let worker = world.authenticator.for_worker();
    verified(world.ask(&worker, "abc").await);
    let revoked = Change::Revoked { what: Revoked::Token("t1".into()), until: Timestamp::MAX };
    learn(&world.watch, &[revoked], &world.clock);
    assert_eq!(refusal(world.ask(&worker, "abc").await).1, "the token or its session was revoked");
    assert_eq!(
        refusal(world.ask(&world.authenticator.for_worker(), "abc").await).1,
        "the token or its session was revoked"
    );
}

#[tokio::test]
async fn what_cannot_be_a_token_is_not_asked_about() {
    let world = World::new();
    let worker = world.authenticator.for_worker();
    refusal(world.ask(&worker, "a b").await);
    refusal(world.ask(&worker, &"a".repeat(16 * 1024 + 1)).await);
    assert!(matches!(ask(&*worker, &head(&[], None), world.clock.now()).await, Attempt::Absent));
    assert_eq!(world.asked(), 0);
}
