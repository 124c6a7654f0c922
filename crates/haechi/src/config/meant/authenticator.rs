//! Authenticators.

use super::names::Resolver;
use crate::config::placeholder::plain;
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::value::{FilePath, Identifier, Origin};
use crate::config::written;
use haechi_authn::hashing::Htpasswd;
use haechi_authn::identity::ACCESS_TOKEN_TYPE;
use haechi_authn::jose::{Algorithm, AlgorithmSet, Secrets};
use haechi_authn::keys::{AddressFault, Keys as VerifyingKeys, WebOrigin};
use haechi_authn::schemes::jwt::{AttributeClaim, ClaimsMap, DEFAULT_TOKEN_TYPES, JsonPointer};
use haechi_core::{Secret, role};
use reqwest::Url;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A named way to establish who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authenticator {
    /// The name under `authenticators:`.
    pub name: Arc<str>,
    /// Which way it is.
    pub kind: AuthenticatorKind,
}

/// The ways to establish who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthenticatorKind {
    /// JWTs.
    Jwt(Box<Jwt>),
    /// Name and password.
    Basic(Basic),
    /// API keys.
    ApiKey(ApiKey),
}

/// A `jwt` authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Jwt {
    /// Whose tokens.
    pub issuer: Issuer,
    /// Of which the token must name one; empty only where the issuer is ourselves.
    pub audiences: Vec<String>,
    /// Where the keys come from.
    pub keys: Keys,
    /// Besides the issuer's own, the origins where discovery may lead to keys; empty without discovery.
    pub key_origins: Vec<WebOrigin>,
    /// Whether keys may come over plain `http` from another machine.
    pub allow_http: bool,
    /// What a token may be signed with; never both symmetric and asymmetric.
    pub algorithms: AlgorithmSet,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// What `typ` may be where it is present.
    pub token_types: Vec<String>,
    /// Where the caller's facts stand.
    pub claims: ClaimsMap,
}

/// Whose tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Issuer {
    /// The embedded identity provider's.
    Own,
    /// Those whose `iss` is exactly this.
    Named(Arc<str>),
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// The embedded identity provider.
    Own,
    /// OpenID Connect discovery, below the issuer's own address.
    Discovery,
    /// A key set at this address.
    JwksUrl(Url),
    /// A file with a key set.
    JwksFile(PathBuf),
    /// A file with a public key or certificate in PEM.
    PemFile(PathBuf),
    /// A secret at least as long as the hash of every algorithm allowed.
    Secret(Secret<String>),
}

/// A `basic` authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Basic {
    /// What the client is told to log in to: visible ASCII and spaces without `"` and `\`.
    pub realm: String,
    /// Whose passwords count.
    pub(crate) users: Users,
    /// The roles of every user in a file, all declared; empty for users in the store, who have their own.
    pub roles: Vec<String>,
}

/// Whose passwords count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Users {
    /// Those in the store.
    Store,
    /// Those in an htpasswd file.
    File(PathBuf),
}

/// An `api_key` authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiKey {
    /// The lower-case name of the header field.
    pub header: Arc<str>,
}

/// The bytes of the hash of an HMAC algorithm, which its secret must have at least (RFC 7518 3.2); `None` for the asymmetric ones.
const fn secret_length(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::Hs256 => Some(32),
        Algorithm::Hs384 => Some(48),
        Algorithm::Hs512 => Some(64),
        _ => None,
    }
}

pub(super) fn authenticator(
    resolver: &mut Resolver<'_>,
    name: &At<Identifier>,
    written: &written::Authenticator,
) -> Option<Authenticator> {
    if matches!(&*name.value.0, "anonymous" | "passthrough") {
        let message = format!("`{}` is a word of its own and names no authenticator", name.value);
        resolver.faults.push(Fault::new(name.span, message).help("choose another name"));
    }
    let kind = match written {
        written::Authenticator::Jwt(written) => AuthenticatorKind::Jwt(Box::new(jwt(resolver, written)?)),
        written::Authenticator::Basic(written) => AuthenticatorKind::Basic(basic(resolver, name, written)?),
        written::Authenticator::ApiKey(written) => {
            resolver.needs_store("an `api_key` authenticator", written.span);
            AuthenticatorKind::ApiKey(ApiKey { header: written.header.0.clone() })
        }
    };
    Some(Authenticator { name: name.value.0.clone(), kind })
}

