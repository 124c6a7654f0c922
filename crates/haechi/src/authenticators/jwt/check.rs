//! What hangs together in a `jwt` authenticator.

use super::record::{self, WrittenAudiences};
use super::settings::{Issuer, JwtSettings, Keys};
use crate::authenticators::definition::Checks;
use crate::authenticators::file::usable;
use crate::authenticators::possession::possession;
use crate::config::read::{Maybe, Named};
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::value::{ForeignName, Origin, RoleName};
use haechi_authn::identity::ACCESS_TOKEN_TYPE;
use haechi_authn::jose::{Algorithm, AlgorithmSet};
use haechi_authn::keys::{AddressFault, Keys as VerifyingKeys, WebOrigin};
use haechi_authn::schemes::jwt::{
    AttributeClaim, Audiences, ClaimsMap, DEFAULT_TOKEN_TYPES, IssuerRule, JsonPointer, TokenPlace,
};
use haechi_core::role::RESERVED_PREFIX;
use haechi_core::{Clock, SystemClock};
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
    let claims = claims(checks, written.claims.as_ref(), &written.role_map);
    let own = written.issuer.as_ref().is_some_and(|issuer| issuer.value == "self");
    let keys = if own { own_keys(checks, written) } else { others_keys(checks, written) };
    let key_origins = key_origins(checks, written, keys.as_ref());
    let audiences = audiences(checks, written, own);
    let audience_claim = audience_claim(checks, written);
    let from = from(checks, &written.from);
    let possession = possession(checks, (&written.require, &written.dpop), from.as_deref());
    let issuer = issuer(checks, written, own);
    let keys = keys?;
    let algorithms = algorithms(checks, written, &keys)?;
    Some(JwtSettings {
        issuer: issuer?,
        audiences: audiences?,
        audience_claim: audience_claim?,
        from: from?,
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
        possession: possession?,
        claims: claims?,
    })
}

fn audiences(checks: &mut dyn Checks, written: &At<record::Jwt>, own: bool) -> Option<Option<Audiences>> {
    let span = match written.audiences.given() {
        Some(audiences) => match &audiences.value {
            WrittenAudiences::Unchecked if own => {
                let fault = Fault::new(audiences.span, "with `issuer: self` audiences are always checked");
                return checks.fault(fault.help("remove `audiences`"));
            }
            WrittenAudiences::Unchecked => return Some(Some(Audiences::Unchecked)),
            WrittenAudiences::Listed(listed) if listed.is_empty() && own => return Some(None),
            WrittenAudiences::Listed(listed) if listed.is_empty() => audiences.span,
            WrittenAudiences::Listed(listed) if listed.iter().any(|audience| audience == "*") => {
                let fault = Fault::new(audiences.span, "`*` is the audience of no token");
                let help = "name what this gate is called in `aud`; `audiences: unchecked` where nobody is to check it";
                return checks.fault(fault.help(help));
            }
            WrittenAudiences::Listed(listed) => return Some(Some(Audiences::OneOf(listed.clone()))),
        },
        None if written.audiences.is_absent() && own => return Some(None),
        None if written.audiences.is_absent() => written.span,
        None => return None,
    };
    let fault = Fault::new(span, "a `jwt` authenticator needs `audiences` unless its issuer is `self`");
    checks.fault(fault.help("name what this gate is called in the token's `aud`: without it a token for any other service of the issuer passes"))
}

/// A name or a pointer. Where nobody checks, there is nothing to look at.
fn audience_claim(checks: &mut dyn Checks, written: &record::Jwt) -> Option<Option<JsonPointer>> {
    let Some(claim) = written.audience_claim.given() else {
        return written.audience_claim.is_absent().then_some(None);
    };
    if written.audiences.given().is_some_and(|all| matches!(all.value, WrittenAudiences::Unchecked)) {
        let fault = Fault::new(claim.span, "`audience_claim` is not looked at where audiences are unchecked");
        return checks.fault(fault.help("list the `audiences`, or remove `audience_claim`"));
    }
    let pointer = match claim.value.strip_prefix('/') {
        Some(_) => claim.value.parse().ok(),
        None if claim.value.is_empty() => None,
        None => Some(JsonPointer::of_name(&claim.value)),
    };
    match pointer {
        Some(pointer) => Some(Some(pointer)),
        None => {
            let fault = Fault::new(claim.span, "this is not the name of a claim");
            checks.fault(
                fault.help("write a name such as `client_id`, or a JSON pointer such as `/outer/inner`"),
            )
        }
    }
}

