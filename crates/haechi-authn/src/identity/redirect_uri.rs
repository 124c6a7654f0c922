//! Where a client has people sent to: written in one way, and compared byte for byte (RFC 9700 2.1), but for the port of a loopback address (RFC 8252
//! 7.3).

/// The longest, in bytes.
const LONGEST: usize = 1024;

/// An address that people may be sent to with a code, or after a logout.
///
/// `https` with a host; `http` on a loopback address or `localhost`; or a scheme of an app's own, which has a dot in it (RFC 8252 7.1). No user, no
/// fragment, no wildcard, nothing that a browser would write in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    /// For a loopback address, what it is without its port: before and behind it.
    loopback: Option<(String, String)>,
    origin: String,
}

/// Text that is no such address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no redirect URI: {1}")]
pub struct RedirectUriError(String, &'static str);

impl RedirectUri {
    /// Reads one.
    ///
    /// # Errors
    /// [`RedirectUriError`], saying what is wrong.
    pub fn parse(text: &str) -> Result<Self, RedirectUriError> {
        let fault = |why| {
            RedirectUriError(text.chars().take(128).collect::<String>().escape_debug().to_string(), why)
        };
        if text.is_empty() || text.len() > LONGEST {
            return Err(fault("it has 1 to 1024 characters"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}*#".contains(&byte)) {
            return Err(fault("it is visible ASCII without `#`, `*`, `\\`, quotes and braces"));
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(|| fault("it has no scheme"))?;
        match (scheme, rest.strip_prefix("//")) {
            ("https" | "http", Some(rest)) => Self::web(text, scheme, rest).map_err(fault),
            ("https" | "http", None) => Err(fault("it has no host")),
            _ => Self::private(text, scheme, rest).map_err(fault),
        }
    }

    fn web(text: &str, scheme: &str, rest: &str) -> Result<Self, &'static str> {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        check_path(behind)?;
        let (host, port) = host_and_port(authority)?;
        let loopback = matches!(host, "127.0.0.1" | "[::1]");
        if scheme == "http" && !loopback && host != "localhost" {
            return Err("plain `http` is for loopback addresses alone");
        }
        let origin = if host == "[::1]" {
            // A policy of a page has no way to name this host.
            "http:".to_owned()
        } else {
            format!("{scheme}://{authority}")
        };
        let any_port = (scheme == "http" && loopback).then(|| (host.to_owned(), behind.to_owned()));
        let default = if scheme == "https" { "443" } else { "80" };
        if port == Some(default) {
            return Err("a port that the scheme has anyway is left out");
        }
        Ok(Self { text: text.to_owned(), loopback: any_port, origin })
    }

    fn private(text: &str, scheme: &str, rest: &str) -> Result<Self, &'static str> {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-+".contains(&byte);
        let sound = scheme.contains('.')
            && scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(letters);
        if !sound {
            return Err(
                "its scheme is neither `https`, nor `http`, nor one of an app's own with a dot in it",
            );
        }
        // `scheme:/path`: there is no authority to name (RFC 8252 7.1).
        if !rest.starts_with('/') || rest.starts_with("//") {
            return Err("what follows the scheme of an app begins with one `/`");
        }
        check_path(rest)?;
        Ok(Self { text: text.to_owned(), loopback: None, origin: format!("{scheme}:") })
    }

    /// Whether `presented`, which a client has registered this address for, is this address.
    pub fn admits(&self, presented: &Self) -> bool {
        self.text == presented.text || (self.loopback.is_some() && self.loopback == presented.loopback)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What a page's policy calls it, for `form-action`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The origin of the page that it is, as browsers name it; `None` where it is an app's.
    pub(super) fn page_origin(&self) -> Option<&str> {
        let (scheme, rest) = self.text.split_once("://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        self.text.get(..scheme.len() + "://".len() + end)
    }

    /// Whether it is of this machine alone.
    pub fn is_local(&self) -> bool {
        self.text.starts_with("http:")
    }

    /// The address with parameters added to its query.
    pub(super) fn with(&self, parameters: &[(&str, &str)]) -> String {
        let mut out = self.text.clone();
        let mut divider = if self.text.contains('?') { '&' } else { '?' };
        for (name, value) in parameters {
            out.push(divider);
            out.push_str(name);
            out.push('=');
            push_encoded(&mut out, value);
            divider = '&';
        }
        out
    }
}

/// Adds `text` as a parameter's value (RFC 3986 2.3).
pub(super) fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// A path that a browser leaves as it is.
fn check_path(behind: &str) -> Result<(), &'static str> {
    let path = behind.split('?').next().unwrap_or_default();
    let dots = |segment: &str| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    };
    if path.split('/').any(dots) {
        return Err("its path has `.` or `..` as a segment");
    }
    Ok(())
}

fn host_and_port(authority: &str) -> Result<(&str, Option<&str>), &'static str> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if let Some(port) = port {
        let number = port.parse::<u16>().ok().filter(|number| *number > 0 && number.to_string() == port);
        number.ok_or("its port is no number from 1 to 65535")?;
    }
    if host == "[::1]" {
        return Ok((host, port));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() <= 253 && host.split('.').all(label) {
        return Ok((host, port));
    }
    Err("its host is a name in lower case or an address, without a user and without a dot at its end")
}

