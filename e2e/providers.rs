//! Identity providers as they are: the configuration in each page of docs/providers runs against a stand-in with that provider's addresses, and the
//! shapes of its tokens and key sets. Everything is fetched through a proxy.

use crate::harness::{Folder, Gate, Outside, PATIENCE, eventually, routes_to};
use haechi_testkit::Backend;
use haechi_testkit::jose::{Key, now, with};
use serde_json::{Value, json};
use std::path::Path;

/// A provider: where it is, and what it gives.
struct Provider {
    page: &'static str,
    /// Which block of YAML in the page, counted from 0.
    block: usize,
    issuer: &'static str,
    /// Where keys are; discovery leads there where the page says nothing else.
    keys: &'static str,
    /// What a signing key has besides `kid`, `kty`, `n` and `e`; `alg` and `use` unless taken away.
    key_members: Value,
    /// Other keys of the set.
    others: Value,
    /// The header of a token besides `alg` and `kid`.
    header: Value,
    claims: Value,
    /// What the backend is told.
    told: &'static [(&'static str, &'static str)],
    /// Claims that a token of somebody else's service has, which is refused.
    elsewhere: Value,
    /// The authorization of the route.
    authorize: &'static str,
}

impl Provider {
    fn check(&self) {
        let key = Key::rsa("2f8a+/k1=");
        let mut jwk = with(&key.jwk(), &json!({ "use": "sig", "alg": "RS256" }));
        jwk = with(&jwk, &self.key_members);
        let mut set = vec![jwk];
        set.extend(self.others.as_array().unwrap().iter().cloned());
        let set = json!({ "keys": set }).to_string();
        let discovery = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let document = json!({ "issuer": self.issuer, "jwks_uri": self.keys }).to_string();
        let outside = Outside::start(&[(&*discovery, document), (self.keys, set.clone())]);
        let backend = Backend::saying("reached");
        let configured = block(self.page, self.block);
        let name = authenticator(&configured);
        let folder = Folder::new(&format!(
            "{configured}\n{}",
            routes_to(&backend, &[("/**", &format!("[{name}]"), self.authorize)])
        ));
        folder.write("cluster-keys.json", &set);
        let authority = outside.write_authority(&folder);
        let proxy = outside.proxy();
        let environment =
            [("HTTPS_PROXY", &*proxy), ("SSL_CERT_FILE", &*authority), ("NO_PROXY", ""), ("no_proxy", "")];
        let gate = Gate::start_with(folder, &environment).ready();

        let header = with(&json!({ "alg": "RS256", "kid": "2f8a+/k1=" }), &self.header);
        let times = json!({ "iat": now(), "exp": now() + 600, "nbf": now() });
        let claims = with(&with(&json!({ "iss": self.issuer }), &times), &self.claims);
        let reply = gate.get_with_token("/", &key.sign(&header, &claims));
        assert_eq!(reply.status, 200, "{}: {} {:#?}", self.page, reply.text(), gate.log());
        let recorded = backend.recorded();
        let seen = recorded.last().unwrap();
        for (field, value) in self.told {
            assert_eq!(seen.field(field), Some(*value), "{}: {field}", self.page);
        }
        let before = recorded.len();
        for change in
            [&self.elsewhere, &json!({ "iss": "https://evil.example.com" }), &json!({ "exp": now() - 60 })]
        {
            let token = key.sign(&header, &with(&claims, change));
            let reply = gate.get_with_token("/", &token);
            assert_eq!(reply.status, 401, "{}: {change}", self.page);
        }
        let stranger = Key::rsa("2f8a+/k1=");
        assert_eq!(gate.get_with_token("/", &stranger.sign(&header, &claims)).status, 401, "{}", self.page);
        assert_eq!(backend.recorded().len(), before, "{}: nothing arrived", self.page);
        if self.page != "kubernetes" {
            assert!(outside.asked().contains(&self.keys.to_owned()), "{:?}", outside.asked());
        }
    }
}

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/providers/{name}.md"));
    std::fs::read_to_string(path).unwrap()
}

/// The configuration in a page.
fn block(name: &str, index: usize) -> String {
    let text = page(name);
    let mut blocks = text.split("```yaml\n").skip(1).filter_map(|after| after.split("```").next());
    blocks.nth(index).unwrap().to_owned()
}

/// The name of the authenticator that it declares.
fn authenticator(configured: &str) -> &str {
    let (_, after) = configured.split_once("authenticators:\n  ").unwrap();
    after.split_once(':').unwrap().0
}