/// Where tokens may stand.
pub(in crate::authenticators) fn from(
    checks: &mut dyn Checks,
    written: &record::Places,
) -> Option<Vec<TokenPlace>> {
    let Some(listed) = written.given() else {
        return written.is_absent().then(|| record::places(written));
    };
    if listed.is_empty() {
        let fault = Fault::new(listed.span, "`from` names no place, so no token could be found");
        return checks.fault(fault.help("name at least one, or remove the key for `[bearer]`"));
    }
    let places = record::places(written);
    for (index, place) in listed.iter().enumerate() {
        if places.iter().take(index).any(|before| *before == place.value.0) {
            return checks.fault(Fault::new(place.span, "this place is named twice").help("name it once"));
        }
    }
    Some(places)
}

fn issuer(checks: &mut dyn Checks, written: &record::Jwt, own: bool) -> Option<Issuer> {
    let issuer = written.issuer.as_ref()?;
    let no_tenants = BTreeMap::new();
    let tenants: BTreeMap<Box<str>, Vec<Box<str>>> = match written.tenants.given() {
        Some(tenants) => {
            let listed = tenants.0.iter().map(|(name, listed)| {
                let listed: Vec<Box<str>> =
                    listed.as_ref()?.iter().map(|value| value.as_str().into()).collect();
                if listed.iter().any(|value| &**value == "*") {
                    let fault = Fault::new(name.span, "`*` is the claim of no token");
                    return checks.fault(fault.help("list the tenants that may come, one by one"));
                }
                Some((name.value.0.clone(), listed))
            });
            listed.collect::<Option<_>>()?
        }
        None if written.tenants.is_absent() => no_tenants,
        None => return None,
    };
    if own && tenants.is_empty() {
        return Some(Issuer::Own);
    }
    if tenants.is_empty() && written.tenants.is_absent() && !issuer.value.contains('{') {
        return Some(Issuer::Named(issuer.value.as_str().into()));
    }
    match IssuerRule::of_tenants(&issuer.value, &tenants) {
        Ok(rule) => Some(Issuer::Tenants(issuer.value.as_str().into(), rule)),
        Err(why) => {
            let help =
                "write `issuer: \"https://login.example.com/{tid}/v2.0\"` and `tenants: { tid: [ID, …] }`";
            checks.fault(Fault::new(issuer.span, why.to_string()).help(help))
        }
    }
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
            usable(checks, file, read).map(|_| Keys::JwksFile(file.0.clone()))
        }
        record::Keys::PemFile(file) => {
            let read = |text: &str| VerifyingKeys::from_pem(text, SystemClock.now());
            usable(checks, file, read).map(|_| Keys::PemFile(file.0.clone()))
        }
        record::Keys::Secret(secrets) => {
            Some(Keys::Secret(secrets.value.iter().map(|secret| secret.value.clone()).collect()))
        }
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
        Some(types) => types.value.iter().map(|word| token_type(checks, types.span, word)).collect(),
    }
}

/// A `typ` without `application/` (RFC 7515 4.1.9). What no `typ` can be would refuse every token, or seem to take all.
fn token_type(checks: &mut dyn Checks, span: Span, word: &str) -> Option<String> {
    let short = match word.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => word,
    };
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+/".contains(&b);
    if !short.is_empty() && short.bytes().all(legal) {
        return Some(short.to_owned());
    }
    let fault = Fault::new(span, format!("`{word}` is not a type of tokens, and would match none"));
    checks.fault(
        fault.help("name each type, such as `at+jwt` and `JWT`; a token without `typ` is taken anyway"),
    )
}

