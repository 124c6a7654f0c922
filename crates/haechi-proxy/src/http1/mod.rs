//! Our own strict HTTP/1.1 (RFC 9112): one parser, ours, over `httparse` for the tokens.
//!
//! Whatever two parsers could read differently is refused: bare LF, both framings, doubled lengths, folded lines, odd chunk sizes, a `#` in the
//! target. What leaves is framed anew.

pub(crate) mod body;
mod chunk_extension;
pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod head;
mod presence;
pub(crate) mod request_body;
mod response_head;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
