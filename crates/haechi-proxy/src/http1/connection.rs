//! HTTP/1.1 server: serves one client connection, with keep-alive.

use super::body::{BodyError, Decoder, Framing, LAST_CHUNK, encode_chunk};
use super::head::{self, HeadScan, Http1Head};
use super::presence::Presence;
use super::request_body::{Inbound, InboundBody};
use super::response_head::{Coding, Shape, encode_fields, encode_head, encode_interim, encode_lines};
use crate::interim::Interim;
use crate::io::{Charge, Reader, Stream};
use crate::limits::Limit;
use crate::lines::{HeadFault, HeadLimits};
use crate::outcome::Broken;
use crate::panic;
use crate::pipeline::{self, Arrival};
use crate::record::Record;
use crate::request_body::RequestBody;
use crate::response::{Response, ResponseBody};
use crate::settings::Limits;
use crate::ticks::{Elapsed, Ended, Timer};
use crate::trailers;
use crate::transport::Transport;
use crate::websocket::handshake::Upgradable;
use crate::websocket::peer::Peer;
use crate::websocket::tunnel::Tunnel;
use crate::worker::Worker;
use haechi_core::Fields;
use http::StatusCode;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

/// Read so much of a body that nobody wanted, so that the connection can be kept; past it the connection closes.
const DRAIN: usize = 64 * 1024;
/// How long an answer may be silent before it is looked at whether its client has gone. One that ended its half of the connection and waits is served on until then.
const LOOK: Duration = Duration::from_secs(30);

/// Serves requests from `reader`, which may hold the first bytes already, until either side is done with it.
pub(crate) async fn serve(worker: Rc<Worker>, reader: Reader, transport: Rc<Transport>) {
    let stream = reader.stream().clone();
    let interim = Interim::default();
    let inbound = Rc::new(RefCell::new(Inbound {
        reader,
        decoder: Decoder::new(Framing::None, 0),
        waits: false,
        answered: false,
        interim: interim.clone(),
    }));
    let timer = worker.timer();
    let mut connection = Connection { worker, stream, inbound, timer, out: Vec::new(), transport, interim };
    while let Next::Again = connection.exchange().await {}
}

struct Connection {
    worker: Rc<Worker>,
    stream: Rc<Stream>,
    inbound: Rc<RefCell<Inbound>>,
    timer: Timer,
    out: Vec<u8>,
    transport: Rc<Transport>,
    interim: Interim,
}

enum Next {
    Again,
    Close,
}

/// What waiting for a head came to.
enum HeadWait {
    /// With what it holds in memory.
    Head(Box<Http1Head>, Charge),
    /// Answered with a refusal; nothing of it was routed.
    Fault(HeadFault),
    /// The client took too long over it.
    TooSlow,
    /// The client has gone, or was idle for too long.
    Gone,
}

impl Connection {
    /// One request and its answer.
    async fn exchange(&mut self) -> Next {
        let limits = self.worker.limits();
        let (head, held) = match self.await_head(&limits).await {
            HeadWait::Head(head, held) => (head, held),
            HeadWait::Gone => return Next::Close,
            HeadWait::Fault(fault) => return self.refuse_head(Some(fault)).await,
            HeadWait::TooSlow => return self.refuse_head(None).await,
        };
        let (http10, keep_alive) = (head.http10, head.keep_alive);
        let head_only = head.lines.method == http::Method::HEAD;
        let trailers = !http10 && trailers::accepted(&head.lines.fields);
        let body = self.begin_body(&head, &limits);
        let arrival = Arrival {
            transport: self.transport.clone(),
            timer: self.timer.clone(),
            interim: self.interim.clone(),
            upgradable: if http10 { Upgradable::No } else { Upgradable::Connection },
        };
        let worker = self.worker.clone();
        let (answering, _) = panic::answer_safely(&worker, head.lines, body, arrival);
        let response = self.await_answer(answering, http10).await;
        drop(held);
        let Some(response) = response else { return Next::Close };
        let response = match response {
            Response { status, fields, body: ResponseBody::Tunnel(tunnel), record, .. } => {
                self.become_tunnel(status, &fields, tunnel, record, &limits).await;
                return Next::Close;
            }
            other => other,
        };
        let keep = keep_alive
            && !response.close
            && !self.worker.is_draining()
            && self.inbound.borrow().is_to_be_drained(DRAIN);
        let sent = self.send(response, Shape { http10, head_only, trailers, keep }, &limits).await;
        match sent {
            Ok(()) if keep && self.drain_body(&limits).await => return Next::Again,
            Ok(()) if !self.inbound.borrow().decoder.is_done() => self.linger(&limits).await,
            _ => {}
        }
        Next::Close
    }

