//! What is refused, rule by rule.

use super::{HEAD, check};
use crate::config::Fault;
use haechi_authn::identity::RESERVED_CLAIMS;

const SERVICE: &str = "services: { s: { endpoints: [\"http://127.0.0.1:1\"] } }\n";

/// A route with these entries changed.
fn route(changes: &[(&str, &str)]) -> String {
    let standard = [
        ("name", "r"),
        ("match", "{ path: /a }"),
        ("authenticate", "anonymous"),
        ("authorize", "any"),
        ("service", "s"),
    ];
    let mut entries: Vec<(&str, &str)> = standard.to_vec();
    for (key, value) in changes {
        entries.retain(|(known, _)| known != key);
        if !value.is_empty() {
            entries.push((key, value));
        }
    }
    let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!("  - {{ {} }}\n", entries.join(", "))
}

/// The faults of a configuration with these routes, without their places.
fn of_routes(before: &str, routes: &[&[(&str, &str)]]) -> Vec<String> {
    let routes: String = routes.iter().map(|changes| route(changes)).collect();
    messages(&format!("{SERVICE}{before}routes:\n{routes}"))
}

/// What is wrong, and what would be right.
fn messages(text: &str) -> Vec<String> {
    let Err(report) = check(&format!("{HEAD}{text}")) else { return Vec::new() };
    let told = |fault: &Fault| format!("{}: {}", fault.message, fault.help.clone().unwrap_or_default());
    report.faults().iter().map(told).collect()
}

fn assert_refused(found: &[String], part: &str) {
    assert!(found.len() == 1 && found[0].contains(part), "expected `{part}` alone, found {found:#?}");
}

#[test]
fn a_route_is_never_open_by_omission() {
    assert_eq!(of_routes("", &[&[]]), [""; 0]);
    assert_refused(&of_routes("", &[&[("authenticate", "")]]), "a route needs `authenticate`");
    assert_refused(&of_routes("", &[&[("authorize", "")]]), "a route needs `authorize`");
    assert_refused(&of_routes("", &[&[("authenticate", "[]")]]), "names no authenticator");
    assert_refused(&of_routes("", &[&[("authenticate", "{ any: [] }")]]), "names no authenticator");
    assert_refused(&of_routes("", &[&[("authenticate", "{}")]]), "either `any` or `all`");
    assert_refused(&of_routes("", &[&[("authenticate", "null")]]), "found nothing");
    assert_refused(
        &of_routes("", &[&[("authenticate", "[anonymous]")]]),
        "does not stand among authenticators",
    );
    let basic = "store: sqlite:h\nauthenticators: { b: { type: basic } }\n";
    let with = |authorize| of_routes(basic, &[&[("authenticate", "b"), ("authorize", authorize)]]);
    assert_refused(&with("{}"), "no clause");
    assert_refused(&with("{ roles: [] }"), "`roles` lists none");
    assert_refused(&with("{ scopes: [] }"), "`scopes` lists none");
    assert_refused(&with("{ roles: [NOPE] }"), "there is no role `NOPE`");
    assert_refused(&with("all"), "is not what `authorize` takes");
}

#[test]
fn nobody_can_pass_a_clause_without_a_caller() {
    for authenticate in ["anonymous", "passthrough"] {
        let found = of_routes("", &[&[("authenticate", authenticate), ("authorize", "{ scopes: [a] }")]]);
        assert_refused(&found, "nobody can pass");
    }
}

#[test]
fn two_routes_never_win_the_same_request() {
    let pairs: [(&str, &str); 7] = [
        ("{ path: /a }", "{ path: /a }"),
        ("{ path: \"/a/{x}\" }", "{ path: /a/* }"),
        ("{ path: /a/** , methods: [GET] }", "{ path: /a/**, methods: [HEAD] }".trim()),
        ("{ path: /a, hosts: [x.example, y.example] }", "{ path: /a, hosts: [Y.example] }"),
        ("{ path: /a, methods: [GET, POST] }", "{ path: /a, methods: [POST] }"),
        ("{ path: /a, methods: [QUERY] }", "{ path: /a }"),
        ("{ path: /a, methods: [QUERY] }", "{ path: /a, methods: [GET, QUERY] }"),
    ];
    for (one, other) in pairs {
        let found =
            of_routes("", &[&[("name", "one"), ("match", one)], &[("name", "two"), ("match", other)]]);
        assert_refused(&found, "routes `one` and `two` could both win");
    }
    let twice = of_routes("", &[&[], &[("match", "{ path: /b }")]]);
    assert_refused(&twice, "two routes are named `r`");
    assert_refused(&of_routes("", &[&[("name", "identity-login")]]), "begins as the identity provider's own");
    assert_eq!(of_routes("", &[&[("name", "identity")]]), [""; 0]);
}

#[test]
fn names_must_be_declared() {
    assert_refused(&of_routes("", &[&[("service", "t")]]), "there is no service `t`");
    assert_refused(&of_routes("", &[&[("authenticate", "locla")]]), "there is no authenticator `locla`");
    assert_refused(
        &messages("services: { \"a b\": { endpoints: [\"http://a\"] } }\n"),
        "`a b` is not a name",
    );
    assert_refused(&messages("caller_attributes: { has: string }\n"), "`has` is not an attribute's name");
    assert_refused(&messages("caller_attributes: { a: text }\n"), "`text` is not an attribute type");
    for claim in RESERVED_CLAIMS {
        let found = messages(&format!("caller_attributes: {{ {claim}: string }}\n"));
        // `authenticator` is taken by the policy language, too.
        let part = if claim == "authenticator" {
            "is not an attribute's name"
        } else {
            "is a claim that the gate writes"
        };
        assert_refused(&found, part);
    }
    assert_refused(
        &messages("store: sqlite:h\nauthenticators: { anonymous: { type: basic } }\n"),
        "a word of its own",
    );
}

#[test]
fn roles_include_what_they_may() {
    assert_refused(&messages("roles: { A: { includes: [B] }, B: { includes: [A] } }\n"), "includes itself");
    assert_refused(&messages("roles: { A: { includes: [C] } }\n"), "there is no role `C`");
    assert_refused(&messages("roles: { haechi-boss: {} }\n"), "begins as the built-in roles do");
    assert_refused(&messages("roles: { A: { includes: [haechi-admin] } }\n"), "cannot be included");
}

#[test]
fn secrets_are_in_the_encoding_that_they_say() {
    let jwt = |rest: &str| messages(&format!("authenticators: {{ a: {{ type: jwt, {rest} }} }}\n"));
    let encoded = |secret: &str| {
        jwt(&format!("issuer: x, audiences: [a], keys: {{ secret: {secret}, encoding: base64 }}"))
    };
    assert_refused(&encoded("\"0123456789abcdef0123456789abcdef???\""), "the secret is not base64");
    assert_refused(&encoded("[MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=, YWJj]"), "shorter than 32 bytes");
    let nothing = "issuer: x, audiences: [a], keys: { jwks_url: \"https://x/\", encoding: base64 }";
    assert_refused(&jwt(nothing), "`encoding` says how a `secret` is written");
    assert_refused(
        &jwt("issuer: x, audiences: [a], keys: { secret: \"${env:SECRET}\", encoding: hex }"),
        "is not an encoding of a secret",
    );
}

