//! Reading: arguments with a form, passwords, and what the configuration declares.

use super::Failure;
use crate::config::{Config, parse_duration, parse_network, parse_time};
use crate::inspect::explain::TokenIn;
use haechi_authn::declared::DeclaredAttributes;
use haechi_core::ports::Quota;
use haechi_core::{AttributeValue, Attributes, Clock, Secret, SystemClock, Timestamp};
use ipnet::IpNet;
use reqwest::Url;
use std::io::{self, BufRead, IsTerminal, Read};
use std::time::Duration;

/// No line with a password is longer.
const MAX_LINE: u64 = 4096;
/// The longest that a key may be made to live: 10 years.
const MAX_EXPIRY: u64 = 3650 * 86_400_000;

/// `NAME=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write `NAME=VALUE`".into()),
    }
}

/// `bearer`, `header:NAME`, `cookie:NAME` or `websocket_protocol:PREFIX`.
pub(crate) fn token_in(text: &str) -> Result<TokenIn, String> {
    let is_token = |name: &str| http::HeaderName::from_bytes(name.as_bytes()).is_ok();
    match text.split_once(':') {
        None if text == "bearer" => Ok(TokenIn::Bearer),
        Some(("header", name)) if is_token(name) => Ok(TokenIn::Header(name.into())),
        Some(("cookie", name)) if is_token(name) => Ok(TokenIn::Cookie(name.into())),
        Some(("websocket_protocol", prefix)) if is_token(prefix) => {
            Ok(TokenIn::WebSocketProtocol(prefix.into()))
        }
        _ => Err("write `bearer`, `header:NAME`, `cookie:NAME` or `websocket_protocol:PREFIX`".into()),
    }
}

/// `Name: value`.
pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write `Name: value`")?;
    let value = value.trim();
    let named = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
    let valued = http::HeaderValue::from_str(value).is_ok();
    if named && valued { Ok((name.into(), value.into())) } else { Err("write `Name: value`".into()) }
}

/// Where an admin listener is, as an URL or as an address by itself.
pub(crate) fn admin_url(text: &str) -> Result<Url, String> {
    let form = || "write `http://127.0.0.1:9901` or `https://NAME:PORT`".to_owned();
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&text).map_err(|_| form())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let whole = plain && url.fragment().is_none() && url.has_host() && ["", "/"].contains(&url.path());
    if whole && ["http", "https"].contains(&url.scheme()) { Ok(url) } else { Err(form()) }
}

/// A moment, as RFC 3339 writes it.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    parse_time(text)
}

/// A duration that is not zero.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let millis = parse_duration(text).ok_or("write a number and a unit, such as `90d`, `12h` or `30m`")?;
    if (1..=MAX_EXPIRY).contains(&millis) {
        Ok(Duration::from_millis(millis))
    } else {
        Err("it must be more than 0 and at most 3650d".into())
    }
}

/// The same, or none.
pub(crate) fn span_or_zero(text: &str) -> Result<Duration, String> {
    if parse_duration(text) == Some(0) { Ok(Duration::ZERO) } else { span(text) }
}

/// A moment, as RFC 3339 writes it or as so long before now.
pub(crate) fn past(text: &str) -> Result<Timestamp, String> {
    match span(text) {
        Ok(span) => Ok(SystemClock.now().minus(span)),
        Err(_) => time(text)
            .map_err(|_| "write a span such as `90d`, or a time such as `2026-11-23T10:00:00Z`".into()),
    }
}

/// How many requests in how much time: `100/1m`, in whole seconds.
pub(crate) fn rate(text: &str) -> Result<Quota, String> {
    const MOST: u32 = 1_000_000_000;
    const LONGEST: u64 = 366 * 24 * 60 * 60;
    let form = "write how many in how much time, such as `100/1m`, `10000/1d` or `1000000/30d`";
    let (requests, span) = text.split_once('/').ok_or(form)?;
    let is_number = !requests.is_empty() && requests.bytes().all(|digit| digit.is_ascii_digit());
    let requests = requests.parse().ok().filter(|count| is_number && (1..=MOST).contains(count));
    let requests = requests.ok_or_else(|| format!("the number must be from 1 to {MOST}"))?;
    let millis = parse_duration(span).ok_or(form)?;
    let seconds = (millis % 1000 == 0).then_some(millis / 1000).filter(|span| (1..=LONGEST).contains(span));
    let seconds = seconds.ok_or("the time must be whole seconds, from 1s to 366d")?;
    if u64::from(requests) > seconds * 1_000_000 {
        return Err("over 1,000,000 requests a second, which is no limit".into());
    }
    Ok(Quota { requests, per_seconds: u32::try_from(seconds).map_err(|error| error.to_string())? })
}

