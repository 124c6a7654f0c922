//! `type: external`: an authorization service is asked about the request (forward auth).

mod check;
mod record;
mod settings;

use super::definition::{AuthenticatorType, Checks, Materials, Needs, Record, Settings};
use crate::config::source::At;
use haechi_authn::external::{AnswerNames, ExternalConfig, ExternalParts};
use haechi_authn::keys::KeySource;
use haechi_authn::schemes::external::ExternalAuthenticator;
use haechi_authn::{Authenticator, CredentialPlace};
use haechi_authz::analysis::{CallerOrigin, PossibleValues};
use haechi_core::CallerKind;
use settings::ExternalSettings;
use std::sync::Arc;

pub(super) const DEFINITION: AuthenticatorType = AuthenticatorType::of::<record::External>("external");

impl Record for At<record::External> {
    fn credential_places(&self) -> Vec<CredentialPlace> {
        let named = self.headers.given().into_iter().flat_map(|listed| listed.iter());
        let mut places: Vec<_> = named.map(|name| CredentialPlace::of_field(&name.value.0)).collect();
        if self.headers.is_absent() {
            places.push(CredentialPlace::Authorization);
        }
        let cookies = self.cookies.given().into_iter().flat_map(|listed| listed.iter());
        places.extend(cookies.map(|name| CredentialPlace::Cookie(name.value.0.clone())));
        places
    }

    fn check(&self, _: &Arc<str>, checks: &mut dyn Checks) -> Option<Arc<dyn Settings>> {
        check::external(checks, self).map(|settings| Arc::new(settings) as Arc<dyn Settings>)
    }
}

impl ExternalSettings {
    fn config(&self, name: &Arc<str>) -> ExternalConfig {
        ExternalConfig {
            name: name.clone(),
            url: self.url.clone(),
            text_only: self.url.starts_with("grpc"),
            issuer: self.issuer.clone(),
            headers: self.headers.clone(),
            cookies: self.cookies.clone(),
            also_send: self.also_send.clone(),
            tell: self.tell.clone(),
            without_credential: self.without_credential,
            names: AnswerNames {
                subject: self.subject.clone(),
                roles: self.roles.clone(),
                scopes: self.scopes.clone(),
                attributes: self.attributes.clone(),
            },
            encoding: self.encoding,
            role_map: self.role_map.clone(),
            own_answers: self.own_answers.clone(),
            cache: self.cache,
            timeout: self.timeout,
        }
    }
}

