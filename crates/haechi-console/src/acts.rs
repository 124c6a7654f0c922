//! What can be changed from a page: each is one call of the admin API, made in the name of whoever is logged in.

use crate::shown::Query;
use axum::http::Method;
use haechi_admin::{Change, Seen};
use serde_json::{Map, Value, json};

/// What a form says that it cannot mean. The page says it to whoever typed it.
pub(crate) type Unclear = &'static str;

/// The content of a call: nothing, or what was typed.
type Content = fn(&Query) -> Result<Option<Body>, Unclear>;

/// What a call carries.
pub(crate) enum Body {
    Json(Value),
    Text(String),
    Yaml(String),
}

/// A change.
pub(crate) struct Act {
    /// Where its form is sent to, below `/console/`. A `*` is one segment.
    pub(crate) from: &'static str,
    /// The page of the form, which is shown again where the call refuses.
    pub(crate) page: &'static str,
    /// The page that follows; [`Act::page`] where it is empty.
    then: &'static str,
    /// The call.
    method: Method,
    call: &'static str,
    /// What the form has besides.
    pub(crate) fields: &'static [&'static str],
    content: Content,
    /// Whether the password is asked for again where that was not done lately: a secret is shown, or something is gone.
    pub(crate) asks_again: bool,
}

const NOTHING: Content = |_| Ok(None);
const REVISION: &str = "revision";
/// The revision of what is not there yet.
pub(crate) const NEW: &str = "new";

