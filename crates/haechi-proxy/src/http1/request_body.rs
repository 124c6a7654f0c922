//! The body of a request on an HTTP/1.1 connection.

use super::body::{BodyError, Decoder, Framing, LAST_CHUNK};
use crate::interim::Interim;
use crate::io::Reader;
use haechi_core::Fields;
use http::StatusCode;
use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};

/// What is shared between the connection and the body of the request in progress.
pub(crate) struct Inbound {
    pub(super) reader: Reader,
    pub(super) decoder: Decoder,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(super) waits: bool,
    /// Whether the final answer is on its way: no interim one may follow it.
    pub(super) answered: bool,
    pub(super) interim: Interim,
}

impl Inbound {
    /// Whether what is left of the body will be read after the answer, so that the connection can be kept. A client that is told of a close beforehand does not send
    /// its next request into it.
    pub(super) fn is_to_be_drained(&self, most: usize) -> bool {
        match self.decoder.left() {
            Some(0) => true,
            // A client that waits for `100 Continue` may send the body or not.
            _ if self.waits => false,
            Some(left) => left <= most as u64,
            None => self.reader.unread().ends_with(LAST_CHUNK),
        }
    }
}

/// The body of an HTTP/1.1 request.
pub(crate) struct InboundBody {
    pub(super) inbound: Rc<RefCell<Inbound>>,
    pub(super) framing: Framing,
}

impl InboundBody {
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, BodyError>> {
        let mut inbound = self.inbound.borrow_mut();
        let Inbound { reader, decoder, waits, answered, interim } = &mut *inbound;
        if *waits && !*answered {
            if reader.unread().is_empty() {
                interim.push(StatusCode::CONTINUE, Fields::default());
            }
            *waits = false;
        }
        decoder.poll_ready(cx, reader)
    }

    pub(crate) fn take_into(
        &mut self,
        count: usize,
        out: &mut Vec<u8>,
        encode: impl FnOnce(&mut Vec<u8>, &[u8]),
    ) {
        let mut inbound = self.inbound.borrow_mut();
        let Inbound { reader, decoder, .. } = &mut *inbound;
        encode(out, reader.unread().get(..count).unwrap_or_default());
        decoder.consume(reader, count);
    }

    pub(crate) const fn length(&self) -> Option<u64> {
        self.framing.length()
    }

    pub(crate) fn limit(&mut self, bytes: u64) {
        self.inbound.borrow_mut().decoder = Decoder::new(self.framing, bytes);
    }
}
