//! What a signature covers, of the request that the gate routes (RFC 9421 2): the same canonical values, and no others.

use super::structured::{Component, SignatureInput};
use crate::oidc_parameters::decoded;
use haechi_core::{Fields, Host, RequestHead};

/// Why there is nothing to sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ComponentFault {
    #[error("the signature covers `{0}`, which the request does not have")]
    Missing(String),
    #[error("the signature covers `{0}`, which is not known here")]
    Unknown(String),
    #[error("the signature covers `{0}`, which could be read in two ways")]
    Ambiguous(String),
}

/// What is signed (RFC 9421 2.5).
pub(super) fn base(input: &SignatureInput, head: &RequestHead) -> Result<Vec<u8>, ComponentFault> {
    let mut base = Vec::with_capacity(512);
    for component in &input.components {
        if component.is_foreign {
            return Err(ComponentFault::Unknown(shown(&component.text)));
        }
        base.extend_from_slice(component.text.as_bytes());
        base.extend_from_slice(b": ");
        value(component, head, &mut base)?;
        base.push(b'\n');
    }
    base.extend_from_slice(b"\"@signature-params\": ");
    base.extend_from_slice(input.text.as_bytes());
    Ok(base)
}

fn value(component: &Component, head: &RequestHead, out: &mut Vec<u8>) -> Result<(), ComponentFault> {
    let (name, path) = (&*component.name, head.path.as_str());
    let mut say = |text: &str| out.extend_from_slice(text.as_bytes());
    match name {
        "@method" => say(head.method.as_str()),
        "@scheme" => say(scheme(head)),
        "@authority" => say(&authority(head)?),
        "@path" => say(path),
        "@query" => {
            say("?");
            say(head.query.as_deref().unwrap_or_default());
        }
        "@request-target" => say(&target(head)),
        "@target-uri" => {
            say(scheme(head));
            say("://");
            say(&authority(head)?);
            say(&target(head));
        }
        "@query-param" => {
            let wanted = component.query_parameter.as_deref().unwrap_or_default();
            say(&query_parameter(head.query.as_deref().unwrap_or_default(), wanted)?);
        }
        name if name.starts_with('@') => return Err(ComponentFault::Unknown(shown(name))),
        name => field(&head.fields, name, out)?,
    }
    Ok(())
}

const fn scheme(head: &RequestHead) -> &'static str {
    if head.secure { "https" } else { "http" }
}

/// Without the port that the scheme means anyway (RFC 9421 2.2.3).
fn authority(head: &RequestHead) -> Result<String, ComponentFault> {
    let host: &Host = &head.host;
    if host.is_unnamed() {
        return Err(ComponentFault::Missing("@authority".to_owned()));
    }
    let usual = if head.secure { 443 } else { 80 };
    Ok(match host.port().filter(|port| *port != usual) {
        Some(port) => format!("{}:{port}", host.name()),
        None => host.name().to_owned(),
    })
}

fn target(head: &RequestHead) -> String {
    match &head.query {
        Some(query) => format!("{}?{query}", head.path.as_str()),
        None => head.path.as_str().to_owned(),
    }
}

/// The one parameter of this name, as RFC 9421 2.2.8 writes it.
fn query_parameter(query: &str, wanted: &str) -> Result<String, ComponentFault> {
    let mut found = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let ambiguous = || ComponentFault::Ambiguous(format!("@query-param {}", shown(wanted)));
        if encoded(&decoded(name.as_bytes()).ok_or_else(ambiguous)?) == wanted
            && found.replace(encoded(&decoded(value.as_bytes()).ok_or_else(ambiguous)?)).is_some()
        {
            return Err(ambiguous());
        }
    }
    found.ok_or_else(|| ComponentFault::Missing(format!("@query-param {}", shown(wanted))))
}

/// The set of `application/x-www-form-urlencoded`, with `%20` for a space.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// All values of a field, in order (RFC 9421 2.1).
fn field(fields: &Fields, name: &str, out: &mut Vec<u8>) -> Result<(), ComponentFault> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(ComponentFault::Unknown(shown(name)));
    }
    let mut count = 0;
    for sent in fields.iter().filter(|sent| sent.name == name.as_bytes()) {
        if count > 0 {
            out.extend_from_slice(b", ");
        }
        count += 1;
        if sent.value.iter().any(|byte| !matches!(byte, b' '..=b'~' | b'\t')) {
            return Err(ComponentFault::Ambiguous(shown(name)));
        }
        out.extend_from_slice(sent.value.trim_ascii());
    }
    match count {
        0 => Err(ComponentFault::Missing(shown(name))),
        // HTTP/2 divides it where it likes, and what joins its parts again is a semicolon.
        2.. if name == "cookie" => Err(ComponentFault::Ambiguous(shown(name))),
        _ => Ok(()),
    }
}

fn shown(name: &str) -> String {
    name.chars().take(64).collect::<String>().escape_debug().to_string()
}
