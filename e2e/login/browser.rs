//! A browser as far as logins care: it keeps cookies, and sends them where they belong. curl does the talking.

use crate::harness::{Reply, curl};
use std::collections::BTreeMap;

/// What a browser sends when somebody opens a page.
const NAVIGATION: [&str; 6] = [
    "--header",
    "Accept: text/html,application/xhtml+xml",
    "--header",
    "Sec-Fetch-Mode: navigate",
    "--header",
    "Sec-Fetch-Dest: document",
];

/// Cookies by name, of one site.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser {
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Opens a page, and follows no redirect.
    pub(crate) fn open(&mut self, url: &str) -> Reply {
        self.ask(url, &NAVIGATION)
    }

    /// Sends a form as a page would.
    pub(crate) fn submit(&mut self, url: &str, form: &str, fields: &[&str]) -> Reply {
        let more = fields.iter().flat_map(|field| ["--header", *field]);
        let arguments: Vec<&str> =
            NAVIGATION.into_iter().chain(["--data-binary", form]).chain(more).collect();
        self.ask(url, &arguments)
    }

    /// Asks as a script does.
    pub(crate) fn fetch(&mut self, url: &str, fields: &[&str]) -> Reply {
        let arguments: Vec<&str> = fields.iter().flat_map(|field| ["--header", *field]).collect();
        self.ask(url, &arguments)
    }

    /// Asks with these arguments of curl, keeping the cookies that come.
    pub(crate) fn ask(&mut self, url: &str, arguments: &[&str]) -> Reply {
        let cookie = format!("Cookie: {}", self.header());
        let cookie: &[&str] = if self.cookies.is_empty() { &[] } else { &["--header", &cookie] };
        let reply = curl(&[arguments, cookie, &[url]].concat());
        for set in reply.head.all("set-cookie") {
            let (pair, attributes) = set.split_once(';').unwrap_or((set, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    pub(crate) fn header(&self) -> String {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }
}

/// The value of `Location`, absolute.
#[track_caller]
pub(crate) fn location(reply: &Reply, base: &str) -> String {
    assert_eq!(reply.status, 303, "{reply:#?}");
    let location = reply.field("location").unwrap();
    if location.starts_with('/') { format!("{base}{location}") } else { location.to_owned() }
}

/// A parameter of an address.
#[track_caller]
pub(crate) fn parameter(url: &str, name: &str) -> String {
    find_parameter(url, name).unwrap_or_else(|| panic!("no `{name}` in {url}"))
}

pub(crate) fn find_parameter(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(decoded(value))
}

pub(crate) fn decoded(text: &str) -> String {
    let bytes = haechi_core::path::percent_decode(&text.replace('+', " ")).to_vec();
    String::from_utf8(bytes).unwrap()
}