impl Settings for ExternalSettings {
    fn needs(&self) -> Needs<'_> {
        Needs { password_pool: false, file: self.authorities.as_deref() }
    }

    fn build(
        &self,
        name: &Arc<str>,
        _: Option<Arc<KeySource>>,
        materials: &Materials<'_>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        let authorities = self.authorities.as_ref().map(std::fs::read).transpose();
        let authorities = authorities.map_err(|error| format!("the authorities cannot be read: {error}"))?;
        let parts = ExternalParts {
            config: self.config(name),
            calls: (materials.service_calls)(&self.url, authorities.as_deref())?,
            roles: materials.roles.clone(),
            clock: materials.clock.clone(),
            control: materials.control.clone(),
        };
        Ok(Arc::new(ExternalAuthenticator::new(parts)))
    }

    fn way(&self, name: &Arc<str>, _: &Arc<str>) -> CallerOrigin {
        CallerOrigin {
            issuer: Some(self.issuer.clone()),
            roles: PossibleValues::NotBuiltIn,
            scopes: true,
            attributes: Some(self.attributes.keys().cloned().collect()),
            ..CallerOrigin::any(CallerKind::User, name)
        }
    }

    fn token_field(&self, token: &str) -> Option<(String, String)> {
        match (self.headers.first(), self.cookies.first()) {
            (Some(name), _) if &**name == "authorization" => None,
            (Some(name), _) => Some((name.to_string(), token.to_owned())),
            (None, Some(name)) => Some(("cookie".to_owned(), format!("{name}={token}"))),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::settings::ExternalSettings;
    use crate::authenticators::ALL;
    use crate::authenticators::tests::{faults, settings};
    use crate::config::tests::{HEAD, check_with};
    use haechi_authn::external::{OwnAnswers, PassedField, RequestFact, ValueEncoding, WithoutCredential};

    const TOP: &str = "caller_attributes: { tenant: string }\nroles: { USER: {} }";

    fn external(rest: &str) -> ExternalSettings {
        settings(TOP, &format!("{{ type: external, url: \"https://auth.example.com/verify\"{rest} }}"))
    }

    #[test]
    fn what_is_left_out_is_the_usual() {
        let usual = external("");
        assert_eq!(
            (&*usual.url, &*usual.issuer),
            ("https://auth.example.com/verify", "https://auth.example.com/verify")
        );
        assert_eq!(
            (usual.headers, usual.cookies.len(), usual.also_send.len()),
            (vec!["authorization".into()], 0, 0)
        );
        assert_eq!(usual.tell.len(), 5);
        assert_eq!(
            (&*usual.subject, &*usual.roles, &*usual.scopes),
            ("x-auth-subject", "x-auth-roles", "x-auth-scopes")
        );
        assert_eq!((usual.cache.as_secs(), usual.timeout.as_secs()), (0, 1));
        assert_eq!(
            (usual.without_credential, usual.encoding),
            (WithoutCredential::Absent, ValueEncoding::Plain)
        );
        assert_eq!((usual.own_answers, usual.role_map), (OwnAnswers::default(), None));
    }

    #[test]
    fn what_is_written_is_read() {
        let all = external(
            ", headers: [X-Api-Key], cookies: [session], also_send: [User-Agent], tell: [method, uri], without_credential: ask, subject: Remote-User, \
             roles: Remote-Groups, attributes: { tenant: X-Tenant }, encoding: percent, issuer: legacy, role_map: { staff: USER }, cache: 30s, \
             own_answers: { statuses: [302, 401], headers: [location, set-cookie], body: true }",
        );
        assert_eq!((all.headers, all.cookies), (vec!["x-api-key".into()], vec!["session".into()]));
        assert_eq!(
            (all.also_send, all.tell),
            (vec!["user-agent".into()], vec![RequestFact::Method, RequestFact::Uri])
        );
        assert_eq!(
            (&*all.subject, &*all.attributes["tenant"].0, &*all.issuer),
            ("remote-user", "x-tenant", "legacy")
        );
        let own = OwnAnswers {
            statuses: vec![302, 401],
            fields: vec![PassedField::Location, PassedField::SetCookie],
            body: true,
        };
        assert_eq!((all.own_answers, all.cache.as_secs()), (own, 30));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (rest, message) in [
            (", headers: []", "no place is named"),
            (", headers: [Cookie]", "is not a header that can carry a credential"),
            (", headers: [X-Forwarded-For]", "is not a header that can carry a credential"),
            (", headers: [Transfer-Encoding]", "is not a header that can carry a credential"),
            (", also_send: [X-Auth-Subject]", "is not a header that can be sent along"),
            (", also_send: [Authorization]", "is not a header that can be sent along"),
            (", also_send: [Host]", "is not a header that can be sent along"),
            (", also_send: [DPoP], cache: 5s", "good once"),
            (", headers: [X-Key], also_send: [X-Key]", "sent already"),
            (", cookies: [\"a=b\"]", "is not a cookie's name"),
            (", attributes: { color: X-Color }", "no caller attribute `color`"),
            (", role_map: { ops: haechi-admin }", "built-in role"),
            (", own_answers: { statuses: [200] }", "200"),
            (", own_answers: { statuses: [500] }", "500"),
            (", own_answers: { statuses: [302] }", "leads nowhere"),
            (", own_answers: { statuses: [401], headers: [x-auth-subject] }", "x-auth-subject"),
            (", cache: 2h", "2h"),
            (", timeout: 1m", "1m"),
        ] {
            let written = format!("{{ type: external, url: \"https://auth.example.com/verify\"{rest} }}");
            let faults = faults(TOP, &written);
            assert!(faults.iter().any(|fault| fault.contains(message)), "{written}: {faults:?}");
        }
        let odd = faults(TOP, "{ type: external, url: \"ftp://auth.example.com/\" }");
        assert!(odd.iter().any(|fault| fault.contains("is not a web address")), "{odd:?}");
        let tls = faults(TOP, "{ type: external, url: \"http://127.0.0.1:1/\", tls: { ca: haechi.yaml } }");
        assert!(!tls.is_empty());
    }

    #[test]
    fn plain_http_is_said_to_be_careless() {
        let warned = |rest: &str| {
            let authenticator = format!("{{ type: external, {rest} }}");
            let config =
                check_with(ALL, &format!("{HEAD}authenticators: {{ a: {authenticator} }}\n")).unwrap();
            config.warnings.to_string().contains("over plain `http`")
        };
        assert!(warned("url: \"http://auth.internal/verify\""));
        assert!(!warned("url: \"http://auth.internal/verify\", allow_http: true"));
        assert!(
            !warned("url: \"http://127.0.0.1:9000/verify\"")
                && !warned("url: \"https://auth.internal/verify\"")
        );
    }
}
