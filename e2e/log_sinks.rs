//! The access log at syslog servers and OTLP collectors (docs/observability.md#syslog-and-otlp).

use crate::harness::{Authority, Folder, Gate, PATIENCE, eventually, routes_to};
use haechi_testkit::{Answer, Backend};
use prost::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

/// Messages with their lengths before them, from whoever connects.
struct Server {
    port: u16,
    messages: Receiver<String>,
}

impl Server {
    /// Hangs up after each connection's first `most` messages.
    fn start(port: u16, tls: Option<Arc<rustls::ServerConfig>>, most: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for mut socket in listener.incoming().map_while(Result::ok) {
                let mut reader: Box<dyn BufRead> = match &tls {
                    None => Box::new(BufReader::new(socket)),
                    Some(config) => {
                        let mut connection = rustls::ServerConnection::new(config.clone()).unwrap();
                        if connection.complete_io(&mut socket).is_err() {
                            continue;
                        }
                        Box::new(BufReader::new(rustls::StreamOwned::new(connection, socket)))
                    }
                };
                for _ in 0..most {
                    let Some(message) = framed(&mut reader) else { break };
                    if sender.send(message).is_err() {
                        return;
                    }
                }
            }
        });
        Self { port, messages }
    }

    #[track_caller]
    fn next(&self) -> String {
        self.messages.recv_timeout(PATIENCE).unwrap()
    }
}

/// RFC 5425 4.3: `MSG-LEN SP SYSLOG-MSG`.
fn framed(reader: &mut impl BufRead) -> Option<String> {
    let mut length = Vec::new();
    reader.read_until(b' ', &mut length).ok().filter(|count| *count > 0)?;
    let length = String::from_utf8(length).unwrap().trim_end().parse().unwrap();
    let mut message = vec![0; length];
    reader.read_exact(&mut message).ok()?;
    Some(String::from_utf8(message).unwrap())
}

/// The path that a message of RFC 5424 tells of.
#[track_caller]
fn path_of(message: &str) -> String {
    let fields: Vec<&str> = message.splitn(8, ' ').collect();
    let [priority, time, host, app, process, what, data, line] = fields[..] else { panic!("{message}") };
    assert_eq!((priority, app, what, data), ("<134>1", "haechi", "access", "-"), "{message}");
    assert!(time.ends_with('Z') && !host.is_empty() && process.parse::<u32>().is_ok(), "{message}");
    let line: Value = serde_json::from_str(line).unwrap();
    line["path"].as_str().unwrap().to_owned()
}

fn gate(backend: &Backend, sinks: &str, folder: impl FnOnce(&Folder)) -> Gate {
    let yaml = format!(
        "access_log: {{ target: \"off\", sinks: [{sinks}] }}\n{}",
        routes_to(backend, &[("/**", "anonymous", "any")])
    );
    let made = Folder::new(&yaml);
    folder(&made);
    Gate::start_in(made).ready()
}

