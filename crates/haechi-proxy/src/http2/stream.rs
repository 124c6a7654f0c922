//! One stream: a request, its way through the pipeline, and its answer.

use super::bodies::Bodies;
use super::body::{Data, InboundBody};
use super::head::{self, Http2Head};
use super::piece::{Piece, PiecesInTransit};
use super::tunnelled::Tunnelled;
use crate::grpc;
use crate::http1::body::BodyError;
use crate::interim::{Interim, InterimAnswer};
use crate::io::Buffers;
use crate::outcome::{Broken, LostAccess};
use crate::panic;
use crate::pipeline::{self, Arrival};
use crate::record::Record;
use crate::request_body::RequestBody;
use crate::response::{Response, ResponseBody};
use crate::settings::Limits;
use crate::ticks::{Elapsed, Ended, Timer};
use crate::transport::Transport;
use crate::websocket::handshake::Upgradable;
use crate::websocket::peer::Peer;
use crate::websocket::tunnel::Tunnel;
use crate::worker::Worker;
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use haechi_core::Fields;
use http::{Method, StatusCode};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// The most that is handed to `h2` at once, in bytes: a frame of the size that every peer takes.
const PIECE: usize = 16 * 1024;

/// How many turns a connection gets to write the last bytes before a stream is reset.
const TURNS: usize = 64;

/// Answers the request on a stream.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    transport: Rc<Transport>,
    request: http::Request<RecvStream>,
    respond: SendResponse<Piece>,
    bodies: Rc<Bodies>,
) {
    let limits = worker.limits();
    let timer = worker.timer();
    let respond = Rc::new(RefCell::new(respond));
    let (mut parts, recv) = request.into_parts();
    let upgradable = upgradable(&mut parts, &recv);
    let head_only = parts.method == Method::HEAD;
    let data = (!recv.is_end_stream()).then(|| bodies.begin(recv, worker.buffers()));
    let response = match head::request(parts, limits.head_limits()) {
        Ok(head) => {
            let interim = Interim::default();
            let body = match upgradable {
                Upgradable::Stream => RequestBody::Empty,
                _ => body(&head, data.as_ref(), &interim, &limits),
            };
            let arrival = Arrival { transport, timer: timer.clone(), interim: interim.clone(), upgradable };
            let (answering, size) = panic::answer_safely(&worker, head.lines, body, arrival);
            let held = worker.buffers().charge(size);
            // A request that the client has reset is given up at once, wherever it stands.
            let Some(response) = unless_reset(answering, &interim, &respond).await else { return };
            drop(held);
            response
        }
        Err(fault) => pipeline::answer_fault(&worker, Some(fault), &transport),
    };
    let response = match (response, &data) {
        (Response { status, fields, body: ResponseBody::Tunnel(tunnel), record, .. }, Some(data)) => {
            let head = Head { status, fields };
            return become_tunnel(&worker, &respond, head, data.clone(), tunnel, record).await;
        }
        (response, _) => response,
    };
    let answer = Answer {
        timer,
        limits,
        respond,
        buffers: worker.buffers().clone(),
        passing: PiecesInTransit::default(),
    };
    let sent = answer.send(response, head_only).await;
    if let (Ok(()), Some(data)) = (sent, data)
        && let Some(_lingering) = worker.linger()
    {
        answer.drain(&data).await;
    }
}

/// Whether a stream asks for a WebSocket (RFC 8441 4). Then it is a `GET` from here on; any other CONNECT stays what it is, and is refused.
fn upgradable(parts: &mut http::request::Parts, recv: &RecvStream) -> Upgradable {
    let protocol = parts.extensions.get::<Protocol>();
    let asks = protocol.is_some_and(|protocol| protocol.as_str() == "websocket");
    if parts.method == Method::CONNECT && asks && !recv.is_end_stream() {
        parts.method = Method::GET;
        return Upgradable::Stream;
    }
    Upgradable::No
}

struct Head {
    status: StatusCode,
    fields: Fields,
}

/// Tells the client that it was let in, and then carries frames until the end.
async fn become_tunnel(
    worker: &Rc<Worker>,
    respond: &RefCell<SendResponse<Piece>>,
    head: Head,
    data: Rc<RefCell<Data>>,
    tunnel: Box<Tunnel>,
    mut record: Record,
) {
    let mut response = http::Response::new(());
    *response.status_mut() = head.status;
    let Some(fields) = head::header_map(&head.fields) else {
        respond.borrow_mut().send_reset(Reason::INTERNAL_ERROR);
        return record.broken("the answer's fields cannot be said in HTTP/2");
    };
    *response.headers_mut() = fields;
    let sent = respond.borrow_mut().send_response(response, false);
    match sent {
        Ok(out) => {
            let client = Peer::Stream(Box::new(Tunnelled::new(data, out, worker.buffers().clone())));
            // Large, and rare: other streams should not carry its size.
            Box::pin(tunnel.run(worker, client, record)).await;
        }
        Err(_) => record.broken(WENT_AWAY),
    }
}

