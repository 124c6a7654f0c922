//! What hangs together in a `jwt` authenticator.

use super::record;
use super::settings::{Issuer, JwtSettings, Keys};
use crate::authenticators::definition::Checks;
use crate::authenticators::file::usable;
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::value::Origin;
use haechi_authn::identity::ACCESS_TOKEN_TYPE;
use haechi_authn::jose::{Algorithm, AlgorithmSet};
use haechi_authn::keys::{AddressFault, Keys as VerifyingKeys, WebOrigin};
use haechi_authn::schemes::jwt::{AttributeClaim, ClaimsMap, DEFAULT_TOKEN_TYPES, JsonPointer};
use haechi_core::{Clock, Secret, SystemClock};
use std::collections::BTreeMap;

/// The bytes of the hash of an HMAC algorithm, which its secret must have at least (RFC 7518 3.2); `None` for the asymmetric ones.
const fn secret_length(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::Hs256 => Some(32),
        Algorithm::Hs384 => Some(48),
        Algorithm::Hs512 => Some(64),
        _ => None,
    }
}

pub(super) fn jwt(checks: &mut dyn Checks, written: &At<record::Jwt>) -> Option<JwtSettings> {
    let claims = claims(checks, written);
    let own = written.issuer.as_ref().is_some_and(|issuer| issuer.value == "self");
    let keys = if own { own_keys(checks, written) } else { others_keys(checks, written) };
    let key_origins = key_origins(checks, written, keys.as_ref());
    let audiences = if own { own_audiences(written) } else { others_audiences(checks, written) };
    let keys = keys?;
    let algorithms = algorithms(checks, written, &keys)?;
    let issuer = written.issuer.as_ref()?;
    Some(JwtSettings {
        issuer: if own { Issuer::Own } else { Issuer::Named(issuer.value.as_str().into()) },
        audiences: audiences?,
        keys,
        key_origins: key_origins?,
        allow_http: written.allow_http,
        algorithms,
        leeway: written.leeway.0,
        token_types: if own {
            own_token_types(checks, written)
        } else {
            others_token_types(checks, written)
        }?,
        claims: claims?,
    })
}

fn own_audiences(written: &record::Jwt) -> Option<Vec<String>> {
    Some(written.audiences.given().map(|audiences| audiences.value.clone()).unwrap_or_default())
}

fn others_audiences(checks: &mut dyn Checks, written: &At<record::Jwt>) -> Option<Vec<String>> {
    let span = match written.audiences.given() {
        Some(audiences) if !audiences.is_empty() => return Some(audiences.value.clone()),
        Some(audiences) => audiences.span,
        None if written.audiences.is_absent() => written.span,
        None => return None,
    };
    let fault = Fault::new(span, "a `jwt` authenticator needs `audiences` unless its issuer is `self`");
    checks.fault(fault.help("name what this gate is called in the token's `aud`: without it a token for any other service of the issuer passes"))
}

fn own_keys(checks: &mut dyn Checks, written: &At<record::Jwt>) -> Option<Keys> {
    let issuer_at = written.issuer.as_ref().map_or(written.span, |issuer| issuer.span);
    if !checks.has_identity() {
        let fault = Fault::new(issuer_at, "`issuer: self` needs the embedded identity provider");
        checks.report(fault.help("add `identity` at the top, or name another issuer"));
    }
    if let Some(keys) = written.keys.given() {
        let fault = Fault::new(keys.span, "`issuer: self` has its own keys");
        checks.report(fault.help("remove `keys`"));
    }
    Some(Keys::Own)
}

fn others_keys(checks: &mut dyn Checks, written: &At<record::Jwt>) -> Option<Keys> {
    let issuer = written.issuer.as_ref()?;
    let Some(keys) = written.keys.given() else {
        return if written.keys.is_absent() { discovery(checks, written, issuer, issuer.span) } else { None };
    };
    match &keys.value {
        record::Keys::Discovery => discovery(checks, written, issuer, keys.span),
        record::Keys::JwksUrl(url) => {
            let allowed = web_keys_allowed(checks, url.as_str(), written.allow_http, url.span);
            allowed.then(|| Keys::JwksUrl(url.value.clone()))
        }
        record::Keys::JwksFile(file) => {
            let read = |text: &str| VerifyingKeys::from_jwks(text.as_bytes(), SystemClock.now());
            usable(checks, file, read).map(|()| Keys::JwksFile(file.0.clone()))
        }
        record::Keys::PemFile(file) => {
            let read = |text: &str| VerifyingKeys::from_pem(text, SystemClock.now());
            usable(checks, file, read).map(|()| Keys::PemFile(file.0.clone()))
        }
        record::Keys::Secret(secret) => Some(Keys::Secret(secret.value.clone())),
    }
}

/// The tokens that we sign for backends, with the same keys, are told apart by their type.
fn own_token_types(checks: &mut dyn Checks, written: &record::Jwt) -> Option<Vec<String>> {
    match written.token_types.given() {
        Some(types) if types.value != [ACCESS_TOKEN_TYPE] => {
            let message = format!("with `issuer: self` an access token's type is `{ACCESS_TOKEN_TYPE}`");
            checks.fault(Fault::new(types.span, message).help("remove `token_types`"))
        }
        _ => Some(vec![ACCESS_TOKEN_TYPE.to_owned()]),
    }
}

fn others_token_types(checks: &mut dyn Checks, written: &record::Jwt) -> Option<Vec<String>> {
    match written.token_types.given() {
        None => Some(DEFAULT_TOKEN_TYPES.map(str::to_owned).to_vec()),
        Some(types) if types.is_empty() => {
            let fault = Fault::new(types.span, "`token_types` lists none, so no token could be accepted");
            checks.fault(fault.help("name at least one, or remove the key"))
        }
        Some(types) => Some(types.value.clone()),
    }
}

