use super::world::{World, anonymous, key, roles, user, when};
use crate::Rule;
use crate::analysis::{Change, Finding, Relation, RouteDiff};
use haechi_core::method::NAMED_METHODS;
use http::Method;

const STAFF: &[(&str, &[&str])] = &[("USER", &[]), ("MANAGER", &["USER"]), ("ADMIN", &["MANAGER"])];

fn relation(changes: &[RouteDiff]) -> Relation {
    match &changes[0].change {
        Change::Kept { relation, .. } => *relation,
        other => panic!("{other:?}"),
    }
}

async fn between(old: Vec<crate::Clause>, new: Vec<crate::Clause>) -> Relation {
    let world = |clauses| World::new(STAFF).route("r", "/r/{tenant}", clauses);
    relation(&world(old).compare(&world(new)).await)
}

#[tokio::test]
async fn the_four_relations() {
    let (user, manager) = (|| roles(&["USER"]), || roles(&["MANAGER"]));
    assert_eq!(between(vec![manager()], vec![user()]).await, Relation::Wider);
    assert_eq!(between(vec![user()], vec![manager()]).await, Relation::Narrower);
    assert_eq!(between(vec![user()], vec![roles(&["USER", "MANAGER"])]).await, Relation::Same);
    assert_eq!(between(vec![user(), when("principal.mfa")], vec![manager()]).await, Relation::Incomparable);
    assert_eq!(between(vec![when(r#"context.path like "/r/*""#)], vec![user()]).await, Relation::Narrower);
}

#[tokio::test]
async fn each_side_has_its_own_hierarchy() {
    let flat: &[(&str, &[&str])] = &[("USER", &[]), ("MANAGER", &[]), ("ADMIN", &[])];
    let old = World::new(flat).route("r", "/r", vec![roles(&["USER"])]);
    let new = World::new(STAFF).route("r", "/r", vec![roles(&["USER"])]);
    assert_eq!(relation(&old.compare(&new).await), Relation::Wider);
    assert_eq!(relation(&new.compare(&old).await), Relation::Narrower);
}

#[tokio::test]
async fn methods_and_authenticators_count() {
    let clause = || vec![roles(&["USER"])];
    let reads = World::new(STAFF).route("r", "/r", clause()).methods(&[Method::GET]);
    let all = World::new(STAFF).route("r", "/r", clause());
    assert_eq!(relation(&reads.compare(&all).await), Relation::Wider);
    // All seven by name are not all: others have none, of which some may be listed.
    let named = |more: &str| {
        let more = more.split_whitespace().map(|name| name.parse().unwrap());
        let methods: Vec<Method> = NAMED_METHODS.iter().cloned().chain(more).collect();
        World::new(STAFF).route("r", "/r", clause()).methods(&methods)
    };
    assert_eq!(relation(&named("").compare(&all).await), Relation::Wider);
    assert_eq!(relation(&named("PROPFIND QUERY").compare(&all).await), Relation::Wider);
    assert_eq!(relation(&all.compare(&named("PROPFIND QUERY")).await), Relation::Narrower);
    assert_eq!(relation(&named("").compare(&named("QUERY")).await), Relation::Wider);
    assert_eq!(relation(&named("REPORT").compare(&named("QUERY")).await), Relation::Incomparable);
    assert_eq!(relation(&all.compare(&all).await), Relation::Same);
    let forbids =
        r#"permit(principal, action, resource); forbid(principal, action == Action::"other", resource);"#;
    let forbidden = |world: World| world.policies(forbids);
    assert_eq!(relation(&all.compare(&forbidden(named(""))).await), Relation::Narrower);
    let all_named_by_policy = forbidden(World::new(STAFF).route("r", "/r", clause()));
    assert_eq!(relation(&all_named_by_policy.compare(&forbidden(named("QUERY"))).await), Relation::Same);
    let rule = || Rule::all_of(clause()).unwrap();
    let more = World::new(STAFF).with("r", "/r", rule(), vec![user(), key()]);
    assert_eq!(relation(&all.compare(&more).await), Relation::Wider);
    // Somebody without a role comes in, and does not pass.
    let open = World::new(STAFF).with("r", "/r", rule(), vec![user(), anonymous()]);
    assert_eq!(relation(&all.compare(&open).await), Relation::Same);
}

#[tokio::test]
async fn an_attribute_of_another_type_is_another_attribute() {
    let old = World::new(STAFF).route("r", "/r", vec![when("principal.clearance > 3")]);
    let mut new = World::new(STAFF).route("r", "/r", vec![when(r#"principal.clearance == "high""#)]);
    new.vocabulary.attributes.insert("clearance".into(), haechi_core::AttributeType::String);
    assert_eq!(relation(&old.compare(&new).await), Relation::Undecided);
}

#[tokio::test]
async fn routes_come_go_and_move() {
    let old = World::new(STAFF).route("gone", "/gone", vec![roles(&["USER"])]).route(
        "moved",
        "/a",
        vec![roles(&["USER"])],
    );
    let new = World::new(STAFF).route("moved", "/b", vec![roles(&["USER"])]).with(
        "new",
        "/new",
        Rule::policy(),
        vec![user()],
    );
    let changes = old.compare(&new).await;
    let names: Vec<&str> = changes.iter().map(|change| &*change.name).collect();
    assert_eq!(names, ["moved", "new", "gone"]);
    assert!(matches!(&changes[0].change, Change::Moved(Finding::Example(now), Finding::Example(before))
        if now.path.as_str() == "/b" && before.path.as_str() == "/a"));
    assert!(matches!(&changes[1].change, Change::Added(Finding::None)));
    assert!(matches!(&changes[2].change, Change::Removed(Finding::Example(_))));
}