fn tls_server(folder: &Path) -> Arc<rustls::ServerConfig> {
    let certificates = CertificateDer::pem_file_iter(folder.join("logs.pem")).unwrap().map(Result::unwrap);
    let key = PrivateKeyDer::from_pem_file(folder.join("logs.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Arc::new(builder.with_single_cert(certificates.collect(), key).unwrap())
}

#[test]
fn every_line_arrives_at_every_syslog_server() {
    let backend = Backend::saying("reached");
    let authority = Authority::new("log authority");
    let made = tempfile::TempDir::new().unwrap();
    let keys = Folder::exactly("");
    authority.leaf(&["localhost"]).write(&keys, "logs");
    let tcp = Server::start(0, None, usize::MAX);
    let tls = Server::start(0, Some(tls_server(keys.path())), usize::MAX);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let unix = UnixDatagram::bind(made.path().join("log")).unwrap();
    udp.set_read_timeout(Some(PATIENCE)).unwrap();
    unix.set_read_timeout(Some(PATIENCE)).unwrap();
    let sinks = format!(
        "{{ syslog: \"tcp://127.0.0.1:{}\" }}, {{ syslog: \"tls://localhost:{}\", ca: ca.pem }}, {{ syslog: \"udp://127.0.0.1:{}\" }}, {{ syslog: \"unix://{}\" }}",
        tcp.port,
        tls.port,
        udp.local_addr().unwrap().port(),
        made.path().join("log").display()
    );
    let gate = gate(&backend, &sinks, |folder| folder.write("ca.pem", &authority.pem()));
    for path in ["/first", "/second", "/%EC%83%81%ED%92%88"] {
        gate.get(path).expect(200);
        let mut datagram = [0; 4096];
        let count = udp.recv(&mut datagram).unwrap();
        let over_udp = String::from_utf8(datagram[..count].to_vec()).unwrap();
        let count = unix.recv(&mut datagram).unwrap();
        let over_unix = String::from_utf8(datagram[..count].to_vec()).unwrap();
        let paths = [tcp.next(), tls.next(), over_udp, over_unix].map(|message| path_of(&message));
        assert!(paths.iter().all(|seen| *seen == paths[0]), "{paths:?}");
    }
    for scheme in ["tcp", "tls", "udp", "unix"] {
        let label = format!("sink=\"syslog {scheme} ");
        eventually(PATIENCE, || {
            let sent = gate.metric("haechi_log_sink_lines_total", &[&label, "result=\"sent\""]);
            (sent == 3.0).then_some(())
        });
    }
    assert_eq!(gate.metric("haechi_log_sink_lines_total", &["result=\"dropped\""]), 0.0);
}

#[test]
fn a_server_that_was_away_gets_what_waited() {
    let backend = Backend::saying("reached");
    // A port that is free, and then the server's.
    let port = haechi_testkit::port::unused_port();
    let gate = gate(&backend, &format!("{{ syslog: \"tcp://127.0.0.1:{port}\" }}"), |_| {});
    for path in ["/a", "/b"] {
        gate.get(path).expect(200);
    }
    let told = |line: &String| line.contains("cannot send log lines");
    eventually(PATIENCE, || gate.log().iter().any(told).then_some(()));
    // Hangs up after each message, too.
    let server = Server::start(port, None, 1);
    assert_eq!(path_of(&server.next()), "/a");
    gate.get("/c").expect(200);
    let mut seen = Vec::new();
    eventually(PATIENCE, || {
        seen.extend(server.messages.try_iter().map(|message| path_of(&message)));
        seen.iter().any(|path| path == "/c").then_some(())
    });
}

#[test]
fn nobody_gets_lines_who_cannot_prove_its_name() {
    let backend = Backend::saying("reached");
    let (authority, other) = (Authority::new("log authority"), Authority::new("another authority"));
    let keys = Folder::exactly("");
    other.leaf(&["localhost"]).write(&keys, "logs");
    let server = Server::start(0, Some(tls_server(keys.path())), usize::MAX);
    let sinks = format!("{{ syslog: \"tls://localhost:{}\", ca: ca.pem }}", server.port);
    let mut gate = gate(&backend, &sinks, |folder| folder.write("ca.pem", &authority.pem()));
    gate.get("/secret").expect(200);
    eventually(PATIENCE, || {
        gate.log().iter().any(|line| line.contains("cannot send log lines")).then_some(())
    });
    assert!(server.messages.try_recv().is_err());
    gate.signal("TERM");
    assert_eq!(gate.exited().code(), Some(0), "a sink that is away keeps no process");
}

/// What is read of a collector's request: tags are those of the protocol.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resources>,
}

#[derive(Clone, PartialEq, Message)]
struct Resources {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scopes>,
}

#[derive(Clone, PartialEq, Message)]
struct Scopes {
    #[prost(message, repeated, tag = "2")]
    records: Vec<Record>,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(int32, tag = "2")]
    severity: i32,
    #[prost(message, optional, tag = "5")]
    body: Option<Body>,
    #[prost(fixed64, tag = "11")]
    observed: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Body {
    #[prost(string, tag = "1")]
    text: String,
}

#[test]
fn a_collector_gets_each_line_as_a_record_and_again_when_it_was_away() {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    let backend = Backend::saying("reached");
    let asked = AtomicUsize::new(0);
    let collector = Backend::start(move |_| match asked.fetch_add(1, SeqCst) {
        0 => Answer::kept("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        _ => Answer::ok(""),
    });
    let gate = gate(&backend, &format!("{{ otlp: \"{}/v1/logs\" }}", collector.url()), |_| {});
    gate.get("/first").expect(200);
    eventually(PATIENCE, || (collector.recorded().len() >= 2).then_some(()));
    let sent = collector.last();
    assert_eq!((sent.target(), sent.field("content-type")), ("/v1/logs", Some("application/x-protobuf")));
    let request = Request::decode(&*sent.body).unwrap();
    let record = &request.resources[0].scopes[0].records[0];
    let line: Value = serde_json::from_str(&record.body.as_ref().unwrap().text).unwrap();
    assert_eq!((record.severity, line["path"].as_str()), (9, Some("/first")));
    assert!(record.observed > 1_700_000_000_000_000_000);
    eventually(PATIENCE, || {
        (gate.metric("haechi_log_sink_lines_total", &["sink=\"otlp ", "result=\"sent\""]) == 1.0)
            .then_some(())
    });
}
