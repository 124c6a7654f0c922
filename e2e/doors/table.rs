//! The requests that take every way.

use super::World;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) method: &'static str,
    pub(super) target: &'static str,
    /// The name of a key, or a value that is none.
    pub(super) key: Option<&'static str>,
    /// More fields.
    pub(super) more: &'static [&'static str],
}

impl Case {
    /// As curl takes them.
    pub(super) fn fields(&self, world: &World) -> Vec<String> {
        let key = self.key.map(|key| format!("X-API-Key: {}", world.key(key)));
        key.into_iter().chain(self.more.iter().map(ToString::to_string)).collect()
    }
}

const TARGETS: [&str; 14] = [
    "/public/a",
    "/public/a?b=c&d=%20",
    "/open/a",
    "/user",
    "/user/a%62",
    "/user/%EA%B0%80",
    "/admin/x",
    "/scoped",
    "/tenants/acme",
    "/tenants/other",
    "/nowhere",
    "/public//a",
    "/public/a;b",
    "/public/%2e%2e/admin/x",
];
const KEYS: [Option<&str>; 5] = [None, Some("user"), Some("admin"), Some("nobody"), Some("hk_wrong")];
const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];

/// What a client says of itself, and a proxy of it; none of it counts.
const SPOOFED: &[&str] = &[
    "X-Auth-Subject: root",
    "X-Auth-Roles: ADMIN",
    "X-Auth-Attr-tenant: acme",
    "X-Forwarded-Method: GET",
    "X-Forwarded-Uri: /public/a",
    "X-Forwarded-Host: other.example",
    "X-Original-Method: GET",
];

/// Every request that all doors take alike.
pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in TARGETS {
        for key in KEYS {
            for method in METHODS {
                cases.push(Case { method, target, key, more: &[] });
            }
        }
    }
    for target in TARGETS {
        for key in [None, Some("user")] {
            cases.push(Case { method: "GET", target, key, more: SPOOFED });
        }
    }
    cases
}

/// A part of them, for those of which each costs a process more.
pub(super) fn some() -> Vec<Case> {
    all().into_iter().enumerate().filter(|(index, _)| index % 2 == 0).map(|(_, case)| case).collect()
}
