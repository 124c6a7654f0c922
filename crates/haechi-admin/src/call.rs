//! What a call asks: its path, its query and its body, each typed, and nothing else.

use crate::answer::tag;
use crate::error::AdminError;
use crate::policies::Expected;
use crate::shape::{Described, Schemas};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Query;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use haechi_authn::jose::json::Object;
use haechi_core::ports::{Edit, Revision};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// No body is longer.
const MAX_BODY: usize = 8 * 1024 * 1024;
/// No body takes longer to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// What a call asks.
pub(crate) struct Asked<P, Q, B> {
    pub(crate) path: P,
    pub(crate) query: Q,
    pub(crate) body: B,
    pub(crate) condition: Condition,
}

/// What must hold of what is changed (RFC 9110 13.1.1, 13.1.2).
pub(crate) struct Condition {
    matches: Option<String>,
    none_matches: Option<String>,
}

impl Condition {
    /// The change of what is `of` this name, which is there in this revision: where the caller has said what they think is there, nothing else is changed.
    ///
    /// # Errors
    /// [`AdminError::Changed`].
    pub(crate) fn edit<'a>(&self, of: &'a str, revision: Revision) -> Result<Edit<'a>, AdminError> {
        let tag = tag(revision);
        match self.matches.as_deref().map(str::trim) {
            None | Some("*") => Ok(Edit { of, revision: None }),
            Some(wanted) if wanted.split(',').any(|one| one.trim() == tag) => {
                Ok(Edit { of, revision: Some(revision) })
            }
            Some(_) => Err(AdminError::Changed),
        }
    }

    /// For a call whose object has no `ETag`: no condition but that there is one can hold.
    ///
    /// # Errors
    /// [`AdminError::Untagged`].
    pub(crate) fn is_none(&self) -> Result<(), AdminError> {
        match self.matches.as_deref().map(str::trim) {
            None | Some("*") => Ok(()),
            Some(_) => Err(AdminError::Untagged),
        }
    }

    /// For a call that must have one.
    ///
    /// # Errors
    /// [`AdminError::ConditionMissing`].
    pub(crate) fn is_given(&self) -> Result<(), AdminError> {
        self.expected().map(drop)
    }

    /// What the caller takes to be there.
    ///
    /// # Errors
    /// [`AdminError::ConditionMissing`].
    pub(crate) fn expected(&self) -> Result<Expected, AdminError> {
        let trimmed = |text: &Option<String>| text.as_deref().map(str::trim).map(str::to_owned);
        match (trimmed(&self.matches), trimmed(&self.none_matches)) {
            (Some(_), Some(_)) => Err(AdminError::Changed),
            (None, Some(none)) if none == "*" => Ok(Expected::Absent),
            (None, _) => Err(AdminError::ConditionMissing),
            (Some(any), None) if any == "*" => Ok(Expected::Present),
            (Some(tags), None) => {
                let version = |tag: &str| tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok();
                Ok(Expected::OneOf(tags.split(',').filter_map(version).collect()))
            }
        }
    }
}

/// Where nothing is asked for.
pub(crate) struct Nothing;

/// What stands in a path or a query.
pub(crate) trait Parameters: Sized {
    /// Their schema; `None` where there are none.
    fn describe(schemas: &mut Schemas) -> Option<Value>;
    /// From the path's segments.
    fn of_path(segments: Map<String, Value>) -> Result<Self, AdminError>;
    /// From the query.
    fn of_query(parts: &Parts) -> Result<Self, AdminError>;
}

impl Parameters for Nothing {
    fn describe(_: &mut Schemas) -> Option<Value> {
        None
    }

    fn of_path(_: Map<String, Value>) -> Result<Self, AdminError> {
        Ok(Self)
    }

    fn of_query(parts: &Parts) -> Result<Self, AdminError> {
        match parts.uri.query() {
            None | Some("") => Ok(Self),
            Some(_) => Err(AdminError::BadQuery("this address takes no query".to_owned())),
        }
    }
}

/// A query that says nothing to us: health checks and scrapers add what they like.
pub(crate) struct AnyQuery;

impl Parameters for AnyQuery {
    fn describe(_: &mut Schemas) -> Option<Value> {
        None
    }

    fn of_path(_: Map<String, Value>) -> Result<Self, AdminError> {
        Ok(Self)
    }

    fn of_query(_: &Parts) -> Result<Self, AdminError> {
        Ok(Self)
    }
}

impl<T: Described + DeserializeOwned> Parameters for T {
    fn describe(schemas: &mut Schemas) -> Option<Value> {
        // Parameters are written where they stand, and their record is nobody else's.
        let mut own = Schemas::default();
        let reference = T::schema(&mut own);
        let schema = own.resolve(&reference).clone();
        let _ = schemas;
        Some(schema)
    }

    fn of_path(segments: Map<String, Value>) -> Result<Self, AdminError> {
        serde_json::from_value(segments.into()).map_err(|error| AdminError::BadPath(error.to_string()))
    }

