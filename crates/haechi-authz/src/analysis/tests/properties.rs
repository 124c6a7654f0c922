use super::world::{World, anonymous, arcs, example, group_when, key, only, roles, user, when};
use crate::analysis::{CallerOrigin, Demand, Finding, Group, PossibleValues, Proof, PropertyScope};
use crate::{Clause, Rule};
use haechi_core::{AttributeValue, CallerKind, PathPattern};

const STAFF: &[(&str, &[&str])] = &[("USER", &[]), ("MANAGER", &["USER"]), ("ADMIN", &["MANAGER"])];

fn of_roles(names: &[&str]) -> Group {
    Group { roles: arcs(names).to_vec(), ..Group::default() }
}

fn direct(names: &[&str]) -> Group {
    Group { direct_roles: arcs(names).to_vec(), ..Group::default() }
}

async fn holds(world: &World, demand: Demand) -> bool {
    world.prove(PropertyScope::All, demand).await.holds()
}

#[tokio::test]
async fn the_hierarchy_of_roles_is_the_declared_one() {
    let world = World::new(STAFF).route("admin", "/admin/**", vec![roles(&["ADMIN"])]);
    assert!(holds(&world, only(of_roles(&["ADMIN"]))).await);
    // An administrator who is no user does not exist.
    assert!(holds(&world, only(of_roles(&["USER"]))).await);
    let world = World::new(STAFF).route("admin", "/admin/**", vec![roles(&["MANAGER"])]);
    let proof = world.prove(PropertyScope::All, only(of_roles(&["ADMIN"]))).await;
    assert_eq!(example(&proof).roles, [std::sync::Arc::from("MANAGER")]);
    assert_eq!(proof.included, []);
}

#[tokio::test]
async fn a_role_that_includes_another_is_told_of_and_found_where_only_direct_ones_count() {
    let wrong: &[(&str, &[&str])] = &[("ADMIN", &[]), ("MANAGER", &["ADMIN"])];
    let world = World::new(wrong).route("admin", "/admin/**", vec![roles(&["ADMIN"])]);
    let proof = world.prove(PropertyScope::All, only(of_roles(&["ADMIN"]))).await;
    assert!(proof.holds());
    assert_eq!(proof.included, [("ADMIN".into(), vec!["MANAGER".into()])]);
    let proof = world.prove(PropertyScope::All, only(direct(&["ADMIN"]))).await;
    assert_eq!(example(&proof).roles, [std::sync::Arc::from("MANAGER")]);
    let world = World::new(STAFF).route("admin", "/admin/**", vec![roles(&["ADMIN"])]);
    assert!(holds(&world, only(direct(&["ADMIN"]))).await);
}

#[tokio::test]
async fn a_property_is_about_built_in_routes_where_it_says_so() {
    let world = World::new(STAFF)
        .policies("forbid(principal, action, resource);")
        .route("all", "/**", vec![roles(&["USER"])])
        .built_in("login", "/auth/login");
    let never = || Demand::Never(Group { anonymous: Some(true), ..Group::default() });
    let path = |path: &str| PropertyScope::Path(PathPattern::parse(path).unwrap());
    let of_routes = |proof: &Proof| proof.routes.iter().map(|(route, _)| route.get()).collect::<Vec<_>>();
    for (concern, routes, holds) in [
        (PropertyScope::All, vec![0], true),
        (path("/shop/**"), vec![0], true),
        (path("/**"), vec![0, 1], false),
        (path("/auth/**"), vec![0, 1], false),
        // It takes every request for this path, so the other route has none of them.
        (path("/auth/login"), vec![1], false),
        (PropertyScope::Routes(vec!["login".into()]), vec![1], false),
    ] {
        let proof = world.prove(concern.clone(), never()).await;
        assert_eq!((of_routes(&proof), proof.holds()), (routes, holds), "{concern:?}");
    }
    let always = Demand::AlwaysIf(Group { anonymous: Some(true), ..Group::default() });
    assert!(world.prove(path("/auth/login"), always).await.holds());
}

