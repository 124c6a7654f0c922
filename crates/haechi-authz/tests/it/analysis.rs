//! What is analysed is what is decided: on made-up worlds the form that proofs are about says of every caller and request what the engine says.

use crate::reference::world::World;
use fastrand::Rng;
use haechi_authz::analysis::{Form, Ground, Side, Way};
use haechi_authz::{Engine, Facts, Memo};
use haechi_core::CallerKind;
use std::sync::Arc;

/// Everybody who [`World::question`] makes up can come to every route.
fn ground() -> Ground {
    let kinds = [CallerKind::User, CallerKind::ApiKey].into_iter();
    let known = kinds.flat_map(|kind| ["local", "corp"].map(|name| Way::any(kind, &name.into())));
    Ground { ways: known.chain([Way::anonymous(&"anonymous".into())]).collect(), hosts: Vec::new() }
}

#[test]
fn the_analysed_form_says_what_the_engine_says() {
    let (mut allowed, mut denied, mut beyond, mut forms) = (0, 0, 0, 0);
    for seed in 0..100 {
        let mut rng = Rng::with_seed(1_000_000 + seed);
        let world = World::generate(&mut rng);
        let compiled = Arc::new(world.compiled());
        let engine = Engine::new(compiled.clone()).unwrap();
        let grounds: Vec<Ground> = world.vocabulary.routes.iter().map(|_| ground()).collect();
        let side = Side { compiled: &compiled, grounds: &grounds, takes: &|_, _, _, _| true };
        let made: Vec<_> = (0..grounds.len()).map(|route| Form::of(&side, route)).collect();
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
            let Ok(form) = &made[route] else { continue };
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
    assert!(allowed > 1_000 && denied > 1_000 && forms > 100, "{allowed} {denied} {forms} {beyond}");
    assert!(beyond * 20 < forms, "{beyond} of {forms} routes are beyond analysis");
}
