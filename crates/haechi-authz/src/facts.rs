//! The facts of one request, from which everything is decided.

use crate::{RouteIndex, Vocabulary};
use haechi_core::token::is_printable;
use haechi_core::{Caller, RequestHead};

/// Who asks for what, on which route.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The request.
    pub head: &'a RequestHead,
    /// The route's index.
    pub route: RouteIndex,
    /// Who is calling.
    pub caller: &'a Caller,
}

impl<'a> Facts<'a> {
    /// The path parameters, in the order of the pattern.
    pub fn params<'b>(&self, vocabulary: &'b Vocabulary) -> impl Iterator<Item = (&'b str, &'b str)>
    where
        'a: 'b,
    {
        let path = self.head.path.as_str();
        vocabulary.route(self.route).into_iter().flat_map(move |route| route.params(path))
    }

    /// A declared request header, by its name in policies.
    ///
    /// # Errors
    /// When it was sent twice or is not printable ASCII. Such requests are refused before anything is decided.
    pub fn header(&self, vocabulary: &Vocabulary, name: &str) -> Result<Option<&'a str>, String> {
        let Some(field) = vocabulary.headers.get(name) else { return Ok(None) };
        let value = self.head.fields.sole_named(field.as_bytes());
        let value = value.map_err(|_| format!("the header `{field}` was sent twice"))?;
        let readable = |value: &'a [u8]| match std::str::from_utf8(value) {
            Ok(text) if is_printable(value) => Ok(text),
            _ => Err(format!("the header `{field}` is not printable ASCII")),
        };
        value.map(readable).transpose()
    }
}
