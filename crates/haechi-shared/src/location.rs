//! Where the shared state is: the `shared_state` setting, parsed.

use haechi_core::Secret;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PORT: u16 = 6379;
const PREFIX: &str = "haechi";
/// A count that does not come in this time is made without the others, unless the address says otherwise.
const TIMEOUT: Duration = Duration::from_millis(100);

/// A Redis or Valkey: `redis://USER:PASSWORD@HOST:PORT/DATABASE?prefix=…`, `rediss://…` with TLS, `unix:///SOCKET`.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    pub(crate) place: Place,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret<String>>,
    pub(crate) database: i64,
    /// What all of our keys and channels begin with, without the colon that follows.
    pub(crate) prefix: String,
    /// How long a count may take.
    pub(crate) timeout: Duration,
}

/// How it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp {
        host: String,
        port: u16,
        /// With TLS where there is something.
        tls: Option<TlsFiles>,
    },
    Unix(PathBuf),
}

/// PEM files for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// Authorities that the server's certificate must come from; the system's where there is none.
    pub(crate) root: Option<PathBuf>,
    /// Our certificate.
    pub(crate) certificate: Option<PathBuf>,
    /// Of our certificate.
    pub(crate) key: Option<PathBuf>,
}

/// A `shared_state` setting that names no shared state. Shows nothing of the address, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLocation {
    /// Another scheme, or none.
    #[error(
        "this is no address of a Redis; write `redis://HOST`, `rediss://HOST` for TLS, or `unix:///SOCKET`"
    )]
    NotRedis,
    /// A store, which is no shared state.
    #[error("this is for `store`; a shared state is `redis://HOST`, `rediss://HOST` or `unix:///SOCKET`")]
    Store,
    /// No host, or a port that is none.
    #[error(
        "the address of the shared state has no usable host and port; write `redis://USER:PASSWORD@HOST:6379/0`, an IPv6 address in brackets"
    )]
    NoHost,
    /// No socket.
    #[error("the address names no socket; write `unix:///run/redis/redis.sock`")]
    NoSocket,
    /// Something else than a number after the host.
    #[error("the number of the database is wrong; write one after the host: `redis://HOST/0`")]
    Database,
    /// It is not shown: it may be a part of a password.
    #[error(
        "the address of the shared state has an unknown parameter; known are `db`, `prefix`, `timeout`, `sslrootcert`, `sslcert` and `sslkey`"
    )]
    UnknownParameter,
    /// A parameter that has a wrong value.
    #[error("the parameter `{key}` of the shared state is wrong; {right}")]
    Parameter {
        /// Before the `=`.
        key: &'static str,
        /// What would be right.
        right: &'static str,
    },
    /// Files for TLS, where there is none.
    #[error("`{0}` is for TLS, which this address does not speak; write `rediss://`")]
    WithoutTls(&'static str),
    /// One of the two.
    #[error("`sslcert` and `sslkey` belong together; write both, or neither")]
    HalfIdentity,
}

impl Location {
    /// Reads `redis://`, `rediss://` (`valkey://` and `valkeys://` are the same) and `unix://` addresses. A password may hold any character; `%XX` stands for the byte of that number.
    ///
    /// # Errors
    /// [`BadLocation`], saying what would be right.
    pub fn parse(text: &str) -> Result<Self, BadLocation> {
        let (scheme, rest) = text.split_once("://").ok_or(scheme_alone(text))?;
        let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let settings = Settings::of(query)?;
        let (place, path) = match scheme {
            "redis" | "valkey" => (tcp(address, None)?, address.split_once('/')),
            "rediss" | "valkeys" => (tcp(address, Some(settings.tls.clone()))?, address.split_once('/')),
            "unix" | "redis+unix" if address.starts_with('/') && address.len() > 1 => {
                (Place::Unix(address.into()), None)
            }
            "unix" | "redis+unix" => return Err(BadLocation::NoSocket),
            "postgres" | "postgresql" | "sqlite" => return Err(BadLocation::Store),
            _ => return Err(BadLocation::NotRedis),
        };
        settings.fits(&place)?;
        let of_path = match path {
            None | Some((_, "")) => None,
            Some((_, number)) => Some(database(number).ok_or(BadLocation::Database)?),
        };
        let (user, password) = login.map_or((None, None), credentials);
        Ok(Self {
            place,
            user,
            password,
            database: settings.database.or(of_path).unwrap_or(0),
            prefix: settings.prefix,
            timeout: settings.timeout,
        })
    }

