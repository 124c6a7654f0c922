//! The PROXY protocol, versions 1 and 2: a proxy in front says, before anything else, whose connection it passes on
//! (<https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt>).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// No header is longer; one of version 2 has room for what proxies add about a client's TLS.
const MAX: usize = 4096;
/// No line of version 1 is longer, with its end.
const MAX_LINE: usize = 107;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The proxy's own, such as a health check.
    Local,
    /// A client's.
    Client(SocketAddr),
}

/// A header that is none, or that could be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the PROXY header is malformed")]
pub(crate) struct Malformed;

/// Takes the header off the front of a connection, and not a byte more.
///
/// # Errors
/// [`Malformed`], also when the connection ends first.
pub(crate) async fn read(socket: &mut TcpStream) -> Result<Source, Malformed> {
    let mut header = [0; MAX];
    let mut have = 0;
    loop {
        let room = header.get_mut(have..).unwrap_or_default();
        let seen = socket.peek(room).await.map_err(|_| Malformed)?;
        if seen == 0 {
            return Err(Malformed);
        }
        let parsed = parse(header.get(..have + seen).unwrap_or_default())?;
        // All of an unfinished header belongs to it. What follows a finished one is somebody else's.
        let end = parsed.map_or(have + seen, |(length, _)| length);
        let taken = header.get_mut(have..end).unwrap_or_default();
        socket.read_exact(taken).await.map_err(|_| Malformed)?;
        if let Some((_, source)) = parsed {
            return Ok(source);
        }
        have = end;
    }
}

/// The header at the front of `bytes`, its length, and what it says; `None` while it is not whole.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(usize, Source)>, Malformed> {
    if let Some(rest) = bytes.strip_prefix(SIGNATURE) {
        return parse_binary(rest)
            .map(|parsed| parsed.map(|(length, source)| (SIGNATURE.len() + length, source)));
    }
    if SIGNATURE.starts_with(bytes) {
        return Ok(None);
    }
    parse_line(bytes)
}

/// Version 1: one line of text.
fn parse_line(bytes: &[u8]) -> Result<Option<(usize, Source)>, Malformed> {
    let begins = bytes.iter().zip(b"PROXY ").all(|(byte, expected)| byte == expected);
    let window = bytes.get(..MAX_LINE.min(bytes.len())).unwrap_or_default();
    if !begins {
        return Err(Malformed);
    }
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if window.len() == MAX_LINE { Err(Malformed) } else { Ok(None) };
    };
    let line = window.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Malformed)?;
    let line = std::str::from_utf8(line).map_err(|_| Malformed)?;
    let mut words = line.split(' ').skip(1);
    let source = match words.next() {
        Some("TCP4") => Source::Client(addresses::<Ipv4Addr>(words)?),
        Some("TCP6") => Source::Client(addresses::<Ipv6Addr>(words)?),
        // Whatever follows is to be ignored: the proxy does not know, so the connection counts as its own.
        Some("UNKNOWN") => Source::Local,
        _ => return Err(Malformed),
    };
    Ok(Some((end + 1, source)))
}

/// Source and destination address, source and destination port, and nothing after them.
fn addresses<'a, A: FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'a str>,
) -> Result<SocketAddr, Malformed> {
    let mut address = || words.next()?.parse::<A>().ok();
    let source = address().ok_or(Malformed)?;
    address().ok_or(Malformed)?;
    let source_port = port(words.next())?;
    port(words.next())?;
    if words.next().is_some() {
        return Err(Malformed);
    }
    Ok(SocketAddr::new(source.into(), source_port))
}

/// Digits without a sign and without a zero in front.
fn port(word: Option<&str>) -> Result<u16, Malformed> {
    let digits = word.ok_or(Malformed)?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain { digits.parse().map_err(|_| Malformed) } else { Err(Malformed) }
}

/// Version 2, behind its signature.
fn parse_binary(bytes: &[u8]) -> Result<Option<(usize, Source)>, Malformed> {
    let Some(([version_and_command, family, high, low], rest)) = bytes.split_first_chunk() else {
        // What can be told already is told already.
        return if bytes.first().is_none_or(|byte| byte >> 4 == 2) { Ok(None) } else { Err(Malformed) };
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if version_and_command >> 4 != 2 || SIGNATURE.len() + 4 + length > MAX {
        return Err(Malformed);
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let source = match (version_and_command & 0xf, family) {
        (0, _) => Source::Local,
        (1, 0x11) => Source::Client(binary_addresses::<4>(body)?),
        (1, 0x21) => Source::Client(binary_addresses::<16>(body)?),
        // Unspecified: the proxy does not know. Datagrams and Unix sockets do not lead here.
        (1, 0x00) => Source::Local,
        _ => return Err(Malformed),
    };
    Ok(Some((4 + length, source)))
}

/// Two addresses of `N` bytes, two ports, and fields with lengths that add up.
fn binary_addresses<const N: usize>(body: &[u8]) -> Result<SocketAddr, Malformed>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = body.split_first_chunk::<N>().ok_or(Malformed)?;
    let (_destination, rest) = rest.split_first_chunk::<N>().ok_or(Malformed)?;
    let (source_port, rest) = rest.split_first_chunk::<2>().ok_or(Malformed)?;
    let (_destination_port, mut fields) = rest.split_first_chunk::<2>().ok_or(Malformed)?;
    while !fields.is_empty() {
        let ([_kind, high, low], rest) = fields.split_first_chunk().ok_or(Malformed)?;
        fields = rest.get(usize::from(u16::from_be_bytes([*high, *low]))..).ok_or(Malformed)?;
    }
    Ok(SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes(*source_port)))
}

#[cfg(test)]
mod tests;
