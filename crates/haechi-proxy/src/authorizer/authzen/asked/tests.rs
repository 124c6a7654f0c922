use super::{Asked, Evaluation, Reader, Semantic};
use crate::settings::AssumedContext;
use haechi_authz::Vocabulary;
use haechi_core::{AttributeType, AttributeValue, CallerKind, Host, Timestamp};
use serde_json::{Value, json};

fn vocabulary() -> Vocabulary {
    let attributes = [
        ("tenant", AttributeType::String),
        ("clearance", AttributeType::Long),
        ("mfa", AttributeType::Bool),
        ("groups", AttributeType::Set),
    ];
    Vocabulary {
        attributes: attributes.into_iter().map(|(name, kind)| (name.into(), kind)).collect(),
        headers: [("tenant".into(), "x-tenant".into())].into(),
        ..Vocabulary::default()
    }
}

const NOW: &str = "2026-11-28T12:00:00Z";

fn read(question: &Value, many: bool, assumed: &AssumedContext) -> Result<Asked, String> {
    let vocabulary = vocabulary();
    let reader = Reader { vocabulary: &vocabulary, assumed, now: Timestamp::parse(NOW).unwrap() };
    let body = question.to_string();
    if many { reader.many(body.as_bytes()) } else { reader.one(body.as_bytes()) }
}

fn one(question: &Value) -> Result<Evaluation, String> {
    match read(question, false, &AssumedContext::default())? {
        Asked::One(evaluation) => Ok(*evaluation),
        Asked::Many(..) => panic!("many"),
    }
}

fn question() -> Value {
    json!({
        "subject": {
            "type": "User", "id": "alice",
            "properties": { "roles": ["USER"], "scopes": ["a", "b"], "tenant": "acme", "department": 7,
                "attributes": { "clearance": 3, "mfa": true, "groups": ["x", "y"] } }
        },
        "action": { "name": "GET" },
        "resource": { "type": "path", "id": "/orders/%61?b".trim_end_matches("?b"), "properties": { "host": "a.example:8443" } },
        "context": { "ip": "192.0.2.1", "secure": true, "headers": { "tenant": " acme " }, "time": "2026-11-28T12:00:30Z" }
    })
}

#[test]
fn a_question_is_a_request_with_its_caller() {
    let Evaluation { lines, caller } = one(&question()).unwrap();
    assert_eq!(lines.method, http::Method::GET);
    assert_eq!(lines.host.to_string(), "a.example:8443");
    assert_eq!((&*lines.path, lines.query), (&b"/orders/%61"[..], None));
    let fields: Vec<_> =
        lines.fields.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect();
    let told = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let expected =
        [told("x-forwarded-for", "192.0.2.1"), told("x-forwarded-proto", "https"), told("x-tenant", "acme")];
    assert_eq!(fields, expected);
    assert_eq!((caller.kind, &*caller.subject, caller.issuer), (CallerKind::User, "alice", None));
    assert_eq!((caller.roles, caller.scopes.len()), (vec!["USER".to_owned()], 2));
    let expected = [
        ("clearance", AttributeValue::Long(3)),
        ("groups", AttributeValue::Set(["x".into(), "y".into()].into())),
        ("mfa", AttributeValue::Bool(true)),
        ("tenant", AttributeValue::String("acme".into())),
    ];
    assert_eq!(caller.attributes, expected.into_iter().map(|(name, value)| (name.into(), value)).collect());
}

/// The question with `value` in place of what `at` points to; without it where that is null.
fn with(at: &str, value: Value) -> Value {
    let mut question = question();
    let (parent, name) = at.rsplit_once('/').unwrap();
    let parent = question.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        parent.remove(name)
    } else {
        parent.insert(name.to_owned(), value)
    };
    question
}

