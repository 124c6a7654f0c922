//! What is asked (AuthZEN 1.0, 6.1 and 7.1): requests that nobody has sent, each with its caller.
//!
//! What could be read in two ways, or what policies can read and the question does not say, is refused. Nothing is made up.

use super::parts::{object, optional_text, text};
use super::subject;
use crate::http1::head::split_target;
use crate::lines::RequestLines;
use crate::settings::AssumedContext;
use crate::supposed::SupposedCaller;
use haechi_authn::jose::json::{Json, Object};
use haechi_authz::Vocabulary;
use haechi_core::token::is_printable;
use haechi_core::{Fields, Host, Timestamp};
use http::Method;
use std::net::IpAddr;
use std::time::Duration;

/// The most evaluations of one question.
const MOST: usize = 256;
/// A question about another time than now would be on record as of a time when nothing was decided.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// What is asked at once.
pub(super) enum Asked {
    /// One thing.
    One(Box<Evaluation>),
    /// Many, which are answered in a list.
    Many(Vec<Evaluation>, Semantic),
}

/// One request with its caller.
pub(super) struct Evaluation {
    pub(super) lines: RequestLines,
    pub(super) caller: SupposedCaller,
}

/// How far many are decided about (7.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Semantic {
    /// All.
    ExecuteAll,
    /// Up to the first no.
    DenyOnFirstDeny,
    /// Up to the first yes.
    PermitOnFirstPermit,
}

impl Semantic {
    /// Whether nothing is decided after this.
    pub(super) const fn ends_with(self, decision: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !decision,
            Self::PermitOnFirstPermit => decision,
        }
    }

    fn of(question: &Object<'_>) -> Result<Self, String> {
        let Some(options) = object(question.member("options"), "options")? else {
            return Ok(Self::ExecuteAll);
        };
        match options.member("evaluations_semantic") {
            None => Ok(Self::ExecuteAll),
            Some(said) => match said.as_str() {
                Some("execute_all") => Ok(Self::ExecuteAll),
                Some("deny_on_first_deny") => Ok(Self::DenyOnFirstDeny),
                Some("permit_on_first_permit") => Ok(Self::PermitOnFirstPermit),
                _ => Err("`options.evaluations_semantic` is none of AuthZEN's".to_owned()),
            },
        }
    }
}

/// Reads questions.
pub(super) struct Reader<'a> {
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) assumed: &'a AssumedContext,
    pub(super) now: Timestamp,
}

/// The one that is named, of an evaluation.
type Part<'a, 'j> = dyn Fn(&str) -> Option<&'a Json<'j>> + 'a;