fn discovery(
    checks: &mut dyn Checks,
    written: &record::Jwt,
    issuer: &At<String>,
    span: Span,
) -> Option<Keys> {
    if WebOrigin::of(&issuer.value).is_err() || issuer.value.contains('?') {
        let fault = Fault::new(span, "keys cannot be discovered: the issuer is not a web address");
        return checks.fault(fault.help("name the place of the keys: `keys: { jwks_url: … }`, `{ jwks_file: … }`, `{ pem_file: … }` or `{ secret: … }`"));
    }
    web_keys_allowed(checks, &issuer.value, written.allow_http, span).then_some(Keys::Discovery)
}

/// Keys that anybody on the way could exchange are no keys.
fn web_keys_allowed(checks: &mut dyn Checks, address: &str, allow_http: bool, span: Span) -> bool {
    let fault = match WebOrigin::permitted(address, allow_http) {
        Ok(_) => return true,
        Err(AddressFault::Plain(_)) => Fault::new(span, "the keys would be fetched over plain `http`")
            .help("write `https://`; `allow_http: true` beside it takes the risk"),
        Err(_) => Fault::new(span, "keys are not fetched from an address of this form")
            .help("write `https://`, a plain host, and a path"),
    };
    checks.report(fault);
    false
}

fn key_origins(
    checks: &mut dyn Checks,
    written: &record::Jwt,
    keys: Option<&Keys>,
) -> Option<Vec<WebOrigin>> {
    let Some(listed) = written.key_origins.given() else { return Some(Vec::new()) };
    if keys.is_some_and(|keys| !matches!(keys, Keys::Discovery)) {
        let fault = Fault::new(listed.span, "`key_origins` is for keys that are discovered");
        return checks.fault(fault.help("remove it, or write `keys: discovery`"));
    }
    let permitted = |origin: &At<Origin>, checks: &mut dyn Checks| {
        web_keys_allowed(checks, &origin.0, written.allow_http, origin.span)
            .then(|| WebOrigin::of(&origin.0).ok())
            .flatten()
    };
    listed.iter().map(|origin| permitted(origin, checks)).collect()
}

fn algorithms(checks: &mut dyn Checks, written: &At<record::Jwt>, keys: &Keys) -> Option<AlgorithmSet> {
    let Some(listed) = written.algorithms.given() else {
        return match (written.algorithms.is_absent(), &written.keys.given().map(|keys| &keys.value)) {
            (true, Some(record::Keys::Secret(secret))) => {
                secret_algorithms(checks, secret, &[Algorithm::Hs256])
            }
            (true, _) => Some(Algorithm::asymmetric()),
            (false, _) => None,
        };
    };
    if listed.is_empty() {
        let fault = Fault::new(listed.span, "`algorithms` allows none");
        return checks.fault(fault.help("name at least one, or remove the key for all asymmetric ones"));
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
        checks.report(fault);
    }
    if !misfits.is_empty() {
        return None;
    }
    let algorithms: Vec<Algorithm> = listed.iter().map(|algorithm| algorithm.value).collect();
    match written.keys.given().map(|keys| &keys.value) {
        Some(record::Keys::Secret(secret)) => secret_algorithms(checks, secret, &algorithms),
        _ => Some(algorithms.into_iter().collect()),
    }
}

/// RFC 7518 3.2: the secret is at least as long as the hash.
fn secret_algorithms(
    checks: &mut dyn Checks,
    secret: &At<Secret<String>>,
    algorithms: &[Algorithm],
) -> Option<AlgorithmSet> {
    let needed = algorithms.iter().filter_map(|algorithm| secret_length(*algorithm)).max().unwrap_or(32);
    if secret.expose().len() >= needed {
        return Some(algorithms.iter().copied().collect());
    }
    let fault =
        Fault::new(secret.span, format!("the secret is shorter than {needed} bytes, the size of the hash"));
    checks.fault(fault.help(format!(
        "make one of {needed} random bytes or more, such as `openssl rand -base64 {needed}` gives"
    )))
}

fn claims(checks: &mut dyn Checks, written: &record::Jwt) -> Option<ClaimsMap> {
    let written = written.claims.as_ref()?;
    let declared = checks.caller_attributes();
    let names: Vec<&str> = declared.iter().map(|(name, _)| &**name).collect();
    for (name, _) in written.attributes.iter().filter(|(name, _)| !names.contains(&&*name.value.0)) {
        let message = format!("there is no caller attribute `{}`", name.value);
        let known = names.iter().copied().chain(["roles", "scopes"]);
        checks.report(Fault::new(name.span, message).suggest(&name.value.0, known));
    }
    let mut attributes = BTreeMap::new();
    for (name, type_of) in &declared {
        let pointers = written.attributes.iter().filter(|(mapped, _)| mapped.value.0 == *name);
        let pointer = pointers.filter_map(|(_, pointer)| pointer.clone()).next();
        let pointer = pointer.or_else(|| format!("/{name}").parse().ok())?;
        if let Some(type_of) = *type_of {
            attributes.insert(name.clone(), AttributeClaim { pointer, type_of });
        }
    }
    let or = |pointer: &Option<JsonPointer>, default: &str| pointer.clone().or_else(|| default.parse().ok());
    Some(ClaimsMap { roles: or(&written.roles, "/roles"), scopes: or(&written.scopes, "/scope"), attributes })
}
