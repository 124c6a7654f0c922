//! The same as [`super::agreement`] over TLS and over HTTP/2: what can be said there is judged as `explain` judges it.

use super::agreement::{Maker, Request, Running, USERS, ask_over, configuration, explained};
use crate::authenticators::ALL;
use crate::config::load;
use crate::inspect::explain::{ExplainContext, Inquiry};
use crate::wire::{Assembly, control_runtime};
use bytes::Bytes;
use haechi_proxy::DryRun;
use haechi_testkit::{Answer, Backend, PATIENCE};
use http::header::{HeaderName, HeaderValue};
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

const REQUESTS: usize = 2000;

/// Every host that a request here may name in a way that can be read.
const HOSTS: [&str; 4] = ["localhost", "api.example.com", "other.example", "::1"];

/// Writes a certificate for all hosts; returns a client that believes it.
fn certificate(folder: &Path) -> Arc<ClientConfig> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(HOSTS.map(String::from)).unwrap().self_signed(&key).unwrap();
    std::fs::write(folder.join("site.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("site.key"), key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate.der().to_vec())).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// What was asked and what came of it, by status.
#[derive(Default)]
struct Tally {
    arrived: Arc<AtomicUsize>,
    seen: BTreeMap<u16, usize>,
}

impl Tally {
    fn compare(
        &mut self,
        runtime: &tokio::runtime::Runtime,
        gate: ExplainContext<'_>,
        inquiry: &Inquiry,
        ask: impl FnOnce() -> u16,
    ) {
        let told = explained(runtime, gate, inquiry);
        let before = self.arrived.load(Ordering::SeqCst);
        let status = ask();
        let forwarded = self.arrived.load(Ordering::SeqCst) - before;
        assert_eq!(
            (told.status, usize::from(told.is_allowed())),
            (status, forwarded),
            "explain: {} ({}) because {}; the gate: {status}, {forwarded} forwarded\n{inquiry:#?}",
            told.outcome,
            told.status,
            told.because,
        );
        *self.seen.entry(status).or_default() += 1;
    }

    fn has_seen(&self, statuses: &[u16]) {
        for status in statuses {
            assert!(self.seen.contains_key(status), "no {status} among {:?}", self.seen);
        }
    }
}

#[test]
fn explain_says_of_requests_over_tls_and_http2_what_the_gate_does() {
    let arrived = Arc::new(AtomicUsize::new(0));
    let [mut over_tls, mut over_http2, mut over_both] =
        std::array::from_fn(|_| Tally { arrived: arrived.clone(), ..Tally::default() });
    let backend = Backend::start(move |_| {
        arrived.fetch_add(1, Ordering::SeqCst);
        Answer::ok("")
    });
    let folder = tempfile::tempdir().unwrap();
    let client = certificate(folder.path());
    let file = folder.path().join("haechi.yaml");
    let plain = "[{ bind: 127.0.0.1:0 }]";
    let tls = "{ certificates: [{ certificate: site.pem, key: site.key }] }";
    let both = format!("[{{ bind: 127.0.0.1:0 }}, {{ bind: 127.0.0.1:0, tls: {tls} }}]");
    std::fs::write(&file, configuration(backend.address()).replace(plain, &both)).unwrap();
    std::fs::write(folder.path().join("users"), USERS).unwrap();
    let config = load(&file, ALL).unwrap_or_else(|report| panic!("{report}"));
    let runtime = control_runtime().unwrap();
    let assembly = Assembly::new(&config, &runtime).unwrap();
    let dry = DryRun::new(assembly.plan.clone());
    let gate = ExplainContext { config: &config, dry: &dry, assembly: Some(&assembly), answers: None };
    let (plain, secure) = (Running::start(&assembly, 0), Running::start(&assembly, 1));

    let mut maker = Maker::new(11);
    for number in 0..REQUESTS {
        let mut request = maker.next();
        if let Some(head) = http2_head(&request, "http") {
            let body = body(&request);
            over_http2.compare(&runtime, gate, &request.inquiry, || {
                runtime.block_on(ask_http2(plain.address, None, head, body))
            });
        }
        // A handshake for each takes its time.
        if number % 10 == 0 {
            request.inquiry.secure = true;
            if let Some(head) = http2_head(&request, "https") {
                let (client, body) = (client.clone(), body(&request));
                over_both.compare(&runtime, gate, &request.inquiry, || {
                    runtime.block_on(ask_http2(secure.address, Some(client), head, body))
                });
            }
            over_tls.compare(&runtime, gate, &request.inquiry, || {
                let session = ClientConnection::new(client.clone(), "localhost".try_into().unwrap()).unwrap();
                let socket = TcpStream::connect(secure.address).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                ask_over(&mut StreamOwned::new(session, socket), &request.wire())
            });
        }
    }
    over_tls.has_seen(&[200, 400, 401, 403, 404, 405]);
    over_both.has_seen(&[200, 400, 401, 403, 404, 405]);
    over_http2.has_seen(&[200, 204, 400, 401, 403, 404, 405, 413, 417]);
}

/// The request as it is said in HTTP/2; `None` where it cannot be, or means something else there.
fn http2_head(request: &Request, scheme: &str) -> Option<http::Request<()>> {
    let Inquiry { method, path, host, headers, .. } = &request.inquiry;
    let ends_at_a_hop = ["connection", "upgrade", "host"];
    let chunked = |name: &str, value: &str| name == "transfer-encoding" && value == "chunked";
    if *method == http::Method::CONNECT || path.contains('#') || !path.starts_with('/') || headers.len() > 9 {
        return None;
    }
    let uri = http::Uri::builder().scheme(scheme).authority(host.as_str()).path_and_query(path.as_str());
    let mut head = http::Request::new(());
    (*head.method_mut(), *head.uri_mut()) = (method.clone(), uri.build().ok()?);
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        let length_fits = name != "content-length" || *value == request.body.len().to_string();
        if ends_at_a_hop.contains(&&*name) || !length_fits {
            return None;
        }
        if name == "transfer-encoding" && !chunked(&name, value) {
            return None;
        }
        if !chunked(&name, value) {
            // White space around a value is a fault there (RFC 9113 8.2.1).
            let value = HeaderValue::from_bytes(value.trim().as_bytes()).ok()?;
            head.headers_mut().append(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
        }
    }
    Some(head)
}

/// Its body without the chunks around it.
fn body(request: &Request) -> &'static str {
    if request.body.ends_with("0\r\n\r\n") { "body" } else { request.body }
}

/// Over TLS where there is a client for it.
async fn ask_http2(
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    head: http::Request<()>,
    body: &'static str,
) -> u16 {
    let asked = async {
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        match tls {
            None => converse(socket, head, body).await,
            Some(config) => {
                let mut config = (*config).clone();
                config.alpn_protocols = vec![b"h2".to_vec()];
                let name = "localhost".try_into().unwrap();
                converse(
                    TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap(),
                    head,
                    body,
                )
                .await
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("an answer in time")
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    head: http::Request<()>,
    body: &'static str,
) -> u16 {
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let (response, mut stream) = client.send_request(head, body.is_empty()).unwrap();
    if !body.is_empty() {
        // A refusal may have come before the body went.
        drop(stream.send_data(Bytes::from_static(body.as_bytes()), true));
    }
    let status = response.await.unwrap().status().as_u16();
    connection.abort();
    status
}
