//! Another configuration while the gate runs: whole, or not at all.

use crate::harness::{Gate, PASSWORD, PATIENCE, eventually, haechi, routes_to};
use haechi_testkit::jose::Key;
use haechi_testkit::{Backend, IdentityProvider};

const OPEN: (&str, &str) = ("anonymous", "any");

fn route(path: &str) -> (&str, &'static str, &'static str) {
    (path, OPEN.0, OPEN.1)
}

/// Writes another configuration, whose beginning is the same.
fn rewrite(gate: &Gate, rest: &str) {
    gate.folder().rewrite(rest);
}

fn generation(gate: &Gate) -> u64 {
    gate.metric("haechi_config_generation", &[]) as u64
}

#[test]
fn a_signal_brings_another_configuration_into_force() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&format!("reload: {{ watch: false }}\n{}", routes_to(&backend, &[route("/old")])));
    let mut kept = gate.converse();
    kept.send("GET /new HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(kept.answer().unwrap().status, 404);
    rewrite(&gate, &format!("reload: {{ watch: false }}\n{}", routes_to(&backend, &[route("/new")])));
    gate.signal("HUP");
    eventually(PATIENCE, || (generation(&gate) == 2).then_some(()));
    // The connection stays; its next request finds the new routes.
    kept.send("GET /new HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(kept.answer().unwrap().status, 200);
    gate.get("/old").expect(404);
    assert_eq!(gate.metric("haechi_config_reloads_total", &["result=\"ok\""]), 1.0);
    let told: Vec<String> = gate.log().into_iter().filter(|line| line.contains("\"reloaded\"")).collect();
    assert!(told.len() == 1 && told[0].contains("\"generation\":2"), "{told:#?}");
}

#[test]
fn a_broken_file_changes_nothing_and_says_where() {
    let backend = Backend::saying("reached");
    let good = routes_to(&backend, &[route("/old")]);
    let gate = Gate::start(&format!("reload: {{ watch: false }}\n{good}"));
    let broken = good.replace("authorize: any", "authorise: any");
    rewrite(&gate, &format!("reload: {{ watch: false }}\n{broken}"));
    gate.signal("HUP");
    eventually(PATIENCE, || (gate.metric("haechi_config_reloads_total", &["refused"]) == 1.0).then_some(()));
    gate.get("/old").expect(200);
    assert_eq!(generation(&gate), 1);
    assert_eq!(gate.metric("haechi_config_last_reload_success", &[]), 0.0);
    let log = eventually(PATIENCE, || {
        let log = gate.log();
        log.iter().any(|line| line.contains("haechi.yaml:7:")).then_some(log)
    });
    assert!(log.iter().any(|line| line.contains("did you mean `authorize`?")), "{log:#?}");
    // What is right again comes into force.
    rewrite(&gate, &format!("reload: {{ watch: false }}\n{}", routes_to(&backend, &[route("/new")])));
    gate.signal("HUP");
    eventually(PATIENCE, || (generation(&gate) == 2).then_some(()));
    assert_eq!(gate.metric("haechi_config_last_reload_success", &[]), 1.0);
    gate.get("/new").expect(200);
}

#[test]
fn what_needs_a_restart_is_told_and_changes_nothing() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&routes_to(&backend, &[route("/old")]));
    let folder = gate.folder();
    let beginning = "listeners: [{ bind: 127.0.0.1:1 }]\nadmin: { bind: 127.0.0.1:2 }\nworkers: 2\nstore: sqlite:haechi.db\n";
    folder.write("haechi.yaml", &format!("{beginning}{}", routes_to(&backend, &[route("/new")])));
    gate.signal("HUP");
    let told = eventually(PATIENCE, || {
        let log = gate.log();
        let told: Vec<String> = log.into_iter().filter(|line| line.contains("needs a restart: ")).collect();
        (told.len() >= 4).then_some(told)
    });
    for what in ["`listeners`", "`admin`", "`workers`", "`store`"] {
        assert!(told.iter().any(|line| line.contains(what)), "{what}: {told:#?}");
    }
    gate.get("/old").expect(200);
    gate.get("/new").expect(404);
}

