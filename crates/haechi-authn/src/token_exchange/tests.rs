use super::{ExchangeConfig, Exchanged, REFUSED_FOR, SubjectType, TokenExchange};
use crate::Unavailable;
use crate::control::Control;
use crate::keys::FetchFault;
use crate::oidc::{ClientProof, WebAnswer, WebCalls, WebRequest};
use crate::test_support::clock;
use crate::token_client::{TokenClientParts, TokenServer};
use haechi_core::Secret;
use haechi_core::ports::BoxFuture;
use haechi_testkit::FixedClock;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// A token endpoint that answers as it is told to, when it may; not at all where it has no answer.
struct FakeServer {
    answer: Mutex<Option<(u16, String)>>,
    may: Semaphore,
    asked: Mutex<Vec<String>>,
}

impl WebCalls for FakeServer {
    fn call(&self, request: WebRequest) -> BoxFuture<'_, Result<WebAnswer, FetchFault>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(request.form.unwrap().expose().clone());
            drop(self.may.acquire().await.unwrap());
            let (status, body) =
                self.answer.lock().unwrap().clone().ok_or(FetchFault::Unreachable("gone".into()))?;
            let content_type = Some("application/json".to_owned());
            Ok(WebAnswer { status, content_type, body: body.into_bytes() })
        })
    }
}

struct World {
    server: Arc<FakeServer>,
    clock: Arc<FixedClock>,
    exchange: Arc<TokenExchange>,
}

impl World {
    fn new() -> Self {
        let server = Arc::new(FakeServer {
            answer: Mutex::default(),
            may: Semaphore::new(1000),
            asked: Mutex::default(),
        });
        let clock = clock();
        let client = TokenClientParts {
            server: TokenServer::At("https://sso/token".into()),
            client: Some(("gate".into(), ClientProof::Secret(Secret::from("secret"), None))),
            allow_http: false,
            calls: server.clone(),
            clock: clock.clone(),
        };
        let config = ExchangeConfig {
            audience: "orders".into(),
            resource: None,
            scopes: vec!["read".into(), "write".into()],
            subject_type: SubjectType::AccessToken,
        };
        let control = Control::new(Handle::current());
        let exchange = Arc::new(TokenExchange::new("orders".into(), config, client, control));
        Self { server, clock, exchange }
    }

    fn says(&self, status: u16, body: &str) {
        *self.server.answer.lock().unwrap() = Some((status, body.to_owned()));
    }

    fn gives(&self, token: &str, lasts: u64) {
        self.says(
            200,
            &format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{lasts}}}"#),
        );
    }

    async fn ask(&self, subject: &str) -> Result<String, String> {
        let told: Result<Exchanged, Unavailable> = self.exchange.clone().token(subject).await;
        told.map(|given| given.token.expose().clone()).map_err(|why| why.reason.into_owned())
    }

    fn asked(&self) -> usize {
        self.server.asked.lock().unwrap().len()
    }
}

#[tokio::test(start_paused = true)]
async fn each_token_is_exchanged_once_until_shortly_before_its_end() {
    let world = World::new();
    world.gives("one", 60);
    assert_eq!(world.ask("alice.token").await, Ok("one".into()));
    let form = world.server.asked.lock().unwrap().last().unwrap().clone();
    for part in [
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
        "subject_token=alice.token",
        "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token",
        "requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token",
        "audience=orders",
        "scope=read%20write",
    ] {
        assert!(form.split('&').any(|found| found == part), "{part} in {form}");
    }
    world.gives("two", 60);
    assert_eq!(world.ask("alice.token").await, Ok("one".into()));
    assert_eq!(world.ask("bob.token").await, Ok("two".into()), "another's is another");
    world.clock.advance(Duration::from_secs(54));
    assert_eq!(world.ask("alice.token").await, Ok("one".into()));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.ask("alice.token").await, Ok("two".into()), "five seconds before its end");
    assert_eq!(world.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_the_same_at_once_asks_once() {
    let world = World::new();
    world.server.may.forget_permits(1000);
    world.gives("one", 60);
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let exchange = world.exchange.clone();
            tokio::spawn(async move { exchange.token("alice.token").await.unwrap().token })
        })
        .collect();
    while world.asked() == 0 {
        tokio::task::yield_now().await;
    }
    world.server.may.add_permits(1000);
    for one in asking {
        assert_eq!(one.await.unwrap().expose(), "one");
    }
    assert_eq!(world.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_for_a_moment_and_is_no_token() {
    let world = World::new();
    world.says(400, r#"{"error":"invalid_target"}"#);
    let why = world.ask("alice.token").await.unwrap_err();
    assert_eq!(why, "there is no token for the service `orders`: the token endpoint refuses: invalid_target");
    world.gives("one", 60);
    assert_eq!(world.ask("alice.token").await, Err(why));
    assert_eq!(world.asked(), 1);
    world.clock.advance(REFUSED_FOR);
    assert_eq!(world.ask("alice.token").await, Ok("one".into()));
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_no_token() {
    let world = World::new();
    for (status, body) in [
        (200, r#"{"access_token":"a","token_type":"N_A"}"#),
        (200, r#"{"access_token":"a\nb","token_type":"Bearer","expires_in":60}"#),
        (200, r#"{"access_token":"a","token_type":"Bearer","expires_in":5}"#),
        (
            200,
            r#"{"access_token":"a","token_type":"Bearer","expires_in":60,"issued_token_type":"urn:ietf:params:oauth:token-type:refresh_token"}"#,
        ),
        (200, "{}"),
        (204, ""),
        (302, ""),
        (429, "{}"),
        (500, "{}"),
    ] {
        world.says(status, body);
        assert!(world.ask("alice.token").await.is_err(), "{status} {body}");
    }
    assert_eq!(world.asked(), 9, "none of it is remembered");
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_answers_nobody_is_not_asked_for_a_moment() {
    let world = World::new();
    for n in 0..5 {
        assert!(world.ask(&format!("token {n}")).await.is_err());
    }
    let why = world.ask("another").await.unwrap_err();
    assert!(why.contains("has not answered lately"), "{why}");
    assert_eq!(world.asked(), 5);
    world.clock.advance(Duration::from_secs(1));
    world.gives("one", 60);
    assert_eq!(world.ask("another").await, Ok("one".into()));
}
