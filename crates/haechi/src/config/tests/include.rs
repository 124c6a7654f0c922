//! `include`: more files, of which faults name the right one.

use super::load;
use crate::config::{Config, Report};
use std::path::Path;
use tempfile::TempDir;

const MAIN: &str = "listeners: [{ bind: 127.0.0.1:0 }]\ninclude: [conf.d/*.yaml]\nservices: { web: { endpoints: [\"http://127.0.0.1:1\"] } }\n";

const SHOP: &str = "services:
  shop: { endpoints: [\"http://127.0.0.1:2\"] }
roles: { CLERK: {} }
authenticators:
  staff: { type: jwt, issuer: x, audiences: [a], keys: { secret: \"${file:secret}\" } }
policies: [shop.cedar]
routes:
  - { name: shop, match: { path: /shop/** }, authenticate: staff, authorize: { roles: [CLERK] }, service: shop }
  - { name: web, match: { path: /web/** }, authenticate: anonymous, authorize: any, service: web }
";

/// A folder with these files, of which `conf.d/a.yaml` and its like are included.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    let secret = "0123456789abcdef0123456789abcdef";
    let policy = "forbid(principal, action, resource == Route::\"shop\") when { context.secure };";
    let always = [("conf.d/secret", secret), ("conf.d/shop.cedar", policy)];
    for (name, text) in always.iter().chain(files) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn loaded(folder: &Path) -> Result<Config, Report> {
    load(&folder.join("haechi.yaml"))
}

/// What is reported, with the folder's name taken out.
fn report(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let report = loaded(folder.path()).unwrap_err().to_string();
    report.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn what_included_files_declare_is_one_with_the_rest() {
    let folder = folder(&[
        ("haechi.yaml", MAIN),
        ("conf.d/a.yaml", SHOP),
        ("conf.d/b.yaml", ""),
        ("conf.d/c.yaml", "# nothing yet\n"),
        (
            "conf.d/d.yaml",
            "x-mine: 1\nroutes: [{ name: d, match: { path: /d }, authenticate: anonymous, authorize: any, service: shop }]",
        ),
    ]);
    let config = loaded(folder.path()).unwrap();
    assert_eq!(config.route_names(), ["shop", "web", "d"]);
    assert_eq!(config.services.len(), 2);
    assert_eq!(config.policies.policies().len(), 1, "paths are relative to the file that they stand in");
    let watched: Vec<String> =
        config.watched_files().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    for file in ["a.yaml", "b.yaml", "d.yaml", "*.yaml", "secret", "shop.cedar"] {
        assert!(watched.iter().any(|name| name == file), "{file} in {watched:?}");
    }
}

#[test]
fn defaults_hold_in_included_files() {
    let main = format!("{MAIN}defaults: {{ service: {{ timeout: 3s }} }}\n");
    let folder = folder(&[("haechi.yaml", &main), ("conf.d/a.yaml", SHOP)]);
    let config = loaded(folder.path()).unwrap();
    assert!(config.services.values().all(|service| service.settings.timeout.as_secs() == 3));
}

#[test]
fn faults_name_the_file_and_the_line_in_it() {
    let broken = SHOP
        .replace("roles: [CLERK]", "roles: [CLARK]")
        .replace("endpoints: [\"http://127.0.0.1:2\"]", "endpints: []");
    let report = report(&[("haechi.yaml", &format!("{MAIN}workres: 1\n")), ("conf.d/a.yaml", &broken)]);
    for part in [
        "--> haechi.yaml:4:1\n  |\n4 | workres: 1",
        "--> conf.d/a.yaml:2:11\n  |\n2 |   shop: { endpints: [] }",
        "--> conf.d/a.yaml:8:",
        "did you mean `CLERK`?",
    ] {
        assert!(report.contains(part), "{part} in {report}");
    }
}

#[test]
fn a_name_stands_once_in_all_files() {
    let twice = "services: { web: { endpoints: [\"http://127.0.0.1:9\"] } }\n";
    let told = report(&[("haechi.yaml", MAIN), ("conf.d/a.yaml", twice)]);
    assert!(told.contains("`web` stands twice under `services`"), "{told}");
    assert!(
        told.contains("--> conf.d/a.yaml:1:13") && told.contains("the other is on line 3 of `"),
        "{told}"
    );
    let told = report(&[
        ("haechi.yaml", MAIN),
        ("conf.d/a.yaml", SHOP),
        ("conf.d/b.yaml", "roles: { CLERK: {} }\n"),
    ]);
    assert!(told.contains("--> conf.d/b.yaml:1:10") && told.contains("conf.d/a.yaml`"), "{told}");
    let route = "routes: [{ name: shop, match: { path: /x }, authenticate: anonymous, authorize: any, service: web }]\n";
    let told = report(&[("haechi.yaml", MAIN), ("conf.d/a.yaml", SHOP), ("conf.d/b.yaml", route)]);
    assert!(told.contains("two routes are named `shop`") && told.contains("line 8 of `"), "{told}");
}

#[test]
fn what_cannot_be_included_is_refused() {
    for (main, file, part) in [
        ("[conf.d/*.yaml]", "workers: 1\n", "`workers` may not stand in the included file `a.yaml`"),
        ("[conf.d/*.yaml]", "include: [b.yaml]\n", "`include` may not stand in"),
        ("[conf.d/*.yaml]", "servces: {}\n", "did you mean `services`?"),
        ("[conf.d/*.yaml]", "- a\n", "expected a mapping, found a list"),
        ("[conf.d/*.yaml]", "routes: {}\n", "expected a list, found a mapping"),
        ("[conf.d/*.yaml]", "services: {\n", "this is not YAML"),
        ("[conf.d/*.yaml]", "services: {}\nservices: {}\n", "a.yaml:2:1"),
        ("[conf.d/*.yml]", "", "no file matches `conf.d/*.yml`"),
        ("[conf.d/b.yaml]", "", "cannot be read: no such file"),
        ("[nowhere/*.yaml]", "", "cannot be read: no such file"),
        ("[\"*/a.yaml\"]", "", "is not a file or a pattern of such"),
        ("[conf.d]", "", "it is not a file"),
        ("conf.d/a.yaml", "", "expected a list"),
        ("[7]", "", "expected text"),
    ] {
        let main = MAIN.replace("[conf.d/*.yaml]", main);
        let told = report(&[("haechi.yaml", &main), ("conf.d/a.yaml", file)]);
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[test]
fn the_configuration_does_not_include_itself_and_no_file_twice() {
    let main = MAIN.replace("[conf.d/*.yaml]", "[\"*.yaml\", a.yaml, \"conf.d/../a.yaml\"]");
    let route =
        "routes: [{ name: a, match: { path: /a }, authenticate: anonymous, authorize: any, service: web }]\n";
    let folder = folder(&[("haechi.yaml", &main), ("a.yaml", route)]);
    assert_eq!(loaded(folder.path()).unwrap().route_names(), ["a"]);
}

#[test]
fn no_secret_of_an_included_file_is_shown() {
    let broken = SHOP.replace("\"${file:secret}\"", "hunter2, oops: 1");
    let told = report(&[("haechi.yaml", MAIN), ("conf.d/a.yaml", &broken)]);
    assert!(told.contains("conf.d/a.yaml:5:") && !told.contains("hunter2"), "{told}");
}
