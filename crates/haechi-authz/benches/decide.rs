//! What a decision costs: `cargo bench -p haechi-authz`. docs/benchmarks.md tells how to read it.
//!
//! Rounds of ours and of plain Cedar alternate, and the median of the rounds is told, so that a machine whose speed changes changes both.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark is no part of the gate"
)]

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityUid, PolicySet, Request, RestrictedExpression,
};
use haechi_authz::{Engine, Facts, Memo, PolicyFile, RouteFacts, RouteIndex, Rule, Vocabulary, compile};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::id::RequestId;
use haechi_core::{
    AttributeType, AttributeValue, Caller, CallerKind, CanonicalPath, ConnectionFacts, Host, MethodSet,
    PathPattern, RequestHead, RoleTable, Timestamp,
};
use http::Method;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many policies are about one route.
const PER_ROUTE: usize = 20;
const ROUNDS: usize = 7;

fn main() {
    // `cargo test --benches` runs it too, without asking for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("loading and validating 10,000 policies");
    load();
    println!("\nrole-only slice, microseconds a decision");
    println!("{:>9}  {:>9}  {:>12}  {:>12}", "policies", "gate", "gate, new", "plain Cedar");
    for policies in [10, 100, 1_000, 10_000] {
        roles_only(policies);
    }
    println!(
        "\na slice of {PER_ROUTE} policies that read address, time and path parameters, microseconds a decision"
    );
    request_facts();
}

fn vocabulary(routes: usize) -> Vocabulary {
    let roles = (0..50).map(|role| (format!("R{role}"), Vec::new())).collect();
    let route = |index: usize| RouteFacts {
        name: format!("route{index}").into(),
        service: Some("s".into()),
        labels: Vec::new(),
        pattern: PathPattern::parse(&format!("/r{index}/{{tenant}}/{{id}}")).unwrap(),
        methods: MethodSet::any(),
        rule: Rule::policy(),
    };
    Vocabulary {
        roles: RoleTable::new(&roles).unwrap(),
        attributes: BTreeMap::from([
            ("tenant".into(), AttributeType::String),
            ("clearance".into(), AttributeType::Long),
        ]),
        headers: BTreeMap::new(),
        routes: (0..routes.max(1)).map(route).collect(),
    }
}

/// Policies that look only at roles, [`PER_ROUTE`] of them for each route.
fn role_policies(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let (role, route) = (number % PER_ROUTE, number / PER_ROUTE);
        writeln!(
            text,
            "permit(principal in Role::\"R{role}\", action == Action::\"GET\", resource == Route::\"route{route}\");"
        )
        .unwrap();
    }
    text
}

fn engine(text: &str, routes: usize) -> Engine {
    let file = PolicyFile { name: "bench.cedar".into(), text: text.into() };
    Engine::new(Arc::new(compile(Arc::new(vocabulary(routes)), &[file]).unwrap())).unwrap()
}

fn head() -> RequestHead {
    let client = [10, 1, 2, 3].into();
    RequestHead::new(
        RequestId::from_bits(1),
        Timestamp::from_millis(1_764_000_000_000),
        ConnectionFacts::plain((client, 4711).into()),
        Method::GET,
        Host::parse(b"api.example.com").unwrap(),
        CanonicalPath::parse(b"/r0/acme/4711").unwrap(),
    )
    .with_client(client, true)
}

fn caller(role: &str) -> Caller {
    let claimed = Claimed {
        subject: "4c5e2f".into(),
        issuer: "https://sso.example.com".into(),
        roles: vec!["STAFF".into(), role.into()],
        scopes: vec!["orders:read".into(), "orders:write".into()],
        attributes: BTreeMap::from([
            ("tenant".into(), AttributeValue::String("acme".into())),
            ("clearance".into(), AttributeValue::Long(3)),
        ]),
        ..Claimed::default()
    };
    let table = vocabulary(1).roles;
    Caller::new(CallerKind::User, &"corp".into(), Vouched::ByOther, &table, claimed)
}

fn roles_only(policies: usize) {
    let (routes, text) = (policies.div_ceil(PER_ROUTE), role_policies(policies));
    let engine = engine(&text, routes);
    let callers: Vec<Caller> = (0..8).map(|role| caller(&format!("R{role}"))).collect();
    let (head, plain) = (head(), Plain::new(&text));
    let memo = Memo::default();
    let decide = |memo: &Memo, index: usize| {
        let facts = Facts { head: &head, route: RouteIndex::new(0), caller: &callers[index % callers.len()] };
        assert!(engine.decide(black_box(&facts), memo).is_allowed());
    };
    let [ours, new, theirs] = rounds([
        &mut |index| decide(&memo, index),
        &mut |index| decide(&Memo::default(), index),
        &mut |index| assert!(plain.decide(&head, &callers[index % callers.len()])),
    ]);
    println!("{policies:>9}  {ours:>9.3}  {new:>12.2}  {theirs:>12.2}");
}

