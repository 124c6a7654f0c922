//! A configuration with every key that is built or planned (docs/configuration.md).

use super::check;
use haechi_authz::{Clause, Rule};

const EXAMPLE: &str = include_str!("every_key.yaml");

#[test]
fn every_key_is_known_and_files_that_are_not_there_are_told() {
    let report = check(EXAMPLE).unwrap_err();
    let refused: Vec<&str> = report.faults().iter().map(|fault| &*fault.message).collect();
    let not_there = |file: &str| format!("`{file}` cannot be read: no such file or directory");
    assert_eq!(
        refused,
        [
            not_there("site.pem"),
            not_there("site.key"),
            not_there("clients.pem"),
            not_there("policies/*.cedar"),
            not_there("next/*.cedar"),
        ]
    );
}

#[test]
fn the_rest_loads() {
    let unbuilt = ["tls:", "certificates:", "client_ca:", "client_certificate:"];
    let built = |line: &&str| !unbuilt.iter().any(|key| line.trim_start().starts_with(key));
    let text: Vec<&str> = EXAMPLE.lines().filter(built).collect();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    for kind in ["policies", "next"] {
        std::fs::create_dir(folder.path().join(kind)).unwrap();
        write(&format!("{kind}/reports.cedar"), REPORTS);
    }
    write("haechi.yaml", &text.join("\n"));
    let config = super::load(&folder.path().join("haechi.yaml"));
    let config = config.unwrap_or_else(|report| panic!("{report}"));
    assert_eq!((config.routes.len(), config.services.len(), config.authenticators.len()), (5, 5, 8));
    let points: Vec<_> =
        config.decision_points.values().map(|point| (&*point.name, point.timeout.as_millis())).collect();
    assert_eq!(points, [("opa", 500), ("pdp", 1000)]);
    assert_eq!(
        config.warnings.faults().len(),
        9,
        "`corp`, `opaque`, `browser`, `mesh`, `legacy`, `opa` and `pdp` are unused, nobody is asked for a certificate, and `legacy` is asked over plain http: {}",
        config.warnings
    );
    assert_eq!(config.policies.policies().len(), 1);
    assert_eq!(config.shadow_policies.unwrap().policies().len(), 1);
    assert_eq!(&*config.policies.vocabulary().headers["tenant"], "x-tenant");
    let clauses: Vec<_> = config.routes[2].authorize.clauses().iter().map(Clause::name).collect();
    assert_eq!(clauses, ["roles", "scopes", "when"]);
    assert_eq!(config.routes[3].authorize, Rule::policy());
}

const REPORTS: &str = "permit(principal in Role::\"MANAGER\", action in Action::\"read\", resource == Route::\"reports\")\nwhen { context.headers has tenant && principal has tenant && principal.tenant == context.headers.tenant };\n";
