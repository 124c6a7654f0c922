//! The list, and that a scheme which is not on it costs one file and one line.

mod shared_header;

use super::ALL;
use super::definition::{Materials, open_words, types};
use crate::config::read::Definitions;
use crate::config::tests::{HEAD, check_with};
use crate::config::{Config, json_schema};
use crate::wire::rules::way;
use haechi_authn::control::Control;
use haechi_authn::possession::ReplayMemory;
use haechi_authn::{Attempt, Chain, CredentialPlace, RevocationWatch};
use haechi_authz::analysis::{CallerOrigin, PossibleValues};
use haechi_core::id::RequestId;
use haechi_core::{
    CallerKind, CanonicalPath, ConnectionFacts, Fields, Host, RequestHead, SystemClock, Timestamp,
};
use std::any::Any;
use std::sync::Arc;

/// Every scheme, and one more: this is the line.
fn with_shared_header() -> Definitions {
    [ALL, &[&shared_header::DEFINITION]].concat().leak()
}

/// The checked settings of one authenticator, with `top` at the top of the configuration.
pub(super) fn settings<T: Any + Clone>(top: &str, authenticator: &str) -> T {
    let text = format!("{HEAD}{top}\nauthenticators: {{ a: {authenticator} }}\n");
    let config = check_with(ALL, &text).unwrap_or_else(|report| panic!("{report}"));
    let settings: &dyn Any = &*config.authenticators["a"].settings;
    settings.downcast_ref::<T>().unwrap().clone()
}

/// What is wrong with one authenticator, with `top` at the top of the configuration.
pub(super) fn faults(top: &str, authenticator: &str) -> Vec<String> {
    let report =
        check_with(ALL, &format!("{HEAD}{top}\nauthenticators: {{ a: {authenticator} }}\n")).unwrap_err();
    report.faults().iter().map(|fault| fault.message.clone()).collect()
}

fn config(authenticator: &str) -> Config {
    let text = format!("{HEAD}authenticators: {{ door: {authenticator} }}\n");
    check_with(with_shared_header(), &text).unwrap_or_else(|report| panic!("{report}"))
}

fn first_fault(schemes: Definitions, authenticator: &str) -> (String, Option<String>) {
    let report =
        check_with(schemes, &format!("{HEAD}authenticators: {{ door: {authenticator} }}\n")).unwrap_err();
    let fault = report.faults().first().unwrap();
    (fault.message.clone(), fault.help.clone())
}

fn head(fields: &[(&str, &str)]) -> RequestHead {
    let mut all = Fields::default();
    fields.iter().for_each(|(name, value)| all.push(name.as_bytes(), value.as_bytes()));
    let connection = ConnectionFacts::plain(([127, 0, 0, 1], 1).into());
    let (host, path) = (Host::parse(b"a").unwrap(), CanonicalPath::parse(b"/").unwrap());
    let (id, now) = (RequestId::from_bits(1), Timestamp::from_seconds(1));
    RequestHead::new(id, now, connection, http::Method::GET, host, path).with_fields(all)
}

#[test]
fn every_file_is_on_the_list_once() {
    let source = include_str!("mod.rs");
    let declared =
        source.lines().filter_map(|line| line.strip_prefix("mod ")).map(|name| name.trim_end_matches(';'));
    let mut modules: Vec<&str> =
        declared.filter(|name| !["client_proof", "file", "tests"].contains(name)).collect();
    let mut listed: Vec<&str> = open_words(ALL).chain(types(ALL).map(|known| known.word)).collect();
    modules.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, modules);
}

#[test]
fn the_schema_says_every_type() {
    let schema = json_schema(with_shared_header());
    let listed = schema["$defs"]["Authenticator"]["oneOf"].as_array().unwrap();
    let said = listed.iter().filter_map(|one| one["$ref"].as_str()).map(|reference| {
        let record = schema.pointer(reference.trim_start_matches('#')).unwrap();
        record["properties"]["type"]["const"].as_str().unwrap()
    });
    assert_eq!(
        said.collect::<Vec<_>>(),
        [
            "jwt",
            "basic",
            "api_key",
            "oidc",
            "introspection",
            "mtls",
            "external",
            "signature",
            "shared_header"
        ]
    );
    let keys = &schema["$defs"]["SharedHeader"]["properties"];
    assert_eq!(keys["header"]["default"], "x-door");
    assert_eq!(keys["subject"]["description"], "Who comes with it.");
}

