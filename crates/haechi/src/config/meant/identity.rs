//! The embedded identity provider.

use super::names::Resolver;
use super::rate_limits::identity_rates;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::written;
use haechi_authn::identity::{BrowserSessionSpans, IdentityRates, Lockout, RelyingParty, Seal};
use haechi_authn::jose::SigningAlgorithm;
use haechi_authn::keys::WebOrigin;
use haechi_core::PathPattern;
use haechi_core::Secret;
use haechi_core::pattern::Segment;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// The embedded identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The `iss` of its tokens, exactly; no trailing slash.
    pub issuer: Arc<str>,
    /// Below which path it answers: `/auth`, literal, no trailing slash.
    pub path: Box<str>,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// How long access tokens are valid.
    pub access_token_lifetime: Duration,
    /// How long a login lasts.
    pub refresh_token_lifetime: Duration,
    /// For how long a refresh token may be presented again.
    pub reuse_interval: Duration,
    /// How long a browser stays logged in at its pages.
    pub browser_session: BrowserSessionSpans,
    /// Whether clients may register themselves.
    pub registration: bool,
    /// Whose passkeys people may log in with, where they may.
    pub passkeys: Option<RelyingParty>,
    /// The keys that it signs with.
    pub signing_keys: SigningKeys,
    /// After how long a password must be changed.
    pub password_max_age: Option<Duration>,
    /// When a user is locked out, and for how long.
    pub lockout: Lockout,
    /// How often it may be called.
    pub rates: IdentityRates,
}

/// How the signing keys are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SigningKeys {
    /// What they are sealed with, as written, each readable: the first seals, each opens.
    pub seals: Vec<Secret<String>>,
    /// After how long one is replaced.
    pub rotate_every: Option<Duration>,
}

pub(super) use haechi_authn::identity::DEFAULT_PATH;

pub(super) fn identity(resolver: &mut Resolver<'_>, written: &At<written::Identity>) -> Option<Identity> {
    resolver.needs_store("`identity`", written.span);
    let issuer = issuer(resolver, written);
    let path = match written.path.given() {
        Some(path) => literal_path(resolver, path),
        None => Some(DEFAULT_PATH.into()),
    };
    let access_token = written.access_token.as_ref()?;
    let refresh_token = written.refresh_token.as_ref()?;
    lifetimes(resolver, access_token, refresh_token);
    let browser_session = browser_session(resolver, written.session.as_ref()?);
    let rates = identity_rates(resolver, written);
    let signing_keys = signing_keys(resolver, written.signing_keys.as_ref()?);
    let lockout = written.lockout.as_ref()?;
    let passkeys = passkeys(resolver, written, issuer.as_deref());
    Some(Identity {
        issuer: issuer?,
        path: path?,
        algorithm: access_token.algorithm,
        access_token_lifetime: access_token.lifetime.0,
        refresh_token_lifetime: refresh_token.lifetime.0,
        reuse_interval: refresh_token.reuse_interval.0,
        browser_session: browser_session?,
        registration: written.registration,
        passkeys: passkeys?,
        signing_keys: signing_keys?,
        password_max_age: written.password.as_ref()?.max_age.given().map(|age| age.value.0),
        lockout: Lockout {
            failures: NonZeroU32::new(lockout.failures.0).unwrap_or(NonZeroU32::MIN),
            lasts: lockout.lasts.0,
        },
        rates: rates?,
    })
}

/// Passkeys are bound to a name: browsers have none for an address.
fn passkeys(
    resolver: &mut Resolver<'_>,
    written: &written::Identity,
    issuer: Option<&str>,
) -> Option<Option<RelyingParty>> {
    if !written.passkeys {
        return Some(None);
    }
    if let Some(party) = RelyingParty::of(issuer?) {
        return Some(Some(party));
    }
    let span = written.issuer.as_ref()?.span;
    let fault = Fault::new(span, "browsers have no passkeys for this issuer");
    resolver
        .fault(fault.help("write `https://` and a name, or `http://localhost`: `https://login.example.com`"))
}

fn browser_session(
    resolver: &mut Resolver<'_>,
    written: &At<written::BrowserSession>,
) -> Option<BrowserSessionSpans> {
    let (idle, absolute) = (written.idle.0, written.absolute.0);
    if idle > absolute {
        let shown = humantime::format_duration;
        let message =
            format!("a session would idle for `{}`, and end after `{}`", shown(idle), shown(absolute));
        let help = "make `absolute` at least as long as `idle`";
        return resolver.fault(Fault::new(written.span, message).help(help));
    }
    Some(BrowserSessionSpans { idle, absolute })
}

fn signing_keys(resolver: &mut Resolver<'_>, written: &written::SigningKeys) -> Option<SigningKeys> {
    let mut seals: Vec<Secret<String>> = Vec::new();
    let mut ids = Vec::new();
    for seal in written.seal.given().iter().flat_map(|seals| &seals.value.0) {
        match Seal::parse(seal.value.expose()) {
            Ok(read) if ids.contains(&read.id()) => {
                return resolver.fault(Fault::new(seal.span, "the seal stands twice").help("keep it once"));
            }
            Ok(read) => ids.push(read.id()),
            Err(fault) => {
                let help =
                    "make one with `openssl rand -base64 32`, and name it by `${env:NAME}` or `${file:PATH}`";
                return resolver.fault(Fault::new(seal.span, fault.to_string()).help(help));
            }
        }
        seals.push(seal.value.clone());
    }
    Some(SigningKeys { seals, rotate_every: written.rotate_every.given().map(|every| every.value.0) })
}

/// A login that ended must not leave a token behind that still works.
fn lifetimes(
    resolver: &mut Resolver<'_>,
    access: &written::AccessToken,
    refresh: &At<written::RefreshToken>,
) {
    let (token, login) = (access.lifetime.0, refresh.lifetime.0);
    if token > login {
        let shown = humantime::format_duration;
        let message = format!(
            "an access token would be valid for `{}`, and a login for `{}`",
            shown(token),
            shown(login)
        );
        let help = "make `refresh_token.lifetime` at least as long as `access_token.lifetime`, which is `10m` where it is left out";
        resolver.faults.push(Fault::new(refresh.span, message).help(help));
    }
}

fn issuer(resolver: &mut Resolver<'_>, written: &written::Identity) -> Option<Arc<str>> {
    let issuer = written.issuer.as_ref()?;
    if WebOrigin::permitted(issuer.as_str(), written.allow_http).is_err() {
        let fault = Fault::new(issuer.span, "the issuer is reached over plain `http`");
        return resolver.fault(fault.help("write `https://`, or set `allow_http: true` beside it"));
    }
    if issuer.query().is_some() || issuer.path() != "/" {
        let fault = Fault::new(issuer.span, "the issuer has a path or a query");
        return resolver
            .fault(fault.help("write scheme, host and port only: its keys are at `/.well-known/jwks.json`"));
    }
    Some(issuer.as_str().trim_end_matches('/').into())
}

fn literal_path(resolver: &mut Resolver<'_>, path: &At<PathPattern>) -> Option<Box<str>> {
    let literal = |segment: &Segment| matches!(segment, Segment::Literal(text) if !text.is_empty());
    if path.segments().iter().all(literal) {
        return Some(path.canonical().into());
    }
    let message = format!("`{}` is not a plain path", resolver.written_at(path.span));
    resolver
        .fault(Fault::new(path.span, message).help("write a literal path that does not end in `/`: `/auth`"))
}