fn jwt(resolver: &mut Resolver<'_>, written: &At<written::Jwt>) -> Option<Jwt> {
    let claims = claims(resolver, written);
    let own = written.issuer.as_ref().is_some_and(|issuer| issuer.value == "self");
    let keys = if own { own_keys(resolver, written) } else { others_keys(resolver, written) };
    let key_origins = key_origins(resolver, written, keys.as_ref());
    let audiences = if own { own_audiences(written) } else { others_audiences(resolver, written) };
    let keys = keys?;
    let algorithms = algorithms(resolver, written, &keys)?;
    let issuer = written.issuer.as_ref()?;
    Some(Jwt {
        issuer: if own { Issuer::Own } else { Issuer::Named(issuer.value.as_str().into()) },
        audiences: audiences?,
        keys,
        key_origins: key_origins?,
        allow_http: written.allow_http,
        algorithms,
        leeway: written.leeway.0,
        token_types: if own {
            own_token_types(resolver, written)
        } else {
            others_token_types(resolver, written)
        }?,
        claims: claims?,
    })
}

fn own_audiences(written: &written::Jwt) -> Option<Vec<String>> {
    Some(written.audiences.given().map(|audiences| audiences.value.clone()).unwrap_or_default())
}

fn others_audiences(resolver: &mut Resolver<'_>, written: &At<written::Jwt>) -> Option<Vec<String>> {
    let span = match written.audiences.given() {
        Some(audiences) if !audiences.is_empty() => return Some(audiences.value.clone()),
        Some(audiences) => audiences.span,
        None if written.audiences.is_absent() => written.span,
        None => return None,
    };
    let fault = Fault::new(span, "a `jwt` authenticator needs `audiences` unless its issuer is `self`");
    resolver.fault(fault.help("name what this gate is called in the token's `aud`: without it a token for any other service of the issuer passes"))
}

fn own_keys(resolver: &mut Resolver<'_>, written: &At<written::Jwt>) -> Option<Keys> {
    let issuer_at = written.issuer.as_ref().map_or(written.span, |issuer| issuer.span);
    if resolver.written.identity.is_absent() {
        let fault = Fault::new(issuer_at, "`issuer: self` needs the embedded identity provider");
        resolver.faults.push(fault.help("add `identity` at the top, or name another issuer"));
    }
    if let Some(keys) = written.keys.given() {
        let fault = Fault::new(keys.span, "`issuer: self` has its own keys");
        resolver.faults.push(fault.help("remove `keys`"));
    }
    Some(Keys::Own)
}

fn others_keys(resolver: &mut Resolver<'_>, written: &At<written::Jwt>) -> Option<Keys> {
    let issuer = written.issuer.as_ref()?;
    let Some(keys) = written.keys.given() else {
        return if written.keys.is_absent() {
            discovery(resolver, written, issuer, issuer.span)
        } else {
            None
        };
    };
    match &keys.value {
        written::Keys::Discovery => discovery(resolver, written, issuer, keys.span),
        written::Keys::JwksUrl(url) => {
            let allowed = web_keys_allowed(resolver, url.as_str(), written.allow_http, url.span);
            allowed.then(|| Keys::JwksUrl(url.value.clone()))
        }
        written::Keys::JwksFile(file) => {
            let read = |text: &str| VerifyingKeys::from_jwks(text.as_bytes(), Secrets::Refused);
            usable(resolver, file, read).map(|()| Keys::JwksFile(file.0.clone()))
        }
        written::Keys::PemFile(file) => {
            usable(resolver, file, VerifyingKeys::from_pem).map(|()| Keys::PemFile(file.0.clone()))
        }
        written::Keys::Secret(secret) => Some(Keys::Secret(secret.value.clone())),
    }
}

