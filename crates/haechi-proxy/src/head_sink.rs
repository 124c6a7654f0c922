//! Where the head of a request to a backend is written.

use crate::ascii::push_host;
use haechi_core::{Fields, Host};
use http::Method;

/// Where a head for a backend goes. It looks different in each protocol, and says the same.
pub(crate) trait HeadSink {
    /// What is asked for, and of whom.
    fn begin(&mut self, method: &Method, target: impl FnOnce(&mut Vec<u8>), host: &Host);

    /// A field whose lower-case name has two parts.
    fn named(&mut self, prefix: &[u8], name: &[u8], value: impl FnOnce(&mut Vec<u8>));

    /// A field.
    fn field(&mut self, name: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        self.named(b"", name, value);
    }

    /// A body follows whose length nobody knows.
    fn chunked(&mut self);

    /// Nothing follows.
    fn end(&mut self);
}

/// The fields alone: what another gateway is told to pass on.
impl HeadSink for Fields {
    fn begin(&mut self, _: &Method, _: impl FnOnce(&mut Vec<u8>), _: &Host) {}

    fn named(&mut self, prefix: &[u8], name: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        let mut told = Vec::new();
        value(&mut told);
        self.push(&[prefix, name].concat(), &told);
    }

    fn chunked(&mut self) {}

    fn end(&mut self) {}
}

/// HTTP/1.1.
impl HeadSink for Vec<u8> {
    fn begin(&mut self, method: &Method, target: impl FnOnce(&mut Vec<u8>), host: &Host) {
        self.extend_from_slice(method.as_str().as_bytes());
        self.push(b' ');
        target(self);
        self.extend_from_slice(b" HTTP/1.1\r\nhost: ");
        push_host(self, host);
        self.extend_from_slice(b"\r\n");
    }

    fn named(&mut self, prefix: &[u8], name: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        self.extend_from_slice(prefix);
        self.extend_from_slice(name);
        self.extend_from_slice(b": ");
        value(self);
        self.extend_from_slice(b"\r\n");
    }

    fn chunked(&mut self) {
        self.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }

    fn end(&mut self) {
        self.extend_from_slice(b"\r\n");
    }
}