    fn of_query(parts: &Parts) -> Result<Self, AdminError> {
        let read = Query::try_from_uri(&parts.uri);
        read.map(|Query(query)| query).map_err(|rejection| AdminError::BadQuery(rejection.body_text()))
    }
}

/// What stands in a body.
pub(crate) trait Content: Sized + Send {
    /// Its media type and schema; `None` where there is none.
    fn describe(schemas: &mut Schemas) -> Option<(&'static str, Value)>;
    /// Reads it.
    fn read(parts: &Parts, bytes: Bytes) -> Result<Self, AdminError>;
}

impl Content for Nothing {
    fn describe(_: &mut Schemas) -> Option<(&'static str, Value)> {
        None
    }

    fn read(_: &Parts, _: Bytes) -> Result<Self, AdminError> {
        Ok(Self)
    }
}

/// A record, as JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Described + DeserializeOwned + Send> Content for Json<T> {
    fn describe(schemas: &mut Schemas) -> Option<(&'static str, Value)> {
        Some(("application/json", T::schema(schemas)))
    }

    fn read(parts: &Parts, bytes: Bytes) -> Result<Self, AdminError> {
        let mut kinds = parts.headers.get_all(CONTENT_TYPE).iter();
        let is_json = |kind: &HeaderValue| {
            let kind = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
            kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
        };
        if !kinds.next().is_some_and(is_json) || kinds.next().is_some() {
            return Err(AdminError::ContentType);
        }
        // A name that stands twice would be read by one reader as this and by another as that.
        Object::parse(&bytes).map_err(|bad| AdminError::BadBody(bad.to_string()))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| AdminError::BadBody(error.to_string()))
    }
}

/// A text, whatever its media type says.
pub(crate) struct Text(pub(crate) String);

impl Content for Text {
    fn describe(_: &mut Schemas) -> Option<(&'static str, Value)> {
        Some(("application/yaml", json!({ "type": "string" })))
    }

    fn read(_: &Parts, bytes: Bytes) -> Result<Self, AdminError> {
        String::from_utf8(bytes.into()).map(Self).map_err(|_| AdminError::NotText)
    }
}

/// Cedar, whatever its media type says.
pub(crate) struct Cedar(pub(crate) String);

impl Content for Cedar {
    fn describe(_: &mut Schemas) -> Option<(&'static str, Value)> {
        Some(("text/plain", json!({ "type": "string" })))
    }

    fn read(parts: &Parts, bytes: Bytes) -> Result<Self, AdminError> {
        Text::read(parts, bytes).map(|Text(text)| Self(text))
    }
}

/// Why a body could not be read.
fn unread(error: &axum::Error) -> AdminError {
    let cause = std::error::Error::source(error);
    if cause.is_some_and(|cause| cause.is::<LengthLimitError>()) {
        return AdminError::TooLarge;
    }
    AdminError::BadBody(cause.map_or_else(|| error.to_string(), ToString::to_string))
}

/// Reads everything that a call asks.
///
/// # Errors
/// What is not as described.
pub(crate) async fn read<P: Parameters, Q: Parameters, B: Content>(
    parts: &Parts,
    segments: Map<String, Value>,
    body: Body,
) -> Result<Asked<P, Q, B>, AdminError> {
    let (path, query) = (P::of_path(segments)?, Q::of_query(parts)?);
    let bytes = tokio::time::timeout(BODY_WITHIN, to_bytes(body, MAX_BODY));
    let bytes = bytes.await.map_err(|_| AdminError::TooSlow)?.map_err(|error| unread(&error))?;
    let condition =
        Condition { matches: field(parts, &IF_MATCH)?, none_matches: field(parts, &IF_NONE_MATCH)? };
    Ok(Asked { path, query, body: B::read(parts, bytes)?, condition })
}

/// The one value of a field.
fn field(parts: &Parts, name: &HeaderName) -> Result<Option<String>, AdminError> {
    let mut values = parts.headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => {
            Ok(Some(std::str::from_utf8(one.as_bytes()).map_err(|_| AdminError::Changed)?.to_owned()))
        }
        (Some(_), Some(_)) => Err(AdminError::Changed),
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, Json};
    use crate::error::AdminError;
    use axum::body::Bytes;
    use serde_json::Value;

    #[test]
    fn a_name_stands_once_in_an_object_however_deep() {
        let read = |text: &'static str| {
            let request = axum::http::Request::builder().header("content-type", "application/json");
            let (parts, ()) = request.body(()).unwrap().into_parts();
            Json::<Value>::read(&parts, Bytes::from(text)).map(drop)
        };
        for fine in ["{}", r#"{"a":[{"b":1},{"b":2}],"A":{"a":null}}"#] {
            assert!(read(fine).is_ok(), "{fine}");
        }
        for twice in [r#"{"a":1,"a":1}"#, r#"{"b":[{"c":1,"d":2,"c":3}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(matches!(read(twice), Err(AdminError::BadBody(_))), "{twice}");
        }
    }
}
