//! HTTP/2 (RFC 9113) over the `h2` crate: its framing, its HPACK and its flow control, our heads and our limits.
//!
//! A stream is one request, and goes the same way as any other: [`head`] makes the same lines of it that the HTTP/1.1 codec makes, and
//! [`crate::pipeline::answer`] answers them. [`guard`] counts frames as bytes pass, because `h2` does not: what costs a client nothing and us
//! something is bounded per second.

mod bodies;
pub(crate) mod body;
pub(crate) mod client;
mod guard;
mod head;
mod link;
mod piece;
pub(crate) mod server;
mod stream;
pub(crate) mod tunnelled;
mod waiting;

pub(crate) use guard::PREFACE;
pub(crate) use head::RequestHead2;

#[cfg(test)]
mod tests;
