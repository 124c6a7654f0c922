//! A `jwt` authenticator as it is written.

use crate::authenticators::possession::{Dpop, Requirement};
use crate::config::choice::choice;
use crate::config::read::{Defs, Maybe, Named, Reader, Value};
use crate::config::record::record;
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::value::{
    AttributeName, BoundedDuration, FieldNameText, FilePath, ForeignName, Origin, RoleName,
};
use crate::config::yaml::{Kind, Node};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use haechi_authn::jose::Algorithm;
use haechi_authn::schemes::jwt::{DEFAULT_LEEWAY, JsonPointer, TokenPlace};
use haechi_core::Secret;
use reqwest::Url;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// How far clocks may differ: at most 10 min.
type Leeway = BoundedDuration<0, 600_000>;

record! {
    "a `jwt` authenticator"
    tag "type" = "jwt"
    /// JWTs (RFC 6750, RFC 7519, RFC 8725).
    struct Jwt {
        /// Who must have issued the token, exactly as its `iss` says; `self` for the embedded identity provider.
        required issuer as "issuer": At<String>,
        /// For `{claim}` in `issuer`: what that claim of a token may be. One authenticator for many tenants of one issuer.
        optional tenants as "tenants": At<Named<ForeignName, Vec<String>>>,
        /// Of which the token's `aud` must name one; `unchecked` where nobody is to check. Required unless `issuer` is `self`.
        optional audiences as "audiences": At<WrittenAudiences>,
        /// The claim that stands for `aud`, for issuers that write none: its name, or a JSON pointer.
        optional audience_claim as "audience_claim": At<String>,
        /// Where a token may stand: `bearer`, a header, a cookie, a subprotocol of a WebSocket. `[bearer]` where this is left out.
        optional from as "from": At<Vec<At<Place>>>,
        /// Where the keys come from; `discovery` where the issuer is a web address.
        optional keys as "keys": At<Keys>,
        /// Besides the issuer's own, the origins from which keys may be fetched where discovery leads there: `https://keys.example.com`.
        optional key_origins as "key_origins": At<Vec<At<Origin>>>,
        /// The algorithms that a token may be signed with. All asymmetric ones where this is left out.
        optional algorithms as "algorithms": At<Vec<At<Algorithm>>>,
        /// How far the issuer's clock may differ from ours.
        default leeway as "leeway": Leeway = BoundedDuration(DEFAULT_LEEWAY),
        /// What the token's `typ` may be, where it has one; `at+jwt` and `JWT` where this is left out. With `issuer: self` always `at+jwt`.
        optional token_types as "token_types": At<Vec<String>>,
        /// What the issuer says in roles, and which role of ours that is. What is neither here nor declared is dropped.
        optional role_map as "role_map": At<Named<ForeignName, At<RoleName>>>,
        /// Where in the token subject, roles, scopes and attributes stand.
        section claims as "claims": Claims,
        /// What tokens must be bound to: `dpop`, or `certificate`. Those that are bound need their proof, whether or not this is here.
        optional require as "require": At<Requirement>,
        /// Which DPoP proofs are accepted.
        optional dpop as "dpop": At<Dpop>,
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
    Secret(At<SecretBytes>),
}

/// The bytes of one secret, or of several of which each is accepted.
pub(crate) type SecretBytes = Vec<At<Secret<Vec<u8>>>>;

choice! {
    "an encoding of a secret"
    /// How the bytes of a secret are written.
    pub(crate) enum SecretEncoding {
        /// As they are.
        Text = "text",
        /// In base64, of either alphabet, padded or not (RFC 4648 4, 5).
        Base64 = "base64",
    }
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
        /// A secret that both sides know, at least as long as the hash: 32, 48 or 64 bytes. A list accepts each of them: the new one, and the one that it takes the place of.
        optional secret as "secret": At<SharedSecrets>,
        /// How the secret's bytes are written. `text` where this is left out.
        optional encoding as "encoding": At<SecretEncoding>,
    }
}

/// Where in a token a caller's facts stand.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) subject: Option<Pointers>,
    pub(crate) roles: Option<Pointers>,
    pub(crate) scopes: Option<Pointers>,
    pub(crate) attributes: Vec<(At<AttributeName>, Option<Pointers>)>,
}

/// One JSON pointer, or several.
#[derive(Clone, Debug)]
pub(crate) struct Pointers(pub(crate) Vec<JsonPointer>);

/// For whom a token must be.
#[derive(Clone, Debug)]
pub(crate) enum WrittenAudiences {
    Unchecked,
    Listed(Vec<String>),
}

