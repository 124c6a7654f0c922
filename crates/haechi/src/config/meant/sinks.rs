//! Where lines of a log are sent besides.

use super::expiry::CertificateUse;
use super::names::Resolver;
use super::tls;
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::written;
use haechi_authn::keys::WebOrigin;
use reqwest::Url;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::IpAddr;
use std::path::PathBuf;

/// The port of syslog over TLS (RFC 5425 4.1), and of the others.
const TLS_PORT: u16 = 6514;
const TCP_PORT: u16 = 601;
const UDP_PORT: u16 = 514;

/// Where lines are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// To a syslog server.
    Syslog(SyslogServer),
    /// To an OTLP collector, at this address.
    Otlp(String),
}

/// A syslog server, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SyslogServer {
    /// Over TLS, with the authorities that vouch for it; the system's where there are none.
    Tls {
        host: String,
        port: u16,
        name: ServerName<'static>,
        authorities: Option<Vec<CertificateDer<'static>>>,
    },
    /// Over TCP.
    Tcp { host: String, port: u16 },
    /// In datagrams.
    Udp { host: String, port: u16 },
    /// In datagrams to a socket of this machine.
    Unix(PathBuf),
}

pub(super) fn sinks(resolver: &mut Resolver<'_>, written: &[At<written::Sink>]) -> Option<Vec<Sink>> {
    written.iter().map(|one| sink(resolver, one)).collect()
}

fn sink(resolver: &mut Resolver<'_>, written: &At<written::Sink>) -> Option<Sink> {
    match (written.syslog.given(), written.otlp.given()) {
        (Some(address), None) => syslog(resolver, written, address).map(Sink::Syslog),
        (None, Some(address)) => {
            if let Some(ca) = written.ca.given() {
                let fault = Fault::new(ca.span, "`ca` is for a syslog server with `tls://`");
                resolver
                    .faults
                    .push(fault.help("remove it; collectors are verified by the system's authorities"));
            }
            if WebOrigin::permitted(address.as_str(), written.allow_plain).is_err() {
                return plain(resolver, address.span, "https://");
            }
            Some(Sink::Otlp(address.to_string()))
        }
        _ => {
            let fault = Fault::new(written.span, "a sink is one of `syslog` and `otlp`");
            resolver
                .fault(fault.help("write `{ syslog: tls://HOST:6514 }` or `{ otlp: https://HOST/v1/logs }`"))
        }
    }
}

fn syslog(
    resolver: &mut Resolver<'_>,
    written: &At<written::Sink>,
    text: &At<String>,
) -> Option<SyslogServer> {
    let odd = || {
        let message = "this is not the address of a syslog server";
        let help = "write `tls://HOST:6514`, `tcp://HOST:601`, `udp://HOST:514`, or `unix:///dev/log`";
        Fault::new(text.span, message).help(help)
    };
    let Ok(address) = Url::parse(&text.value) else { return resolver.fault(odd()) };
    let scheme = address.scheme();
    if let Some(ca) = written.ca.given().filter(|_| scheme != "tls") {
        let fault = Fault::new(ca.span, "`ca` is for a syslog server with `tls://`");
        resolver.faults.push(fault.help("write the address with `tls://`, or remove it"));
    }
    let has_more =
        !address.username().is_empty() || address.query().is_some() || address.fragment().is_some();
    if scheme == "unix" {
        if has_more || address.host_str().is_some_and(|host| !host.is_empty()) || address.path().len() < 2 {
            return resolver.fault(odd());
        }
        return Some(SyslogServer::Unix(address.path().into()));
    }
    let host = address.host_str().filter(|host| !host.is_empty() && !has_more);
    let Some(host) = host.filter(|_| matches!(address.path(), "" | "/")) else {
        return resolver.fault(odd());
    };
    // An IPv6 address stands in brackets there.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = |usual| address.port().unwrap_or(usual);
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match scheme {
        "tls" => {
            let name = ServerName::try_from(host.clone()).ok();
            let name = name.or_else(|| resolver.fault(odd()))?;
            let authorities = match written.ca.given() {
                Some(file) => Some(tls::authority_certificates(resolver, file, CertificateUse::SinkCa)?),
                None => None,
            };
            Some(SyslogServer::Tls { port: port(TLS_PORT), name, authorities, host })
        }
        "tcp" | "udp" if !is_here && !written.allow_plain => plain(resolver, text.span, "tls://"),
        "tcp" => Some(SyslogServer::Tcp { port: port(TCP_PORT), host }),
        "udp" => Some(SyslogServer::Udp { port: port(UDP_PORT), host }),
        _ => resolver.fault(odd()),
    }
}

fn plain<T>(resolver: &mut Resolver<'_>, span: Span, better: &str) -> Option<T> {
    let fault = Fault::new(span, "lines would leave this machine without TLS");
    resolver.fault(fault.help(format!("write `{better}`, or set `allow_plain: true` beside it")))
}