fn usual(page: &'static str, issuer: &'static str, keys: &'static str, claims: Value) -> Provider {
    Provider {
        page,
        block: 0,
        issuer,
        keys,
        key_members: json!({}),
        others: json!([]),
        header: json!({}),
        claims,
        told: &[],
        elsewhere: json!({ "aud": "somebody-else" }),
        authorize: "{ roles: [ADMIN] }",
    }
}

#[test]
fn keycloak() {
    let encryption = json!({
        "kid": "enc1", "kty": "RSA", "alg": "RSA-OAEP", "use": "enc", "n": "AQAB", "e": "AQAB",
        "x5c": ["MIICnTCCAYUCBgF"], "x5t": "a", "x5t#S256": "b"
    });
    Provider {
        key_members: json!({ "x5c": ["MIICnTCCAYUCBgF"], "x5t": "QmFy", "x5t#S256": "Rm9v" }),
        others: json!([encryption]),
        header: json!({ "typ": "JWT" }),
        told: &[
            ("x-auth-subject", "8f0c5d0e-6a0b-4b0c-9c55-2f6f6d5f7a10"),
            ("x-auth-roles", "%EA%B4%80%EB%A6%AC%EC%9E%90,CLERK,ADMIN"),
            ("x-auth-scopes", "openid,email,profile"),
            ("x-auth-attr-groups", "/staff/admins"),
        ],
        elsewhere: json!({ "aud": "account" }),
        ..usual(
            "keycloak",
            "https://sso.example.com/realms/acme",
            "https://sso.example.com/realms/acme/protocol/openid-connect/certs",
            json!({
                "aud": ["orders", "account"], "sub": "8f0c5d0e-6a0b-4b0c-9c55-2f6f6d5f7a10", "typ": "Bearer",
                "azp": "web", "sid": "5b1f", "acr": "1", "auth_time": 1_760_000_000, "jti": "onrtac:1",
                "allowed-origins": ["https://app.example.com"], "scope": "openid email profile",
                "realm_access": { "roles": ["default-roles-acme", "offline_access", "관리자"] },
                "resource_access": {
                    "orders": { "roles": ["orders-clerk"] }, "account": { "roles": ["view-profile"] }
                },
                "groups": ["/staff/admins"], "preferred_username": "alice", "email": "alice@example.com"
            }),
        )
    }
    .check();
}

#[test]
fn auth0() {
    Provider {
        key_members: json!({ "x5t": "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg", "x5c": ["MIIDBzCC"] }),
        header: json!({ "typ": "JWT" }),
        told: &[
            ("x-auth-subject", "auth0|64f1c2b7a1d2e3f405060708"),
            ("x-auth-roles", "ADMIN"),
            ("x-auth-scopes", "openid,profile,read:orders"),
        ],
        ..usual(
            "auth0",
            "https://acme.eu.auth0.com/",
            "https://acme.eu.auth0.com/.well-known/jwks.json",
            json!({
                "sub": "auth0|64f1c2b7a1d2e3f405060708", "azp": "x9Kd", "scope": "openid profile read:orders",
                "aud": ["https://orders.example.com", "https://acme.eu.auth0.com/userinfo"],
                "permissions": ["read:orders"], "https://orders.example.com/roles": ["ADMIN"]
            }),
        )
    }
    .check();
}

const TENANT: &str = "8c7f2a10-3a5b-4c7e-9d42-0f6a1f2b3c4d";

fn entra_claims() -> Value {
    json!({
        "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3", "ver": "2.0", "tid": TENANT, "aio": "AXQAi", "azp": "a1b2",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", "oid": "111d0f5c", "azpacr": "1", "rh": "0.A", "uti": "u",
        "scp": "Orders.Read Orders.Write", "roles": ["Orders.Admin"],
        "groups": ["0f3c9a52-6f0e-4a7e-8a55-9b1f0d2c3e4f"], "name": "Alice"
    })
}

fn entra_key() -> Value {
    json!({
        "alg": null, "x5t": "MuJ", "x5c": ["MIIC/jCCAeagAwIB"], "cloud_instance_name": "microsoftonline.com",
        "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"
    })
}

#[test]
fn entra_with_one_tenant() {
    Provider {
        key_members: entra_key(),
        header: json!({ "typ": "JWT", "x5t": "MuJ" }),
        told: &[
            ("x-auth-subject", "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ"),
            ("x-auth-roles", "ADMIN,USER"),
            ("x-auth-scopes", "Orders.Read,Orders.Write"),
        ],
        ..usual(
            "entra",
            "https://login.microsoftonline.com/8c7f2a10-3a5b-4c7e-9d42-0f6a1f2b3c4d/v2.0",
            "https://login.microsoftonline.com/8c7f2a10-3a5b-4c7e-9d42-0f6a1f2b3c4d/discovery/v2.0/keys",
            entra_claims(),
        )
    }
    .check();
}

