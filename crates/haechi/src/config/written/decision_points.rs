//! `decision_points`: deciders outside the gate, which routes ask as well.

use crate::config::choice::choice;
use crate::config::defaults::{self, AnswerLifetime, Timeout};
use crate::config::record::record;
use crate::config::source::At;
use crate::config::value::FilePath;
use haechi_core::Secret;
use reqwest::Url;

choice! {
    "a decision point's type"
    /// What is spoken to a decision point.
    pub(crate) enum PointType {
        /// The data API of the Open Policy Agent.
        Opa = "opa",
        /// AuthZEN 1.0: the access evaluation API.
        Authzen = "authzen",
    }
}

record! {
    "a decision point"
    /// A decider outside the gate. Routes name it under `authorize`, as `external`.
    struct DecisionPoint {
        /// What is spoken to it: `opa` (the Open Policy Agent's data API), or `authzen` (AuthZEN 1.0).
        required kind as "type": PointType,
        /// Where it is asked, with the path: `http://127.0.0.1:8181/v1/data/http/allow`, `https://pdp.internal/access/v1/evaluation`.
        required url as "url": At<Url>,
        /// How long an answer may take, from connecting to its last byte. Without one in time the request is answered 503.
        default timeout as "timeout": Timeout = defaults::POINT_TIMEOUT,
        /// How long answers are kept. They are not where this is left out.
        section cache as "cache": AnswerCache,
        /// Sent as a bearer token, in `Authorization`.
        optional token as "token": At<Secret<String>>,
        /// How an `https://` address is spoken to. The certificate is verified, always.
        optional tls as "tls": At<PointTls>,
        /// Asks over plain `http` on another machine.
        default allow_http as "allow_http": bool = false,
    }
}

record! {
    "`cache` of a decision point"
    /// How long answers to the same question are kept; each worker keeps its own, and a reload drops all.
    struct AnswerCache {
        /// How long a yes is kept. Who loses a permission keeps it for so long.
        default allow as "allow": AnswerLifetime = defaults::NOT_KEPT,
        /// How long a no is kept.
        default deny as "deny": AnswerLifetime = defaults::NOT_KEPT,
    }
}

record! {
    "`tls` of a decision point"
    /// How a decision point with `https://` is spoken to.
    struct PointTls {
        /// A PEM file with the authorities to believe, instead of the system's.
        required ca as "ca": At<FilePath>,
    }
}