#[test]
fn tokens_are_bound_to_an_audience_and_to_keys_that_hold() {
    let jwt = |rest: &str| messages(&format!("authenticators: {{ a: {{ type: jwt, {rest} }} }}\n"));
    let https = "issuer: \"https://sso.example.com\"";
    assert_eq!(jwt(&format!("{https}, audiences: [a]")), [""; 0]);
    assert_refused(&jwt(https), "needs `audiences`");
    assert_refused(&jwt(&format!("{https}, audiences: []")), "needs `audiences`");
    assert_refused(&jwt("issuer: self"), "needs the embedded identity provider");
    assert_refused(&jwt("issuer: x, audiences: [a]"), "keys cannot be discovered");
    assert_refused(&jwt("issuer: \"http://sso.example.com\", audiences: [a]"), "plain `http`");
    assert_eq!(jwt("issuer: \"http://sso.example.com\", audiences: [a], allow_http: true"), [""; 0]);
    assert_eq!(jwt("issuer: \"http://127.0.0.1:1\", audiences: [a]"), [""; 0]);
    assert_refused(
        &jwt("issuer: x, audiences: [a], keys: { jwks_url: \"http://10.0.0.1/\" }"),
        "plain `http`",
    );
    assert_refused(
        &jwt("issuer: x, audiences: [a], keys: { jwks_file: nope.json }"),
        "`nope.json` cannot be read: no such file",
    );
    assert_refused(&jwt("issuer: x, audiences: [a], keys: {}"), "names one place");
    assert_refused(&jwt(&format!("{https}, audiences: [a], algorithms: []")), "allows none");
    assert_refused(
        &jwt(&format!("{https}, audiences: [a], algorithms: [none]")),
        "`none` is not an algorithm",
    );
    assert_refused(
        &jwt(&format!("{https}, audiences: [a], algorithms: [RS256, HS256]")),
        "is verified with a secret",
    );
    let secret = "issuer: x, audiences: [a], keys: { secret: \"${env:SECRET}\" }";
    assert_eq!(jwt(secret), [""; 0]);
    assert_refused(&jwt(&format!("{secret}, algorithms: [HS256, ES256]")), "verified with a public key");
    assert_refused(&jwt(&format!("{secret}, algorithms: [HS256, HS512]")), "shorter than 64 bytes");
    assert_refused(&jwt("issuer: x, audiences: [a], keys: { secret: short }"), "shorter than 32 bytes");
    assert_refused(
        &jwt(&format!("{https}, audiences: [a], claims: {{ roles: roles }}")),
        "is not a JSON pointer",
    );
    assert_refused(
        &jwt(&format!("{https}, audiences: [a], claims: {{ roles: /a~2 }}")),
        "is not a JSON pointer",
    );
    assert_refused(
        &jwt(&format!("{https}, audiences: [a], claims: {{ tenant: /t }}")),
        "no caller attribute `tenant`",
    );
    let origins = |origins: &str| jwt(&format!("{https}, audiences: [a], key_origins: {origins}"));
    assert_eq!(origins("[\"https://keys.example.com\"]"), [""; 0]);
    assert_refused(&origins("[\"http://keys.example.com\"]"), "plain `http`");
    assert_refused(&origins("[\"https://keys.example.com/jwks\"]"), "is not an origin");
    assert_refused(
        &origins("[\"https://a\"], keys: { jwks_url: \"https://b/\" }"),
        "for keys that are discovered",
    );
    assert_refused(&jwt(&format!("{https}, audiences: [a], token_types: []")), "`token_types` lists none");
    assert_refused(&jwt(&format!("{https}, audiences: [a], leeway: 11m")), "`11m` is not a duration");
}

#[test]
fn what_providers_need_is_written_in_one_way() {
    let jwt = |rest: &str| {
        let begin =
            "caller_attributes: { groups: set }\nroles: { ADMIN: {} }\nauthenticators: { a: { type: jwt";
        messages(&format!("{begin}, {rest} }} }}\n"))
    };
    let usual = "issuer: \"https://x\", audiences: [a]";
    let tid = "issuer: \"https://x/{tid}\", audiences: [a], keys: { jwks_url: \"https://x/keys\" }";
    assert_eq!(jwt(&format!("{tid}, tenants: {{ tid: [a] }}")), [""; 0]);
    assert_refused(&jwt(tid), "`tenants` does not list which `tid`");
    assert_refused(&jwt(&format!("{tid}, tenants: {{ tid: [] }}")), "`tenants` does not list which `tid`");
    assert_refused(&jwt(&format!("{tid}, tenants: {{ tid: [a], org: [b] }}")), "the issuer has no `{org}`");
    assert_refused(&jwt(&format!("{usual}, tenants: {{ tid: [a] }}")), "the issuer has no `{tid}`");
    assert_refused(
        &jwt("issuer: \"https://x/{tid}\", audiences: [a], tenants: { tid: [a] }"),
        "keys cannot be discovered",
    );
    assert_eq!(jwt("issuer: \"https://x\", audiences: unchecked"), [""; 0]);
    assert_refused(&jwt("issuer: \"https://x\", audiences: any"), "a list of audiences, or `unchecked`");
    assert_refused(
        &jwt("issuer: \"https://x\", audiences: unchecked, audience_claim: azp"),
        "`audience_claim` is not looked at",
    );
    assert_refused(&jwt(&format!("{usual}, audience_claim: /a~2")), "not the name of a claim");
    for place in ["bearer", "{ header: X-Token }", "{ cookie: s }", "{ websocket_protocol: bearer. }"] {
        assert_eq!(jwt(&format!("{usual}, from: [{place}]")), [""; 0], "{place}");
        assert_refused(&jwt(&format!("{usual}, from: [{place}, {place}]")), "named twice");
    }
    assert_refused(&jwt(&format!("{usual}, from: []")), "`from` names no place");
    assert_refused(&jwt(&format!("{usual}, from: [query]")), "`query` is not a place of a token");
    assert_refused(&jwt(&format!("{usual}, from: [{{ header: A, cookie: b }}]")), "names one place");
    assert_refused(&jwt(&format!("{usual}, from: [{{ header: Authorization }}]")), "is not a header");
    assert_refused(&jwt(&format!("{usual}, from: [{{ cookie: \"a b\" }}]")), "is not a name");
    assert_eq!(jwt(&format!("{usual}, token_types: [application/at+jwt, JWT]")), [""; 0]);
    for typ in ["'*'", "application/", "'a b'"] {
        assert_refused(&jwt(&format!("{usual}, token_types: [{typ}]")), "would match none");
    }
    assert_refused(&jwt(&format!("{usual}, token_types: [\"\"]")), "expected text");
    assert_refused(&jwt(&format!("{usual}, role_map: {{ x: USER }}")), "there is no role `USER`");
    assert_refused(
        &jwt(&format!("{usual}, role_map: {{ x: haechi-admin }}")),
        "cannot give the built-in role",
    );
    assert_refused(&jwt(&format!("{usual}, claims: {{ roles: [] }}")), "names no claim");
    assert_refused(&jwt(&format!("{usual}, claims: {{ groups: [/a, b] }}")), "is not a JSON pointer");
    assert_refused(&messages("egress: { proxy: \"socks5://x\" }\n"), "is not the address of a proxy");
    assert_eq!(messages("egress: { proxy: none, no_proxy: [a.example] }\n"), [""; 0]);
    assert_refused(&messages("roles: { \" a\": {} }\n"), "is not a role's name");
    let own = "store: sqlite:h\nidentity: { issuer: \"http://localhost\" }\nauthenticators: { a: { type: jwt, issuer: self, audiences: unchecked } }\n";
    assert_refused(&messages(own), "audiences are always checked");
}

