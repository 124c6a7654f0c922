//! How the gate proves at a provider that it is the client that is registered there: `client_secret` or `private_key_jwt`.

use super::definition::Checks;
use super::file::usable;
use crate::config::read::Maybe;
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::value::{PrivateKeyJwt, SecretPlace};
use haechi_authn::jose::signer_of_pem;
use haechi_authn::oidc::{ClientProof, SecretIn};
use haechi_core::Secret;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the gate proves that it is the registered client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// With a secret, not empty.
    Secret(Secret<String>, Option<SecretIn>),
    /// With a private key.
    Key(KeyFile),
}

/// A file with a private key in PEM, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyFile {
    file: PathBuf,
    /// What the key is called.
    kid: Option<String>,
    text: Secret<String>,
}

/// The ways in which that is written.
pub(crate) struct Ways<'a> {
    /// What it is of: an authenticator of a type, or a key.
    pub(crate) of: &'static str,
    pub(crate) span: Span,
    pub(crate) secret: &'a Maybe<At<Secret<String>>>,
    pub(crate) key: &'a Maybe<At<PrivateKeyJwt>>,
    pub(crate) place: &'a Maybe<At<SecretPlace>>,
}

/// The id of a client (RFC 6749 A.1).
pub(crate) fn client_id(checks: &mut dyn Checks, written: &Option<At<String>>) -> Option<String> {
    let id = written.as_ref()?;
    if !id.is_empty() && id.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some(id.value.clone());
    }
    checks.fault(
        Fault::new(id.span, "this is not the id of a client").help("write it as the provider shows it"),
    )
}

/// The one way.
pub(crate) fn check(checks: &mut dyn Checks, ways: Ways<'_>) -> Option<Proof> {
    let Ways { of, span, secret, key, place } = ways;
    let place = place.given();
    match (secret.given(), key.given()) {
        (Some(secret), None) if key.is_absent() => {
            if secret.value.expose().is_empty() {
                return checks.fault(Fault::new(secret.span, "the client's secret is empty"));
            }
            let place = place.map(|place| place.value.meant());
            Some(Proof::Secret(secret.value.clone(), place))
        }
        (None, Some(key)) if secret.is_absent() => {
            if let Some(place) = place {
                let fault = Fault::new(
                    place.span,
                    "`client_authentication` is about a `client_secret`, and there is none",
                );
                return checks.fault(fault.help("remove it"));
            }
            let (file, kid) = (key.key.as_ref()?, key.kid.given().cloned());
            let read = |text: &str| signer_of_pem(text, kid.clone()).map(|_| Secret::new(text.to_owned()));
            let text = usable(checks, file, read)?;
            Some(Proof::Key(KeyFile { file: file.0.clone(), kid, text }))
        }
        (None, None) if !(secret.is_absent() && key.is_absent()) => None,
        (found, _) => {
            let message = if found.is_some() {
                "a client proves who it is in one way".to_owned()
            } else {
                format!("{of} needs `client_secret` or `private_key_jwt`")
            };
            let help = "keep one of `client_secret`, `private_key_jwt`";
            checks.fault(Fault::new(span, message).help(help))
        }
    }
}

impl Proof {
    /// The file that it is made of.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Secret(..) => None,
            Self::Key(key) => Some(&key.file),
        }
    }

    /// As it is used.
    pub(crate) fn made(&self) -> Result<ClientProof, String> {
        match self {
            Self::Secret(secret, place) => Ok(ClientProof::Secret(secret.clone(), *place)),
            Self::Key(KeyFile { kid, text, .. }) => {
                let signer = signer_of_pem(text.expose(), kid.clone()).map_err(|fault| fault.to_string())?;
                Ok(ClientProof::Key(Arc::new(signer)))
            }
        }
    }
}
