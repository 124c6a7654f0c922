//! Who may pass: roles, what they include, and scopes.

use crate::harness::{Gate, routes_to};
use haechi_testkit::jose::{Key, with};
use haechi_testkit::{Backend, IdentityProvider};
use serde_json::{Value, json};

struct Site {
    backend: Backend,
    provider: IdentityProvider,
    gate: Gate,
    key: Key,
}

fn start(routes: &[(&str, &str, &str)]) -> Site {
    let key = Key::p256("e");
    let provider = IdentityProvider::start(&[&key]);
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!(
        "store: sqlite:haechi.db
authenticators:
  corp: {{ type: jwt, issuer: \"{}\", audiences: [orders], keys: discovery, claims: {{ roles: /roles, scopes: /scope }} }}
  partner: {{ type: api_key, header: X-API-Key }}
roles: {{ USER: {{}}, MANAGER: {{ includes: [USER] }}, ADMIN: {{ includes: [MANAGER] }}, OTHER: {{}} }}
{}",
        provider.issuer(),
        routes_to(&backend, routes)
    ))
    .ready();
    Site { backend, provider, gate, key }
}

impl Site {
    fn token(&self, members: &Value) -> String {
        self.key.token(&with(&self.provider.claims("alice"), members))
    }

    fn status(&self, path: &str, members: &Value) -> u16 {
        self.gate.get_with_token(path, &self.token(members)).status
    }
}

#[test]
fn a_role_opens_what_it_includes_and_nothing_above() {
    let site = start(&[
        ("/users/**", "[corp]", "{ roles: [USER] }"),
        ("/managers/**", "[corp]", "{ roles: [MANAGER] }"),
        ("/admin/**", "[corp]", "{ roles: [ADMIN] }"),
        ("/either/**", "[corp]", "{ roles: [OTHER, MANAGER] }"),
    ]);
    let table = [
        (json!(["USER"]), [200, 403, 403, 403]),
        (json!(["MANAGER"]), [200, 200, 403, 200]),
        (json!(["ADMIN"]), [200, 200, 200, 200]),
        (json!(["OTHER"]), [403, 403, 403, 200]),
        (json!(["admin"]), [403, 403, 403, 403]),
        (json!(["ADMIN "]), [403, 403, 403, 403]),
        (json!(["USER,ADMIN"]), [403, 403, 403, 403]),
        (json!([]), [403, 403, 403, 403]),
        (json!(null), [403, 403, 403, 403]),
    ];
    let mut passed = 0;
    for (roles, statuses) in table {
        for (path, expected) in ["/users/x", "/managers/x", "/admin/x", "/either/x"].iter().zip(statuses) {
            assert_eq!(site.status(path, &json!({"roles": roles})), expected, "{roles} on {path}");
            passed += usize::from(expected == 200);
        }
    }
    assert_eq!(site.backend.recorded().len(), passed, "what was refused did not arrive");
}

#[test]
fn admin_is_for_administrators_however_it_is_spelled() {
    let site = start(&[("/**", "[corp]", "any"), ("/admin/**", "[corp]", "{ roles: [ADMIN] }")]);
    for path in ["/admin", "/admin/", "/admin/x", "/%61dmin/x", "/admin?x", "/admin/x/y/z"] {
        let field = format!("Authorization: Bearer {}", site.token(&json!({"roles": ["USER"]})));
        let forged = [
            "X-Auth-Roles: ADMIN",
            "x_auth_roles: ADMIN",
            "X-Original-URL: /",
            "X-HTTP-Method-Override: GET",
        ];
        site.gate.get_with(path, &[&[field.as_str()], &forged[..]].concat()).expect(403);
        assert_eq!(site.status(path, &json!({"roles": ["ADMIN"]})), 200, "{path}");
    }
    assert!(site.backend.recorded().iter().all(|seen| seen.field("x-auth-roles").unwrap().contains("ADMIN")));
}

#[test]
fn all_scopes_are_needed_and_the_answer_names_them() {
    let site = start(&[("/orders", "[corp]", "{ scopes: [\"orders:read\", \"orders:write\"] }")]);
    assert_eq!(site.status("/orders", &json!({"scope": "orders:read orders:write other"})), 200);
    assert_eq!(site.status("/orders", &json!({"scope": ["orders:write", "orders:read"]})), 200);
    for scope in [json!("orders:read"), json!("orders"), json!(null), json!("orders:readorders:write")] {
        let reply = site.gate.get_with_token("/orders", &site.token(&json!({"scope": scope}))).expect(403);
        let challenge = reply.challenges();
        assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
        assert!(challenge.contains("scope=\"orders:read orders:write\""), "{challenge}");
    }
    assert_eq!(site.backend.recorded().len(), 2);
}

#[test]
fn every_clause_must_hold() {
    let site = start(&[("/both", "[corp]", "{ roles: [MANAGER], scopes: [\"orders:read\"] }")]);
    let status = |roles: Value, scope: &str| site.status("/both", &json!({"roles": roles, "scope": scope}));
    assert_eq!(status(json!(["ADMIN"]), "orders:read"), 200);
    assert_eq!(status(json!(["ADMIN"]), "other"), 403);
    assert_eq!(status(json!(["USER"]), "orders:read"), 403);
}

#[test]
fn any_of_two_ways_in_and_all_of_two() {
    let site = start(&[
        ("/any", "{ any: [corp, partner] }", "{ roles: [USER] }"),
        ("/all", "{ all: [corp, partner] }", "{ roles: [USER] }"),
    ]);
    let token = format!("Authorization: Bearer {}", site.token(&json!({"roles": ["USER"]})));
    let plain = format!("Authorization: Bearer {}", site.token(&json!({"roles": []})));
    let key = format!("X-API-Key: {}", site.gate.folder().create_key(&["--owner", "acme", "--role", "USER"]));
    let broken = "X-API-Key: hk_x_y";
    let status = |path: &str, fields: &[&str]| site.gate.get_with(path, fields).status;
    assert_eq!(status("/any", &[&token]), 200);
    assert_eq!(status("/any", &[&key]), 200);
    assert_eq!(status("/any", &[]), 401);
    assert_eq!(status("/any", &[broken]), 401);
    assert_eq!(status("/all", &[&token]), 401);
    assert_eq!(status("/all", &[&key]), 401);
    assert_eq!(status("/all", &[&token, broken]), 401);
    assert_eq!(status("/all", &[&token, &key]), 200);
    assert_eq!(status("/all", &[&plain, &key]), 403, "a second way in adds a requirement, never a right");
    let reply = site.gate.get("/any").expect(401);
    assert!(reply.head.all("www-authenticate").len() >= 2, "one for each way in: {}", reply.challenges());
}

#[test]
fn a_stranger_cannot_make_an_administrator_of_the_gate() {
    let site = start(&[("/x", "[corp]", "{ roles: [haechi-admin] }"), ("/y", "[corp]", "any")]);
    assert_eq!(site.status("/x", &json!({"roles": ["haechi-admin"]})), 403);
    assert_eq!(site.status("/y", &json!({"roles": ["haechi-admin", "USER"]})), 200);
    assert_eq!(site.backend.sole().field("x-auth-roles"), Some("USER"));
}