#[test]
fn only_who_is_on_the_list_is_known() {
    let door = "{ type: shared_header, value: hunter2hunter2, subject: porter }";
    assert_eq!(first_fault(ALL, door).0, "`shared_header` is not an authenticator type");
    let (message, help) = first_fault(with_shared_header(), "{ value: a }");
    let all = "add `type: jwt`, `type: basic`, `type: api_key`, `type: oidc`, `type: introspection`, `type: mtls`, `type: external`, `type: signature` or `type: shared_header`";
    assert_eq!((&*message, help.as_deref()), ("an authenticator needs `type`", Some(all)));
}

#[test]
fn its_own_checks_are_told_with_all_others() {
    let (message, _) =
        first_fault(with_shared_header(), "{ type: shared_header, value: short, subject: porter }");
    assert_eq!(message, "the value is shorter than 8 characters, and could be guessed");
    let text = format!(
        "{HEAD}context_headers: {{ door: X-Door }}\nauthenticators: {{ door: {{ type: shared_header, value: hunter2hunter2, subject: porter }} }}\n"
    );
    let report = check_with(with_shared_header(), &text).unwrap_err();
    assert!(report.to_string().contains("carries a credential"), "{report}");
}

#[test]
fn equal_settings_are_equal_and_types_are_told_apart() {
    let door = |rest: &str| {
        config(&format!("{{ type: shared_header, value: hunter2hunter2, subject: porter{rest} }}"))
    };
    assert_eq!(door("").authenticators, door(", header: X-Door").authenticators);
    assert_ne!(door("").authenticators, door(", header: X-Gate").authenticators);
    let basic =
        check_with(ALL, &format!("{HEAD}store: sqlite:h\nauthenticators: {{ door: {{ type: basic }} }}\n"));
    assert_ne!(door("").authenticators, basic.unwrap().authenticators);
}

#[test]
fn its_callers_are_supposed_as_it_says() {
    let config = config("{ type: shared_header, value: hunter2hunter2, subject: porter }");
    let supposed = way(&config, &"door".into()).unwrap();
    let door: Arc<str> = "door".into();
    let expected = CallerOrigin {
        issuer: Some("shared_header".into()),
        roles: PossibleValues::Exactly(Vec::new()),
        scopes: false,
        attributes: Some(Default::default()),
        ..CallerOrigin::any(CallerKind::User, &door)
    };
    assert_eq!(supposed, expected);
}

#[tokio::test]
async fn it_is_built_and_asked_in_a_chain() {
    let config = config("{ type: shared_header, value: hunter2hunter2, subject: porter }");
    let settings = &config.authenticators["door"].settings;
    let clock = Arc::new(SystemClock) as Arc<_>;
    let materials = Materials {
        pool: None,
        verifier: None,
        lockout: crate::wire::DEFAULT_LOCKOUT,
        api_keys: None,
        web_sessions: None,
        calls: None,
        service_calls: |_, _| Err("nobody is asked".to_owned()),
        key_uses: &Arc::default(),
        replays: &Arc::new(ReplayMemory::new(None, Arc::new(SystemClock))),
        quotas: None,
        identity: None,
        own_issuer: "haechi".into(),
        watch: &Arc::new(RevocationWatch::new(Arc::new(SystemClock))),
        roles: &Arc::default(),
        declared: &Arc::default(),
        clock: &clock,
        control: Control::new(tokio::runtime::Handle::current()),
    };
    assert!(settings.keys(&materials).unwrap().is_none());
    let authenticator = settings.build(&"door".into(), None, &materials).unwrap();
    let chain = Chain::any(vec![authenticator.for_worker()]).unwrap();
    assert_eq!(chain.places(), [CredentialPlace::Field("x-door".into())]);
    let ask = async |fields: &[(&str, &str)]| {
        chain.authenticate(&head(fields), Timestamp::from_seconds(1), |_, _| {}).await.attempt
    };
    let Attempt::Verified(caller) = ask(&[("X-Door", "hunter2hunter2")]).await else { panic!("it holds") };
    assert_eq!((&*caller.subject, &*caller.authenticator), ("porter", "door"));
    assert!(matches!(ask(&[("X-Door", "another")]).await, Attempt::Rejected(_)));
    assert!(matches!(ask(&[]).await, Attempt::Absent));
}