    async fn await_head(&mut self, limits: &Limits) -> HeadWait {
        let inbound = self.inbound.clone();
        let worker = self.worker.clone();
        let mut skipped = false;
        let idle = poll_fn(|cx| {
            loop {
                let mut inbound = inbound.borrow_mut();
                if !skipped && inbound.reader.unread().starts_with(head::EMPTY_LINE) {
                    // Behind a body it belongs to nothing, and no request has begun.
                    inbound.reader.consume(head::EMPTY_LINE.len());
                    skipped = true;
                }
                if !inbound.reader.unread().is_empty() {
                    return Poll::Ready(true);
                }
                if worker.closes_idle() {
                    return Poll::Ready(false);
                }
                if !matches!(ready!(inbound.reader.poll_more(cx)), Ok(1..)) {
                    return Poll::Ready(false);
                }
            }
        });
        match self.timer.limit(limits.idle, idle).await {
            Ok(true) => {}
            Ok(false) => return HeadWait::Gone,
            Err(Elapsed) => {
                self.worker.metrics().limit(Limit::Idle);
                return HeadWait::Gone;
            }
        }
        let head_limits = limits.head_limits();
        let complete: Complete = if skipped { HeadScan::complete } else { HeadScan::complete_request };
        let mut scan = HeadScan::default();
        if let Some(awaited) = parse(&inbound, &mut scan, complete, head_limits) {
            return awaited;
        }
        let most = head_limits.bytes + head::EMPTY_LINE.len();
        let rest = poll_fn(|cx| {
            loop {
                let read = ready!(inbound.borrow_mut().reader.poll_more_within(cx, most));
                if !matches!(read, Ok(1..)) {
                    return Poll::Ready(HeadWait::Gone);
                }
                if let Some(awaited) = parse(&inbound, &mut scan, complete, head_limits) {
                    return Poll::Ready(awaited);
                }
            }
        });
        self.timer.limit_client(limits.header_read, rest).await.unwrap_or(HeadWait::TooSlow)
    }

