//! From an accepted socket to requests: what the listener asks for first, then the protocol that the client speaks.

use crate::http1;
use crate::http2;
use crate::io::{Reader, Stream, TlsStream};
use crate::limits::Limit;
use crate::proxy_protocol::{self, Source};
use crate::settings::{Listener, ListenerIndex};
use crate::ticks::Elapsed;
use crate::tls::{Begun, HandshakeVerifier, ListenerTls, Session};
use crate::transport::Transport;
use crate::worker::Worker;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, ready};
use tokio::net::TcpStream;

/// Serves a connection that came in on the listener with index `listener`, to its end.
pub(crate) async fn serve(worker: Rc<Worker>, socket: TcpStream, peer: SocketAddr, listener: ListenerIndex) {
    // A listener keeps its socket and may change its ways; a connection keeps those it began with.
    let index = listener;
    let Some(listener) = worker.plan().shared.listener(index).cloned() else { return };
    let opened = if listener.is_plain() {
        Some((
            Stream::tcp(socket),
            Transport {
                listener: index,
                peer,
                tls: None,
                redirect: listener.redirect,
                authorizes: listener.authorizes,
            },
        ))
    } else {
        // Boxed, so that no idle connection carries what only its beginning needed.
        Box::pin(open(&worker, socket, peer, (index, &listener))).await
    };
    drop(listener);
    let Some((stream, transport)) = opened else { return };
    // A trusted proxy was not counted; the client for whom it connects is.
    let counted = if transport.peer == peer { Ok(None) } else { worker.count_address(transport.peer.ip()) };
    let _counted = match counted {
        Ok(counted) => counted,
        Err(limit) => return worker.metrics().limit(limit),
    };
    let mut reader = Reader::new(Rc::new(stream), worker.buffers().clone());
    let protocol = match &transport.tls {
        Some(session) if session.http2 => Some(Protocol::Http2),
        Some(_) => Some(Protocol::Http1),
        None => spoken(&worker, &mut reader).await,
    };
    let transport = Rc::new(transport);
    match protocol {
        Some(Protocol::Http1) => http1::connection::serve(worker, reader, transport).await,
        // Boxed, so that a connection that speaks HTTP/1.1 does not carry its size.
        Some(Protocol::Http2) => Box::pin(http2::server::serve(worker, reader, transport)).await,
        None => {}
    }
}

/// What comes before the first request; `None` when it did not come, or not properly.
async fn open(
    worker: &Worker,
    mut socket: TcpStream,
    peer: SocketAddr,
    (index, listener): (ListenerIndex, &Listener),
) -> Option<(Stream, Transport)> {
    let peer = if listener.proxy_protocol { passed_on(worker, &mut socket, peer).await? } else { peer };
    let (redirect, authorizes) = (listener.redirect, listener.authorizes);
    let Some(tls) = &listener.tls else {
        return Some((
            Stream::tcp(socket),
            Transport { listener: index, peer, tls: None, redirect, authorizes },
        ));
    };
    let (stream, clients) = handshake(worker, socket, peer, tls).await?;
    let session = Session::of(tls, &stream, clients.as_deref());
    Some((
        Stream::Tls(Box::new(stream)),
        Transport { listener: index, peer, tls: Some(session), redirect, authorizes },
    ))
}

/// Whose connection a proxy passes on. Whoever is no trusted proxy could name anybody, and is not listened to.
async fn passed_on(worker: &Worker, socket: &mut TcpStream, peer: SocketAddr) -> Option<SocketAddr> {
    let plan = worker.plan().shared.clone();
    if !plan.trusts(peer.ip()) {
        worker.metrics().proxy_header("untrusted");
        return None;
    }
    let read = worker.timer().limit(plan.limits.handshake, proxy_protocol::read(socket)).await;
    let (result, client) = match read {
        Ok(Ok(Source::Client(client))) => ("client", Some(client)),
        Ok(Ok(Source::Local)) => ("local", Some(peer)),
        Ok(Err(proxy_protocol::Malformed)) => ("malformed", None),
        Err(Elapsed) => ("timed_out", None),
    };
    worker.metrics().proxy_header(result);
    client
}

async fn handshake(
    worker: &Worker,
    socket: TcpStream,
    peer: SocketAddr,
    tls: &ListenerTls,
) -> Option<(TlsStream, Option<Arc<HandshakeVerifier>>)> {
    let begun = tls.begin();
    let (stream, clients) = match begun {
        Ok(Begun { connection, clients }) => (TlsStream::new(socket, connection), clients),
        Err(error) => {
            worker.metrics().tls_handshake("failed");
            tracing::warn!(%error, "a TLS session cannot begin");
            return None;
        }
    };
    let limit = worker.limits().handshake;
    let done = worker.timer().limit(limit, poll_fn(|cx| stream.poll_handshake(cx))).await;
    let result = match &done {
        Ok(Ok(())) if stream.is_resumed() => "resumed",
        Ok(Ok(())) => "full",
        Ok(Err(_)) => "failed",
        Err(Elapsed) => "timed_out",
    };
    worker.metrics().tls_handshake(result);
    match done {
        Ok(Ok(())) => return Some((stream, clients)),
        Ok(Err(error)) => tracing::debug!(client = %peer.ip(), %error, "a TLS handshake failed"),
        Err(Elapsed) => {}
    }
    None
}

/// What a client speaks, where nothing was agreed on beforehand.
enum Protocol {
    Http1,
    Http2,
}

/// Tells from a client's first bytes what it speaks: the connection preface is HTTP/2 by prior knowledge (RFC 9113 3.3). `None` when it says nothing
/// in time, or the worker is about to end.
async fn spoken(worker: &Worker, reader: &mut Reader) -> Option<Protocol> {
    let limits = worker.limits();
    let timer = worker.timer();
    let first = poll_fn(|cx| {
        if worker.closes_idle() {
            return Poll::Ready(false);
        }
        reader.poll_more(cx).map(|read| matches!(read, Ok(1..)))
    });
    match timer.limit(limits.idle, first).await {
        Ok(true) => {}
        Ok(false) => return None,
        Err(Elapsed) => {
            worker.metrics().limit(Limit::Idle);
            return None;
        }
    }
    let rest = poll_fn(|cx| {
        loop {
            let unread = reader.unread();
            let common =
                unread.iter().zip(http2::PREFACE).take_while(|(sent, preface)| sent == preface).count();
            if common == http2::PREFACE.len() {
                return Poll::Ready(Some(Protocol::Http2));
            }
            if common < unread.len() {
                return Poll::Ready(Some(Protocol::Http1));
            }
            if !matches!(ready!(reader.poll_more(cx)), Ok(1..)) {
                return Poll::Ready(None);
            }
        }
    });
    let protocol = timer.limit_client(limits.header_read, rest).await;
    protocol.unwrap_or_else(|Elapsed| {
        worker.metrics().limit(Limit::HeaderRead);
        None
    })
}
