//! `mtls` with `from_header`: a proxy in front ends TLS (HAProxy), and says which certificate it was shown.

use crate::harness::{Folder, Gate, OpensslCa, PATIENCE, Reply, curl, eventually, haechi, routes_to};
use haechi_testkit::Backend;
use haechi_testkit::jose::base64;
use haechi_testkit::port::unused_address;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

const ORDERS: &str = "subjectAltName=URI:spiffe://mesh.example/ns/prod/sa/orders";

/// HAProxy, killed when dropped.
struct Proxy(Child, SocketAddr);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Authorities and certificates, in the folder of a configuration with these proxies.
fn folder(backend: &Backend, trusted: &str, header: &str) -> Folder {
    let folder = Folder::new(&format!(
        "trusted_proxies: [{trusted}]
authenticators: {{ mesh: {{ type: mtls, subject: san_uri, from_header: {{ header: {header}, ca: mesh.pem }} }} }}
{}",
        routes_to(backend, &[("/**", "[mesh]", "any")])
    ));
    let mesh = OpensslCa::root(&folder, "mesh", "/O=Example/CN=Mesh CA");
    mesh.sign("site", "/CN=a.example", "subjectAltName=DNS:a.example\nextendedKeyUsage=serverAuth");
    mesh.client("orders", "/CN=orders", ORDERS);
    let middle = mesh.intermediate("middle", "/CN=Middle", "");
    middle.client("below", "/CN=below", "subjectAltName=URI:spiffe://mesh.example/below");
    OpensslCa::root(&folder, "other", "/CN=Other CA").client("stranger", "/CN=orders", ORDERS);
    folder
}

fn der(gate: &Gate, name: &str) -> Vec<u8> {
    let pem = std::fs::read(gate.folder().file(&format!("{name}.pem"))).unwrap();
    CertificateDer::from_pem_slice(&pem).unwrap().to_vec()
}

fn told(gate: &Gate, name: &str) -> String {
    format!("Client-Cert: :{}:", base64(der(gate, name)))
}

fn proxy(gate: &Gate) -> Proxy {
    let (folder, address) = (gate.folder(), unused_address());
    let site = ["site.pem", "site.key"].map(|file| std::fs::read_to_string(folder.file(file)).unwrap());
    folder.write("both.pem", &site.concat());
    // It takes whatever a client shows, as one that is set up carelessly does.
    folder.write(
        "haproxy.cfg",
        &format!(
            "defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind {address} ssl crt both.pem ca-file mesh.pem verify optional ca-ignore-err all crt-ignore-err all
  http-request del-header Client-Cert
  http-request del-header Client-Cert-Chain
  http-request set-header Client-Cert :%[ssl_c_der,base64]: if {{ ssl_c_used }}
  default_backend gate
backend gate
  server gate {}
",
            gate.address()
        ),
    );
    let mut child = Command::new("/usr/sbin/haproxy")
        .args(["-db", "-f", "haproxy.cfg"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("haproxy is installed (scripts/test sees to it)");
    eventually(PATIENCE, || {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        TcpStream::connect(address).ok()
    });
    Proxy(child, address)
}

#[test]
fn a_client_is_whom_the_certificate_names_that_it_showed_to_the_proxy_in_front() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend, "127.0.0.1/32", "Client-Cert")).ready();
    let proxy = proxy(&gate);
    let file = |name: &str| gate.folder().file(name).to_str().unwrap().to_owned();
    let (ca, resolve) = (file("mesh.pem"), format!("a.example:{}:127.0.0.1", proxy.1.port()));
    let url = format!("https://a.example:{}/x", proxy.1.port());
    let ask = |name: Option<&str>, more: &[&str]| -> Reply {
        let pair = name.map(|name| (file(&format!("{name}.pem")), file(&format!("{name}.key"))));
        let mut arguments = vec!["--cacert", &ca, "--resolve", &resolve, &url];
        if let Some((certificate, key)) = &pair {
            arguments.extend(["--cert", certificate, "--key", key]);
        }
        curl(&[&arguments, more].concat())
    };
    ask(Some("orders"), &[]).expect(200);
    let seen = backend.last();
    assert_eq!(seen.field("x-auth-subject"), Some("spiffe://mesh.example/ns/prod/sa/orders"));
    assert_eq!(seen.field("x-auth-issuer"), Some("CN=Mesh%20CA%2CO=Example"));
    assert_eq!(seen.field("client-cert"), None);
    // What the client says itself is nobody's word; and what the proxy did not verify, the gate does.
    let own = told(&gate, "orders");
    ask(None, &["-H", &own]).expect(401);
    ask(Some("stranger"), &[]).expect(401);
    ask(Some("stranger"), &["-H", &own]).expect(401);
    assert_eq!(backend.recorded().len(), 1);
}