#[test]
fn our_own_tokens_are_what_we_make_them() {
    let own = |rest: &str| {
        messages(&format!(
            "store: sqlite:h\nidentity: {{ issuer: \"http://localhost\" }}\nauthenticators: {{ a: {{ type: jwt, issuer: self{rest} }} }}\n"
        ))
    };
    assert_eq!(own(""), [""; 0]);
    // The identity provider remembers a revocation for ten minutes longer than the token is valid, and no more.
    assert_eq!(own(", leeway: 10m"), [""; 0]);
    assert_refused(&own(", leeway: 601s"), "`601s` is not a duration");
    assert_eq!(own(", token_types: [at+jwt]"), [""; 0]);
    for other in ["[JWT]", "[at+jwt, JWT]", "[AT+JWT]", "[]"] {
        assert_refused(&own(&format!(", token_types: {other}")), "an access token's type is `at+jwt`");
    }
    let lifetimes = |access: &str, refresh: &str| {
        messages(&format!(
            "store: sqlite:h\nidentity: {{ issuer: \"http://localhost\", {access}refresh_token: {{ lifetime: {refresh} }} }}\n"
        ))
    };
    let identity = |rest: &str| {
        messages(&format!("store: sqlite:h\nidentity: {{ issuer: \"http://localhost\", {rest} }}\n"))
    };
    let (one, other) = ("5a".repeat(31) + "01", "5a".repeat(31) + "02");
    for fits in [&one, &format!("[{one}, {other}]")] {
        assert_eq!(identity(&format!("signing_keys: {{ seal: {fits}, rotate_every: 90d }}")), [""; 0]);
    }
    assert_refused(&identity("signing_keys: { seal: secret }"), "a seal is 32 random bytes");
    assert_refused(&identity(&format!("signing_keys: {{ seal: [{one}, {one}] }}")), "the seal stands twice");
    assert_refused(&identity("signing_keys: { seal: [] }"), "expected a seal, or a list of seals");
    assert_refused(&identity("signing_keys: { rotate_every: 59m }"), "`59m` is not a duration");
    assert_refused(&identity("refresh_token: { reuse_interval: 2m }"), "`2m` is not a duration");
    assert_eq!(identity("passkeys: true"), [""; 0]);
    for issuer in ["http://127.0.0.1:8080", "https://192.0.2.1"] {
        let text = format!("store: sqlite:h\nidentity: {{ issuer: \"{issuer}\", passkeys: true }}\n");
        assert_refused(&messages(&text), "browsers have no passkeys for this issuer");
    }
    assert_eq!(lifetimes("access_token: { lifetime: 1h }, ", "1h"), [""; 0]);
    assert_refused(
        &lifetimes("access_token: { lifetime: 1h }, ", "59m"),
        "valid for `1h`, and a login for `59m`",
    );
    assert_refused(&lifetimes("", "9m"), "valid for `10m`, and a login for `9m`");
}

#[test]
fn roles_for_all_are_for_users_in_a_file() {
    let basic =
        "store: sqlite:h\nroles: { USER: {} }\nauthenticators: { b: { type: basic, roles: [USER] } }\n";
    assert_refused(&messages(basic), "have roles of their own");
}

#[test]
fn what_keeps_facts_needs_a_store() {
    assert_refused(&messages("authenticators: { a: { type: api_key } }\n"), "needs a store");
    assert_refused(&messages("authenticators: { a: { type: basic } }\n"), "needs a store");
    assert_refused(&messages("identity: { issuer: \"http://localhost\" }\n"), "needs a store");
    assert_eq!(messages("store: postgres://h/x?sslmode=require&pool_size=20\n"), [""; 0]);
    assert_refused(
        &messages("store: postgres://h/x?sslmode=verify-ca\n"),
        "`sslmode` is wrong; write `verify-full`",
    );
    assert_refused(&messages("store: postgres://h/x?poolsize=20\n"), "known are `sslmode`");
    assert_refused(&messages("store: postgres://h:x/x\n"), "no address of a PostgreSQL database");
    assert_refused(&messages("store: redis://h\n"), "expected a store");
    assert_refused(&messages("store: mysql:x\n"), "expected a store");
    assert_refused(&messages("store: \"sqlite:\"\n"), "names no file");
}

#[test]
fn the_identity_provider_keeps_its_paths() {
    let identity = "store: sqlite:h\nidentity: { issuer: \"http://localhost\" }\n";
    for path in ["/auth", "/auth/**", "/auth/login", "/.well-known/jwks.json"] {
        let matches = format!("{{ path: {path} }}");
        assert_refused(&of_routes(identity, &[&[("match", &matches)]]), "the gate itself answers");
    }
    for path in ["/**", "/authors", "/.well-known/**"] {
        let matches = format!("{{ path: {path} }}");
        assert_eq!(of_routes(identity, &[&[("match", &matches)]]), [""; 0]);
    }
    let with = |rest: &str| messages(&format!("store: sqlite:h\nidentity: {{ {rest} }}\n"));
    assert_refused(&with("issuer: \"http://gate.example.com\""), "plain `http`");
    assert_refused(&with("issuer: \"https://gate.example.com/x\""), "has a path");
    assert_refused(&with("issuer: \"http://localhost\", path: /a/*"), "is not a plain path");
    assert_refused(&with("issuer: \"http://localhost\", path: /"), "is not a plain path");
    assert_refused(
        &messages("services: { s: { endpoints: [\"http://a\"], identity: { token: { audience: a } } } }\n"),
        "needs the embedded identity provider",
    );
}

#[test]
fn addresses_are_exact() {
    let service = |rest: &str| messages(&format!("services: {{ s: {{ {rest} }} }}\n"));
    assert_refused(&service("endpoints: []"), "at least one endpoint");
    assert_refused(&service("endpoints: [\"http://a/x\"]"), "is not an endpoint");
    assert_eq!(service("endpoints: [\"https://a\"]"), [""; 0]);
    let tls = |url: &str, rest: &str| service(&format!("endpoints: [\"{url}\"], tls: {{ {rest} }}"));
    assert_refused(&tls("http://a", "server_name: b"), "for endpoints with `https://`, and there is none");
    assert_refused(&tls("https://a", "server_name: \"b:1\""), "is not a host");
    assert_refused(&tls("https://a", "ca: nope.pem"), "`nope.pem` cannot be read");
    assert_refused(&tls("https://a", "insecure: true"), "is not a key of `tls` of a service");
    assert_refused(&service("endpoints: [\"https://a-.b\"]"), "cannot stand in a certificate");
    assert_refused(&service("endpoints: [\"http://a\", \"http://A:80\"]"), "stands twice");
    assert_refused(&service("endpoints: [{ url: \"http://a\", weight: 0 }]"), "the weight 0");
    assert_refused(&service("endpoints: [\"http://a\"], balance: fastest"), "is not a way to balance");
    assert_refused(
        &service("endpoints: [\"http://a\"], balance: { hash: \"header:Authorization\" }"),
        "cannot be hashed",
    );
    assert_refused(&service("endpoints: [\"http://a\"], timeout: 0s"), "`0s` is not a duration");
    assert_refused(&messages("trusted_proxies: [10.0.0.1/8]\n"), "is not a network");
    assert_refused(
        &messages("store: sqlite:h\nauthenticators: { a: { type: api_key, header: Authorization } }\n"),
        "can carry a key",
    );
    assert_refused(
        &messages("store: sqlite:h\nauthenticators: { a: { type: api_key, header: X_Auth_Subject } }\n"),
        "can carry a key",
    );
}