#[cfg(test)]
mod tests {
    use super::RedirectUri;
    use proptest::prelude::*;

    fn uri(text: &str) -> RedirectUri {
        RedirectUri::parse(text).unwrap()
    }

    #[test]
    fn an_address_is_written_in_one_way() {
        for good in [
            "https://app.example.com/callback",
            "https://app.example.com",
            "https://app.example.com:8443/a?b=c&d=%2F",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:1234/cb",
            "http://[::1]:1234/cb",
            "http://localhost:3000/cb",
            "com.example.app:/oauth",
        ] {
            assert_eq!(uri(good).as_str(), good);
        }
        for bad in [
            "",
            "/callback",
            "app.example.com/callback",
            "https:app.example.com",
            "https:///callback",
            "http://app.example.com/callback",
            "http://127.0.0.2/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://localhost.evil.example/cb",
            "https://user@app.example.com/callback",
            "https://app.example.com@evil.example/callback",
            "https://app.example.com:80:80/callback",
            "https://app.example.com:443/callback",
            "https://app.example.com:0/callback",
            "https://app.example.com:/callback",
            "https://app.example.com:080/callback",
            "https://APP.example.com/callback",
            "https://app.example.com./callback",
            "https://app..example.com/callback",
            "https://app.example.com/callback#fragment",
            "https://app.example.com/callback#",
            "https://*.example.com/callback",
            "https://app.example.com/a/../callback",
            "https://app.example.com/a/%2e%2E/callback",
            "https://app.example.com/./callback",
            "https://app.example.com\\@evil.example/",
            "https://app.example.com/call back",
            "https://app.example.com/\u{e9}",
            "https://app.example.com/\r\nx: y",
            "javascript:alert(1)",
            "data:text/html,x",
            "myapp:/cb",
            "com.example.app://host/cb",
            "com.example.app:cb",
            "COM.example.app:/cb",
            "HTTPS://app.example.com/callback",
        ] {
            assert!(RedirectUri::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_registered_is_the_same_byte_for_byte() {
        let registered = uri("https://app.example.com/callback");
        assert!(registered.admits(&registered));
        for other in [
            "https://app.example.com/callback/",
            "https://app.example.com/callback/more",
            "https://app.example.com/callbac",
            "https://app.example.com/Callback",
            "https://app.example.com/%63allback",
            "https://app.example.com/callback?x=y",
            "https://app.example.com/callback?",
            "https://app.example.com:8443/callback",
            "https://evil.example/callback",
            "https://app.example.com.evil.example/callback",
            "https://app.example.com/redirect?to=https://evil.example",
            "com.example.app:/callback",
        ] {
            assert!(!registered.admits(&uri(other)), "{other}");
        }
    }

    #[test]
    fn a_loopback_address_takes_any_port_and_nothing_else() {
        let registered = uri("http://127.0.0.1/cb");
        for port in ["http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb", "http://127.0.0.1/cb"] {
            assert!(registered.admits(&uri(port)), "{port}");
        }
        for other in
            ["http://127.0.0.1:1/cb2", "http://[::1]:1/cb", "http://localhost:1/cb", "https://127.0.0.1:1/cb"]
        {
            assert!(!registered.admits(&uri(other)), "{other}");
        }
        assert!(
            !uri("http://localhost:3000/cb").admits(&uri("http://localhost:3001/cb")),
            "a name is no address"
        );
        assert!(uri("http://[::1]:9/cb").admits(&uri("http://[::1]:10/cb")));
    }

    #[test]
    fn parameters_are_added_to_what_is_there() {
        assert_eq!(
            uri("https://a.example/cb").with(&[("code", "a b&c")]),
            "https://a.example/cb?code=a%20b%26c"
        );
        assert_eq!(
            uri("https://a.example/cb?x=1").with(&[("a", "b"), ("c", "d")]),
            "https://a.example/cb?x=1&a=b&c=d"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_read_stays_at_its_own_host(text in "(https|http)://[a-z.@:/\\\\?#0-9\\[\\]-]{0,40}") {
            if let Ok(read) = RedirectUri::parse(&text) {
                let parsed: Vec<&str> = text.split("//").nth(1).unwrap_or_default().split(['/', '?']).collect();
                prop_assert!(!parsed[0].contains(['@', '\\', '#']));
                prop_assert!(read.admits(&read));
            }
        }
    }
}
