//! What a fact was: read in one way for policies, for remembered verdicts, and for what people are told of a decision.

use crate::{Facts, Read, Vocabulary};
use haechi_core::{AttributeValue, Caller, CallerKind, Timestamp};
use std::net::IpAddr;
use std::sync::Arc;

/// Where facts are looked up: a request that is being decided, or the record of one that was.
pub trait FactSource {
    /// Who is calling.
    fn caller(&self) -> &Caller;

    /// A caller attribute.
    fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.caller().attributes.get(name)
    }

    /// The method.
    fn method(&self) -> &str;

    /// The route's name.
    fn route(&self) -> &str;

    /// The route's labels.
    fn labels(&self) -> &[Arc<str>];

    /// The host, without a port.
    fn host(&self) -> &str;

    /// The canonical path.
    fn path(&self) -> &str;

    /// The path parameters, in the order of the pattern.
    fn params(&self) -> impl Iterator<Item = (&str, &str)>;

    /// A declared request header, by its name in policies.
    ///
    /// # Errors
    /// When it has no value that policies could read.
    fn header(&self, name: &str) -> Result<Option<&str>, String>;

    /// The names of the declared request headers.
    fn header_names(&self) -> impl Iterator<Item = &str>;

    /// The client's address.
    fn client(&self) -> IpAddr;

    /// When the head of the request was complete.
    fn received(&self) -> Timestamp;

    /// Whether the client came over TLS.
    fn is_secure(&self) -> bool;
}

/// What a fact was.
#[derive(Clone, Debug, PartialEq)]
pub enum FactValue<'a> {
    /// There was none, or it is no fact of one request.
    Missing,
    /// The type of the principal.
    Kind(CallerKind),
    /// The principal.
    Principal(&'a Caller),
    /// Yes or no.
    Bool(bool),
    /// Text.
    Text(&'a str),
    /// Names.
    Names(&'a [Arc<str>]),
    /// A caller attribute.
    Attribute(&'a AttributeValue),
    /// Names and values.
    Record(Vec<(&'a str, &'a str)>),
    /// An address.
    Ip(IpAddr),
    /// A moment.
    Time(Timestamp),
}

impl Read {
    /// What it was.
    ///
    /// # Errors
    /// Those of [`FactSource::header`].
    pub fn value<'a>(&self, source: &'a impl FactSource) -> Result<FactValue<'a>, String> {
        let caller = source.caller();
        Ok(match self {
            Self::PrincipalType => FactValue::Kind(caller.kind),
            Self::Principal => FactValue::Principal(caller),
            Self::Role(name) => FactValue::Bool(caller.has_role(name)),
            Self::Subject => FactValue::Text(&caller.subject),
            Self::Issuer => FactValue::Text(&caller.issuer),
            Self::Authenticator => FactValue::Text(&caller.authenticator),
            Self::Scopes => FactValue::Names(&caller.scopes),
            Self::Attribute(name) => source.attribute(name).map_or(FactValue::Missing, FactValue::Attribute),
            Self::Method => FactValue::Text(source.method()),
            Self::Route => FactValue::Text(source.route()),
            Self::Labels => FactValue::Names(source.labels()),
            Self::Host => FactValue::Text(source.host()),
            Self::Path => FactValue::Text(source.path()),
            Self::Param(name) => {
                let found = source.params().find(|(known, _)| **known == **name);
                found.map_or(FactValue::Missing, |(_, value)| FactValue::Text(value))
            }
            Self::Params => FactValue::Record(source.params().collect()),
            Self::Header(name) => source.header(name)?.map_or(FactValue::Missing, FactValue::Text),
            Self::Headers => {
                let names = source.header_names();
                let all = names.map(|name| Ok(source.header(name)?.map(|value| (name, value))));
                FactValue::Record(all.filter_map(Result::transpose).collect::<Result<_, String>>()?)
            }
            Self::Ip => FactValue::Ip(source.client().to_canonical()),
            Self::Time => FactValue::Time(source.received()),
            Self::Secure => FactValue::Bool(source.is_secure()),
            Self::Hierarchy => FactValue::Missing,
        })
    }
}

/// The facts of a request, as a vocabulary has them.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The request, its route and its caller.
    pub facts: Facts<'a>,
    /// What is declared.
    pub vocabulary: &'a Vocabulary,
}

