//! The last touch to an answer: what its route says about the answer's head, whoever made it.

use crate::cors::Cors;
use crate::plan::Route;
use haechi_core::{Fields, RequestHead};

/// What a route changes in the heads of its answers: fields go, then fields come. Names are lower case, and none that the gate or the
/// protocol answers for is among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldRules {
    /// Fields that go.
    pub remove: Vec<Box<str>>,
    /// Fields that come in the place of all of that name.
    pub set: Vec<(Box<str>, Box<str>)>,
    /// Fields that come beside those of that name.
    pub add: Vec<(Box<str>, Box<str>)>,
}

impl FieldRules {
    /// Changes the fields of an answer.
    pub(crate) fn apply(&self, fields: &mut Fields) {
        fields.retain(|field| !self.replaces(field.name));
        for (name, value) in self.set.iter().chain(&self.add) {
            fields.push(name.as_bytes(), value.as_bytes());
        }
    }

    fn replaces(&self, name: &[u8]) -> bool {
        let removed = self.remove.iter().map(|name| &**name);
        removed.chain(self.set.iter().map(|(name, _)| &**name)).any(|ours| ours.as_bytes() == name)
    }
}

/// What is left to do to an answer, known from the request.
pub(crate) struct Finish<'a> {
    rules: Option<&'a FieldRules>,
    cors: Option<(&'a Cors, Option<&'a str>)>,
}

impl<'a> Finish<'a> {
    /// For a request that takes `route`; `None` where the route leaves answers as they are.
    pub(crate) fn of(route: &'a Route, head: &RequestHead) -> Option<Self> {
        if route.response_headers.is_none() && route.cors.is_none() {
            return None;
        }
        let cors = route.cors.as_ref().map(|cors| (cors, cors.grant(&head.fields, &head.method)));
        Some(Self { rules: route.response_headers.as_ref(), cors })
    }

    /// Changes the fields of the answer.
    pub(crate) fn apply(&self, fields: &mut Fields) {
        if let Some(rules) = self.rules {
            rules.apply(fields);
        }
        if let Some((cors, granted)) = self.cors {
            fields.retain(|field| !field.name.starts_with(b"access-control-"));
            cors.write_answer(granted, fields);
        }
    }
}
