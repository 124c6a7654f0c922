//! Interim responses (1xx, RFC 9110 15.2) on their way to the client, while the final one is awaited.

use haechi_core::Fields;
use http::StatusCode;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// The interim answers of one exchange, in order. Whoever learns of one pushes it; the codec that awaits the final answer sends what waits.
#[derive(Clone, Default)]
pub(crate) struct Interim(Rc<RefCell<VecDeque<InterimAnswer>>>);

/// One of them. It has no body.
pub(crate) struct InterimAnswer {
    /// 100 or 102 to 199.
    pub(crate) status: StatusCode,
    /// Without framing and hop-by-hop fields.
    pub(crate) fields: Fields,
}

impl Interim {
    /// Appends one. How many a backend may send is bounded where its answers are read.
    pub(crate) fn push(&self, status: StatusCode, fields: Fields) {
        self.0.borrow_mut().push_back(InterimAnswer { status, fields });
    }

    /// Takes the first that waits.
    pub(crate) fn pop(&self) -> Option<InterimAnswer> {
        self.0.borrow_mut().pop_front()
    }
}
