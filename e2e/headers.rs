//! What a backend receives, and what it never does (docs/backends.md).

use crate::harness::{Folder, Gate, open_gate, routes_to};
use haechi_testkit::jose::{Key, with};
use haechi_testkit::{Answer, Backend, IdentityProvider, Recorded};
use serde_json::json;

const RESERVED: [&str; 62] = [
    "X-Auth-Subject",
    "X-Auth-Issuer",
    "X-Auth-Roles",
    "X-Auth-Scopes",
    "X-Auth-Authenticator",
    "X-Auth-Attr-tenant",
    "X-Auth-Request-User",
    "Remote-User",
    "X-Remote-User",
    "X-WEBAUTH-USER",
    "X-Authenticated-Userid",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "Proxy-Client-IP",
    "Fastly-Client-IP",
    "X-Original-Host",
    "X-Original-URI",
    "X-Host",
    "X-Envoy-External-Address",
    "X-Envoy-Original-Path",
    "SSL-Client-Verify",
    "SSL-Client-S-DN",
    "X-SSL-Client-Cert",
    "Front-End-Https",
    "X-Scheme",
    "X-URL-Scheme",
    "Proxy",
    "Client-IP",
    "WL-Proxy-Client-IP",
    "X-ARR-ClientCert",
    "X-Consumer-Username",
    "X-MS-Client-Principal-Name",
    "X-Goog-Authenticated-User-Email",
    "OIDC-Claim-Sub",
    "SM-User",
    "X-Forwarded",
    "Forwarded-For",
    "X-Middleware-Subrequest",
    "Script-Name",
    "X-Accel-Mapping",
    "X-Original-Forwarded-For",
    "Auth-User",
    "Remote-Addr",
    "X-Amzn-OIDC-Identity",
    "$WSRU",
    "X-Request-Id",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-User",
    "X-Forwarded-Client-Cert",
    "Forwarded",
    "X-Real-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Original-Method",
    "Client-Cert",
    "Client-Cert-Chain",
];

const OVERRIDES: [&str; 3] = ["X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"];

fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![name.to_owned(), name.to_lowercase(), name.to_uppercase()];
    all.extend("_.!~|^`'#$%&*+".chars().map(|dash| name.replace('-', &dash.to_string())));
    all
}