fn body(
    head: &Http2Head,
    data: Option<&Rc<RefCell<Data>>>,
    interim: &Interim,
    limits: &Limits,
) -> RequestBody {
    let Some(data) = data else { return RequestBody::Empty };
    let waiting = head.expects_continue.then(|| interim.clone());
    RequestBody::Http2(InboundBody::new(data.clone(), head.length, limits.body, waiting))
}

/// The final answer, after the interim ones; `None` when the client resets the stream, or goes away, first.
async fn unless_reset(
    mut answering: impl Future<Output = Response> + Unpin,
    interim: &Interim,
    respond: &RefCell<SendResponse<Piece>>,
) -> Option<Response> {
    poll_fn(|cx| {
        let response = Pin::new(&mut answering).poll(cx);
        let mut respond = respond.borrow_mut();
        while let Some(answer) = interim.pop() {
            send_interim(&mut respond, answer);
        }
        match response {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => respond.poll_reset(cx).map(|_| None),
        }
    })
    .await
}

fn send_interim(respond: &mut SendResponse<Piece>, answer: InterimAnswer) {
    let mut head = http::Response::new(());
    *head.status_mut() = answer.status;
    *head.headers_mut() = head::header_map(&answer.fields).unwrap_or_default();
    // A client that has gone is noticed when the final answer is sent.
    let _ = respond.send_informational(head);
}

/// How a gRPC call ends whose access was taken away: clients read the status from the trailers, also in the middle of a message.
fn grpc_status_of(lost: LostAccess) -> http::HeaderMap {
    let (status, message) = match lost.unauthenticated {
        true => ("16", "the credentials are not valid any more"),
        false => ("7", "this caller may not do this any more"),
    };
    let mut trailers = http::HeaderMap::with_capacity(2);
    trailers.insert("grpc-status", http::HeaderValue::from_static(status));
    trailers.insert("grpc-message", http::HeaderValue::from_static(message));
    trailers
}

/// Sends one answer.
struct Answer {
    timer: Timer,
    limits: Limits,
    respond: Rc<RefCell<SendResponse<Piece>>>,
    buffers: Buffers,
    passing: PiecesInTransit,
}

impl Answer {
    /// An answer that breaks off resets the stream, so that nobody takes the part for the whole, unless its trailers say that it broke off.
    async fn send(&self, response: Response, head_only: bool) -> Result<(), ()> {
        let Response { status, fields, mut body, mut record, .. } = response;
        let outcome = self.send_message(status, &fields, &mut body, &mut record, head_only).await;
        match outcome {
            Ok(None) => {
                record.finished();
                Ok(())
            }
            Ok(Some(why)) => {
                record.broken(why);
                Ok(())
            }
            Err(why) => {
                self.respond.borrow_mut().send_reset(Reason::INTERNAL_ERROR);
                record.broken(why);
                Err(())
            }
        }
    }

    async fn send_message(
        &self,
        status: StatusCode,
        fields: &Fields,
        body: &mut ResponseBody,
        record: &mut Record,
        head_only: bool,
    ) -> Result<Option<Broken>, Broken> {
        let mut map = head::header_map(fields).ok_or("the answer's fields cannot be said in HTTP/2")?;
        if let Some(length) = body.length()
            && status != StatusCode::NO_CONTENT
            // A gRPC answer that is all trailers has no body to tell the length of.
            && !(length == 0 && fields.iter().any(|field| field.name == b"grpc-status"))
        {
            map.insert(http::header::CONTENT_LENGTH, length.into());
        }
        let mut head = http::Response::new(());
        *head.status_mut() = status;
        *head.headers_mut() = map;
        let bodiless = head_only || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let ends = bodiless || body.is_over();
        let sent = self.respond.borrow_mut().send_response(head, ends);
        let mut out = sent.map_err(|_| WENT_AWAY)?;
        let grpc = grpc::content_type(fields) == Some(grpc::NATIVE);
        if ends { Ok(None) } else { self.send_body(body, &mut out, record, grpc).await }
    }

    /// Waits a moment for the end of a request's body that nobody wanted. A reset at once would make some clients overlook the answer.
    async fn drain(&self, data: &RefCell<Data>) {
        let _ = self.timer.limit(self.limits.linger, poll_fn(|cx| data.borrow_mut().poll_drain(cx))).await;
    }

