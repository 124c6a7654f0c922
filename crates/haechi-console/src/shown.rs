//! What a page is asked for with, and what it comes to.

use crate::fetch::Reads;
use crate::history::History;
use crate::words::Said;
use axum::http::request::Parts;
use haechi_authn::identity::Form;
use maud::Markup;
use serde_json::Value;
use url::form_urlencoded;

/// A page.
pub(crate) struct Shown {
    /// What stands above it.
    pub(crate) title: &'static str,
    /// The path of the part that it belongs to.
    pub(crate) here: &'static str,
    /// What stands on it.
    pub(crate) body: Markup,
    /// The records of its table, for programs.
    pub(crate) records: Option<Value>,
}

impl Shown {
    /// A page without a table that programs could want.
    pub(crate) const fn page(title: &'static str, here: &'static str, body: Markup) -> Self {
        Self { title, here, body, records: None }
    }

    /// A page with the list that a call gave.
    pub(crate) fn list(title: &'static str, here: &'static str, body: Markup, list: &Value) -> Self {
        Self { title, here, body, records: list.get("items").cloned() }
    }
}

/// A page that is being made: for whom, of what, and what was asked of it.
pub(crate) struct Ask<'a> {
    pub(crate) words: &'a Said,
    pub(crate) reads: Reads<'a>,
    pub(crate) query: Query,
    /// What the forms of this session carry.
    pub(crate) tie: &'a str,
    /// The hour before.
    pub(crate) history: &'a History,
    /// The page that the reader came from.
    pub(crate) from: String,
}

/// What was asked of a page in its address, or typed into a form on it.
#[derive(Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// What a form has of `names`.
    pub(crate) fn of_form(form: &Form, names: &[&str]) -> Self {
        let typed = |name: &&str| Some(((*name).to_owned(), form.one(name)?.to_owned()));
        Self(names.iter().filter_map(typed).collect())
    }

    /// What was asked for by this name; empty where nothing was.
    pub(crate) fn one(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value.as_str())
    }
}
