//! TLS towards clients: certificates by name, versions, resumption, client certificates, and what a bad handshake costs.

use crate::harness::{
    Authority, Conversation, Folder, Gate, PATIENCE, Reply, curl, eventually, routes_to, s_client,
};
use haechi_testkit::http1::Head;
use haechi_testkit::{Answer, Backend};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

/// A folder with `a`, `b` (a wildcard) and the authority's `ca.pem`, and a gate that shows both certificates.
struct Setting {
    backend: Backend,
    gate: Gate,
    authority: Authority,
}

fn setting(more_tls: &str, more: &str) -> Setting {
    let backend = Backend::saying("reached");
    let authority = Authority::new("test authority");
    let folder = folder(&backend, more_tls, more);
    folder.write("ca.pem", &authority.pem());
    authority.leaf(&["a.example", "aa.example"]).write(&folder, "a");
    authority.leaf(&["*.b.example"]).write(&folder, "b");
    Setting { gate: Gate::start_in(folder), backend, authority }
}

fn folder(backend: &Backend, more_tls: &str, more: &str) -> Folder {
    Folder::exactly(&format!(
        "listeners:\n  - bind: 127.0.0.1:0\n    tls:\n      certificates: [{{ certificate: a.pem, key: a.key }}, {{ certificate: b.pem, key: b.key }}]\n{more_tls}admin: {{ bind: 127.0.0.1:0 }}\nworkers: 2\n{more}{}",
        routes_to(backend, &[("/**", "anonymous", "any")])
    ))
}

impl Setting {
    /// Asks for `https://HOST/` as a client that believes the authority.
    fn https(&self, host: &str, arguments: &[&str]) -> Reply {
        let port = self.gate.address().port();
        let resolve = format!("{host}:{port}:127.0.0.1");
        let ca = self.gate.folder().file("ca.pem");
        let url = format!("https://{host}:{port}/");
        curl(&[&["--cacert", ca.to_str().unwrap(), "--resolve", &resolve, &url], arguments].concat())
    }

    fn handshakes(&self, result: &str) -> f64 {
        self.gate.metric("haechi_tls_handshakes_total", &[&format!("result=\"{result}\"")])
    }
}

#[test]
fn a_client_that_believes_the_authority_gets_through() {
    let set = setting("", "");
    for host in ["a.example", "aa.example", "x.b.example"] {
        assert_eq!(set.https(host, &[]).expect(200).text(), "reached");
    }
    assert_eq!(set.backend.last().field("x-forwarded-proto"), Some("https"));
    assert_eq!(set.https("c.example", &[]).exit, 60, "curl believed a certificate for another name");
    assert_eq!(set.backend.recorded().len(), 3);
    assert_eq!(set.handshakes("full"), 4.0);
}

#[test]
fn it_is_told_when_certificates_expire() {
    let set = setting("      client_ca: ca.pem\n      client_certificate: optional\n", "");
    let expiry = |labels: &[&str]| set.gate.metric("haechi_certificate_expiry_seconds", labels);
    // To the beginning of 2100, from whenever this runs.
    let listed = expiry(&["use=\"listener\"", "a.pem"]);
    assert!(listed > 365.0 * 86_400.0, "{listed}");
    assert!(expiry(&["use=\"client_ca\"", "ca.pem"]) > listed, "an authority of rcgen's lives longer");
    set.authority.leaf_until(&["a.example"], 2001).write(set.gate.folder(), "a");
    eventually(PATIENCE, || (expiry(&["use=\"listener\"", "a.pem"]) < 0.0).then_some(()));
    assert!(expiry(&["use=\"listener\"", "b.pem"]) > 0.0);
}

#[test]
fn bodies_go_both_ways() {
    let set = setting("", "");
    let body = "a".repeat(3_000_000);
    set.gate.folder().write("body", &body);
    let file = format!("@{}", set.gate.folder().file("body").display());
    set.https("a.example", &["--data-binary", &file, "-H", "Expect:"]).expect(200);
    assert!(set.backend.sole().body == body.as_bytes());
    set.https("a.example", &["--data-binary", &file, "-H", "Transfer-Encoding: chunked"]).expect(200);
    assert!(set.backend.last().body == body.as_bytes());
}

