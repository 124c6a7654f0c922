//! Accept: from what a codec read to the one canonical request. From here on nothing looks at the wire again.

use crate::client_address::{self, Origin};
use crate::headers;
use crate::lines::RequestLines;
use crate::plan::Plan;
use crate::refusal::{Refusal, Refused};
use crate::transport::Transport;
use crate::websocket::handshake::{BadHandshake, Handshake, Upgradable};
use haechi_core::id::RequestId;
use haechi_core::method::NAMED_METHODS;
use haechi_core::{CanonicalPath, ConnectionFacts, RequestHead, Timestamp};
use http::Method;

/// What is known of a request besides its head.
pub(crate) struct Arrived<'a> {
    pub(crate) id: RequestId,
    /// When its head was complete.
    pub(crate) received: Timestamp,
    /// What it came over.
    pub(crate) transport: &'a Transport,
    /// What requests are told of that.
    pub(crate) connection: ConnectionFacts,
    /// What its connection or stream can become.
    pub(crate) upgradable: Upgradable,
}

/// A request that can be read in one way only.
pub(crate) struct Accepted {
    pub(crate) head: Box<RequestHead>,
    pub(crate) origin: Origin,
    /// The handshake where it asks for a WebSocket.
    pub(crate) websocket: Option<Handshake>,
}

/// A request that could be read in two ways, with what is known of it for the record.
pub(crate) struct NotAccepted {
    pub(crate) refused: Refused,
    pub(crate) lines: RequestLines,
}

/// Makes the canonical request, or says why there is none. `nonce` is for our own WebSocket handshake.
pub(crate) fn accept(
    lines: RequestLines,
    arrived: &Arrived<'_>,
    plan: &Plan,
    nonce: impl FnOnce() -> u128,
) -> Result<Accepted, Box<NotAccepted>> {
    match check(&lines, arrived, plan, nonce) {
        Ok((path, origin, websocket)) => {
            let RequestLines { method, host, query, fields, .. } = lines;
            let Arrived { id, received, connection, .. } = arrived;
            let head = RequestHead::new(*id, *received, connection.clone(), method, host, path)
                .with_query(query)
                .with_fields(fields)
                .with_client(origin.client, origin.secure);
            Ok(Accepted { head: Box::new(head), origin, websocket })
        }
        Err(refused) => Err(Box::new(NotAccepted { refused, lines })),
    }
}

/// Where the request is over `https`.
fn over_https(lines: &RequestLines, path: &CanonicalPath, port: u16) -> Refused {
    if lines.host.is_unnamed() {
        return Refused::new(Refusal::BadRequest, "the request names no host that it could be sent to");
    }
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let query = lines.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
    let location = format!("https://{}{port}{}{query}", lines.host.name(), path.as_str());
    let refusal = Refusal::Redirect { location: location.into() };
    Refused::new(refusal, "the listener sends every request to https")
}

fn check(
    lines: &RequestLines,
    arrived: &Arrived<'_>,
    plan: &Plan,
    nonce: impl FnOnce() -> u128,
) -> Result<(CanonicalPath, Origin, Option<Handshake>), Refused> {
    if lines.method == Method::CONNECT || lines.method == Method::TRACE {
        let allow = NAMED_METHODS.to_vec();
        return Err(Refused::new(Refusal::MethodNotAllowed(allow), "the method is never forwarded"));
    }
    let path = CanonicalPath::parse(&lines.path).map_err(bad_request)?;
    if let Some(port) = arrived.transport.redirect {
        return Err(over_https(lines, &path, port));
    }
    headers::check_connection(&lines.fields, &plan.guarded).map_err(bad_request)?;
    headers::check_context(&lines.fields, &plan.context_headers).map_err(bad_request)?;
    let session = arrived.transport.tls.as_ref();
    if !lines.host.is_unnamed() && session.is_some_and(|session| !session.covers(lines.host.name())) {
        let reason = "the host has another certificate than the connection was opened with";
        return Err(Refused::new(Refusal::Misdirected, reason));
    }
    if !arrived.transport.is_believed(plan, arrived.received) {
        let reason =
            "the client's certificate was revoked, or is of an authority that the listener no longer names";
        return Err(Refused::new(Refusal::CertificateNotBelieved, reason));
    }
    let websocket = Handshake::of(lines, arrived.upgradable, nonce).map_err(|fault| {
        let refusal = match fault {
            BadHandshake::Malformed(_) => Refusal::BadRequest,
            BadHandshake::Version => Refusal::UpgradeRequired,
        };
        Refused::new(refusal, fault.to_string())
    })?;
    let ConnectionFacts { peer, tls, .. } = &arrived.connection;
    let origin = client_address::origin(&lines.fields, peer.ip(), tls.is_some(), &plan.trusted_proxies);
    Ok((path, origin, websocket))
}

fn bad_request(fault: impl std::fmt::Display) -> Refused {
    Refused::new(Refusal::BadRequest, fault.to_string())
}
