//! WebSocket (RFC 6455): a request that goes the way of every request, and then a tunnel between client and backend.
//!
//! [`handshake`] reads what the client asks and makes a handshake of our own for the backend; [`tunnel`] carries both directions with bounded
//! memory; [`frames`] follows frame headers, so that the gate can say a Close of its own between two frames; [`recheck`] judges the opening
//! request again, once a second: a WebSocket lives as long as its request would be let through.

mod direction;
pub(crate) mod frames;
pub(crate) mod handshake;
pub(crate) mod peer;
mod recheck;
pub(crate) mod tunnel;

use crate::forwarding::Forwarding;
use crate::http1::client::UpstreamBody;
use crate::lines::ResponseLines;
use crate::outcome::RequestOutcome;
use crate::record::Record;
use crate::refusal::{Refusal, Refused};
use crate::respond::{self, refuse};
use crate::response::{Response, ResponseBody};
use crate::response_fields::end_to_end;
use crate::settings::Service;
use crate::subprotocols;
use haechi_authn::chain::Chain;
use haechi_authz::Permitted;
use haechi_core::Fields;
use handshake::Handshake;
use recheck::OpeningRequest;
use tunnel::Tunnel;

/// Lets a client in whose backend has switched: the answer carries the tunnel, which the client's codec runs.
pub(crate) fn open(
    request: &Forwarding<'_>,
    handshake: &Handshake,
    (lines, body): (ResponseLines, UpstreamBody),
    permitted: Permitted,
    service: &Service,
    mut record: Record,
) -> Response {
    if let Err(why) = handshake.check_answer(&lines.fields) {
        return refuse(Refused::new(Refusal::BadGateway, why), request.to, record);
    }
    let places = request.plan.chain(request.route_index).map_or(&[][..], Chain::places);
    let chosen = subprotocols::chosen(&permitted.head().fields, places).map(<[u8]>::to_vec);
    let extended = handshake::is_extended(&lines.fields);
    let opening = OpeningRequest::new(request.worker, &request.transport, permitted, &service.name);
    let Some(tunnel) = Tunnel::new(body, opening, extended) else {
        let why = "the backend's connection cannot become a tunnel";
        return refuse(Refused::new(Refusal::Internal, why), request.to, record);
    };
    let mut fields = Fields::with_capacity(lines.fields.len() + 4, 512);
    let passing = end_to_end(lines.fields, &service.settings.identity_headers);
    for field in passing.iter().filter(|field| !handshake::ends_here(field.name)) {
        fields.push(field.name, field.value);
    }
    request.plan.shared.logins.keep_own_cookies(&mut fields);
    fields.push(b"x-request-id", &request.to.id.hex());
    if !fields.iter().any(|field| field.name == subprotocols::NAME)
        && let Some(chosen) = chosen
    {
        fields.push(subprotocols::NAME, &chosen);
    }
    let status = respond::websocket(handshake.answer(&mut fields));
    record.answered(status, RequestOutcome::Forwarded);
    Response { status, fields, body: ResponseBody::Tunnel(Box::new(tunnel)), close: false, record }
}
