//! The contract's example (its section 2).

use super::check;

/// With ellipses written out and a service for each route; otherwise word for word.
const CONTRACT: &str = include_str!("contract.yaml");

#[test]
fn every_key_of_the_contract_is_known_and_what_is_not_built_is_refused() {
    let report = check(CONTRACT).unwrap_err();
    let refused: Vec<&str> = report.faults().iter().map(|fault| &*fault.message).collect();
    let not_there = |file: &str| format!("`{file}` cannot be read: no such file or directory");
    let not_built = |what: &str| format!("{what} is not built in this version");
    assert_eq!(
        refused,
        [
            not_there("site.pem"),
            not_there("site.key"),
            not_there("clients.pem"),
            not_built("`shared_state`"),
            not_built("`context_headers`"),
            not_built("`introspection`"),
            not_built("`oidc`"),
            not_built("`mtls`"),
            not_built("`external`"),
            not_built("`policies`"),
            not_built("`shadow_policies`"),
            not_built("`decision_points`"),
            not_built("`when`"),
            not_built("`rate_limit`"),
            not_built("`policy`"),
            not_built("`audit`"),
        ]
    );
    let not_built = report.faults().iter().filter(|fault| fault.message.ends_with("in this version"));
    assert!(not_built.into_iter().all(|fault| fault.help.as_deref() == Some("remove it")));
}

#[test]
fn the_rest_of_the_contract_loads() {
    let unbuilt = [
        "tls:",
        "certificates:",
        "client_ca:",
        "client_certificate:",
        "shared_state:",
        "context_headers:",
        "opaque:",
        "browser:",
    ];
    let more = [
        "mesh:",
        "legacy:  {",
        "policies:",
        "shadow_policies:",
        "decision_points:",
        "opa:",
        "pdp:",
        "when:",
        "rate_limit:",
        "audit:",
    ];
    let built = |line: &&str| !unbuilt.iter().chain(&more).any(|key| line.trim_start().starts_with(key));
    let text: Vec<&str> = CONTRACT.lines().filter(built).collect();
    let text = text.join("\n").replace("authorize: policy", "authorize: any");
    let config = check(&text).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!((config.routes.len(), config.services.len(), config.authenticators.len()), (5, 5, 4));
    assert_eq!(config.warnings.faults().len(), 1, "only `corp` is unused: {}", config.warnings);
}