/// Where a token may stand.
#[derive(Clone, Debug)]
pub(crate) struct Place(pub(crate) TokenPlace);

record! {
    "a place of a token"
    /// Where a token may stand: exactly one of these.
    struct OtherPlace {
        /// The name of a header whose value is the token.
        optional header as "header": FieldNameText,
        /// The name of a cookie.
        optional cookie as "cookie": PlaceName,
        /// What the subprotocol of a WebSocket begins with that carries the token, such as `bearer.`.
        optional websocket_protocol as "websocket_protocol": PlaceName,
    }
}

/// The name of a cookie, or the beginning of a subprotocol: a token (RFC 9110 5.6.2).
#[derive(Clone, Debug)]
pub(crate) struct PlaceName(Arc<str>);

impl Value for PlaceName {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a name", node, |text| {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if !text.is_empty() && text.len() <= 128 && text.bytes().all(legal) {
                Ok(Self(text.into()))
            } else {
                Err("it is letters, digits, `-`, `.` and `_`, such as `session` or `bearer.`".into())
            }
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$|\$\{" })
    }
}

impl Value for Place {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if let Kind::Scalar { .. } = node.kind {
            return match reader.text("a place of a token", node)?.as_str() {
                "bearer" => Some(Self(TokenPlace::Bearer)),
                word => {
                    let known = ["bearer", "{ header: … }", "{ cookie: … }", "{ websocket_protocol: … }"];
                    crate::config::choice::unknown(reader, node, "a place of a token", word, &known, &[]);
                    None
                }
            };
        }
        let before = reader.faults.len();
        let OtherPlace { header, cookie, websocket_protocol } = OtherPlace::read(node, reader)?;
        if reader.faults.len() > before {
            return None;
        }
        match (header, cookie, websocket_protocol) {
            (Maybe::Given(name), Maybe::Absent, Maybe::Absent) => Some(Self(TokenPlace::Header(name.0))),
            (Maybe::Absent, Maybe::Given(name), Maybe::Absent) => Some(Self(TokenPlace::Cookie(name.0))),
            (Maybe::Absent, Maybe::Absent, Maybe::Given(prefix)) => {
                Some(Self(TokenPlace::WebSocketProtocol(prefix.0)))
            }
            _ => {
                let fault = Fault::new(node.span, "an entry of `from` names one place");
                reader.fault(fault.help("keep one of `header`, `cookie`, `websocket_protocol`"))
            }
        }
    }

    fn schema(defs: &mut Defs) -> Json {
        json!({ "anyOf": [{ "const": "bearer" }, OtherPlace::schema(defs)] })
    }
}

/// What is written under `from`.
pub(in crate::authenticators) type Places = Maybe<At<Vec<At<Place>>>>;

/// Where tokens may stand.
pub(in crate::authenticators) fn places(written: &Places) -> Vec<TokenPlace> {
    match written.given() {
        Some(listed) => listed.iter().map(|place| place.value.0.clone()).collect(),
        None => vec![TokenPlace::Bearer],
    }
}

impl Value for WrittenAudiences {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.kind {
            Kind::Scalar { .. } => match reader.text("audiences", node)?.as_str() {
                "unchecked" => Some(Self::Unchecked),
                _ => reader.expected("a list of audiences, or `unchecked`", node),
            },
            _ => Vec::read(node, reader).map(Self::Listed),
        }
    }

    fn schema(defs: &mut Defs) -> Json {
        json!({ "anyOf": [{ "const": "unchecked" }, Vec::<String>::schema(defs)] })
    }
}

impl Value for Pointers {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.kind {
            Kind::Sequence(_) => {
                let pointers = Vec::read(node, reader)?;
                if pointers.is_empty() {
                    let fault = Fault::new(node.span, "this list names no claim");
                    return reader.fault(fault.help("name at least one, or remove the key"));
                }
                Some(Self(pointers))
            }
            _ => JsonPointer::read(node, reader).map(|pointer| Self(vec![pointer])),
        }
    }

    fn schema(defs: &mut Defs) -> Json {
        let pointer = JsonPointer::schema(defs);
        json!({ "anyOf": [pointer, { "type": "array", "items": pointer, "minItems": 1 }] })
    }
}

/// One secret, or several of which each is accepted.
#[derive(Clone, Debug)]
pub(crate) struct SharedSecrets(pub(crate) Vec<At<Secret<String>>>);