#[test]
fn what_is_done_about_endpoints_makes_sense() {
    let service =
        |rest: &str| messages(&format!("services: {{ s: {{ endpoints: [\"http://a\"], {rest} }} }}\n"));
    assert_refused(&service("health: {}"), "`health` needs `path`");
    assert_refused(&service("health: { path: healthz }"), "is not one that can be asked for");
    assert_refused(&service("health: { path: \"/a b\" }"), "is not one that can be asked for");
    assert_refused(&service("health: { path: /a, interval: 500ms }"), "`timeout` is longer than `interval`");
    assert_refused(&service("health: { path: /a, healthy_after: 0 }"), "`0` is not a number");
    assert_refused(&service("ejection: { max_percent: 101 }"), "`101` is not a number");
    assert_refused(&service("circuit: { connections: 0 }"), "`0` is not a number");
    assert_refused(&service("keepalive: { max_requests: 0 }"), "`0` is not a number");
    assert_refused(&service("keepalive: { max_age: 10ms }"), "`10ms`");
    assert_refused(&service("retries: { attempts: 0 }"), "`0` is not a number");
    assert_refused(&service("retries: { on: [] }"), "`on` is empty");
    assert_refused(&service("retries: { on: [404] }"), "`404` is not what to try again after");
    assert_refused(&service("resolve: 10ms"), "`10ms` is not a duration");
}

#[test]
fn listeners_stand_on_addresses_of_their_own() {
    let report =
        |text: &str| check(text).unwrap_err().faults().iter().map(|f| f.message.clone()).collect::<Vec<_>>();
    assert_refused(&report("listeners: [{ bind: 127.0.0.1:80 }, { bind: 127.0.0.1:80 }]"), "two listeners");
    assert_refused(
        &report("listeners: [{ bind: 127.0.0.1:80 }]\nadmin: { bind: 127.0.0.1:80 }"),
        "has the address",
    );
    assert_refused(&report("listeners: []"), "`listeners` is empty");
    assert_refused(&report("services: {}"), "needs `listeners`");
    assert_refused(&report(""), "the file is empty");
    assert!(check("listeners: [{ bind: 127.0.0.1:0 }, { bind: 127.0.0.1:0 }]").is_ok());
}

#[test]
fn matching_is_exact() {
    let with = |matches: &str| of_routes("", &[&[("match", matches)]]);
    assert_refused(&with("{ path: a }"), "`a` is not a path pattern");
    for never in ["CONNECT", "TRACE", "get", "Delete", "propfind", "m-search", "\"A B\"", "\"\""] {
        let shown = never.trim_matches('"');
        let found = with(&format!("{{ path: /a, methods: [{never}] }}"));
        assert_refused(&found, &format!("`{shown}` is not a method"));
    }
    for (slip, near) in [("GETT", "GET"), ("PSOT", "POST"), ("OPTION", "OPTIONS")] {
        assert_refused(
            &with(&format!("{{ path: /a, methods: [{slip}] }}")),
            &format!("did you mean `{near}`?"),
        );
    }
    assert_eq!(with("{ path: /a, methods: [QUERY, PROPFIND, M-SEARCH, our-own] }"), [""; 0]);
    assert_refused(&with("{ path: /a, methods: [] }"), "`methods` lists none");
    assert_refused(&with("{ path: /a, hosts: [] }"), "`hosts` lists none");
    for (host, right) in [
        ("a.*.com", "is not a host"),
        ("a:80", "without the port: `a`"),
        ("*.a.example:80", "write `*.a.example`"),
        ("https://API.example.com/v1", "write `api.example.com`"),
        ("api.example.com/", "write `api.example.com`"),
        (".example.com", "write `example.com`"),
        ("상점.example", "write `xn--"),
        ("::1", "write `[::1]`"),
        ("*", "remove `hosts`"),
    ] {
        assert_refused(&with(&format!("{{ path: /a, hosts: [\"{host}\"] }}")), right);
    }
    for (path, name) in [("/a;b", "semicolon"), ("/a%2Fb/**", "encoded_slash"), ("/a%25b", "encoded_percent")]
    {
        let matches = format!("{{ path: \"{path}\" }}");
        assert_refused(&with(&matches), &format!("add `allow_in_path: [{name}]`"));
        let allowed = format!("[{name}]");
        assert_eq!(of_routes("", &[&[("match", &*matches), ("allow_in_path", &*allowed)]]), [""; 0]);
    }
    assert_refused(&with("{ path: \"/a%3Fb/**\" }"), "add `allow_in_path: [encoded_delimiter]`");
    assert_eq!(with("{ path: \"/a%3Fb\" }"), [""; 0]);
    let rewrite =
        |rewrite: &str| of_routes("", &[&[("match", "{ path: \"/a/{x}\" }"), ("rewrite", rewrite)]]);
    assert_eq!(rewrite("{ strip_prefix: /a }"), [""; 0]);
    assert_refused(&rewrite("{ strip_prefix: /b }"), "is not what the pattern");
    assert_refused(&rewrite("{ strip_prefix: \"/a/{x}\" }"), "is not a plain prefix");
    assert_refused(&rewrite("{ strip_prefix: / }"), "is not a plain prefix");
    assert_refused(&rewrite("{ add_prefix: /v2/ }"), "is not a plain prefix");
    assert_refused(&of_routes("", &[&[("allow_in_path", "[dots]")]]), "is not a way to spell a path");
    assert_refused(&of_routes("", &[&[("origins", "[\"https://a/x\"]")]]), "is not an origin");
}

