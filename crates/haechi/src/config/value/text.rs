//! Text with a form: paths, files, header names, JSON pointers, methods, secrets.

use crate::config::read::{Defs, Reader, Value};
use crate::config::report::Fault;
use crate::config::yaml::{Kind, Node};
use haechi_authn::schemes::jwt::JsonPointer;
use haechi_core::method::{NAMED_METHODS, forwardable, is_named};
use haechi_core::{FieldName, Host, HostPattern, PathPattern, Secret};
use http::Method;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::sync::Arc;

impl Value for String {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text("text", node)?;
        if text.is_empty() {
            return reader.fault(Fault::new(node.span, "expected text, found none"));
        }
        if text.contains(|c: char| c.is_control()) {
            return reader
                .fault(Fault::new(node.span, "control characters may not stand here").help("remove them"));
        }
        Some(text)
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn shown(&self) -> Json {
        self.as_str().into()
    }
}

/// Text that is never shown.
impl Value for Secret<String> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Kind::Scalar { text, .. } = &node.kind else {
            reader.source.hide(node.span);
            return reader.expected("a secret", node);
        };
        let only_a_placeholder = text.starts_with("${") && text.find('}') == Some(text.len() - 1);
        if !only_a_placeholder {
            reader.source.hide(node.span);
        }
        reader.scalar("a secret", node).map(Self::new)
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// A file, its path relative to the configuration made absolute or relative to the working folder. It must be readable now.
#[derive(Clone, Debug)]
pub(crate) struct FilePath(pub(crate) PathBuf);

impl Value for FilePath {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::read(node, reader)?;
        let path = reader.watched(node.span, &text);
        let opened = std::fs::File::open(&path).and_then(|file| file.metadata());
        let why = match opened {
            Ok(about) if about.is_file() => return Some(Self(path)),
            Ok(_) => "it is not a file".to_owned(),
            Err(error) => crate::config::placeholder::plain(&error),
        };
        let message = format!("`{}` cannot be read: {why}", reader.written(node.span));
        let help = "paths are relative to the configuration's folder";
        reader.fault(Fault::new(node.span, message).help(help))
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// The lower-case name of a header field in which a client may send a credential.
#[derive(Clone, Debug)]
pub(crate) struct FieldNameText(pub(crate) Arc<str>);

impl Value for FieldNameText {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a header that can carry a key", node, |text| {
            let name = http::HeaderName::from_bytes(text.as_bytes())
                .map_err(|_| "a header's name is letters, digits and `-`, such as `X-API-Key`".to_owned())?;
            match FieldName::of(name.as_str().as_bytes()) {
                FieldName::Other => Ok(Self(name.as_str().into())),
                _ => Err("this header has a meaning of its own, or backends believe it; choose another, such as `X-API-Key`".into()),
            }
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$|\$\{" })
    }

    fn shown(&self) -> Json {
        (*self.0).into()
    }
}

/// A JSON pointer (RFC 6901).
impl Value for JsonPointer {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a JSON pointer", node, |text| {
            text.parse().map_err(|_| {
                "write `/name`, or `/outer/inner` for a claim within another (RFC 6901)".to_owned()
            })
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^(/([^~/]|~[01])*)+$|\$\{" })
    }
}

impl Value for PathPattern {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a path pattern", node, |text| Self::parse(text).map_err(|fault| fault.to_string()))
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^/|\$\{" })
    }
}

impl Value for HostPattern {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a host", node, |text| {
            Self::parse(text).map_err(|_| match (Host::parse(text.as_bytes()), bare_host(text)) {
                _ if text == "*" => "remove `hosts` for every host".into(),
                (Ok(host), _) => format!("write it without the port: `{}`", host.name()),
                (_, Some(host)) => format!("write `{host}`"),
                _ => "write a name such as `api.example.com`, `*.example.com` for every name below it, or an address".into(),
            })
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// The host alone of what has a scheme, a port or a path around it, in the characters that requests have.
fn bare_host(text: &str) -> Option<String> {
    let star = if text.contains("*.") { "*." } else { "" };
    let plain = text.replacen("*.", "", 1);
    let plain = if plain.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{plain}]") } else { plain };
    let rest = plain.split_once("://").map_or(&*plain, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?.trim_start_matches('.');
    let url = reqwest::Url::parse(&format!("http://{authority}/")).ok()?;
    let host = format!("{star}{}", url.host_str()?);
    HostPattern::parse(&host).is_ok().then_some(host)
}

impl Value for Host {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a host", node, |text| match Self::parse(text.as_bytes()) {
            Ok(host) if host.port().is_none() => Ok(host),
            Ok(host) => Err(format!("write it without the port: `{}`", host.name())),
            Err(_) => Err("write a name such as `api.example.com` or an address".into()),
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

impl Value for Method {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a method", node, |text| {
            let method = Self::from_bytes(text.as_bytes())
                .map_err(|_| "write a token such as `GET`, `POST` or `PROPFIND`".to_owned())?;
            forwardable(&method).map_err(|error| error.to_string())?;
            let right = text.to_ascii_uppercase();
            if REGISTERED.contains(&&*right) {
                let wrong = || format!("methods are case-sensitive: write `{right}`");
                return (text == right).then_some(method).ok_or_else(wrong);
            }
            // `GETT` is a method that no client sends.
            let slip = |known: &&Method| {
                !is_named(&method) && strsim::damerau_levenshtein(known.as_str(), text) == 1
            };
            NAMED_METHODS
                .iter()
                .find(slip)
                .map_or(Ok(method.clone()), |near| Err(format!("did you mean `{near}`?")))
        })
    }

    fn schema(defs: &mut Defs) -> Json {
        let known: Vec<String> = NAMED_METHODS.iter().map(ToString::to_string).collect();
        let placeholder = crate::config::read::placeholder_schema(defs);
        let token = json!({ "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$" });
        json!({ "anyOf": [{ "enum": known }, token, placeholder] })
    }
}

/// The registered methods without a name in policies (IANA, "HTTP Method Registry"), and those that WebDAV servers, caches and UPnP know besides.
const REGISTERED: [&str; 35] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    "PURGE",
    "BAN",
    "M-SEARCH",
    "NOTIFY",
];