#[test]
fn a_changed_file_is_noticed() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&routes_to(&backend, &[route("/old")]));
    rewrite(&gate, &routes_to(&backend, &[route("/new")]));
    eventually(PATIENCE, || (gate.get("/new").status == 200).then_some(()));
    gate.get("/old").expect(404);
}

/// Kubernetes does not write into a file: it points a link at another folder.
#[test]
fn a_link_that_points_elsewhere_is_noticed() {
    let backend = Backend::saying("reached");
    let folder = crate::harness::Folder::new(&routes_to(&backend, &[route("/old")]));
    let versions = |name: &str, text: &str| {
        std::fs::create_dir(folder.file(name)).unwrap();
        folder.write(&format!("{name}/haechi.yaml"), text);
    };
    let first = std::fs::read_to_string(folder.file("haechi.yaml")).unwrap();
    versions("..1", &first);
    versions("..2", &first.replace("/old", "/new"));
    std::os::unix::fs::symlink("..1", folder.file("..data")).unwrap();
    std::fs::remove_file(folder.file("haechi.yaml")).unwrap();
    std::os::unix::fs::symlink("..data/haechi.yaml", folder.file("haechi.yaml")).unwrap();
    let gate = Gate::start_in(folder);
    gate.get("/old").expect(200);
    let folder = gate.folder();
    std::os::unix::fs::symlink("..2", folder.file("..next")).unwrap();
    std::fs::rename(folder.file("..next"), folder.file("..data")).unwrap();
    eventually(PATIENCE, || (gate.get("/new").status == 200).then_some(()));
    gate.get("/old").expect(404);
}

/// A gate with operators.
fn administered(backend: &Backend) -> Gate {
    let folder = crate::harness::Folder::new(&administered_yaml(backend, "/old"));
    folder.add_user("root", &["haechi-admin"]);
    folder.add_user("alice", &[]);
    Gate::start_in(folder).ready()
}

fn administered_yaml(backend: &Backend, path: &str) -> String {
    let identity =
        "reload: { watch: false }\nstore: sqlite:haechi.db\nidentity: { issuer: http://localhost:8080 }\n";
    let local = "authenticators: { local: { type: jwt, issuer: self } }\n";
    format!("{identity}{local}{}", routes_to(backend, &[route(path), ("/own", "[local]", "any")]))
}