#[test]
fn the_name_asked_for_selects_the_certificate() {
    let set = setting("", "");
    let shown = |arguments: &[&str]| s_client(set.gate.address(), arguments, GET).0.replace(' ', "");
    for (name, subject) in [
        ("a.example", "a.example"),
        ("AA.example", "a.example"),
        ("x.b.example", "*.b.example"),
        ("x.y.b.example", "a.example"),
        ("b.example", "a.example"),
        ("unknown.example", "a.example"),
    ] {
        let seen = shown(&["-servername", name]);
        assert!(seen.contains(&format!("subject=CN={subject}\n")), "{name}: {seen}");
    }
    assert!(shown(&["-noservername"]).contains("subject=CN=a.example\n"));
}

#[test]
fn the_two_versions_and_no_other() {
    let set = setting("", "");
    let with = |version: &str| s_client(set.gate.address(), &["-servername", "a.example", version], GET);
    with("-tls1_2").shows("New, TLSv1.2").shows("200 OK");
    with("-tls1_3").shows("New, TLSv1.3").shows("200 OK");
    with("-tls1_1").lacks("200 OK");
    let seen = s_client(set.gate.address(), &["-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384"], GET);
    seen.shows("handshake failure").lacks("200 OK");
    assert_eq!((set.handshakes("full"), set.backend.recorded().len()), (2.0, 2));
}

#[test]
fn protocols_are_agreed_on() {
    let set = setting("", "");
    let with = |protocols: &str| s_client(set.gate.address(), &["-alpn", protocols], GET);
    with("http/1.1").shows("ALPN protocol: http/1.1").shows("200 OK");
    with("http/1.1,h2").shows("ALPN protocol: h2");
    with("spdy/3").shows("no application protocol").lacks("200 OK");
    for (flag, version) in [("--http2", "HTTP/2"), ("--http1.1", "HTTP/1.1"), ("--tls-max", "HTTP/2")] {
        let more = if flag == "--tls-max" { vec![flag, "1.2"] } else { vec![flag] };
        let reply = set.https("a.example", &more).expect(200);
        assert!(reply.head.start_line.starts_with(version), "{flag}: {}", reply.head.start_line);
    }
}

#[test]
fn sessions_are_resumed_without_early_data() {
    let set = setting("", "");
    let ticket = set.gate.folder().file("ticket");
    let ticket = ticket.to_str().unwrap();
    for version in ["-tls1_3", "-tls1_2"] {
        let with = |how: &str| {
            s_client(set.gate.address(), &["-servername", "a.example", version, how, ticket], GET)
        };
        let first = with("-sess_out");
        first.shows("New, ").shows("200 OK");
        if version == "-tls1_3" {
            first.shows("Max Early Data: 0");
        }
        with("-sess_in").shows("Reused, ").shows("200 OK");
    }
    assert_eq!((set.handshakes("full"), set.handshakes("resumed")), (2.0, 2.0));
}

#[test]
fn a_host_of_another_certificate_is_misdirected() {
    let set = setting("", "");
    for version in ["--http1.1", "--http2"] {
        let other = set.https("a.example", &[version, "-H", "Host: x.b.example"]).expect(421);
        assert_eq!(other.json()["type"], "urn:haechi:problem:misdirected-request");
    }
    set.https("x.b.example", &["-H", "Host: a.example"]).expect(421);
    set.https("x.b.example", &["-H", "Host: unknown.example"]).expect(421);
    assert_eq!(set.backend.recorded().len(), 0);
    // One certificate, one policy.
    set.https("a.example", &["-H", "Host: aa.example"]).expect(200);
    set.https("x.b.example", &["-H", "Host: y.b.example:443"]).expect(200);
    set.https("a.example", &["-H", "Host: unknown.example"]).expect(200);
    // Who names no host was shown the first certificate.
    s_client(set.gate.address(), &["-noservername"], GET).shows("200 OK");
    s_client(set.gate.address(), &["-noservername"], &GET.replace("a.example", "x.b.example")).shows("421");
    assert_eq!(set.backend.recorded().len(), 4);
}

#[test]
fn what_is_not_tls_is_turned_away() {
    let set = setting("", "");
    let mut conversation = set.gate.converse();
    conversation.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    conversation.reads_to_its_end();
    let mut conversation = set.gate.converse();
    conversation
        .send([0x16, 0x03, 0x01, 0x40, 0x01, 0xff])
        .socket()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    conversation.reads_to_its_end();
    eventually(PATIENCE, || (set.handshakes("failed") == 2.0).then_some(()));
    assert_eq!(set.backend.recorded().len(), 0);
    set.https("a.example", &[]).expect(200);
}

