//! Small configurations to ask about.

use crate::analysis::{
    CallerOrigin, Change, Demand, Example, Finding, Group, Proof, Property, PropertyScope, RouteAccess,
    RouteDiff, Side, Solver, compare, prove,
};
use crate::compile::condition;
use crate::{
    Clause, Compiled, Condition, Engine, Facts, Memo, Place, PolicyFile, RouteFacts, RouteIndex, Rule,
    Vocabulary, compile,
};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::id::RequestId;
use haechi_core::{
    AttributeType, Caller, CallerKind, CanonicalPath, ConnectionFacts, Fields, Host, MethodSet, PathPattern,
    RequestHead, RoleTable,
};
use http::Method;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) struct World {
    pub(super) vocabulary: Vocabulary,
    pub(super) access: Vec<RouteAccess>,
    pub(super) files: Vec<PolicyFile>,
}

pub(super) fn user() -> CallerOrigin {
    CallerOrigin::any(CallerKind::User, &"local".into())
}

pub(super) fn key() -> CallerOrigin {
    CallerOrigin::any(CallerKind::ApiKey, &"partner".into())
}

pub(super) fn anonymous() -> CallerOrigin {
    CallerOrigin::anonymous(&"anonymous".into())
}

pub(super) fn roles(names: &[&str]) -> Clause {
    Clause::Roles(arcs(names))
}

pub(super) fn when(text: &str) -> Clause {
    Clause::When(Condition {
        text: text.into(),
        place: Place { file: "haechi.yaml".into(), line: 1, column: 1 },
    })
}

pub(super) fn arcs(names: &[&str]) -> Arc<[Arc<str>]> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

impl World {
    /// The roles with what they include.
    pub(super) fn new(roles: &[(&str, &[&str])]) -> Self {
        let direct: BTreeMap<String, Vec<String>> = roles
            .iter()
            .map(|(role, includes)| {
                ((*role).to_owned(), includes.iter().map(|name| (*name).to_owned()).collect())
            })
            .collect();
        let attributes = [
            ("tenant", AttributeType::String),
            ("clearance", AttributeType::Long),
            ("mfa", AttributeType::Bool),
        ];
        let vocabulary = Vocabulary {
            roles: RoleTable::new(&direct).unwrap(),
            attributes: attributes.into_iter().map(|(name, kind)| (name.into(), kind)).collect(),
            headers: BTreeMap::from([("tenant".into(), "x-tenant".into())]),
            routes: Vec::new(),
        };
        Self { vocabulary, access: Vec::new(), files: Vec::new() }
    }

    pub(super) fn route(self, name: &str, pattern: &str, clauses: Vec<Clause>) -> Self {
        self.with(name, pattern, Rule::all_of(clauses).unwrap(), vec![user()])
    }

    pub(super) fn with(mut self, name: &str, pattern: &str, rule: Rule, ways: Vec<CallerOrigin>) -> Self {
        self.vocabulary.routes.push(RouteFacts {
            name: name.into(),
            service: Some("backend".into()),
            labels: vec!["pii".into()],
            pattern: PathPattern::parse(pattern).unwrap(),
            methods: MethodSet::any(),
            rule,
        });
        self.access.push(RouteAccess { ways, hosts: Vec::new() });
        self
    }

    pub(super) fn built_in(self, name: &str, pattern: &str) -> Self {
        self.with(name, pattern, Rule::built_in(), vec![anonymous()])
    }

    pub(super) fn methods(mut self, methods: &[Method]) -> Self {
        self.vocabulary.routes.last_mut().unwrap().methods = MethodSet::new(methods.iter().cloned());
        self
    }

    pub(super) fn policies(mut self, text: &str) -> Self {
        self.files.push(PolicyFile { name: "policies/a.cedar".into(), text: text.into() });
        self
    }

    fn compiled(&self) -> Compiled {
        compile(Arc::new(self.vocabulary.clone()), &self.files).unwrap()
    }