fn token(gate: &Gate, name: &str) -> String {
    let login = serde_json::json!({ "username": name, "password": PASSWORD });
    // A store on a busy disk may be late, which is 503; a client tries again.
    let answer = eventually(PATIENCE, || {
        let answer = gate.post_json("/auth/login", &login);
        (answer.status != 503).then_some(answer)
    });
    let answer = answer.expect(200).json();
    answer["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn operators_reload_and_validate_and_nobody_else() {
    let backend = Backend::saying("reached");
    let gate = administered(&backend);
    let (root, alice) = (token(&gate, "root"), token(&gate, "alice"));
    for call in ["reload", "validate"] {
        let path = format!("/api/v1/config/{call}");
        let none = gate.admin_post(&path, &[], "").expect(401);
        assert_eq!(none.head.field("www-authenticate"), Some("Bearer realm=\"haechi-admin\""));
        let wrong = gate.admin_post(&path, &["Authorization: Bearer abc"], "").expect(401);
        assert!(wrong.head.field("www-authenticate").unwrap().contains("invalid_token"));
        gate.admin_post(&path, &[&format!("Authorization: Bearer {alice}")], "").expect(403);
        let twice = format!("Authorization: Bearer {root}");
        gate.admin_post(&path, &[&twice, &twice], "").expect(400);
        gate.admin_post(&path, &[&twice, "Host: evil.example"], "").expect(403);
    }
    assert_eq!(generation(&gate), 1);
    let bearer = format!("Authorization: Bearer {root}");
    // What is validated does not come into force, be it right or wrong.
    let candidate = std::fs::read_to_string(gate.folder().file("haechi.yaml")).unwrap();
    let valid = gate.admin_post("/api/v1/config/validate", &[&bearer], &candidate).expect(200).json();
    assert_eq!((&valid["valid"], &valid["routes"]), (&serde_json::json!(true), &serde_json::json!(2)));
    let broken = candidate.replace("authorize: any", "authorise: any");
    let refused = gate.admin_post("/api/v1/config/validate", &[&bearer], &broken).expect(422);
    assert_eq!(refused.head.field("content-type"), Some("application/problem+json"));
    let problem = refused.json();
    assert_eq!(problem["type"], "urn:haechi:problem:configuration");
    assert!(problem["faults"][0]["line"].is_u64(), "{problem}");
    assert!(problem["report"].as_str().unwrap().contains("did you mean `authorize`?"), "{problem}");
    let restart = candidate.replacen("bind: 127.0.0.1:0", "bind: 127.0.0.1:7", 1);
    let refused = gate.admin_post("/api/v1/config/validate", &[&bearer], &restart).expect(422).text();
    assert!(refused.contains("needs a restart"), "{refused}");
    assert_eq!(generation(&gate), 1);
    // A reload by call.
    rewrite(&gate, &administered_yaml(&backend, "/new"));
    let reloaded = gate.admin_post("/api/v1/config/reload", &[&bearer], "").expect(200).json();
    assert_eq!(reloaded["generation"], 2);
    gate.get("/new").expect(200);
    gate.get("/old").expect(404);
    // The login of before the reload is still good, and so are its keys.
    gate.get_with_token("/own", &root).expect(200);
    gate.folder().write("haechi.yaml", "listeners: 7");
    let refused = gate.admin_post("/api/v1/config/reload", &[&bearer], "").expect(422).json();
    assert_eq!(refused["faults"][0]["line"], 1);
    assert_eq!(generation(&gate), 2);
}

#[test]
fn many_calls_for_a_reload_are_answered_by_few() {
    const CALLS: usize = 24;
    let backend = Backend::saying("reached");
    let gate = administered(&backend);
    let bearer = format!("Authorization: Bearer {}", token(&gate, "root"));
    let reload = || gate.admin_post("/api/v1/config/reload", &[&bearer], "");
    let all = || -> Vec<u64> {
        std::thread::scope(|scope| {
            let calls: Vec<_> = (0..CALLS).map(|_| scope.spawn(reload)).collect();
            let json = |call: std::thread::ScopedJoinHandle<'_, _>| {
                crate::harness::Reply::json(&call.join().unwrap())
            };
            calls.into_iter().map(|call| json(call)["generation"].as_u64().unwrap_or(0)).collect()
        })
    };
    rewrite(&gate, &administered_yaml(&backend, "/new"));
    let generations = all();
    // Whoever is answered finds what stood in the file when they asked.
    assert!(generations.iter().all(|generation| *generation >= 2), "{generations:?}");
    gate.get("/new").expect(200);
    let reloads = gate.metric("haechi_config_reloads_total", &["result=\"ok\""]);
    assert!((1.0..CALLS as f64).contains(&reloads), "{reloads} reloads for {CALLS} calls");
    // What is wrong is told to each of them.
    gate.folder().write("haechi.yaml", "listeners: 7");
    assert!(all().iter().all(|generation| *generation == 0));
}

#[test]
fn without_an_identity_provider_nobody_is_an_operator() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&routes_to(&backend, &[route("/old")]));
    let refused = gate.admin_post("/api/v1/config/reload", &["Authorization: Bearer abc"], "").expect(403);
    assert!(refused.json()["detail"].as_str().unwrap().contains("no `identity` is configured"));
    assert_eq!(generation(&gate), 1);
}

