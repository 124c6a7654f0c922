//! How a browser comes: its cookie, and whether what it sends comes from a page of ours.

use crate::place::place;
use crate::zone::Zone;
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_admin::{Calls, Peer};
use haechi_authn::identity::is_of_origin;
use haechi_core::{Fields, Host, Secret, cookies};
use std::net::IpAddr;
use url::{Position, Url};

/// The cookie of a session.
const COOKIE: &str = "__Host-haechi-console";
/// The same over plain HTTP on this machine.
const DEVELOPMENT_COOKIE: &str = "haechi-console-development";
/// The cookie of the language.
const LANGUAGE: &str = "haechi-console-language";
/// The cookie of the time zone.
const ZONE: &str = "haechi-console-zone";

/// One request of a browser.
pub(crate) struct Visit {
    secure: bool,
    /// Its session's value, if what it shows can be one.
    pub(crate) session: Option<Secret<String>>,
    /// Where it came from.
    pub(crate) from: IpAddr,
    /// Whether what it sends comes from a page of this origin, as far as the browser says.
    pub(crate) is_ours: bool,
    /// What it asks for.
    pub(crate) fields: Fields,
}

impl Visit {
    /// Reads a request; `None` over plain HTTP from anywhere but this machine, where whoever listens would have the session.
    pub(crate) fn of(parts: &Parts, at: &Calls) -> Option<Self> {
        let Peer::Address(peer) = at.peer else { return None };
        let from = peer.ip();
        if !at.secure && !from.to_canonical().is_loopback() {
            return None;
        }
        let mut fields = Fields::default();
        parts
            .headers
            .iter()
            .for_each(|(name, value)| fields.push(name.as_str().as_bytes(), value.as_bytes()));
        // Two of one name are not decided between: that is no cookie.
        let value = cookies::sole(&fields, name(at.secure).as_bytes()).ok().flatten();
        let value = value.and_then(|value| std::str::from_utf8(value).ok());
        let whole = |text: &&str| URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
        let session = value.filter(whole).map(Secret::from);
        let is_ours = is_ours(&fields, at.secure);
        Some(Self { secure: at.secure, session, from, is_ours, fields })
    }

    /// The field that gives a browser its session.
    pub(crate) fn cookie(&self, value: &str) -> String {
        self.set(value, "")
    }

    /// The field that takes it away.
    pub(crate) fn forgotten(&self) -> String {
        self.set("", "; Max-Age=0")
    }

    /// The language that was chosen at a page.
    pub(crate) fn language(&self) -> Option<&str> {
        self.chosen(LANGUAGE)
    }

    /// The time zone that was chosen at a page.
    pub(crate) fn zone(&self) -> Zone {
        Zone::of(self.chosen(ZONE))
    }

    fn chosen(&self, name: &str) -> Option<&str> {
        let value = cookies::sole(&self.fields, name.as_bytes()).ok().flatten()?;
        std::str::from_utf8(value).ok()
    }

    /// The field that keeps the language.
    pub(crate) fn speaks(&self, tag: &str) -> String {
        self.kept(LANGUAGE, tag)
    }

    /// The field that keeps the zone.
    pub(crate) fn lives_in(&self, zone: &Zone) -> String {
        self.kept(ZONE, zone.name())
    }

    /// The field that keeps a choice, for a year.
    fn kept(&self, name: &str, value: &str) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/console; HttpOnly; SameSite=Lax; Max-Age=31536000{secure}")
    }

    /// The page that a form was sent from, as far as the browser says; the first of all where it does not.
    pub(crate) fn came_from(&self) -> String {
        let referrer = self.fields.sole_named(b"referer").ok().flatten();
        let path = referrer
            .and_then(|value| std::str::from_utf8(value).ok())
            .and_then(|value| Url::parse(value).ok())
            .map(|from| from[Position::BeforePath..Position::AfterQuery].to_owned());
        path.map_or_else(|| "/console".to_owned(), |path| place(&path).to_owned())
    }

    fn set(&self, value: &str, more: &str) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}", name(self.secure))
    }

    /// What a form of this session carries.
    pub(crate) fn tie(&self) -> Option<String> {
        self.session.as_ref().map(|value| tie(value.expose()))
    }

    /// Whether what a form carried is that.
    pub(crate) fn has_tie(&self, told: Option<&str>) -> bool {
        let own = self.tie().map(Secret::new);
        own.is_some() && own == told.map(Secret::from)
    }
}

const fn name(secure: bool) -> &'static str {
    if secure { COOKIE } else { DEVELOPMENT_COOKIE }
}

fn tie(value: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("form {value}").as_bytes()).as_ref())
}

/// Browsers say where a form was sent from in one of two fields at least. What says nothing in either is no page of ours.
fn is_ours(fields: &Fields, secure: bool) -> bool {
    let says = [&b"sec-fetch-site"[..], b"origin"]
        .into_iter()
        .any(|name| fields.iter().any(|field| field.name == name));
    let host = fields.sole_named(b"host").ok().flatten().and_then(|host| Host::parse(host).ok());
    says && host.is_some_and(|host| is_of_origin(fields, secure, &host))
}
