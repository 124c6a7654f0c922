//! The world outside, as a gate sees it behind an HTTP proxy: servers that answer to any name, with certificates of an authority of the test's own.

use super::{Authority, Folder};
use haechi_testkit::port::listener;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A proxy (RFC 9110 9.3.6) behind which stand the servers themselves; stopped when dropped.
pub(crate) struct Outside {
    address: SocketAddr,
    authority: String,
    asked: Arc<Mutex<Vec<String>>>,
    stopping: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

struct World {
    tls: Arc<ServerConfig>,
    pages: BTreeMap<String, String>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Outside {
    /// Servers that answer with these pages, each under its whole address, as JSON.
    pub(crate) fn start(pages: &[(&str, String)]) -> Self {
        let authority = Authority::new("the authority outside");
        let hosts: Vec<&str> = pages.iter().filter_map(|(url, _)| host(url)).collect();
        let leaf = authority.leaf(if hosts.is_empty() { &["localhost"] } else { &hosts });
        let chain = vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let pages = pages.iter().map(|(url, body)| ((*url).to_owned(), body.clone())).collect();
        let world = Arc::new(World { tls: Arc::new(tls), pages, asked: asked.clone() });
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = stopping.clone();
        let accepting = std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let world = world.clone();
                // A client that goes away has heard enough.
                std::thread::spawn(move || drop(world.serve(socket)));
            }
        });
        Self { address, authority: authority.pem(), asked, stopping, accepting: Some(accepting) }
    }

    /// The address of the proxy.
    pub(crate) fn proxy(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Writes the authority into the folder; returns the file.
    pub(crate) fn write_authority(&self, folder: &Folder) -> String {
        folder.write("outside.pem", &self.authority);
        folder.file("outside.pem").to_str().unwrap().to_owned()
    }

    /// What was asked for, whole addresses in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl World {
    fn serve(&self, mut socket: TcpStream) -> std::io::Result<()> {
        let head = read_head(&mut socket)?;
        let Some(target) = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else {
            return socket.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
        };
        let host = target.strip_suffix(":443").unwrap_or(target).to_owned();
        socket.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
        let session = ServerConnection::new(self.tls.clone()).map_err(std::io::Error::other)?;
        let mut stream = StreamOwned::new(session, socket);
        loop {
            let head = read_head(&mut stream)?;
            let path = head.split(' ').nth(1).unwrap_or_default();
            let url = format!("https://{host}{path}");
            self.asked.lock().unwrap().push(url.clone());
            let (status, body) = match self.pages.get(&url) {
                Some(body) => ("200 OK", body.as_str()),
                None => ("404 Not Found", ""),
            };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            )?;
            stream.flush()?;
        }
    }
}

fn host(url: &str) -> Option<&str> {
    url.strip_prefix("https://")?.split('/').next()
}

fn read_head(stream: &mut impl Read) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 || head.len() > 64 * 1024 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        head.extend(byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
