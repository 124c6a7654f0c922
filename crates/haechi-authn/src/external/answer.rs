//! What an answer says of a request.

use super::calls::ServiceAnswer;
use super::config::{ExternalConfig, PassedField, ValueEncoding};
use super::question::CredentialForm;
use crate::attempt::{Rejection, ServiceBody, ServiceRefusal};
use crate::{Attempt, CredentialMatch, Fault, Unavailable};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::{AttributeType, AttributeValue, Attributes, Caller, CallerKind, RoleTable};
use std::borrow::Cow;
use std::sync::Arc;

/// The most bytes of a value.
const LONGEST: usize = 8 * 1024;
/// The most bytes of a subject.
const LONGEST_SUBJECT: usize = 1024;

/// What is known of a request.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// Its caller.
    Caller(Arc<Caller>),
    /// It does not pass.
    Refused(Rejection),
    /// It shows no credential, and needs one.
    Nobody,
}

impl From<Told> for Attempt {
    fn from(told: Told) -> Self {
        match told {
            Told::Caller(caller) => Self::Verified(caller),
            Told::Refused(rejection) => Self::Rejected(rejection),
            Told::Nobody => Self::Absent,
        }
    }
}

/// Reads an answer.
///
/// # Errors
/// [`Unavailable`] for what is no answer: it says nothing of the request.
pub(super) fn read(
    config: &ExternalConfig,
    roles: &RoleTable,
    credential: Option<CredentialForm>,
    answer: ServiceAnswer,
) -> Result<Told, Unavailable> {
    let status = answer.status;
    match status {
        200..=299 => Ok(Told::Caller(Arc::new(caller(config, roles, &answer)?))),
        _ if config.own_answers.statuses.contains(&status) => {
            let fault = if status == 403 { Fault::Forbidden } else { Fault::InvalidCredentials };
            let why = format!("the authorization service answers {status}, which is passed on");
            let rejection = refused(fault, why);
            Ok(Told::Refused(Rejection { own: Some(Arc::new(own(config, answer)?)), ..rejection }))
        }
        401 => {
            let fault = match credential {
                None => return Ok(Told::Nobody),
                Some(CredentialForm::Bearer) => Fault::InvalidToken,
                Some(_) => Fault::InvalidCredentials,
            };
            Ok(Told::Refused(refused(fault, "the authorization service answers 401")))
        }
        403 => Ok(Told::Refused(refused(Fault::Forbidden, "the authorization service answers 403"))),
        _ => Err(Unavailable::new(format!("the authorization service answers {status}"))),
    }
}

fn refused(fault: Fault, reason: impl Into<Cow<'static, str>>) -> Rejection {
    Rejection { fault, reason: reason.into(), matched: CredentialMatch::Addressed, own: None }
}

/// The caller of a request that passes. Whoever lets somebody through says who it is.
fn caller(config: &ExternalConfig, roles: &RoleTable, answer: &ServiceAnswer) -> Result<Caller, Unavailable> {
    let names = &config.names;
    let broken = |why: String| Unavailable::new(format!("the authorization service's answer: {why}"));
    let text = |name: &str| value(config, answer, name).map_err(broken);
    let Some(subject) = text(&names.subject)? else {
        return Err(broken(format!(
            "it lets the request through, and `{}` does not say who it is",
            names.subject
        )));
    };
    if subject.len() > LONGEST_SUBJECT {
        return Err(broken(format!("`{}` is longer than {LONGEST_SUBJECT} bytes", names.subject)));
    }
    let list = |name: &str, at: &[char]| members(config, answer, name, at).map_err(broken);
    let mut attributes = Attributes::new();
    for (attribute, (name, as_type)) in &names.attributes {
        let value = match as_type {
            AttributeType::Set => {
                let members = list(name, &[','])?;
                let set = members.into_iter().map(Box::from).collect();
                let is_said = answer.fields.iter().any(|field| field.name == name.as_bytes());
                is_said.then_some(AttributeValue::Set(set))
            }
            _ => text(name)?.and_then(|text| AttributeValue::parse(&text, *as_type)),
        };
        attributes.extend(value.map(|value| (attribute.clone(), value)));
    }
    let claimed = Claimed {
        subject,
        issuer: config.issuer.to_string(),
        roles: ours(config, roles, list(&names.roles, &[','])?),
        scopes: list(&names.scopes, &[',', ' '])?,
        attributes,
        ..Claimed::default()
    };
    Ok(Caller::new(CallerKind::User, &config.name, Vouched::ByOther, roles, claimed))
}

