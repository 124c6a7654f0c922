use super::ExternalAuthenticator;
use crate::control::Control;
use crate::external::{
    AnswerNames, ExternalConfig, ExternalParts, OwnAnswers, PassedField, RequestFact, ServiceAnswer,
    ServiceCalls, ServiceQuestion, ValueEncoding, WithoutCredential,
};
use crate::keys::FetchFault;
use crate::test_support::{ask, clock, head, refusal, verified};
use crate::{Attempt, Authenticator, Fault, Scheme};
use haechi_core::ports::BoxFuture;
use haechi_core::{AttributeType, AttributeValue, Clock, Fields, RoleTable};
use haechi_testkit::FixedClock;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;

type Said = (u16, Vec<(&'static str, &'static str)>, &'static str);

/// A service that answers as it is told to, or not at all.
struct FakeService {
    says: Mutex<Option<Said>>,
    asked: Mutex<Vec<Vec<(String, String)>>>,
}

impl ServiceCalls for FakeService {
    fn ask(&self, question: ServiceQuestion) -> BoxFuture<'_, Result<ServiceAnswer, FetchFault>> {
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        let facts = question.facts.iter().map(|(fact, value)| (fact.field().to_owned(), text(value)));
        let fields = question.fields.iter().map(|(name, value)| (name.to_string(), text(value.expose())));
        self.asked.lock().unwrap().push(facts.chain(fields).collect());
        Box::pin(async move {
            let Some((status, said, body)) = self.says.lock().unwrap().clone() else {
                return Err(FetchFault::Unreachable("refused".to_owned()));
            };
            let mut fields = Fields::default();
            said.iter().for_each(|(name, value)| fields.push(name.as_bytes(), value.as_bytes()));
            Ok(ServiceAnswer { status, fields, body: body.as_bytes().to_vec() })
        })
    }
}

struct World {
    service: Arc<FakeService>,
    clock: Arc<FixedClock>,
    authenticator: ExternalAuthenticator,
    worker: Rc<dyn Scheme>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut ExternalConfig)) -> Self {
        let service = Arc::new(FakeService { says: Mutex::new(None), asked: Mutex::default() });
        let clock = clock();
        let attributes = BTreeMap::from([
            ("level".into(), ("x-level".into(), AttributeType::Long)),
            ("units".into(), ("x-units".into(), AttributeType::Set)),
        ]);
        let mut config = ExternalConfig {
            name: "legacy".into(),
            url: "https://auth/verify".into(),
            text_only: false,
            issuer: "https://auth".into(),
            headers: vec!["authorization".into(), "x-key".into()],
            cookies: vec!["session".into()],
            also_send: vec!["user-agent".into()],
            tell: vec![RequestFact::Method, RequestFact::Uri, RequestFact::ClientAddress],
            without_credential: WithoutCredential::Absent,
            names: AnswerNames {
                subject: "x-user".into(),
                roles: "x-roles".into(),
                scopes: "x-scopes".into(),
                attributes,
            },
            encoding: ValueEncoding::Plain,
            role_map: None,
            own_answers: OwnAnswers::default(),
            cache: Duration::from_secs(30),
            timeout: Duration::from_secs(1),
        };
        change(&mut config);
        let authenticator = ExternalAuthenticator::new(ExternalParts {
            config,
            calls: service.clone(),
            roles: Arc::new(RoleTable::default()),
            clock: clock.clone(),
            control: Control::new(Handle::current()),
        });
        let worker = authenticator.for_worker();
        let world = Self { service, clock, authenticator, worker };
        world.says(200, &[("x-user", "alice")], "");
        world
    }

    fn says(&self, status: u16, fields: &[(&'static str, &'static str)], body: &'static str) {
        *self.service.says.lock().unwrap() = Some((status, fields.to_vec(), body));
    }

    fn is_gone(&self) {
        *self.service.says.lock().unwrap() = None;
    }

    async fn ask(&self, fields: &[(&str, &str)]) -> Attempt {
        ask(&*self.worker, &head(fields, Some("a=1")), self.clock.now()).await
    }

    async fn bearer(&self, token: &str) -> Attempt {
        self.ask(&[("authorization", &format!("Bearer {token}"))]).await
    }

    fn asked(&self) -> usize {
        self.service.asked.lock().unwrap().len()
    }
}

