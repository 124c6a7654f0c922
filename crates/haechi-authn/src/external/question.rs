//! What a service is asked: the credential, and what else is configured, and nothing else of the request.

use super::config::{ExternalConfig, RequestFact, WithoutCredential};
use crate::Attempt;
use crate::random::sha256;
use crate::single_flight::Key;
use haechi_core::{RequestHead, Secret, cookies};
use std::borrow::Cow;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A longer credential is nobody's, in bytes.
const LONGEST: usize = 16 * 1024;

/// A question, as it is sent.
pub(crate) struct Question {
    pub(super) facts: Vec<(RequestFact, Vec<u8>)>,
    pub(super) fields: Vec<(Cow<'static, str>, Secret<Vec<u8>>)>,
    /// Where the credential stands, where there is one.
    pub(super) credential: Option<CredentialForm>,
}

/// Where a credential stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialForm {
    /// In `Authorization: Bearer`.
    Bearer,
    /// In another header field, or with another scheme.
    Field,
    /// In a cookie.
    Cookie,
}

impl Question {
    /// What is asked about `head`.
    ///
    /// # Errors
    /// The attempt that it is without a question: no credential, or one that could be read as two.
    pub(crate) fn of(config: &ExternalConfig, head: &RequestHead) -> Result<Self, Attempt> {
        let credential = presented(config, head)?;
        if credential.is_none() && config.without_credential == WithoutCredential::Absent {
            return Err(Attempt::Absent);
        }
        let facts = config.tell.iter().filter_map(|fact| Some((*fact, told(*fact, head)?))).collect();
        let mut fields = Vec::with_capacity(config.also_send.len() + 1);
        for name in &config.also_send {
            let value = head.fields.sole_named(name.as_bytes()).map_err(|_| twice(name))?;
            if config.text_only && value.is_some_and(|value| std::str::from_utf8(value).is_err()) {
                return Err(Attempt::invalid_request(format!(
                    "`{name}` is not UTF-8, and is to be sent along"
                )));
            }
            fields.extend(value.map(|value| (Cow::Owned(name.to_string()), Secret::new(value.to_vec()))));
        }
        let form = credential.as_ref().map(|(form, ..)| *form);
        fields.extend(credential.map(|(_, name, value)| (Cow::Owned(name), Secret::new(value))));
        Ok(Self { facts, fields, credential: form })
    }

    /// The SHA-256 of exactly what is sent.
    pub(crate) fn key(&self) -> Key {
        let mut all = Zeroizing::new(Vec::with_capacity(512));
        let facts = self.facts.iter().map(|(fact, value)| (fact.field().as_bytes(), &**value));
        let fields = self.fields.iter().map(|(name, value)| (name.as_bytes(), &**value.expose()));
        for (name, value) in facts.chain(fields) {
            for part in [name, value] {
                // With lengths, so that no two questions read the same.
                all.extend_from_slice(&(part.len() as u64).to_be_bytes());
                all.extend_from_slice(part);
            }
        }
        sha256(&all)
    }

    /// Whether a browser would have added the credential by itself.
    pub(crate) fn comes_from_cookie(config: &ExternalConfig, head: &RequestHead) -> bool {
        matches!(presented(config, head), Ok(Some((CredentialForm::Cookie, ..))))
    }
}

type Presented = (CredentialForm, String, Vec<u8>);

/// The one credential that the request shows, as the field in which it is sent on.
fn presented(config: &ExternalConfig, head: &RequestHead) -> Result<Option<Presented>, Attempt> {
    let mut found: Option<Presented> = None;
    let mut is_one_more = |more: Presented| match found.replace(more) {
        None => Ok(()),
        Some(_) => Err(Attempt::invalid_request("two places of the request hold a credential")),
    };
    for name in &config.headers {
        let value = head.fields.sole_named(name.as_bytes()).map_err(|_| twice(name))?;
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let is_bearer = &**name == "authorization"
                && value.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"bearer "));
            let form = if is_bearer { CredentialForm::Bearer } else { CredentialForm::Field };
            is_one_more((form, name.to_string(), value.to_vec()))?;
        }
    }
    for name in &config.cookies {
        let value = cookies::sole(&head.fields, name.as_bytes()).map_err(|_| cookie_twice(name))?;
        // An empty cookie is how sites take one away.
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let field = [name.as_bytes(), b"=", value].concat();
            is_one_more((CredentialForm::Cookie, "cookie".to_owned(), field))?;
        }
    }
    match &found {
        Some((_, _, value)) if value.len() > LONGEST => {
            Err(Attempt::invalid_credentials("the credential is too long to ask about"))
        }
        Some((_, _, value)) if config.text_only && std::str::from_utf8(value).is_err() => {
            Err(Attempt::invalid_credentials("the credential is not UTF-8"))
        }
        Some(_) if head.query_has("access_token") => {
            Err(Attempt::invalid_request("a token in the query string beside a credential in the header"))
        }
        _ => Ok(found),
    }
}

fn told(fact: RequestFact, head: &RequestHead) -> Option<Vec<u8>> {
    Some(match fact {
        RequestFact::Method => head.method.as_str().as_bytes().to_vec(),
        RequestFact::Scheme if head.secure => b"https".to_vec(),
        RequestFact::Scheme => b"http".to_vec(),
        RequestFact::Host if head.host.is_unnamed() => return None,
        RequestFact::Host => head.host.to_string().into_bytes(),
        RequestFact::Uri => match &head.query {
            None => head.path.as_str().as_bytes().to_vec(),
            Some(query) => [head.path.as_str(), "?", query].concat().into_bytes(),
        },
        RequestFact::ClientAddress => head.client.to_canonical().to_string().into_bytes(),
    })
}

fn twice(name: &Arc<str>) -> Attempt {
    Attempt::invalid_request(format!("`{name}` stands more than once"))
}

fn cookie_twice(name: &Arc<str>) -> Attempt {
    Attempt::invalid_request(format!("the cookie `{name}` stands more than once"))
}
