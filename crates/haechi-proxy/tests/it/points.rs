//! What a decision point's answer does to the request and to the client.

use crate::gate::{self, Gate};
use haechi_authn::schemes::anonymous;
use haechi_authn::{Attempt, Authenticator, Challenge, CredentialPlace, Look, Scheme};
use haechi_authz::point::Answering;
use haechi_authz::{
    AnswerLifetimes, Clause, DecisionPoint, Denial, DenialKind, Enforcer, EnforcerParts, Engine, Facts,
    HeaderChanges, PointAnswer, RouteFacts, Rule, Unavailable, Vocabulary, compile,
};
use haechi_core::{Caller, PathPattern, RequestHead, Timestamp};
use haechi_proxy::{Authentication, Plan, Route, ServiceIndex, Target};
use haechi_testkit::Backend;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

/// Always gives the same answer.
#[derive(Debug)]
struct Point(Arc<str>, PointAnswer);

impl DecisionPoint for Point {
    fn name(&self) -> &Arc<str> {
        &self.0
    }

    fn question(&self, _: &Facts<'_>) -> Result<Vec<u8>, Unavailable> {
        Ok(Vec::new())
    }

    fn keeps(&self) -> AnswerLifetimes {
        AnswerLifetimes::default()
    }

    fn ask(&self, _: Vec<u8>) -> Answering<'_> {
        Box::pin(std::future::ready(Ok(self.1.clone())))
    }
}

/// Knows everybody, and takes `X-Api-Key` for a credential.
struct Keys(Arc<str>, Arc<Challenge>, [CredentialPlace; 1]);

impl Keys {
    fn new() -> Self {
        Self("keys".into(), Arc::new(Challenge::bearer("keys")), [CredentialPlace::Field("x-api-key".into())])
    }
}

impl Authenticator for Keys {
    fn name(&self) -> &Arc<str> {
        &self.0
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        Rc::new(Self::new())
    }
}

impl Scheme for Keys {
    fn name(&self) -> &Arc<str> {
        &self.0
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        Some(&self.1)
    }

    fn credential_places(&self) -> &[CredentialPlace] {
        &self.2
    }

    fn look(&self, _: &RequestHead, _: Timestamp) -> Look {
        Look::Done(Attempt::Verified(Arc::new(Caller::anonymous("keys"))))
    }
}

/// What the route sets.
const OF_ROUTE: [(&str, &str); 2] = [("X-Tier", "gold"), ("X-Shade", "of the route")];

/// `/` asks the decision point.
fn plan(backend: SocketAddr, authenticator: Arc<dyn Authenticator>, answer: PointAnswer) -> Plan {
    let pattern = PathPattern::parse("/").unwrap();
    let target = Target::Service(ServiceIndex::new(0));
    let mut route = Route::new("r", pattern, Authentication::Any(vec![authenticator]), target);
    route.settings.request_headers = HeaderChanges::new(OF_ROUTE, ["X-Internal", "X-Kept"]).unwrap();
    let facts = RouteFacts {
        name: route.name.clone(),
        service: Some("web".into()),
        labels: Vec::new(),
        pattern: route.pattern.clone(),
        methods: route.methods.clone(),
        rule: Rule::all_of(vec![Clause::External("point".into())]).unwrap(),
    };
    let vocabulary = Vocabulary { routes: vec![facts], ..Vocabulary::default() };
    let engine = Engine::new(Arc::new(compile(Arc::new(vocabulary), &[]).unwrap())).unwrap();
    let points: Vec<Arc<dyn DecisionPoint>> = vec![Arc::new(Point("point".into(), answer))];
    let enforcer = Enforcer::new(EnforcerParts { engine, shadow: None, points, generation: 1 }).unwrap();
    gate::plan(backend, enforcer, vec![route])
}

#[test]
fn the_backend_gets_what_the_decision_point_sets_and_not_what_it_removes() {
    let backend = Backend::saying("well");
    let set = [("X-Plan", "gold"), ("x-new", "a b"), ("X_Api_Key", "forged")];
    let changes = HeaderChanges::new(set, ["X-Debug"]).unwrap();
    let gate = Gate::start(plan(backend.address(), Arc::new(Keys::new()), PointAnswer::Allow(changes)));
    let sent = "X-Plan: free\r\nx_plan: free\r\nx.debug: 1\r\nX-Debug: 2\r\nX-Other: stays\r\n\
                Connection: x-new\r\nX-Api-Key: secret\r\n";
    assert_eq!(gate.send("/", sent).word(1), "200");
    let recorded = backend.recorded();
    let names = ["x-plan", "x_plan", "x-new", "x-debug", "x.debug", "x-other", "x-api-key", "x_api_key"];
    let got = names.map(|name| recorded[0].head.all(name));
    let expected: [&[&str]; 8] = [&["gold"], &[], &["a b"], &[], &[], &["stays"], &[], &[]];
    assert_eq!(got, expected.map(<[&str]>::to_vec));
}

#[test]
fn a_client_is_asked_to_authenticate_only_where_it_is_told_how() {
    let backend = Backend::saying("well");
    let answer = |kind| PointAnswer::Deny(Denial { kind });
    let told = |authenticator: Arc<dyn Authenticator>, kind| {
        let gate = Gate::start(plan(backend.address(), authenticator, answer(kind)));
        let head = gate.send("/", "");
        (head.word(1).to_owned(), head.field("www-authenticate").map(str::to_owned))
    };
    let challenge = Some(r#"Bearer realm="keys""#.to_owned());
    assert_eq!(told(Arc::new(Keys::new()), DenialKind::Unauthenticated), ("401".into(), challenge));
    assert_eq!(told(Arc::new(Keys::new()), DenialKind::Forbidden), ("403".into(), None));
    let open = || Arc::new(anonymous::authenticator());
    assert_eq!(told(open(), DenialKind::Unauthenticated), ("403".into(), None));
    assert!(backend.recorded().is_empty(), "nothing of a denied request is forwarded");
}

#[test]
fn a_route_changes_headers_and_the_decision_point_has_the_last_word() {
    let backend = Backend::saying("well");
    let changes = HeaderChanges::new([("x_shade", "of the point"), ("x-kept", "set")], []).unwrap();
    let gate = Gate::start(plan(backend.address(), Arc::new(Keys::new()), PointAnswer::Allow(changes)));
    let sent = "X-Tier: free\r\nx_tier: free\r\nX-Internal: 1\r\nx.internal: 2\r\nX-Other: stays\r\n";
    assert_eq!(gate.send("/", sent).word(1), "200");
    let recorded = backend.recorded();
    let names = ["x-tier", "x_tier", "x-internal", "x.internal", "x-shade", "x_shade", "x-kept", "x-other"];
    let got = names.map(|name| recorded[0].head.all(name));
    let expected: [&[&str]; 8] = [&["gold"], &[], &[], &[], &[], &["of the point"], &["set"], &["stays"]];
    assert_eq!(got, expected.map(<[&str]>::to_vec));
}
