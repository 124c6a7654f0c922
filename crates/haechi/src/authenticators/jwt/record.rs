//! A `jwt` authenticator as it is written.

use crate::config::read::{Defs, Maybe, Named, Reader, Value};
use crate::config::record::record;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::{AttributeName, FilePath, Lasting, Origin};
use crate::config::yaml::{Kind, Node};
use haechi_authn::jose::Algorithm;
use haechi_authn::schemes::jwt::{DEFAULT_LEEWAY, JsonPointer};
use haechi_core::Secret;
use reqwest::Url;
use serde_json::{Value as Json, json};

/// How far clocks may differ: at most 10 min.
type Leeway = Lasting<0, 600_000>;

record! {
    "a `jwt` authenticator"
    tag "type" = "jwt"
    /// JWTs in the `Authorization` field (RFC 6750, RFC 7519, RFC 8725).
    struct Jwt {
        /// Who must have issued the token, exactly as its `iss` says; `self` for the embedded identity provider.
        required issuer as "issuer": At<String>,
        /// Of which the token's `aud` must name one. Required unless `issuer` is `self`.
        optional audiences as "audiences": At<Vec<String>>,
        /// Where the keys come from; `discovery` where the issuer is a web address.
        optional keys as "keys": At<Keys>,
        /// Besides the issuer's own, the origins from which keys may be fetched where discovery leads there: `https://keys.example.com`.
        optional key_origins as "key_origins": At<Vec<At<Origin>>>,
        /// The algorithms that a token may be signed with. All asymmetric ones where this is left out.
        optional algorithms as "algorithms": At<Vec<At<Algorithm>>>,
        /// How far the issuer's clock may differ from ours.
        default leeway as "leeway": Leeway = Lasting(DEFAULT_LEEWAY),
        /// What the token's `typ` may be, where it has one; `at+jwt` and `JWT` where this is left out. With `issuer: self` always `at+jwt`.
        optional token_types as "token_types": At<Vec<String>>,
        /// Where in the token roles, scopes and attributes stand.
        section claims as "claims": Claims,
        /// Takes keys over plain `http` from an address that is not on loopback.
        default allow_http as "allow_http": bool = false,
    }
}

/// Where keys come from.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    Discovery,
    JwksUrl(At<Url>),
    JwksFile(At<FilePath>),
    PemFile(At<FilePath>),
    Secret(At<Secret<String>>),
}

record! {
    "`keys`"
    /// Where keys come from: exactly one of these.
    struct KeyPlace {
        /// The address of a key set (RFC 7517).
        optional jwks_url as "jwks_url": At<Url>,
        /// A file with a key set (RFC 7517).
        optional jwks_file as "jwks_file": At<FilePath>,
        /// A file with a public key or a certificate.
        optional pem_file as "pem_file": At<FilePath>,
        /// A secret that both sides know, at least as long as the hash: 32, 48 or 64 bytes.
        optional secret as "secret": At<Secret<String>>,
    }
}

/// Where in a token a caller's facts stand.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) roles: Option<JsonPointer>,
    pub(crate) scopes: Option<JsonPointer>,
    pub(crate) attributes: Vec<(At<AttributeName>, Option<JsonPointer>)>,
}

impl Value for Keys {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if let Kind::Scalar { .. } = node.kind {
            return match reader.text("a place of keys", node)?.as_str() {
                "discovery" => Some(Self::Discovery),
                word => {
                    let known = [
                        "discovery",
                        "{ jwks_url: … }",
                        "{ jwks_file: … }",
                        "{ pem_file: … }",
                        "{ secret: … }",
                    ];
                    crate::config::choice::unknown(reader, node, "a place of keys", word, &known, &[]);
                    None
                }
            };
        }
        let before = reader.faults.len();
        let place = KeyPlace::read(node, reader)?;
        if reader.faults.len() > before {
            return None;
        }
        place.only().or_else(|| {
            let fault = Fault::new(node.span, "`keys` names one place");
            reader.fault(fault.help("keep one of `jwks_url`, `jwks_file`, `pem_file`, `secret`"))
        })
    }

    fn schema(defs: &mut Defs) -> Json {
        json!({ "anyOf": [{ "const": "discovery" }, KeyPlace::schema(defs)] })
    }
}

impl KeyPlace {
    fn only(self) -> Option<Keys> {
        match (self.jwks_url, self.jwks_file, self.pem_file, self.secret) {
            (Maybe::Given(url), Maybe::Absent, Maybe::Absent, Maybe::Absent) => Some(Keys::JwksUrl(url)),
            (Maybe::Absent, Maybe::Given(file), Maybe::Absent, Maybe::Absent) => Some(Keys::JwksFile(file)),
            (Maybe::Absent, Maybe::Absent, Maybe::Given(file), Maybe::Absent) => Some(Keys::PemFile(file)),
            (Maybe::Absent, Maybe::Absent, Maybe::Absent, Maybe::Given(secret)) => Some(Keys::Secret(secret)),
            _ => None,
        }
    }
}

impl Value for Claims {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.mapping("`claims`", node)?;
        let Kind::Mapping(entries) = &node.kind else { return None };
        let pointer = |name: &str, reader: &mut Reader<'_>| {
            let (_, node) = entries.iter().find(|(key, _)| key.text == name)?;
            JsonPointer::read(node, reader)
        };
        let (roles, scopes) = (pointer("roles", reader), pointer("scopes", reader));
        let others = entries.iter().filter(|(key, _)| key.text != "roles" && key.text != "scopes").cloned();
        let others = Node { kind: Kind::Mapping(others.collect()), span: node.span };
        let Named(attributes) = Named::read(&others, reader)?;
        Some(Self { roles, scopes, attributes })
    }

    fn schema(defs: &mut Defs) -> Json {
        let pointer = JsonPointer::schema(defs);
        let names = Named::<AttributeName, JsonPointer>::schema(defs);
        json!({
            "type": "object",
            "properties": {
                "roles": { "description": "Roles: a list, or words in one text. `/roles` where this is left out.", "allOf": [pointer] },
                "scopes": { "description": "Scopes: a list, or words in one text. `/scope` where this is left out.", "allOf": [pointer] },
            },
            "propertyNames": names.get("propertyNames"),
            "additionalProperties": pointer,
        })
    }
}
