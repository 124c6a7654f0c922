//! Parts of a question.

use haechi_authn::jose::json::{Json, Object};

/// The object, where there is one.
pub(super) fn object<'a, 'j>(
    said: Option<&'a Json<'j>>,
    name: &str,
) -> Result<Option<&'a Object<'j>>, String> {
    match said {
        None => Ok(None),
        Some(Json::Object(object)) => Ok(Some(object)),
        Some(_) => Err(format!("`{name}` is no object")),
    }
}

/// The text, where there is one.
pub(super) fn optional_text<'a>(
    of: &'a Object<'_>,
    member: &str,
    name: &str,
) -> Result<Option<&'a str>, String> {
    match of.member(member) {
        None => Ok(None),
        Some(said) => said.as_str().map(Some).ok_or_else(|| format!("`{name}` is no text")),
    }
}

/// The text.
pub(super) fn text<'a>(of: &'a Object<'_>, member: &str, name: &str) -> Result<&'a str, String> {
    optional_text(of, member, name)?.ok_or_else(|| format!("`{name}` is missing"))
}
