//! What calls answer.

use crate::error::{AdminError, Success};
use crate::shape::{Described, Schemas};
use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderValue};
use axum::response::Response;
use haechi_core::ports::Revision;
use serde::Serialize;
use serde_json::{Value, json};

/// Items on a page, unless asked otherwise.
pub(crate) const PAGE: usize = 50;
/// Items on a page at most.
pub(crate) const LONGEST_PAGE: usize = 200;

/// What a call may answer.
pub(crate) trait Answer {
    /// Each way to answer, its media type and schema; `None` where nothing is shown.
    fn describe(schemas: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)>;
    /// The answer.
    fn answer(self) -> Result<Response, AdminError>;
}

/// It is shown.
pub(crate) struct Shown<T>(pub(crate) T);
/// It was made, and is shown.
pub(crate) struct Made<T>(pub(crate) T);
/// It is shown with an `ETag`, by which a change can say what it is of.
pub(crate) struct Tagged<T>(pub(crate) T);
/// It waits for somebody else, and is shown.
pub(crate) struct Accepted<T>(pub(crate) T);
/// It was done.
pub(crate) struct Done;

/// What came of a change that may need a second person, and may only have been asked about.
pub(crate) enum Outcome<T, P> {
    /// It was made, and is shown with its `ETag`.
    Made(T),
    /// It was changed, and is shown likewise.
    Changed(T),
    /// It was removed.
    Gone,
    /// So it would be.
    WouldBe(T),
    /// It waits for somebody else.
    Pending(P),
}

/// A part of a list.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Where the next page begins; `None` after the last.
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// Of one item more than were asked for, if there is another page.
    pub(crate) fn of(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}

/// How many items were asked for.
///
/// # Errors
/// For none, and too many.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, AdminError> {
    limit_to(asked, LONGEST_PAGE)
}

/// The same, where a page may have `most` items.
///
/// # Errors
/// For none, and too many.
pub(crate) fn limit_to(asked: Option<usize>, most: usize) -> Result<usize, AdminError> {
    match asked.unwrap_or(PAGE) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        _ => Err(AdminError::BadQuery(format!("`limit` is between 1 and {most}"))),
    }
}

const JSON: &str = "application/json";

fn body(value: &impl Serialize) -> Result<Vec<u8>, AdminError> {
    let mut line = serde_json::to_vec(value).map_err(|error| AdminError::Failed(error.to_string()))?;
    // So that the prompt of a terminal begins on the next.
    line.push(b'\n');
    Ok(line)
}

fn headers(kind: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))])
}

/// The `ETag` of what is there in this revision. The same on every node.
pub(crate) fn tag(revision: Revision) -> String {
    format!("\"{}\"", revision.number())
}

/// What is shown in some revision.
pub(crate) trait Revised {
    /// The revision.
    fn revision(&self) -> Revision;
}

impl<T: Described + Serialize> Answer for Shown<T> {
    fn describe(schemas: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)> {
        vec![(Success::Shown, Some((JSON, T::schema(schemas))))]
    }

    fn answer(self) -> Result<Response, AdminError> {
        Ok(Success::Shown.answer(headers(JSON), body(&self.0)?.into()))
    }
}

impl<T: Described + Serialize> Answer for Made<T> {
    fn describe(schemas: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)> {
        vec![(Success::Made, Some((JSON, T::schema(schemas))))]
    }

    fn answer(self) -> Result<Response, AdminError> {
        Ok(Success::Made.answer(headers(JSON), body(&self.0)?.into()))
    }
}

impl<T: Described + Serialize> Answer for Accepted<T> {
    fn describe(schemas: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)> {
        vec![(Success::Accepted, Some((JSON, T::schema(schemas))))]
    }

    fn answer(self) -> Result<Response, AdminError> {
        Ok(Success::Accepted.answer(headers(JSON), body(&self.0)?.into()))
    }
}

impl<T: Described + Serialize + Revised> Answer for Tagged<T> {
    fn describe(schemas: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)> {
        Shown::<T>::describe(schemas)
    }

    fn answer(self) -> Result<Response, AdminError> {
        tagged(Success::Shown, &self.0)
    }
}

impl<T: Described + Serialize + Revised, P: Described + Serialize> Answer for Outcome<T, P> {
    fn describe(schemas: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)> {
        let (shown, pending) = (T::schema(schemas), P::schema(schemas));
        vec![
            (Success::Shown, Some((JSON, shown.clone()))),
            (Success::Made, Some((JSON, shown))),
            (Success::Accepted, Some((JSON, pending))),
            (Success::Done, None),
        ]
    }

    fn answer(self) -> Result<Response, AdminError> {
        match self {
            Self::Made(made) => tagged(Success::Made, &made),
            Self::Changed(changed) => tagged(Success::Shown, &changed),
            Self::Gone => Done.answer(),
            Self::WouldBe(shown) => Shown(shown).answer(),
            Self::Pending(pending) => Accepted(pending).answer(),
        }
    }
}

fn tagged<T: Serialize + Revised>(how: Success, shown: &T) -> Result<Response, AdminError> {
    let mut headers = headers(JSON);
    headers.extend(HeaderValue::from_str(&tag(shown.revision())).ok().map(|tag| (ETAG, tag)));
    Ok(how.answer(headers, body(shown)?.into()))
}

impl<T: Described + Serialize> Answer for Page<T> {
    fn describe(schemas: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)> {
        let schema = json!({
            "type": "object",
            "properties": {
                "items": { "type": "array", "items": T::schema(schemas) },
                "next": { "type": ["string", "null"], "description": "Where the next page begins: give it as `cursor`." },
            },
            "required": ["items", "next"],
            "additionalProperties": false,
        });
        vec![(Success::Shown, Some((JSON, schema)))]
    }

    fn answer(self) -> Result<Response, AdminError> {
        let page = json!({ "items": self.items, "next": self.next });
        Ok(Success::Shown.answer(headers(JSON), body(&page)?.into()))
    }
}

impl Answer for Done {
    fn describe(_: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)> {
        vec![(Success::Done, None)]
    }

    fn answer(self) -> Result<Response, AdminError> {
        Ok(Success::Done.answer(HeaderMap::new(), Body::empty()))
    }
}

/// A text of another media type.
pub(crate) struct Metrics(pub(crate) String);

impl Answer for Metrics {
    fn describe(_: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)> {
        vec![(Success::Shown, Some(("text/plain", json!({ "type": "string" }))))]
    }

    fn answer(self) -> Result<Response, AdminError> {
        Ok(Success::Shown.answer(headers(haechi_core::metrics::CONTENT_TYPE), self.0.into()))
    }
}

/// Whether all is ready, and what is not.
pub(crate) struct Readiness<T>(pub(crate) bool, pub(crate) T);

impl<T: Described + Serialize> Answer for Readiness<T> {
    fn describe(schemas: &mut Schemas) -> Vec<(Success, Option<(&'static str, Value)>)> {
        let schema = T::schema(schemas);
        [Success::Shown, Success::NotReady].map(|how| (how, Some((JSON, schema.clone())))).into()
    }

    fn answer(self) -> Result<Response, AdminError> {
        let how = if self.0 { Success::Shown } else { Success::NotReady };
        Ok(how.answer(headers(JSON), body(&self.1)?.into()))
    }
}