/// Reads a file as it will be read at start, so that a check finds what a start would.
fn usable<T, E: Display>(
    resolver: &mut Resolver<'_>,
    file: &At<FilePath>,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Option<()> {
    let text = std::fs::read_to_string(&file.value.0).map_err(|error| plain(&error));
    let why = match text.map(|text| read(&text).map_err(|fault| fault.to_string())) {
        Ok(Ok(_)) => return Some(()),
        Ok(Err(why)) | Err(why) => why,
    };
    let message = format!("`{}` cannot be used: {why}", resolver.written_at(file.span));
    resolver.fault(Fault::new(file.span, message))
}

/// The tokens that we sign for backends, with the same keys, are told apart by their type.
fn own_token_types(resolver: &mut Resolver<'_>, written: &written::Jwt) -> Option<Vec<String>> {
    match written.token_types.given() {
        Some(types) if types.value != [ACCESS_TOKEN_TYPE] => {
            let message = format!("with `issuer: self` an access token's type is `{ACCESS_TOKEN_TYPE}`");
            resolver.fault(Fault::new(types.span, message).help("remove `token_types`"))
        }
        _ => Some(vec![ACCESS_TOKEN_TYPE.to_owned()]),
    }
}

fn others_token_types(resolver: &mut Resolver<'_>, written: &written::Jwt) -> Option<Vec<String>> {
    match written.token_types.given() {
        None => Some(DEFAULT_TOKEN_TYPES.map(str::to_owned).to_vec()),
        Some(types) if types.is_empty() => {
            let fault = Fault::new(types.span, "`token_types` lists none, so no token could be accepted");
            resolver.fault(fault.help("name at least one, or remove the key"))
        }
        Some(types) => Some(types.value.clone()),
    }
}

fn discovery(
    resolver: &mut Resolver<'_>,
    written: &written::Jwt,
    issuer: &At<String>,
    span: Span,
) -> Option<Keys> {
    if WebOrigin::of(&issuer.value).is_err() || issuer.value.contains('?') {
        let fault = Fault::new(span, "keys cannot be discovered: the issuer is not a web address");
        return resolver.fault(fault.help("name the place of the keys: `keys: { jwks_url: … }`, `{ jwks_file: … }`, `{ pem_file: … }` or `{ secret: … }`"));
    }
    web_keys_allowed(resolver, &issuer.value, written.allow_http, span).then_some(Keys::Discovery)
}

/// Keys that anybody on the way could exchange are no keys.
fn web_keys_allowed(resolver: &mut Resolver<'_>, address: &str, allow_http: bool, span: Span) -> bool {
    let fault = match WebOrigin::permitted(address, allow_http) {
        Ok(_) => return true,
        Err(AddressFault::Plain(_)) => Fault::new(span, "the keys would be fetched over plain `http`")
            .help("write `https://`; `allow_http: true` beside it takes the risk"),
        Err(_) => Fault::new(span, "keys are not fetched from an address of this form")
            .help("write `https://`, a plain host, and a path"),
    };
    resolver.faults.push(fault);
    false
}

fn key_origins(
    resolver: &mut Resolver<'_>,
    written: &written::Jwt,
    keys: Option<&Keys>,
) -> Option<Vec<WebOrigin>> {
    let Some(listed) = written.key_origins.given() else { return Some(Vec::new()) };
    if keys.is_some_and(|keys| !matches!(keys, Keys::Discovery)) {
        let fault = Fault::new(listed.span, "`key_origins` is for keys that are discovered");
        return resolver.fault(fault.help("remove it, or write `keys: discovery`"));
    }
    let permitted = |origin: &At<Origin>, resolver: &mut Resolver<'_>| {
        web_keys_allowed(resolver, &origin.0, written.allow_http, origin.span)
            .then(|| WebOrigin::of(&origin.0).ok())
            .flatten()
    };
    listed.iter().map(|origin| permitted(origin, resolver)).collect()
}

fn algorithms(resolver: &mut Resolver<'_>, written: &At<written::Jwt>, keys: &Keys) -> Option<AlgorithmSet> {
    let Some(listed) = written.algorithms.given() else {
        return match (written.algorithms.is_absent(), &written.keys.given().map(|keys| &keys.value)) {
            (true, Some(written::Keys::Secret(secret))) => {
                secret_algorithms(resolver, secret, &[Algorithm::Hs256])
            }
            (true, _) => Some(Algorithm::asymmetric()),
            (false, _) => None,
        };
    };
    if listed.is_empty() {
        let fault = Fault::new(listed.span, "`algorithms` allows none");
        return resolver.fault(fault.help("name at least one, or remove the key for all asymmetric ones"));
    }
    let with_secret = matches!(keys, Keys::Secret(_));
    let misfits: Vec<_> = listed.iter().filter(|a| a.is_symmetric() != with_secret).collect();
    for algorithm in &misfits {
        let word = algorithm.name();
        let fault = if with_secret {
            Fault::new(algorithm.span, format!("`{word}` is verified with a public key, not with a secret"))
                .help("write `HS256`, `HS384` or `HS512`, or name public keys")
        } else {
            Fault::new(
                algorithm.span,
                format!("`{word}` is verified with a secret, and these keys are public"),
            )
            .help("remove it, or write `keys: { secret: … }`")
        };
        resolver.faults.push(fault);
    }
    if !misfits.is_empty() {
        return None;
    }
    let algorithms: Vec<Algorithm> = listed.iter().map(|algorithm| algorithm.value).collect();
    match written.keys.given().map(|keys| &keys.value) {
        Some(written::Keys::Secret(secret)) => secret_algorithms(resolver, secret, &algorithms),
        _ => Some(algorithms.into_iter().collect()),
    }
}

