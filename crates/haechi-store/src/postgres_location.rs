//! `postgres://` addresses.

use crate::BadLocation;
use haechi_core::Secret;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// Connections that are open at once, unless the address says otherwise.
const POOL_SIZE: u32 = 8;
/// At most so many.
const MAX_POOL_SIZE: u32 = 1_000;
/// No answer in this time is no answer, unless the address says otherwise.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(2);

/// What the driver reads as libpq does.
const LIBPQ: [&str; 6] = ["host", "port", "dbname", "user", "password", "application_name"];

/// A PostgreSQL database, and how it is to be used: `postgres://USER:PASSWORD@HOST/DATABASE?sslmode=…`.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresLocation {
    /// What the driver reads; it may hold a password.
    url: Secret<String>,
    /// Host, port and database, for messages.
    name: String,
    files: TlsFiles,
    /// Connections that are open at once, without the one that listens for changes.
    pub(crate) pool_size: u32,
    /// How long a statement may take, and waiting for a connection.
    pub(crate) statement_timeout: Duration,
    /// Whether a pooler may give every transaction another connection (PgBouncer in transaction mode).
    pub(crate) transaction_pooler: bool,
}

/// PEM files for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// Authorities that the server's certificate may come from, besides the public ones.
    pub(crate) root: Option<PathBuf>,
    /// Our certificate.
    pub(crate) certificate: Option<PathBuf>,
    /// Of our certificate.
    pub(crate) key: Option<PathBuf>,
}

/// What of the query is ours.
struct Settings {
    files: TlsFiles,
    pool_size: u32,
    statement_timeout: Duration,
    transaction_pooler: bool,
    ssl: Option<SslMode>,
}

impl PostgresLocation {
    /// Reads what stands in the configuration.
    pub(crate) fn parse(text: &str) -> Result<Self, BadLocation> {
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let mut settings = Settings {
            files: TlsFiles::default(),
            pool_size: POOL_SIZE,
            statement_timeout: STATEMENT_TIMEOUT,
            transaction_pooler: false,
            ssl: None,
        };
        let mut kept = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if LIBPQ.contains(&key) {
                kept.push(parameter);
            } else {
                settings.set(key, value)?;
            }
        }
        let has_root = settings.files.root.is_some();
        if has_root && !matches!(settings.ssl, None | Some(SslMode::VerifyFull)) {
            return Err(BadLocation::RootCertificateUnused);
        }
        let place = Place::of(&Url::parse(address).map_err(|_| BadLocation::NotPostgres)?, &kept)?;
        let ssl = settings.ssl.unwrap_or(if place.is_near() && !has_root {
            SslMode::Prefer
        } else {
            SslMode::VerifyFull
        });
        kept.push(ssl.parameter());
        Ok(Self {
            url: Secret::new(format!("{address}?{}", kept.join("&"))),
            name: place.to_string(),
            files: settings.files,
            pool_size: settings.pool_size,
            statement_timeout: settings.statement_timeout,
            transaction_pooler: settings.transaction_pooler,
        })
    }

    /// What the driver reads, but for the files.
    pub(crate) fn url(&self) -> &str {
        self.url.expose()
    }

    /// PEM files for TLS.
    pub(crate) const fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// The same, with relative files taken from `folder`.
    pub(crate) fn relative_to(mut self, folder: &Path) -> Self {
        let TlsFiles { root, certificate, key } = &mut self.files;
        for file in [root, certificate, key].into_iter().flatten() {
            *file = folder.join(&*file);
        }
        self
    }
}

impl Settings {
    fn set(&mut self, key: &str, value: &str) -> Result<(), BadLocation> {
        let wrong = |right| BadLocation::Parameter { key: key.to_owned(), right };
        match key {
            "sslmode" => {
                self.ssl = Some(match value {
                    "disable" => SslMode::Disable,
                    "prefer" => SslMode::Prefer,
                    "require" => SslMode::Require,
                    "verify-full" => SslMode::VerifyFull,
                    // The driver believes public authorities as well, so that anybody with a certificate of any name could pass.
                    "verify-ca" => {
                        return Err(wrong("write `verify-full`, which checks the host's name as well"));
                    }
                    _ => return Err(wrong("write `disable`, `prefer`, `require` or `verify-full`")),
                });
            }
            // The public authorities are what the driver believes anyway.
            "sslrootcert" if value == "system" => {}
            "sslrootcert" => self.files.root = Some(value.into()),
            "sslcert" => self.files.certificate = Some(value.into()),
            "sslkey" => self.files.key = Some(value.into()),
            "pool_size" => {
                self.pool_size = (value.parse().ok())
                    .filter(|size| (1..=MAX_POOL_SIZE).contains(size))
                    .ok_or_else(|| wrong("write a number from 1 to 1000"))?;
            }
            "statement_timeout" => {
                self.statement_timeout =
                    duration(value).ok_or_else(|| wrong("write a time from `100ms` to `60s`"))?;
            }
            "pooler" => {
                self.transaction_pooler = match value {
                    "transaction" => true,
                    "session" | "none" => false,
                    _ => {
                        return Err(wrong(
                            "write `transaction` where a pooler such as PgBouncer works in that mode",
                        ));
                    }
                };
            }
            _ => return Err(BadLocation::UnknownParameter),
        }
        Ok(())
    }
}