    /// The same, with relative files taken from `folder`, as the configuration takes relative paths.
    #[must_use]
    pub fn relative_to(mut self, folder: &Path) -> Self {
        if let Place::Tcp { tls: Some(TlsFiles { root, certificate, key }), .. } = &mut self.place {
            for file in [root, certificate, key].into_iter().flatten() {
                *file = folder.join(&*file);
            }
        }
        self
    }

    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let tls = match &self.place {
            Place::Tcp { tls, .. } => tls.as_ref(),
            Place::Unix(_) => None,
        };
        let files = tls.into_iter().flat_map(|tls| [&tls.root, &tls.certificate, &tls.key]);
        files.flatten().map(PathBuf::as_path)
    }

    /// Whether a password would cross a network in clear.
    pub fn is_open(&self) -> bool {
        let Place::Tcp { host, tls: None, .. } = &self.place else { return false };
        let near = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        self.password.is_some() && !near
    }
}

fn scheme_alone(text: &str) -> BadLocation {
    if text.starts_with("sqlite:") { BadLocation::Store } else { BadLocation::NotRedis }
}

/// Host and port, up to the path.
fn tcp(address: &str, tls: Option<TlsFiles>) -> Result<Place, BadLocation> {
    let server = address.split_once('/').map_or(address, |(server, _)| server);
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or(BadLocation::NoHost)?,
        None => server.find(':').map_or((server, ""), |colon| server.split_at(colon)),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(BadLocation::NoHost)?,
        None if port.is_empty() => PORT,
        None => return Err(BadLocation::NoHost),
    };
    let odd = |c: char| c.is_control() || c.is_whitespace() || "/\\#%@".contains(c);
    if host.is_empty() || host.contains(odd) {
        return Err(BadLocation::NoHost);
    }
    Ok(Place::Tcp { host: host.to_owned(), port, tls })
}

fn credentials(login: &str) -> (Option<String>, Option<Secret<String>>) {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let text = |part: &str| (!part.is_empty()).then(|| decoded(part));
    (text(user), text(password).map(Secret::new))
}

/// `%XX` decoded; what is no such thing stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = hex.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn database(text: &str) -> Option<i64> {
    text.parse::<u16>().ok().map(i64::from)
}

/// What the query says.
struct Settings {
    database: Option<i64>,
    prefix: String,
    timeout: Duration,
    tls: TlsFiles,
}

impl Settings {
    fn of(query: &str) -> Result<Self, BadLocation> {
        let mut settings =
            Self { database: None, prefix: PREFIX.to_owned(), timeout: TIMEOUT, tls: TlsFiles::default() };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            settings.set(key, value)?;
        }
        Ok(settings)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), BadLocation> {
        let file = |key| match value {
            "" => Err(BadLocation::Parameter { key, right: "write the name of a PEM file" }),
            name => Ok(Some(PathBuf::from(decoded(name)))),
        };
        match key {
            "db" => {
                let right = "write the number of a database, such as 0";
                self.database = Some(database(value).ok_or(BadLocation::Parameter { key: "db", right })?);
            }
            "prefix" => {
                let right = "write 1 to 64 letters, digits, `-`, `_`, `.` or `:`";
                self.prefix = prefix(value).ok_or(BadLocation::Parameter { key: "prefix", right })?;
            }
            "timeout" => {
                let right = "write a time from `10ms` to `2s`";
                self.timeout = timeout(value).ok_or(BadLocation::Parameter { key: "timeout", right })?;
            }
            "sslrootcert" if value == "system" => self.tls.root = None,
            "sslrootcert" => self.tls.root = file("sslrootcert")?,
            "sslcert" => self.tls.certificate = file("sslcert")?,
            "sslkey" => self.tls.key = file("sslkey")?,
            _ => return Err(BadLocation::UnknownParameter),
        }
        Ok(())
    }

    fn fits(&self, place: &Place) -> Result<(), BadLocation> {
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            return Err(BadLocation::HalfIdentity);
        }
        if matches!(place, Place::Tcp { tls: Some(_), .. }) {
            return Ok(());
        }
        match &self.tls {
            TlsFiles { root: Some(_), .. } => Err(BadLocation::WithoutTls("sslrootcert")),
            TlsFiles { certificate: Some(_), .. } => Err(BadLocation::WithoutTls("sslcert")),
            _ => Ok(()),
        }
    }
}

fn prefix(text: &str) -> Option<String> {
    let usual = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    ((1..=64).contains(&text.len()) && text.chars().all(usual)).then(|| text.to_owned())
}

/// `100ms` or `1s`.
fn timeout(text: &str) -> Option<Duration> {
    let millis = match text.strip_suffix("ms") {
        Some(millis) => millis.parse::<u64>().ok()?,
        None => text.strip_suffix('s')?.parse::<u64>().ok()?.checked_mul(1_000)?,
    };
    (10..=2_000).contains(&millis).then(|| Duration::from_millis(millis))
}