impl Reader<'_> {
    /// One evaluation.
    pub(super) fn one(&self, body: &[u8]) -> Result<Asked, String> {
        let question = Object::parse(body).map_err(|fault| format!("the question is {fault}"))?;
        Ok(Asked::One(Box::new(self.evaluation(&|name| question.member(name))?)))
    }

    /// Many, for which what stands outside of them is what they do not say themselves; without any it is one (7.1).
    pub(super) fn many(&self, body: &[u8]) -> Result<Asked, String> {
        let question = Object::parse(body).map_err(|fault| format!("the question is {fault}"))?;
        let semantic = Semantic::of(&question)?;
        let listed = match question.member("evaluations") {
            None => &[][..],
            Some(listed) => listed.as_array().ok_or("`evaluations` is no list")?,
        };
        if listed.is_empty() {
            return Ok(Asked::One(Box::new(self.evaluation(&|name| question.member(name))?)));
        }
        if listed.len() > MOST {
            return Err(format!("`evaluations` has more than {MOST}"));
        }
        let one = |(index, listed): (usize, &Json<'_>)| {
            let own = listed.as_object().ok_or_else(|| format!("`evaluations[{index}]` is no object"))?;
            self.evaluation(&|name| own.member(name).or_else(|| question.member(name)))
                .map_err(|why| format!("`evaluations[{index}]`: {why}"))
        };
        let evaluations = listed.iter().enumerate().map(one).collect::<Result<_, _>>()?;
        Ok(Asked::Many(evaluations, semantic))
    }

    fn evaluation<'a, 'j: 'a>(&self, part: &Part<'a, 'j>) -> Result<Evaluation, String> {
        let said = |name: &str| {
            object(part(name), name).and_then(|found| found.ok_or_else(|| format!("`{name}` is missing")))
        };
        let caller = subject::caller(said("subject")?, self.vocabulary)?;
        let method = method(text(said("action")?, "name", "action.name")?)?;
        let resource = said("resource")?;
        let (nothing, context) = (Object::default(), object(part("context"), "context")?);
        let context = context.unwrap_or(&nothing);
        self.check_time(context)?;
        let (host, path) = self.address(resource, context)?;
        Ok(Evaluation {
            lines: RequestLines { method, host, path, query: None, fields: self.fields(context)? },
            caller,
        })
    }

    fn check_time(&self, context: &Object<'_>) -> Result<(), String> {
        let Some(said) = optional_text(context, "time", "context.time")? else { return Ok(()) };
        let said = Timestamp::parse(said).ok_or("`context.time` is no time (RFC 3339)")?;
        if said.since(self.now).max(self.now.since(said)) > CLOCKS_DIFFER {
            return Err("`context.time` is another time than now, by more than a minute".to_owned());
        }
        Ok(())
    }

    /// Host and path. Another gate of this kind asks about a route of its own, and tells them beside it.
    fn address(&self, resource: &Object<'_>, context: &Object<'_>) -> Result<(Host, Box<[u8]>), String> {
        let nothing = Object::default();
        let (of, called, path) = match text(resource, "type", "resource.type")? {
            "path" => {
                let properties = object(resource.member("properties"), "resource.properties")?;
                let id = text(resource, "id", "resource.id")?;
                (properties.unwrap_or(&nothing), "resource.properties.host", id)
            }
            "route" => (context, "context.host", text(context, "path", "context.path")?),
            _ => return Err("`resource.type` is not `path`".to_owned()),
        };
        let host = match optional_text(of, "host", called)? {
            Some(said) => Host::parse(said.as_bytes()).map_err(|_| format!("`{called}` is no valid host"))?,
            None => self.assumed.host.clone().ok_or_else(|| missing(called, "host"))?,
        };
        match split_target(path) {
            Ok((None, path, None)) => Ok((host, path.as_bytes().into())),
            _ => Err("the resource is no path, percent-encoded and without a query".to_owned()),
        }
    }

    /// The fields by which the request would tell what policies can read of it.
    fn fields(&self, context: &Object<'_>) -> Result<Fields, String> {
        let address = match optional_text(context, "ip", "context.ip")? {
            Some(said) => said.parse::<IpAddr>().map_err(|_| "`context.ip` is no address")?,
            None => self.assumed.ip.ok_or_else(|| missing("context.ip", "ip"))?,
        };
        let secure = match context.member("secure") {
            Some(Json::Bool(secure)) => *secure,
            Some(_) => return Err("`context.secure` is neither true nor false".to_owned()),
            None => self.assumed.secure.ok_or_else(|| missing("context.secure", "secure"))?,
        };
        let mut fields = Fields::with_capacity(4, 128);
        fields.push(b"x-forwarded-for", address.to_canonical().to_string().as_bytes());
        fields.push(b"x-forwarded-proto", if secure { b"https" } else { b"http" });
        let headers = object(context.member("headers"), "context.headers")?;
        for (name, value) in headers.into_iter().flat_map(Object::names) {
            let field = self.vocabulary.headers.get(name);
            let field = field.ok_or_else(|| {
                format!(
                    "`context.headers.{name}` is none of the `context_headers`, by which policies know them"
                )
            })?;
            let value = value.as_str().filter(|value| is_printable(value.as_bytes()));
            let value = value.ok_or_else(|| format!("`context.headers.{name}` is no visible ASCII"))?;
            fields.push(field.as_bytes(), value.trim_matches(' ').as_bytes());
        }
        Ok(fields)
    }
}

fn missing(said: &str, assumed: &str) -> String {
    format!("`{said}` is missing, and the listener has no `authzen.assume.{assumed}`")
}

/// Methods have capital letters: `get` would be another one than `GET`, and `can_read` one that nobody means; routes without `methods` take any.
fn method(name: &str) -> Result<Method, String> {
    let is_method = |byte: u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-');
    let method = Method::from_bytes(name.as_bytes()).ok().filter(|_| name.bytes().all(is_method));
    method.ok_or_else(|| "`action.name` is no method in capital letters".to_owned())
}

#[cfg(test)]
mod tests;
