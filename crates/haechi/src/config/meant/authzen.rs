//! `authzen` of a listener: who may ask about callers whom nobody has authenticated.

use super::names::Resolver;
use crate::config::read::Maybe;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::written::{self, ClientCertificate};
use haechi_core::Secret;
use haechi_proxy::{AssumedContext, Authzen};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of less, somebody could find one by trying.
const SHORTEST_TOKEN: usize = 32;

/// How the listener is asked. What authenticators make of their callers is for whoever knows them.
pub(super) fn authzen(resolver: &mut Resolver<'_>, listener: &written::Listener) -> Option<Arc<Authzen>> {
    let written = listener.authzen.given()?;
    let listed = written.tokens.given().map_or(&[][..], |tokens| &tokens.value);
    let fits = listed.iter().filter(|token| is_token(resolver, token));
    let tokens: Vec<Secret<String>> = fits.map(|token| token.value.clone()).collect();
    let has_none = listed.is_empty() && !matches!(written.tokens, Maybe::Faulty);
    if has_none && !demands_certificate(listener) {
        let message = "whoever can connect from a trusted proxy's address could ask about anybody";
        let help = "add `tokens: [\"${env:AUTHZEN_TOKEN}\"]`, or `tls` with `client_ca` and without `client_certificate: optional`";
        resolver.faults.push(Fault::new(written.span, message).help(help));
    }
    let assumed = written.assume.given();
    let assumed = assumed.map(|assumed| AssumedContext {
        host: assumed.host.given().cloned(),
        ip: assumed.ip.given().copied(),
        secure: assumed.secure.given().copied(),
    });
    Some(Arc::new(Authzen { tokens, assumed: assumed.unwrap_or_default(), claims: BTreeMap::new() }))
}

/// RFC 6750 2.1.
fn is_token(resolver: &mut Resolver<'_>, token: &At<Secret<String>>) -> bool {
    let text = token.expose().trim_end_matches('=');
    let is_token68 = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/'));
    if is_token68 && text.len() >= SHORTEST_TOKEN {
        return true;
    }
    let message = "this is no bearer token of at least 32 characters";
    let help = "make one with `openssl rand -hex 32`";
    resolver.faults.push(Fault::new(token.span, message).help(help));
    false
}

/// Whether nobody connects without a certificate that verifies.
fn demands_certificate(listener: &written::Listener) -> bool {
    listener.tls.given().is_some_and(|tls| {
        let optional = matches!(&tls.client_certificate,
            Maybe::Given(asked) if asked.value == ClientCertificate::Optional);
        !tls.client_ca.is_absent() && !optional
    })
}
