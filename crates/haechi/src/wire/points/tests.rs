use super::{answer, question};
use haechi_authz::{Facts, RouteFacts, RouteIndex, Rule, Vocabulary};
use haechi_core::caller::{Claimed, LoginFacts, Vouched};
use haechi_core::id::RequestId;
use haechi_core::{
    AttributeValue, Caller, CallerKind, CanonicalPath, ConnectionFacts, Fields, Host, MethodSet, PathPattern,
    RequestHead, RoleTable, Timestamp,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn vocabulary() -> Vocabulary {
    let roles = BTreeMap::from([("USER".into(), vec![]), ("MANAGER".into(), vec!["USER".to_owned()])]);
    Vocabulary {
        roles: RoleTable::new(&roles).unwrap(),
        headers: BTreeMap::from([
            ("purpose".into(), "x-purpose".into()),
            ("tenant".into(), "x-tenant".into()),
        ]),
        routes: vec![RouteFacts {
            name: "order".into(),
            service: Some("orders".into()),
            labels: vec!["pii".into()],
            pattern: PathPattern::parse("/tenants/{tenant}/orders/{id}").unwrap(),
            methods: MethodSet::any(),
            rule: Rule::any(),
        }],
        ..Vocabulary::default()
    }
}

/// `id` and `seconds` are the request's own; nothing else differs from call to call.
fn head(id: u128, seconds: i64) -> RequestHead {
    let mut fields = Fields::default();
    fields.push(b"x-tenant", b"acme");
    fields.push(b"authorization", b"Bearer hunter2");
    RequestHead::new(
        RequestId::from_bits(id),
        Timestamp::from_millis(1_764_000_000_000 + seconds * 1000),
        ConnectionFacts::plain(([192, 0, 2, 7], 4000 + id as u16).into()),
        http::Method::GET,
        Host::parse(b"Shop.example.com:8080").unwrap(),
        CanonicalPath::parse(b"/tenants/acme/orders/7").unwrap(),
    )
    .with_query(Some("token=hunter2".into()))
    .with_fields(fields)
    .with_client("::ffff:192.0.2.7".parse().unwrap(), true)
}

fn caller() -> Caller {
    let claimed = Claimed {
        subject: "alice".into(),
        issuer: "https://sso.example.com".into(),
        roles: vec!["MANAGER".into()],
        scopes: vec!["orders:read".into()],
        attributes: [("mfa", AttributeValue::Bool(true)), ("clearance", AttributeValue::Long(3))]
            .map(|(name, value)| (name.into(), value))
            .into(),
        expires_at: Some(Timestamp::from_millis(1)),
        credential_id: Some("jti".into()),
        session: Some("s".into()),
        login: LoginFacts::default(),
    };
    Caller::new(CallerKind::User, &"corp".into(), Vouched::ByOther, &vocabulary().roles, claimed)
}

type Ask = fn(&Facts<'_>, &Vocabulary) -> Result<Vec<u8>, String>;

fn asked(ask: Ask, head: &RequestHead, caller: &Caller) -> Value {
    let bytes = ask(&Facts { head, route: RouteIndex::new(0), caller }, &vocabulary()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn opa_is_asked_about_caller_request_and_route() {
    let expected = json!({"input": {
        "caller": {
            "kind": "User", "subject": "alice", "issuer": "https://sso.example.com", "authenticator": "corp",
            "roles": ["MANAGER", "USER"], "scopes": ["orders:read"],
            "attributes": {"mfa": true, "clearance": 3},
        },
        "request": {
            "method": "GET", "host": "shop.example.com", "path": "/tenants/acme/orders/7",
            "params": {"tenant": "acme", "id": "7"}, "headers": {"tenant": "acme"},
            "ip": "192.0.2.7", "secure": true,
        },
        "route": {"name": "order", "service": "orders", "labels": ["pii"]},
    }});
    assert_eq!(asked(question::opa, &head(1, 0), &caller()), expected);
}

#[test]
fn authzen_is_asked_about_subject_action_resource_and_context() {
    let expected = json!({
        "subject": {
            "type": "User", "id": "https://sso.example.com|alice",
            "properties": {
                "subject": "alice", "issuer": "https://sso.example.com", "authenticator": "corp",
                "roles": ["MANAGER", "USER"], "scopes": ["orders:read"],
                "attributes": {"mfa": true, "clearance": 3},
            },
        },
        "action": {"name": "GET"},
        "resource": {"type": "route", "id": "order", "properties": {"service": "orders", "labels": ["pii"]}},
        "context": {
            "host": "shop.example.com", "path": "/tenants/acme/orders/7",
            "params": {"tenant": "acme", "id": "7"}, "headers": {"tenant": "acme"},
            "ip": "192.0.2.7", "secure": true,
        },
    });
    assert_eq!(asked(question::authzen, &head(1, 0), &caller()), expected);
}

#[test]
fn nobody_in_particular_is_asked_about_as_such() {
    let anonymous = Caller::anonymous("anonymous");
    let opa = asked(question::opa, &head(1, 0), &anonymous);
    assert_eq!(
        (&opa["input"]["caller"]["kind"], &opa["input"]["caller"]["subject"]),
        (&json!("Anonymous"), &json!(""))
    );
    let authzen = asked(question::authzen, &head(1, 0), &anonymous);
    assert_eq!((&authzen["subject"]["type"], &authzen["subject"]["id"]), (&json!("Anonymous"), &json!("")));
}

#[test]
fn the_same_question_has_the_same_bytes_and_holds_no_credential() {
    let (vocabulary, caller) = (vocabulary(), caller());
    for ask in [question::opa as Ask, question::authzen] {
        let bytes = |head: &RequestHead| {
            ask(&Facts { head, route: RouteIndex::new(0), caller: &caller }, &vocabulary).unwrap()
        };
        let first = bytes(&head(1, 0));
        assert_eq!(first, bytes(&head(2, 60)));
        let text = String::from_utf8(first).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("jti"), "{text}");
    }
}

#[test]
fn what_cannot_be_asked_about_is_not_asked() {
    let (vocabulary, caller) = (vocabulary(), caller());
    let mut doubled = head(1, 0);
    doubled.fields.push(b"x-tenant", b"other");
    for ask in [question::opa as Ask, question::authzen] {
        assert!(
            ask(&Facts { head: &doubled, route: RouteIndex::new(0), caller: &caller }, &vocabulary).is_err()
        );
        assert!(
            ask(&Facts { head: &head(1, 0), route: RouteIndex::new(1), caller: &caller }, &vocabulary)
                .is_err()
        );
    }
}

#[test]
fn opa_says_yes_no_or_nothing() {
    let table = [
        (r#"{"result": true}"#, Some(true)),
        (r#"{"result": false}"#, Some(false)),
        (r#"{"result": {"allow": true, "why": "x"}, "decision_id": "d"}"#, Some(true)),
        (r#"{"result": {"allow": false}}"#, Some(false)),
        ("{}", Some(false)),
        (r#"{"warning": {"code": "api_usage_warning"}}"#, Some(false)),
        (r#"{"result": {}}"#, None),
        (r#"{"result": null}"#, None),
        (r#"{"result": "true"}"#, None),
        (r#"{"result": 1}"#, None),
        (r#"{"result": [true]}"#, None),
        (r#"{"result": {"allow": "true"}}"#, None),
        (r#"{"result": false, "result": true}"#, None),
        (r#"{"result": {"allow": false, "allow": true}}"#, None),
        (r#"{"result": true} {}"#, None),
        (r#"{"result": tru"#, None),
        ("true", None),
        ("[]", None),
        ("", None),
    ];
    for (told, means) in table {
        assert_eq!(answer::opa(told.as_bytes()).ok(), means, "{told}");
    }
}

#[test]
fn authzen_says_yes_no_or_nothing() {
    let table = [
        (r#"{"decision": true}"#, Some(true)),
        (r#"{"decision": false, "context": {"reason": "x"}}"#, Some(false)),
        ("{}", None),
        (r#"{"Decision": true}"#, None),
        (r#"{"decision": "true"}"#, None),
        (r#"{"decision": null}"#, None),
        (r#"{"decision": false, "decision": true}"#, None),
        (r#"{"decision": true"#, None),
        ("", None),
    ];
    for (told, means) in table {
        assert_eq!(answer::authzen(told.as_bytes()).ok(), means, "{told}");
    }
}