#[test]
fn a_header_is_believed_of_trusted_proxies_alone_and_only_where_it_can_be_read_in_one_way() {
    let backend = Backend::saying("reached");
    let stranger = Gate::start_in(folder(&backend, "10.0.0.0/8", "Client-Cert")).ready();
    stranger.curl("/x", &["-H", &told(&stranger, "orders")]).expect(401);
    assert!(backend.recorded().is_empty());
    let gate = Gate::start_in(folder(&backend, "127.0.0.1/32", "Client-Cert")).ready();
    let own = told(&gate, "orders");
    gate.curl("/x", &["-H", &own]).expect(200);
    gate.curl("/x", &["-H", &own, "-H", &own]).expect(400);
    for said in ["Client-Cert: orders", "Client-Cert: ::", "Client-Cert: :bm8=:", "Client_Cert: :bm8=:"] {
        gate.curl("/x", &["-H", said]).expect(401);
    }
    gate.curl("/x", &["-H", &own, "-H", "Client-Cert-Chain: nonsense"]).expect(401);
    gate.curl("/x", &["-H", &told(&gate, "stranger")]).expect(401);
    // An authority of another sort is none of a client's.
    gate.curl("/x", &["-H", &told(&gate, "site")]).expect(401);
    // What leads to the authority comes along.
    let below = told(&gate, "below");
    gate.curl("/x", &["-H", &below]).expect(401);
    let chain = told(&gate, "middle").replace("Client-Cert", "Client-Cert-Chain");
    gate.curl("/x", &["-H", &below, "-H", &chain]).expect(200);
    assert_eq!(backend.last().field("x-auth-subject"), Some("spiffe://mesh.example/below"));
    assert_eq!(backend.recorded().len(), 2);
}

#[test]
fn envoys_header_holds_one_element_with_the_certificate() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(folder(&backend, "127.0.0.1/32", "X-Forwarded-Client-Cert")).ready();
    let encoded = |name: &str| {
        let pem = std::fs::read_to_string(gate.folder().file(&format!("{name}.pem"))).unwrap();
        let pem = &pem[pem.find("-----BEGIN").unwrap()..];
        pem.replace('\n', "%0A")
            .replace(' ', "%20")
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D")
    };
    let own = format!("Hash=00;Cert=\"{}\";Subject=\"CN=orders\";URI=spiffe://evil", encoded("orders"));
    gate.curl("/x", &["-H", &format!("X-Forwarded-Client-Cert: {own}")]).expect(200);
    assert_eq!(backend.last().field("x-auth-subject"), Some("spiffe://mesh.example/ns/prod/sa/orders"));
    let chain = format!("Cert=\"{}\";Chain=\"{}{}\"", encoded("below"), encoded("below"), encoded("middle"));
    gate.curl("/x", &["-H", &format!("X-Forwarded-Client-Cert: {chain}")]).expect(200);
    for said in
        [format!("{own},{own}"), "URI=spiffe://mesh.example/below".to_owned(), own.replace("Cert=", "cert_=")]
    {
        gate.curl("/x", &["-H", &format!("X-Forwarded-Client-Cert: {said}")]).expect(401);
    }
    // The other header says nothing here.
    gate.curl("/x", &["-H", &told(&gate, "orders")]).expect(401);
    assert_eq!(backend.recorded().len(), 2);
}

#[test]
fn without_trusted_proxies_it_does_not_load() {
    let folder = folder(&Backend::saying("reached"), "", "Client-Cert");
    let checked = haechi(folder.path(), &["check"]);
    assert!(checked.code == 1 && checked.stderr.contains("would believe nobody"), "{checked:?}");
}
