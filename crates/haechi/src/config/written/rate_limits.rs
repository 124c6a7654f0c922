//! `rate_limit`: how many requests in how much time.

use crate::config::defaults::{BurstCount, RatePeriod, RequestCount};
use crate::config::read::{Defs, Reader, Value};
use crate::config::record::record;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::yaml::{Kind, Node};
use haechi_core::FieldName;
use haechi_proxy::{LimitBy, OnFailure};
use serde_json::{Value as Json, json};

record! {
    "`rate_limit`"
    /// How many requests in how much time.
    struct RateLimit {
        /// So many requests are let through, evenly, in each `per`.
        required requests as "requests": At<RequestCount>,
        /// The time.
        required per as "per": RatePeriod,
        /// So many may come at once after a time of rest; as many as `requests` where this is left out.
        optional burst as "burst": At<BurstCount>,
        /// Who shares one count: `subject`, `key`, `client_ip`, `route`, `header:NAME`, `param:NAME`, or a list of these, each of which has the limit to itself.
        required by as "by": OneOrMore<At<LimitBy>>,
        /// What happens while the nodes cannot count together through `shared_state`: each counts for itself, with its share of the limit (`local`), or nobody is let through (`deny`).
        default on_failure as "on_failure": OnFailure = OnFailure::Local,
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug)]
pub(crate) struct OneOrMore<T>(pub(crate) Vec<T>);

impl<T: Value> Value for OneOrMore<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Sequence(items) if items.is_empty() => {
                let fault = Fault::new(node.span, "the list is empty");
                reader.fault(fault.help("name at least one, or remove the key"))
            }
            Kind::Sequence(_) => Vec::read(node, reader).map(Self),
            _ => T::read(node, reader).map(|one| Self(vec![one])),
        }
    }

    fn schema(defs: &mut Defs) -> Json {
        let one = T::schema(defs);
        json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }

    fn shown(&self) -> Json {
        self.0.iter().map(Value::shown).collect()
    }
}

impl Value for LimitBy {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let word = reader.text("what to count by", node)?;
        let known = match word.as_str() {
            "subject" => Some(Self::Subject),
            "key" => Some(Self::Key),
            "client_ip" => Some(Self::ClientIp),
            "route" => Some(Self::Route),
            _ => None,
        };
        if known.is_some() {
            return known;
        }
        if let Some(name) = word.strip_prefix("param:").filter(|name| !name.is_empty()) {
            return Some(Self::Param(name.into()));
        }
        let header = word.strip_prefix("header:");
        let Some(header) = header.and_then(|name| http::HeaderName::from_bytes(name.as_bytes()).ok()) else {
            let message = format!("`{}` is not what to count by", reader.written(node.span));
            let help =
                "write `subject`, `key`, `client_ip`, `route`, `\"header:X-Name\"` or `\"param:name\"`";
            return reader.fault(Fault::new(node.span, message).help(help));
        };
        if FieldName::of(header.as_str().as_bytes()) == FieldName::Other {
            return Some(Self::Header(header.as_str().into()));
        }
        let message = format!(
            "`{}` cannot be counted by: the gate itself decides by this header, writes it or removes it",
            reader.written(node.span)
        );
        reader.fault(Fault::new(node.span, message).help("choose a header of the client's own"))
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^(subject|key|client_ip|route|header:.+|param:.+)$|\$\{" })
    }

    fn shown(&self) -> Json {
        self.to_string().into()
    }
}

record! {
    "a rate"
    /// How many calls in how much time.
    struct CallRate {
        /// So many are let through, evenly, in each `per`.
        required requests as "requests": At<RequestCount>,
        /// The time.
        required per as "per": RatePeriod,
        /// So many may come at once after a time of rest; as many as `requests` where this is left out.
        optional burst as "burst": At<BurstCount>,
    }
}

record! {
    "`login`"
    /// How often passwords may be tried at the login, right or wrong. What is over it is answered 429 before anything is hashed.
    struct Login {
        /// By each client address: 300 in a minute where this is left out. An IPv6 /64 is one.
        optional per_address as "per_address": At<CallRate>,
        /// For each account, over all addresses from which nobody has logged in to it, and from each other one: 30 in a minute where this is left out.
        optional per_account as "per_account": At<CallRate>,
    }
}

record! {
    "`token`"
    /// How often tokens may be asked for at the token endpoint, and logins be refreshed. What is over it is answered 429.
    struct Token {
        /// By each client address: 1200 in a minute where this is left out, counted before the store is asked. An IPv6 /64 is one.
        optional per_address as "per_address": At<CallRate>,
        /// By each machine client that has proved who it is: 600 in a minute where this is left out.
        optional per_client as "per_client": At<CallRate>,
    }
}