#[tokio::test]
async fn tenants_stay_apart() {
    let same = "principal.tenant == context.params.tenant";
    let world =
        World::new(STAFF).route("order", "/tenants/{tenant}/orders/{id}", vec![roles(&["USER"]), when(same)]);
    assert!(holds(&world, only(group_when(&world, same))).await);
    let open = World::new(STAFF).route("order", "/tenants/{tenant}/orders/{id}", vec![roles(&["USER"])]);
    let proof = open.prove(PropertyScope::All, only(group_when(&open, same))).await;
    let example = example(&proof);
    assert_eq!(example.roles.len(), 1);
    let differs = group_when(&open, "principal.tenant != context.params.tenant");
    let both = Group { roles: arcs(&["USER"]).to_vec(), ..differs };
    let proof = open.prove(PropertyScope::All, Demand::Never(both)).await;
    let text = serde_json::to_string(super::world::example(&proof)).unwrap();
    assert!(text.contains(r#""tenant":"one""#) || text.contains(r#""tenant":"two""#), "{text}");
}

#[tokio::test]
async fn nobody_in_particular_has_no_roles() {
    let ways = || vec![user(), anonymous()];
    let open = World::new(STAFF).with("open", "/open/**", Rule::any(), ways());
    let never = || Demand::Never(Group { anonymous: Some(true), ..Group::default() });
    let proof = open.prove(PropertyScope::All, never()).await;
    assert_eq!(example(&proof).kind, CallerKind::Anonymous);
    let closed = Rule::all_of(vec![roles(&["USER"])]).unwrap();
    assert!(holds(&World::new(STAFF).with("closed", "/closed/**", closed, ways()), never()).await);
    let keys = World::new(STAFF).with("keys", "/keys", Rule::any(), vec![key()]);
    assert!(holds(&keys, never()).await);
    let fixed = CallerOrigin { roles: PossibleValues::Exactly(vec!["USER".into()]), scopes: false, ..user() };
    let file = World::new(STAFF).with("file", "/file", Rule::any(), vec![fixed]);
    assert!(holds(&file, only(of_roles(&["USER"]))).await);
    assert!(holds(&file, Demand::Never(of_roles(&["ADMIN"]))).await);
    let partner = Group { authenticators: arcs(&["partner"]).to_vec(), ..Group::default() };
    assert!(holds(&keys, only(partner)).await);
}

#[tokio::test]
async fn a_policy_that_forbids_wins() {
    let files = r#"
        permit(principal in Role::"USER", action, resource);
        forbid(principal, action in Action::"write", resource) unless { principal has mfa && principal.mfa };
    "#;
    let world =
        World::new(STAFF).with("reports", "/reports/**", Rule::policy(), vec![user()]).policies(files);
    let writes = group_when(&world, r#"action in Action::"write" && !principal.mfa"#);
    assert!(holds(&world, Demand::Never(writes)).await);
    let reads = group_when(&world, r#"action == Action::"GET""#);
    let proof = world.prove(PropertyScope::All, only(reads)).await;
    assert_ne!(example(&proof).method, http::Method::GET);
    assert!(holds(&world, only(of_roles(&["USER"]))).await);
    let admins = Group { roles: arcs(&["ADMIN"]).to_vec(), ..group_when(&world, "principal.mfa") };
    assert!(holds(&world, Demand::AlwaysIf(admins)).await);
    let proof = world.prove(PropertyScope::All, Demand::AlwaysIf(of_roles(&["ADMIN"]))).await;
    assert_ne!(example(&proof).attributes.get("mfa"), Some(&AttributeValue::Bool(true)));
}

#[tokio::test]
async fn no_policy_that_permits_is_nobody() {
    let world = World::new(STAFF).with("reports", "/reports/**", Rule::policy(), vec![user()]);
    assert!(holds(&world, Demand::Never(Group::default())).await);
}

#[tokio::test]
async fn what_overflows_denies() {
    // 9223372036854775807 + 1 is an error, in a permit as in a forbid.
    let clause = "principal.clearance + 1 > 5";
    let world = World::new(STAFF).route("secret", "/secret", vec![when(clause)]);
    let highest = "principal.clearance == 9223372036854775807";
    assert!(holds(&world, Demand::Never(group_when(&world, highest))).await);
    assert!(
        !holds(&world, Demand::Never(group_when(&world, "principal.clearance == 9223372036854775806"))).await
    );

    let files = r#"
        permit(principal, action, resource);
        permit(principal, action, resource) when { principal has clearance && principal.clearance + 1 > 5 };
        forbid(principal, action, resource) when { principal has clearance && principal.clearance * 2 == 8 };
    "#;
    let world = World::new(STAFF).with("secret", "/secret", Rule::policy(), vec![user()]).policies(files);
    assert!(holds(&world, Demand::Never(group_when(&world, highest))).await);
    assert!(holds(&world, Demand::Never(group_when(&world, "principal.clearance == 4"))).await);
    assert!(!holds(&world, Demand::Never(group_when(&world, "principal.clearance == 5"))).await);
}

#[tokio::test]
async fn addresses_are_addresses_and_not_networks() {
    let inside = r#"context.ip.isInRange(ip("10.0.0.0/8"))"#;
    let world = World::new(STAFF).route("ops", "/ops/**", vec![when(inside)]);
    assert!(holds(&world, only(group_when(&world, inside))).await);
    let halves = r#"context.ip.isInRange(ip("10.0.0.0/9")) || context.ip.isInRange(ip("10.128.0.0/9"))"#;
    assert!(holds(&world, only(group_when(&world, halves))).await);
    let narrower = r#"context.ip.isInRange(ip("10.1.0.0/16"))"#;
    let proof = world.prove(PropertyScope::All, only(group_when(&world, narrower))).await;
    assert!(example(&proof).ip.to_string().starts_with("10."), "{proof:?}");
    let family = group_when(&world, "context.ip.isIpv4()");
    assert!(holds(&world, only(family)).await);
}

#[tokio::test]
async fn hours_of_the_day() {
    let hours = r#"context.time.toTime() >= duration("8h") && context.time.toTime() < duration("18h")"#;
    let world = World::new(STAFF).route("office", "/office", vec![when(hours)]);
    let night = r#"context.time.toTime() >= duration("20h")"#;
    assert!(holds(&world, Demand::Never(group_when(&world, night))).await);
    let proof = world.prove(PropertyScope::All, Demand::Never(Group::default())).await;
    let hour = example(&proof).time.as_seconds().rem_euclid(86_400) / 3_600;
    assert!((8..18).contains(&hour), "{hour}");
    let until = r#"context.time < datetime("2030-01-01")"#;
    let world = World::new(STAFF).route("trial", "/trial", vec![when(until)]);
    assert!(holds(&world, only(group_when(&world, r#"context.time <= datetime("2030-01-01")"#))).await);
    assert!(!holds(&world, only(group_when(&world, r#"context.time < datetime("2029-12-31")"#))).await);
}

#[tokio::test]
async fn names_labels_services_and_scopes() {
    let files = r#"
        permit(principal, action, resource in Service::"backend")
        when { resource.labels.contains("pii") && principal.scopes.contains("pii:read") };
        permit(principal == User::"https://a|b|c", action, resource == Route::"people");
        permit(principal, action, resource == Route::"other");
    "#;
    let world = World::new(STAFF).with("people", "/people/*", Rule::policy(), vec![user()]).policies(files);
    let world = world.with("other", "/other", Rule::policy(), vec![anonymous()]);
    let people = || PropertyScope::Path(PathPattern::parse("/people/**").unwrap());
    let either = r#"principal.scopes.contains("pii:read") || (principal.subject == "b|c" && principal.issuer == "https://a")
        || (principal.subject == "c" && principal.issuer == "https://a|b")"#;
    assert!(world.prove(people(), only(group_when(&world, either))).await.holds());
    let scoped = Group { scopes: arcs(&["pii:read"]).to_vec(), ..Group::default() };
    let proof = world.prove(people(), only(scoped)).await;
    assert_eq!(proof.routes.len(), 1);
    assert!(example(&proof).issuer.starts_with("https://a"));
}

#[tokio::test]
async fn paths_of_a_property_narrow_the_route() {
    let world = World::new(STAFF).route("all", "/**", vec![when(r#"context.path like "/public/*""#)]);
    let never = || Demand::Never(Group::default());
    let path = |pattern: &str| PropertyScope::Path(PathPattern::parse(pattern).unwrap());
    assert!(world.prove(path("/private/**"), never()).await.holds());
    let proof = world.prove(path("/public/*"), never()).await;
    assert!(example(&proof).path.as_str().starts_with("/public/"));
    // A more specific route takes these requests.
    let world = World::new(STAFF).with("login", "/admin/login", Rule::any(), vec![anonymous()]);
    let world = world.route("admin", "/admin/**", vec![roles(&["ADMIN"])]);
    let proof = world.prove(path("/admin/login"), never()).await;
    assert_eq!(proof.routes.iter().map(|(route, _)| route.get()).collect::<Vec<_>>(), [0]);
}

#[tokio::test]
async fn what_cannot_be_analysed_is_never_proved() {
    let beyond = r#"[resource] == [Route::"odd"]"#;
    let world = World::new(STAFF).route("odd", "/odd", vec![when(beyond)]);
    let proof = world.prove(PropertyScope::All, Demand::Never(Group::default())).await;
    match &proof.routes[0].1 {
        Finding::Undecided(why) => {
            assert!(why.contains("haechi.yaml:1") && why.contains("`resource`"), "{why}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_choice_between_entities_is_two_questions() {
    let chosen = r#"principal in (if context.secure then Role::"MANAGER" else Role::"ADMIN")"#;
    let world = World::new(STAFF).route("odd", "/odd", vec![when(chosen)]);
    assert!(holds(&world, only(of_roles(&["MANAGER"]))).await);
    let plain = group_when(&world, r#"!context.secure && !(principal in Role::"ADMIN")"#);
    assert!(holds(&world, Demand::Never(plain)).await);
    assert!(!holds(&world, only(of_roles(&["ADMIN"]))).await);
}

#[tokio::test]
async fn a_decision_point_may_say_yes_and_may_say_no() {
    let clauses = vec![roles(&["ADMIN"]), Clause::External("opa".into())];
    let world = World::new(STAFF).route("asked", "/asked", clauses);
    assert!(holds(&world, only(of_roles(&["ADMIN"]))).await);
    assert!(!holds(&world, Demand::Never(of_roles(&["ADMIN"]))).await);
    let proof = world.prove(PropertyScope::All, Demand::AlwaysIf(of_roles(&["ADMIN"]))).await;
    assert!(matches!(&proof.routes[0].1, Finding::Undecided(why) if why.contains("opa")), "{proof:?}");
}