#[test]
fn a_handshake_that_stalls_is_ended() {
    let set = setting("", "limits: { handshake: 200ms }\n");
    // The first bytes of a record that never ends.
    let stalled: Vec<Conversation> = (0..20)
        .map(|_| {
            let mut conversation = set.gate.converse();
            conversation.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
            conversation
        })
        .collect();
    set.https("a.example", &[]).expect(200);
    for mut conversation in stalled {
        conversation.reads_to_its_end();
    }
    assert_eq!(set.handshakes("timed_out"), 20.0);
}

#[test]
fn clients_that_must_show_a_certificate() {
    let set = setting("      client_ca: ca.pem\n", "");
    let stranger = Authority::new("another authority");
    let files = |authority: &Authority, name: &str| {
        authority.leaf(&["client.example"]).write(set.gate.folder(), name);
        [".pem", ".key"]
            .map(|end| set.gate.folder().file(&format!("{name}{end}")).to_str().unwrap().to_owned())
    };
    let [certificate, key] = files(&set.authority, "client");
    let [strange, strange_key] = files(&stranger, "stranger");
    set.https("a.example", &["--cert", &certificate, "--key", &key]).expect(200);
    set.https("a.example", &["--cert", &certificate, "--key", &key, "--tls-max", "1.2"]).expect(200);
    let reached = set.backend.recorded().len();
    for version in ["1.2", "1.3"] {
        assert_eq!(set.https("a.example", &["--tls-max", version]).status, 0);
        let strange = ["--cert", &strange, "--key", &strange_key, "--tls-max", version];
        assert_eq!(set.https("a.example", &strange).status, 0);
    }
    assert_eq!(set.backend.recorded().len(), reached);
    // Whoever shows a certificate shows it every time: there is no session to resume.
    let ticket = set.gate.folder().file("ticket");
    for version in ["-tls1_2", "-tls1_3"] {
        let shown = ["-cert", &certificate, "-key", &key, "-sess_out", ticket.to_str().unwrap(), version];
        s_client(set.gate.address(), &[&["-servername", "a.example"], &shown[..]].concat(), GET)
            .shows("200 OK");
        assert!(!ticket.exists());
    }
}

/// The end of an authority ends what it vouched for.
#[test]
fn an_authority_that_has_expired_vouches_for_nobody() {
    let backend = Backend::saying("reached");
    for (optional, plain) in [("required", 0), ("optional", 200)] {
        let tls = format!("      client_ca: clients.pem\n      client_certificate: {optional}\n");
        let folder = folder(&backend, &tls, "");
        let (site, old) = (Authority::new("test authority"), Authority::until("old", 2020));
        let young = Authority::new("young");
        folder.write("ca.pem", &site.pem());
        folder.write("clients.pem", &[old.pem(), young.pem()].concat());
        site.leaf(&["a.example"]).write(&folder, "a");
        site.leaf(&["*.b.example"]).write(&folder, "b");
        old.leaf(&["client.example"]).write(&folder, "old");
        young.leaf(&["client.example"]).write(&folder, "young");
        let set = Setting { gate: Gate::start_in(folder), backend: Backend::saying(""), authority: site };
        let told = |log: &[String]| {
            log.iter().any(|line| line.contains("an authority in `clients.pem` has expired"))
        };
        assert!(told(&set.gate.log()), "{:#?}", set.gate.log());
        let file = |name: &str| set.gate.folder().file(name).to_str().unwrap().to_owned();
        for version in ["1.2", "1.3"] {
            let shown = |name: &str| {
                let (certificate, key) = (file(&format!("{name}.pem")), file(&format!("{name}.key")));
                set.https("a.example", &["--cert", &certificate, "--key", &key, "--tls-max", version]).status
            };
            assert_eq!(shown("young"), 200, "{optional} {version}");
            assert_eq!(shown("old"), 0, "{optional} {version}");
        }
        assert_eq!(set.https("a.example", &[]).status, plain);
    }
}

