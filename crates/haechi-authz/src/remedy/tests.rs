//! The smallest change of a caller.

use super::Step;
use crate::testing::{Ask, World};
use crate::{Facts, Memo};
use haechi_core::AttributeValue;

/// What is proposed for this question, in words.
fn remedy(world: &World, ask: Ask<'_>) -> Option<Vec<String>> {
    let engine = world.engine().unwrap();
    let (head, route, caller) = ask.parts();
    let facts = Facts { head: &head, route, caller: &caller };
    assert!(!engine.decide(&facts, &Memo::default()).is_allowed(), "there is something to remedy");
    let steps = engine.remedy(&facts)?;
    let better = super::changed(&engine.compiled().vocabulary().roles, &caller, &steps);
    let facts = Facts { caller: &better, ..facts };
    assert!(engine.decide(&facts, &Memo::default()).is_allowed(), "{steps:?} helps");
    Some(steps.iter().map(Step::to_string).collect())
}

fn one(text: &str) -> Option<Vec<String>> {
    Some(vec![text.to_owned()])
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::String(value.into())
}

#[test]
fn the_least_powerful_role_is_enough() {
    let world = World::new("").route("r", "/r", &["roles MANAGER ADMIN"]);
    assert_eq!(remedy(&world, world.ask("r").roles(&["USER"])), one("add the role `MANAGER`"));
    let both = World::new(r#"forbid(principal, action, resource) unless { principal in Role::"GUEST" };"#)
        .route("r", "/r", &["roles USER"]);
    let steps = remedy(&both, both.ask("r")).unwrap();
    assert_eq!(steps, ["add the role `GUEST`", "add the role `USER`"]);
}

#[test]
fn one_role_that_brings_two_is_smaller_than_two() {
    let policy = r#"forbid(principal, action, resource) unless { principal in Role::"MANAGER" };"#;
    let world = World::new(policy).route("r", "/r", &["roles USER"]);
    assert_eq!(remedy(&world, world.ask("r")), one("add the role `MANAGER`"));
}

#[test]
fn missing_scopes_are_granted_together() {
    let world = World::new("").route("r", "/r", &["scopes a b c"]);
    assert_eq!(remedy(&world, world.ask("r").scopes(&["b"])), one("grant the scopes `a`, `c`"));
}

#[test]
fn attributes_take_values_that_are_compared_with() {
    let world = World::new("").route("r", "/t/{tenant}", &["when principal.tenant == context.params.tenant"]);
    let ask = || world.ask("r").path("/t/acme");
    assert_eq!(remedy(&world, ask()), one("set the attribute `tenant` to `acme`"));
    let other = ask().attribute("tenant", text("globex"));
    assert_eq!(remedy(&world, other), one("set the attribute `tenant` to `acme`"));

    let world = World::new("").route("r", "/r", &["when principal.clearance > 3 && principal.mfa"]);
    let ask = world.ask("r").attribute("clearance", AttributeValue::Long(1));
    let mut steps = remedy(&world, ask).unwrap();
    steps.sort();
    assert_eq!(steps, ["set the attribute `clearance` to `4`", "set the attribute `mfa` to `true`"]);

    let world = World::new("").route("r", "/r", &[r#"when principal.tenant like "eu-*""#]);
    assert_eq!(remedy(&world, world.ask("r")), one("set the attribute `tenant` to `eu-`"));
}

#[test]
fn three_changes_are_found_together() {
    let world = World::new("").route("r", "/r", &["roles ADMIN", "scopes a b", "when principal.mfa"]);
    let mut steps = remedy(&world, world.ask("r")).unwrap();
    steps.sort();
    assert_eq!(
        steps,
        ["add the role `ADMIN`", "grant the scopes `a`, `b`", "set the attribute `mfa` to `true`"]
    );
}

#[test]
fn what_is_forbidden_to_a_role_needs_its_absence() {
    let policy = r#"forbid(principal in Role::"GUEST", action, resource);"#;
    let world = World::new(policy).route("r", "/r", &["any"]);
    assert_eq!(remedy(&world, world.ask("r").roles(&["GUEST"])), one("take away the role `GUEST`"));
}

#[test]
fn where_nothing_helps_nothing_is_proposed() {
    let world = World::new("forbid(principal, action, resource);").route("r", "/r", &["roles ADMIN"]);
    assert_eq!(remedy(&world, world.ask("r").roles(&["USER"])), None);
    let nobody = World::new("").route("r", "/r", &["policy"]);
    assert_eq!(remedy(&nobody, nobody.ask("r").roles(&["ADMIN"])), None);
}
