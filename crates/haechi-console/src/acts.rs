//! What can be changed from a page: each is one call of the admin API, made in the name of whoever is logged in.

use crate::shown::Query;
use axum::http::Method;
use haechi_admin::{Change, Seen};
use serde_json::{Map, Value, json};

/// What a form says that it cannot mean. The page says it to whoever typed it.
pub(crate) type Unclear = &'static str;

/// What a call carries of what was typed.
enum Content {
    /// Nothing.
    Nothing,
    /// JSON.
    Json(fn(&Query) -> Value),
    /// JSON, where what was typed can be read.
    Read(fn(&Query) -> Result<Value, Unclear>),
    /// The field `text` as it is, of this media type.
    Text(&'static str),
}

/// What follows a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The page of the form.
    Same,
    /// This page, below `/console/`.
    At(&'static str),
    /// Nothing is changed: the page of the form shows what the call answers.
    Told,
}

/// A change.
pub(crate) struct Act {
    /// Where its form is sent to, below `/console/`. A `*` is one segment.
    pub(crate) from: &'static str,
    /// The page of the form, which is shown again where the call refuses.
    pub(crate) form: &'static str,
    then: Then,
    /// The call.
    method: Method,
    call: &'static str,
    /// What the form has besides.
    pub(crate) fields: &'static [&'static str],
    content: Content,
    /// Whether the password is asked for again where that was not done lately: a secret is shown, something is gone, or somebody may do more.
    pub(crate) asks_again: bool,
}

const REVISION: &str = "revision";
/// The revision of what is not there yet.
pub(crate) const NEW: &str = "new";

macro_rules! act {
    ($from:literal, $page:literal, $then:expr, $method:ident $call:literal, $fields:expr, $content:expr, $again:literal) => {
        Act {
            from: $from,
            form: $page,
            then: $then,
            method: Method::$method,
            call: $call,
            fields: $fields,
            content: $content,
            asks_again: $again,
        }
    };
}

/// All of them.
pub(crate) const ACTS: [Act; 30] = [
    act!("users/new", "users/new", Then::At("users"), POST "users", &["name", "password", "roles"], Content::Json(new_user), true),
    act!("users/*/roles", "users/*", Then::Same, PUT "users/*/roles", &["roles", REVISION], Content::Json(roles), true),
    act!("users/*/attributes", "users/*", Then::Same, PUT "users/*/attributes", &["attributes", REVISION], Content::Read(attributes), true),
    act!("users/*/unlock", "users/*", Then::Same, POST "users/*/unlock", &[], Content::Nothing, false),
    act!("users/*/disable", "users/*", Then::Same, PUT "users/*/state", &[], Content::Json(|_| json!({ "disabled": true })), false),
    act!("users/*/enable", "users/*", Then::Same, PUT "users/*/state", &[], Content::Json(|_| json!({ "disabled": false })), false),
    act!("users/*/log-out", "users/*", Then::Same, DELETE "users/*/sessions", &[], Content::Nothing, false),
    act!("users/*/second-factor", "users/*", Then::Same, DELETE "users/*/second-factor", &[], Content::Nothing, true),
    act!("users/*/delete", "users/*", Then::At("users"), DELETE "users/*", &[], Content::Nothing, true),
    act!("keys/new", "keys/new", Then::At("keys"), POST "keys", &["owner", "name", "roles", "scopes", "days", "addresses"], Content::Read(new_key), true),
    act!("keys/*/rotate", "keys/*", Then::Same, POST "keys/*/rotate", &["hours"], Content::Read(rotation), true),
    act!("keys/*/revoke", "keys/*", Then::Same, POST "keys/*/revoke", &[], Content::Nothing, true),
    act!("clients/new", "clients/new", Then::At("clients"), POST "clients", &["name", "roles", "scopes", "audiences"], Content::Json(new_client), true),
    act!("clients/*/rotate", "clients/*", Then::Same, POST "clients/*/rotate", &["hours"], Content::Read(rotation), true),
    act!("clients/*/delete", "clients/*", Then::At("clients"), DELETE "clients/*", &[], Content::Nothing, true),
    act!("sessions/*/end", "sessions", Then::Same, DELETE "sessions/*", &[], Content::Nothing, false),
    act!("signing-keys/rotate", "signing-keys", Then::Same, POST "signing-keys/rotate", &[], Content::Json(|_| json!({})), true),
    act!("signing-keys/*/retire", "signing-keys", Then::Same, POST "signing-keys/*/retire", &[], Content::Nothing, true),
    act!("services/*/endpoints/*/drain", "services", Then::Same, PUT "services/*/endpoints/*/state", &[], Content::Json(|_| json!({ "drained": true })), false),
    act!("services/*/endpoints/*/admit", "services", Then::Same, PUT "services/*/endpoints/*/state", &[], Content::Json(|_| json!({ "drained": false })), false),
    act!("policies/*/check", "policies/*", Then::Told, PUT "policies/*?dry_run=true", &["text", REVISION], Content::Text("text/plain; charset=utf-8"), false),
    act!("policies/*/save", "policies/*", Then::Same, PUT "policies/*", &["text", REVISION], Content::Text("text/plain; charset=utf-8"), true),
    act!("policies/*/rollback", "policies/*", Then::Same, POST "policies/*/rollback", &["version", REVISION], Content::Read(version), true),
    act!("policies/*/delete", "policies/*", Then::At("policies"), DELETE "policies/*", &[REVISION], Content::Nothing, true),
    act!("candidate/validate", "candidate", Then::Told, POST "config/validate", &["text", "cases", "hours"], Content::Text("application/yaml"), false),
    act!("candidate/rehearse", "candidate", Then::Told, POST "config/validate", &["text", "cases", "hours"], Content::Text("application/yaml"), false),
    act!("candidate/apply", "candidate", Then::At("configurations"), PUT "config", &["text", "cases", "hours", REVISION], Content::Text("application/yaml"), true),
    act!("approvals/*/approve", "approvals", Then::Same, POST "approvals/*/approve", &[], Content::Nothing, true),
    act!("approvals/*/reject", "approvals", Then::Same, DELETE "approvals/*", &[], Content::Nothing, false),
    act!("audit/erase", "audit/erase", Then::At("audit"), POST "audit/erase", &["subject", "issuer"], Content::Json(subject), true),
];

