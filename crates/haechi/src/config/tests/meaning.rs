//! What a configuration comes to mean.

use super::{HEAD, check};
use crate::config::meant::{Authenticate, LogTarget};
use haechi_authz::{Clause, Rule};
use haechi_core::{Irregular, Role};
use haechi_proxy::{Balance, HashKey, IdentityNames, Keepalive, RetryOn};
use haechi_store::Location;
use http::StatusCode;
use std::time::Duration;

fn ok(text: &str) -> crate::config::Config {
    check(&format!("{HEAD}{text}")).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = ok("");
    assert_eq!(config.listeners[0].bind.to_string(), "127.0.0.1:0");
    assert!(config.admin.is_none() && config.store.is_none() && config.identity.is_none());
    assert_eq!((config.limits.head, config.limits.fields, config.limits.body), (16_384, 100, 104_857_600));
    assert_eq!(config.limits.response_head, 65_536);
    let raised = ok("limits: { head: 256KiB, response_head: 256KiB }\n").limits;
    assert_eq!((raised.head, raised.response_head), (262_144, 262_144));
    assert_eq!(config.limits.header_read, Duration::from_secs(10));
    assert_eq!(config.access_log.target, LogTarget::Stdout);
    assert!(config.roles.knows("haechi-admin"));
    assert!(config.workers.get() >= 1);
}