#[test]
fn pages_of_other_sites_read_only_what_was_meant_for_them() {
    let cors =
        |cors: &str| of_routes("", &[&[("match", "{ path: /a, methods: [GET, POST] }"), ("cors", cors)]]);
    let app = "origins: [\"https://app.example.com\"]";
    assert_eq!(
        cors(&format!("{{ {app}, methods: [GET], headers: [Authorization], credentials: true }}")),
        [""; 0]
    );
    assert_eq!(cors("{ origins: \"*\", expose: [X-Request-Id], max_age: 0s }"), [""; 0]);
    assert_refused(&cors("{}"), "`cors` needs `origins`");
    assert_refused(&cors("{ origins: [] }"), "`origins` lists none");
    assert_refused(&cors("{ origins: \"*\", credentials: true }"), "every caller's data to every page");
    assert_refused(&cors("{ origins: [\"*\"] }"), "write `origins: \"*\"` for all");
    assert_eq!(
        cors(
            "{ origins: [\"https://*.preview.example.com\", \"http://*.localhost:3000\"], credentials: true }"
        ),
        [""; 0]
    );
    for (origin, right) in [
        ("https://*.Preview.example.com", "`https://*.preview.example.com`"),
        ("https://*.example.com/app", "`https://*.example.com`"),
        ("https://*.example.com:443", "`https://*.example.com`"),
        ("https://a.*.com", "`https://*.example.com` for every name below it"),
        ("https://*", "`https://*.example.com` for every name below it"),
        ("https://*.*.com", "`https://*.example.com` for every name below it"),
        ("https://*.10.0.0.1", "no name below an address"),
        ("*.example.com", "`https://*.example.com` for every name below it"),
    ] {
        assert_refused(&cors(&format!("{{ origins: [\"{origin}\"] }}")), right);
        assert_refused(&of_routes("", &[&[("origins", &*format!("[\"{origin}\"]"))]]), right);
    }
    let wide = "{ origins: [\"https://*.com\"], credentials: true }";
    assert_refused(&cors(wide), "whoever has a name there");
    assert_refused(&cors("{ origins: [\"https://APP.example.com\"] }"), "is not an origin");
    assert_refused(&cors("{ origins: \"https://app.example.com\" }"), "expected a list of origins");
    assert_refused(&cors(&format!("{{ {app}, methods: [] }}")), "`methods` lists none");
    assert_refused(&cors(&format!("{{ {app}, methods: [PUT] }}")), "the route does not take `PUT`");
    assert_refused(&cors(&format!("{{ {app}, headers: [\"*\"] }}")), "is not a header's name");
    assert_refused(&cors(&format!("{{ {app}, headers: [\"a b\"] }}")), "is not a header's name");
    assert_refused(&cors(&format!("{{ {app}, max_age: 2d }}")), "`2d` is not a duration");
}

#[test]
fn rules_about_answers_leave_alone_what_the_gate_answers_for() {
    let rules = |rules: &str| of_routes("", &[&[("response_headers", rules)]]);
    assert_eq!(
        rules("{ set: { X-Frame-Options: DENY }, add: { Link: \"</a>; rel=next\" }, remove: [Server] }"),
        [""; 0]
    );
    for name in [
        "Content-Length",
        "transfer-encoding",
        "Connection",
        "Keep-Alive",
        "Upgrade",
        "Trailer",
        "Content-Type",
        "Content-Encoding",
        "Content-Range",
        "X-Request-Id",
        "X_Request_Id",
        "WWW-Authenticate",
        "Date",
        "Allow",
        "Retry-After",
        "grpc-status",
        "Sec-WebSocket-Accept",
    ] {
        for how in [
            format!("{{ set: {{ {name}: x }} }}"),
            format!("{{ add: {{ {name}: x }} }}"),
            format!("{{ remove: [{name}] }}"),
        ] {
            let found = rules(&how);
            assert!(found.len() == 1 && found[0].starts_with(&format!("`{name}` ")), "{how}: {found:#?}");
        }
    }
    assert_refused(&rules("{ set: { X-A: x }, remove: [x-a] }"), "stands twice");
    assert_refused(&rules("{ set: { X-A: \"\" } }"), "is not a header's value");
    assert_refused(&rules("{ set: { X-A: \"a\\r\\nb: c\" } }"), "is not a header's value");
    assert_refused(&rules("{ set: { X-A: \"\u{e9}\" } }"), "is not a header's value");
    assert_refused(&rules("{ set: { \"X A\": x } }"), "is not a header's name");
    let both =
        [("cors", "{ origins: \"*\" }"), ("response_headers", "{ set: { Access-Control-Allow-Origin: x } }")];
    assert_refused(&of_routes("", &[&both]), "is written by the route's `cors`");
}

#[test]
fn traces_go_where_nobody_else_reads_them() {
    let traces = |traces: &str| messages(&format!("telemetry: {{ traces: {{ {traces} }} }}\n"));
    let local = "endpoint: \"http://127.0.0.1:4318/v1/traces\"";
    assert_eq!(traces(local), [""; 0]);
    assert_eq!(
        traces(
            "endpoint: \"https://otel.example.com/v1/traces\", sample: 0.25, headers: { api-key: \"${env:SECRET}\" }"
        ),
        [""; 0]
    );
    assert_eq!(traces("endpoint: \"http://otel.example.com/v1/traces\", allow_http: true"), [""; 0]);
    assert_refused(&traces("endpoint: \"http://otel.example.com/v1/traces\""), "over plain `http`");
    assert_refused(&traces("sample: 1"), "needs `endpoint`");
    for sample in ["1.1", "-0.1", "10%", "1e-1", "NaN", "inf"] {
        assert_refused(&traces(&format!("{local}, sample: {sample}")), "is not a part of one");
    }
    assert_refused(&traces(&format!("{local}, headers: {{ Content-Type: x }}")), "is written by the gate");
    let hidden = traces(&format!("{local}, headers: {{ api-key: \"hunter2\\n\" }}"));
    assert_refused(&hidden, "cannot be the value of a header");
    assert!(!hidden[0].contains("hunter2"));
}

#[test]
fn who_decides_outside_is_named_and_cannot_be_overheard() {
    let point = |point: &str| {
        let before = format!("decision_points: {{ opa: {{ {point} }} }}\n");
        of_routes(&before, &[&[("authorize", "{ external: opa }")]])
    };
    let local = "type: opa, url: \"http://127.0.0.1:8181/v1/data/http/allow\"";
    assert_eq!(point(local), [""; 0]);
    assert_eq!(
        point(&format!("{local}, timeout: 200ms, cache: {{ allow: 5s }}, token: \"${{env:SECRET}}\"")),
        [""; 0]
    );
    assert_eq!(point("type: authzen, url: \"https://pdp.example.com/access/v1/evaluation\""), [""; 0]);
    assert_eq!(point("type: authzen, url: \"http://pdp.example.com/e\", allow_http: true"), [""; 0]);
    assert_refused(&point("type: authzen, url: \"http://pdp.example.com/e\""), "over plain `http`");
    assert_refused(&point("type: opa, url: \"127.0.0.1:8181\""), "is not a web address");
    assert_refused(&point("url: \"https://pdp.example.com/e\""), "a decision point needs `type`");
    assert_refused(&point("type: opa"), "a decision point needs `url`");
    assert_refused(
        &point("type: oqa, url: \"https://pdp.example.com/e\""),
        "`oqa` is not a decision point's type",
    );
    assert_refused(&point(&format!("{local}, timeout: 0s")), "`0s` is not a duration");
    assert_refused(&point(&format!("{local}, cache: {{ allow: 2h }}")), "`2h` is not a duration");
    assert_refused(&point(&format!("{local}, cache: 5s")), "expected `cache` of a decision point");
    assert_refused(
        &point(&format!("{local}, tls: {{ ca: ca.pem }}")).as_slice()[..1],
        "`tls` is for an address with `https://`",
    );
    assert_refused(&point(&format!("{local}, token: \"\"")), "cannot be sent as a bearer token");
    let hidden = point(&format!("{local}, token: \"hunter2 \\n\""));
    assert_refused(&hidden, "cannot be sent as a bearer token");
    assert!(!hidden[0].contains("hunter2"));
    let named = |external: &str| {
        let before = format!("decision_points: {{ opa: {{ {local} }} }}\n");
        of_routes(&before, &[&[("authorize", external)]])
    };
    assert_refused(&named("{ external: oppa }"), "there is no decision point `oppa`");
    assert_refused(&named("{ external: opa, scopes: [a] }"), "nobody can pass");
}

