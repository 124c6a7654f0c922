//! `telemetry`: what the gate tells others of the requests that it serves.

use crate::config::defaults::{self, Share};
use crate::config::read::Named;
use crate::config::record::record;
use crate::config::source::At;
use crate::config::value::HeaderName;
use haechi_core::Secret;
use reqwest::Url;

record! {
    "`telemetry`"
    /// What the gate tells others of the requests that it serves.
    struct Telemetry {
        /// Traces over OTLP. None are exported where this is left out.
        optional traces as "traces": Traces,
    }
}

record! {
    "`traces`"
    /// Traces over OTLP/HTTP.
    struct Traces {
        /// The collector's address, with its path: `http://127.0.0.1:4318/v1/traces`.
        required endpoint as "endpoint": At<Url>,
        /// Which part of the traces that begin here are recorded. A trace that a client began is recorded if the client's is.
        default sample as "sample": Share = defaults::SAMPLE,
        /// Headers for the collector.
        default headers as "headers": Named<HeaderName, At<Secret<String>>> = Named(Vec::new()),
        /// `service.name` of the traces.
        default service_name as "service_name": String = "haechi".to_owned(),
        /// Lets traces go over plain `http` to another machine.
        default allow_http as "allow_http": bool = false,
    }
}