impl Value for SharedSecrets {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::Sequence(items) if items.is_empty() => {
                reader.expected("a secret, or a list of secrets", node)
            }
            Kind::Sequence(_) => Vec::read(node, reader).map(Self),
            _ => At::read(node, reader).map(|secret| Self(vec![secret])),
        }
    }

    fn schema(defs: &mut Defs) -> Json {
        let secret = Secret::<String>::schema(defs);
        json!({ "anyOf": [secret, { "type": "array", "items": secret, "minItems": 1 }] })
    }
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
        place.only(node.span, reader)
    }

    fn schema(defs: &mut Defs) -> Json {
        json!({ "anyOf": [{ "const": "discovery" }, KeyPlace::schema(defs)] })
    }
}

impl KeyPlace {
    fn only(self, span: Span, reader: &mut Reader<'_>) -> Option<Keys> {
        let encoding = self.encoding.given().cloned();
        if let (Some(encoding), true) = (&encoding, self.secret.is_absent()) {
            let fault =
                Fault::new(encoding.span, "`encoding` says how a `secret` is written, and there is none");
            return reader.fault(fault.help("remove it"));
        }
        match (self.jwks_url, self.jwks_file, self.pem_file, self.secret) {
            (Maybe::Given(url), Maybe::Absent, Maybe::Absent, Maybe::Absent) => Some(Keys::JwksUrl(url)),
            (Maybe::Absent, Maybe::Given(file), Maybe::Absent, Maybe::Absent) => Some(Keys::JwksFile(file)),
            (Maybe::Absent, Maybe::Absent, Maybe::Given(file), Maybe::Absent) => Some(Keys::PemFile(file)),
            (Maybe::Absent, Maybe::Absent, Maybe::Absent, Maybe::Given(secrets)) => {
                let encoding = encoding.map_or(SecretEncoding::Text, |encoding| encoding.value);
                let read = secrets.value.0.iter().map(|secret| bytes(secret, encoding, reader));
                let read = read.collect::<Option<SecretBytes>>()?;
                Some(Keys::Secret(At { value: read, span: secrets.span }))
            }
            _ => {
                let fault = Fault::new(span, "`keys` names one place");
                reader.fault(fault.help("keep one of `jwks_url`, `jwks_file`, `pem_file`, `secret`"))
            }
        }
    }
}

/// The bytes that a secret stands for.
impl SecretEncoding {
    /// The bytes that are written so; `None` where none are.
    pub(in crate::authenticators) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Text => Some(text.as_bytes().to_vec()),
            // Both alphabets have the same bytes for the same text, and a file ends with a line end.
            Self::Base64 => BASE64.iter().find_map(|base64| base64.decode(text.trim()).ok()),
        }
    }
}

fn bytes(
    secret: &At<Secret<String>>,
    encoding: SecretEncoding,
    reader: &mut Reader<'_>,
) -> Option<At<Secret<Vec<u8>>>> {
    let Some(read) = encoding.decode(secret.value.expose()) else {
        let fault = Fault::new(secret.span, "the secret is not base64");
        return reader.fault(fault.help("write it as `openssl rand -base64 32` does, or remove `encoding`"));
    };
    Some(At { value: Secret::new(read), span: secret.span })
}

/// Both alphabets of RFC 4648; padding may be left out.
const BASE64: [GeneralPurpose; 2] =
    [GeneralPurpose::new(&alphabet::STANDARD, LENIENT), GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT)];
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

impl Value for Claims {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.mapping("`claims`", node)?;
        let Kind::Mapping(entries) = &node.kind else { return None };
        let pointer = |name: &str, reader: &mut Reader<'_>| {
            let (_, node) = entries.iter().find(|(key, _)| key.text == name)?;
            Pointers::read(node, reader)
        };
        let (roles, scopes) = (pointer("roles", reader), pointer("scopes", reader));
        let subject = pointer("subject", reader);
        let known = ["subject", "roles", "scopes"];
        let others = entries.iter().filter(|(key, _)| !known.contains(&&*key.text)).cloned();
        let others = Node { kind: Kind::Mapping(others.collect()), span: node.span };
        let Named(attributes) = Named::read(&others, reader)?;
        Some(Self { subject, roles, scopes, attributes })
    }

    fn schema(defs: &mut Defs) -> Json {
        let pointer = Pointers::schema(defs);
        let names = Named::<AttributeName, Pointers>::schema(defs);
        json!({
            "type": "object",
            "properties": {
                "subject": { "description": "Who it is: the first of these that is there. `/sub` where this is left out.", "allOf": [pointer] },
                "roles": { "description": "Roles: a list, words in one text, or an object whose names count. `/roles` where this is left out.", "allOf": [pointer] },
                "scopes": { "description": "Scopes: a list, or words in one text. `/scope` where this is left out.", "allOf": [pointer] },
            },
            "propertyNames": names.get("propertyNames"),
            "additionalProperties": pointer,
        })
    }
}