#[test]
fn numbers_and_booleans_are_not_text() {
    assert_refused(&of_routes("", &[&[("name", "1")]]), "found the bare value `1`");
    assert_refused(&of_routes("", &[&[("name", "true")]]), "found the bare value `true`");
    assert_refused(
        &of_routes("", &[&[("forward_credentials", "yes"), ("authenticate", "passthrough")]]),
        "`yes` is not a boolean",
    );
    assert_refused(&messages("workers: many\n"), "`many` is not a number");
    assert_refused(&messages("limits: { head: 16KB }\n"), "`16KB` is not a size");
    assert_refused(&messages("limits: { head: 1 }\n"), "`1` is not a size");
    assert_refused(&messages("limits: { head: 257KiB }\n"), "`257KiB` is not a size");
    assert_refused(&messages("limits: { response_head: 1MiB }\n"), "`1MiB` is not a size");
    assert_refused(&messages("limits: []\n"), "expected `limits`, found a list");
}

#[test]
fn identity_headers_are_names_that_a_service_may_have() {
    let service = |identity: &str| {
        messages(&format!(
            "caller_attributes: {{ tenant: string }}\nservices: {{ s: {{ endpoints: [\"http://127.0.0.1:1\"], identity: {{ {identity} }} }} }}\nroutes:\n{}",
            route(&[])
        ))
    };
    for legal in [
        "headers: { subject: X-WEBAUTH-USER, roles: Remote-Groups, attributes: { tenant: X-Tenant } }, reserve: [X-User-*, X-Real-IP]",
        "pass: [X-Client-IP, X-Envoy-*, X-Auth-Token, X-HTTP-Method-Override, X-Accel-Buffering]",
        "headers: false, reserve: [X-User-Id], pass: [X-User-*]",
    ] {
        assert_eq!(service(legal), [""; 0], "{legal}");
    }
    for (identity, part) in [
        ("headers: {}", "names no header"),
        ("headers: { subject: Host }", "is not a header that can tell of the caller"),
        ("headers: { subject: Authorization }", "is not a header that can tell of the caller"),
        ("headers: { subject: X-Forwarded-For }", "is not a header that can tell of the caller"),
        ("headers: { subject: Transfer_Encoding }", "is not a header that can tell of the caller"),
        ("headers: { subject: X-A, roles: X_A }", "stands twice"),
        ("headers: { attributes: { mail: X-Mail } }", "is not an attribute of callers"),
        ("headers: { subject: X-App-User }, pass: [X-App-*]", "a client's cannot be let through"),
        ("reserve: [Cookie]", "`Cookie` is not a name to reserve"),
        ("reserve: [\"*\"]", "is not a name to reserve"),
        ("reserve: [X-*-Id]", "is not a name to reserve"),
        ("pass: [X-Auth-Subject]", "`X-Auth-Subject` is not a name to let through"),
        ("pass: [X_Auth_Roles]", "is not a name to let through"),
        ("pass: [X-Auth-*]", "is not a name to let through"),
        ("pass: [X-Forwarded-*]", "is not a name to let through"),
        ("pass: [X-Request-Id]", "is not a name to let through"),
        ("pass: [Connection]", "is not a name to let through"),
    ] {
        assert_refused(&service(identity), part);
    }
    let key = "store: sqlite:h\nauthenticators: { k: { type: api_key, header: HEADER } }\n";
    let key = |header: &str| of_routes(&key.replace("HEADER", header), &[&[("authenticate", "k")]]);
    assert_eq!(key("X-Auth-Token"), [""; 0]);
    assert_refused(&key("X-Auth-Subject"), "is not a header that can carry a key");
    assert_refused(&key("Remote-User"), "is not a header that can carry a key");
}

#[test]
fn request_headers_leave_alone_what_others_answer_for() {
    let rules = |before: &str, rules: &str| of_routes(before, &[&[("request_headers", rules)]]);
    for fine in ["{ set: { X-Tier: gold }, remove: [X-Debug] }", "{}"] {
        assert_eq!(rules("", fine), [] as [&str; 0], "{fine}");
    }
    for name in [
        "X-Auth-Subject",
        "x_auth_roles",
        "X-Forwarded-For",
        "Host",
        "Connection",
        "Authorization",
        "Cookie",
        "Content-Length",
        "Transfer-Encoding",
        "traceparent",
        "Sec-WebSocket-Key",
    ] {
        for change in [format!("{{ set: {{ {name}: a }} }}"), format!("{{ remove: [{name}] }}")] {
            let told = rules("", &change);
            assert!(told[0].contains("is the gate's own, or the protocol's"), "{change}: {told:?}");
        }
    }
    for twice in
        ["{ set: { X-A: a, x_a: b } }", "{ set: { X-A: a }, remove: [X-A] }", "{ remove: [X-A, x.a] }"]
    {
        assert!(rules("", twice)[0].contains("is changed twice"), "{twice}");
    }
    let read = "context_headers: { tenant: X-Tenant }\n";
    assert!(rules(read, "{ set: { X_Tenant: a } }")[0].contains("read by policies"));
    assert!(rules(read, "{ remove: [X-Tenant] }")[0].contains("read by policies"));
    let keys = "store: sqlite:x.db\nauthenticators: { k: { type: api_key, header: X-API-Key } }\n";
    assert!(
        rules(keys, "{ set: { X-Api-Key: a } }").iter().any(|told| told.contains("carries a credential"))
    );
}

#[test]
fn defaults_say_nothing_about_who_may_pass() {
    let told = |defaults: &str| of_routes(&format!("defaults: {defaults}\n"), &[&[]]);
    assert_eq!(
        told(
            "{ route: { timeout: 1s, cors: { origins: [\"https://a.example\"] } }, service: { timeout: 1s } }"
        ),
        [] as [&str; 0]
    );
    for key in [
        "authenticate: anonymous",
        "authorize: any",
        "forward_credentials: true",
        "allow_in_path: [semicolon]",
        "name: a",
        "service: s",
        "match: { path: / }",
    ] {
        let name = key.split(':').next().unwrap();
        let told = told(&format!("{{ route: {{ {key} }} }}"));
        assert!(told[0].contains(&format!("`{name}` has no default")), "{key}: {told:?}");
    }
    assert!(
        told("{ service: { endpoints: [\"http://127.0.0.1:1\"] } }")[0]
            .contains("`endpoints` has no default")
    );
    assert!(told("{ route: { timeuot: 1s } }")[0].contains("`timeuot` is not a key of `defaults.route`"));
    assert!(told("{ listener: {} }")[0].contains("`listener` is not a key of `defaults`"));
    let faulty = told("{ route: { timeout: soon } }");
    assert_eq!(faulty.len(), 1, "told once, where it stands: {faulty:?}");
    // A route without them is no less an error for it.
    let text = of_routes("defaults: { route: { authorize: any } }\n", &[&[("authorize", "")]]);
    assert!(text.iter().any(|told| told.contains("a route needs `authorize`")), "{text:?}");
}

