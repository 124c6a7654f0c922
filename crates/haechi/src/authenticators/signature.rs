//! `type: signature`: requests that their callers have signed (RFC 9421).

mod record;

use super::definition::{AuthenticatorType, Checks, Materials, Needs, Record, Settings};
use super::file::usable;
use crate::config::report::Fault;
use crate::config::source::At;
use haechi_authn::jose::Algorithm;
use haechi_authn::keys::KeySource;
use haechi_authn::schemes::signature::{
    COMPONENTS, SignatureAuthenticator, SignatureConfig, SignatureKey, public_key, shared_secret,
};
use haechi_authn::{Authenticator, CredentialPlace};
use haechi_authz::analysis::{CallerOrigin, PossibleValues};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::token::is_token;
use haechi_core::{AttributeValue, Attributes, Caller, CallerKind, Secret, role};
use record::{BodyCheck, Nonce, SignatureAlgorithm, SigningKey};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub(super) const DEFINITION: AuthenticatorType = AuthenticatorType::of::<record::Signature>("signature");

/// What a signature must cover where nothing is said.
const USUAL: [&str; 4] = ["@method", "@authority", "@path", "@query"];

/// The checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SignatureSettings {
    issuer: Option<Arc<str>>,
    /// Not empty.
    keys: BTreeMap<Box<str>, Signer>,
    components: Vec<Box<str>>,
    max_age: Duration,
    leeway: Duration,
    nonce_required: bool,
    tag: Option<Box<str>>,
    /// The most bytes of a body that is compared; `None` where none is.
    body: Option<usize>,
}

/// Who signs, and with what: it verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signer {
    algorithm: Algorithm,
    material: Material,
    subject: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    attributes: Attributes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    /// In PEM.
    Public(String),
    Shared(Secret<Vec<u8>>),
}

impl Record for At<record::Signature> {
    fn credential_places(&self) -> Vec<CredentialPlace> {
        ["signature-input", "signature"].map(|name| CredentialPlace::Field(name.into())).to_vec()
    }

    fn check(&self, _: &Arc<str>, checks: &mut dyn Checks) -> Option<Arc<dyn Settings>> {
        let components = components(checks, self);
        let keys = keys(checks, self);
        let most = usize::try_from(self.max_body.0).unwrap_or(usize::MAX);
        Some(Arc::new(SignatureSettings {
            issuer: self.issuer.given().map(|issuer| Arc::from(issuer.value.as_str())),
            keys: keys?,
            components: components?,
            max_age: self.max_age.0,
            leeway: self.leeway.0,
            nonce_required: matches!(self.nonce, Nonce::Required),
            tag: self.tag.given().map(|tag| tag.value.as_str().into()),
            body: matches!(self.body, BodyCheck::Digest).then_some(most),
        }))
    }
}

fn components(checks: &mut dyn Checks, written: &record::Signature) -> Option<Vec<Box<str>>> {
    let Some(listed) = written.components.given() else {
        return written.components.is_absent().then(|| USUAL.map(Box::from).to_vec());
    };
    let is_known = |name: &str| match name.strip_prefix('@') {
        Some(_) => COMPONENTS.contains(&name),
        None => is_token(name.as_bytes()) && !name.bytes().any(|byte| byte.is_ascii_uppercase()),
    };
    if let Some(odd) = listed.iter().find(|name| !is_known(&name.value)) {
        let message = format!("`{}` is nothing that every signature could cover", odd.value);
        let help = format!("write the name of a header in lower case, or one of {}", COMPONENTS.join(", "));
        return checks.fault(Fault::new(odd.span, message).help(help));
    }
    let names: BTreeSet<&str> = listed.iter().map(|name| name.value.as_str()).collect();
    let has = |name: &str| names.contains(name);
    let names_target = has("@target-uri") || has("@request-target") || has("@path");
    if !has("@method") || !names_target {
        let fault = Fault::new(
            listed.span,
            "a signature that covers neither method nor path is good for other requests",
        );
        return checks.fault(fault.help("add `@method`, and `@target-uri` or `@path`"));
    }
    Some(listed.iter().map(|name| name.value.as_str().into()).collect())
}

fn keys(checks: &mut dyn Checks, written: &record::Signature) -> Option<BTreeMap<Box<str>, Signer>> {
    let listed = written.keys.as_ref()?;
    if listed.0.is_empty() {
        let fault = Fault::new(listed.span, "there is no key, so no signature verifies");
        return checks.fault(fault.help("add one under its `keyid`"));
    }
    let mut keys = BTreeMap::new();
    let mut complete = true;
    for (id, key) in &listed.0 {
        match key.as_ref().and_then(|key| signer(checks, &id.value.0, key)) {
            Some(signer) => drop(keys.insert(id.value.0.clone(), signer)),
            None => complete = false,
        }
    }
    complete.then_some(keys)
}

fn signer(checks: &mut dyn Checks, id: &str, key: &At<SigningKey>) -> Option<Signer> {
    let algorithm = key.algorithm.as_ref()?.value.meant();
    let material = material(checks, key, algorithm);
    let roles: Option<Vec<String>> = key
        .roles
        .iter()
        .map(|role| {
            let name = checks.role(&role.value.0, role.span)?;
            if name.starts_with(role::RESERVED_PREFIX) {
                let fault = Fault::new(role.span, "a signature cannot give a built-in role");
                return checks.fault(fault.help("name a role of your own"));
            }
            Some(name.to_string())
        })
        .collect();
    let attributes = attributes(checks, key);
    Some(Signer {
        algorithm,
        material: material?,
        subject: key.subject.given().map_or_else(|| id.to_owned(), |subject| subject.value.clone()),
        roles: roles?,
        scopes: key.scopes.iter().map(|scope| scope.value.0.to_string()).collect(),
        attributes: attributes?,
    })
}