macro_rules! act {
    ($from:literal, $page:literal, $then:literal, $method:ident $call:literal, $fields:expr, $content:expr, $again:literal) => {
        Act {
            from: $from,
            page: $page,
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
pub(crate) const ACTS: [Act; 29] = [
    act!("users/new", "users/new", "users", POST "users", &["name", "password", "roles"], new_user, false),
    act!("users/*/roles", "users/*", "", PUT "users/*/roles", &["roles", REVISION], roles, false),
    act!("users/*/attributes", "users/*", "", PUT "users/*/attributes", &["attributes", REVISION], attributes, false),
    act!("users/*/unlock", "users/*", "", POST "users/*/unlock", &[], NOTHING, false),
    act!("users/*/disable", "users/*", "", PUT "users/*/state", &[], |_| disabled(true), false),
    act!("users/*/enable", "users/*", "", PUT "users/*/state", &[], |_| disabled(false), false),
    act!("users/*/log-out", "users/*", "", DELETE "users/*/sessions", &[], NOTHING, false),
    act!("users/*/second-factor", "users/*", "", DELETE "users/*/second-factor", &[], NOTHING, true),
    act!("users/*/delete", "users/*", "users", DELETE "users/*", &[], NOTHING, true),
    act!("keys/new", "keys/new", "", POST "keys", &["owner", "name", "roles", "scopes", "days", "addresses"], new_key, true),
    act!("keys/*/rotate", "keys/*", "", POST "keys/*/rotate", &["hours"], rotation, true),
    act!("keys/*/revoke", "keys/*", "", POST "keys/*/revoke", &[], NOTHING, true),
    act!("clients/new", "clients/new", "", POST "clients", &["name", "roles", "scopes", "audiences"], new_client, true),
    act!("clients/*/rotate", "clients/*", "", POST "clients/*/rotate", &["hours"], rotation, true),
    act!("clients/*/delete", "clients/*", "clients", DELETE "clients/*", &[], NOTHING, true),
    act!("sessions/*/end", "sessions", "", DELETE "sessions/*", &[], NOTHING, false),
    act!("signing-keys/rotate", "signing-keys", "", POST "signing-keys/rotate", &[], |_| Ok(Some(Body::Json(json!({})))), true),
    act!("signing-keys/*/retire", "signing-keys", "", POST "signing-keys/*/retire", &[], NOTHING, true),
    act!("services/*/endpoints/*/drain", "services", "", PUT "services/*/endpoints/*/state", &[], |_| drained(true), false),
    act!("services/*/endpoints/*/admit", "services", "", PUT "services/*/endpoints/*/state", &[], |_| drained(false), false),
    act!("policies/*/check", "policies/*", "", PUT "policies/*?dry_run=true", &["text", REVISION], text, false),
    act!("policies/*/save", "policies/*", "", PUT "policies/*", &["text", REVISION], text, true),
    act!("policies/*/rollback", "policies/*", "", POST "policies/*/rollback", &["version", REVISION], version, true),
    act!("policies/*/delete", "policies/*", "policies", DELETE "policies/*", &[REVISION], NOTHING, true),
    act!("candidate/validate", "candidate", "", POST "config/validate", &["text"], yaml, false),
    act!("candidate/diff", "candidate", "", POST "config/diff", &["text"], yaml, false),
    act!("approvals/*/approve", "approvals", "", POST "approvals/*/approve", &[], NOTHING, true),
    act!("approvals/*/reject", "approvals", "", DELETE "approvals/*", &[], NOTHING, false),
    act!("audit/erase", "audit/erase", "audit", POST "audit/erase", &["subject", "issuer"], subject, true),
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
        let (kind, content) = match (self.content)(typed)? {
            None => ("", Vec::new()),
            Some(Body::Json(value)) => ("application/json", value.to_string().into_bytes()),
            Some(Body::Text(text)) => ("text/plain; charset=utf-8", text.into_bytes()),
            Some(Body::Yaml(text)) => ("application/yaml", text.into_bytes()),
        };
        Ok(Change { method: self.method.clone(), target, kind, content, seen })
    }

    /// Whether nothing is changed, and the page of the form shows what the call answers.
    pub(crate) fn only_tells(&self) -> bool {
        ["policies/*/check", "candidate/validate", "candidate/diff"].contains(&self.from)
    }

    /// The address of the form's page.
    pub(crate) fn page(&self, stars: &[&str]) -> String {
        format!("/console/{}", filled(self.page, stars))
    }

    /// The address of the page that follows.
    pub(crate) fn then(&self, stars: &[&str]) -> String {
        if self.then.is_empty() { self.page(stars) } else { format!("/console/{}", self.then) }
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

#[expect(clippy::unnecessary_wraps, reason = "one kind of function for all")]
fn disabled(disabled: bool) -> Result<Option<Body>, Unclear> {
    Ok(Some(Body::Json(json!({ "disabled": disabled }))))
}

#[expect(clippy::unnecessary_wraps, reason = "one kind of function for all")]
fn drained(drained: bool) -> Result<Option<Body>, Unclear> {
    Ok(Some(Body::Json(json!({ "drained": drained }))))
}

#[expect(clippy::unnecessary_wraps, reason = "one kind of function for all")]
fn new_user(typed: &Query) -> Result<Option<Body>, Unclear> {
    let (name, password) = (typed.one("name"), typed.one("password"));
    Ok(Some(Body::Json(json!({ "name": name, "password": password, "roles": words(typed.one("roles")) }))))
}

#[expect(clippy::unnecessary_wraps, reason = "one kind of function for all")]
fn roles(typed: &Query) -> Result<Option<Body>, Unclear> {
    Ok(Some(Body::Json(json!({ "roles": words(typed.one("roles")) }))))
}

fn attributes(typed: &Query) -> Result<Option<Body>, Unclear> {
    let all: Map<String, Value> =
        serde_json::from_str(typed.one("attributes")).map_err(|_| "not a JSON object")?;
    Ok(Some(Body::Json(json!({ "attributes": all }))))
}

fn new_key(typed: &Query) -> Result<Option<Body>, Unclear> {
    Ok(Some(Body::Json(json!({
        "owner": typed.one("owner"),
        "name": some(typed.one("name")),
        "roles": words(typed.one("roles")),
        "scopes": words(typed.one("scopes")),
        "expires_in": seconds(typed.one("days"), 24 * 60 * 60)?,
        "allowed_addresses": words(typed.one("addresses")),
    }))))
}

fn rotation(typed: &Query) -> Result<Option<Body>, Unclear> {
    Ok(Some(Body::Json(json!({ "overlap": seconds(typed.one("hours"), 60 * 60)? }))))
}

#[expect(clippy::unnecessary_wraps, reason = "one kind of function for all")]
fn new_client(typed: &Query) -> Result<Option<Body>, Unclear> {
    Ok(Some(Body::Json(json!({
        "name": typed.one("name"),
        "roles": words(typed.one("roles")),
        "scopes": words(typed.one("scopes")),
        "audiences": words(typed.one("audiences")),
    }))))
}

#[expect(clippy::unnecessary_wraps, reason = "one kind of function for all")]
fn text(typed: &Query) -> Result<Option<Body>, Unclear> {
    // Browsers end the lines of a form with two characters.
    Ok(Some(Body::Text(typed.one("text").replace("\r\n", "\n"))))
}

#[expect(clippy::unnecessary_wraps, reason = "one kind of function for all")]
fn yaml(typed: &Query) -> Result<Option<Body>, Unclear> {
    Ok(Some(Body::Yaml(typed.one("text").replace("\r\n", "\n"))))
}

fn version(typed: &Query) -> Result<Option<Body>, Unclear> {
    let version: u64 = typed.one("version").parse().map_err(|_| "not a whole number")?;
    Ok(Some(Body::Json(json!({ "version": version }))))
}

#[expect(clippy::unnecessary_wraps, reason = "one kind of function for all")]
fn subject(typed: &Query) -> Result<Option<Body>, Unclear> {
    Ok(Some(Body::Json(json!({ "subject": typed.one("subject"), "issuer": some(typed.one("issuer")) }))))
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
            assert!(count(act.call) <= count(act.from) && count(act.page) <= count(act.from), "{}", act.from);
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
