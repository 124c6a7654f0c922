//! `sinks`: where lines of a log are sent besides.

use crate::config::record::record;
use crate::config::source::At;
use crate::config::value::FilePath;
use reqwest::Url;

record! {
    "a sink"
    /// Where lines are sent besides: a syslog server or an OTLP collector.
    struct Sink {
        /// A syslog server (RFC 5424): `tls://logs.internal:6514`, `tcp://…`, `udp://…`, or `unix:///dev/log`.
        optional syslog as "syslog": At<String>,
        /// A collector of logs over OTLP/HTTP, with its path: `https://collector.internal/v1/logs`.
        optional otlp as "otlp": At<Url>,
        /// The certificates of the authorities that vouch for a syslog server with `tls://`, as PEM; the system's where this is left out.
        optional ca as "ca": At<FilePath>,
        /// Lets lines go to another machine without TLS.
        default allow_plain as "allow_plain": bool = false,
    }
}
