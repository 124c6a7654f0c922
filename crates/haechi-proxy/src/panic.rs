//! A panic costs the request that it happened in, and nothing else.
//!
//! What it leaves behind is sound: borrows of shared cells end as the stack unwinds, counters are given back by guards, and the connections of
//! the request, whose state is unknown, are closed.

use crate::connection::Transport;
use crate::lines::RequestLines;
use crate::message::{RequestBody, Response};
use crate::pipeline::{self, Arrival};
use crate::record::Entry;
use crate::respond::{Addressee, Refusal};
use crate::worker::Worker;
use haechi_core::id::RequestId;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

const WHY: &str = "the gate panicked";

/// Answers one request, as [`pipeline::answer`] does; a panic on the way is answered 500, and the client's connection is to be closed.
///
/// The future of an exchange is large, and boxed here: idle connections should not carry it.
pub(crate) fn answer_safely(
    worker: &Rc<Worker>,
    lines: RequestLines,
    body: RequestBody,
    arrival: Arrival,
) -> impl Future<Output = Response> + Unpin {
    let transport = arrival.transport.clone();
    let mut work = Box::pin(pipeline::answer(worker, lines, body, arrival));
    poll_fn(move |cx| {
        poll_caught(work.as_mut(), cx).map(|done| done.unwrap_or_else(|| broken(worker, &transport)))
    })
}

/// Serves a connection to its end, which is also a panic outside of [`answer_safely`].
pub(crate) async fn serve_safely(worker: &Rc<Worker>, mut work: Pin<&mut impl Future<Output = ()>>) {
    if poll_fn(|cx| poll_caught(work.as_mut(), cx)).await.is_none() {
        worker.metrics().panicked();
        if let Some(mut entry) = worker.take_broken() {
            entry.broken(WHY);
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

fn broken(worker: &Rc<Worker>, transport: &Transport) -> Response {
    worker.metrics().panicked();
    let mut entry = worker.take_broken().unwrap_or_else(|| {
        let id = RequestId::from_bits(worker.random_bits());
        Entry::of_connection(worker, id, worker.now(), transport.peer.ip().to_canonical())
    });
    entry.reason(WHY);
    let line = entry.line();
    let to =
        Addressee { id: line.id, received: line.received, decision: line.decision, taste: entry.taste() };
    let mut response = pipeline::refuse(&Refusal::Internal, to, entry);
    response.close = true;
    response
}
