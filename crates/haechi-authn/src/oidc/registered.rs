//! The gate as a client that is registered at a provider: how it proves who it is (RFC 6749 2.3, RFC 7523 2.2).

use super::calls::{WebAnswer, WebCalls, WebRequest};
use super::config::{ClientProof, SecretIn};
use crate::oidc_parameters::{encoded, form};
use crate::{Unavailable, random};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use haechi_core::{Secret, Timestamp};
use serde_json::json;
use std::time::Duration;

/// How long an assertion of ours is good for.
const ASSERTION_LASTS: Duration = Duration::from_secs(60);
/// RFC 7523 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client as it is registered.
#[derive(Clone, Copy)]
pub(crate) struct RegisteredClient<'a> {
    pub(crate) id: &'a str,
    pub(crate) proof: &'a ClientProof,
    /// For whom an assertion is.
    pub(crate) audience: &'a str,
    /// How the provider says that clients prove who they are; `None` where it does not say.
    pub(crate) methods: Option<&'a [String]>,
}

/// What is sent to an endpoint of the provider.
pub(crate) struct ClientForm<'a> {
    pub(crate) url: String,
    pub(crate) parameters: &'a [(&'a str, &'a str)],
    pub(crate) accept: &'static str,
    /// The most bytes of the answer.
    pub(crate) limit: usize,
}

impl RegisteredClient<'_> {
    /// Sends a form in the name of the client.
    pub(crate) async fn post(
        &self,
        calls: &dyn WebCalls,
        sent: ClientForm<'_>,
        now: Timestamp,
    ) -> Result<WebAnswer, Unavailable> {
        let ClientForm { url, parameters, accept, limit } = sent;
        let mut all: Vec<(&str, &str)> = parameters.to_vec();
        let assertion;
        let mut authorization = None;
        match self.proof {
            ClientProof::Secret(secret, configured) => match configured.unwrap_or_else(|| self.preferred()) {
                SecretIn::Header => {
                    let pair = format!("{}:{}", encoded(self.id), encoded(secret.expose()));
                    authorization = Some(Secret::new(format!("Basic {}", STANDARD.encode(pair))));
                }
                SecretIn::Form => {
                    named(&mut all, self.id);
                    all.push(("client_secret", secret.expose()));
                }
            },
            ClientProof::Key(signer) => {
                let claims = json!({
                    "iss": self.id,
                    "sub": self.id,
                    "aud": self.audience,
                    "iat": now.as_seconds(),
                    "exp": now.plus(ASSERTION_LASTS).as_seconds(),
                    "jti": random::id().map_err(|error| Unavailable::new(error.to_string()))?,
                });
                let signed = signer.sign("JWT", &claims);
                assertion = signed.map_err(|fault| Unavailable::new(fault.to_string()))?;
                named(&mut all, self.id);
                all.push(("client_assertion_type", ASSERTION_TYPE));
                all.push(("client_assertion", &assertion));
            }
        }
        let form = Some(Secret::new(form(&all)));
        let request = WebRequest { url: url.clone(), form, authorization, accept, limit };
        calls.call(request).await.map_err(|fault| Unavailable::new(format!("`{url}`: {fault}")))
    }

    /// What is left unsaid means `client_secret_basic` (OpenID Connect Discovery 1.0, 3).
    fn preferred(&self) -> SecretIn {
        let takes = |name: &str| self.methods.is_some_and(|all| all.iter().any(|known| known == name));
        if takes("client_secret_post") && !takes("client_secret_basic") {
            SecretIn::Form
        } else {
            SecretIn::Header
        }
    }
}

/// Names the client, once.
fn named<'p>(all: &mut Vec<(&'p str, &'p str)>, client_id: &'p str) {
    if all.iter().all(|(name, _)| *name != "client_id") {
        all.push(("client_id", client_id));
    }
}