#[test]
fn clients_that_may_show_a_certificate() {
    let set = setting("      client_ca: ca.pem\n      client_certificate: optional\n", "");
    set.https("a.example", &[]).expect(200);
    set.authority.leaf(&["client.example"]).write(set.gate.folder(), "client");
    Authority::new("another authority").leaf(&["client.example"]).write(set.gate.folder(), "stranger");
    let shown = |name: &str| {
        let file = |end: &str| set.gate.folder().file(&format!("{name}{end}")).to_str().unwrap().to_owned();
        set.https("a.example", &["--cert", &file(".pem"), "--key", &file(".key")])
    };
    shown("client").expect(200);
    assert_eq!(shown("stranger").status, 0);
    assert_eq!(set.backend.recorded().len(), 2);
    assert_eq!(set.backend.last().field("client-cert"), None);
}

#[test]
fn a_certificate_that_has_expired_is_told() {
    let backend = Backend::saying("reached");
    let folder = folder(&backend, "", "");
    let authority = Authority::new("test authority");
    authority.leaf_until(&["a.example"], 2001).write(&folder, "a");
    authority.leaf(&["b.example"]).write(&folder, "b");
    let gate = Gate::start_in(folder);
    assert!(gate.log().iter().any(|line| line.contains("`a.pem` has expired")), "{:#?}", gate.log());
}

/// A TLS client that keeps its connection.
struct Kept(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Kept {
    fn open(set: &Setting, name: &'static str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(set.authority.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let session = ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap();
        let socket = TcpStream::connect(set.gate.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(StreamOwned::new(session, socket)))
    }

    fn get(&mut self) -> String {
        self.0.get_mut().write_all(GET.replace("Connection: close\r\n", "").as_bytes()).unwrap();
        let head = Head::read(&mut self.0).unwrap().expect("an answer");
        let mut body = Vec::new();
        head.read_answer_body(&mut self.0, &mut |piece| body.extend_from_slice(piece)).unwrap();
        String::from_utf8(body).unwrap()
    }
}

#[test]
fn files_that_change_are_shown_to_those_who_come_then() {
    let set = setting("", "");
    let shown = || {
        let seen = s_client(set.gate.address(), &["-servername", "a.example"], GET).0.replace(' ', "");
        seen.lines().find_map(|line| line.strip_prefix("subject=CN=")).map(str::to_owned)
    };
    let mut kept = Kept::open(&set, "a.example");
    assert_eq!(kept.get(), "reached");
    set.authority.leaf(&["new.example", "a.example"]).write(set.gate.folder(), "a");
    eventually(PATIENCE, || (shown()? == "new.example").then_some(()));
    assert_eq!(kept.get(), "reached");
    // A key that does not fit changes nothing.
    let stranger = set.authority.leaf(&["other.example", "a.example"]);
    set.gate.folder().write("a.pem", &stranger.certificate);
    eventually(PATIENCE, || {
        set.gate.log().iter().any(|line| line.contains("the key `a.key` does not belong to")).then_some(())
    });
    assert_eq!(shown().as_deref(), Some("new.example"));
    // The other half arrives.
    set.gate.folder().write("a.key", &stranger.key);
    eventually(PATIENCE, || (shown()? == "other.example").then_some(()));
    assert_eq!(kept.get(), "reached");
}

#[test]
fn a_listener_may_begin_to_ask_for_certificates() {
    let set = setting("", "");
    set.https("a.example", &[]).expect(200);
    let folder = set.gate.folder();
    let yaml = std::fs::read_to_string(folder.file("haechi.yaml")).unwrap();
    folder.write("haechi.yaml", &yaml.replacen("    tls:\n", "    tls:\n      client_ca: ca.pem\n", 1));
    set.gate.signal("HUP");
    // A ticket from before is no way around it.
    eventually(PATIENCE, || (set.https("a.example", &[]).status == 0).then_some(()));
}

#[test]
fn a_slow_client_gets_all_of_it() {
    let body = "0123456789abcdef".repeat(512 * 1024);
    let sent = body.clone();
    let backend = Backend::start(move |_| Answer::ok(&sent));
    let authority = Authority::new("test authority");
    let folder = folder(&backend, "", "");
    folder.write("ca.pem", &authority.pem());
    for name in ["a", "b"] {
        authority.leaf(&["a.example"]).write(&folder, name);
    }
    let set = Setting { gate: Gate::start_in(folder), backend, authority };
    for version in ["--http1.1", "--http2"] {
        let reply = set.https("a.example", &[version, "--limit-rate", "6M"]);
        assert_eq!((reply.status, reply.exit), (200, 0), "{version}");
        assert!(reply.text() == body, "{version}: {} bytes", reply.body.len());
    }
}