/// RFC 7518 3.2: the secret is at least as long as the hash.
fn secret_algorithms(
    resolver: &mut Resolver<'_>,
    secret: &At<Secret<String>>,
    algorithms: &[Algorithm],
) -> Option<AlgorithmSet> {
    let needed = algorithms.iter().filter_map(|algorithm| secret_length(*algorithm)).max().unwrap_or(32);
    if secret.expose().len() >= needed {
        return Some(algorithms.iter().copied().collect());
    }
    let fault =
        Fault::new(secret.span, format!("the secret is shorter than {needed} bytes, the size of the hash"));
    resolver.fault(fault.help(format!(
        "make one of {needed} random bytes or more, such as `openssl rand -base64 {needed}` gives"
    )))
}

fn claims(resolver: &mut Resolver<'_>, written: &written::Jwt) -> Option<ClaimsMap> {
    let written = written.claims.as_ref()?;
    let declared = &resolver.written.caller_attributes.0;
    let names: Vec<&str> = declared.iter().map(|(name, _)| &*name.value.0).collect();
    for (name, _) in written.attributes.iter().filter(|(name, _)| !names.contains(&&*name.value.0)) {
        let message = format!("there is no caller attribute `{}`", name.value);
        let known = names.iter().copied().chain(["roles", "scopes"]);
        resolver.faults.push(Fault::new(name.span, message).suggest(&name.value.0, known));
    }
    let mut attributes = BTreeMap::new();
    for (name, type_of) in declared {
        let pointers = written.attributes.iter().filter(|(mapped, _)| mapped.value == name.value);
        let pointer = pointers.filter_map(|(_, pointer)| pointer.clone()).next();
        let pointer = pointer.or_else(|| format!("/{}", name.value).parse().ok())?;
        if let Some(type_of) = *type_of {
            attributes.insert(name.value.0.clone(), AttributeClaim { pointer, type_of });
        }
    }
    let or = |pointer: &Option<JsonPointer>, default: &str| pointer.clone().or_else(|| default.parse().ok());
    Some(ClaimsMap { roles: or(&written.roles, "/roles"), scopes: or(&written.scopes, "/scope"), attributes })
}

fn basic(resolver: &mut Resolver<'_>, name: &At<Identifier>, written: &At<written::Basic>) -> Option<Basic> {
    let realm = match written.realm.given() {
        None => name.value.0.to_string(),
        Some(realm) if realm.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\') => {
            realm.value.clone()
        }
        Some(realm) => {
            let fault = Fault::new(realm.span, "a realm is visible ASCII without `\"` and `\\`");
            return resolver.fault(fault.help("choose a plain word"));
        }
    };
    let users = match written.users_file.given() {
        Some(file) => {
            usable(resolver, file, Htpasswd::parse)?;
            Users::File(file.0.clone())
        }
        None => {
            if written.users_file.is_absent() {
                resolver.needs_store("a `basic` authenticator without `users_file`", written.span);
            }
            Users::Store
        }
    };
    let roles = roles_of_all(resolver, written)?;
    Some(Basic { realm, users, roles })
}

fn roles_of_all(resolver: &mut Resolver<'_>, written: &written::Basic) -> Option<Vec<String>> {
    let Some(roles) = written.roles.given() else { return Some(Vec::new()) };
    if written.users_file.is_absent() {
        let fault = Fault::new(roles.span, "users in the store have roles of their own");
        return resolver.fault(fault.help("remove `roles`, or name a `users_file`"));
    }
    roles.iter().map(|role| role_of_all(resolver, role)).collect()
}

/// Only the store makes administrators of the gate.
fn role_of_all(resolver: &mut Resolver<'_>, role: &At<Identifier>) -> Option<String> {
    let name = resolver.role(role)?;
    if name.starts_with(role::RESERVED_PREFIX) {
        let message =
            format!("users in a file cannot have the built-in role `{}`", resolver.written_at(role.span));
        return resolver.fault(Fault::new(role.span, message).help("give it to users in the store, by name"));
    }
    Some(name.to_string())
}
