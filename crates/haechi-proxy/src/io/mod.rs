//! The bytes of a connection: a stream that reads and writes through a shared handle, plain or TLS, and buffers that idle connections do not
//! hold.

mod buffers;
mod reader;
mod stream;
mod tls;

pub(crate) use buffers::{Buffers, Charge};
pub(crate) use reader::Reader;
pub(crate) use stream::Stream;
pub(crate) use tls::TlsStream;