#[test]
fn patterns_and_hosts_of_other_gateways_are_told_with_what_they_are_here() {
    let path = |path: &str| of_routes("", &[&[("match", &format!("{{ path: \"{path}\" }}"))]]);
    for legal in ["/ops/{id}:cancel", "/files/{name}.json", "/v{major}/x", "/상품/**", "/a b", "/%61/a%2e"]
    {
        assert_eq!(path(legal), [""; 0], "{legal}");
    }
    for foreign in ["/files/{*rest}", "/users/{id:[0-9]+}", "/a/{x}-{y}"] {
        assert_refused(&path(foreign), "is not a path pattern");
    }
    let hosts = |host: &str| of_routes("", &[&[("match", &format!("{{ path: /a, hosts: [\"{host}\"] }}"))]]);
    for legal in ["*.example.com", "*.b", "a.example.com.", "[::1]"] {
        assert_eq!(hosts(legal), [""; 0], "{legal}");
    }
    for bad in ["*", "a.*.b", "*a.b", "*.a:80", "a:80"] {
        assert_refused(&hosts(bad), "is not a host");
    }
    let twice = [
        &[("name", "one"), ("match", "{ path: \"/a/{x}.json\", hosts: [\"*.b\"] }")][..],
        &[("name", "two"), ("match", "{ path: \"/a/{y}.json\", hosts: [\"*.B\"] }")][..],
    ];
    assert_refused(&of_routes("", &twice), "could both win");
}

#[test]
fn headers_that_a_service_guards_are_left_alone() {
    let with = |before: &str, rules: &str| {
        let service = "services: { s: { endpoints: [\"http://127.0.0.1:1\"], identity: { headers: { subject: X-Person }, reserve: [X-Tenant-*] } } }\n";
        let route = route(&[("request_headers", rules)]);
        messages(&format!("{service}{before}routes:\n{route}"))
    };
    assert_eq!(with("", "{ set: { X-Tier: gold } }"), [""; 0]);
    for name in ["X-Person", "x_person", "X-Tenant-Id", "X_Tenant.Id", "X-Auth-Roles", "X-WEBAUTH-USER"] {
        let found = with("", &format!("{{ set: {{ {name}: a }} }}"));
        assert_eq!(found.len(), 1, "{name}: {found:?}");
    }
    assert_refused(&with("", "{ set: { X-Tenant-Id: a } }"), "`X-Tenant-Id` is reserved by the service `s`");
    assert_refused(
        &with("context_headers: { tenant: X-Tenant-Id }\n", "{}"),
        "policies would decide by another value",
    );
    assert_eq!(with("context_headers: { tenant: X-Tenant }\n", "{}"), [""; 0]);
}

#[test]
fn hosts_and_redirects_are_what_they_can_be() {
    let host =
        |host: &str| messages(&format!("services: {{ s: {{ endpoints: [\"http://a\"], host: {host} }} }}\n"));
    for good in ["preserve", "endpoint", "app.internal", "\"app.internal:8443\"", "\"[::1]:80\""] {
        assert_eq!(host(good), [""; 0], "{good}");
    }
    for bad in ["\"https://app.internal\"", "\"a b\"", "\"\"", "\"*.example.com\"", "\"a:0\""] {
        assert_refused(&host(bad), "is not `preserve`, `endpoint` or a host");
    }
    let redirect = |more: &str| {
        let found = check(&format!("listeners: [{{ bind: 127.0.0.1:8080, redirect: {more} }}]\n"));
        found.err().map_or_else(String::new, |report| report.to_string())
    };
    assert_eq!(redirect("https"), "");
    assert!(redirect("http").contains("did you mean `https`?"), "{}", redirect("http"));
}

#[test]
fn networks_and_direct_hosts_can_match() {
    for (network, right) in
        [("::ffff:10.0.0.0/104", "10.0.0.0/8"), ("::ffff:10.0.0.1", "10.0.0.1"), ("10.0.0.1/8", "10.0.0.0/8")]
    {
        assert_refused(
            &messages(&format!("trusted_proxies: [\"{network}\"]\n")),
            &format!("write `{right}`"),
        );
    }
    let direct = |host: &str| messages(&format!("egress: {{ proxy: none, no_proxy: [\"{host}\"] }}\n"));
    for good in ["*", "a.example", ".a.example", "10.0.0.0/8", "::1", "10.0.0.1", "localhost"] {
        assert_eq!(direct(good), [""; 0], "{good}");
    }
    for (bad, right) in [
        ("*.a.example", "`.a.example`"),
        ("a.example:80", "without the port: `a.example`"),
        ("http://a.example", "write `internal.example.com`"),
        ("a.example/x", "write `internal.example.com`"),
        ("a b", "write `internal.example.com`"),
    ] {
        assert_refused(&direct(bad), right);
    }
}

#[test]
fn no_token_has_a_star() {
    let jwt = |more: &str| {
        messages(&format!(
            "authenticators: {{ a: {{ type: jwt, issuer: \"https://i.example/{{tid}}\", keys: {{ jwks_url: \"https://i.example/k\" }}, {more} }} }}\n"
        ))
    };
    assert_eq!(jwt("tenants: { tid: [a] }, audiences: [b]"), [""; 0]);
    assert_refused(&jwt("tenants: { tid: [a] }, audiences: [\"*\"]"), "`audiences: unchecked`");
    assert_refused(&jwt("tenants: { tid: [\"*\"] }, audiences: [b]"), "one by one");
}

#[test]
fn a_shared_state_is_a_redis_that_can_be_reached() {
    let shared = |address: &str| messages(&format!("shared_state: \"{address}\"\n"));
    for good in
        ["redis://127.0.0.1", "rediss://:secret@cache.internal:7000/2?prefix=gate", "unix:///run/redis.sock"]
    {
        assert_eq!(shared(good), [""; 0], "{good}");
    }
    for (bad, right) in [
        ("postgres://db/gate", "this is for `store`"),
        ("127.0.0.1:6379", "write `redis://HOST`"),
        ("redis://h:x", "no usable host and port"),
        ("redis://h/one", "`redis://HOST/0`"),
        ("redis://h?ssl=true", "known are `db`"),
        ("redis://h?timeout=1h", "from `10ms` to `2s`"),
        ("redis://h?sslrootcert=ca.pem", "write `rediss://`"),
        ("rediss://h?sslcert=ca.pem", "belong together"),
        ("rediss://h?sslrootcert=nobody.pem", "`nobody.pem` cannot be used"),
    ] {
        assert_refused(&shared(bad), right);
    }
    let found = shared("redis://:hunter2@h:x");
    assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    let open = check(&format!("{HEAD}shared_state: redis://:hunter2@cache.internal\n")).unwrap();
    let warned = open.warnings.to_string();
    assert!(warned.contains("crosses the network in clear") && !warned.contains("hunter2"), "{warned}");
}

