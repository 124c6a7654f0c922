//! `type: mtls`: who shows a certificate is the caller that it names (docs/authentication.md).

use crate::harness::{Folder, Gate, OpensslCa, PATIENCE, Reply, curl, eventually};
use haechi_testkit::http1::Head;
use haechi_testkit::{Answer, Backend};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;

const ORDERS: &str = "subjectAltName=URI:spiffe://mesh.example/ns/prod/sa/orders";

/// A gate that asks for certificates of `mesh` and `partner`, before a backend.
struct Mesh {
    backend: Backend,
    gate: Gate,
    mesh: OpensslCa,
    partner: OpensslCa,
}

const ROUTES: &str = "\
roles: { USER: {}, ORDERS: { includes: [USER] } }
caller_attributes: { ca: string, unit: set, certificate: string }
authenticators:
  mesh:
    type: mtls
    subject: san_uri
    roles: [USER]
    role_map: { \"spiffe://mesh.example/ns/prod/sa/orders\": ORDERS }
    attributes: { ca: authority, unit: organizational_unit, certificate: \"x5t#S256\" }
  people: { type: mtls, subject: san_email, issuer: people }
  local: { type: jwt, issuer: self }
identity: { issuer: http://localhost:8080 }
store: sqlite:haechi.db
";

fn mesh(client_certificate: &str, more_tls: &str) -> Mesh {
    mesh_before(Backend::saying("reached"), client_certificate, more_tls)
}

fn mesh_before(backend: Backend, client_certificate: &str, more_tls: &str) -> Mesh {
    let routes = [
        ("all", "/all/**", "mesh", "any"),
        ("orders", "/orders/**", "mesh", "{ roles: [ORDERS] }"),
        (
            "ours",
            "/ours/**",
            "mesh",
            "{ when: \"principal has ca && principal.ca == \\\"CN=Mesh CA,O=Example\\\"\" }",
        ),
        ("people", "/people/**", "people", "any"),
        ("either", "/either/**", "[mesh, local]", "any"),
        ("both", "/both/**", "{ all: [mesh, local] }", "any"),
        ("public", "/public/**", "anonymous", "any"),
    ];
    let mut yaml = format!(
        "listeners:\n  - bind: 127.0.0.1:0\n    tls:\n      certificates: [{{ certificate: site.pem, key: site.key }}]\n      client_ca: clients.pem\n      client_certificate: {client_certificate}\n{more_tls}admin: {{ bind: 127.0.0.1:0 }}\nworkers: 1\n{ROUTES}services: {{ web: {{ endpoints: [\"{}\"] }} }}\nroutes:\n",
        backend.url()
    );
    for (name, path, authenticate, authorize) in routes {
        yaml.push_str(&format!(
            "  - {{ name: {name}, match: {{ path: {path} }}, authenticate: {authenticate}, authorize: {authorize}, service: web }}\n"
        ));
    }
    let folder = Folder::exactly(&yaml);
    let mesh = OpensslCa::root(&folder, "mesh", "/O=Example/CN=Mesh CA");
    let partner = OpensslCa::root(&folder, "partner", "/CN=Partner CA");
    mesh.sign("site", "/CN=a.example", "subjectAltName=DNS:a.example\nextendedKeyUsage=serverAuth");
    mesh.client("orders", "/OU=Shipping/OU=Returns/CN=orders", ORDERS);
    let both = ["mesh.pem", "partner.pem"].map(|file| std::fs::read_to_string(folder.file(file)).unwrap());
    folder.write("clients.pem", &both.concat());
    folder.write("clients.crl", &(mesh.revocation_list("24") + &partner.revocation_list("24")));
    Mesh { gate: Gate::start_in(folder), backend, mesh, partner }
}

impl Mesh {
    fn file(&self, name: &str) -> String {
        self.gate.folder().file(name).to_str().unwrap().to_owned()
    }

    fn get(&self, path: &str, arguments: &[&str]) -> Reply {
        let port = self.gate.address().port();
        let (resolve, url) =
            (format!("a.example:{port}:127.0.0.1"), format!("https://a.example:{port}{path}"));
        curl(&[&["--cacert", &self.file("mesh.pem"), "--resolve", &resolve, &url], arguments].concat())
    }

    /// As the client who has the certificate `name`.
    fn get_as(&self, name: &str, path: &str, arguments: &[&str]) -> Reply {
        let (certificate, key) = (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")));
        self.get(path, &[&["--cert", &certificate, "--key", &key], arguments].concat())
    }
}

#[test]
fn whoever_shows_a_certificate_is_the_caller_that_it_names() {
    let set = mesh("optional", "");
    for protocol in ["--http1.1", "--http2"] {
        set.get_as(
            "orders",
            "/all/a",
            &[protocol, "-H", "Client-Cert: :bm8=:", "-H", "X-Forwarded-Client-Cert: URI=x"],
        )
        .expect(200);
        let seen = set.backend.last();
        let field = |name: &str| seen.field(name).unwrap_or_default().to_owned();
        assert_eq!(field("x-auth-subject"), "spiffe://mesh.example/ns/prod/sa/orders");
        assert_eq!(field("x-auth-issuer"), "CN=Mesh%20CA%2CO=Example");
        assert_eq!(
            (field("x-auth-roles"), field("x-auth-authenticator")),
            ("USER,ORDERS".into(), "mesh".into())
        );
        assert_eq!(field("x-auth-attr-ca"), "CN=Mesh%20CA%2CO=Example");
        assert_eq!(field("x-auth-attr-unit"), "Returns,Shipping");
        let thumbprint = "openssl x509 -in orders.pem -outform der | openssl dgst -sha256 -binary | basenc --base64url | tr -d =";
        let mut shell = Command::new("sh");
        let made = shell.args(["-c", thumbprint]).current_dir(set.gate.folder().path()).output().unwrap();
        assert_eq!(field("x-auth-attr-certificate"), String::from_utf8(made.stdout).unwrap().trim());
        assert_eq!((seen.field("client-cert"), seen.field("x-forwarded-client-cert")), (None, None));
    }
    set.get_as("orders", "/orders/a", &[]).expect(200);
    set.get_as("orders", "/ours/a", &[]).expect(200);
    set.get("/public/a", &[]).expect(200);
}

#[test]
fn who_shows_none_or_one_of_somebody_else_reaches_nobody() {
    let set = mesh("optional", "");
    set.mesh.client("billing", "/CN=billing", "subjectAltName=URI:spiffe://mesh.example/ns/prod/sa/billing");
    set.mesh.client("nameless", "/CN=spiffe:\\/\\/mesh.example\\/ns\\/prod\\/sa\\/orders", "");
    set.mesh.client(
        "two",
        "/CN=two",
        "subjectAltName=URI:spiffe://mesh.example/ns/prod/sa/orders,URI:spiffe://b",
    );
    set.mesh.client("mina", "/CN=mina", "subjectAltName=email:mina@example.com");
    set.mesh.client("seals", "/CN=seals", &format!("{ORDERS}\nkeyUsage=critical,keyEncipherment"));
    set.partner.client("guest", "/CN=guest", ORDERS);
    let refused = set.get("/all/a", &[]).expect(401);
    assert_eq!(refused.field("www-authenticate"), Some("ClientCertificate realm=\"mesh\""));
    for name in ["nameless", "two", "mina", "seals"] {
        set.get_as(name, "/all/a", &[]).expect(401);
    }
    // A field is no certificate, whatever it is called.
    for field in ["Client-Cert", "X-Forwarded-Client-Cert", "X-SSL-Client-Cert", "SSL-Client-S-Dn"] {
        let field = format!("{field}: URI=spiffe://mesh.example/ns/prod/sa/orders");
        set.get("/all/a", &["-H", &field]).expect(401);
    }
    set.get_as("billing", "/orders/a", &[]).expect(403);
    set.get_as("guest", "/ours/a", &[]).expect(403);
    set.get_as("orders", "/people/a", &[]).expect(401);
    // One of two is not both, and one that is not usable does not take away another credential.
    set.get_as("orders", "/both/a", &[]).expect(401);
    assert!(set.backend.recorded().is_empty());
    set.get_as("billing", "/all/a", &[]).expect(200);
    set.get_as("guest", "/all/a", &[]).expect(200);
    assert_eq!(set.backend.last().field("x-auth-issuer"), Some("CN=Partner%20CA"));
    set.get_as("mina", "/people/a", &[]).expect(200);
    assert_eq!(set.backend.last().field("x-auth-subject"), Some("mina@example.com"));
    assert_eq!(set.backend.last().field("x-auth-issuer"), Some("people"));
    set.gate.folder().add_user("mina", &["USER"]);
    let login = serde_json::json!({ "username": "mina", "password": crate::harness::PASSWORD }).to_string();
    let token = set.get("/auth/login", &["-H", "Content-Type: application/json", "-d", &login]).expect(200);
    let bearer = format!("Authorization: Bearer {}", token.json()["access_token"].as_str().unwrap());
    set.get_as("nameless", "/either/a", &["-H", &bearer]).expect(200);
    set.get_as("orders", "/both/a", &["-H", &bearer]).expect(200);
}

#[test]
fn a_chain_that_does_not_hold_ends_the_handshake() {
    let set = mesh("optional", "");
    let folder = set.gate.folder();
    let joined = |leaf: &str, via: &str| {
        let parts =
            [leaf, via].map(|name| std::fs::read_to_string(folder.file(&format!("{name}.pem"))).unwrap());
        folder.write(&format!("{leaf}.pem"), &parts.concat());
    };
    let team = set.mesh.intermediate("team", "/CN=Team", "");
    team.client("member", "/CN=member", ORDERS);
    team.client("lonely", "/CN=lonely", ORDERS);
    joined("member", "team");
    let narrow =
        set.mesh.intermediate("narrow", "/CN=Narrow", "nameConstraints=critical,permitted;DNS:team.example");
    narrow.client(
        "inside",
        "/CN=inside",
        "subjectAltName=DNS:a.team.example,URI:spiffe://mesh.example/inside",
    );
    narrow.client(
        "outside",
        "/CN=outside",
        "subjectAltName=DNS:a.other.example,URI:spiffe://mesh.example/outside",
    );
    joined("inside", "narrow");
    joined("outside", "narrow");
    // A certificate that is no authority's signs for nobody.
    set.mesh.sign("leaf", "/CN=leaf", "basicConstraints=CA:FALSE");
    let forged = OpensslCa::existing(folder, "leaf");
    forged.client("forged", "/CN=forged", ORDERS);
    joined("forged", "leaf");
    let short = set.mesh.intermediate("short", "/CN=Short", "basicConstraints=critical,CA:TRUE,pathlen:0");
    let deeper = short.intermediate("deeper", "/CN=Deeper", "");
    deeper.client("deep", "/CN=deep", ORDERS);
    joined("deep", "deeper");
    let two =
        ["deep", "short"].map(|name| std::fs::read_to_string(folder.file(&format!("{name}.pem"))).unwrap());
    folder.write("deep.pem", &two.concat());
    set.mesh.sign("server", "/CN=server", &format!("extendedKeyUsage=serverAuth\n{ORDERS}"));
    set.mesh.sign_for("over", "/CN=over", &format!("extendedKeyUsage=clientAuth\n{ORDERS}"), "-1");
    let stranger = OpensslCa::root(folder, "stranger", "/CN=Stranger");
    stranger.client("unknown", "/CN=unknown", ORDERS);
    for name in ["lonely", "outside", "forged", "deep", "server", "over", "unknown"] {
        for version in ["1.2", "1.3"] {
            assert_eq!(set.get_as(name, "/public/a", &["--tls-max", version]).status, 0, "{name} {version}");
        }
    }
    assert!(set.backend.recorded().is_empty());
    for name in ["orders", "member", "inside"] {
        set.get_as(name, "/all/a", &[]).expect(200);
        assert_eq!(set.backend.last().field("x-auth-issuer"), Some("CN=Mesh%20CA%2CO=Example"), "{name}");
    }
}

#[test]
fn what_its_authority_has_revoked_is_refused_also_on_connections_that_are_open() {
    let set = mesh("required", "      client_crl: clients.crl\n");
    set.mesh.client("billing", "/CN=billing", "subjectAltName=URI:spiffe://mesh.example/ns/prod/sa/billing");
    assert_eq!(set.get("/public/a", &[]).status, 0, "a certificate is required");
    for name in ["orders", "billing"] {
        set.get_as(name, "/all/a", &[]).expect(200);
    }
    let (mut orders, mut billing) = (Kept::open(&set, "orders"), Kept::open(&set, "billing"));
    assert_eq!((orders.get("/all/a"), billing.get("/public/a")), (200, 200));
    set.mesh.revoke("orders");
    let lists = || set.mesh.revocation_list("24") + &set.partner.revocation_list("24");
    set.gate.folder().write("clients.crl", &lists());
    eventually(PATIENCE, || (set.get_as("orders", "/all/a", &[]).status == 0).then_some(()));
    let reached = set.backend.recorded().len();
    // The connection was opened before; what it was opened with is believed no more, and it closes.
    assert_eq!(orders.get("/all/a"), 421);
    assert!(orders.is_closed());
    assert_eq!(set.backend.recorded().len(), reached);
    assert_eq!(billing.get("/all/a"), 200, "of the others nothing changes");
    set.get_as("billing", "/all/a", &[]).expect(200);
    // An authority that is no longer named.
    set.gate.folder().write("clients.pem", &std::fs::read_to_string(set.file("partner.pem")).unwrap());
    eventually(PATIENCE, || (set.get_as("billing", "/all/a", &[]).status == 0).then_some(()));
    assert_eq!(billing.get("/public/a"), 421);
}

/// Begins an answer that never ends: a WebSocket where one is asked for, else a file of which much is left.
fn endless() -> Backend {
    Backend::start(|request| {
        let head = match request.field("sec-websocket-key") {
            Some(key) => format!(
                "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                tungstenite::handshake::derive_accept_key(key.as_bytes())
            ),
            None => "200 OK\r\nContent-Length: 1000000000\r\n\r\nsome bytes".to_owned(),
        };
        Answer::written(move |socket: &mut TcpStream| {
            drop(socket.write_all(format!("HTTP/1.1 {head}").as_bytes()));
            while socket.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        })
        .early()
    })
}

#[test]
fn what_is_open_ends_when_the_certificate_is_revoked_that_let_it_in() {
    let set = mesh_before(endless(), "required", "      client_crl: clients.crl\n");
    set.mesh.client("billing", "/CN=billing", "subjectAltName=URI:spiffe://mesh.example/ns/prod/sa/billing");
    let port = set.gate.address().port();
    let download = |name: &str, protocol: &str, path: &str| {
        let (certificate, key) = (set.file(&format!("{name}.pem")), set.file(&format!("{name}.key")));
        let mut curl = Command::new("curl")
            .args([
                "-sSN",
                protocol,
                "--cacert",
                &set.file("mesh.pem"),
                "--cert",
                &certificate,
                "--key",
                &key,
            ])
            .args(["--resolve", &format!("a.example:{port}:127.0.0.1")])
            .arg(format!("https://a.example:{port}{path}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut begun = [0; 10];
        curl.stdout.as_mut().unwrap().read_exact(&mut begun).unwrap();
        assert_eq!(&begun, b"some bytes");
        curl
    };
    // The route asks nothing of the certificate: it is the listener that does.
    let mut open = ["--http1.1", "--http2"].map(|protocol| download("orders", protocol, "/public/a"));
    let mut others = download("billing", "--http2", "/all/a");
    let mut socket = Kept::open(&set, "orders");
    let handshake = "GET /all/chat HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.0.get_mut().write_all(handshake.as_bytes()).unwrap();
    let answer = Head::read(&mut socket.0).unwrap().expect("an answer");
    assert!(answer.start_line.contains(" 101 "), "{}", answer.start_line);
    set.mesh.revoke("orders");
    let lists = set.mesh.revocation_list("24") + &set.partner.revocation_list("24");
    set.gate.folder().write("clients.crl", &lists);
    for curl in &mut open {
        let status = eventually(PATIENCE, || curl.try_wait().unwrap());
        assert!(matches!(status.code(), Some(18 | 56 | 92)), "broken off: {status}");
    }
    let mut close = [0; 4];
    socket.0.read_exact(&mut close).unwrap();
    assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, 1008), "a Close that says why");
    assert!(others.try_wait().unwrap().is_none(), "of the others nothing changes");
    others.kill().unwrap();
    others.wait().unwrap();
}

#[test]
fn without_a_current_list_nobody_is_believed() {
    let set = mesh("optional", "      client_crl: clients.crl\n");
    set.get_as("orders", "/all/a", &[]).expect(200);
    let expiry = set.gate.metric("haechi_certificate_expiry_seconds", &["use=\"client_crl\""]);
    assert!((80_000.0..=86_400.0).contains(&expiry), "{expiry}");
    // That of the other authority alone says nothing of this one's.
    set.gate.folder().write("clients.crl", &set.partner.revocation_list("24"));
    eventually(PATIENCE, || (set.get_as("orders", "/all/a", &[]).status == 0).then_some(()));
    set.gate.folder().write("clients.crl", &set.mesh.revocation_list("24"));
    eventually(PATIENCE, || (set.get_as("orders", "/all/a", &[]).status == 200).then_some(()));
    // What is no list changes nothing.
    set.gate.folder().write("clients.crl", "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n");
    eventually(PATIENCE, || set.gate.log().iter().any(|line| line.contains("list of revoked")).then_some(()));
    set.get_as("orders", "/all/a", &[]).expect(200);
}

/// A client that shows a certificate and keeps its connection.
pub(crate) struct Kept(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Kept {
    fn open(set: &Mesh, name: &str) -> Self {
        Self::to(set.gate.address(), set.gate.folder(), "mesh", (name, "a.example"))
    }

    /// To a server of this name, for which this authority vouches.
    pub(crate) fn to(
        address: SocketAddr,
        folder: &Folder,
        authority: &str,
        (name, server): (&str, &'static str),
    ) -> Self {
        let pem = |file: &str| std::fs::read(folder.file(file)).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem(&format!("{authority}.pem"))).unwrap()).unwrap();
        let shown =
            CertificateDer::pem_slice_iter(&pem(&format!("{name}.pem"))).collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(&pem(&format!("{name}.key"))).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_client_auth_cert(shown, key).unwrap();
        let session = ClientConnection::new(Arc::new(config), server.try_into().unwrap()).unwrap();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(StreamOwned::new(session, socket)))
    }

    /// The status of the answer.
    fn get(&mut self, path: &str) -> u16 {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n"))
    }

    /// The status of the answer to this head.
    pub(crate) fn ask(&mut self, request: &str) -> u16 {
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let head = Head::read(&mut self.0).unwrap().expect("an answer");
        head.read_answer_body(&mut self.0, &mut |_| ()).unwrap();
        head.start_line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn is_closed(&mut self) -> bool {
        Head::read(&mut self.0).is_ok_and(|head| head.is_none())
    }
}

/// RFC 9440: read by openssl as it would be by a backend.
#[test]
fn a_service_that_asks_for_it_is_shown_the_certificate_and_nobody_elses() {
    let set = mesh("optional", "");
    let text = std::fs::read_to_string(set.gate.folder().file("haechi.yaml")).unwrap();
    let asks = format!(
        "endpoints: [\"{}\"], identity: {{ client_certificate: true, pass: [Client-Cert] }} }}",
        set.backend.url()
    );
    let changed = text.replace(&format!("endpoints: [\"{}\"] }}", set.backend.url()), &asks);
    assert_ne!(text, changed);
    set.gate.folder().write("haechi.yaml", &changed);
    let forged = ["--header", "Client-Cert: :Zm9yZ2Vk:", "--header", "Client_Cert: :Zm9yZ2Vk:"];
    let shown = eventually(PATIENCE, || {
        set.get_as("orders", "/orders/1", &forged).expect(200);
        set.backend.last().field("client-cert").map(str::to_owned)
    });
    let base64 = shown.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')).unwrap();
    let der = format!("echo {base64} | base64 -d | openssl x509 -inform der -noout -ext subjectAltName");
    let read = Command::new("bash").args(["-c", &der]).output().unwrap();
    let read = String::from_utf8_lossy(&read.stdout).into_owned();
    assert!(read.contains("spiffe://mesh.example/ns/prod/sa/orders"), "{read}");
    // Who shows none cannot say that they did.
    set.get("/public/1", &forged).expect(200);
    let seen = set.backend.last();
    assert!(!seen.head.fields.iter().any(|(name, _)| name.to_lowercase().starts_with("client")), "{seen:?}");
}