    async fn send_body(
        &self,
        body: &mut ResponseBody,
        out: &mut SendStream<Piece>,
        record: &mut Record,
        grpc: bool,
    ) -> Result<Option<Broken>, Broken> {
        let mut piece = Vec::new();
        loop {
            let ready =
                if piece.is_empty() { Some(self.next(body, out).await?) } else { poll_now(body).await };
            match ready {
                Some(Ok(0)) => return self.end(body, out, &mut piece).map(|()| None),
                Some(Ok(count)) => {
                    out.reserve_capacity(piece.len() + count.min(PIECE));
                    let room = out.capacity().saturating_sub(piece.len());
                    if room == 0 && piece.is_empty() {
                        self.room(body, out).await?;
                        continue;
                    }
                    let count = count.min(room);
                    record.sent(count);
                    body.take_into(count, &mut piece, |out, data| out.extend_from_slice(data));
                    if count > 0 && piece.len() < PIECE {
                        continue;
                    }
                }
                Some(Err(error)) => {
                    // What arrived before the break is passed on; the break follows it.
                    self.hand_over(out, &mut piece, false)?;
                    if let (BodyError::AccessLost(lost), true) = (&error, grpc) {
                        out.send_trailers(grpc_status_of(*lost)).map_err(|_| WENT_AWAY)?;
                        return Ok(Some(error.of_answer()));
                    }
                    self.pass().await;
                    return Err(error.of_answer());
                }
                None => {}
            }
            self.hand_over(out, &mut piece, false)?;
        }
    }

    /// Waits for the next bytes of the answer.
    async fn next(
        &self,
        body: &mut ResponseBody,
        out: &mut SendStream<Piece>,
    ) -> Result<Result<usize, BodyError>, Broken> {
        let stall = body.stall();
        loop {
            let (uploaded, holds) = (body.uploaded(), body.holds_upload());
            let wait = poll_fn(|cx| match body.poll_moved(cx, uploaded) {
                Poll::Ready(moved) => Poll::Ready(Ok(moved)),
                Poll::Pending => gone(out, cx),
            });
            let moved = match holds {
                true => self.timer.limit_holding(stall, wait).await,
                false => self.timer.limit(stall, wait).await.map_err(Ended::from),
            };
            if let Some(ready) = moved.map_err(Broken::by_silence)?? {
                return Ok(ready);
            }
        }
    }

    /// Waits until the client takes more; the request's body goes on meanwhile.
    async fn room(&self, body: &mut ResponseBody, out: &mut SendStream<Piece>) -> Result<(), Broken> {
        let wait = poll_fn(|cx| {
            body.poll_upload(cx);
            match out.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => Poll::Ready(Ok(())),
                Poll::Ready(_) => Poll::Ready(Err(WENT_AWAY.into())),
                Poll::Pending => gone(out, cx),
            }
        });
        // What was read for the client is held meanwhile: where memory is short, it does not wait to the end.
        self.timer
            .limit_client(self.limits.write_stall, wait)
            .await
            .map_err(|Elapsed| "the client stopped reading")?
    }

    /// Gives the connection some turns to write what it was given: a reset takes back what it has not written. A client that takes nothing is not waited for.
    async fn pass(&self) {
        for _ in 0..TURNS {
            if self.passing.is_over() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    fn end(
        &self,
        body: &mut ResponseBody,
        out: &mut SendStream<Piece>,
        piece: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        match body.trailers().and_then(|fields| head::header_map(&fields)) {
            None => self.hand_over(out, piece, true),
            Some(trailers) => {
                self.hand_over(out, piece, false)?;
                out.send_trailers(trailers).map_err(|_| WENT_AWAY.into())
            }
        }
    }

    /// Gives a piece to `h2`, which keeps it until the client takes it.
    fn hand_over(&self, out: &mut SendStream<Piece>, piece: &mut Vec<u8>, ends: bool) -> Result<(), Broken> {
        if piece.is_empty() && !ends {
            return Ok(());
        }
        let piece = Piece::new(std::mem::take(piece), &self.buffers).of(&self.passing);
        out.send_data(piece, ends).map_err(|_| WENT_AWAY.into())
    }
}

const WENT_AWAY: &str = "the client went away";

fn gone<T>(out: &mut SendStream<Piece>, cx: &mut Context<'_>) -> Poll<Result<T, Broken>> {
    out.poll_reset(cx).map(|_| Err(WENT_AWAY.into()))
}

/// What is ready without waiting.
async fn poll_now(body: &mut ResponseBody) -> Option<Result<usize, BodyError>> {
    poll_fn(|cx| match body.poll_ready(cx) {
        Poll::Ready(ready) => Poll::Ready(Some(ready)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
