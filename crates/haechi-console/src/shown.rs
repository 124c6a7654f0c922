//! What a page is asked for with, and what it comes to.

use axum::http::request::Parts;
use maud::Markup;
use url::form_urlencoded;

/// A page: its title, the part that it belongs to, and what stands on it.
pub(crate) type Shown = (&'static str, &'static str, Markup);

/// What was asked of a page in its address.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// What was asked for by this name; empty where nothing was.
    pub(crate) fn one(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value.as_str())
    }
}
