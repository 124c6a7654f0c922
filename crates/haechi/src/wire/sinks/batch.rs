//! A batch of lines, and why it does not arrive.

/// Why a sink cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError {
    #[error("cannot set up TLS to the syslog server `{0}`: {1}")]
    Tls(String, rustls::Error),
    #[error("the system has no certificate authorities; name those of the syslog server `{0}` with `ca`")]
    NoAuthorities(String),
    #[error("cannot set up the client for the OTLP sink: {0}")]
    Client(#[from] reqwest::Error),
}

/// Why lines did not arrive.
pub(super) enum Undelivered {
    /// They may the next time.
    ForNow(String),
    /// They never will.
    Refused(String),
}

/// The lines of a batch, without their ends.
pub(super) fn lines(batch: &[u8]) -> impl Iterator<Item = &[u8]> {
    batch.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

pub(super) fn count(batch: &[u8]) -> u64 {
    lines(batch).count() as u64
}
