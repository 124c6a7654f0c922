//! Response headers and CORS that a route adds to every response, the backend's and ours.

use crate::settings::{Cors, FieldRules, Route};
use haechi_core::{Fields, RequestHead};
use std::borrow::Cow;

/// What is left to do to an answer, known from the request.
pub(crate) struct Finish<'a> {
    rules: Option<&'a FieldRules>,
    cors: Option<(&'a Cors, Option<Cow<'a, str>>)>,
}

impl<'a> Finish<'a> {
    /// For a request that takes `route`; `None` where the route leaves answers as they are.
    pub(crate) fn of(route: &'a Route, head: &RequestHead) -> Option<Self> {
        if route.settings.response_headers.is_none() && route.settings.cors.is_none() {
            return None;
        }
        let cors = route.settings.cors.as_ref().map(|cors| (cors, cors.grant(&head.fields, &head.method)));
        Some(Self { rules: route.settings.response_headers.as_ref(), cors })
    }

    /// Changes the fields of the answer.
    pub(crate) fn apply(&self, fields: &mut Fields) {
        if let Some(rules) = self.rules {
            rules.apply(fields);
        }
        if let Some((cors, granted)) = &self.cors {
            fields.retain(|field| !field.name.starts_with(b"access-control-"));
            cors.write_answer(granted.as_deref(), fields);
        }
    }
}