#[test]
fn entra_with_many_tenants() {
    Provider {
        block: 1,
        key_members: entra_key(),
        header: json!({ "typ": "JWT" }),
        told: &[
            ("x-auth-issuer", "https://login.microsoftonline.com/8c7f2a10-3a5b-4c7e-9d42-0f6a1f2b3c4d/v2.0"),
            ("x-auth-roles", "ADMIN"),
            ("x-auth-attr-tid", TENANT),
        ],
        // A tenant that shares the keys, and is nobody's here.
        elsewhere: json!({
            "tid": "00000000-3a5b-4c7e-9d42-0f6a1f2b3c4d",
            "iss": "https://login.microsoftonline.com/00000000-3a5b-4c7e-9d42-0f6a1f2b3c4d/v2.0"
        }),
        ..usual(
            "entra",
            "https://login.microsoftonline.com/8c7f2a10-3a5b-4c7e-9d42-0f6a1f2b3c4d/v2.0",
            "https://login.microsoftonline.com/common/discovery/v2.0/keys",
            entra_claims(),
        )
    }
    .check();
}

#[test]
fn okta() {
    Provider {
        told: &[
            ("x-auth-subject", "alice@example.com"),
            ("x-auth-roles", "ADMIN"),
            ("x-auth-scopes", "openid,orders:read"),
        ],
        ..usual(
            "okta",
            "https://acme.okta.com/oauth2/default",
            "https://acme.okta.com/oauth2/default/v1/keys",
            json!({
                "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "aud": "api://default",
                "sub": "alice@example.com", "cid": "0oa8f1", "uid": "00u7c4", "scp": ["openid", "orders:read"],
                "groups": ["Everyone", "Orders Admins"], "auth_time": 1_760_000_000
            }),
        )
    }
    .check();
}