#[test]
fn a_rate_limit_that_cannot_work_is_refused() {
    let api_key = "store: sqlite:h\nauthenticators: { b: { type: basic }, k: { type: api_key } }\n";
    let with = |who: &str, limit: &str| {
        of_routes(
            api_key,
            &[&[("match", "{ path: \"/a/{id}\" }"), ("authenticate", who), ("rate_limit", limit)]],
        )
    };
    for (who, limit) in [
        ("b", "{ requests: 1, per: 1s, by: subject }"),
        ("k", "{ requests: 1, per: 1s, burst: 5, by: key }"),
        ("[b, k]", "{ requests: 1, per: 1s, by: key }"),
        ("anonymous", "{ requests: 1, per: 1s, by: [client_ip, route, \"header:X-Plan\", \"param:id\"] }"),
        (
            "anonymous",
            "[{ requests: 1, per: 1s, by: route }, { requests: 9, per: 1h, by: route, on_failure: deny }]",
        ),
        ("anonymous", "{ requests: 1000000, per: 1s, by: route }"),
    ] {
        // The authenticators that a case does not use are warnings, no faults.
        assert_eq!(with(who, limit), [""; 0], "{limit}");
    }
    for (who, limit, part) in [
        ("anonymous", "{ requests: 1, per: 1s, by: subject }", "nobody to count"),
        ("passthrough", "{ requests: 1, per: 1s, by: key }", "nobody to count"),
        (
            "b",
            "{ requests: 1, per: 1s, by: key }",
            "none of the route's authenticators is of `type: api_key`",
        ),
        ("b", "{ requests: 1, per: 1s, by: \"param:tenant\" }", "has no parameter `tenant`"),
        ("b", "{ requests: 1, per: 1s, by: \"header:Authorization\" }", "cannot be counted by"),
        ("b", "{ requests: 1, per: 1s, by: \"header:X-Forwarded-For\" }", "cannot be counted by"),
        ("b", "{ requests: 1, per: 1s, by: \"header:X-Auth-Subject\" }", "cannot be counted by"),
        ("b", "{ requests: 1, per: 1s, by: \"header:a b\" }", "is not what to count by"),
        ("b", "{ requests: 1, per: 1s, by: ip }", "is not what to count by"),
        ("b", "{ requests: 1, per: 1s, by: [] }", "the list is empty"),
        ("b", "[]", "the list is empty"),
        ("b", "{ requests: 1, per: 1s }", "needs `by`"),
        ("b", "{ per: 1s, by: route }", "needs `requests`"),
        ("b", "{ requests: 1, by: route }", "needs `per`"),
        ("b", "{ requests: 0, per: 1s, by: route }", "is not a number"),
        ("b", "{ requests: -1, per: 1s, by: route }", "is not a number"),
        ("b", "{ requests: 1, per: 0s, by: route }", "is not a duration"),
        ("b", "{ requests: 1, per: 400d, by: route }", "is not a duration"),
        ("b", "{ requests: 1, per: 1s, burst: 0, by: route }", "is not a number"),
        ("b", "{ requests: 1000001, per: 1s, by: route }", "which is no limit"),
        ("b", "{ requests: 1, per: 366d, burst: 11, by: route }", "more than 10 years"),
        ("b", "{ requests: 1, per: 1s, by: [route, route] }", "twice"),
        ("b", "{ requests: 1, per: 1s, by: route, on_failure: allow }", "is not what happens"),
        ("b", "{ requests: 1, per: 1s, by: route, unit: s }", "`unit`"),
    ] {
        let found = with(who, limit);
        assert!(found.len() == 1 && found[0].contains(part), "{limit}: expected `{part}`, found {found:#?}");
    }
}

#[test]
fn sinks_of_lines_that_cannot_work() {
    let of = |sink: &str| messages(&format!("access_log: {{ sinks: [{sink}] }}\n"));
    for (sink, part) in [
        ("{}", "a sink is one of `syslog` and `otlp`"),
        ("{ syslog: \"tls://a\", otlp: \"https://a/v1/logs\" }", "a sink is one of `syslog` and `otlp`"),
        ("{ syslog: \"ftp://logs.internal\" }", "not the address of a syslog server"),
        ("{ syslog: \"tls://\" }", "not the address of a syslog server"),
        ("{ syslog: \"tls://logs.internal/path\" }", "not the address of a syslog server"),
        ("{ syslog: \"unix://\" }", "not the address of a syslog server"),
        ("{ syslog: \"tcp://logs.internal:601\" }", "lines would leave this machine without TLS"),
        ("{ syslog: \"udp://192.0.2.1\" }", "lines would leave this machine without TLS"),
        ("{ otlp: \"http://collector.internal/v1/logs\" }", "lines would leave this machine without TLS"),
        ("{ syslog: \"tls://a\", ca: missing.pem }", "`missing.pem`"),
    ] {
        assert_refused(&of(sink), part);
    }
    for sink in [
        "{ syslog: \"tls://logs.internal\" }",
        "{ syslog: \"tcp://[::1]:601\" }",
        "{ syslog: \"udp://logs.internal\", allow_plain: true }",
        "{ syslog: \"unix:///dev/log\" }, { otlp: \"http://localhost:4318/v1/logs\" }",
    ] {
        assert!(of(sink).is_empty(), "{sink}: {:?}", of(sink));
    }
}

#[test]
fn a_login_at_a_provider_is_set_up_whole() {
    let oidc = |rest: &str| {
        messages(&format!(
            "store: sqlite:h\nauthenticators: {{ o: {{ type: oidc, issuer: \"https://sso.example.com\", client_id: gate{rest} }} }}\n"
        ))
    };
    assert_eq!(oidc(", client_secret: of-the-gate"), [""; 0]);
    for (rest, part) in [
        ("", "needs `client_secret` or `private_key_jwt`"),
        (", client_secret: \"\"", "the client's secret is empty"),
        (", private_key_jwt: { key: nowhere.pem }", "cannot be read"),
        (", client_secret: of-the-gate, scopes: [profile]", "without the scope `openid`"),
        (", client_secret: of-the-gate, parameters: { state: x }", "`state` is the gate's own"),
        (", client_secret: of-the-gate, parameters: { code_challenge_method: plain }", "is the gate's own"),
        (", client_secret: of-the-gate, algorithms: []", "allows none"),
        (", client_secret: of-the-gate, algorithms: [HS256]", "a provider's keys are public"),
        (", client_secret: of-the-gate, session: { idle: 2h, absolute: 1h }", "at least as long as `idle`"),
        (", client_secret: of-the-gate, session: { cookie: session }", "begin it with `__Host-`"),
        (", client_secret: of-the-gate, session: { cookie: __Host- }", "begin it with `__Host-`"),
        (", client_secret: of-the-gate, session: { cookie: \"__Host-a b\" }", "begin it with `__Host-`"),
        (
            ", client_secret: of-the-gate, session: { cookie: __Host-haechi-login-x }",
            "no name for a session's cookie",
        ),
        (", client_secret: of-the-gate, key_origins: [\"http://keys.example.com\"]", "over plain `http`"),
        (", client_secret: of-the-gate, role_map: { staff: NOBODY }", "there is no role"),
        (", client_secret: of-the-gate, role_map: { staff: haechi-admin }", "cannot give the built-in role"),
    ] {
        assert_refused(&oidc(rest), part);
    }
    let issuer = |issuer: &str| {
        messages(&format!(
            "store: sqlite:h\nauthenticators: {{ o: {{ type: oidc, issuer: \"{issuer}\", client_id: gate, client_secret: of-the-gate }} }}\n"
        ))
    };
    assert_refused(&issuer("http://sso.example.com"), "over plain `http`");
    assert_refused(&issuer("self"), "not one web address");
    assert_refused(&issuer("https://sso.example.com/{tid}"), "not one web address");
    let storeless = "authenticators: { o: { type: oidc, issuer: \"https://sso.example.com\", client_id: gate, client_secret: of-the-gate } }\n";
    assert_refused(&messages(storeless), "needs a store");
    let below = "store: sqlite:h\nauthenticators: { o: { type: oidc, issuer: \"https://sso.example.com\", client_id: gate, client_secret: of-the-gate } }\n";
    assert_refused(
        &of_routes(below, &[&[("match", "{ path: /auth/oidc/o/start }"), ("authenticate", "o")]]),
        "the gate itself answers",
    );
}
