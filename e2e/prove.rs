//! `haechi prove` and `haechi diff`: what is proved, and what is shown is what the gate does. The solver must be installed.

use crate::harness::{Folder, haechi, program};
use serde_json::Value;
use std::process::Command;

const BEGINNING: &str = "\
identity: { issuer: http://localhost:8080, path: /auth }
store: sqlite:haechi.db
caller_attributes: { tenant: string, clearance: long, mfa: bool }
context_headers: { purpose: X-Purpose }
authenticators:
  local: { type: jwt, issuer: self }
  partner: { type: api_key, header: X-API-Key }
roles: { USER: {}, MANAGER: { includes: [USER] }, ADMIN: { includes: [MANAGER] } }
services: { web: { endpoints: [\"http://127.0.0.1:9\"] } }
";

/// A folder with these routes; policies may be written into it before it is asked about.
fn gate(routes: &[&str]) -> Folder {
    Folder::new(&configuration(routes))
}

fn configuration(routes: &[&str]) -> String {
    let routes: String = routes.iter().map(|route| format!("  - {{ {route}, service: web }}\n")).collect();
    format!("{BEGINNING}routes:\n{routes}")
}

fn admin(roles: &str) -> String {
    format!(
        "name: admin, match: {{ path: \"/admin/**\" }}, authenticate: [local, partner], authorize: {{ roles: [{roles}] }}"
    )
}

const OPEN: &str = "name: open, match: { path: \"/open/**\" }, authenticate: anonymous, authorize: any";
const ORDER: &str = "name: order, match: { path: \"/tenants/{tenant}/orders/{id}\" }, authenticate: local, \
    authorize: { roles: [USER], when: principal.tenant == context.params.tenant }";

/// What `haechi prove` says of this one property, as JSON.
#[track_caller]
fn prove(folder: &Folder, property: &str) -> Value {
    folder.write("properties.yaml", &format!("- name: it\n  {}\n", property.replace('\n', "\n  ")));
    let proved = haechi(folder.path(), &["prove", "--output", "json"]);
    let told: Value = serde_json::from_str(&proved.stdout).unwrap_or_else(|_| panic!("{proved:#?}"));
    let answer = told["properties"][0].clone();
    assert_eq!(proved.code, i32::from(answer["outcome"] != "proved"), "{proved:#?}");
    answer
}

/// The example of the route, having seen that the printed command tells the same.
#[track_caller]
fn example(folder: &Folder, answer: &Value, route: &str) -> Value {
    assert_eq!(answer["outcome"], "does_not_hold", "{answer:#}");
    let routes = answer["routes"].as_array().unwrap();
    let found = routes.iter().find(|found| found["route"] == route);
    let example = found.unwrap_or_else(|| panic!("{answer:#}"))["example"].clone();
    explained(folder, &example, "allowed");
    example
}

/// Runs the command that was printed, as a shell does.
#[track_caller]
fn explained(folder: &Folder, example: &Value, outcome: &str) {
    let command = example["explain"].as_str().unwrap_or_else(|| panic!("{example:#}"));
    let script = format!("haechi() {{ \"$BINARY\" \"$@\"; }}; {command} --output json");
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).env("BINARY", env!("CARGO_BIN_EXE_haechi")).current_dir(folder.path());
    let told = shell.output().unwrap();
    let text = String::from_utf8_lossy(&told.stdout);
    let told: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{command}: {told:?}"));
    assert_eq!(told["outcome"], outcome, "{command}: {told:#}");
    assert_eq!(told["route"]["name"], example["route"], "{command}: {told:#}");
}

#[test]
fn what_holds_for_everybody_is_proved_and_what_does_not_is_shown() {
    let folder = gate(&[&admin("ADMIN"), OPEN, ORDER]);
    let only = "routes: /admin/**\nallowed_only_if: { roles: [ADMIN] }";
    assert_eq!(prove(&folder, only)["outcome"], "proved");
    let tenants = "routes: [order]\nallowed_only_if: { when: principal.tenant == context.params.tenant }";
    assert_eq!(prove(&folder, tenants)["outcome"], "proved");

    let anonymous = "methods: [POST, PUT, PATCH, DELETE]\nnever: { anonymous: true }";
    let answer = prove(&folder, anonymous);
    let found = example(&folder, &answer, "open");
    assert_eq!((&found["kind"], &found["method"]), (&"Anonymous".into(), &"POST".into()), "{found:#}");
    assert_eq!(answer["routes"].as_array().unwrap().len(), 3);

    let strangers = "routes: [order]\nnever: { when: \"principal.tenant != \\\"acme\\\"\" }";
    let found = example(&folder, &prove(&folder, strangers), "order");
    assert_eq!(
        found["path"],
        format!("/tenants/{}/orders/x", found["attributes"]["tenant"].as_str().unwrap())
    );
}

#[test]
fn roles_that_include_roles_are_part_of_the_proof() {
    let only = "routes: /admin/**\nallowed_only_if: { roles: [ADMIN] }";
    let folder = gate(&[&admin("MANAGER")]);
    let found = example(&folder, &prove(&folder, only), "admin");
    assert_eq!(found["roles"], serde_json::json!(["MANAGER"]));
    // Nobody is an administrator and no user: that hierarchy does not exist.
    let users = "routes: /admin/**\nallowed_only_if: { roles: [USER] }";
    assert_eq!(prove(&folder, users)["outcome"], "proved");
    let always = "routes: /admin/**\nalways_if: { roles: [ADMIN] }";
    assert_eq!(prove(&folder, always)["outcome"], "proved");
    // Where a manager is an administrator, that is said, and found where only roles of one's own count.
    let turned = configuration(&[&admin("ADMIN")]).replace(
        "MANAGER: { includes: [USER] }, ADMIN: { includes: [MANAGER] }",
        "MANAGER: { includes: [ADMIN] }, ADMIN: {}",
    );
    let folder = Folder::new(&turned);
    let answer = prove(&folder, only);
    assert_eq!((&answer["outcome"], &answer["included"][0]["by"][0]), (&"proved".into(), &"MANAGER".into()));
    let direct = "routes: /admin/**\nallowed_only_if: { direct_roles: [ADMIN] }";
    let found = example(&folder, &prove(&folder, direct), "admin");
    assert_eq!(found["roles"], serde_json::json!(["MANAGER"]));
}

#[test]
fn every_kind_of_fact_is_led_along_the_real_path() {
    let policy = "name: records, match: { path: \"/records/{id}\", hosts: [api.example.com] }, authenticate: [local, partner], authorize: policy";
    let folder = gate(&[]);
    folder.rewrite(&format!("policies: [records.cedar]\n{}", configuration(&[policy])));
    folder.write(
        "records.cedar",
        r#"
        permit(principal is User, action, resource) when {
            context.headers has purpose && context.headers.purpose == "care" &&
            context.ip.isInRange(ip("10.0.0.0/8")) && context.secure &&
            context.time.toTime() >= duration("8h") && context.time.toTime() < duration("18h") &&
            principal has clearance && principal.clearance + 1 > 3 && principal.scopes.contains("records:read")
        };
        permit(principal == ApiKey::"haechi|it's", action == Action::"GET", resource == Route::"records");
        forbid(principal, action in Action::"write", resource) unless { principal has mfa && principal.mfa };
        "#,
    );
    let found = example(&folder, &prove(&folder, "never: { authenticators: [local] }"), "records");
    assert_eq!((&found["headers"]["purpose"], &found["host"]), (&"care".into(), &"api.example.com".into()));
    assert!(found["ip"].as_str().unwrap().starts_with("10."), "{found:#}");
    let found = example(&folder, &prove(&folder, "never: { authenticators: [partner] }"), "records");
    assert_eq!((&found["subject"], &found["issuer"]), (&"it's".into(), &"haechi".into()), "{found:#}");
    // A write needs mfa, an overflow denies, and a whole network is no address.
    for proved in [
        "methods: [POST, DELETE]\nallowed_only_if: { when: principal.mfa }",
        "never: { when: principal.clearance == 9223372036854775807 && principal is User }",
        "allowed_only_if: { when: \"principal is ApiKey || context.ip.isInRange(ip(\\\"10.0.0.0/9\\\")) || context.ip.isInRange(ip(\\\"10.128.0.0/9\\\"))\" }",
        "never: { anonymous: true }",
    ] {
        assert_eq!(prove(&folder, proved)["outcome"], "proved", "{proved}");
    }
}

#[test]
fn a_route_that_takes_the_requests_first_is_the_one_that_is_judged() {
    let login = "name: login, match: { path: /admin/login }, authenticate: anonymous, authorize: any";
    let folder = gate(&[&admin("ADMIN"), login]);
    let answer = prove(&folder, "routes: /admin/login\nnever: { anonymous: true }");
    assert_eq!(answer["routes"].as_array().unwrap().len(), 1, "{answer:#}");
    example(&folder, &answer, "login");
    let none = prove(&folder, "routes: /nowhere/**\nnever: { anonymous: true }");
    assert_eq!((&none["outcome"], none["routes"].as_array().unwrap().len()), (&"proved".into(), 0));
}

#[test]
fn built_in_routes_are_judged_where_a_property_says_so() {
    let folder = gate(&[&admin("ADMIN")]);
    folder.rewrite(&format!("policies: [closed.cedar]\n{}", configuration(&[&admin("ADMIN")])));
    folder.write("closed.cedar", "forbid(principal, action, resource);");
    let never = "never: { anonymous: true }";
    let all = prove(&folder, never);
    assert_eq!((&all["outcome"], all["routes"].as_array().unwrap().len()), (&"proved".into(), 1), "{all:#}");
    for property in ["routes: /auth/**", "routes: /**\nmethods: [POST]", "routes: [identity-login]"] {
        let answer = prove(&folder, &format!("{property}\n{never}"));
        let found = example(&folder, &answer, "identity-login");
        assert_eq!((&found["method"], &found["path"]), (&"POST".into(), &"/auth/login".into()), "{found:#}");
        let routes = answer["routes"].as_array().unwrap();
        assert!(
            routes.iter().all(|route| (route["built_in"] == true) == (route["route"] != "admin")),
            "{answer:#}"
        );
    }
    for property in [
        "routes: [identity-me, identity-logout]\nnever: { anonymous: true }",
        "routes: /auth/login\nalways_if: { anonymous: true }",
    ] {
        assert_eq!(prove(&folder, property)["outcome"], "proved", "{property}");
    }
    folder.write("properties.yaml", "- { name: a, routes: [identity-login], never: { anonymous: true } }\n");
    let told = haechi(folder.path(), &["prove"]).stdout;
    assert!(told.contains("on `identity-login` (built in), for example:"), "{told}");
}

#[test]
fn a_login_that_comes_or_moves_is_told() {
    let (folder, ..) = diff(&[OPEN], &[OPEN], &[]);
    let old = configuration(&[OPEN]).replace("path: /auth", "path: /sign-in");
    folder.write("old.yaml", &format!("listeners: [{{ bind: 127.0.0.1:0 }}]\n{old}"));
    let arguments = ["diff", "old.yaml", "haechi.yaml", "--output", "json", "--fail-on", "wider"];
    let told = haechi(folder.path(), &arguments);
    let found: Value = serde_json::from_str(&told.stdout).unwrap();
    let routes = found["routes"].as_array().unwrap();
    let login = routes.iter().find(|route| route["route"] == "identity-login").unwrap();
    assert_eq!((told.code, &login["change"]), (1, &"moved".into()), "{login:#}");
    assert_eq!(login["gained"]["before"], "404: no route matches");
    explained(&folder, &login["gained"], "allowed");
    let none = "listeners: [{ bind: 127.0.0.1:0 }]\nservices: { web: { endpoints: [\"http://127.0.0.1:9\"] } }\nroutes: []\n";
    folder.write("old.yaml", none);
    let told = haechi(folder.path(), &["diff", "old.yaml", "haechi.yaml"]).success().stdout;
    assert!(told.contains("added        `identity-login`"), "{told}");
}

#[test]
fn what_cannot_be_analysed_is_not_proved() {
    let odd = "name: odd, match: { path: /odd }, authenticate: local, authorize: { when: '[resource] == [Route::\"odd\"]' }";
    let folder = gate(&[odd]);
    let answer = prove(&folder, "never: { anonymous: true }");
    assert_eq!(answer["outcome"], "not_decided", "{answer:#}");
    let why = answer["routes"][0]["why"].as_str().unwrap();
    assert!(why.contains("haechi.yaml:") && why.contains("cannot be analysed"), "{why}");
}

#[test]
fn faults_of_properties_have_their_places() {
    let folder = gate(&[&admin("ADMIN")]);
    folder.write(
        "properties.yaml",
        "- name: a\n  routes: [admn]\n  never: { anonymous: true }\n- name: b\n  never: { roles: [ADMIM], when: principal.tenat == \"x\" }\n- name: c\n",
    );
    let told = haechi(folder.path(), &["prove"]);
    assert_eq!(told.code, 1, "{told:#?}");
    for part in
        ["properties.yaml:2:12", "`admin`", "5:20", "`ADMIN`", "5:44", "`tenant`", "6:3", "exactly one of"]
    {
        assert!(told.stderr.contains(part), "no `{part}`: {}", told.stderr);
    }
    let missing = haechi(folder.path(), &["prove", "nowhere.yaml"]);
    assert!(missing.code == 1 && missing.stderr.contains("nowhere.yaml"), "{missing:#?}");
}

#[test]
fn without_the_solver_it_is_wrong_usage_and_says_where_to_get_it() {
    let folder = gate(&[&admin("ADMIN")]);
    folder.write("properties.yaml", "- { name: a, never: { anonymous: true } }\n");
    for arguments in [&["prove"][..], &["diff", "haechi.yaml", "haechi.yaml"]] {
        let told = program(folder.path()).args(arguments).env("PATH", folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&told.stderr);
        assert_eq!(told.status.code(), Some(2), "{said}");
        assert!(told.stdout.is_empty() && said.contains("apt install cvc5"), "{said}");
    }
    // Checking, and so running, never needs it.
    assert!(program(folder.path()).arg("check").env("PATH", folder.path()).status().unwrap().success());
}

/// What `haechi diff` says about the way from one list of routes to another.
#[track_caller]
fn diff(old: &[&str], new: &[&str], more: &[&str]) -> (Folder, i32, Vec<Value>) {
    let folder = gate(old);
    folder.write("new.yaml", &format!("listeners: [{{ bind: 127.0.0.1:0 }}]\n{}", configuration(new)));
    let arguments = ["diff", "haechi.yaml", "new.yaml", "--output", "json"];
    let told = haechi(folder.path(), &[&arguments[..], more].concat());
    let found: Value = serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{told:#?}"));
    let routes = found["routes"].as_array().unwrap().clone();
    (folder, told.code, routes)
}

#[test]
fn the_four_ways_in_which_access_can_change() {
    let mfa = admin("USER").replace("roles: [USER]", "roles: [USER], when: principal.mfa");
    for (old, new, relation) in [
        (admin("ADMIN"), admin("MANAGER"), "wider"),
        (admin("MANAGER"), admin("ADMIN"), "narrower"),
        (admin("USER"), admin("USER, ADMIN"), "same"),
        (mfa, admin("ADMIN"), "incomparable"),
    ] {
        let (folder, code, routes) = diff(&[&old], &[&new], &["--fail-on", "wider"]);
        let route = &routes[0];
        assert_eq!(route["relation"], relation, "{route:#}");
        let (gained, lost) = (route.get("gained"), route.get("lost"));
        assert_eq!(gained.is_some(), ["wider", "incomparable"].contains(&relation), "{route:#}");
        assert_eq!(lost.is_some(), ["narrower", "incomparable"].contains(&relation), "{route:#}");
        assert_eq!(code, i32::from(gained.is_some()), "{route:#}");
        for (example, denies) in [(gained, "haechi.yaml"), (lost, "new.yaml")] {
            let Some(example) = example else { continue };
            explained(&folder, example, "allowed");
            let allows = if denies == "new.yaml" { "haechi.yaml" } else { "new.yaml" };
            let command = example["explain"].as_str().unwrap();
            let mut other = example.clone();
            other["explain"] = command.replace(&format!("-c {allows}"), &format!("-c {denies}")).into();
            explained(&folder, &other, "denied");
        }
    }
}

#[test]
fn routes_that_come_go_move_and_ask_otherwise() {
    let moved = OPEN.replace("/open", "/public");
    let key = ORDER.replace("authenticate: local", "authenticate: [local, partner]");
    let reads = admin("ADMIN").replace("\"/admin/**\"", "\"/admin/**\", methods: [GET]");
    let (folder, code, routes) =
        diff(&[&reads, OPEN, ORDER], &[&admin("ADMIN"), &moved, &key, &OPEN.replace("open", "new")], &[]);
    assert_eq!(code, 0);
    let find = |name: &str| routes.iter().find(|route| route["route"] == name).unwrap();
    assert_eq!((&find("new")["change"], &find("open")["change"]), (&"added".into(), &"moved".into()));
    assert_eq!(find("new")["gained"]["before"], "404: no route matches");
    explained(&folder, &find("new")["gained"], "allowed");
    let admin = find("admin");
    assert_eq!(admin["relation"], "wider", "{admin:#}");
    assert!(
        admin["gained"]["method"] != "GET" && admin["notes"][0].as_str().unwrap().starts_with("methods: ")
    );
    let order = find("order");
    assert_eq!((&order["relation"], &order["gained"]["authenticator"]), (&"wider".into(), &"partner".into()));
    assert_eq!(order["notes"][0], "authenticate: `local` -> any of `local`, `partner`");
    let (_, code, routes) = diff(&[OPEN, ORDER], &[ORDER], &["--fail-on", "narrower"]);
    assert_eq!((code, &routes.last().unwrap()["change"]), (1, &"removed".into()), "{routes:#?}");
    let same = haechi(folder.path(), &["diff", "new.yaml", "new.yaml", "--fail-on", "any"]).success();
    assert!(same.stdout.contains("0 changed, 20 the same"), "{}", same.stdout);
}

#[test]
fn the_login_that_a_route_asks_for_is_part_of_the_access() {
    let asking = |roles: &str, step_up: &str| {
        admin(roles).replace("[local, partner]", "local") + &format!(", step_up: {{ {step_up} }}")
    };
    let (strong, weak) = ("acr_values: [gold], max_age: 5m", "acr_values: [gold, silver]");
    let any = admin("ADMIN").replace("[local, partner]", "local");
    for (before, now, relation) in [
        (asking("ADMIN", strong), asking("ADMIN", weak), "wider"),
        (asking("ADMIN", weak), asking("ADMIN", strong), "narrower"),
        (asking("ADMIN", strong), any.clone(), "wider"),
        (asking("MANAGER", strong), asking("ADMIN", weak), "incomparable"),
        (asking("ADMIN", strong), asking("MANAGER", strong), "wider"),
    ] {
        let (folder, code, routes) = diff(&[&before], &[&now], &["--fail-on", "wider"]);
        let admin = routes.iter().find(|route| route["route"] == "admin").unwrap();
        assert_eq!(admin["relation"], relation, "{admin:#}");
        assert_eq!(code, i32::from(relation != "narrower"), "{admin:#}");
        let noted = admin["notes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|note| note.as_str().unwrap().starts_with("step_up: `acr` among `gold"));
        assert_eq!(noted, !(before.contains(strong) && now.contains(strong)), "{admin:#}");
        for example in [&admin["gained"], &admin["lost"]].into_iter().filter(|example| example.is_object()) {
            // The command supposes a login that does.
            explained(&folder, example, "allowed");
        }
    }
    let matrix = haechi(gate(&[&asking("ADMIN", strong)]).path(), &["matrix", "--output", "json"]).success();
    let matrix: Value = serde_json::from_str(&matrix.stdout).unwrap();
    let row = matrix["rows"].as_array().unwrap().iter().find(|row| row["route"] == "admin").unwrap();
    let cell = |column: &str| {
        let index = matrix["columns"].as_array().unwrap().iter().position(|name| name == column).unwrap();
        row["cells"][index].clone()
    };
    assert_eq!((&cell("USER")["outcome"], &cell("ADMIN")["outcome"]), (&"deny".into(), &"depends".into()));
    assert_eq!(cell("ADMIN")["note"], "the credential has `acr` among `gold` and a login within 300 s");
}

/// Policies know nothing of logins: what they let through may still be sent to a newer or stronger login.
#[test]
fn proofs_know_which_login_a_route_asks_for() {
    let route = admin("ADMIN").replace("[local, partner]", "local");
    let folder = gate(&[&(route + ", step_up: { acr_values: [gold, silver], max_age: 5m }")]);
    let on = "routes: /admin/**\n";
    for (property, shown) in [
        // Nobody always gets in where a login is asked for, unless it is such a login.
        ("always_if: { roles: [ADMIN] }", Some(("logged in 1 s ago without `acr`", false))),
        (
            "always_if: { roles: [ADMIN], step_up: { acr_values: [gold] } }",
            Some(("logged in 301 s ago with `acr` `gold`", false)),
        ),
        (
            "always_if: { roles: [ADMIN], step_up: { acr_values: [gold, iron], max_age: 1m } }",
            Some(("logged in 1 s ago with `acr` `iron`", false)),
        ),
        ("always_if: { roles: [ADMIN], step_up: { acr_values: [gold], max_age: 5m } }", None),
        // Only with such a login.
        ("allowed_only_if: { step_up: { acr_values: [gold, silver] } }", None),
        ("allowed_only_if: { roles: [ADMIN], step_up: { max_age: 10m } }", None),
        (
            "allowed_only_if: { step_up: { max_age: 1m } }",
            Some(("logged in 61 s ago with `acr` `gold`", true)),
        ),
        (
            "allowed_only_if: { step_up: { acr_values: [gold] } }",
            Some(("logged in 1 s ago with `acr` `silver`", true)),
        ),
        ("never: { step_up: { acr_values: [iron] } }", None),
        (
            "never: { step_up: { acr_values: [iron, silver] } }",
            Some(("logged in 1 s ago with `acr` `silver`", true)),
        ),
        // By policies alone.
        (
            "never: { roles: [USER], when: context.secure, step_up: { max_age: 1m } }",
            Some(("logged in 1 s ago with `acr` `gold`", true)),
        ),
        ("always_if: { roles: [USER], step_up: { acr_values: [gold], max_age: 5m } }", Some(("", false))),
    ] {
        let answer = prove(&folder, &format!("{on}{property}"));
        let Some((login, passes)) = shown else {
            assert_eq!(answer["outcome"], "proved", "{property}: {answer:#}");
            continue;
        };
        assert_eq!(answer["outcome"], "does_not_hold", "{property}: {answer:#}");
        let found = &answer["routes"][0]["example"];
        assert_eq!(found["login"].as_str().unwrap_or_default(), login, "{property}: {answer:#}");
        let outcome = match (passes, login) {
            (true, _) => "allowed",
            (false, "") => "denied",
            (false, _) => "unauthenticated",
        };
        explained(&folder, found, outcome);
    }
    // Nobody passes whom a login could hold up.
    let nobody = "name: admin, match: { path: \"/admin/**\" }, authenticate: local, authorize: { roles: [ADMIN], when: \"context.secure && !context.secure\" }, step_up: { max_age: 5m }";
    let folder = gate(&[nobody]);
    assert_eq!(
        prove(&folder, "routes: [admin]\nallowed_only_if: { step_up: { max_age: 1m } }")["outcome"],
        "proved"
    );
    folder.write("properties.yaml", "- { name: a, never: { step_up: {} } }\n");
    let told = haechi(folder.path(), &["prove"]);
    assert!(told.stderr.contains("`step_up` asks for nothing"), "{told:#?}");
}

#[test]
fn a_larger_role_is_wider_though_no_route_changed() {
    let folder = gate(&[&admin("ADMIN")]);
    let larger = configuration(&[&admin("ADMIN")]).replace(
        "USER: {}, MANAGER: { includes: [USER] }, ADMIN: { includes: [MANAGER] }",
        "ADMIN: {}, MANAGER: {}, USER: { includes: [ADMIN] }",
    );
    folder.write("new.yaml", &format!("listeners: [{{ bind: 127.0.0.1:0 }}]\n{larger}"));
    let told = haechi(folder.path(), &["diff", "haechi.yaml", "new.yaml"]).success();
    assert!(
        told.stdout.starts_with("wider") && told.stdout.contains("with the role USER"),
        "{}",
        told.stdout
    );
}

const CANCEL: &str =
    "name: cancel, match: { path: \"/ops/{id}:cancel\" }, authenticate: local, authorize: { roles: [ADMIN] }";
const OPS: &str = "name: ops, match: { path: \"/ops/{id}\" }, authenticate: anonymous, authorize: any";
const GOODS: &str = "name: goods, match: { path: \"/상품/{id}.json\", hosts: [\"*.example.com\"] }, authenticate: local, authorize: { when: context.params.id == \"7\" && context.host like \"*\" }";

#[test]
fn text_around_parameters_other_scripts_and_wildcard_hosts_are_reasoned_about() {
    let folder = gate(&[CANCEL, OPS, GOODS]);
    let only_admins = |path: &str| format!("routes: \"{path}\"\nallowed_only_if: {{ roles: [ADMIN] }}");
    assert_eq!(prove(&folder, &only_admins("/ops/{x}:cancel"))["outcome"], "proved");
    assert_eq!(prove(&folder, &only_admins("/ops/7:cancel"))["outcome"], "proved");
    let open = prove(&folder, &only_admins("/ops/*"));
    let example_ = example(&folder, &open, "ops");
    assert!(example_["path"].as_str().unwrap().starts_with("/ops/"), "{example_:#}");
    let goods = prove(&folder, &only_admins("/상품/**"));
    let shown = example(&folder, &goods, "goods");
    assert_eq!(shown["path"], "/%EC%83%81%ED%92%88/7.json");
    assert!(shown["host"].as_str().unwrap().ends_with(".example.com"), "{shown:#}");

    let told = haechi(
        folder.path(),
        &[
            "explain",
            "--output",
            "json",
            "--method",
            "GET",
            "--path",
            "/상품/7.json",
            "--host",
            "a.example.com",
            "--role",
            "USER",
        ],
    );
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["outcome"], "allowed", "{told:#}");
    folder.write(
        "cases.yaml",
        "- { name: goods, request: { method: GET, path: /상품/7.json, host: b.a.example.com }, caller: { roles: [USER] }, expect: allow }
- { name: elsewhere, request: { method: GET, path: /상품/7.json, host: example.com }, caller: { roles: [USER] }, expect: 404 }
- { name: cancel, request: { method: POST, path: \"/ops/7:cancel\" }, caller: { roles: [ADMIN] }, expect: \"route: cancel\" }
",
    );
    haechi(folder.path(), &["test", "cases.yaml"]).success();
    let matrix = haechi(folder.path(), &["matrix", "--output", "json"]).success().stdout;
    assert!(matrix.contains("*.example.com") && matrix.contains("/ops/{id}:cancel"), "{matrix}");

    let written =
        |routes: &[&str]| format!("listeners: [{{ bind: 127.0.0.1:0 }}]\n{}", configuration(routes));
    folder.write("old.yaml", &written(&[CANCEL, OPS, GOODS]));
    folder.write("new.yaml", &written(&[&CANCEL.replace("ADMIN", "USER"), OPS, GOODS]));
    let diff = haechi(folder.path(), &["diff", "old.yaml", "new.yaml"]).success().stdout;
    assert!(diff.contains("cancel") && diff.contains(":cancel"), "{diff}");
}
