use crate::testing::World;
use crate::{Condition, DenyReason, Place, Source};
use haechi_core::AttributeValue;

fn place(line: u32) -> Place {
    Place { file: "p.cedar".into(), line, column: 1 }
}

#[test]
fn roles_are_any_of_and_follow_includes() {
    let world = World::new("").route("r", "/r", &["roles USER AUDITOR"]);
    assert_eq!(world.reason("r", &["ADMIN"]), None);
    assert_eq!(world.reason("r", &["USER"]), None);
    assert!(matches!(world.reason("r", &["GUEST"]), Some(DenyReason::Roles(_))));
}

#[test]
fn scopes_are_all_of_and_every_clause_must_hold() {
    let world = World::new("").route("r", "/r", &["roles USER", "scopes a b"]);
    assert_eq!(world.ask("r").roles(&["USER"]).scopes(&["a", "b", "c"]).reason(), None);
    assert!(matches!(world.ask("r").roles(&["USER"]).scopes(&["a"]).reason(), Some(DenyReason::Scopes(_))));
    assert!(matches!(world.ask("r").scopes(&["a", "b"]).reason(), Some(DenyReason::Roles(_))));
}

#[test]
fn a_missing_attribute_makes_a_condition_false() {
    let world = World::new("").route("r", "/t/{tenant}", &["when principal.tenant == context.params.tenant"]);
    let ask = || world.ask("r").path("/t/acme");
    assert_eq!(ask().attribute("tenant", AttributeValue::String("acme".into())).reason(), None);
    let other = ask().attribute("tenant", AttributeValue::String("other".into())).reason();
    assert!(matches!(other, Some(DenyReason::Condition(_))));
    assert!(matches!(ask().reason(), Some(DenyReason::Condition(_))));
    // Not even where its opposite is asked for.
    let world = World::new("").route("r", "/r", &["when !(principal.tenant == \"x\")"]);
    assert!(matches!(world.ask("r").reason(), Some(DenyReason::Condition(_))));
}

#[test]
fn forbid_wins_and_no_policy_permits_past_a_clause() {
    let text = "permit(principal, action, resource);\nforbid(principal, action, resource) when { principal in Role::\"GUEST\" };";
    let world = World::new(text).route("r", "/r", &["roles USER"]).route("p", "/p", &["policy"]);
    assert!(matches!(world.reason("r", &[]), Some(DenyReason::Roles(_))));
    assert_eq!(world.reason("p", &[]), None);
    let forbidden = Some(DenyReason::Forbidden(Source::Policy(place(2), None)));
    assert_eq!(world.reason("r", &["USER", "GUEST"]), forbidden);
    assert_eq!(world.reason("p", &["GUEST"]), forbidden);
}

#[test]
fn without_a_permit_it_is_no() {
    let text = "@id(\"readers\")\npermit(principal in Role::\"USER\", action in Action::\"read\", resource);";
    let world = World::new(text).route("p", "/p", &["policy"]);
    assert_eq!(world.reason("p", &["USER"]), None);
    assert_eq!(world.ask("p").roles(&["USER"]).method("POST").reason(), Some(DenyReason::NoPermit));
    assert_eq!(world.reason("p", &[]), Some(DenyReason::NoPermit));
    let verdict = world.ask("p").roles(&["USER"]).verdict();
    assert_eq!(verdict.decided_by, [Source::Policy(place(1), Some("readers".into()))]);
}

#[test]
fn an_evaluation_error_denies_in_a_forbid_as_well() {
    let text = "permit(principal, action, resource);\nforbid(principal, action, resource) when { principal has clearance && principal.clearance + 1 < 3 };";
    let world = World::new(text).route("p", "/p", &["policy"]);
    let ask = |clearance| world.ask("p").attribute("clearance", AttributeValue::Long(clearance)).reason();
    assert_eq!(ask(5), None);
    assert!(matches!(ask(1), Some(DenyReason::Forbidden(_))));
    assert_eq!(ask(i64::MAX), Some(DenyReason::Error(Source::Policy(place(2), None))));
}

#[test]
fn a_method_without_a_name_is_other_and_writes() {
    let world = World::new("permit(principal, action, resource);").route("p", "/p", &["policy"]);
    assert_eq!(world.ask("p").method("PURGE").reason(), None);
    for never in ["TRACE", "CONNECT", "get", "Delete"] {
        assert_eq!(world.ask("p").method(never).reason(), Some(DenyReason::NoRule), "{never}");
    }
    for action in ["action == Action::\"other\"", "action in Action::\"write\""] {
        let text = format!("permit(principal, {action}, resource);");
        let world = World::new(&text).route("p", "/p", &["policy"]);
        assert_eq!(world.ask("p").method("PURGE").reason(), None, "{action}");
        assert_eq!(world.ask("p").method("GET").reason(), Some(DenyReason::NoPermit), "{action}");
    }
    let world =
        World::new("permit(principal, action == Action::\"POST\", resource);").route("p", "/p", &["policy"]);
    assert_eq!(world.ask("p").method("PURGE").reason(), Some(DenyReason::NoPermit));
}

#[test]
fn the_memo_tells_callers_apart_by_what_is_read() {
    let text = "permit(principal, action, resource) when { principal.scopes.contains(\"a\") && context.ip.isInRange(ip(\"10.0.0.0/8\")) };";
    let world = World::new(text).route("p", "/p", &["policy"]);
    for _ in 0..2 {
        assert_eq!(world.ask("p").scopes(&["a"]).from("10.1.2.3").reason(), None);
        assert_eq!(world.ask("p").scopes(&["a"]).from("11.1.2.3").reason(), Some(DenyReason::NoPermit));
        assert_eq!(world.ask("p").scopes(&["b"]).from("10.1.2.3").reason(), Some(DenyReason::NoPermit));
    }
}

#[test]
fn roles_in_roles_are_known_wherever_they_are_asked() {
    let text = "permit(principal, action, resource) when { (if context.secure then Role::\"ADMIN\" else Role::\"GUEST\") in Role::\"USER\" };";
    let world = World::new(text).route("p", "/p", &["policy"]);
    assert_eq!(world.ask("p").secure().reason(), None);
    assert_eq!(world.ask("p").reason(), Some(DenyReason::NoPermit));
}

#[test]
fn labels_services_and_actions_are_what_the_route_says() {
    let text = "forbid(principal, action, resource) when { resource.labels.contains(\"pii\") && action in Action::\"write\" };\nforbid(principal, action, resource in Service::\"other\");";
    let world = World::new(text).route("r", "/r", &["any"]).labelled("r", "pii");
    assert_eq!(world.ask("r").reason(), None);
    assert!(matches!(world.ask("r").method("POST").reason(), Some(DenyReason::Forbidden(_))));
}

#[test]
fn a_condition_cannot_break_out_of_its_brackets() {
    for text in
        ["true) || (true", "true // and more", "true };\npermit(principal, action, resource) when { true"]
    {
        let condition = Condition { text: text.into(), place: place(1) };
        let found = World::new("").try_route("r", "/r", condition);
        assert_eq!(found.is_ok(), text.starts_with("true //"), "{text}");
    }
}
