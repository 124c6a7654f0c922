//! The admin listener of a running gate, for commands that ask it.

use super::Failure;
use crate::config::Config;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
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

/// Asks for `path`, with a token where there is one.
pub(crate) fn ask(address: SocketAddr, path: &str, token: Option<&str>) -> Result<Answer, Failure> {
    let silent = |error| Failure::fault(format!("the admin listener on {address} does not answer: {error}"));
    let text = exchange(address, path, token).map_err(silent)?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Answer { status, body: body.to_owned() })
}

fn exchange(address: SocketAddr, path: &str, token: Option<&str>) -> std::io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    let authorization = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    // HTTP/1.0: the answer comes as it is and the close ends it.
    let head = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{authorization}\r\n");
    socket.write_all(head.as_bytes())?;
    let mut answer = String::new();
    socket.take(MAX_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