/// For messages: neither user nor password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.database;
        match &self.place {
            Place::Tcp { host, port, tls } => {
                let scheme = if tls.is_some() { "rediss" } else { "redis" };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{scheme}://{open}{host}{close}:{port}/{database}")
            }
            Place::Unix(socket) => write!(f, "unix://{}?db={database}", socket.display()),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Location").field(&format_args!("{self}")).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{BadLocation, Location, Place};
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    fn parsed(text: &str) -> Location {
        Location::parse(text).unwrap()
    }

    #[test]
    fn hosts_ports_and_databases() {
        for (text, shown) in [
            ("redis://cache.internal", "redis://cache.internal:6379/0"),
            ("valkey://cache.internal:7000/3", "redis://cache.internal:7000/3"),
            ("redis://[::1]:7000/", "redis://[::1]:7000/0"),
            ("rediss://u:p@cache.internal/15", "rediss://cache.internal:6379/15"),
            ("valkeys://cache.internal?db=2", "rediss://cache.internal:6379/2"),
            ("unix:///run/redis/redis.sock?db=1", "unix:///run/redis/redis.sock?db=1"),
            ("redis+unix://:secret@/run/redis.sock", "unix:///run/redis.sock?db=0"),
        ] {
            assert_eq!(parsed(text).to_string(), shown);
        }
    }

    #[test]
    fn a_password_may_hold_anything_and_is_not_shown() {
        for (text, user, password) in [
            ("redis://:hunter2@h", None, Some("hunter2")),
            ("redis://gate:hunter2@h", Some("gate"), Some("hunter2")),
            ("redis://gate:a%40b%2Fc@h", Some("gate"), Some("a@b/c")),
            ("redis://gate:a@b/c?d#e:f%@h:1/2?prefix=x", Some("gate"), Some("a@b/c?d#e:f%")),
            ("redis://gate@h", Some("gate"), None),
            ("redis://h", None, None),
        ] {
            let location = parsed(text);
            assert_eq!(location.user.as_deref(), user, "{text}");
            assert_eq!(location.password.as_ref().map(|secret| secret.expose().as_str()), password, "{text}");
            assert!(!format!("{location:?}{location}").contains("hunter2"));
        }
    }

    #[test]
    fn parameters() {
        let location =
            parsed("rediss://h?prefix=gate.one&timeout=50ms&sslrootcert=ca.pem&sslcert=a.pem&sslkey=a.key");
        assert_eq!((&*location.prefix, location.timeout), ("gate.one", Duration::from_millis(50)));
        let location = location.relative_to(Path::new("/etc/haechi"));
        let files: Vec<PathBuf> = location.files().map(Path::to_owned).collect();
        assert_eq!(
            files,
            ["/etc/haechi/ca.pem", "/etc/haechi/a.pem", "/etc/haechi/a.key"].map(PathBuf::from)
        );
        let plain = parsed("redis://h");
        assert_eq!((&*plain.prefix, plain.timeout), ("haechi", Duration::from_millis(100)));
        assert!(matches!(plain.place, Place::Tcp { tls: None, .. }));
    }

    #[test]
    fn a_password_that_crosses_a_network_in_clear_is_told() {
        assert!(parsed("redis://:p@cache.internal").is_open());
        for text in
            ["redis://cache.internal", "redis://:p@127.0.0.1", "rediss://:p@cache.internal", "unix://:p@/s"]
        {
            assert!(!parsed(text).is_open(), "{text}");
        }
    }

    #[test]
    fn everything_else_says_what_would_be_right() {
        for (text, fault) in [
            ("cache.internal:6379", BadLocation::NotRedis),
            ("memcached://h", BadLocation::NotRedis),
            ("postgres://h/d", BadLocation::Store),
            ("sqlite:haechi.db", BadLocation::Store),
            ("redis://", BadLocation::NoHost),
            ("redis://h:", BadLocation::NoHost),
            ("redis://h:0", BadLocation::NoHost),
            ("redis://h:70000", BadLocation::NoHost),
            ("redis://[::1", BadLocation::NoHost),
            ("redis://::1", BadLocation::NoHost),
            ("redis://h/one", BadLocation::Database),
            ("redis://h/-1", BadLocation::Database),
            ("unix://run/redis.sock", BadLocation::NoSocket),
            ("unix://", BadLocation::NoSocket),
            ("redis://h?ssl=true", BadLocation::UnknownParameter),
            ("redis://h?sslrootcert=ca.pem", BadLocation::WithoutTls("sslrootcert")),
            ("unix:///s?sslcert=a&sslkey=b", BadLocation::WithoutTls("sslcert")),
            ("rediss://h?sslcert=a.pem", BadLocation::HalfIdentity),
        ] {
            assert_eq!(Location::parse(text), Err(fault), "{text}");
        }
        for parameter in
            ["db=x", "prefix=", "prefix=a b", "timeout=5ms", "timeout=3s", "timeout=1", "sslcert="]
        {
            let fault = Location::parse(&format!("rediss://h?{parameter}"));
            assert!(matches!(fault, Err(BadLocation::Parameter { .. })), "{parameter}");
        }
    }
}