#[test]
fn routes_mean_what_they_say() {
    let config = ok(r#"
store: sqlite:haechi.db
authenticators: { a: { type: api_key }, b: { type: basic } }
roles: { USER: {} }
services: { s: { endpoints: ["http://One:7001", { url: "http://[::1]", weight: 3 }], balance: { hash: "header:X-Session" } } }
routes:
  - name: r
    match: { path: "/v1/{id}", methods: [GET], hosts: [API.example.com] }
    authenticate: { all: [a, b] }
    authorize: { roles: [USER, haechi-admin], scopes: [x:y] }
    service: s
    rewrite: { strip_prefix: /v1, add_prefix: /v2 }
    allow_in_path: [semicolon, encoded_slash]
    max_body: 1KiB
    origins: ["https://app.example.com"]
"#);
    let route = &config.routes[0];
    assert_eq!(route.authenticate, Authenticate::All(vec!["a".into(), "b".into()]));
    let roles = ["USER", "haechi-admin"].map(Role::from);
    let scopes = [Role::from("x:y")];
    let rule = Rule::all_of(vec![Clause::Roles(roles.into()), Clause::Scopes(scopes.into())]);
    assert_eq!(Ok(&route.authorize), rule.as_ref());
    assert_eq!(route.hosts[0].as_str(), "api.example.com");
    assert!(route.methods.contains(&http::Method::HEAD));
    assert_eq!(route.allow_in_path, Irregular::SEMICOLON.union(Irregular::ENCODED_SLASH));
    assert_eq!(route.settings.strip_prefix.as_deref(), Some("/v1"));
    assert_eq!(route.settings.add_prefix.as_deref(), Some("/v2"));
    assert_eq!(route.settings.max_body, Some(1024));
    assert!(route.settings.origins[0].means(b"https://app.example.com"));
    let service = &config.services["s"];
    assert_eq!(service.settings.balance, Balance::Hash(HashKey::Header("x-session".into())));
    assert_eq!((service.endpoints[0].host.name(), service.endpoints[0].port), ("one", 7001));
    assert_eq!((service.endpoints[1].port, service.endpoints[1].weight), (80, 3));
    assert_eq!(service.settings.identity_headers.names, IdentityNames::Standard);
    assert_eq!(config.store, Some(Location::Sqlite("haechi.db".into())));
}

#[test]
fn services_mean_what_they_say_about_their_endpoints() {
    let config = ok(r#"
services:
  usual: { endpoints: ["http://a"] }
  written:
    endpoints: ["http://a", { url: "http://b", weight: 0 }]
    health: { path: "/healthz?deep", interval: 2s, timeout: 1s, unhealthy_after: 4, healthy_after: 1 }
    ejection: { failures: 0 }
    slow_start: 0s
    circuit: { connections: 5, pending: 6, requests: 7 }
    keepalive: { max_age: 1m, max_requests: 8, max_idle: 0 }
    retries: { attempts: 2, on: [connect, 503], budget_percent: 10 }
    resolve: 1m
"#);
    let usual = &config.services["usual"].settings;
    assert_eq!((&usual.health, &usual.retries), (&None, &None));
    let ejection = usual.ejection.unwrap();
    assert_eq!((ejection.failures, ejection.first.as_secs(), ejection.max_percent), (5, 10, 50));
    let circuit = usual.circuit;
    assert_eq!((circuit.connections, circuit.pending, circuit.requests), (10_000, 4096, 10_000));
    assert_eq!(usual.keepalive, Keepalive::default());
    assert_eq!((usual.slow_start.as_secs(), usual.resolve.as_secs()), (10, 10));

    let written = &config.services["written"].settings;
    let health = written.health.as_ref().unwrap();
    assert_eq!((&*health.path, health.interval.as_secs(), health.timeout.as_secs()), ("/healthz?deep", 2, 1));
    assert_eq!((health.unhealthy_after, health.healthy_after), (4, 1));
    assert_eq!((written.ejection, written.slow_start), (None, Duration::ZERO));
    let circuit = written.circuit;
    assert_eq!((circuit.connections, circuit.pending, circuit.requests), (5, 6, 7));
    let most = written.keepalive;
    assert_eq!((most.max_age.as_secs(), most.max_requests, most.max_idle), (60, 8, 0));
    let retries = written.retries.as_ref().unwrap();
    assert_eq!((retries.attempts, retries.budget_percent), (2, 10));
    assert_eq!(retries.on, [RetryOn::Connect, RetryOn::Status(StatusCode::SERVICE_UNAVAILABLE)]);
    assert_eq!(written.resolve.as_secs(), 60);
    assert_eq!(config.services["written"].endpoints[1].weight, 0);
}

#[test]
fn a_login_whose_tokens_nobody_accepts_is_odd() {
    let warnings = |rest: &str| {
        let config =
            ok(&format!("store: sqlite:h.db\nidentity: {{ issuer: \"http://localhost\" }}\n{rest}\n"));
        let all = config.warnings.faults().iter();
        all.filter(|fault| fault.message.contains("no authenticator accepts")).count()
    };
    let service = |identity: &str| {
        warnings(&format!(
            "services: {{ s: {{ endpoints: [\"http://127.0.0.1:1\"], identity: {identity} }} }}"
        ))
    };
    let corp = "{ type: jwt, issuer: \"https://sso.example.com\", audiences: [a] }";
    assert_eq!(warnings(&format!("authenticators: {{ a: {corp} }}")), 1);
    assert_eq!(warnings(&format!("authenticators: {{ a: {corp}, b: {{ type: jwt, issuer: self }} }}")), 0);
    assert_eq!(service("{ headers: true }"), 1);
    assert_eq!(service("{ token: { audience: s } }"), 0, "its keys sign what the service gets");
}

#[test]
fn paths_are_relative_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users"), "# nobody yet\n").unwrap();
    std::fs::write(folder.path().join("name"), "access.log\n").unwrap();
    let file = folder.path().join("haechi.yaml");
    let text = format!(
        "{HEAD}store: sqlite:h.db\naccess_log: {{ target: \"${{file:name}}\" }}\nauthenticators: {{ a: {{ type: basic, users_file: users, roles: [USER] }} }}\nroles: {{ USER: {{}} }}\n"
    );
    std::fs::write(&file, text).unwrap();
    let config = super::load(&file).unwrap();
    assert_eq!(config.store, Some(Location::Sqlite(folder.path().join("h.db"))));
    assert_eq!(config.authenticators["a"].settings.needs().file, Some(&*folder.path().join("users")));
    assert_eq!(config.access_log.target, LogTarget::File(folder.path().join("access.log")));
}

#[test]
fn files_are_read_as_they_will_be_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("haechi.yaml");
    std::fs::write(folder.path().join("users"), "alice:hunter2\n").unwrap();
    std::fs::write(folder.path().join("keys.json"), "{\"keys\":[]}").unwrap();
    std::fs::write(folder.path().join("key.pem"), "hunter2").unwrap();
    let jwt = |keys: &str| format!("{{ type: jwt, issuer: x, audiences: [a], keys: {{ {keys} }} }}");
    let authenticators = [
        "{ type: basic, users_file: users }".to_owned(),
        jwt("jwks_file: keys.json"),
        jwt("pem_file: key.pem"),
        jwt("pem_file: ."),
    ];
    for authenticator in authenticators {
        std::fs::write(&file, format!("{HEAD}authenticators: {{ a: {authenticator} }}\n")).unwrap();
        let report = super::load(&file).unwrap_err();
        assert_eq!(report.faults().len(), 1, "{report}");
        let message = &report.faults()[0].message;
        assert!(message.contains("cannot be used: ") || message.contains("cannot be read: "), "{message}");
        assert!(!report.to_string().contains("hunter2"), "{report}");
    }
}