#[test]
fn what_could_be_read_in_two_ways_or_is_not_said_is_refused() {
    for (at, value) in [
        ("/subject", json!(null)),
        ("/subject", json!("alice")),
        ("/subject/type", json!("user")),
        ("/subject/type", json!(null)),
        ("/subject/id", json!(null)),
        ("/subject/id", json!("")),
        ("/subject/id", json!(7)),
        ("/subject/properties", json!([])),
        ("/subject/properties/subject", json!("root")),
        ("/subject/properties/roles", json!("USER")),
        ("/subject/properties/roles", json!(["USER", 1])),
        ("/subject/properties/tenant", json!(1)),
        ("/subject/properties/clearance", json!(4)),
        ("/subject/properties/attributes/unknown", json!("x")),
        ("/subject/properties/attributes/clearance", json!("3")),
        ("/subject/properties/attributes/clearance", json!(1.5)),
        ("/subject/properties/attributes/groups", json!("x")),
        ("/action", json!(null)),
        ("/action/name", json!(null)),
        ("/action/name", json!("get")),
        ("/action/name", json!("can read")),
        ("/action/name", json!("can_read")),
        ("/resource/type", json!("account")),
        ("/resource/id", json!("orders")),
        ("/resource/id", json!("https://a.example/orders")),
        ("/resource/id", json!("/orders?a=b")),
        ("/resource/id", json!("/orders#a")),
        ("/resource/id", json!("/주문")),
        ("/resource/id", json!(format!("/{}", "a".repeat(9000)))),
        ("/resource/properties/host", json!(null)),
        ("/resource/properties/host", json!("a b")),
        ("/context", json!(null)),
        ("/context", json!("")),
        ("/context/ip", json!(null)),
        ("/context/ip", json!("192.0.2.1, 127.0.0.1")),
        ("/context/secure", json!(null)),
        ("/context/secure", json!("true")),
        ("/context/time", json!("2026-11-28T13:00:00Z")),
        ("/context/time", json!("2026-11-28T11:00:00Z")),
        ("/context/time", json!("now")),
        ("/context/headers/X-Tenant", json!("acme")),
        ("/context/headers/tenant", json!(["acme"])),
        ("/context/headers/tenant", json!("ac\r\nme")),
    ] {
        let question = with(at, value);
        assert!(one(&question).is_err(), "{question}");
    }
    let twice = question().to_string().replace("\"id\":\"alice\"", "\"id\":\"alice\",\"id\":\"root\"");
    let vocabulary = vocabulary();
    let assumed = AssumedContext::default();
    let reader = Reader { vocabulary: &vocabulary, assumed: &assumed, now: Timestamp::parse(NOW).unwrap() };
    assert!(reader.one(twice.as_bytes()).is_err_and(|why| why.contains("twice")));
}

#[test]
fn the_identifier_may_name_the_issuer_as_our_own_questions_do() {
    let mut question = with("/subject/properties/subject", json!("alice"));
    question["subject"]["properties"]["issuer"] = json!("https://a|b");
    question["subject"]["id"] = json!("https://a|b|alice");
    let caller = one(&question).unwrap().caller;
    assert_eq!((&*caller.subject, caller.issuer.as_deref()), ("alice", Some("https://a|b")));
    question["subject"]["id"] = json!("https://a|alice");
    assert!(one(&question).is_err());
}

#[test]
fn what_the_listener_assumes_is_taken_where_nothing_is_said() {
    let host = Some(Host::parse(b"shop.example").unwrap());
    let assumed = AssumedContext { host, ip: Some([192, 0, 2, 9].into()), secure: Some(false) };
    let mut question = with("/context", json!(null));
    let Ok(Asked::One(taken)) = read(&question, false, &assumed) else { panic!("{question}") };
    assert_eq!(taken.lines.host.to_string(), "a.example:8443", "what is said goes before");
    question["resource"]["properties"] = json!({});
    let Ok(Asked::One(taken)) = read(&question, true, &assumed) else { panic!("{question}") };
    assert_eq!(taken.lines.host.to_string(), "shop.example");
    assert_eq!(taken.lines.fields.len(), 2);
}

#[test]
fn evaluations_inherit_what_they_do_not_say() {
    let mut asked = question();
    let shipping = json!({ "type": "path", "id": "/b", "properties": { "host": "b.example" } });
    asked["evaluations"] = json!([{}, { "resource": shipping }, { "action": { "name": "POST" }, "subject": { "type": "Anonymous", "id": "" } }]);
    asked["options"] = json!({ "evaluations_semantic": "deny_on_first_deny" });
    let Ok(Asked::Many(all, Semantic::DenyOnFirstDeny)) = read(&asked, true, &AssumedContext::default())
    else {
        panic!("{asked}")
    };
    let told: Vec<_> = all
        .iter()
        .map(|one| {
            (
                one.lines.method.as_str(),
                String::from_utf8_lossy(&one.lines.path).into_owned(),
                one.caller.kind,
            )
        })
        .collect();
    let expected = [
        ("GET", "/orders/%61".to_owned(), CallerKind::User),
        ("GET", "/b".to_owned(), CallerKind::User),
        ("POST", "/orders/%61".to_owned(), CallerKind::Anonymous),
    ];
    assert_eq!(told, expected);
    assert!(all[2].caller.roles.is_empty(), "a subject of its own inherits nothing of the other");
    asked["options"] = json!({ "evaluations_semantic": "first" });
    assert!(read(&asked, true, &AssumedContext::default()).is_err());
    asked["options"] = json!({});
    asked["evaluations"] = json!([{}, { "subject": { "type": "Robot", "id": "a" } }]);
    let why = read(&asked, true, &AssumedContext::default()).err();
    assert!(why.is_some_and(|why| why.starts_with("`evaluations[1]`")));
    asked["evaluations"] = Value::Array(vec![json!({}); 257]);
    assert!(read(&asked, true, &AssumedContext::default()).is_err());
}