/// A network or an address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    parse_network(text)
}

/// Attributes, each declared, of the declared type, and named once; a set is named once for each of its members.
pub(crate) fn attributes(config: &Config, named: &[(String, String)]) -> Result<Attributes, Failure> {
    let declared = DeclaredAttributes::new(config.caller_attributes.clone());
    let mut attributes = Attributes::new();
    for (name, text) in named {
        if text.contains(|c: char| c.is_control()) {
            return Err(Failure::usage(format!("attribute `{name}` has control characters; leave them out")));
        }
        let value = declared.parse(name, text).map_err(Failure::usage)?;
        match (attributes.get_mut(&**name), value) {
            (Some(AttributeValue::Set(members)), AttributeValue::Set(more)) => members.extend(more),
            (Some(_), _) => {
                return Err(Failure::usage(format!("attribute `{name}` stands twice; name it once")));
            }
            (None, value) => drop(attributes.insert(name.as_str().into(), value)),
        }
    }
    Ok(attributes)
}

/// A new password: asked twice at a terminal, otherwise one line on stdin.
pub(crate) fn new_password() -> Result<Secret<String>, Failure> {
    if !io::stdin().is_terminal() {
        return line(&mut io::stdin().lock());
    }
    let ask = |prompt| rpassword::prompt_password(prompt).map(Secret::new).map_err(Failure::fault);
    let (first, second) = (ask("password: ")?, ask("password again: ")?);
    if first == second { Ok(first) } else { Err(Failure::fault("the two passwords differ; try again")) }
}

fn line(input: &mut impl BufRead) -> Result<Secret<String>, Failure> {
    let mut text = String::new();
    input.take(MAX_LINE).read_line(&mut text).map_err(|_| Failure::fault("stdin is not UTF-8 text"))?;
    let text = Secret::new(text);
    if text.expose().len() as u64 >= MAX_LINE {
        return Err(Failure::fault("the line on stdin is too long for a password"));
    }
    let password = text.expose().trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(Failure::fault("stdin has no password; give it as one line"));
    }
    Ok(Secret::from(password))
}

#[cfg(test)]
mod tests {
    use super::{Quota, TokenIn, admin_url, line, pair, rate, span, token_in};

    #[test]
    fn a_password_is_one_line_and_nothing_is_cut_from_it() {
        let read = |text: &[u8]| line(&mut &*text).map(|password| password.expose().clone());
        assert_eq!(read(b" two words \nmore\n").unwrap(), " two words ");
        assert_eq!(read(b"no end").unwrap(), "no end");
        assert_eq!(read(b"windows\r\n").unwrap(), "windows");
        assert!(read(b"").is_err());
        assert!(read(b"\n").is_err());
        assert!(read(b"\xff\n").is_err());
        assert!(read(&[b'a'; 5000]).is_err());
    }

    #[test]
    fn arguments_have_a_form() {
        assert_eq!(token_in("bearer"), Ok(TokenIn::Bearer));
        assert_eq!(token_in("cookie:session"), Ok(TokenIn::Cookie("session".into())));
        assert_eq!(token_in("websocket_protocol:bearer."), Ok(TokenIn::WebSocketProtocol("bearer.".into())));
        for bad in ["", "Bearer", "cookie:", "cookie", "header:a b", "query:token"] {
            assert!(token_in(bad).is_err(), "{bad}");
        }
        for good in ["127.0.0.1:9901", "http://127.0.0.1:9901", "https://gate.example:9901/", "[::1]:9901"] {
            assert!(admin_url(good).is_ok(), "{good}");
        }
        for bad in ["", "gate", "ftp://a", "https://a/b", "https://u:p@a", "https://a?x", "unix:/a"] {
            assert!(admin_url(bad).is_err() || bad == "gate", "{bad}");
        }
        assert_eq!(pair("k=v=w").unwrap(), ("k".into(), "v=w".into()));
        assert!(pair("k").is_err() && pair("=v").is_err());
        assert_eq!(span("90d").unwrap().as_secs(), 7_776_000);
        assert_eq!(rate("100/1m"), Ok(Quota { requests: 100, per_seconds: 60 }));
        assert_eq!(rate("1000000/30d"), Ok(Quota { requests: 1_000_000, per_seconds: 2_592_000 }));
        for bad in [
            "",
            "100",
            "100/",
            "/1m",
            "0/1m",
            "-1/1m",
            "+1/1m",
            "1/0s",
            "1/1500ms",
            "1/400d",
            "1/1m/2",
            "5000000000/1d",
            "9000000/1s",
        ] {
            assert!(rate(bad).is_err(), "{bad}");
        }
        assert!(span("0d").is_err() && span("9999d").is_err() && span("soon").is_err());
    }
}
