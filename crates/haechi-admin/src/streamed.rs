//! Answers that are longer than they may stand in memory, and answers that go on.

use crate::answer::Answer;
use crate::error::{AdminError, Success};
use crate::shape::Schemas;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use serde_json::{Value, json};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::Receiver;

/// JSON lines, as they come. An empty one says that something went wrong: the answer breaks off, and no client takes it for whole.
pub(crate) struct Lines(pub(crate) Receiver<Vec<u8>>);

/// Server-sent events, as they come.
pub(crate) struct Events(pub(crate) Receiver<Vec<u8>>);

impl Answer for Lines {
    fn describe(_: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)> {
        let schema = json!({ "type": "string", "description": "A JSON object on each line." });
        vec![(Success::Shown, Some(("application/x-ndjson", schema)))]
    }

    fn answer(self) -> Result<Response, AdminError> {
        Ok(streamed("application/x-ndjson", self.0))
    }
}

impl Answer for Events {
    fn describe(_: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)> {
        let schema = json!({ "type": "string", "description": "Server-sent events." });
        vec![(Success::Shown, Some(("text/event-stream", schema)))]
    }

    fn answer(self) -> Result<Response, AdminError> {
        Ok(streamed("text/event-stream", self.0))
    }
}

/// The same answer, with `guard` until its last byte has been taken, or it is given up.
pub(crate) fn held(response: Response, guard: impl Send + Unpin + 'static) -> Response {
    response.map(|body| Body::new(Held { body, _guard: guard }))
}

/// A body with something that is kept as long.
struct Held<G> {
    body: Body,
    _guard: G,
}

impl<G: Unpin> HttpBody for Held<G> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn streamed(kind: &'static str, pieces: Receiver<Vec<u8>>) -> Response {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
    Success::Shown.answer(headers, Body::new(Pieces(pieces)))
}

/// A body of pieces that are made while it is read; bounded, so that whoever makes them waits for whoever reads.
struct Pieces(Receiver<Vec<u8>>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|piece| {
            let piece = piece?;
            let whole = if piece.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(piece) };
            Some(whole.map(|piece| Frame::data(piece.into())))
        })
    }
}
