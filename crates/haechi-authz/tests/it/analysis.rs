//! What is analysed is what is decided: on made-up worlds the form that proofs are about says of every caller and request what the engine says.

use crate::reference::world::World;
use fastrand::Rng;
use haechi_authz::analysis::{
    CallerOrigin, Demand, Example, Finding, Form, Group, Property, PropertyScope, RouteAccess, Side, Solver,
    prove,
};
use haechi_authz::{Engine, Facts, Memo};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::id::RequestId;
use haechi_core::{Caller, CallerKind, ConnectionFacts, Fields, Host, RequestHead};
use std::sync::Arc;

/// Everybody who [`World::question`] makes up can come to every route.
fn access() -> RouteAccess {
    let kinds = [CallerKind::User, CallerKind::ApiKey].into_iter();
    let known = kinds.flat_map(|kind| ["local", "corp"].map(|name| CallerOrigin::any(kind, &name.into())));
    RouteAccess {
        ways: known.chain([CallerOrigin::anonymous(&"anonymous".into())]).collect(),
        hosts: Vec::new(),
    }
}

#[test]
fn the_analysed_form_says_what_the_engine_says() {
    let (mut allowed, mut denied, mut beyond, mut forms) = (0, 0, 0, 0);
    for seed in 60..100 {
        let mut rng = Rng::with_seed(1_000_000 + seed);
        let world = World::generate(&mut rng);
        let compiled = Arc::new(world.compiled());
        let engine = Engine::new(compiled.clone()).unwrap();
        let access: Vec<RouteAccess> = world.vocabulary.routes.iter().map(|_| access()).collect();
        let side = Side { compiled: &compiled, access: &access, takes: &|_, _, _, _| true };
        let made: Vec<_> =
            compiled.vocabulary().indexed_routes().map(|(route, _)| Form::of(&side, route)).collect();
        for form in &made {
            match form {
                Ok(_) => forms += 1,
                Err(why) => {
                    beyond += 1;
                    assert!(why.contains("cannot be analysed"), "seed {seed}: {why}\n{world}");
                }
            }
        }
        for question in 0..60 {
            let (head, route, caller) = world.question(&mut rng);
            let Ok(form) = &made[route.get()] else { continue };
            let facts = Facts { head: &head, route, caller: &caller };
            let expected = engine.decide(&facts, &Memo::default()).is_allowed();
            assert_eq!(
                form.passes(&facts),
                expected,
                "seed {seed}, question {question}: {head:#?}\n{caller:#?}\n{form:?}\n{world}"
            );
            *(if expected { &mut allowed } else { &mut denied }) += 1;
        }
    }
    println!("{allowed} allowed, {denied} denied; {forms} routes analysed, {beyond} beyond analysis");
    assert!(allowed > 500 && denied > 500 && forms > 50, "{allowed} {denied} {forms} {beyond}");
    assert!(beyond * 20 < forms, "{beyond} of {forms} routes are beyond analysis");
}

fn head(example: &Example) -> RequestHead {
    let mut fields = Fields::default();
    for value in example.headers.values() {
        fields.push(b"x-purpose", value.as_bytes());
    }
    RequestHead::new(
        RequestId::from_bits(1),
        example.time,
        ConnectionFacts::plain((example.ip, 1).into()),
        example.method.clone(),
        Host::parse(example.host.as_bytes()).unwrap(),
        example.path.clone(),
    )
    .with_fields(fields)
    .with_client(example.ip, example.secure)
}

fn caller(world: &World, example: &Example) -> Caller {
    let claimed = Claimed {
        subject: example.subject.clone(),
        issuer: example.issuer.clone(),
        roles: example.roles.iter().map(ToString::to_string).collect(),
        scopes: example.scopes.iter().map(ToString::to_string).collect(),
        attributes: example.attributes.clone(),
        ..Claimed::default()
    };
    Caller::new(example.kind, &example.authenticator, Vouched::ByOther, &world.vocabulary.roles, claimed)
}

#[tokio::test]
async fn whom_the_solver_finds_passes_and_where_it_finds_nobody_nobody_does() {
    let (mut found, mut nobody, mut undecided) = (0, 0, 0);
    let mut solver = Solver::start("cvc5").expect("the program `cvc5` must be installed");
    let demand = Demand::Never(Group::default());
    let property =
        Property { name: "nobody".into(), concern: PropertyScope::All, methods: Vec::new(), demand };
    for seed in 0..12 {
        let mut rng = Rng::with_seed(2_000_000 + seed);
        let world = World::generate(&mut rng);
        let compiled = Arc::new(world.compiled());
        let engine = Engine::new(compiled.clone()).unwrap();
        let access: Vec<RouteAccess> = world.vocabulary.routes.iter().map(|_| access()).collect();
        let side = Side { compiled: &compiled, access: &access, takes: &|_, _, _, _| true };
        let mut closed = Vec::new();
        for (route, finding) in prove(&side, &property, &mut solver).await.routes {
            match finding {
                Finding::None => closed.push(route),
                Finding::Undecided(why) => {
                    println!("seed {seed}, route {}: {why}", route.get());
                    undecided += 1;
                }
                Finding::Example(example) => {
                    let (head, caller) = (head(&example), caller(&world, &example));
                    let facts = Facts { head: &head, route, caller: &caller };
                    let verdict = engine.decide(&facts, &Memo::default());
                    assert!(verdict.is_allowed(), "seed {seed}: {example:#?}\n{verdict:#?}\n{world}");
                    found += 1;
                }
            }
        }
        for _ in 0..200 {
            let (head, route, caller) = world.question(&mut rng);
            let facts = Facts { head: &head, route, caller: &caller };
            let passes = closed.contains(&route) && engine.decide(&facts, &Memo::default()).is_allowed();
            assert!(!passes, "seed {seed}: {head:#?}\n{caller:#?}\n{world}");
        }
        nobody += closed.len();
    }
    println!("somebody on {found} routes, nobody on {nobody}, {undecided} undecided; {:?}", solver.spent());
    assert!(found > 12 && nobody > 1 && undecided * 10 <= found, "{found} {nobody} {undecided}");
}