impl FactSource for RequestFacts<'_> {
    fn caller(&self) -> &Caller {
        self.facts.caller
    }

    /// Only a declared one. A value of another type than declared is none.
    fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        let declared = self.vocabulary.attributes.get(name)?;
        self.facts.caller.attributes.get(name).filter(|value| value.type_of() == *declared)
    }

    fn method(&self) -> &str {
        self.facts.head.method.as_str()
    }

    fn route(&self) -> &str {
        self.vocabulary.route(self.facts.route).map_or("", |route| &route.name)
    }

    fn labels(&self) -> &[Arc<str>] {
        self.vocabulary.route(self.facts.route).map_or(&[], |route| &route.labels)
    }

    fn host(&self) -> &str {
        self.facts.head.host.name()
    }

    fn path(&self) -> &str {
        self.facts.head.path.as_str()
    }

    fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts.params(self.vocabulary)
    }

    fn header(&self, name: &str) -> Result<Option<&str>, String> {
        self.facts.header(self.vocabulary, name)
    }

    fn header_names(&self) -> impl Iterator<Item = &str> {
        self.vocabulary.headers.keys().map(|name| &**name)
    }

    fn client(&self) -> IpAddr {
        self.facts.head.client
    }

    fn received(&self) -> Timestamp {
        self.facts.head.received
    }

    fn is_secure(&self) -> bool {
        self.facts.head.secure
    }
}

#[cfg(test)]
mod tests {
    use super::{FactValue, RequestFacts};
    use crate::testing::World;
    use crate::{Facts, Read};
    use haechi_core::{AttributeValue, CallerKind};
    use std::sync::Arc;

    #[test]
    fn each_fact_is_what_the_request_says() {
        let world = World::new("").route("r", "/a/{id}/{name}", &["any"]).labelled("r", "pii");
        let ask = world
            .ask("r")
            .path("/a/7/x")
            .roles(&["MANAGER"])
            .scopes(&["read"])
            .attribute("tenant", AttributeValue::String("acme".into()))
            .attribute("clearance", AttributeValue::String("of another type".into()));
        let (head, route, caller) = ask.parts();
        let vocabulary = world.vocabulary();
        let facts = RequestFacts { facts: Facts { head: &head, route, caller: &caller }, vocabulary };
        let acme = AttributeValue::String("acme".into());
        let names = |name: &str| vec![Arc::from(name)];
        let (labels, scopes): (Vec<Arc<str>>, Vec<Arc<str>>) = (names("pii"), names("read"));
        for (read, value) in [
            (Read::PrincipalType, FactValue::Kind(CallerKind::User)),
            (Read::Role("USER".into()), FactValue::Bool(true)),
            (Read::Role("ADMIN".into()), FactValue::Bool(false)),
            (Read::Authenticator, FactValue::Text("local")),
            (Read::Scopes, FactValue::Names(&scopes)),
            (Read::Attribute("tenant".into()), FactValue::Attribute(&acme)),
            (Read::Attribute("clearance".into()), FactValue::Missing),
            (Read::Attribute("mfa".into()), FactValue::Missing),
            (Read::Method, FactValue::Text("GET")),
            (Read::Route, FactValue::Text("r")),
            (Read::Labels, FactValue::Names(&labels)),
            (Read::Host, FactValue::Text("a")),
            (Read::Path, FactValue::Text("/a/7/x")),
            (Read::Param("name".into()), FactValue::Text("x")),
            (Read::Param("other".into()), FactValue::Missing),
            (Read::Params, FactValue::Record(vec![("id", "7"), ("name", "x")])),
            (Read::Header("tenant".into()), FactValue::Missing),
            (Read::Headers, FactValue::Record(vec![])),
            (Read::Ip, FactValue::Ip([127, 0, 0, 1].into())),
            (Read::Time, FactValue::Time(head.received)),
            (Read::Secure, FactValue::Bool(false)),
            (Read::Hierarchy, FactValue::Missing),
        ] {
            assert_eq!(read.value(&facts), Ok(value), "{read}");
        }
        let mut head = head.clone();
        head.fields.push(b"x-tenant", b"acme");
        let facts = RequestFacts { facts: Facts { head: &head, ..facts.facts }, ..facts };
        assert_eq!(Read::Headers.value(&facts), Ok(FactValue::Record(vec![("tenant", "acme")])));
        let mut head = head.clone();
        head.fields.push(b"x-tenant", b"other");
        let facts = RequestFacts { facts: Facts { head: &head, ..facts.facts }, ..facts };
        assert!(Read::Header("tenant".into()).value(&facts).is_err());
        assert!(Read::Headers.value(&facts).is_err());
    }
}
