//! What the fuzz targets and property tests reach of the private parsers. Not compiled into the gate; no part of the interface.

use crate::client_address;
use crate::http1::body::{Decoder, Framing, LAST_CHUNK, encode_chunk};
use crate::http1::head;
use crate::io::{Buffers, Reader, Stream};
use crate::lines::HeadLimits;
use crate::proxy_protocol::{self, Source};
use crate::trace::Trace;
use crate::websocket::frames::{Frames, Sender};
use haechi_core::{Fields, Host};
use http::{Method, StatusCode};
use ipnet::IpNet;
use std::future::poll_fn;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::Poll;
use tokio::net::TcpStream;

/// The limits that the targets read with.
const LIMITS: HeadLimits = HeadLimits { bytes: 16 * 1024, fields: 100 };

/// How a body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// There is no body.
    None,
    /// By a length, in bytes.
    Length(u64),
    /// By the last chunk.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// A request head that was accepted.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The one host.
    pub host: Host,
    /// The path as sent.
    pub path: Box<[u8]>,
    /// The query as sent.
    pub query: Option<Box<str>>,
    /// All fields.
    pub fields: Fields,
    /// How the body ends.
    pub end: BodyEnd,
    /// Whether the connection goes on.
    pub keep_alive: bool,
}

/// An answer's head that was accepted.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// All fields.
    pub fields: Fields,
    /// How the body ends.
    pub end: BodyEnd,
    /// Whether the connection goes on.
    pub keep_alive: bool,
}

/// Where a head ends; `Ok(None)` while it may still become one.
///
/// # Errors
/// The fault, as text.
pub fn head_end(bytes: &[u8]) -> Result<Option<usize>, String> {
    head::complete_request(bytes, LIMITS).map_err(|fault| fault.to_string())
}

/// Reads a complete request head.
///
/// # Errors
/// The fault, as text.
pub fn request(bytes: &[u8]) -> Result<Request, String> {
    let head = head::request(bytes, LIMITS).map_err(|fault| fault.to_string())?;
    let lines = head.lines;
    Ok(Request {
        method: lines.method,
        host: lines.host,
        path: lines.path,
        query: lines.query,
        fields: lines.fields,
        end: head.framing.into(),
        keep_alive: head.keep_alive,
    })
}

/// Reads a complete head of the answer to a request of method `to`.
///
/// # Errors
/// The fault, as text.
pub fn answer(bytes: &[u8], to: &Method) -> Result<Answer, String> {
    let lines = head::response(bytes, to).map_err(|fault| fault.to_string())?;
    Ok(Answer {
        status: lines.lines.status,
        fields: lines.lines.fields,
        end: lines.framing.into(),
        keep_alive: lines.keep_alive,
    })
}

/// Decodes a chunked body that arrives in `pieces`, each when all before it was read, and then the end of the stream. Returns the body and how
/// many bytes it took.
///
/// # Errors
/// The fault, as text.
pub async fn chunked<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limit: u64,
) -> Result<(Vec<u8>, usize), String> {
    let (client, mut reader) = connected().map_err(|error| error.to_string())?;
    let mut decoder = Decoder::new(Framing::Chunked, limit);
    let (mut client, mut body, mut taken) = (Some(client), Vec::new(), 0);
    // Nothing written is nothing to wake up for.
    let mut pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
    poll_fn(|cx| {
        loop {
            match decoder.poll_ready(cx, &mut reader) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(count)) => {
                    body.extend_from_slice(reader.unread().get(..count).unwrap_or_default());
                    decoder.consume(&mut reader, count);
                }
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault.to_string())),
                Poll::Pending => {
                    match (pieces.next(), &mut client) {
                        (Some(piece), Some(stream)) => {
                            stream.write_all(piece).map_err(|error| error.to_string())?;
                            taken += piece.len();
                        }
                        _ => client = None,
                    }
                    return Poll::Pending;
                }
            }
        }
    })
    .await?;
    drop(client);
    loop {
        let unread = reader.unread().len();
        taken -= unread;
        reader.consume(unread);
        if poll_fn(|cx| reader.poll_more(cx)).await.map_err(|error| error.to_string())? == 0 {
            return Ok((body, taken));
        }
    }
}

/// Reading and writing are the same for sockets of both families, and these need no port.
fn connected() -> io::Result<(UnixStream, Reader)> {
    let (client, server) = UnixStream::pair()?;
    server.set_nonblocking(true)?;
    let server = TcpStream::from_std(std::net::TcpStream::from(OwnedFd::from(server)))?;
    Ok((client, Reader::new(Rc::new(Stream::tcp(server)), Buffers::default())))
}

/// Writes `pieces` as a chunked body, the way we send one.
pub fn encode_chunks<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    pieces.into_iter().filter(|piece| !piece.is_empty()).for_each(|piece| encode_chunk(&mut out, piece));
    out.extend_from_slice(LAST_CHUNK);
    out
}

/// Who the client is and, from it to the peer, who passed its request on.
pub fn client_address(fields: &Fields, peer: IpAddr, trusted: &[IpNet]) -> (IpAddr, Vec<IpAddr>) {
    let origin = client_address::origin(fields, peer, false, trusted);
    (origin.client, origin.chain)
}

/// The length of the PROXY header at the front of `bytes`, and the client that it names; `Ok(None)` while it is not whole.
///
/// # Errors
/// The fault, as text.
pub fn proxy_header(bytes: &[u8]) -> Result<Option<(usize, Option<SocketAddr>)>, String> {
    let parsed = proxy_protocol::parse(bytes).map_err(|fault| fault.to_string())?;
    Ok(parsed.map(|(length, source)| match source {
        Source::Local => (length, None),
        Source::Client(client) => (length, Some(client)),
    }))
}

/// The `traceparent` that a backend gets, and whether it continues the client's.
pub fn trace_parent(fields: &Fields, fresh: [u8; 32], span: u64) -> (Vec<u8>, bool) {
    let trace = Trace::of(fields, fresh, || false);
    let mut out = Vec::new();
    trace.write(&mut out, span);
    (out, trace.continued)
}

/// Follows the frames of one direction of a WebSocket. Returns how many bytes passed, whether they are whole frames, whether they end with a
/// Close, and what was wrong with the next header.
pub fn websocket_frames<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    client: bool,
    extended: bool,
) -> (usize, bool, bool, Option<String>) {
    let mut frames = Frames::new(if client { Sender::Client } else { Sender::Server }, extended);
    let (mut waiting, mut total, mut fault) = (Vec::new(), 0, None);
    for piece in pieces {
        waiting.extend_from_slice(piece);
        loop {
            match frames.pass(&waiting) {
                Ok(0) => break,
                Ok(passed) => {
                    waiting.drain(..passed);
                    total += passed;
                }
                Err(refused) => {
                    fault = Some(refused.to_string());
                    break;
                }
            }
        }
        if fault.is_some() {
            break;
        }
    }
    (total, frames.is_between(), frames.is_closed(), fault)
}

impl From<Framing> for BodyEnd {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::None,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked,
            Framing::UntilClose => Self::Close,
        }
    }
}
