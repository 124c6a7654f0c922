//! The analysed form of a route, asked about one caller and request: it must say what the engine says, or no proof is worth anything.

use super::access::Side;
use super::field::{Field, all};
use super::methods::methods;
use super::model::{Model, Value};
use super::prove::of_space;
use super::shape::Shape;
use super::solver::Question;
use super::{meaning, space};
use crate::expr::Expr;
use crate::{Facts, RouteIndex, Vocabulary};
use haechi_core::AttributeValue;
use haechi_core::method::{NAMED_METHODS, forwardable};
use std::sync::Arc;

/// What proofs about a route are about.
pub struct Form {
    vocabulary: Arc<Vocabulary>,
    methods: Vec<http::Method>,
    passes: Expr,
    question: Question,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Form").field("passes", &self.passes).finish_non_exhaustive()
    }
}

impl Form {
    /// The form of the route with this index.
    ///
    /// # Errors
    /// What cannot be analysed.
    pub fn of(side: &Side<'_>, route: RouteIndex) -> Result<Self, String> {
        let vocabulary = side.compiled.vocabulary().clone();
        let facts = vocabulary.route(route).ok_or("there is no such route")?;
        let passes = meaning::of_route(side, route)?;
        let methods = methods(&facts.methods, &[]);
        let space = of_space(side, route, &Shape::of(&facts.pattern), &methods, &[&passes])?;
        let declared = |name: &str| vocabulary.attributes.get(name).copied();
        let question = Question::new(&all(vec![space, passes.clone()]), None, declared)?;
        Ok(Self { vocabulary, methods, passes, question })
    }

    /// Whether these facts pass: they are among those that proofs consider, and the rules hold.
    pub fn passes(&self, facts: &Facts<'_>) -> bool {
        let known = |field: &Field| self.value(field, facts).map(|value| (field.clone(), value));
        self.question.is_answered_by(&Model(self.question.fields().filter_map(known).collect()))
    }

    /// The method, or the one that stands for those that nobody lists.
    fn method<'a>(&'a self, method: &'a http::Method) -> Option<&'a http::Method> {
        let known = self.methods.iter().find(|known| *known == method);
        let route_takes_all = self.methods.len() > NAMED_METHODS.len();
        known.or_else(|| self.methods.last().filter(|_| route_takes_all && forwardable(method).is_ok()))
    }

    fn value(&self, field: &Field, facts: &Facts<'_>) -> Option<Value> {
        let (caller, head) = (facts.caller, facts.head);
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        match field {
            Field::Method => text(self.method(&head.method)?.as_str()),
            Field::Kind => text(crate::principal_kind(caller.kind)),
            Field::Authenticator => text(&caller.authenticator),
            Field::Issuer => text(&caller.issuer),
            Field::Subject => text(&caller.subject),
            Field::Scopes => Some(Value::Texts(caller.scopes.iter().map(ToString::to_string).collect())),
            Field::Role(name) => Some(Value::Bool(caller.has_role(name))),
            Field::Attribute(name) => {
                let declared = self.vocabulary.attributes.get(name.as_str())?;
                let value =
                    caller.attributes.get(name.as_str()).filter(|value| value.type_of() == *declared)?;
                Some(match value {
                    AttributeValue::Bool(value) => Value::Bool(*value),
                    AttributeValue::Long(value) => Value::Long(*value),
                    AttributeValue::String(value) => Value::Text(value.to_string()),
                    AttributeValue::Set(members) => {
                        Value::Texts(members.iter().map(ToString::to_string).collect())
                    }
                })
            }
            Field::Param(name) => text(facts.params(&self.vocabulary).find(|(known, _)| known == name)?.1),
            Field::Header(name) => text(facts.header(&self.vocabulary, name).ok()??),
            Field::Host => text(head.host.name()),
            Field::Path => text(head.path.as_str()),
            Field::Ip => space::representative(&[&self.passes], head.client.to_canonical()).map(Value::Ip),
            Field::Time => Some(Value::Time(head.received.as_millis())),
            Field::Secure => Some(Value::Bool(head.secure)),
            Field::NoLabels => Some(Value::Texts([].into())),
        }
    }
}