fn material(checks: &mut dyn Checks, key: &At<SigningKey>, algorithm: Algorithm) -> Option<Material> {
    match (key.public_key.given(), key.secret.given()) {
        (Some(file), None) if key.secret.is_absent() => {
            let text = usable(checks, file, |text| public_key(text, algorithm).map(|_| text.to_owned()))?;
            Some(Material::Public(text))
        }
        (None, Some(secret)) if key.public_key.is_absent() => {
            let bytes = key.encoding.decode(secret.value.expose());
            let fault = match bytes.map(|bytes| shared_secret(&bytes, algorithm).map(|_| bytes)) {
                Some(Ok(bytes)) => return Some(Material::Shared(Secret::new(bytes))),
                Some(Err(fault)) => {
                    Fault::new(secret.span, fault.to_string()).help("make one with `openssl rand -base64 32`")
                }
                None => Fault::new(secret.span, "the secret is not base64")
                    .help("write it as `openssl rand -base64 32` does"),
            };
            checks.fault(fault)
        }
        (None, None) if !(key.public_key.is_absent() && key.secret.is_absent()) => None,
        _ => {
            let fault = Fault::new(key.span, "a key is a `public_key` or a `secret`");
            checks.fault(fault.help("keep one of `public_key`, `secret`"))
        }
    }
}

fn attributes(checks: &mut dyn Checks, key: &SigningKey) -> Option<Attributes> {
    let declared = checks.caller_attributes();
    let mut meant = Attributes::new();
    let mut complete = true;
    for (name, text) in &key.attributes.0 {
        let Some((_, type_of)) = declared.iter().find(|(declared, _)| *declared == name.value.0) else {
            let message = format!("there is no caller attribute `{}`", name.value);
            let known = declared.iter().map(|(name, _)| &**name);
            checks.report(Fault::new(name.span, message).suggest(&name.value.0, known));
            complete = false;
            continue;
        };
        let (Some(text), Some(type_of)) = (text, type_of) else {
            complete = false;
            continue;
        };
        let Some(value) = AttributeValue::parse(&text.value, *type_of) else {
            let message = format!("`{}` is declared as {type_of}, and this is none", name.value);
            checks.report(Fault::new(text.span, message).help("write a value of that type"));
            complete = false;
            continue;
        };
        meant.insert(name.value.0.clone(), value);
    }
    complete.then_some(meant)
}

impl SignatureAlgorithm {
    const fn meant(self) -> Algorithm {
        match self {
            Self::Ed25519 => Algorithm::EdDsa,
            Self::EcdsaP256 => Algorithm::Es256,
            Self::EcdsaP384 => Algorithm::Es384,
            Self::RsaPss => Algorithm::Ps512,
            Self::RsaV15 => Algorithm::Rs256,
            Self::Hmac => Algorithm::Hs256,
        }
    }
}

impl SignatureSettings {
    fn key(
        &self,
        name: &Arc<str>,
        id: &str,
        signer: &Signer,
        materials: &Materials<'_>,
    ) -> Result<SignatureKey, String> {
        let key = match &signer.material {
            Material::Public(text) => public_key(text, signer.algorithm),
            Material::Shared(secret) => shared_secret(secret.expose(), signer.algorithm),
        };
        let claimed = Claimed {
            subject: signer.subject.clone(),
            issuer: self.issuer.as_ref().unwrap_or(name).to_string(),
            roles: signer.roles.clone(),
            scopes: signer.scopes.clone(),
            attributes: signer.attributes.clone(),
            credential_id: Some(id.to_owned()),
            ..Claimed::default()
        };
        let caller = Caller::new(CallerKind::User, name, Vouched::ByOther, materials.roles, claimed);
        Ok(SignatureKey { key: key.map_err(|fault| fault.to_string())?, caller: Arc::new(caller) })
    }
}

impl Settings for SignatureSettings {
    fn needs(&self) -> Needs<'_> {
        Needs::default()
    }

    fn build(
        &self,
        name: &Arc<str>,
        _: Option<Arc<KeySource>>,
        materials: &Materials<'_>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        let keys =
            self.keys.iter().map(|(id, signer)| Ok((id.clone(), self.key(name, id, signer, materials)?)));
        Ok(Arc::new(SignatureAuthenticator::new(SignatureConfig {
            name: name.clone(),
            keys: keys.collect::<Result<_, String>>()?,
            components: self.components.clone(),
            max_age: self.max_age,
            leeway: self.leeway,
            nonce_required: self.nonce_required,
            tag: self.tag.clone(),
            body: self.body,
            replays: materials.replays.clone(),
        })))
    }

    fn way(&self, name: &Arc<str>, _: &Arc<str>) -> CallerOrigin {
        let has_roles = self.keys.values().any(|signer| !signer.roles.is_empty());
        let attributes = self.keys.values().flat_map(|signer| signer.attributes.keys().cloned());
        CallerOrigin {
            issuer: Some(self.issuer.clone().unwrap_or_else(|| name.clone())),
            roles: if has_roles { PossibleValues::NotBuiltIn } else { PossibleValues::Exactly(Vec::new()) },
            scopes: self.keys.values().any(|signer| !signer.scopes.is_empty()),
            attributes: Some(attributes.collect()),
            ..CallerOrigin::any(CallerKind::User, name)
        }
    }
}