impl Act {
    /// The change that a form at `path` asks for, with what stands for each `*`.
    pub(crate) fn at(path: &str) -> Option<(&'static Self, Vec<&str>)> {
        let rest = path.strip_prefix("/console/")?;
        ACTS.iter().find_map(|act| Some((act, stars(act.from, rest)?)))
    }

    /// The call, with what was typed.
    pub(crate) fn call(&self, stars: &[&str], typed: &Query) -> Result<Change, Unclear> {
        let target = format!("/api/v1/{}", filled(self.call, stars));
        let seen = match typed.one(REVISION) {
            "" => None,
            NEW => Some(Seen::Nothing),
            revision => Some(Seen::Revision(revision.parse().map_err(|_| "not a whole number")?)),
        };
        let json = |value: Value| ("application/json", value.to_string().into_bytes());
        let (kind, content) = match self.content {
            Content::Nothing => ("", Vec::new()),
            Content::Json(written) => json(written(typed)),
            Content::Read(read) => json(read(typed)?),
            // Browsers end the lines of a form with two characters.
            Content::Text(kind) => (kind, typed.one("text").replace("\r\n", "\n").into_bytes()),
        };
        Ok(Change { method: self.method.clone(), target, kind, content, seen })
    }

    /// Whether nothing is changed, and the page of the form shows what the call answers.
    pub(crate) fn only_tells(&self) -> bool {
        self.then == Then::Told
    }

    /// The address of the form's page.
    pub(crate) fn page(&self, stars: &[&str]) -> String {
        format!("/console/{}", filled(self.form, stars))
    }

    /// The address of the page that follows.
    pub(crate) fn then(&self, stars: &[&str]) -> String {
        match self.then {
            Then::At(page) => format!("/console/{page}"),
            Then::Same | Then::Told => self.page(stars),
        }
    }
}

/// What stands in `path` for each `*` of `pattern`, where all else is the same. An empty segment stands for nothing.
fn stars<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let (wanted, given): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut found = Vec::new();
    for (wanted, given) in wanted.into_iter().zip(given) {
        match wanted {
            "*" if !given.is_empty() => found.push(given),
            _ if wanted == given => {}
            _ => return None,
        }
    }
    Some(found)
}

fn filled(pattern: &str, stars: &[&str]) -> String {
    let mut stars = stars.iter();
    let parts = pattern.split('*').enumerate().map(|(index, part)| match index {
        0 => part.to_owned(),
        _ => format!("{}{part}", stars.next().copied().unwrap_or_default()),
    });
    parts.collect()
}

