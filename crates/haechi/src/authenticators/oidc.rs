//! `type: oidc`: login in a browser at a provider from outside, and the session that comes of it.

pub(super) mod check;
pub(super) mod record;
mod settings;

use super::definition::{AuthenticatorType, Checks, KeyOrigin, Materials, Needs, Record, Settings};
use crate::config::source::At;
use haechi_authn::identity::DEFAULT_PATH;
use haechi_authn::keys::{DEFAULT_MAX_AGE, KeySource, Origin, Refresh};
use haechi_authn::oidc::{Cookies, OidcClient, OidcConfig, OidcParts};
use haechi_authn::schemes::oidc::OidcAuthenticator;
use haechi_authn::{Authenticator, CredentialPlace};
use haechi_authz::analysis::{CallerOrigin, PossibleValues};
use haechi_core::CallerKind;
use settings::OidcSettings;
use std::sync::Arc;

pub(super) const DEFINITION: AuthenticatorType = AuthenticatorType::of::<record::Oidc>("oidc");

impl Record for At<record::Oidc> {
    fn credential_places(&self) -> Vec<CredentialPlace> {
        let written = self.session.as_ref().and_then(|session| session.cookie.given());
        let cookies = Cookies::named(written.map_or(check::DEFAULT_COOKIE, |cookie| &cookie.value));
        cookies.map_or_else(Vec::new, |cookies| {
            vec![CredentialPlace::Cookie(cookies.session), CredentialPlace::Cookie(cookies.development)]
        })
    }

    fn check(&self, _: &Arc<str>, checks: &mut dyn Checks) -> Option<Arc<dyn Settings>> {
        check::oidc(checks, self).map(|settings| Arc::new(settings) as Arc<dyn Settings>)
    }
}

impl OidcSettings {
    fn config(&self, name: &Arc<str>, materials: &Materials<'_>) -> Result<OidcConfig, String> {
        let base = materials.identity.map_or_else(|| DEFAULT_PATH.into(), |identity| identity.path().clone());
        Ok(OidcConfig {
            name: name.clone(),
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            proof: self.proof.made()?,
            scopes: self.scopes.clone(),
            parameters: self.parameters.clone(),
            response_mode: self.response_mode,
            userinfo: self.userinfo,
            claims: self.claims.clone(),
            algorithms: self.algorithms,
            leeway: self.leeway,
            idle: self.idle,
            absolute: self.absolute,
            cookies: self.cookies.clone(),
            forward_access_token: self.forward_access_token,
            provider_logout: self.provider_logout,
            revoke_at_logout: self.revoke_at_logout,
            after_logout: self.after_logout.clone(),
            allow_http: self.allow_http,
            base,
        })
    }
}

impl Settings for OidcSettings {
    fn needs(&self) -> Needs<'_> {
        Needs { password_pool: false, file: self.proof.file() }
    }

    fn keys(&self, _: &Materials<'_>) -> Result<Option<KeyOrigin>, String> {
        let origin = Origin::Discovery { issuer: self.issuer.to_string(), trusted: self.key_origins.clone() };
        let refresh = Refresh { origin, max_age: DEFAULT_MAX_AGE, allow_http: self.allow_http };
        Ok(Some(KeyOrigin::Elsewhere(self.issuer.clone(), refresh)))
    }

    fn build(
        &self,
        name: &Arc<str>,
        keys: Option<Arc<KeySource>>,
        materials: &Materials<'_>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        let client = self.logins(name, keys, materials)?.ok_or("there are no logins")?;
        self.build_over(&client, materials)
    }

    fn logins(
        &self,
        name: &Arc<str>,
        keys: Option<Arc<KeySource>>,
        materials: &Materials<'_>,
    ) -> Result<Option<OidcClient>, String> {
        let sessions = materials.web_sessions.ok_or("sessions need `store`")?;
        Ok(Some(OidcClient::new(OidcParts {
            config: self.config(name, materials)?,
            keys: keys.ok_or("an ID token cannot be verified without keys")?,
            calls: materials.calls.ok_or("a provider cannot be asked")?.clone(),
            sessions: sessions.clone(),
            roles: materials.roles.clone(),
            clock: materials.clock.clone(),
            control: materials.control.clone(),
        })))
    }

    fn build_over(
        &self,
        client: &OidcClient,
        materials: &Materials<'_>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        Ok(Arc::new(OidcAuthenticator::new(client.clone(), materials.watch.clone())))
    }

    fn tells_logins(&self) -> bool {
        true
    }

    fn has_token(&self) -> bool {
        self.forward_access_token
    }

    fn way(&self, name: &Arc<str>, _: &Arc<str>) -> CallerOrigin {
        CallerOrigin {
            issuer: Some(self.issuer.clone()),
            roles: PossibleValues::NotBuiltIn,
            scopes: true,
            attributes: Some(self.claims.attributes.keys().cloned().collect()),
            ..CallerOrigin::any(CallerKind::User, name)
        }
    }

    fn logs_in(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::settings::OidcSettings;
    use crate::authenticators::client_proof::Proof;
    use crate::authenticators::tests::settings;
    use haechi_authn::oidc::{ResponseMode, SecretIn};

    fn oidc(rest: &str) -> OidcSettings {
        let top = "store: sqlite:haechi.db\ncaller_attributes: { tenant: string }\nroles: { USER: {} }";
        settings(
            top,
            &format!("{{ type: oidc, issuer: \"https://sso.example.com/realm\", client_id: gate, {rest} }}"),
        )
    }

    #[test]
    fn what_is_left_out_is_the_usual() {
        let usual = oidc("client_secret: secret");
        assert_eq!(&*usual.issuer, "https://sso.example.com/realm");
        assert!(matches!(usual.proof, Proof::Secret(_, None)));
        assert_eq!((usual.scopes, usual.response_mode), (vec!["openid".to_owned()], ResponseMode::Query));
        assert_eq!((usual.idle.as_secs(), usual.absolute.as_secs()), (1800, 43200));
        assert_eq!(&*usual.cookies.session, "__Host-haechi");
        assert!(
            !usual.userinfo && !usual.forward_access_token && usual.provider_logout && usual.revoke_at_logout
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let all = oidc(
            "client_secret: secret, client_authentication: post, scopes: [openid, offline_access], userinfo: true, response_mode: form_post, \
             parameters: { prompt: login }, session: { idle: 5m, absolute: 1h, cookie: __Host-app }, forward_access_token: true, \
             logout: { provider: false, revoke: false, return_to: \"https://app.example.com/bye\" }, claims: { roles: /groups }, role_map: { staff: USER }",
        );
        assert!(matches!(all.proof, Proof::Secret(_, Some(SecretIn::Form))));
        assert_eq!(all.parameters, [("prompt".to_owned(), "login".to_owned())]);
        assert_eq!(all.after_logout.as_deref(), Some("https://app.example.com/bye"));
        assert_eq!((all.response_mode, &*all.cookies.session), (ResponseMode::FormPost, "__Host-app"));
        assert!(all.userinfo && all.forward_access_token && !all.provider_logout && !all.revoke_at_logout);
        assert_eq!(&*all.claims.role_map.unwrap()["staff"], "USER");
    }
}
