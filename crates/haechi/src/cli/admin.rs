//! The probes of a running gate, for commands that ask for them.

use super::Failure;
use crate::config::Config;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the admin listener may take over each step.
const TIMEOUT: Duration = Duration::from_secs(5);
/// No answer is longer.
const MAX_ANSWER: u64 = 1024 * 1024;

/// What the listener answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Where a gate is asked.
pub(crate) enum Place {
    Address(SocketAddr),
    Socket(PathBuf),
}

/// Where the configuration has its admin listener.
pub(crate) fn address(config: &Config) -> Result<SocketAddr, Failure> {
    let bind = config.admin.as_ref().and_then(|admin| admin.bind);
    let address = bind.ok_or_else(|| Failure::fault("no `admin.bind` is configured"))?;
    if address.port() == 0 {
        return Err(Failure::usage(
            "`admin.bind` has port 0; name the address with `--admin` (the gate logs it when it starts)",
        ));
    }
    Ok(address)
}

/// Where the configuration has somebody who answers probes without TLS: the admin listener, its socket, or a listener for probes.
pub(crate) fn for_probes(config: &Config) -> Result<Place, Failure> {
    let admin = config.admin.as_ref();
    let plain = admin.filter(|admin| admin.tls.is_none()).and_then(|admin| admin.bind);
    let probes = config.probes.iter().filter(|listener| listener.tls.is_none()).map(|listener| listener.bind);
    let mut known = plain.into_iter().chain(probes).filter(|address| address.port() != 0);
    let socket = || admin.and_then(|admin| admin.socket.clone()).map(Place::Socket);
    match known.next().map(Place::Address).or_else(socket) {
        Some(place) => Ok(place),
        None if admin.is_some_and(|admin| admin.tls.is_some()) => Err(Failure::fault(
            "`admin.bind` speaks TLS, which this command does not; add `socket: admin.sock` under `admin`, or a listener of `type: probes`",
        )),
        None => address(config).map(Place::Address),
    }
}

/// Asks for `path`.
pub(crate) fn ask(place: &Place, path: &str) -> Result<Answer, Failure> {
    let (answered, shown) = match place {
        // Nobody listens at the unspecified address, and this machine is meant.
        Place::Address(address) => (over_tcp(here(*address), path), address.to_string()),
        Place::Socket(socket) => (over_socket(socket, path), socket.display().to_string()),
    };
    let silent = |error| Failure::fault(format!("the admin listener on {shown} does not answer: {error}"));
    let text = answered.map_err(silent)?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Answer { status, body: body.to_owned() })
}

fn here(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (std::net::Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, v6.port()).into(),
        other => other,
    }
}

fn over_tcp(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    exchange(socket, &address.to_string(), path)
}

fn over_socket(socket: &Path, path: &str) -> std::io::Result<String> {
    let socket = UnixStream::connect(socket)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    exchange(socket, "localhost", path)
}

fn exchange(mut socket: impl Read + Write, host: &str, path: &str) -> std::io::Result<String> {
    // HTTP/1.0: the answer comes as it is and the close ends it.
    socket.write_all(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    socket.take(MAX_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