    pub(super) async fn prove(&self, concern: PropertyScope, demand: Demand) -> Proof {
        let compiled = self.compiled();
        let takes = takes(&compiled);
        let side = Side { compiled: &compiled, access: &self.access, takes: &takes };
        let property = Property { name: "it".into(), concern, methods: Vec::new(), demand };
        let mut solver = solver();
        let proof = prove(&side, &property, &mut solver).await;
        let (asked, took) = solver.spent();
        println!("{asked} questions in {took:?}");
        for (route, finding) in &proof.routes {
            println!("{finding:?}");
            if let Finding::Example(example) = finding {
                println!("{}", serde_json::to_string(example).unwrap());
                let expected = !matches!(property.demand, Demand::AlwaysIf(_));
                assert_eq!(
                    self.engine_allows(*route, example),
                    expected,
                    "the engine disagrees: {example:?}"
                );
            }
        }
        proof
    }

    /// What the engine that serves requests says.
    pub(super) fn engine_allows(&self, route: RouteIndex, example: &Example) -> bool {
        let engine = Engine::new(Arc::new(self.compiled())).unwrap();
        let claimed = Claimed {
            subject: example.subject.clone(),
            issuer: example.issuer.clone(),
            roles: example.roles.iter().map(ToString::to_string).collect(),
            scopes: example.scopes.iter().map(ToString::to_string).collect(),
            attributes: example.attributes.clone(),
            ..Claimed::default()
        };
        let table = &self.vocabulary.roles;
        let caller = Caller::new(example.kind, &example.authenticator, Vouched::BySelf, table, claimed);
        let headers = example.headers.iter().map(|(name, value)| {
            let field = &self.vocabulary.headers[name.as_str()];
            (field.as_bytes().to_vec(), value.as_bytes().to_vec())
        });
        let head = RequestHead::new(
            RequestId::from_bits(1),
            example.time,
            ConnectionFacts::plain((example.ip, 1).into()),
            example.method.clone(),
            Host::parse(example.host.as_bytes()).unwrap(),
            example.path.clone(),
        );
        let head = head.with_fields(fields(headers)).with_client(example.ip, example.secure);
        engine.decide(&Facts { head: &head, route, caller: &caller }, &Memo::default()).is_allowed()
    }

    pub(super) async fn compare(&self, new: &Self) -> Vec<RouteDiff> {
        let (before, after) = (self.compiled(), new.compiled());
        let (old_takes, new_takes) = (takes(&before), takes(&after));
        let old_side = Side { compiled: &before, access: &self.access, takes: &old_takes };
        let new_side = Side { compiled: &after, access: &new.access, takes: &new_takes };
        let mut solver = solver();
        let changes = compare(&old_side, &new_side, &mut solver).await;
        let (asked, took) = solver.spent();
        println!("{asked} questions in {took:?}");
        for change in &changes {
            let Change::Kept { gained, lost, .. } = &change.change else { continue };
            for (finding, passes, not) in [(gained, new, self), (lost, self, new)] {
                let Finding::Example(example) = finding else { continue };
                println!("{}", serde_json::to_string(example).unwrap());
                let route = |world: &Self| world.vocabulary.index_of(&change.name).unwrap();
                assert!(passes.engine_allows(route(passes), example), "{example:?}");
                let comes = |world: &Self| {
                    let access = &world.access[route(world).get()];
                    let facts = &world.vocabulary.routes[route(world).get()];
                    let known = |way: &CallerOrigin| way.authenticator == example.authenticator;
                    access.ways.iter().any(known) && facts.methods.contains(&example.method)
                };
                assert!(!comes(not) || !not.engine_allows(route(not), example), "{example:?}");
            }
        }
        changes
    }
}

fn fields(headers: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in headers {
        fields.push(&name, &value);
    }
    fields
}

fn solver() -> Solver {
    Solver::start("cvc5").expect("the program `cvc5` must be installed")
}

/// As the router would say in these small worlds: the first pattern that matches.
fn takes(compiled: &Compiled) -> impl Fn(RouteIndex, &Method, &str, &CanonicalPath) -> bool + '_ {
    |route, method, _, path| {
        let facts = &compiled.vocabulary().routes[route.get()];
        facts.methods.contains(method) && !path.as_str().contains("//")
    }
}

pub(super) fn only(group: Group) -> Demand {
    Demand::AllowedOnlyIf(group)
}

pub(super) fn example(proof: &Proof) -> &Example {
    match &proof.routes[0].1 {
        Finding::Example(example) => example,
        other => panic!("{other:?}"),
    }
}

/// A group with a condition, compiled as the commands do.
pub(super) fn group_when(world: &World, text: &str) -> Group {
    let when = condition(&world.compiled(), text).unwrap();
    Group { when: Some(when), ..Group::default() }
}
