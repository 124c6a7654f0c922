//! Policy files, conditions and the headers that they read.

use super::{HEAD, faults, load};
use crate::config::source::Position;
use crate::config::{Config, Report};

const REST: &str = r#"caller_attributes: { tenant: string, clearance: long }
context_headers: { region: X-Region }
roles: { USER: {}, MANAGER: { includes: [USER] } }
services: { web: { endpoints: ["http://127.0.0.1:1"] } }
authenticators: { a: { type: jwt, issuer: x, audiences: [a], keys: { secret: "0123456789abcdef0123456789abcdef" } } }
"#;

/// A configuration with these policy files and the `authorize` of its two routes.
fn loaded(files: &[(&str, &str)], more: &str, authorize: [&str; 2]) -> Result<Config, Report> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let [first, second] = authorize;
    let routes = format!(
        "routes:\n  - {{ name: orders, match: {{ path: \"/t/{{tenant}}/orders\" }}, authenticate: a, service: web, authorize: {first} }}\n  - {{ name: reports, match: {{ path: /reports }}, authenticate: a, service: web, authorize: {second} }}\n"
    );
    let file = folder.path().join("haechi.yaml");
    std::fs::write(&file, format!("{HEAD}{more}{REST}{routes}")).unwrap();
    // Reports name files below the folder, which has another name each time.
    load(&file)
}

fn shown(report: &Report) -> String {
    let file = report.place_of(Position::default()).0.parent().unwrap().display().to_string();
    report.to_string().replace(&format!("{file}/"), "")
}

#[test]
fn faults_of_all_files_are_reported_together() {
    let files = [
        (
            "policies/a.cedar",
            "permit(\n  principal in Role::\"MANGER\",\n  action in Action::\"reed\",\n  resource == Route::\"order\"\n) when { principal has tenat && context.params has tennant };\n",
        ),
        (
            "policies/b.cedar",
            "permit(principal, action, resource)\nwhen { principal.tenant == \"acme\" };\n\nforbid(principal, action, resource) when { principal has clearance && principal.clearance == \"3\" };\n",
        ),
        (
            "policies/c.cedar",
            "permit(principal, action, resource) when { context.headers has regoin };\npermit(principal == ?principal, action, resource);\n",
        ),
        (
            "policies/d.cedar",
            "permit(principal, action, resource) when { context.ipp.isLoopback() };\npermit(principal action, resource);\n",
        ),
        ("next/e.cedar", "forbid(principal, action, resource in Service::\"wep\");\n"),
        ("next/f.cedar", "permit(principal, action, resource) when { principal.subject.contains(\"a\") };\n"),
    ];
    let more = "policies: [policies/*.cedar]\nshadow_policies: [next/*.cedar]\n";
    let conditions = [
        "{ when: principal.tenat == context.params.tenant }",
        "{ roles: [USR], when: 'principal.clearance > \"3\"' }",
    ];
    insta::assert_snapshot!(shown(&loaded(&files, more, conditions).unwrap_err()));
}

#[test]
fn a_fault_in_a_condition_stands_where_it_was_written() {
    let places = [
        ("{ when: principal.tenat == \"a\" }", "tenat"),
        ("{ when: 'context.params.id == \"it''s\"' }", "id =="),
        ("{ when: \"principal.tenant == \\\"a\\\" && context.headers.regin == \\\"b\\\"\" }", "regin"),
        ("\n      when: |\n        principal.tenant == \"a\" &&\n        principal.tenat == \"b\"", "tenat"),
    ];
    for (authorize, needle) in places {
        let block = authorize.starts_with('\n');
        let text = if block {
            format!(
                "{HEAD}{REST}routes:\n  - name: orders\n    match: {{ path: /x }}\n    authenticate: a\n    service: web\n    authorize:{authorize}\n"
            )
        } else {
            format!(
                "{HEAD}{REST}routes:\n  - {{ name: orders, match: {{ path: \"/t/{{tenant}}/orders\" }}, authenticate: a, service: web, authorize: {authorize} }}\n"
            )
        };
        let report = super::check(&text).unwrap_err();
        let line = serde_json::to_value(report.lines().next().unwrap()).unwrap();
        let before = &text[..text.find(needle).unwrap()];
        let expected =
            (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap().chars().count() + 1);
        assert_eq!((&line["line"], &line["column"]), (&expected.0.into(), &expected.1.into()), "{report}");
    }
}

#[test]
fn what_can_never_be_or_always_is_is_a_warning() {
    let files = [(
        "p.cedar",
        "permit(principal, action, resource == Route::\"orders\");\npermit(principal is Anonymous, action, resource) when { principal in Role::\"USER\" };\n",
    )];
    let config = loaded(
        &files,
        "policies: [p.cedar]\n",
        [
            "{ when: action in Action::\"read\" || true }",
            "{ when: principal is User && principal is ApiKey }",
        ],
    );
    let config = config.unwrap_or_else(|report| panic!("{report}"));
    insta::assert_snapshot!(shown(&config.warnings));
    let config = loaded(&files[..1], "policies: [p.cedar]\n", ["policy", "policy"]).unwrap();
    let shown = shown(&config.warnings);
    assert!(!shown.contains("no policy permits"), "the second permit may: {shown}");
}

