//! Another configuration while the gate runs: whole, or not at all.

use crate::harness::{Gate, PATIENCE, eventually, routes_to};
use haechi_testkit::Backend;

const OPEN: (&str, &str) = ("anonymous", "any");

fn route<'a>(path: &'a str) -> (&'a str, &'static str, &'static str) {
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
