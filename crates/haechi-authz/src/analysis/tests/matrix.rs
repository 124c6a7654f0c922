//! Cells of the matrix against the engine.

use crate::analysis::{CallerOrigin, cell};
use crate::testing::World;
use haechi_core::{AttributeValue, CallerKind, Role};
use http::Method;

fn world() -> World {
    World::new(
        r#"
        forbid(principal, action in Action::"write", resource) unless { principal has mfa && principal.mfa };
        forbid(principal in Role::"GUEST", action, resource == Route::"mixed");
        permit(principal in Role::"AUDITOR", action in Action::"read", resource == Route::"policy");
        permit(principal, action, resource == Route::"policy") when { context.secure };
        "#,
    )
    .route("any", "/any", &["any"])
    .route("roles", "/roles", &["roles MANAGER"])
    .route("tenant", "/t/{tenant}", &["when principal.tenant == context.params.tenant"])
    .route("sum", "/sum", &["when principal.clearance + 1 > 3"])
    .route("mixed", "/mixed", &["roles USER GUEST", "scopes a"])
    .route("policy", "/policy", &["policy"])
    .built_in("login", "/login")
}

fn told(route: &str, method: Method, role: Option<&str>) -> (Option<bool>, Option<String>) {
    let engine = world().engine().unwrap();
    let index = engine.compiled().vocabulary().index_of(route).unwrap();
    let way = CallerOrigin::any(CallerKind::User, &"local".into());
    let role = role.map(Role::from);
    let cell = cell(engine.compiled(), index, &method, &way, role.as_ref()).unwrap();
    (cell.allows, cell.condition)
}

#[test]
fn what_is_decided_before_any_request_is_said_outright() {
    assert_eq!(told("roles", Method::GET, Some("ADMIN")), (Some(true), None));
    assert_eq!(told("login", Method::POST, None), (Some(true), None));
    assert_eq!(told("roles", Method::GET, Some("USER")), (Some(false), None));
    assert_eq!(told("mixed", Method::GET, Some("GUEST")), (Some(false), None));
    assert_eq!(told("policy", Method::GET, Some("AUDITOR")), (Some(true), None));
    let (allows, condition) = told("policy", Method::GET, None);
    assert_eq!((allows, condition.as_deref()), (None, Some("context.secure")));
    let (allows, condition) = told("tenant", Method::GET, None);
    assert_eq!((allows, condition.as_deref()), (None, Some("principal.tenant == context.params.tenant")));
}

/// Whatever a caller and a request may bring besides, cells that allow always allow, and cells that deny always deny.
#[test]
fn cells_agree_with_the_engine_on_facts_at_random() {
    let world = world();
    let engine = world.engine().unwrap();
    let roles = [None, Some("USER"), Some("MANAGER"), Some("ADMIN"), Some("GUEST"), Some("AUDITOR")];
    let mut random = fastrand::Rng::with_seed(7);
    let way = CallerOrigin::any(CallerKind::User, &"local".into());
    let (mut allowed, mut denied) = (0, 0);
    for _ in 0..4000 {
        let route = *random.choice(&["any", "roles", "tenant", "sum", "mixed", "policy"]).unwrap();
        let method = *random.choice(&["GET", "POST", "DELETE", "OPTIONS"]).unwrap();
        let role = *random.choice(&roles).unwrap();
        let mut ask = world.ask(route).method(method);
        if route == "tenant" {
            ask = ask.path(random.choice(&["/t/a", "/t/b"]).unwrap());
        }
        ask = ask.roles(role.as_slice());
        if random.bool() {
            ask = ask.attribute("tenant", AttributeValue::String("a".into()));
        }
        if random.bool() {
            ask = ask.attribute("mfa", AttributeValue::Bool(random.bool()));
        }
        if random.bool() {
            ask =
                ask.attribute("clearance", AttributeValue::Long(*random.choice(&[1, 5, i64::MAX]).unwrap()));
        }
        if random.bool() {
            ask = ask.scopes(&["a"]);
        }
        if random.bool() {
            ask = ask.secure();
        }
        let (head, index, caller) = ask.parts();
        let facts = crate::Facts { head: &head, route: index, caller: &caller };
        let is = engine.decide(&facts, &crate::Memo::default()).is_allowed();
        let named = role.map(Role::from);
        let cell = cell(engine.compiled(), index, &head.method, &way, named.as_ref()).unwrap();
        match cell.allows {
            Some(says) => assert_eq!(says, is, "{method} {route} {role:?}"),
            None => assert!(cell.condition.is_some()),
        }
        allowed += usize::from(cell.allows == Some(true));
        denied += usize::from(cell.allows == Some(false));
    }
    assert!(allowed > 100 && denied > 100, "{allowed} {denied}");
}
