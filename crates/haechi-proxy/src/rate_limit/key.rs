//! Whom a limit counts: never as text that a client chose, but hashed.

use crate::settings::{LimitBy, RateLimit, Route};
use haechi_authn::shared_key;
use haechi_core::rate::{LimitTable, SlotKey};
use haechi_core::{Caller, CallerKind, RequestHead, address_block};
use std::hash::Hash;
use std::net::IpAddr;

/// Who shares a count of which limit.
#[derive(Hash)]
pub(super) struct Counted<'a> {
    limit: u64,
    whom: Whom<'a>,
}

/// Who shares it.
#[derive(Hash)]
enum Whom<'a> {
    /// All requests; and all of those that lack what they should be told apart by, so that who leaves it out is not without a limit.
    All,
    Address(IpAddr),
    Subject(&'a str, &'a str),
    Key(&'a str),
    Text(&'a [u8]),
}

/// Stands for the limits that API keys bring themselves, among those of routes.
const OF_KEYS: u64 = 0;

impl<'a> Counted<'a> {
    pub(super) fn by(
        limit: &RateLimit,
        head: &'a RequestHead,
        route: &'a Route,
        caller: Option<&'a Caller>,
    ) -> Self {
        let whom = match (&limit.by, caller) {
            (LimitBy::ClientIp, _) => Whom::Address(address_block(head.client)),
            (LimitBy::Subject, Some(caller)) => Whom::subject(caller),
            (LimitBy::Key, Some(caller)) => Whom::key(caller),
            (LimitBy::Route, _) | (LimitBy::Subject | LimitBy::Key, None) => Whom::All,
            // Twice is as good as never: a backend may read the one or the other.
            (LimitBy::Header(name), _) => {
                head.fields.sole_named(name.as_bytes()).ok().flatten().map_or(Whom::All, Whom::Text)
            }
            (LimitBy::Param(name), _) => {
                let mut values = route.pattern.values(head.path.as_str());
                let value = values.find(|(known, _)| **known == **name);
                value.map_or(Whom::All, |(_, value)| Whom::Text(value.as_bytes()))
            }
        };
        Self { limit: limit.id, whom }
    }

    /// By the API key alone, on whichever route.
    pub(super) fn key(caller: &'a Caller) -> Self {
        Self { limit: OF_KEYS, whom: Whom::key(caller) }
    }

    pub(super) fn in_table(&self, table: &LimitTable) -> SlotKey {
        table.key(self)
    }

    /// The same on every node.
    pub(super) fn on_every_node(&self) -> [u8; 16] {
        let limit = self.limit.to_be_bytes();
        let name = |parts: &[&[u8]]| shared_key([&limit[..]].into_iter().chain(parts.iter().copied()));
        match &self.whom {
            Whom::All => name(&[b"all"]),
            Whom::Address(IpAddr::V4(address)) => name(&[b"4", &address.octets()]),
            Whom::Address(IpAddr::V6(address)) => name(&[b"6", &address.octets()]),
            Whom::Subject(issuer, subject) => name(&[b"subject", issuer.as_bytes(), subject.as_bytes()]),
            Whom::Key(id) => name(&[b"key", id.as_bytes()]),
            Whom::Text(text) => name(&[b"text", text]),
        }
    }
}

impl<'a> Whom<'a> {
    fn subject(caller: &'a Caller) -> Self {
        if caller.subject.is_empty() { Self::All } else { Self::Subject(&caller.issuer, &caller.subject) }
    }

    fn key(caller: &'a Caller) -> Self {
        match (&caller.kind, &caller.credential_id) {
            (CallerKind::ApiKey, Some(id)) => Self::Key(id),
            _ => Self::subject(caller),
        }
    }
}