/// `2s` or `500ms`.
fn duration(text: &str) -> Option<Duration> {
    let millis = match text.strip_suffix("ms") {
        Some(millis) => millis.parse::<u64>().ok()?,
        None => text.strip_suffix('s')?.parse::<u64>().ok()?.checked_mul(1_000)?,
    };
    (100..=60_000).contains(&millis).then(|| Duration::from_millis(millis))
}

/// What the connection to the database is protected by, as libpq has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyFull,
}

impl SslMode {
    const fn parameter(self) -> &'static str {
        match self {
            Self::Disable => "sslmode=disable",
            Self::Prefer => "sslmode=prefer",
            Self::Require => "sslmode=require",
            Self::VerifyFull => "sslmode=verify-full",
        }
    }
}

/// Where the database is.
struct Place {
    host: String,
    port: String,
    database: String,
}

impl Place {
    /// A parameter goes before what stands in the address. A host must stand somewhere: the environment could name any.
    fn of(url: &Url, parameters: &[&str]) -> Result<Self, BadLocation> {
        let given = |key: &str| {
            let mut values =
                parameters.iter().filter_map(|parameter| parameter.strip_prefix(key)?.strip_prefix('='));
            values.next_back().map(str::to_owned)
        };
        let host =
            given("host").or_else(|| url.host_str().map(str::to_owned)).filter(|host| !host.is_empty());
        let port = given("port").or_else(|| url.port().map(|port| port.to_string()));
        let path = url.path().trim_matches('/');
        let user = given("user").unwrap_or_else(|| url.username().to_owned());
        Ok(Self {
            host: host.ok_or(BadLocation::NotPostgres)?.replace("%2F", "/").replace("%2f", "/"),
            port: port.unwrap_or_else(|| "5432".to_owned()),
            database: given("dbname").unwrap_or_else(|| if path.is_empty() { user } else { path.to_owned() }),
        })
    }

    /// Whether nobody can stand between us and the database.
    fn is_near(&self) -> bool {
        let name = self.host.trim_matches(['[', ']']);
        self.host.starts_with('/')
            || name == "localhost"
            || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, database } = self;
        if host.starts_with('/') {
            write!(f, "postgres://{host}/{database}")
        } else {
            write!(f, "postgres://{host}:{port}/{database}")
        }
    }
}

/// Host, port and database: neither user nor password.
impl fmt::Display for PostgresLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for PostgresLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresLocation").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::PostgresLocation;
    use crate::BadLocation;
    use std::time::Duration;

    fn parsed(text: &str) -> PostgresLocation {
        PostgresLocation::parse(text).unwrap()
    }

    #[test]
    fn the_name_shows_neither_user_nor_password() {
        let location =
            parsed("postgres://haechi:hunter2@db.internal:6432/gate?pool_size=3&statement_timeout=500ms");
        assert_eq!(location.to_string(), "postgres://db.internal:6432/gate");
        assert!(!format!("{location:?}").contains("hunter2"));
        assert_eq!((location.pool_size, location.statement_timeout), (3, Duration::from_millis(500)));
        assert!(!location.transaction_pooler);
        assert!(parsed("postgres://db/gate?pooler=transaction").transaction_pooler);
    }

    #[test]
    fn far_databases_are_verified_unless_the_address_says_otherwise() {
        for (address, mode) in [
            ("postgres://db.internal/gate", "verify-full"),
            ("postgres://127.0.0.1/gate", "prefer"),
            ("postgres://[::1]/gate", "prefer"),
            ("postgres://localhost/gate", "prefer"),
            ("postgres:///gate?host=/run/postgresql", "prefer"),
            ("postgres://localhost/gate?sslrootcert=ca.pem", "verify-full"),
            ("postgres://db.internal/gate?sslmode=require", "require"),
            ("postgres://db.internal/gate?sslmode=disable", "disable"),
        ] {
            let url = parsed(address).url;
            assert!(url.expose().ends_with(&format!("sslmode={mode}")), "{address}: {}", url.expose());
        }
    }

    #[test]
    fn what_is_not_known_or_would_be_open_is_refused() {
        for parameter in [
            "sslmode=allow",
            "sslmode=verify-ca",
            "pool_size=0",
            "pool_size=x",
            "statement_timeout=0s",
            "statement_timeout=2",
            "pooler=yes",
        ] {
            let error = PostgresLocation::parse(&format!("postgres://db/gate?{parameter}")).unwrap_err();
            assert!(matches!(error, BadLocation::Parameter { .. }), "{parameter}: {error}");
        }
        for parameter in ["connect_timeout=3", "SSLMODE=require"] {
            let error = PostgresLocation::parse(&format!("postgres://db/gate?{parameter}"));
            assert_eq!(error, Err(BadLocation::UnknownParameter), "{parameter}");
        }
        let unused = PostgresLocation::parse("postgres://db/gate?sslmode=require&sslrootcert=ca.pem");
        assert_eq!(unused, Err(BadLocation::RootCertificateUnused));
        for address in ["postgres://db:port/gate", "postgres:///gate", "postgres:gate"] {
            assert_eq!(PostgresLocation::parse(address), Err(BadLocation::NotPostgres), "{address}");
        }
    }
}
