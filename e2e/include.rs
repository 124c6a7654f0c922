//! `include`, `host` of services, and listeners that redirect (docs/configuration.md).

use crate::harness::{
    Authority, Folder, Gate, H2Answer, H2Backend, PATIENCE, curl, eventually, haechi, routes_to,
};
use haechi_testkit::Backend;

fn included(backend: &Backend, name: &str) -> String {
    format!(
        "services: {{ {name}: {{ endpoints: [\"{}\"] }} }}\nroutes:\n  - {{ name: {name}, match: {{ path: /{name} }}, authenticate: anonymous, authorize: any, service: {name} }}\n",
        backend.url()
    )
}

#[test]
fn files_that_come_change_and_go_are_followed() {
    let backend = Backend::saying("reached");
    let folder = Folder::new("include: [conf.d/*.yaml]\n");
    std::fs::create_dir(folder.file("conf.d")).unwrap();
    folder.write("conf.d/a.yaml", &included(&backend, "a"));
    let gate = Gate::start_in(folder).ready();
    gate.get("/a").expect(200);
    gate.get("/b").expect(404);
    gate.folder().write("conf.d/b.yaml", &included(&backend, "b"));
    eventually(PATIENCE, || (gate.get("/b").status == 200).then_some(()));
    gate.folder().write("conf.d/b.yaml", &included(&backend, "c"));
    eventually(PATIENCE, || (gate.get("/c").status == 200).then_some(()));
    gate.get("/b").expect(404);
    gate.folder().write("conf.d/b.yaml", &included(&backend, "a"));
    let told = eventually(PATIENCE, || {
        let log = gate.log().join("\n");
        log.contains("stands twice under `services`").then_some(log)
    });
    assert!(told.contains("conf.d/b.yaml:1:"), "{told}");
    gate.get("/c").expect(200);
    std::fs::remove_file(gate.folder().file("conf.d/b.yaml")).unwrap();
    eventually(PATIENCE, || (gate.get("/c").status == 404).then_some(()));
    gate.get("/a").expect(200);
    let checked = haechi(gate.folder().path(), &["check"]).success();
    assert!(checked.stdout.contains("1 route"), "{checked:?}");
}

#[test]
fn backends_see_the_host_that_their_service_names() {
    let backend = Backend::saying("reached");
    let over_http2 = H2Backend::start(100, |_| H2Answer::ok(""));
    let service =
        |name: &str, url: &str, more: &str| format!("  {name}: {{ endpoints: [\"{url}\"]{more} }}\n");
    let mut yaml = "services:\n".to_owned();
    let url = backend.url();
    for (name, more) in [
        ("kept", ""),
        ("said", ", host: preserve"),
        ("own", ", host: endpoint"),
        ("named", ", host: App.internal:8443"),
    ] {
        yaml.push_str(&service(name, &url, more));
    }
    yaml.push_str(&service("two", &over_http2.url(), ", protocol: http2, host: app.internal"));
    yaml.push_str("routes:\n");
    for name in ["kept", "said", "own", "named", "two"] {
        yaml.push_str(&format!(
            "  - {{ name: {name}, match: {{ path: /{name} }}, authenticate: anonymous, authorize: any, service: {name} }}\n"
        ));
    }
    let gate = Gate::start(&yaml);
    let endpoint = url.trim_start_matches("http://").to_owned();
    for (path, host) in [
        ("/kept", "shop.example"),
        ("/said", "shop.example"),
        ("/own", &*endpoint),
        ("/named", "app.internal:8443"),
    ] {
        gate.get_with(path, &["Host: shop.example"]).expect(200);
        let seen = backend.last();
        assert_eq!(seen.field("host"), Some(host), "{path}");
        assert_eq!(seen.field("x-forwarded-host"), Some("shop.example"), "{path}");
    }
    gate.get_with("/two", &["Host: shop.example"]).expect(200);
    assert_eq!(over_http2.sole().uri.authority().unwrap().as_str(), "app.internal");
}

#[test]
fn a_listener_that_redirects_sends_every_request_to_https() {
    let backend = Backend::saying("reached");
    let folder = Folder::exactly(&format!(
        "listeners:\n  - {{ bind: 127.0.0.1:0, redirect: https }}\n  - {{ bind: 127.0.0.1:0, tls: {{ certificates: [{{ certificate: a.pem, key: a.key }}] }} }}\nadmin: {{ bind: 127.0.0.1:0 }}\nworkers: 1\n{}",
        routes_to(&backend, &[("/**", "anonymous", "any")])
    ));
    let authority = Authority::new("test authority");
    folder.write("ca.pem", &authority.pem());
    authority.leaf(&["a.example"]).write(&folder, "a");
    let gate = Gate::start_in(folder);
    let line = gate.log().into_iter().find(|line| line.contains("\"listener\":\"1\"")).unwrap();
    let https = line.rsplit(':').next().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).to_owned();
    for http in ["--http1.1", "--http2-prior-knowledge"] {
        for (method, path, location) in [
            ("GET", "/a/b?c=d&e", "/a/b?c=d&e"),
            ("POST", "/%61?x", "/a?x"),
            ("PROPFIND", "/", "/"),
            ("OPTIONS", "/.well-known/openid-configuration", "/.well-known/openid-configuration"),
        ] {
            let arguments = [
                "--request",
                method,
                "--header",
                "Host: a.example:8080",
                "--header",
                "Content-Type: application/grpc",
                "--data-binary",
                "body",
                http,
            ];
            let reply = gate.curl(path, &arguments).expect(308);
            assert_eq!(reply.field("location"), Some(&*format!("https://a.example:{https}{location}")));
        }
        // What could be read in two ways is no address.
        gate.curl("/a//%2e%2e/b", &["--path-as-is", http]).expect(400);
    }
    let mut wire = gate.converse();
    wire.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(wire.answer().unwrap().status, 400, "without a host there is nowhere to send it");
    assert!(backend.recorded().is_empty());
    // And there it is served.
    let resolve = format!("a.example:{https}:127.0.0.1");
    let ca = gate.folder().file("ca.pem");
    let url = format!("https://a.example:{https}/a");
    curl(&["--cacert", ca.to_str().unwrap(), "--resolve", &resolve, &url]).expect(200);
    assert_eq!(backend.recorded().len(), 1);
}
