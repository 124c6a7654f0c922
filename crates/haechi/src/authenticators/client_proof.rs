//! How the gate proves at a provider that it is the client that is registered there: `client_secret` or `private_key_jwt`.

use super::definition::Checks;
use super::file::usable;
use super::oidc::record::PrivateKeyJwt;
use crate::config::read::Maybe;
use crate::config::report::Fault;
use crate::config::source::{At, Span};
use crate::config::value::SecretPlace;
use haechi_authn::jose::signer_of_pem;
use haechi_authn::oidc::{ClientProof, SecretIn};
use haechi_core::Secret;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the gate proves that it is the registered client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// With a secret, not empty.
    Secret(Secret<String>, Option<SecretIn>),
    /// With the private key in this file, under this name.
    Key(PathBuf, Option<String>),
}

/// The ways in which that is written.
pub(super) struct Ways<'a> {
    /// What kind of authenticator it is of.
    pub(super) of: &'static str,
    pub(super) span: Span,
    pub(super) secret: &'a Maybe<At<Secret<String>>>,
    pub(super) key: &'a Maybe<At<PrivateKeyJwt>>,
    pub(super) place: &'a Maybe<At<SecretPlace>>,
}

/// The id of a client (RFC 6749 A.1).
pub(super) fn client_id(checks: &mut dyn Checks, written: &Option<At<String>>) -> Option<String> {
    let id = written.as_ref()?;
    if !id.is_empty() && id.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some(id.value.clone());
    }
    checks.fault(
        Fault::new(id.span, "this is not the id of a client").help("write it as the provider shows it"),
    )
}

/// The one way.
pub(super) fn check(checks: &mut dyn Checks, ways: Ways<'_>) -> Option<Proof> {
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
            usable(checks, file, |text| signer_of_pem(text, kid.clone()))?;
            Some(Proof::Key(file.0.clone(), kid))
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
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::Secret(..) => None,
            Self::Key(file, _) => Some(file),
        }
    }

    /// As authenticators use it.
    pub(super) fn made(&self) -> Result<ClientProof, String> {
        match self {
            Self::Secret(secret, place) => Ok(ClientProof::Secret(secret.clone(), *place)),
            Self::Key(file, kid) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| format!("`{}` cannot be read: {error}", file.display()))?;
                let signer = signer_of_pem(&text, kid.clone()).map_err(|fault| fault.to_string())?;
                Ok(ClientProof::Key(Arc::new(signer)))
            }
        }
    }
}
