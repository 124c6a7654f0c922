//! The subject of a question, as the caller that a route would see.

use super::parts::{object, optional_text, text};
use crate::supposed::SupposedCaller;
use haechi_authn::jose::json::{Json, Object};
use haechi_authz::Vocabulary;
use haechi_core::{AttributeType, AttributeValue, Attributes, CallerKind};

/// The members of `properties` that are no attributes.
const KNOWN: [&str; 6] = ["subject", "issuer", "authenticator", "roles", "scopes", "attributes"];

/// The caller that `subject` tells of.
pub(super) fn caller(subject: &Object<'_>, vocabulary: &Vocabulary) -> Result<SupposedCaller, String> {
    let kind = match text(subject, "type", "subject.type")? {
        "User" => CallerKind::User,
        "ApiKey" => CallerKind::ApiKey,
        "Anonymous" => CallerKind::Anonymous,
        _ => return Err("`subject.type` is none of `User`, `ApiKey`, `Anonymous`".to_owned()),
    };
    let id = text(subject, "id", "subject.id")?;
    let (nothing, properties) =
        (Object::default(), object(subject.member("properties"), "subject.properties")?);
    let properties = properties.unwrap_or(&nothing);
    let issuer = optional_text(properties, "issuer", "subject.properties.issuer")?;
    let named = optional_text(properties, "subject", "subject.properties.subject")?;
    let is_same = |named: &str| {
        let whole = issuer.and_then(|issuer| id.strip_prefix(issuer)?.strip_prefix('|'));
        id == named || whole == Some(named)
    };
    if kind != CallerKind::Anonymous && (id.is_empty() || !named.is_none_or(is_same)) {
        return Err("`subject.id` is empty, or another than `subject.properties.subject`".to_owned());
    }
    let owned = |said: Option<&str>| said.map(str::to_owned);
    Ok(SupposedCaller {
        kind,
        subject: named.unwrap_or(id).to_owned(),
        issuer: owned(issuer),
        authenticator: owned(optional_text(properties, "authenticator", "subject.properties.authenticator")?),
        roles: texts(properties, "roles")?,
        scopes: texts(properties, "scopes")?,
        attributes: attributes(properties, vocabulary)?,
    })
}

fn texts(properties: &Object<'_>, name: &str) -> Result<Vec<String>, String> {
    let Some(said) = properties.member(name) else { return Ok(Vec::new()) };
    let listed =
        said.as_strings().ok_or_else(|| format!("`subject.properties.{name}` is no list of texts"))?;
    Ok(listed.into_iter().map(str::to_owned).collect())
}

/// The declared ones, below `attributes` or beside it. What is not declared no policy can read: below `attributes` it is somebody's mistake, beside it somebody else's
/// property.
fn attributes(properties: &Object<'_>, vocabulary: &Vocabulary) -> Result<Attributes, String> {
    let nested = object(properties.member("attributes"), "subject.properties.attributes")?;
    let mut found = Attributes::new();
    for (name, value) in nested.into_iter().flat_map(Object::names) {
        let declared = vocabulary.attributes.get(name);
        let declared = declared.ok_or_else(|| format!("`{name}` is none of the `caller_attributes`"))?;
        found.insert(name.into(), attribute(name, value, *declared)?);
    }
    let beside = properties.names().filter(|(name, _)| !KNOWN.contains(name));
    for (name, value) in beside {
        let Some(declared) = vocabulary.attributes.get(name) else { continue };
        if found.insert(name.into(), attribute(name, value, *declared)?).is_some() {
            return Err(format!("the attribute `{name}` stands twice"));
        }
    }
    Ok(found)
}

fn attribute(name: &str, value: &Json<'_>, declared: AttributeType) -> Result<AttributeValue, String> {
    let read = match (declared, value) {
        (AttributeType::String, Json::String(text)) => Some(AttributeValue::String((&**text).into())),
        (AttributeType::Long, Json::Integer(number)) => Some(AttributeValue::Long(*number)),
        (AttributeType::Bool, Json::Bool(said)) => Some(AttributeValue::Bool(*said)),
        (AttributeType::Set, listed) => listed
            .as_strings()
            .map(|members| AttributeValue::Set(members.into_iter().map(Box::from).collect())),
        _ => None,
    };
    read.ok_or_else(|| format!("the attribute `{name}` is declared as `{declared}`, and is none"))
}