#[test]
fn cognito() {
    let other = Key::rsa("other=").jwk();
    Provider {
        others: json!([other]),
        told: &[
            ("x-auth-subject", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"),
            ("x-auth-roles", "ADMIN"),
            ("x-auth-scopes", "openid,orders/read"),
        ],
        // An ID token.
        elsewhere: json!({ "client_id": null, "aud": "4mnb7c1v2x3z5a6s7d8f9g0h1j", "token_use": "id" }),
        ..usual(
            "cognito",
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI",
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI/.well-known/jwks.json",
            json!({
                "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "cognito:groups": ["orders-admins"],
                "client_id": "4mnb7c1v2x3z5a6s7d8f9g0h1j", "token_use": "access", "scope": "openid orders/read",
                "version": 2, "username": "alice", "jti": "f6d2", "origin_jti": "o", "event_id": "e", "auth_time": 1_760_000_000
            }),
        )
    }
    .check();
}

#[test]
fn google() {
    Provider {
        header: json!({ "typ": "JWT" }),
        told: &[
            ("x-auth-subject", "110169484474386276334"),
            ("x-auth-attr-hd", "example.com"),
            ("x-auth-attr-email_verified", "true"),
        ],
        authorize: "{ when: 'principal.hd == \"example.com\"' }",
        ..usual(
            "google",
            "https://accounts.google.com",
            "https://www.googleapis.com/oauth2/v3/certs",
            json!({
                "azp": "407408718192.apps.googleusercontent.com", "aud": "407408718192.apps.googleusercontent.com",
                "sub": "110169484474386276334", "hd": "example.com", "email": "alice@example.com",
                "email_verified": true, "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q"
            }),
        )
    }
    .check();
}

#[test]
fn github_actions() {
    Provider {
        key_members: json!({ "x5t": "eBZ_cn3sXYAd0ch4THBKHIgOwOE", "x5c": ["MIIDrDCCApSgAwIB"] }),
        header: json!({ "typ": "JWT", "x5t": "eBZ_cn3sXYAd0ch4THBKHIgOwOE" }),
        told: &[
            ("x-auth-subject", "repo:acme/orders:ref:refs/heads/main"),
            ("x-auth-attr-repository", "acme/orders"),
        ],
        authorize: "{ when: 'principal.repository == \"acme/orders\" && principal.ref == \"refs/heads/main\"' }",
        ..usual(
            "github-actions",
            "https://token.actions.githubusercontent.com",
            "https://token.actions.githubusercontent.com/.well-known/jwks",
            json!({
                "aud": "https://deploy.example.com", "sub": "repo:acme/orders:ref:refs/heads/main",
                "repository": "acme/orders", "repository_owner": "acme", "repository_id": "74", "repository_owner_id": "65",
                "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true", "workflow": "deploy", "sha": "0d3c",
                "job_workflow_ref": "acme/orders/.github/workflows/deploy.yaml@refs/heads/main", "event_name": "push",
                "actor": "alice", "actor_id": "12", "run_id": "123456", "run_number": "10", "run_attempt": "2",
                "head_ref": "", "base_ref": "", "repository_visibility": "private", "runner_environment": "github-hosted", "jti": "j"
            }),
        )
    }
    .check();
}

#[test]
fn zitadel() {
    Provider {
        header: json!({ "typ": "JWT" }),
        told: &[("x-auth-subject", "170079991923474689"), ("x-auth-roles", "ADMIN")],
        ..usual(
            "zitadel",
            "https://acme-x1y2z3.zitadel.cloud",
            "https://acme-x1y2z3.zitadel.cloud/oauth/v2/keys",
            json!({
                "sub": "170079991923474689", "client_id": "165472318562402561@orders", "jti": "V2_1",
                "aud": ["165472318562402561@orders", "165472318562402561", "170080034281504001"],
                "urn:zitadel:iam:org:project:170080034281504001:roles": {
                    "admin": { "169837608204894465": "acme.zitadel.cloud" }
                },
                "urn:zitadel:iam:org:project:roles": { "admin": { "169837608204894465": "acme.zitadel.cloud" } }
            }),
        )
    }
    .check();
}

#[test]
fn kubernetes() {
    Provider {
        told: &[
            ("x-auth-subject", "system:serviceaccount:shop:checkout"),
            ("x-auth-attr-namespace", "shop"),
            ("x-auth-attr-account", "checkout"),
        ],
        elsewhere: json!({ "aud": ["https://kubernetes.default.svc"] }),
        authorize: "{ when: 'principal.namespace == \"shop\" && principal.account == \"checkout\"' }",
        ..usual(
            "kubernetes",
            "https://kubernetes.default.svc.cluster.local",
            "https://kubernetes.default.svc.cluster.local/openid/v1/jwks",
            json!({
                "aud": ["orders"], "sub": "system:serviceaccount:shop:checkout", "jti": "ed10",
                "kubernetes.io": {
                    "namespace": "shop", "node": { "name": "node-1", "uid": "646e" },
                    "pod": { "name": "checkout-7d9c", "uid": "eb0a" },
                    "serviceaccount": { "name": "checkout", "uid": "14ee" }, "warnafter": 1_760_003_607
                }
            }),
        )
    }
    .check();
}

/// The configuration's own proxy comes before the environment's, and `none` means none.
#[test]
fn the_configured_proxy_comes_first() {
    let key = Key::rsa("k");
    let issuer = "https://sso.example.com";
    let document = json!({ "issuer": issuer, "jwks_uri": "https://sso.example.com/keys" }).to_string();
    let pages = [
        ("https://sso.example.com/.well-known/openid-configuration", document),
        ("https://sso.example.com/keys", json!({ "keys": [key.jwk()] }).to_string()),
    ];
    let (ours, other) = (Outside::start(&pages), Outside::start(&[]));
    let backend = Backend::saying("reached");
    let folder = Folder::new(&format!(
        "egress: {{ proxy: \"{}\" }}\nauthenticators: {{ corp: {{ type: jwt, issuer: {issuer}, audiences: [orders] }} }}\n{}",
        ours.proxy(),
        routes_to(&backend, &[("/**", "[corp]", "any")])
    ));
    let authority = ours.write_authority(&folder);
    let environment = [("HTTPS_PROXY", &*other.proxy()), ("SSL_CERT_FILE", &*authority)];
    let gate = Gate::start_with(folder, &environment).ready();
    let claims = json!({ "iss": issuer, "aud": "bills", "sub": "a", "exp": now() + 600 });
    assert_eq!(gate.get_with_token("/", &key.token(&claims)).status, 401);
    let told = |log: &[String]| {
        let line = log.iter().find(|line| line.contains("another audience"))?;
        (line.contains("it names `bills`") && line.contains("configured is `orders`")).then_some(())
    };
    eventually(PATIENCE, || told(&gate.log()));
    let good = with(&claims, &json!({ "aud": "orders" }));
    gate.get_with_token("/", &key.token(&good)).expect(200);
    assert_eq!(ours.asked().len(), 2);
    assert!(other.asked().is_empty());
}
