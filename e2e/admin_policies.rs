//! Policies that narrow what operators may do (docs/admin-api.md).

use crate::harness::{Folder, Gate, PASSWORD, curl, haechi, haechi_with_input};
use serde_json::json;

/// A gate with these policies for operators, and the users `root` (an administrator), `helen` (one of the help desk) and `eve` (an auditor).
fn start(policies: &str) -> Gate {
    let folder = Folder::exactly(
        "listeners: [{ bind: 127.0.0.1:0 }]
workers: 1
reload: { watch: false }
admin: { bind: 127.0.0.1:0, socket: admin.sock, policies: [admin/*.cedar], administrators: [{ authenticator: local, role: HELPDESK }] }
store: sqlite:haechi.db
identity: { issuer: http://localhost:8080 }
roles: { HELPDESK: {}, USER: {} }
authenticators: { local: { type: jwt, issuer: self } }
services: { web: { endpoints: [\"http://127.0.0.1:1\"] } }
routes: [{ name: all, match: { path: /x }, authenticate: local, authorize: any, service: web }]
",
    );
    std::fs::create_dir(folder.file("admin")).unwrap();
    folder.write("admin/operators.cedar", "");
    for (name, role) in
        [("root", "haechi-admin"), ("helen", "HELPDESK"), ("eve", "haechi-auditor"), ("alice", "USER")]
    {
        folder.add_user(name, &[role]);
    }
    folder.write("admin/operators.cedar", policies);
    Gate::start_in(folder).ready()
}

fn status(gate: &Gate, token: &str, method: &str, path: &str) -> u16 {
    let (url, field) =
        (format!("http://{}{path}", gate.admin_address()), format!("Authorization: Bearer {token}"));
    let json = "Content-Type: application/json";
    curl(&["--request", method, "--header", &field, "--header", json, "--data-binary", "{}", &url]).status
}

fn token(gate: &Gate, name: &str) -> String {
    let login = json!({ "username": name, "password": PASSWORD });
    gate.post_json("/auth/login", &login).expect(200).json()["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_policy_forbids_nobody_does_and_the_rest_stays_as_roles_say() {
    let gate = start(
        "@id(\"keys-are-rotated-elsewhere\")
         forbid(principal, action, resource in Service::\"signing-keys\") when { resource.labels.contains(\"change\") };
         forbid(principal, action in Action::\"write\", resource in Service::\"users\") when { context.params has name && context.params.name == \"root\" };
         forbid(principal in Role::\"HELPDESK\", action, resource) unless { resource in Service::\"users\" };
         forbid(principal, action, resource == Route::\"delete_user\") when { principal.authenticator == \"socket\" };",
    );
    let (root, helen, eve) = (token(&gate, "root"), token(&gate, "helen"), token(&gate, "eve"));
    assert_eq!(status(&gate, &root, "POST", "/api/v1/signing-keys/rotate"), 403);
    assert_eq!(status(&gate, &root, "GET", "/api/v1/signing-keys"), 200);
    assert_eq!(status(&gate, &eve, "GET", "/api/v1/signing-keys"), 200);
    for path in ["/api/v1/users/root/unlock", "/api/v1/users/%72oot/unlock", "/api/v1/users/r%6fot/unlock"] {
        assert_eq!(status(&gate, &root, "POST", path), 403, "{path}");
    }
    assert_eq!(status(&gate, &root, "POST", "/api/v1/users/alice/unlock"), 200);
    // A name that policies could not read is nobody's to change; roles alone would have said 404.
    assert_eq!(status(&gate, &root, "POST", "/api/v1/users/a%2Fb/unlock"), 403);
    assert_eq!(status(&gate, &helen, "POST", "/api/v1/users/alice/unlock"), 200);
    assert_eq!(status(&gate, &helen, "GET", "/api/v1/users"), 200);
    assert_eq!(status(&gate, &helen, "GET", "/api/v1/keys"), 403);
    // A policy narrows and never widens.
    assert_eq!(status(&gate, &eve, "POST", "/api/v1/users/alice/unlock"), 403);
    // Whoever comes over the socket is a principal too.
    let socket = gate.folder().file("admin.sock");
    let over = |method: &str, path: &str| {
        let url = format!("http://x{path}");
        curl(&["--unix-socket", socket.to_str().unwrap(), "--request", method, &url]).status
    };
    assert_eq!((over("GET", "/api/v1/users/alice"), over("DELETE", "/api/v1/users/alice")), (200, 403));
    assert_eq!(over("GET", "/livez"), 200);
    let deleted = haechi(gate.folder().path(), &["user", "delete", "alice"]);
    assert!(deleted.code == 1 && deleted.stderr.contains("no policy against it"), "{}", deleted.stderr);
    // It is read again with the configuration.
    gate.folder()
        .write("admin/operators.cedar", "forbid(principal, action, resource == Route::\"unlock_user\");\n");
    gate.admin_post("/api/v1/config/reload", &[&format!("Authorization: Bearer {root}")], "").expect(200);
    assert_eq!(status(&gate, &root, "POST", "/api/v1/users/alice/unlock"), 403);
    assert_eq!(status(&gate, &root, "POST", "/api/v1/users/nobody/unlock"), 403);
    assert_eq!(status(&gate, &root, "POST", "/api/v1/signing-keys/rotate"), 201);
}

#[test]
fn where_a_policy_permits_nothing_else_is_permitted() {
    let gate = start(
        "permit(principal in Role::\"haechi-admin\", action, resource);
         permit(principal, action in Action::\"read\", resource in Service::\"decisions\");",
    );
    let (root, helen, eve) = (token(&gate, "root"), token(&gate, "helen"), token(&gate, "eve"));
    assert_eq!(status(&gate, &root, "POST", "/api/v1/users/alice/unlock"), 200);
    assert_eq!(status(&gate, &helen, "POST", "/api/v1/users/alice/unlock"), 403);
    assert_eq!(status(&gate, &helen, "GET", "/api/v1/decisions"), 200);
    assert_eq!(
        (status(&gate, &eve, "GET", "/api/v1/decisions"), status(&gate, &eve, "GET", "/api/v1/users")),
        (200, 403)
    );
    // A permit makes nobody an operator.
    assert_eq!(status(&gate, &token(&gate, "alice"), "GET", "/api/v1/decisions"), 403);
}

#[test]
fn what_cannot_be_evaluated_is_denied() {
    let gate = start(
        "forbid(principal, action, resource) when { 9223372036854775807 + context.time.toDate().offset(duration(\"1d\")).toTime().toMilliseconds() + 1 > 0 };",
    );
    assert_eq!(status(&gate, &token(&gate, "root"), "GET", "/api/v1/users"), 403);
}

#[test]
fn a_policy_of_what_is_not_there_does_not_load() {
    let gate = start("");
    let path = gate.folder().path().to_owned();
    let check = |text: &str| {
        gate.folder().write("admin/operators.cedar", text);
        let checked = haechi_with_input(&path, &["check"], "");
        (checked.code, format!("{}{}", checked.stdout, checked.stderr))
    };
    assert_eq!(check("forbid(principal, action, resource == Route::\"erase_user\");").0, 1);
    let (code, told) = check("forbid(principal, action, resource == Route::\"delete_usr\");");
    assert!(code == 1 && told.contains("operators.cedar:1:") && told.contains("delete_user"), "{told}");
    assert_eq!(check("forbid(principal in Role::\"NOBODY\", action, resource);").0, 1);
    assert_eq!(check("forbid(principal, action, resource) when { principal.colour == \"red\" };").0, 1);
    assert_eq!(check("forbid(principal, action, resource == Route::\"delete_user\");").0, 0);
    let schema = haechi(&path, &["schema", "cedar", "--admin"]).success().stdout;
    assert!(schema.contains("entity Route in [Service]"), "{schema}");
}
