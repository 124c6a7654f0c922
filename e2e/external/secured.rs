//! An authorization service behind TLS: nginx, whose certificate is right or wrong.

use crate::harness::{Authority, Folder, Gate, Nginx, routes_to};
use haechi_testkit::Backend;

fn service(authority: &Authority, names: &[&str], until: i32) -> Nginx {
    let folder = Folder::exactly("");
    authority.leaf_until(names, until).write(&folder, "service");
    Nginx::start(
        folder,
        "listen LISTEN ssl; ssl_certificate service.pem; ssl_certificate_key service.key;\n\
         location /verify { add_header X-Auth-Subject alice; return 204; }",
    )
}

/// A gate that believes `authority`, or the system's where there is none.
fn gate(service: &Nginx, backend: &Backend, authority: Option<&Authority>) -> Gate {
    let tls = if authority.is_some() { ", tls: { ca: ca.pem }" } else { "" };
    let folder = Folder::new(&format!(
        "authenticators: {{ legacy: {{ type: external, url: \"https://localhost:{}/verify\"{tls} }} }}\n{}",
        service.address().port(),
        routes_to(backend, &[("/**", "legacy", "any")]),
    ));
    if let Some(authority) = authority {
        folder.write("ca.pem", &authority.pem());
    }
    Gate::start_in(folder).ready()
}

#[test]
fn a_service_whose_certificate_is_wrong_is_not_asked() {
    let (authority, other) = (Authority::new("ours"), Authority::new("other"));
    let backend = Backend::saying("reached");
    let right = service(&authority, &["localhost"], 2100);
    gate(&right, &backend, Some(&authority)).get_with_token("/a", "t").expect(200);
    assert_eq!(backend.recorded().len(), 1);
    for (name, names, until, signer, believes) in [
        ("another authority", ["localhost"], 2100, &other, Some(&authority)),
        ("another name", ["elsewhere.example"], 2100, &authority, Some(&authority)),
        ("expired", ["localhost"], 2020, &authority, Some(&authority)),
        ("the system's authorities", ["localhost"], 2100, &authority, None),
    ] {
        let wrong = service(signer, &names, until);
        let gate = gate(&wrong, &backend, believes);
        assert_eq!(gate.get_with_token("/a", "t").status, 503, "{name}");
        assert!(wrong.requests().is_empty(), "{name}: the credential was sent");
    }
    assert_eq!(backend.recorded().len(), 1);
}
