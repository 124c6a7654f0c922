//! Catches panics: a panic costs the request that it happened in, and nothing else.
//!
//! What it leaves behind is sound: borrows of shared cells end as the stack unwinds, counters are given back by guards, and the connections of
//! the request, whose state is unknown, are closed.

use crate::authorizer::{self, Asker};
use crate::lines::RequestLines;
use crate::pipeline::{self, Arrival};
use crate::record::Record;
use crate::refusal::{Refusal, Refused};
use crate::reply::ReplyContext;
use crate::request_body::RequestBody;
use crate::respond;
use crate::response::Response;
use crate::transport::Transport;
use crate::worker::Worker;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

const WHY: &str = "a panic while the request was handled";

/// Answers one request, as [`pipeline::answer`] does; a panic on the way is answered 500, and the client's connection is to be closed.
///
/// The future of an exchange is large, and boxed here: idle connections should not carry it. Its size in bytes is told as well, for those who count
/// what a client can make the gate keep.
pub(crate) fn answer_safely(
    worker: &Rc<Worker>,
    lines: RequestLines,
    body: RequestBody,
    arrival: Arrival,
) -> (impl Future<Output = Response> + Unpin, usize) {
    let transport = arrival.transport.clone();
    let asker = if transport.authorizes { Asker::of(&lines.path) } else { None };
    let mut work = Box::pin(pipeline::answer(worker, lines, body, arrival));
    let size = size_of_val(&*work);
    let answering = poll_fn(move |cx| {
        poll_caught(work.as_mut(), cx).map(|done| done.unwrap_or_else(|| broken(worker, &transport, asker)))
    });
    (answering, size)
}

/// Serves a connection to its end, which is also a panic outside of [`answer_safely`].
pub(crate) async fn serve_safely(worker: &Rc<Worker>, mut work: Pin<&mut impl Future<Output = ()>>) {
    if poll_fn(|cx| poll_caught(work.as_mut(), cx)).await.is_none() {
        worker.metrics().panicked();
        if let Some(mut record) = worker.recorder().take_panicked() {
            record.broken(WHY);
        }
    }
}

/// `None` when it panicked: then it must not be polled again.
fn poll_caught<F: Future>(work: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
    match catch_unwind(AssertUnwindSafe(|| work.poll(cx))) {
        Ok(poll) => poll.map(Some),
        // The panic hook has told where it happened.
        Err(_) => Poll::Ready(None),
    }
}

fn broken(worker: &Rc<Worker>, transport: &Transport, asker: Option<Asker>) -> Response {
    worker.metrics().panicked();
    let record = worker.recorder().take_panicked().unwrap_or_else(|| {
        let id = worker.request_id();
        Record::of_connection(worker.recorder(), id, worker.now(), transport.peer.ip().to_canonical())
    });
    let line = record.line();
    let to = ReplyContext {
        id: line.id,
        received: line.received,
        decision: line.decision,
        format: record.format(),
    };
    let mut response = respond::refuse(Refused::new(Refusal::Internal, WHY), to, record);
    response.close = true;
    if transport.authorizes { authorizer::after_fault(asker, response) } else { response }
}