fn unavailable(attempt: Attempt) -> String {
    match attempt {
        Attempt::Unavailable(unavailable) => unavailable.reason.into_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_the_service_names_is_the_caller_and_nothing_else_is_sent() {
    let world = World::new();
    let said = [
        ("x-user", "alice"),
        ("x-roles", "USER, ADMIN"),
        ("x-scopes", "a b,c"),
        ("x-level", "3"),
        ("x-units", "x, y"),
    ];
    world.says(204, &said, "");
    let fields = [
        ("authorization", "Basic YTpi"),
        ("user-agent", "curl"),
        ("cookie", "other=1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-auth-subject", "root"),
    ];
    let caller = verified(world.ask(&fields).await);
    assert_eq!(
        (&*caller.subject, &*caller.issuer, &*caller.authenticator),
        ("alice", "https://auth", "legacy")
    );
    assert!(
        caller.has_role("USER") && caller.has_role("ADMIN") && caller.has_scope("b") && caller.has_scope("c")
    );
    assert_eq!(caller.attributes["level"], AttributeValue::Long(3));
    assert_eq!(caller.attributes["units"].to_string(), "x,y");
    let asked = world.service.asked.lock().unwrap()[0].clone();
    let expected = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/?a=1"),
        ("x-forwarded-for", "192.0.2.7"),
        ("user-agent", "curl"),
        ("authorization", "Basic YTpi"),
    ];
    assert_eq!(asked, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn of_cookies_only_the_named_one_is_sent() {
    let world = World::new();
    let sent = [("cookie", "a=1; session=s3; b=2")];
    verified(world.ask(&sent).await);
    let asked = world.service.asked.lock().unwrap()[0].clone();
    assert_eq!(asked.last().unwrap(), &("cookie".to_owned(), "session=s3".to_owned()));
    assert!(world.worker.comes_from_cookie(&head(&sent, None)));
    assert!(!world.worker.comes_from_cookie(&head(&[("x-key", "k")], None)));
}

#[tokio::test]
async fn without_a_credential_nobody_is_asked_unless_that_is_configured() {
    let world = World::new();
    for fields in [&[][..], &[("cookie", "session=")], &[("authorization", "")], &[("user-agent", "x")]] {
        assert!(matches!(world.ask(fields).await, Attempt::Absent), "{fields:?}");
    }
    assert_eq!(world.asked(), 0);
    let asks = World::with(|config| config.without_credential = WithoutCredential::Ask);
    asks.says(401, &[], "");
    assert!(matches!(asks.ask(&[]).await, Attempt::Absent));
    asks.says(403, &[], "");
    assert_eq!(refusal(asks.ask(&[]).await).0, Fault::Forbidden, "each is asked about by itself");
    assert_eq!(asks.asked(), 2);
}

#[tokio::test]
async fn two_credentials_are_not_decided_between() {
    let world = World::new();
    for fields in [
        &[("authorization", "Bearer a"), ("cookie", "session=b")][..],
        &[("authorization", "Bearer a"), ("authorization", "Bearer a")],
        &[("authorization", "Bearer a"), ("x-key", "b")],
        &[("cookie", "session=a; session=b")],
        &[("authorization", "Bearer a"), ("user-agent", "a"), ("user-agent", "b")],
    ] {
        assert_eq!(refusal(world.ask(fields).await).0, Fault::InvalidRequest, "{fields:?}");
    }
    let beside_query = head(&[("authorization", "Bearer a")], Some("access_token=b"));
    assert_eq!(refusal(ask(&*world.worker, &beside_query, world.clock.now()).await).0, Fault::InvalidRequest);
    assert_eq!(world.asked(), 0);
}

#[tokio::test]
async fn what_was_sent_is_asked_once_for_as_long_as_it_is_kept() {
    let world = World::new();
    verified(world.bearer("a").await);
    verified(world.bearer("a").await);
    let second = world.authenticator.for_worker();
    verified(ask(&*second, &head(&[("authorization", "Bearer a")], Some("a=1")), world.clock.now()).await);
    assert_eq!(world.asked(), 1);
    verified(world.ask(&[("authorization", "Bearer a"), ("user-agent", "other")]).await);
    assert_eq!(world.asked(), 2, "something else was sent");
    world.clock.advance(Duration::from_secs(31));
    world.says(401, &[], "");
    assert_eq!(refusal(world.bearer("a").await).0, Fault::InvalidToken);
    assert_eq!(refusal(world.bearer("a").await).0, Fault::InvalidToken);
    assert_eq!(world.asked(), 3);
    world.clock.advance(Duration::from_secs(6));
    world.says(200, &[("x-user", "alice"), ("cache-control", "no-store")], "");
    verified(world.bearer("a").await);
    verified(world.bearer("a").await);
    assert_eq!(world.asked(), 5, "a refusal is kept for five seconds, and what is not to be kept is not");
}

#[tokio::test]
async fn a_service_that_answers_nobody_is_left_alone() {
    let world = World::new();
    world.is_gone();
    for index in 0..5 {
        unavailable(world.bearer(&format!("t{index}")).await);
    }
    assert!(unavailable(world.bearer("more").await).contains("not asked"));
    assert_eq!(world.asked(), 5);
    world.says(200, &[("x-user", "alice")], "");
    world.clock.advance(Duration::from_secs(1));
    verified(world.bearer("more").await);
    verified(world.bearer("again").await);
}

#[tokio::test]
async fn an_answer_that_says_nobody_lets_nobody_through() {
    let world = World::new();
    for (index, said) in [
        &[][..],
        &[("x-user", "")],
        &[("x-user", "alice"), ("x-user", "alice")],
        &[("x-user", "alice"), ("x-user", "bob")],
        &[("x-user", "al\u{1}ice")],
        &[("x-user", "alice"), ("x-roles", "USER\u{7f}")],
    ]
    .into_iter()
    .enumerate()
    {
        world.says(200, said, "");
        unavailable(world.bearer(&format!("t{index}")).await);
        world.says(200, &[("x-user", "alice")], "");
        verified(world.bearer(&format!("t{index}")).await);
    }
}

#[tokio::test]
async fn escapes_are_decoded_where_they_are_written() {
    let world = World::with(|config| config.encoding = ValueEncoding::Percent);
    world.says(200, &[("x-user", "%EA%B0%80"), ("x-roles", "a%2Cb,c")], "");
    let caller = verified(world.bearer("a").await);
    assert!(&*caller.subject == "가" && caller.has_role("a,b") && caller.has_role("c"));
    for (index, broken) in ["a%0d%0aX", "%", "%4", "%zz", "%ff", "%00"].into_iter().enumerate() {
        world.says(200, &[("x-user", broken)], "");
        unavailable(world.bearer(&format!("t{index}")).await);
    }
}

#[tokio::test]
async fn the_services_own_answer_is_passed_on_as_far_as_configured() {
    let world = World::with(|config| {
        let fields = vec![PassedField::Location, PassedField::SetCookie];
        config.own_answers = OwnAnswers { statuses: vec![302, 403], fields, body: false };
        config.without_credential = WithoutCredential::Ask;
    });
    let own = |attempt: Attempt| match attempt {
        Attempt::Rejected(rejection) => rejection.own.unwrap(),
        other => panic!("{other:?}"),
    };
    let said = [
        ("location", "/login"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-auth-subject", "root"),
        ("content-length", "9"),
    ];
    world.says(302, &said, "body");
    let passed = own(world.ask(&[]).await);
    let names: Vec<_> = passed.fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        (passed.status, names, &passed.body),
        (302, vec!["location", "set-cookie", "set-cookie"], &None)
    );
    world.says(403, &[], "");
    assert_eq!(own(world.bearer("a").await).status, 403);
    world.says(401, &[], "");
    assert_eq!(refusal(world.bearer("b").await).0, Fault::InvalidToken, "this one is not listed");
    for (index, bad) in [
        &[][..],
        &[("location", "/a"), ("location", "/b")],
        &[("location", "//evil.example")],
        &[("location", "/\\evil.example")],
        &[("location", "javascript:alert(1)")],
        &[("location", "login")],
        &[("location", "/a"), ("set-cookie", "a=\u{1}")],
    ]
    .into_iter()
    .enumerate()
    {
        world.says(302, bad, "");
        unavailable(world.bearer(&format!("t{index}")).await);
    }
}