fn request_facts() {
    let mut text = String::new();
    for number in 0..PER_ROUTE {
        writeln!(
            text,
            "permit(principal, action == Action::\"GET\", resource == Route::\"route0\") when {{ principal has tenant && context.params has tenant && principal.tenant == context.params.tenant && context.ip.isInRange(ip(\"10.{number}.0.0/16\")) && context.time > datetime(\"2025-01-01\") }};"
        )
        .unwrap();
    }
    let (engine, plain, head, caller, memo) =
        (engine(&text, 1), Plain::new(&text), head(), caller("R1"), Memo::default());
    let facts = Facts { head: &head, route: RouteIndex::new(0), caller: &caller };
    let (request, entities) = plain.question(&head, &caller);
    let [ours, built, given] = rounds([
        &mut |_| assert!(engine.decide(black_box(&facts), &memo).is_allowed()),
        &mut |_| assert!(plain.decide(&head, &caller)),
        &mut |_| assert!(plain.asked(&request, &entities)),
    ]);
    println!("gate, building the request            {ours:>8.2}");
    println!("plain Cedar, building the request     {built:>8.2}   gate / Cedar {:.2}", ours / built);
    println!("plain Cedar, request given            {given:>8.2}   gate / Cedar {:.2}", ours / given);
}

fn load() {
    let text = role_policies(10_000);
    let before = resident();
    let begun = Instant::now();
    let engine = engine(&text, 10_000 / PER_ROUTE);
    let took = begun.elapsed();
    let after = resident();
    black_box(&engine);
    println!("{:.2} s, {} MiB more resident", took.as_secs_f64(), (after.saturating_sub(before)) / 1024);
}

/// In KiB; 0 where the system does not tell.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// The median microseconds of each, in alternating rounds.
fn rounds<const N: usize>(work: [&mut dyn FnMut(usize); N]) -> [f64; N] {
    const ROUND: Duration = Duration::from_millis(150);
    let mut measured: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    let mut work = work;
    for _ in 0..ROUNDS {
        for (work, measured) in work.iter_mut().zip(&mut measured) {
            let (begun, mut count) = (Instant::now(), 0usize);
            while begun.elapsed() < ROUND {
                for _ in 0..16 {
                    work(count);
                    count += 1;
                }
            }
            measured.push(begun.elapsed().as_secs_f64() * 1e6 / count as f64);
        }
    }
    measured.map(|mut rounds| {
        rounds.sort_by(f64::total_cmp);
        rounds[rounds.len() / 2]
    })
}

/// Plain Cedar, as somebody would use it who knows it well: everything that can be made once is made once.
struct Plain {
    authorizer: Authorizer,
    policies: PolicySet,
    action: EntityUid,
    resource: EntityUid,
    entities: Entities,
}

impl Plain {
    fn new(policies: &str) -> Self {
        let resource: EntityUid = "Route::\"route0\"".parse().unwrap();
        let labels = HashMap::from([("labels".to_owned(), RestrictedExpression::new_set([]))]);
        let route = Entity::new(resource.clone(), labels, HashSet::new()).unwrap();
        Self {
            authorizer: Authorizer::new(),
            policies: policies.parse().unwrap(),
            action: "Action::\"GET\"".parse().unwrap(),
            resource,
            entities: Entities::from_entities([route], None).unwrap(),
        }
    }

    fn question(&self, head: &RequestHead, caller: &Caller) -> (Request, Entities) {
        let string = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let principal: EntityUid = format!("User::\"{}|{}\"", caller.issuer, caller.subject).parse().unwrap();
        let mut attributes: HashMap<String, RestrictedExpression> = HashMap::from([
            ("subject".into(), string(&caller.subject)),
            ("issuer".into(), string(&caller.issuer)),
            ("authenticator".into(), string(&caller.authenticator)),
            ("scopes".into(), RestrictedExpression::new_set(caller.scopes.iter().map(|scope| string(scope)))),
        ]);
        for (name, value) in &caller.attributes {
            let value = match value {
                AttributeValue::Bool(value) => RestrictedExpression::new_bool(*value),
                AttributeValue::Long(value) => RestrictedExpression::new_long(*value),
                AttributeValue::String(value) => string(value),
                AttributeValue::Set(members) => {
                    RestrictedExpression::new_set(members.iter().map(|member| string(member)))
                }
            };
            attributes.insert(name.to_string(), value);
        }
        let roles = caller.roles.iter().map(|role| format!("Role::\"{role}\"").parse().unwrap()).collect();
        let entity = Entity::new(principal.clone(), attributes, roles).unwrap();
        let entities = self.entities.clone().add_entities([entity], None).unwrap();
        let mut segments = head.path.segments().skip(1);
        let params =
            ["tenant", "id"].map(|name| (name.to_owned(), string(segments.next().unwrap_or_default())));
        let time = head.received.rfc3339_millis().to_string();
        let context = Context::from_pairs([
            ("host".into(), string(head.host.name())),
            ("path".into(), string(head.path.as_str())),
            ("params".into(), RestrictedExpression::new_record(params).unwrap()),
            ("headers".into(), RestrictedExpression::new_record([]).unwrap()),
            ("ip".into(), RestrictedExpression::new_ip(head.client.to_string())),
            ("time".into(), RestrictedExpression::new_datetime(time)),
            ("secure".into(), RestrictedExpression::new_bool(head.secure)),
        ])
        .unwrap();
        let request =
            Request::new(principal, self.action.clone(), self.resource.clone(), context, None).unwrap();
        (request, entities)
    }

    fn decide(&self, head: &RequestHead, caller: &Caller) -> bool {
        let (request, entities) = self.question(head, caller);
        self.asked(&request, &entities)
    }

    fn asked(&self, request: &Request, entities: &Entities) -> bool {
        let response = self.authorizer.is_authorized(request, &self.policies, entities);
        response.decision() == cedar_policy::Decision::Allow
    }
}