#[test]
fn a_route_that_only_policies_open_needs_one() {
    let report = loaded(&[], "", ["policy", "any"]).unwrap_err();
    assert!(report.to_string().contains("nobody can pass: the policy files alone decide here"), "{report}");
    let files = [("p.cedar", "permit(principal, action, resource == Route::\"orders\");\n")];
    let config = loaded(&files, "policies: [p.cedar]\n", ["policy", "policy"]).unwrap();
    let warned = config.warnings.to_string();
    assert!(warned.contains("no policy permits anything on the route `reports`"), "{warned}");
    assert_eq!(config.warnings.faults().len(), 1);
}

#[test]
fn files_are_taken_once_in_order() {
    let one = "permit(principal, action, resource);\n";
    let files = [("p/b.cedar", one), ("p/a.cedar", one), ("p/.c.cedar", "broken"), ("own.cedar", one)];
    let more = "policies: [own.cedar, p/*.cedar, ./p/a.cedar, \"p/*\"]\n";
    let config = loaded(&files, more, ["policy", "any"]).unwrap();
    let sources: Vec<String> = config.policies.policies().iter().map(|p| p.source.to_string()).collect();
    assert_eq!(sources, ["own.cedar:1", "p/a.cedar:1", "p/b.cedar:1"]);
    let watched: Vec<_> = config.watched_files().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert!(watched.iter().any(|name| name == "*.cedar"), "{watched:?}");
}

#[test]
fn what_names_no_policy_file_is_refused() {
    let broken = [
        ("[nope.cedar]", "`nope.cedar` cannot be read: no such file or directory"),
        ("[p/*.txt]", "no file matches `p/*.txt`"),
        ("[q/*.cedar]", "`q/*.cedar` cannot be read: no such file or directory"),
        ("[\"*/a.cedar\"]", "`*/a.cedar` is not a policy file or a pattern of such"),
        ("[p/]", "`p/` is not a policy file or a pattern of such"),
        ("[p]", "`p` cannot be read: it is not a file"),
        ("p/a.cedar", "expected a list, found a single value"),
    ];
    for (written, message) in broken {
        let report =
            loaded(&[("p/a.cedar", "")], &format!("policies: {written}\n"), ["any", "any"]).unwrap_err();
        let messages: Vec<&str> = report.faults().iter().map(|fault| &*fault.message).collect();
        assert_eq!(messages, [message]);
    }
}

#[test]
fn headers_that_policies_cannot_read_are_refused() {
    let refused = [
        ("a: Authorization", "`Authorization` is not a header that policies can read"),
        ("a: cookie", "`cookie` is not a header that policies can read"),
        ("a: Host", "`Host` is not a header that policies can read"),
        ("a: X_Forwarded_For", "`X_Forwarded_For` is not a header that policies can read"),
        ("a: X-Auth-Subject", "`X-Auth-Subject` is not a header that policies can read"),
        ("a: Keep-Alive", "`Keep-Alive` is not a header that policies can read"),
        ("a: X-HTTP-Method", "`X-HTTP-Method` is not a header that policies can read"),
        ("a: Sec-WebSocket-Key", "`Sec-WebSocket-Key` is not a header that policies can read"),
        ("a: a b", "`a b` is not a header that policies can read"),
        ("a-b: X-A", "`a-b` is not a name for a header in policies"),
        ("has: X-A", "`has` is not a name for a header in policies"),
        ("a: X-A, b: x_a", "`x_a` is the header of `a` already"),
    ];
    for (written, message) in refused {
        let found = faults(&format!("context_headers: {{ {written} }}\n"));
        assert!(matches!(&*found, [only] if only.ends_with(message)), "{written}: {found:?}");
    }
    let key =
        "store: sqlite:x.db\ncontext_headers: { a: X_Api_Key }\nauthenticators: { k: { type: api_key } }\n";
    assert!(faults(key)[0].contains("carries a credential"), "{:?}", faults(key));
    assert!(faults("caller_attributes: { issuer: string }\n")[0].contains("not an attribute's name"));
}

#[test]
fn without_a_caller_a_condition_may_ask_about_the_request() {
    let rule = |authorize: &str| {
        faults(&format!(
            "services: {{ s: {{ endpoints: [\"http://127.0.0.1:1\"] }} }}\nroles: {{ A: {{}} }}\nroutes: [{{ name: r, match: {{ path: /a }}, authenticate: anonymous, authorize: {authorize}, service: s }}]\n"
        ))
    };
    assert_eq!(rule("{ when: context.secure }"), [""; 0]);
    assert!(rule("{ roles: [A], when: context.secure }")[0].contains("nobody can pass"));
    assert!(rule("{ when: \"  \" }")[0].contains("expected a condition"));
    assert!(rule("{ when: [a] }")[0].contains("expected a condition"));
}
