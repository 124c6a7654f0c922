//! The facts of one request, from which everything is decided.

use haechi_core::{Caller, RequestHead};

/// Who asks for what, on which route.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The request.
    pub head: &'a RequestHead,
    /// The route's index.
    pub route: usize,
    /// Who is calling.
    pub caller: &'a Caller,
}