fn ours(config: &ExternalConfig, declared: &RoleTable, said: Vec<String>) -> Vec<String> {
    let Some(map) = &config.role_map else { return said };
    let role = |name: String| match map.get(&*name) {
        Some(role) => Some(role.to_string()),
        None => declared.knows(&name).then_some(name),
    };
    said.into_iter().filter_map(role).collect()
}

/// The text of a field that may stand once; an empty one says nothing.
fn value(config: &ExternalConfig, answer: &ServiceAnswer, name: &str) -> Result<Option<String>, String> {
    let sole =
        answer.fields.sole_named(name.as_bytes()).map_err(|_| format!("`{name}` stands more than once"))?;
    let text = sole.map(|value| decoded(config.encoding, name, value)).transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// The members of a list, in as many fields as there are (RFC 9110 5.3).
fn members(
    config: &ExternalConfig,
    answer: &ServiceAnswer,
    name: &str,
    at: &[char],
) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for field in answer.fields.iter().filter(|field| field.name == name.as_bytes()) {
        // Divided before it is decoded: an escaped comma divides nothing.
        let text = decoded(ValueEncoding::Plain, name, field.value)?;
        for member in text.split(at).map(str::trim).filter(|member| !member.is_empty()) {
            all.push(decoded(config.encoding, name, member.as_bytes())?);
        }
    }
    Ok(all)
}

fn decoded(encoding: ValueEncoding, name: &str, value: &[u8]) -> Result<String, String> {
    if value.len() > LONGEST {
        return Err(format!("`{name}` is longer than {LONGEST} bytes"));
    }
    let bytes = match encoding {
        ValueEncoding::Plain => value.to_vec(),
        ValueEncoding::Percent => unescaped(value).ok_or_else(|| format!("`{name}` has a broken escape"))?,
    };
    let text = String::from_utf8(bytes).map_err(|_| format!("`{name}` is not UTF-8"))?;
    if text.contains(char::is_control) {
        return Err(format!("`{name}` has a control character"));
    }
    Ok(text)
}

fn unescaped(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(*rest.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        out.push(digit()? << 4 | digit()?);
    }
    Some(out)
}

/// The service's own answer, as far as the client gets it.
fn own(config: &ExternalConfig, answer: ServiceAnswer) -> Result<ServiceRefusal, Unavailable> {
    let broken = |why: &str| Unavailable::new(format!("the authorization service's answer: {why}"));
    let mut fields: Vec<(&'static str, Box<[u8]>)> = Vec::new();
    for passed in &config.own_answers.fields {
        for field in answer.fields.iter().filter(|field| field.name == passed.name().as_bytes()) {
            if field.value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
                return Err(broken("a field has a control character"));
            }
            if *passed == PassedField::Location && !leads_somewhere(field.value) {
                return Err(broken("`Location` is neither `https://`, `http://` nor a path of this host"));
            }
            fields.push((passed.name(), field.value.into()));
        }
    }
    let locations = fields.iter().filter(|(name, _)| *name == PassedField::Location.name()).count();
    let redirects = (300..400).contains(&answer.status);
    if locations > 1 || (redirects && locations == 0) {
        return Err(broken("a redirect has not one `Location`"));
    }
    let mut body = None;
    if config.own_answers.body && !answer.body.is_empty() {
        let sole =
            |name: &[u8]| answer.fields.sole_named(name).map_err(|_| broken("a field stands more than once"));
        if sole(b"content-encoding")?.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
            return Err(broken("its body is encoded, which was not asked for"));
        }
        let kind = sole(b"content-type")?.unwrap_or(b"application/octet-stream");
        if kind.iter().any(u8::is_ascii_control) {
            return Err(broken("a field has a control character"));
        }
        let content_type = kind.into();
        body = Some(ServiceBody { content_type, bytes: answer.body });
    }
    Ok(ServiceRefusal { status: answer.status, fields, body })
}

/// Whether a browser can only be sent to a page: another scheme, or a path that browsers read as another host, is none.
fn leads_somewhere(location: &[u8]) -> bool {
    let visible = location.iter().all(u8::is_ascii_graphic) && !location.contains(&b'\\');
    let local = location.starts_with(b"/") && !location.starts_with(b"//");
    visible && (local || location.starts_with(b"https://") || location.starts_with(b"http://"))
}