/// Words with commas or spaces between them.
fn words(typed: &str) -> Vec<&str> {
    typed.split([',', ' ', '\n', '\r', '\t']).filter(|word| !word.is_empty()).collect()
}

fn some(typed: &str) -> Option<&str> {
    Some(typed.trim()).filter(|typed| !typed.is_empty())
}

/// A whole number of some unit, in seconds.
fn seconds(typed: &str, unit: u64) -> Result<Option<u64>, Unclear> {
    let Some(typed) = some(typed) else { return Ok(None) };
    let count = typed.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    count.map(Some).ok_or("not a whole number")
}

fn new_user(typed: &Query) -> Value {
    let (name, password) = (typed.one("name"), typed.one("password"));
    json!({ "name": name, "password": password, "roles": words(typed.one("roles")) })
}

fn roles(typed: &Query) -> Value {
    json!({ "roles": words(typed.one("roles")) })
}

fn attributes(typed: &Query) -> Result<Value, Unclear> {
    let all: Map<String, Value> =
        serde_json::from_str(typed.one("attributes")).map_err(|_| "not a JSON object")?;
    Ok(json!({ "attributes": all }))
}

fn new_key(typed: &Query) -> Result<Value, Unclear> {
    Ok(json!({
        "owner": typed.one("owner"),
        "name": some(typed.one("name")),
        "roles": words(typed.one("roles")),
        "scopes": words(typed.one("scopes")),
        "expires_in": seconds(typed.one("days"), 24 * 60 * 60)?,
        "allowed_addresses": words(typed.one("addresses")),
    }))
}

fn rotation(typed: &Query) -> Result<Value, Unclear> {
    Ok(json!({ "overlap": seconds(typed.one("hours"), 60 * 60)? }))
}

fn new_client(typed: &Query) -> Value {
    json!({
        "name": typed.one("name"),
        "roles": words(typed.one("roles")),
        "scopes": words(typed.one("scopes")),
        "audiences": words(typed.one("audiences")),
    })
}

fn version(typed: &Query) -> Result<Value, Unclear> {
    let version: u64 = typed.one("version").parse().map_err(|_| "not a whole number")?;
    Ok(json!({ "version": version }))
}

fn subject(typed: &Query) -> Value {
    json!({ "subject": typed.one("subject"), "issuer": some(typed.one("issuer")) })
}

#[cfg(test)]
mod tests {
    use super::{ACTS, Act, stars};
    use crate::shown::Query;
    use haechi_authn::identity::Form;

    #[test]
    fn a_path_is_one_change_and_a_star_one_segment() {
        let (act, found) = Act::at("/console/services/a%2Fb/endpoints/1/drain").unwrap();
        assert_eq!((act.from, found.clone()), ("services/*/endpoints/*/drain", vec!["a%2Fb", "1"]));
        let sent = act.call(&found, &Query::default()).unwrap();
        assert_eq!(sent.target, "/api/v1/services/a%2Fb/endpoints/1/state");
        assert_eq!(act.page(&found), "/console/services");
        for none in
            ["/console/users//unlock", "/console/users/a/b/unlock", "/console/users", "/users/a/unlock"]
        {
            assert!(Act::at(none).is_none(), "{none}");
        }
        for act in &ACTS {
            let first = ACTS.iter().position(|other| stars(other.from, act.from).is_some());
            assert_eq!(first, ACTS.iter().position(|other| other.from == act.from), "{}", act.from);
            let count = |pattern: &str| pattern.matches('*').count();
            assert!(count(act.call) <= count(act.from) && count(act.form) <= count(act.from), "{}", act.from);
        }
    }

    #[test]
    fn what_was_typed_becomes_the_call() {
        let form = Form::parse(b"roles=A%2C+B%0D%0AC&revision=7").unwrap();
        let (act, found) = Act::at("/console/users/al/roles").unwrap();
        let sent = act.call(&found, &Query::of_form(&form, act.fields)).unwrap();
        assert_eq!(sent.content, br#"{"roles":["A","B","C"]}"#);
        assert_eq!(sent.seen, Some(haechi_admin::Seen::Revision(7)));
        let form = Form::parse(b"owner=o&days=x").unwrap();
        let (act, found) = Act::at("/console/keys/new").unwrap();
        assert!(act.call(&found, &Query::of_form(&form, act.fields)).is_err());
    }
}