    /// The final answer; `None` when the client goes away first. Interim ones leave as they come; an HTTP/1.0 client does not know them (RFC 9110 15.2).
    async fn await_answer(
        &mut self,
        mut answering: impl Future<Output = Response> + Unpin,
        http10: bool,
    ) -> Option<Response> {
        let (mut out, mut written) = (std::mem::take(&mut self.out), 0);
        let mut presence = Presence::watch(&self.timer, &self.stream, &self.inbound);
        let response = poll_fn(|cx| {
            let response = Pin::new(&mut answering).poll(cx);
            while let Some(answer) = self.interim.pop() {
                if !http10 {
                    encode_interim(&mut out, &answer);
                }
            }
            while let Some(rest @ [_, ..]) = out.get(written..) {
                match self.stream.poll_write(cx, rest) {
                    Poll::Ready(Ok(count)) => written += count,
                    // A client that has gone is noticed when the final answer is sent.
                    Poll::Ready(Err(_)) | Poll::Pending => break,
                }
            }
            match response {
                Poll::Ready(response) => Poll::Ready(Some(response)),
                Poll::Pending if presence.is_over() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        drop(presence);
        out.drain(..written);
        self.out = out;
        self.inbound.borrow_mut().answered = true;
        response
    }

    fn begin_body(&self, head: &Http1Head, limits: &Limits) -> RequestBody {
        let mut inbound = self.inbound.borrow_mut();
        inbound.decoder = Decoder::new(head.framing, limits.body);
        inbound.waits = head.expects_continue && head.framing != Framing::None;
        inbound.answered = false;
        if inbound.decoder.is_done() {
            RequestBody::Empty
        } else {
            RequestBody::Http1(InboundBody { inbound: self.inbound.clone(), framing: head.framing })
        }
    }

    /// Tells the client that it was let in, and then carries frames until the end.
    async fn become_tunnel(
        &mut self,
        status: StatusCode,
        fields: &Fields,
        tunnel: Box<Tunnel>,
        mut record: Record,
        limits: &Limits,
    ) {
        encode_lines(&mut self.out, status, fields);
        self.out.extend_from_slice(b"\r\n");
        if let Err(fault) = self.flush(&mut ResponseBody::Full(Vec::new()), limits).await {
            return record.broken(fault);
        }
        self.out = Vec::new();
        let empty = Reader::new(self.stream.clone(), self.worker.buffers().clone());
        let reader = std::mem::replace(&mut self.inbound.borrow_mut().reader, empty);
        // Large, and rare: other connections should not carry its size.
        Box::pin(tunnel.run(&self.worker, Peer::Client(reader), record)).await;
    }

    async fn refuse_head(&mut self, fault: Option<HeadFault>) -> Next {
        let limits = self.worker.limits();
        let response = pipeline::answer_fault(&self.worker, fault, &self.transport);
        let shape = Shape { http10: false, head_only: false, trailers: false, keep: false };
        if self.send(response, shape, &limits).await.is_ok() {
            self.linger(&limits).await;
        }
        Next::Close
    }

    /// Sends an answer, behind what is left of interim ones. An answer that breaks off leaves the connection unusable, so that nobody takes the part for the whole.
    async fn send(&mut self, response: Response, shape: Shape, limits: &Limits) -> Result<(), ()> {
        let Response { status, fields, mut body, mut record, .. } = response;
        if self.out.is_empty() {
            self.out = self.worker.buffers().lend_out();
        }
        let coding = encode_head(&mut self.out, status, &fields, &body, shape);
        let outcome = self.send_body(&mut body, coding, shape.trailers, &mut record, limits).await;
        if let Err(fault) = outcome {
            record.broken(fault);
            if coding == Coding::UntilClose {
                // A plain close would look like the end of the answer.
                self.stream.reset_on_close();
            }
            return Err(());
        }
        record.finished();
        // An idle connection holds nothing.
        self.worker.buffers().give_back_out(std::mem::take(&mut self.out));
        Ok(())
    }

    async fn send_body(
        &mut self,
        body: &mut ResponseBody,
        coding: Coding,
        trailers: bool,
        record: &mut Record,
        limits: &Limits,
    ) -> Result<(), Broken> {
        if coding == Coding::None {
            return self.flush(body, limits).await;
        }
        loop {
            let ready = if self.out.is_empty() {
                Some(self.next(body).await?)
            } else {
                poll_fn(|cx| match body.poll_ready(cx) {
                    Poll::Ready(ready) => Poll::Ready(Some(ready)),
                    Poll::Pending => Poll::Ready(None),
                })
                .await
            };
            match ready {
                Some(Ok(0)) => {
                    if coding == Coding::Chunked {
                        self.end_chunks(body, trailers);
                    }
                    return self.flush(body, limits).await;
                }
                Some(Ok(count)) => {
                    record.sent(count);
                    body.take_into(count, &mut self.out, |out, data| match coding {
                        Coding::Chunked => encode_chunk(out, data),
                        _ => out.extend_from_slice(data),
                    });
                    if self.out.len() < self.worker.buffers().gather() {
                        continue;
                    }
                }
                Some(Err(error)) => {
                    // What arrived before the break is passed on; the break follows it.
                    let _ = self.flush(body, limits).await;
                    return Err(error.of_answer());
                }
                None => {}
            }
            self.flush(body, limits).await?;
        }
    }

    /// Waits for the next bytes of the answer. A stream may be silent for very long, so it is looked at now and then whether the client is still there.
    async fn next(&self, body: &mut ResponseBody) -> Result<Result<usize, BodyError>, Broken> {
        let stall = body.stall();
        let mut silent = Duration::ZERO;
        loop {
            let (uploaded, slice) = (body.uploaded(), LOOK.min(stall.saturating_sub(silent)));
            let holds = body.holds_upload();
            let wait = poll_fn(|cx| body.poll_moved(cx, uploaded));
            let moved = match holds {
                true => self.timer.limit_holding(slice, wait).await,
                false => self.timer.limit(slice, wait).await.map_err(Ended::from),
            };
            match moved {
                Ok(Some(ready)) => return Ok(ready),
                Ok(None) => silent = Duration::ZERO,
                Err(Ended::Pressed) => return Err(Broken::by_silence(Ended::Pressed)),
                Err(Ended::Elapsed) => {
                    silent = silent.saturating_add(slice);
                    if silent >= stall {
                        return Err(Broken::by_silence(Ended::Elapsed));
                    }
                    if self.stream.has_ended() && self.inbound.borrow().reader.unread().is_empty() {
                        return Err("the client went away".into());
                    }
                }
            }
        }
    }

    fn end_chunks(&mut self, body: &mut ResponseBody, trailers: bool) {
        match body.trailers().filter(|_| trailers) {
            Some(fields) => {
                self.out.extend_from_slice(b"0\r\n");
                encode_fields(&mut self.out, &fields);
                self.out.extend_from_slice(b"\r\n");
            }
            None => self.out.extend_from_slice(LAST_CHUNK),
        }
    }

    /// Writes all that waits; the request's body goes on meanwhile.
    async fn flush(&mut self, body: &mut ResponseBody, limits: &Limits) -> Result<(), Broken> {
        let mut written = 0;
        let mut waiting = None;
        while written < self.out.len() {
            let (stream, out, buffers) = (&self.stream, &self.out, self.worker.buffers());
            let write = poll_fn(|cx| {
                body.poll_upload(cx);
                let poll = stream.poll_write(cx, out.get(written..).unwrap_or_default());
                if poll.is_pending() && waiting.is_none() {
                    waiting = Some(buffers.charge(out.capacity() + stream.held_behind()));
                }
                poll
            });
            match self.timer.limit_client(limits.write_stall, write).await {
                Ok(Ok(count)) => written += count,
                Ok(Err(_)) => return Err("the client went away".into()),
                Err(Elapsed) => {
                    self.worker.metrics().limit(Limit::WriteStall);
                    return Err("the client stopped reading".into());
                }
            }
        }
        self.out.clear();
        if self.out.capacity() > 2 * self.worker.buffers().gather() {
            // Memory has become scarce since it grew.
            self.out = Vec::new();
        }
        Ok(())
    }

    /// Reads what is left of a body that nobody wanted. Returns whether the connection can go on.
    async fn drain_body(&mut self, limits: &Limits) -> bool {
        if self.inbound.borrow().decoder.is_done() {
            return true;
        }
        // A client that waits for `100 Continue` may send the body or not: the connection cannot be read on.
        if self.inbound.borrow().waits {
            return false;
        }
        let inbound = self.inbound.clone();
        let mut left = DRAIN;
        let drain = poll_fn(|cx| {
            loop {
                let mut inbound = inbound.borrow_mut();
                let Inbound { reader, decoder, .. } = &mut *inbound;
                match ready!(decoder.poll_ready(cx, reader)) {
                    Ok(0) => return Poll::Ready(true),
                    Ok(count) if count <= left => {
                        left -= count;
                        decoder.consume(reader, count);
                    }
                    _ => return Poll::Ready(false),
                }
            }
        });
        self.timer.limit_client(limits.body_stall, drain).await.unwrap_or(false)
    }

    /// Reads on for a moment after a refusal, however much comes, so that the kernel does not reset the connection before the client has read the answer (RFC 9112 9.6).
    async fn linger(&mut self, limits: &Limits) {
        let Some(_lingering) = self.worker.linger() else { return };
        self.stream.end_writing();
        let inbound = self.inbound.clone();
        let read_on = poll_fn(|cx| {
            let mut inbound = inbound.borrow_mut();
            loop {
                let unread = inbound.reader.unread().len();
                inbound.reader.consume(unread);
                if !matches!(ready!(inbound.reader.poll_more(cx)), Ok(1..)) {
                    return Poll::Ready(());
                }
            }
        });
        let _ = self.timer.limit_client(limits.linger, read_on).await;
    }
}

/// Where a head ends, if it is all there.
type Complete = fn(&mut HeadScan, &[u8], HeadLimits) -> Result<Option<usize>, HeadFault>;

fn parse(
    inbound: &RefCell<Inbound>,
    scan: &mut HeadScan,
    complete: Complete,
    limits: HeadLimits,
) -> Option<HeadWait> {
    let mut inbound = inbound.borrow_mut();
    let unread = inbound.reader.unread();
    let awaited = match complete(scan, unread, limits) {
        Ok(None) => return None,
        Err(fault) => HeadWait::Fault(fault),
        Ok(Some(length)) => match head::request(unread.get(..length).unwrap_or_default(), limits) {
            Ok(head) => {
                inbound.reader.consume(length);
                let charge = inbound.reader.buffers().charge(length);
                HeadWait::Head(Box::new(head), charge)
            }
            Err(fault) => HeadWait::Fault(fault),
        },
    };
    Some(awaited)
}
