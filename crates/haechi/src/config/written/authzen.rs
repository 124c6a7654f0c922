//! `authzen` of a listener: how it is asked by AuthZEN 1.0.

use crate::config::record::record;
use crate::config::source::At;
use haechi_core::{Host, Secret};
use std::net::IpAddr;

record! {
    "`authzen` of a listener"
    /// Answers questions by AuthZEN 1.0 about callers that are taken as given.
    struct Authzen {
        /// Bearer tokens of whoever asks: at least 32 characters each, two while one takes the other's place. May be left out where the listener's `tls` demands a client certificate.
        optional tokens as "tokens": At<Vec<At<Secret<String>>>>,
        /// What is taken for what a question does not say. Without it, such a question is answered 400.
        optional assume as "assume": AssumedContext,
    }
}

record! {
    "`assume` of `authzen`"
    /// What is taken for what a question does not say.
    struct AssumedContext {
        /// The host of the resource, where `resource.properties.host` is missing.
        optional host as "host": Host,
        /// The client's address, where `context.ip` is missing.
        optional ip as "ip": IpAddr,
        /// Whether the client came over TLS, where `context.secure` is missing.
        optional secure as "secure": bool,
    }
}