/// Keys that were fetched are not fetched again, and those of a new issuer are there before the first request that needs them.
#[test]
fn keys_are_kept_and_new_ones_are_fetched_first() {
    let backend = Backend::saying("reached");
    let key = Key::p256("k");
    let (first, second) = (IdentityProvider::start(&[&key]), IdentityProvider::start(&[&key]));
    let yaml = |issuers: &[(&str, &IdentityProvider)]| {
        let mut text = "reload: { watch: false }\nauthenticators:\n".to_owned();
        for (name, issuer) in issuers {
            text.push_str(&format!(
                "  {name}: {{ type: jwt, issuer: \"{}\", audiences: [orders], keys: discovery }}\n",
                issuer.issuer()
            ));
        }
        let routes: Vec<(String, String)> =
            issuers.iter().map(|(name, _)| (format!("/{name}"), format!("[{name}]"))).collect();
        let routes: Vec<(&str, &str, &str)> =
            routes.iter().map(|(path, ask)| (path.as_str(), ask.as_str(), "any")).collect();
        format!("{text}{}", routes_to(&backend, &routes))
    };
    let gate = Gate::start(&yaml(&[("first", &first)])).ready();
    let fetched = |issuer: &IdentityProvider| {
        gate.metric("haechi_jwks_fetch_total", &[&format!("issuer=\"{}\"", issuer.issuer()), "result=\"ok\""])
    };
    assert_eq!(fetched(&first), 1.0);
    rewrite(&gate, &yaml(&[("first", &first), ("second", &second)]));
    gate.signal("HUP");
    eventually(PATIENCE, || (generation(&gate) == 2).then_some(()));
    assert_eq!((fetched(&first), fetched(&second)), (1.0, 1.0));
    gate.admin("/readyz").expect(200);
    rewrite(&gate, &yaml(&[("second", &second)]));
    gate.signal("HUP");
    eventually(PATIENCE, || (generation(&gate) == 3).then_some(()));
    assert_eq!((fetched(&first), fetched(&second)), (0.0, 1.0));
}

#[test]
fn a_file_that_the_configuration_names_is_watched_too() {
    let backend = Backend::saying("reached");
    let folder = crate::harness::Folder::new(&routes_to(&backend, &[route("${file:path}")]));
    folder.write("path", "/old\n");
    let gate = Gate::start_in(folder);
    gate.get("/old").expect(200);
    gate.folder().write("path", "/new\n");
    eventually(PATIENCE, || (gate.get("/new").status == 200).then_some(()));
}

#[test]
fn health_is_asked_by_command() {
    let backend = Backend::saying("reached");
    let mut gate = Gate::start(&format!("drain: {{ delay: 1h }}\n{}", routes_to(&backend, &[route("/old")])));
    let admin = gate.admin_address().to_string();
    let ask = |more: &[&str]| {
        haechi(gate.folder().path(), &[&["health", "--admin", admin.as_str()], more].concat())
    };
    assert_eq!(ask(&[]).code, 0);
    gate.signal("TERM");
    eventually(PATIENCE, || (ask(&[]).code == 1).then_some(()));
    assert!(ask(&[]).stdout.contains("draining"));
    assert_eq!(ask(&["--live"]).code, 0);
    gate.signal("TERM");
    gate.exited();
    let gone = haechi(gate.folder().path(), &["health", "--admin", admin.as_str()]);
    assert!(gone.code == 1 && gone.stderr.contains("does not answer"), "{gone:#?}");
}

/// The file and what it names may arrive one after the other, as a ConfigMap and a Secret do.
#[test]
fn what_was_missing_is_noticed_when_it_comes() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&routes_to(&backend, &[route("/old")]));
    rewrite(&gate, &routes_to(&backend, &[route("${file:path}")]));
    eventually(PATIENCE, || (gate.metric("haechi_config_reloads_total", &["refused"]) == 1.0).then_some(()));
    gate.get("/old").expect(200);
    gate.folder().write("path", "/new\n");
    eventually(PATIENCE, || (gate.get("/new").status == 200).then_some(()));
}

#[test]
fn a_thousand_signals_are_a_few_reloads() {
    let backend = Backend::saying("reached");
    let gate = Gate::start(&routes_to(&backend, &[("/**", "anonymous", "any")])).ready();
    let process = gate.process().to_string();
    let script = format!("i=0; while [ $i -lt 1000 ]; do kill -s HUP {process}; i=$((i+1)); done");
    assert!(std::process::Command::new("sh").args(["-c", &script]).status().unwrap().success());
    gate.folder().rewrite(&routes_to(&backend, &[("/only", "anonymous", "any")]));
    gate.signal("HUP");
    // The last one counts: what stands in the file when it came is in force soon after.
    eventually(PATIENCE, || (gate.get("/other").status == 404).then_some(()));
    gate.get("/only").expect(200);
    let reloads = gate.metric("haechi_config_generation", &[]);
    assert!(reloads < 500.0, "{reloads}");
}