#[test]
fn the_files_that_it_hangs_on_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let hash = "$argon2id$v=19$m=16,t=2,p=1$c29tZXNhbHQ$F2K1pNyKPbXqmBNnBAdP0w";
    std::fs::write(folder.path().join("users"), format!("alice:{hash}\n")).unwrap();
    std::fs::write(folder.path().join("realm"), "staff\n").unwrap();
    let file = folder.path().join("haechi.yaml");
    let basic = "{ type: basic, realm: \"${file:realm}\", users_file: users }";
    std::fs::write(&file, format!("{HEAD}authenticators: {{ a: {basic} }}\naccess_log: {{ target: log }}\n"))
        .unwrap();
    let config = super::load(&file).unwrap_or_else(|report| panic!("{report}"));
    let watched: Vec<_> = config.watched_files().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(watched, ["realm", "users"]);
}

#[test]
fn a_file_that_is_not_there_is_said_to_be_so() {
    let report = super::load(std::path::Path::new("no-such-folder/haechi.yaml")).unwrap_err();
    assert!(
        report.to_string().starts_with("error: the configuration cannot be read: no such file"),
        "{report}"
    );
}

#[test]
fn different_requests_may_have_routes_alike() {
    let routes = [
        "path: /a, methods: [GET]",
        "path: /a, methods: [POST]",
        "path: /a, hosts: [a.example]",
        "path: /a, hosts: [b.example]",
        "path: /a/",
        "path: \"/a/{x}\"",
        "path: /a/**",
        "path: \"/{y}/b\"",
    ];
    let text: Vec<String> = routes
        .iter()
        .enumerate()
        .map(|(n, m)| {
            format!(
                "  - {{ name: r{n}, match: {{ {m} }}, authenticate: anonymous, authorize: any, service: s }}"
            )
        })
        .collect();
    let config = ok(&format!(
        "services: {{ s: {{ endpoints: [\"http://127.0.0.1:1\"] }} }}\nroutes:\n{}\n",
        text.join("\n")
    ));
    assert_eq!(config.routes.len(), routes.len());
}

#[test]
fn routes_and_services_have_the_defaults_unless_they_say_otherwise() {
    let route = |name: &str, more: &str| {
        format!(
            "  - {{ name: {name}, match: {{ path: /{name} }}, authenticate: anonymous, authorize: any, service: s{more} }}\n"
        )
    };
    let text = [
        "x-shared: &cors { origins: [\"https://app.example\"] }\n",
        "x-anything: [1, { a: b }]\n",
        "defaults:\n  route: { timeout: 7s, max_body: 1KiB, cors: *cors, request_headers: { set: { X-Tier: gold } } }\n  service: { connect_timeout: 1s }\n",
        "services:\n  s: { endpoints: [\"http://127.0.0.1:1\"] }\n  t: { endpoints: [\"http://127.0.0.1:2\"], connect_timeout: 4s }\n",
        "routes:\n",
        &route("plain", ""),
        &route("own", ", timeout: 2s, cors: { origins: [\"https://b.example\"] }"),
        &route("none", ", timeout: null, cors: ~, request_headers: null"),
    ];
    let config = ok(&text.concat());
    let seconds = |index: usize| config.routes[index].settings.timeout.map(|timeout| timeout.as_secs());
    assert_eq!([seconds(0), seconds(1), seconds(2)], [Some(7), Some(2), None]);
    assert!(config.routes.iter().all(|route| route.settings.max_body == Some(1024)));
    let origins =
        |index: usize| config.routes[index].settings.cors.as_ref().map(|cors| format!("{:?}", cors.origins));
    assert!(origins(0).unwrap().contains("app.example") && origins(1).unwrap().contains("b.example"));
    assert_eq!(origins(2), None);
    let set = |index: usize| config.routes[index].settings.request_headers.set().count();
    assert_eq!([set(0), set(1), set(2)], [1, 1, 0]);
    let connect = |name: &str| config.services[name].settings.connect_timeout.as_secs();
    assert_eq!([connect("s"), connect("t")], [1, 4]);
}

