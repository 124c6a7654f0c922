//! What clients are told of a resource before they have a token (`protected_resources`, RFC 9728; docs/authentication.md).

mod sdk;

use crate::harness::{Folder, Gate, curl, haechi};
use haechi_testkit::jose::{Key, with};
use haechi_testkit::{Backend, IdentityProvider};
use serde_json::json;

struct World {
    gate: Gate,
    issuer: IdentityProvider,
    key: Key,
    backend: Backend,
}

fn world(resources: &str) -> World {
    let (key, backend) = (Key::p256("one"), Backend::saying("reached"));
    let issuer = IdentityProvider::start(&[&key]);
    let gate = Gate::start(&format!(
        "trusted_proxies: [127.0.0.1/32]
store: sqlite:haechi.db
authenticators:
  corp: {{ type: jwt, issuer: {}, audiences: [mcp] }}
  keys: {{ type: api_key }}
{resources}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: mcp, match: {{ path: /mcp/** }}, authenticate: [corp, keys], authorize: {{ scopes: [\"mcp:use\"] }}, service: web }}
  - {{ name: else, match: {{ path: /else/** }}, authenticate: corp, authorize: any, service: web }}
",
        issuer.issuer(),
        backend.url()
    ))
    .ready();
    World { gate, issuer, key, backend }
}

const MCP: &str = "protected_resources: [{ path: /mcp, scopes: [\"mcp:use\"], name: Tools, documentation: \"https://docs.example.com/mcp\" }]";

#[test]
fn a_client_finds_who_issues_tokens_from_the_refusal_on() {
    let world = world(MCP);
    let refused = world.gate.get("/mcp/sse?x=1").expect(401);
    let told = refused.challenges();
    let address = world.gate.url("/.well-known/oauth-protected-resource/mcp");
    assert!(told.contains(&format!("Bearer realm=\"corp\", resource_metadata=\"{address}\"")), "{told}");
    assert!(
        told.contains("ApiKey realm=\"keys\"") && told.matches("resource_metadata").count() == 1,
        "{told}"
    );
    let document = curl(&[&address]).expect(200);
    assert_eq!(document.field("content-type"), Some("application/json"));
    assert_eq!(
        document.json(),
        json!({
            "resource": world.gate.url("/mcp"),
            "authorization_servers": [world.issuer.issuer()],
            "scopes_supported": ["mcp:use"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Tools",
            "resource_documentation": "https://docs.example.com/mcp",
        })
    );
    for path in ["/mcp", "/mcp/"] {
        assert!(world.gate.get(path).expect(401).challenges().contains(&address), "{path}");
    }
    let elsewhere = world.gate.get("/else/a").expect(401).challenges();
    assert!(!elsewhere.contains("resource_metadata"), "{elsewhere}");
    for path in ["", "/", "/else", "/mcp/", "/mcpx"] {
        curl(&[&world.gate.url(&format!("/.well-known/oauth-protected-resource{path}"))]).expect(404);
    }
    let bad = world.gate.get_with_token("/mcp", "a.b.c").expect(401).challenges();
    assert!(bad.contains(&format!("resource_metadata=\"{address}\", error=\"invalid_token\"")), "{bad}");
    let token = |scope: &str| {
        let claims = with(&world.issuer.claims("alice"), &json!({ "aud": "mcp", "scope": scope }));
        world.key.token(&claims)
    };
    let less = world.gate.get_with_token("/mcp", &token("other")).expect(403).challenges();
    assert!(less.contains("error=\"insufficient_scope\"") && less.contains(&address), "{less}");
    assert!(world.backend.recorded().is_empty());
    world.gate.get_with_token("/mcp", &token("mcp:use")).expect(200);
}

#[test]
fn a_resource_is_named_as_its_client_knows_it() {
    let world = world(MCP);
    let path = "/.well-known/oauth-protected-resource/mcp";
    for (fields, site) in [
        (&["Host: api.example.com"][..], "http://api.example.com"),
        (&["Host: API.example.com:8443"][..], "http://api.example.com:8443"),
        (
            &["Host: api.example.com", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"][..],
            "https://api.example.com",
        ),
    ] {
        let document = world.gate.get_with(path, fields).expect(200).json();
        assert_eq!(document["resource"], format!("{site}/mcp"), "{fields:?}");
        let refused = world.gate.get_with("/mcp/a", fields).expect(401).challenges();
        assert!(refused.contains(&format!("resource_metadata=\"{site}{path}\"")), "{refused}");
    }
}

#[test]
fn the_whole_site_can_be_one_resource_and_the_longest_path_counts() {
    let servers = "authorization_servers: [\"https://sso.example.com\", \"https://two.example.com/realm/\"]";
    let world = world(&format!("protected_resources: [{{ path: /, {servers} }}, {{ path: /mcp }}]"));
    let site = world.gate.url("/.well-known/oauth-protected-resource");
    let document = curl(&[&site]).expect(200).json();
    assert_eq!(document["resource"], world.gate.url(""));
    assert_eq!(
        document["authorization_servers"],
        json!(["https://sso.example.com", "https://two.example.com/realm/"])
    );
    assert!(world.gate.get("/else/a").expect(401).challenges().contains(&format!("\"{site}\"")));
    assert!(world.gate.get("/mcp/a").expect(401).challenges().contains(&format!("\"{site}/mcp\"")));
    let matrix = haechi(world.gate.folder().path(), &["matrix", "--output", "csv"]).success().stdout;
    assert!(matrix.contains("identity-resource-mcp"), "{matrix}");
}

#[test]
fn what_says_nothing_or_too_much_does_not_load() {
    for (resources, why) in [
        ("[{ path: /nowhere }]", "nobody is known to issue tokens"),
        ("[{ path: /mcp, authorization_servers: [] }]", "nobody is known to issue tokens"),
        ("[{ path: \"/mcp/{x}\" }]", "this is a pattern"),
        ("[{ path: /mcp/** }]", "this is a pattern"),
        ("[{ path: /mcp }, { path: /mcp }]", "named twice"),
        ("[{ path: /mcp, authorization_servers: [nonsense] }]", "nonsense"),
    ] {
        let folder = Folder::new(&format!(
            "authenticators: {{ corp: {{ type: jwt, issuer: \"https://sso.example.com\", audiences: [a] }} }}
services: {{ web: {{ endpoints: [\"http://127.0.0.1:1\"] }} }}
protected_resources: {resources}
routes: [{{ name: mcp, match: {{ path: /mcp/** }}, authenticate: corp, authorize: any, service: web }}]
"
        ));
        let checked = haechi(folder.path(), &["check"]);
        let said = format!("{}{}", checked.stdout, checked.stderr);
        assert!(checked.code == 1 && said.contains(why), "{resources}: {said}");
    }
}