/// The corp issuer with one key, and a gate whose every route needs its token.
fn with_issuer(backend: &Backend, key: &Key, service: &str, route: &str) -> (IdentityProvider, Gate) {
    let provider = IdentityProvider::start(&[key]);
    let gate = Gate::start(&format!(
        "caller_attributes: {{ tenant: string, clearance: long, mfa: bool }}
roles: {{ USER: {{}}, MANAGER: {{ includes: [USER] }} }}
authenticators:
  corp:
    type: jwt
    issuer: {issuer}
    audiences: [orders]
    keys: discovery
    claims: {{ roles: /roles, scopes: /scope, tenant: /tenant, clearance: /clearance, mfa: /mfa }}
services: {{ web: {{ endpoints: [\"{url}\"]{service} }} }}
routes:
  - {{ name: all, match: {{ path: /** }}, authenticate: [corp], authorize: any, service: web{route} }}
",
        issuer = provider.issuer(),
        url = backend.url(),
    ))
    .ready();
    (provider, gate)
}

fn forged(request: &Recorded) -> Vec<&(String, String)> {
    let fields = request.head.fields.iter().chain(&request.trailers);
    fields.filter(|(_, value)| value.contains("forged")).collect()
}

#[test]
fn no_spelling_of_a_reserved_name_passes() {
    let backend = Backend::saying("reached");
    let gate = open_gate(&backend);
    for name in RESERVED.iter().chain(&OVERRIDES) {
        let fields: String = spellings(name).iter().map(|name| format!("{name}: forged\r\n")).collect();
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}{fields}\r\n");
        let answer = gate.converse().send(request).answer().expect("an answer");
        assert_eq!(answer.status, 200, "{name}");
        let request = backend.last();
        assert!(forged(&request).is_empty(), "{name}: {:#?}", forged(&request));
    }
}

#[test]
fn trailers_carry_nothing_forged() {
    let backend = Backend::saying("reached");
    let gate = open_gate(&backend);
    let trailers: String = RESERVED.iter().map(|name| format!("{name}: forged\r\n")).collect();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n{trailers}\r\n"
    );
    assert_eq!(gate.converse().send(request).answer().expect("an answer").status, 200);
    let request = backend.sole();
    assert!(request.complete && forged(&request).is_empty(), "{request:#?}");
}

#[test]
fn a_service_may_allow_the_method_override() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "services: {{ web: {{ endpoints: [\"{}\"], allow_method_override: true }} }}\nroutes:\n  - {{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}\n",
        backend.url()
    ));
    gate.get_with("/", &["X-HTTP-Method-Override: DELETE"]).expect(200);
    assert_eq!(backend.sole().field("x-http-method-override"), Some("DELETE"));
}

#[test]
fn the_caller_is_told_to_the_backend_and_only_as_verified() {
    let backend = Backend::saying("reached");
    let key = Key::p256("one");
    let (provider, gate) = with_issuer(&backend, &key, "", "");
    let claims = with(
        &provider.claims("홍길동, 100%"),
        &json!({"roles": ["MANAGER", "A,B"], "scope": "orders:read a%b", "tenant": "acme\u{7f}é", "clearance": 7, "mfa": true}),
    );
    let token = format!("Authorization: Bearer {}", key.token(&claims));
    gate.get_with("/", &[&token, "X-Auth-Roles: ADMIN", "X_Auth_Subject: root"]).expect(200);
    let request = backend.sole();
    assert_eq!(request.field("x-auth-subject"), Some("%ED%99%8D%EA%B8%B8%EB%8F%99%2C%20100%25"));
    // The comma rule covers the issuer as well; a URL of this issuer has none.
    assert_eq!(request.field("x-auth-issuer"), Some(provider.issuer().as_str()));
    assert_eq!(request.field("x-auth-authenticator"), Some("corp"));
    assert_eq!(request.field("x-auth-scopes"), Some("orders:read,a%25b"));
    assert_eq!(request.field("x-auth-attr-tenant"), Some("acme%7F%C3%A9"));
    assert_eq!(request.field("x-auth-attr-clearance"), Some("7"));
    assert_eq!(request.field("x-auth-attr-mfa"), Some("true"));
    let mut roles: Vec<&str> = request.field("x-auth-roles").unwrap().split(',').collect();
    roles.sort_unstable();
    assert_eq!(roles, ["A%2CB", "MANAGER", "USER"]);
    assert_eq!(request.field("authorization"), None, "a credential verified here ends here");
}

#[test]
fn credentials_travel_on_only_where_the_route_says_so() {
    let backend = Backend::saying("reached");
    let key = Key::p256("one");
    let (provider, gate) = with_issuer(&backend, &key, "", ", forward_credentials: true");
    let token = key.token(&provider.claims("alice"));
    gate.get_with_token("/", &token).expect(200);
    assert_eq!(backend.sole().field("authorization"), Some(format!("Bearer {token}").as_str()));
}

#[test]
fn nothing_is_told_where_the_service_does_not_want_it() {
    let backend = Backend::saying("reached");
    let key = Key::p256("one");
    let (provider, gate) = with_issuer(&backend, &key, ", identity: { headers: false }", "");
    gate.get_with_token("/", &key.token(&provider.claims("alice"))).expect(200);
    let request = backend.sole();
    assert!(
        request.head.fields.iter().all(|(name, _)| !name.to_lowercase().starts_with("x-auth-")),
        "{request:#?}"
    );
}

#[test]
fn passthrough_leaves_the_credential_untouched() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&routes_to(&backend, &[("/**", "passthrough", "any")]));
    gate.get_with("/", &["Authorization: Whatever it is", "X-Auth-Roles: forged"]).expect(200);
    let request = backend.sole();
    assert_eq!(request.field("authorization"), Some("Whatever it is"));
    assert!(forged(&request).is_empty());
}

#[test]
fn forwarding_fields_are_ours() {
    let backend = Backend::saying("reached");
    let gate = open_gate(&backend);
    gate.get_with("/", &["Host: shop.example.com", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https"])
        .expect(200);
    let request = backend.sole();
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("x-forwarded-proto"), Some("http"));
    assert_eq!(request.field("x-forwarded-host"), Some("shop.example.com"));
    assert_eq!(request.field("forwarded"), None);
}

#[test]
fn a_trusted_proxy_tells_the_client_address() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "trusted_proxies: [127.0.0.1/32]\naccess_log: {{ format: json, target: stdout }}\n{}",
        routes_to(&backend, &[("/**", "anonymous", "any")])
    ));
    gate.get_with("/", &["X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https"]).expect(200);
    let request = backend.last();
    assert!(request.field("x-forwarded-for").unwrap().starts_with("203.0.113.7"), "{request:#?}");
    assert_eq!(request.field("x-forwarded-proto"), Some("https"));
    // What the client itself put in front of the address that the proxy saw is not believed.
    gate.get_with("/", &["X-Forwarded-For: 6.6.6.6, 203.0.113.7"]).expect(200);
    let seen = backend.last();
    let addresses: Vec<&str> = seen.field("x-forwarded-for").unwrap().split(',').map(str::trim).collect();
    assert!(!addresses.contains(&"6.6.6.6"), "{addresses:?}");
    // Nor is anything that nobody vouches for: it is no error either, since a client can send it.
    for (sent, client, proto) in [
        ("X-Forwarded-For: not an address", "127.0.0.1", "http"),
        ("X-Forwarded-For: unknown, 203.0.113.7", "203.0.113.7, 127.0.0.1", "http"),
        ("X-Forwarded-For: 203.0.113.7, unknown", "127.0.0.1", "http"),
        ("Forwarded: for=_hidden;proto=https", "127.0.0.1", "http"),
        ("Forwarded: for=\"[2001:db8::7]:99\";proto=https", "2001:db8::7, 127.0.0.1", "https"),
        ("X-Forwarded-Proto: gopher", "127.0.0.1", "http"),
        ("X-Forwarded-Proto: wss", "127.0.0.1", "https"),
        ("X-Forwarded-Proto: http, https", "127.0.0.1", "https"),
    ] {
        gate.get_with("/", &[sent]).expect(200);
        let seen = backend.last();
        assert_eq!(
            (seen.field("x-forwarded-for"), seen.field("x-forwarded-proto")),
            (Some(client), Some(proto)),
            "{sent}"
        );
    }
    // A client's own `Forwarded` beside what its proxy wrote.
    gate.get_with("/", &["X-Forwarded-For: 203.0.113.7", "Forwarded: for=6.6.6.6"]).expect(200);
    assert_eq!(backend.last().field("x-forwarded-for"), Some("203.0.113.7, 127.0.0.1"));
}

#[test]
fn a_trusted_proxy_tells_the_host_that_it_was_asked_for() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "trusted_proxies: [127.0.0.1/32]\n{}",
        routes_to(&backend, &[("/**", "anonymous", "any")])
    ));
    gate.get_with("/", &["Host: inner", "X-Forwarded-Host: shop.example.com"]).expect(200);
    assert_eq!(backend.sole().field("x-forwarded-host"), Some("shop.example.com"));
    gate.get_with("/", &["Host: inner", "X-Forwarded-Host: a b"]).expect(200);
    assert_eq!(backend.last().field("x-forwarded-host"), Some("inner"), "what is no host is not believed");
}

#[test]
fn connection_may_not_name_what_must_arrive() {
    let backend = Backend::saying("reached");
    let gate = open_gate(&backend);
    for name in [
        "X-Auth-Subject",
        "x-auth-roles",
        "X_Auth_Roles",
        "X-Forwarded-For",
        "Forwarded",
        "X-Request-Id",
        "Host",
        "Authorization",
        "Cookie",
        "Content-Length",
        "Transfer-Encoding",
        "transfer_encoding",
        "Remote-User",
        "X-Client-IP",
    ] {
        gate.get_with("/", &[&format!("Connection: close, {name}")]).expect(400);
    }
    assert_eq!(backend.recorded().len(), 0);
}

#[test]
fn a_trace_is_continued_and_a_broken_one_replaced() {
    let backend = Backend::saying("reached");
    let gate = open_gate(&backend);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    gate.get_with("/", &[&format!("traceparent: 00-{trace}-00f067aa0ba902b7-01"), "tracestate: a=b"])
        .expect(200);
    let request = backend.last();
    let parts: Vec<String> = request.field("traceparent").unwrap().split('-').map(str::to_owned).collect();
    assert_eq!((parts[0].as_str(), parts[1].as_str(), parts[3].as_str()), ("00", trace, "01"));
    assert!(parts[2].len() == 16 && parts[2] != "00f067aa0ba902b7", "{parts:?}");
    for broken in [
        format!("00-{trace}-00f067aa0ba902b7"),
        format!("ff-{trace}-00f067aa0ba902b7-01"),
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01".into(),
        format!("00-{trace}-0000000000000000-01"),
        format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
        "nonsense".into(),
    ] {
        gate.get_with("/", &[&format!("traceparent: {broken}")]).expect(200);
        let fresh = backend.last().field("traceparent").unwrap().to_owned();
        let parts: Vec<&str> = fresh.split('-').collect();
        assert!(parts.len() == 4 && parts[1].len() == 32 && parts[1] != trace, "{broken}: {fresh}");
    }
}

#[test]
fn the_request_id_is_ours_and_new_each_time() {
    let backend = Backend::saying("reached");
    let gate = open_gate(&backend);
    gate.get_with("/", &["X-Request-Id: mine"]).expect(200);
    gate.get("/").expect(200);
    let ids: Vec<String> =
        backend.recorded().iter().map(|request| request.field("x-request-id").unwrap().to_owned()).collect();
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id != "mine" && id.len() >= 16), "{ids:?}");
}

#[test]
fn a_credential_that_was_judged_and_not_verified_never_travels_on() {
    let backend = Backend::saying("reached");
    let url = backend.url();
    let folder = Folder::new(&format!(
        "store: sqlite:haechi.db
authenticators:
  corp: {{ type: jwt, issuer: https://corp.example, audiences: [a], keys: {{ secret: \"{}\" }} }}
  partner: {{ type: api_key, header: X-API-Key }}
services: {{ web: {{ endpoints: [\"{url}\"] }} }}
routes:
  - {{ name: drop, match: {{ path: /drop }}, authenticate: [corp, partner], authorize: any, service: web }}
  - {{ name: keep, match: {{ path: /keep }}, authenticate: [corp, partner], authorize: any, service: web, forward_credentials: true }}
",
        "s".repeat(32)
    ));
    let key = folder.create_key(&["--owner", "acme"]);
    let gate = Gate::start_in(folder).ready();
    let forged = "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJyb2xlcyI6WyJBRE1JTiJdfQ.AAAA";
    for path in ["/drop", "/keep"] {
        gate.get_with(path, &[&format!("X-API-Key: {key}"), forged]).expect(200);
        let head = backend.last().head;
        assert_eq!(head.field("authorization"), None, "{path}");
        assert_eq!(head.field("x-api-key").is_some(), path == "/keep", "{path}");
    }
}

#[test]
fn another_spelling_of_a_framing_name_is_refused() {
    let backend = Backend::saying("reached");
    let gate = open_gate(&backend);
    for field in [
        "Transfer_Encoding: chunked",
        "Transfer.Encoding: chunked",
        "TransferEncoding: chunked",
        "Content_Length: 5",
        "content.length: 5",
        "Content_Length: 0",
        "_Host: b",
        "Host_: b",
        "Con-nection: close",
        "Expect~: 100-continue",
        "Up_grade: websocket",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n{field}\r\n\r\nhi");
        assert_eq!(gate.converse().send(request).answer().expect("an answer").status, 400, "{field}");
        let trailer = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n{field}\r\n\r\n"
        );
        assert_eq!(
            gate.converse().send(trailer).answer().expect("an answer").status,
            400,
            "{field} behind the body"
        );
    }
    assert!(backend.recorded().iter().all(|request| !request.complete), "what began was never whole");
    gate.get_with("/", &["Upgrade-Insecure-Requests: 1", "X-Content-Length: 5"]).expect(200);
}

#[test]
fn other_names_that_begin_with_x_auth_are_the_clients() {
    let backend = Backend::saying("reached");
    let gate = open_gate(&backend);
    gate.get_with("/", &["X-Auth-Token: t", "X-Auth-Key: k", "X-Auth-Email: e@a.example", "X-Auth-User: u"])
        .expect(200);
    let seen = backend.sole();
    for (name, value) in [("token", "t"), ("key", "k"), ("email", "e@a.example"), ("user", "u")] {
        assert_eq!(seen.field(&format!("x-auth-{name}")), Some(value));
    }
}

#[test]
fn a_service_has_names_of_its_own() {
    let backend = Backend::saying("reached");
    let key = Key::p256("one");
    let service = ", identity: { headers: { subject: X-WEBAUTH-USER, roles: X-App-Roles, attributes: { tenant: X-App-Tenant } }, \
                   reserve: [X-User-*, Cluster], pass: [X-Client-IP] }";
    let (provider, gate) = with_issuer(&backend, &key, service, "");
    let claims = with(&provider.claims("alice"), &json!({"roles": ["USER"], "tenant": "acme"}));
    let token = format!("Authorization: Bearer {}", key.token(&claims));
    for name in [
        "X-WEBAUTH-USER",
        "X-App-Roles",
        "X-App-Tenant",
        "X-User-Id",
        "X-User-",
        "Cluster",
        "X-Auth-Subject",
        "X-WEBAUTH-EMAIL",
    ] {
        let mut sent: Vec<String> = spellings(name).iter().map(|name| format!("{name}: forged")).collect();
        sent.push(token.clone());
        gate.get_with("/", &sent.iter().map(String::as_str).collect::<Vec<_>>()).expect(200);
        let seen = backend.last();
        assert!(forged(&seen).is_empty(), "{name}: {:#?}", forged(&seen));
        assert_eq!(seen.field("x-webauth-user"), Some("alice"));
        assert_eq!((seen.field("x-app-roles"), seen.field("x-app-tenant")), (Some("USER"), Some("acme")));
        assert_eq!((seen.field("x-auth-subject"), seen.field("x-auth-roles")), (None, None));
    }
    gate.get_with("/", &[&token, "X-Client-IP: 192.0.2.1", "X_Client_IP: forged", "X-Users: all"])
        .expect(200);
    let seen = backend.last();
    assert_eq!((seen.field("x-client-ip"), seen.field("x-users")), (Some("192.0.2.1"), Some("all")));
    assert!(forged(&seen).is_empty(), "only the spelling that was let through: {:#?}", forged(&seen));
    gate.get_with("/", &[&token, "Connection: X-App-Roles"]).expect(400);
}

#[test]
fn a_backends_words_to_the_gate_do_not_travel_to_clients() {
    let answer = "HTTP/1.1 200 OK\r\nX-Auth-Subject: root\r\nX_Auth_Roles: ADMIN\r\nX-Auth-Token: t\r\n\
                  X-Accel-Redirect: /secret\r\nX-Accel-Buffering: no\r\nTransfer_Encoding: chunked\r\nX-Mine: kept\r\nContent-Length: 2\r\n\r\nhi";
    for (pass, passed) in [
        ("", &[][..]),
        (", identity: { pass: [X-Auth-Token, X-Accel-Buffering] }", &["x-auth-token", "x-accel-buffering"]),
    ] {
        let backend = Backend::start(move |_| Answer::kept(answer));
        let gate = Gate::start(&format!(
            "services: {{ web: {{ endpoints: [\"{}\"]{pass} }} }}\nroutes:\n  - {{ name: all, match: {{ path: /** }}, authenticate: anonymous, authorize: any, service: web }}\n",
            backend.url()
        ));
        let answer = gate.converse().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().expect("an answer");
        assert_eq!((answer.status, answer.head.field("x-mine")), (200, Some("kept")));
        for name in [
            "x-auth-subject",
            "x_auth_roles",
            "x-auth-token",
            "x-accel-redirect",
            "x-accel-buffering",
            "transfer_encoding",
        ] {
            assert_eq!(answer.head.field(name).is_some(), passed.contains(&name), "{name}");
        }
    }
}
