//! `haechi health`: how a running gate is, for probes that can only run a command.

use super::{Common, Failure, HealthArgs, configuration, output};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the admin listener may take over each step.
const TIMEOUT: Duration = Duration::from_secs(5);
/// No answer is longer.
const MAX_ANSWER: u64 = 1024 * 1024;

/// Asks the admin listener; exit 1 when the gate is not ready, or does not answer.
pub(crate) fn health(common: &Common, arguments: HealthArgs) -> Result<(), Failure> {
    let address = match arguments.admin {
        Some(address) => address,
        None => configured(common)?,
    };
    let path = if arguments.live { "/livez" } else { "/readyz" };
    let answer = ask(address, path).map_err(|error| {
        Failure::fault(format!("the admin listener on {address} does not answer: {error}"))
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    output::line(body)?;
    if head.split(' ').nth(1) == Some("200") { Ok(()) } else { Err(Failure::Told) }
}

fn configured(common: &Common) -> Result<SocketAddr, Failure> {
    let config = configuration(&common.config)?;
    let address = config.admin.ok_or_else(|| Failure::fault("no `admin` is configured"))?;
    if address.port() == 0 {
        return Err(Failure::usage("`admin.bind` has port 0; name the port with `--admin`"));
    }
    Ok(address)
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    // HTTP/1.0: the answer comes as it is and the close ends it.
    socket.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    socket.take(MAX_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