fn discovery(
    checks: &mut dyn Checks,
    written: &record::Jwt,
    issuer: &At<String>,
    span: Span,
) -> Option<Keys> {
    if WebOrigin::of(&issuer.value).is_err() || issuer.value.contains(['?', '{']) {
        let fault = Fault::new(span, "keys cannot be discovered: the issuer is not one web address");
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
    permitted_origins(checks, &written.key_origins, written.allow_http)
}

/// Origins from which keys may be fetched.
pub(in crate::authenticators) fn permitted_origins(
    checks: &mut dyn Checks,
    written: &Maybe<At<Vec<At<Origin>>>>,
    allow_http: bool,
) -> Option<Vec<WebOrigin>> {
    let Some(listed) = written.given() else { return written.is_absent().then(Vec::new) };
    let permitted = |origin: &At<Origin>, checks: &mut dyn Checks| {
        web_keys_allowed(checks, &origin.0, allow_http, origin.span)
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
    secrets: &At<record::SecretBytes>,
    algorithms: &[Algorithm],
) -> Option<AlgorithmSet> {
    let needed = algorithms.iter().filter_map(|algorithm| secret_length(*algorithm)).max().unwrap_or(32);
    let Some(secret) = secrets.iter().find(|secret| secret.expose().len() < needed) else {
        return Some(algorithms.iter().copied().collect());
    };
    let fault =
        Fault::new(secret.span, format!("the secret is shorter than {needed} bytes, the size of the hash"));
    checks.fault(fault.help(format!(
        "make one of {needed} random bytes or more, such as `openssl rand -base64 {needed}` gives"
    )))
}

pub(in crate::authenticators) fn claims(
    checks: &mut dyn Checks,
    written: Option<&record::Claims>,
    role_map_written: &Maybe<At<Named<ForeignName, At<RoleName>>>>,
) -> Option<ClaimsMap> {
    let role_map = role_map(checks, role_map_written);
    let written = written?;
    let declared = checks.caller_attributes();
    let names: Vec<&str> = declared.iter().map(|(name, _)| &**name).collect();
    for (name, _) in written.attributes.iter().filter(|(name, _)| !names.contains(&&*name.value.0)) {
        let message = format!("there is no caller attribute `{}`", name.value);
        let known = names.iter().copied().chain(["subject", "roles", "scopes"]);
        checks.report(Fault::new(name.span, message).suggest(&name.value.0, known));
    }
    let mut attributes = BTreeMap::new();
    for (name, type_of) in &declared {
        let pointers = written.attributes.iter().filter(|(mapped, _)| mapped.value.0 == *name);
        let pointers = pointers.filter_map(|(_, pointers)| pointers.clone()).next();
        let pointers = pointers.map_or_else(|| vec![JsonPointer::of_name(name)], |pointers| pointers.0);
        if let Some(type_of) = *type_of {
            attributes.insert(name.clone(), AttributeClaim { pointers, type_of });
        }
    }
    let or = |pointers: &Option<record::Pointers>, default: &str| {
        pointers.as_ref().map_or_else(|| vec![JsonPointer::of_name(default)], |pointers| pointers.0.clone())
    };
    Some(ClaimsMap {
        subject: or(&written.subject, "sub"),
        roles: or(&written.roles, "roles"),
        role_map: role_map?,
        scopes: or(&written.scopes, "scope"),
        attributes,
    })
}

/// Which role of ours is what the issuer says. Whoever maps to a built-in role would let an issuer make administrators of the gate.
pub(in crate::authenticators) fn role_map(
    checks: &mut dyn Checks,
    written: &Maybe<At<Named<ForeignName, At<RoleName>>>>,
) -> Option<Option<BTreeMap<Box<str>, Box<str>>>> {
    let Some(map) = written.given() else {
        return written.is_absent().then_some(None);
    };
    let mut mapped = BTreeMap::new();
    for (theirs, ours) in &map.0 {
        let ours = ours.as_ref()?;
        let role = checks.role(&ours.value.0, ours.span)?;
        if role.starts_with(RESERVED_PREFIX) {
            let message = format!("an issuer from outside cannot give the built-in role `{role}`");
            return checks.fault(Fault::new(ours.span, message).help("map it to a role of your own"));
        }
        mapped.insert(theirs.value.0.clone(), role.as_ref().into());
    }
    Some(Some(mapped))
}