#[test]
fn careless_settings_are_told() {
    let warnings = |rest: &str| -> Vec<String> {
        let config = ok(&format!("services: {{ s: {{ endpoints: [\"http://127.0.0.1:1\"] }} }}\n{rest}\n"));
        config.warnings.faults().iter().map(|fault| fault.message.clone()).collect()
    };
    let route = |name: &str, path: &str, more: &str| {
        format!("  - {{ name: {name}, match: {{ path: \"{path}\" }}, service: s, {more} }}\n")
    };
    let open = "authenticate: anonymous, authorize: any";
    let all = route("all", "/**", open);
    for (networks, told) in [
        ("0.0.0.0/0", 1),
        ("\"::/0\"", 1),
        ("64.0.0.0/2", 1),
        ("10.0.0.0/8", 0),
        ("127.0.0.1/32, \"2000::/3\"", 1),
        ("\"fd00:1::/32\"", 0),
    ] {
        let found = warnings(&format!("trusted_proxies: [{networks}]\nroutes:\n{all}"));
        let found = found.iter().filter(|message| message.contains("say where a request comes from")).count();
        assert_eq!(found, told, "{networks}");
    }
    let odd = route("files", "/files/**", &format!("{open}, allow_in_path: [encoded_slash]"));
    let beside = |path: &str, rule: &str| {
        let found = warnings(&format!(
            "store: sqlite:h.db\nauthenticators: {{ k: {{ type: api_key, header: X-API-Key }} }}\nroutes:\n{odd}{}",
            route("r", path, rule)
        ));
        found.iter().any(|message| message.contains("takes odd paths"))
    };
    assert!(beside("/files/secret", "authenticate: k, authorize: any"));
    assert!(!beside("/files/open", open));
    assert!(!beside("/secret", "authenticate: k, authorize: any"));
    assert!(beside("/files/{id}/secret", "authenticate: k, authorize: any"));
}

#[test]
fn weak_password_hashes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let users = |hash: &dyn Fn(usize) -> String| {
        (0..7).map(|number| format!("user{number}:{}\n", hash(number))).collect::<String>()
    };
    let bcrypt = |cost: usize| format!("$2y${cost:02}$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC");
    write("haechi.yaml", &format!("{HEAD}authenticators: {{ a: {{ type: basic, users_file: users }} }}\n"));
    let told = |text: &str| {
        write("users", text);
        let config = super::load(&folder.path().join("haechi.yaml")).unwrap();
        let all = config.warnings.faults().iter().map(|fault| fault.message.clone());
        all.filter(|message| message.contains("weak password hashes")).collect::<Vec<_>>()
    };
    assert_eq!(told(&users(&|_| bcrypt(10))), [""; 0]);
    let one = told(&users(&|number| bcrypt(if number == 3 { 5 } else { 12 })));
    assert_eq!(one, ["`users` has weak password hashes: `user3` (bcrypt with cost 5)"]);
    let all = told(&users(&|_| bcrypt(9)));
    assert!(all.len() == 1 && all[0].ends_with("`user4` (bcrypt with cost 9) and 2 more"), "{all:?}");
}

#[test]
fn files_that_others_may_write_are_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("realm", "staff");
    write("haechi.db", "");
    write("a.cedar", "forbid (principal, action, resource) when { context.path like \"/x\" };");
    write("users", "lena:$2b$10$R543h/G99QyCOH5NJuMIauVfm2otk7zCGrPPjgZH6IhLF0mZHRVJ6\n");
    let basic = "{ type: basic, realm: \"${file:realm}\", users_file: users }";
    write(
        "haechi.yaml",
        &format!(
            "{HEAD}store: sqlite:haechi.db\npolicies: [\"*.cedar\"]\nauthenticators: {{ a: {basic} }}\n"
        ),
    );
    let told = || {
        let config =
            super::load(&folder.path().join("haechi.yaml")).unwrap_or_else(|report| panic!("{report}"));
        let all = config.warnings.faults().iter().filter(|fault| fault.message.contains("can be written by"));
        all.count()
    };
    assert_eq!(told(), 0);
    for (number, name) in ["haechi.yaml", "users", "realm", "a.cedar", "haechi.db"].iter().enumerate() {
        let file = folder.path().join(name);
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(told(), number + 1, "{name}");
    }
}

#[test]
fn wildcards_of_other_gateways_are_warned_about() {
    let warned = |path: &str| {
        let config = ok(&format!(
            "services: {{ s: {{ endpoints: [\"http://127.0.0.1:1\"] }} }}\nroutes: [{{ name: r, match: {{ path: \"{path}\" }}, authenticate: anonymous, authorize: any, service: s }}]\n"
        ));
        config.warnings.to_string()
    };
    let told = warned("/admin/:id");
    assert!(
        told.contains("`:id` matches this text and nothing else") && told.contains("is `{id}` here"),
        "{told}"
    );
    assert!(warned("/api/...").contains("`**`") && warned("/x/<int:id>").contains("`{id}`"));
    assert_eq!(warned("/ops/{id}:cancel"), "");
}
