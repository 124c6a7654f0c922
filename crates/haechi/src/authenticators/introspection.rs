//! `type: introspection`: an opaque token in `Authorization: Bearer`, of which the authorization server is asked.

mod check;
mod record;
mod settings;

use super::definition::{AuthenticatorType, Checks, KeyOrigin, Materials, Needs, Record, Settings};
use super::jwt::record::places;
use crate::config::source::At;
use haechi_authn::introspection::{Answers, IntrospectionConfig, IntrospectionParts, Server};
use haechi_authn::keys::{DEFAULT_MAX_AGE, KeySource, Origin, Refresh};
use haechi_authn::schemes::introspection::IntrospectionAuthenticator;
use haechi_authn::schemes::jwt::TokenPlace;
use haechi_authn::{Authenticator, CredentialPlace};
use haechi_authz::analysis::{CallerOrigin, PossibleValues};
use haechi_core::CallerKind;
use settings::IntrospectionSettings;
use std::sync::Arc;

pub(super) const DEFINITION: AuthenticatorType =
    AuthenticatorType::of::<record::Introspection>("introspection");

impl Record for At<record::Introspection> {
    fn credential_places(&self) -> Vec<CredentialPlace> {
        TokenPlace::credential_places(&places(&self.from))
    }

    fn check(&self, _: &Arc<str>, checks: &mut dyn Checks) -> Option<Arc<dyn Settings>> {
        check::introspection(checks, self).map(|settings| Arc::new(settings) as Arc<dyn Settings>)
    }
}

impl IntrospectionSettings {
    fn config(
        &self,
        name: &Arc<str>,
        keys: Option<Arc<KeySource>>,
        materials: &Materials<'_>,
    ) -> Result<IntrospectionConfig, String> {
        let answers = match &self.signed {
            None => Answers::Json,
            Some(signed) => Answers::Signed {
                issuer: signed.issuer.clone(),
                keys: keys.ok_or("a signed answer cannot be verified without keys")?,
                algorithms: signed.algorithms,
            },
        };
        Ok(IntrospectionConfig {
            name: name.clone(),
            server: match &self.server {
                settings::Server::At(url, issuer) => Server::At(url.clone(), issuer.clone()),
                settings::Server::OfIssuer(issuer) => Server::OfIssuer(issuer.clone()),
            },
            client_id: self.client_id.clone(),
            proof: self.proof.made()?,
            from: self.from.clone(),
            audiences: self.audiences.clone(),
            required_claims: self.required_claims.clone(),
            answers,
            claims: self.claims.clone(),
            leeway: self.leeway,
            possession: self.possession.rules(name, self.leeway, materials),
            cache: self.cache,
            timeout: self.timeout,
            allow_http: self.allow_http,
        })
    }
}

impl Settings for IntrospectionSettings {
    fn needs(&self) -> Needs<'_> {
        Needs { password_pool: false, file: self.proof.file() }
    }

    fn keys(&self, _: &Materials<'_>) -> Result<Option<KeyOrigin>, String> {
        let Some(signed) = &self.signed else { return Ok(None) };
        let origin =
            Origin::Discovery { issuer: signed.issuer.to_string(), trusted: signed.key_origins.clone() };
        let refresh = Refresh { origin, max_age: DEFAULT_MAX_AGE, allow_http: self.allow_http };
        Ok(Some(KeyOrigin::Elsewhere(signed.issuer.clone(), refresh)))
    }

    fn build(
        &self,
        name: &Arc<str>,
        keys: Option<Arc<KeySource>>,
        materials: &Materials<'_>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        let parts = IntrospectionParts {
            config: self.config(name, keys, materials)?,
            calls: materials.calls.ok_or("the authorization server cannot be asked")?.clone(),
            roles: materials.roles.clone(),
            clock: materials.clock.clone(),
            control: materials.control.clone(),
        };
        // Without a store nothing is revoked here.
        let watch = materials.web_sessions.map(|_| materials.watch.clone());
        Ok(Arc::new(IntrospectionAuthenticator::new(parts, watch)))
    }

    fn authorization_server(&self, _: Option<&Arc<str>>) -> Option<Arc<str>> {
        match &self.server {
            settings::Server::At(_, issuer) => issuer.clone(),
            settings::Server::OfIssuer(issuer) => Some(issuer.clone()),
        }
    }

    fn tells_logins(&self) -> bool {
        true
    }

    fn has_token(&self) -> bool {
        true
    }

    fn way(&self, name: &Arc<str>, _: &Arc<str>) -> CallerOrigin {
        CallerOrigin {
            issuer: Some(self.server.vouches()),
            roles: if self.claims.roles.is_empty() {
                PossibleValues::Exactly(Vec::new())
            } else {
                PossibleValues::NotBuiltIn
            },
            scopes: !self.claims.scopes.is_empty(),
            attributes: Some(self.claims.attributes.keys().cloned().collect()),
            ..CallerOrigin::any(CallerKind::User, name)
        }
    }

    fn token_field(&self, token: &str) -> Option<(String, String)> {
        super::jwt::token_field(&self.from, token)
    }
}

#[cfg(test)]
mod tests {
    use super::settings::{IntrospectionSettings, Server};
    use crate::authenticators::client_proof::Proof;
    use crate::authenticators::tests::settings;
    use haechi_authn::schemes::jwt::{Audiences, TokenPlace};

    fn introspection(rest: &str) -> IntrospectionSettings {
        let top = "caller_attributes: { tenant: string }\nroles: { USER: {} }";
        settings(top, &format!("{{ type: introspection, client_id: gate, client_secret: s, {rest} }}"))
    }

    #[test]
    fn what_is_left_out_is_the_usual() {
        let usual = introspection("url: \"https://sso.example.com/introspect\"");
        assert_eq!(usual.server, Server::At("https://sso.example.com/introspect".into(), None));
        assert_eq!(&*usual.server.vouches(), "https://sso.example.com/introspect");
        assert!(matches!(usual.proof, Proof::Secret(_, None)));
        assert_eq!((usual.cache.as_secs(), usual.timeout.as_secs()), (30, 3));
        assert_eq!((usual.from, usual.audiences), (vec![TokenPlace::Bearer], Audiences::Unchecked));
        assert!(usual.signed.is_none() && usual.required_claims.is_empty());
    }

    #[test]
    fn what_is_written_is_read() {
        let all = introspection(
            "issuer: \"https://sso.example.com\", answers: jwt, algorithms: [ES256], audiences: [orders], required_claims: [exp], cache: 0s, \
             timeout: 500ms, from: [{ header: X-Token }], claims: { roles: /groups }, role_map: { staff: USER }",
        );
        assert_eq!(all.server, Server::OfIssuer("https://sso.example.com".into()));
        assert_eq!(&*all.signed.unwrap().issuer, "https://sso.example.com");
        assert_eq!(all.audiences, Audiences::OneOf(vec!["orders".into()]));
        assert_eq!((&*all.required_claims[0], all.cache.as_secs()), ("exp", 0));
    }
}
