//! `type: jwt`: a signed token in `Authorization: Bearer`.

pub(super) mod check;
pub(super) mod record;
mod settings;

use super::definition::{AuthenticatorType, Checks, KeyOrigin, Materials, Needs, Record, Settings};
use crate::config::source::At;
use haechi_authn::identity::Provider;
use haechi_authn::keys::{DEFAULT_MAX_AGE, KeySource, Keys as VerifyingKeys, Origin, Refresh};
use haechi_authn::schemes::jwt::{
    Audiences, DEFAULT_CACHE_ENTRIES, IssuerRule, JwtAuthenticator, JwtConfig, TokenPlace,
};
use haechi_authn::{Authenticator, CredentialPlace};
use haechi_authz::analysis::{CallerOrigin, PossibleValues};
use haechi_core::CallerKind;
use haechi_core::caller::Vouched;
use settings::{Issuer, JwtSettings, Keys};
use std::sync::Arc;

pub(super) const DEFINITION: AuthenticatorType = AuthenticatorType::of::<record::Jwt>("jwt");

impl Record for At<record::Jwt> {
    fn credential_places(&self) -> Vec<CredentialPlace> {
        TokenPlace::credential_places(&record::places(&self.from))
    }

    fn check(&self, _: &Arc<str>, checks: &mut dyn Checks) -> Option<Arc<dyn Settings>> {
        check::jwt(checks, self).map(|settings| Arc::new(settings) as Arc<dyn Settings>)
    }
}

impl Settings for JwtSettings {
    fn needs(&self) -> Needs<'_> {
        let file = match &self.keys {
            Keys::JwksFile(path) | Keys::PemFile(path) => Some(path.as_path()),
            Keys::Own | Keys::Discovery | Keys::JwksUrl(_) | Keys::Secret(_) => None,
        };
        Needs { password_pool: false, file }
    }

    fn keys(&self, materials: &Materials<'_>) -> Result<Option<KeyOrigin>, String> {
        let issuer = self.issuer(materials)?;
        let origin = match &self.keys {
            Keys::Own => {
                let keys = own(materials)?.keyring().verifying();
                return Ok(Some(KeyOrigin::Here(KeySource::embedded(&issuer, keys))));
            }
            Keys::Secret(secrets) => {
                let keys = VerifyingKeys::from_secrets(secrets, self.algorithms);
                let keys = keys.map_err(|fault| fault.to_string())?;
                return Ok(Some(KeyOrigin::Here(KeySource::fixed(&issuer, keys))));
            }
            Keys::Discovery => {
                Origin::Discovery { issuer: issuer.to_string(), trusted: self.key_origins.clone() }
            }
            Keys::JwksUrl(url) => Origin::Jwks { url: url.to_string() },
            Keys::JwksFile(path) => Origin::JwksFile(path.clone()),
            Keys::PemFile(path) => Origin::PemFile(path.clone()),
        };
        let refresh = Refresh { origin, max_age: DEFAULT_MAX_AGE, allow_http: self.allow_http };
        Ok(Some(KeyOrigin::Elsewhere(issuer, refresh)))
    }

    fn build(
        &self,
        name: &Arc<str>,
        keys: Option<Arc<KeySource>>,
        materials: &Materials<'_>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        let issuer = self.issuer(materials)?;
        let vouched = match &self.issuer {
            Issuer::Own => Vouched::BySelf,
            Issuer::Named(_) | Issuer::Tenants(..) => Vouched::ByOther,
        };
        let own = vouched == Vouched::BySelf;
        // Tokens that we sign for backends have another `typ` and another `aud`; neither may come back as an access token.
        let ours = || Audiences::OneOf(vec![issuer.to_string()]);
        let rule = match &self.issuer {
            Issuer::Tenants(_, rule) => rule.clone(),
            Issuer::Own | Issuer::Named(_) => IssuerRule::exactly(&issuer),
        };
        let authenticator = JwtAuthenticator::new(JwtConfig {
            name: name.clone(),
            issuer: rule,
            audiences: self.audiences.clone().unwrap_or_else(ours),
            audience_claim: self.audience_claim.clone(),
            from: self.from.clone(),
            keys: keys.ok_or("a token cannot be verified without keys")?,
            algorithms: self.algorithms,
            leeway: self.leeway,
            token_types: self.token_types.clone(),
            claims: self.claims.clone(),
            roles: materials.roles.clone(),
            revocations: own.then(|| materials.watch.clone()),
            vouched,
            possession: self.possession.rules(name, self.leeway, materials),
            cache_entries: DEFAULT_CACHE_ENTRIES,
            clock: materials.clock.clone(),
        });
        Ok(Arc::new(authenticator.map_err(|fault| fault.to_string())?))
    }

    fn authorization_server(&self, own: Option<&Arc<str>>) -> Option<Arc<str>> {
        match &self.issuer {
            Issuer::Own => own.cloned(),
            Issuer::Named(issuer) => Some(issuer.clone()),
            Issuer::Tenants(..) => None,
        }
    }

    fn tells_logins(&self) -> bool {
        true
    }

    fn has_token(&self) -> bool {
        true
    }

    fn way(&self, name: &Arc<str>, own_issuer: &Arc<str>) -> CallerOrigin {
        let user = CallerOrigin::any(CallerKind::User, name);
        match &self.issuer {
            Issuer::Own => CallerOrigin { issuer: Some(own_issuer.clone()), ..user },
            Issuer::Named(_) | Issuer::Tenants(..) => CallerOrigin {
                issuer: match &self.issuer {
                    Issuer::Named(issuer) => Some(issuer.clone()),
                    Issuer::Own | Issuer::Tenants(..) => None,
                },
                roles: if self.claims.roles.is_empty() {
                    PossibleValues::Exactly(Vec::new())
                } else {
                    PossibleValues::NotBuiltIn
                },
                scopes: !self.claims.scopes.is_empty(),
                attributes: Some(self.claims.attributes.keys().cloned().collect()),
                ..user
            },
        }
    }

    fn token_field(&self, token: &str) -> Option<(String, String)> {
        token_field(&self.from, token)
    }

    fn takes_own_tokens(&self) -> bool {
        self.issuer == Issuer::Own
    }
}

impl JwtSettings {
    fn issuer(&self, materials: &Materials<'_>) -> Result<Arc<str>, String> {
        match &self.issuer {
            Issuer::Own => Ok(own(materials)?.issuer().clone()),
            Issuer::Named(issuer) | Issuer::Tenants(issuer, _) => Ok(issuer.clone()),
        }
    }
}

/// The field in which a token stands at the first of `places`, where that is not `Authorization`.
pub(super) fn token_field(places: &[TokenPlace], token: &str) -> Option<(String, String)> {
    match places.first()? {
        TokenPlace::Header(name) => Some((name.to_string(), token.to_owned())),
        TokenPlace::Cookie(name) => Some(("cookie".to_owned(), format!("{name}={token}"))),
        TokenPlace::Bearer | TokenPlace::WebSocketProtocol(_) => None,
    }
}

fn own<'a>(materials: &Materials<'a>) -> Result<&'a Arc<Provider>, String> {
    materials.identity.ok_or_else(|| "`issuer: self` needs `identity`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Issuer, JwtSettings, Keys};
    use crate::authenticators::tests::settings;
    use haechi_authn::jose::Algorithm;
    use haechi_authn::schemes::jwt::{Audiences, TokenPlace};

    fn jwt(rest: &str) -> JwtSettings {
        let top = "store: sqlite:haechi.db\nidentity: { issuer: \"http://localhost:8080\" }\ncaller_attributes: { tenant: string, mfa: bool }\nroles: { haechi: {} }";
        settings(top, &format!("{{ type: jwt, {rest} }}"))
    }

    #[test]
    fn our_own_tokens_are_told_from_those_that_we_sign_for_backends() {
        let own = jwt("issuer: self");
        assert_eq!((own.issuer, own.keys), (Issuer::Own, Keys::Own));
        assert_eq!(own.token_types, ["at+jwt"]);
    }

    #[test]
    fn what_is_left_out_is_the_usual() {
        let corp = jwt(
            "issuer: \"https://sso.example.com/realm/\", audiences: [a], claims: { roles: /realm_access/roles, mfa: /x~1y }",
        );
        assert_eq!(corp.issuer, Issuer::Named("https://sso.example.com/realm/".into()));
        assert_eq!(corp.keys, Keys::Discovery);
        let pointer = |text: &str| vec![text.parse().unwrap()];
        assert_eq!(corp.claims.roles, pointer("/realm_access/roles"));
        assert_eq!(corp.claims.scopes, pointer("/scope"));
        assert_eq!(corp.claims.attributes["tenant"].pointers, pointer("/tenant"));
        assert_eq!(corp.claims.attributes["mfa"].pointers, pointer("/x~1y"));
        assert_eq!((corp.from, corp.claims.role_map), (vec![TokenPlace::Bearer], None));
        assert_eq!(corp.audiences, Some(Audiences::OneOf(vec!["a".into()])));
        assert_eq!(corp.algorithms, Algorithm::asymmetric());
        assert_eq!(corp.token_types, ["at+jwt", "JWT"]);
        assert_eq!(corp.leeway.as_secs(), 30);
    }

    #[test]
    fn what_providers_need_is_read() {
        let many = jwt(
            "issuer: \"https://login/{tid}/v2.0\", tenants: { tid: [a, b] }, audiences: unchecked, token_types: [application/at+jwt], \
             keys: { jwks_url: \"https://login/keys\" }, algorithms: [Ed25519], role_map: { \"/staff\": haechi }, \
             from: [{ websocket_protocol: bearer. }, { cookie: session }, { header: Cf-Access-Jwt-Assertion }, bearer], \
             claims: { subject: [/sub, /azp], roles: [/a, /b], scopes: [/scp, /scope], tenant: [/t, /u] }",
        );
        assert!(
            matches!(&many.issuer, Issuer::Tenants(written, _) if &**written == "https://login/{tid}/v2.0")
        );
        assert_eq!(many.audiences, Some(Audiences::Unchecked));
        assert_eq!(many.token_types, ["at+jwt"]);
        assert_eq!(many.algorithms.iter().collect::<Vec<_>>(), [Algorithm::EdDsa]);
        let from = [
            TokenPlace::WebSocketProtocol("bearer.".into()),
            TokenPlace::Cookie("session".into()),
            TokenPlace::Header("cf-access-jwt-assertion".into()),
            TokenPlace::Bearer,
        ];
        assert_eq!(many.from, from);
        let claims = &many.claims;
        let counts = (
            claims.subject.len(),
            claims.roles.len(),
            claims.scopes.len(),
            claims.attributes["tenant"].pointers.len(),
        );
        assert_eq!(counts, (2, 2, 2, 2));
        let map = claims.role_map.as_ref().unwrap();
        assert_eq!(map.get("/staff").map(|role| &**role), Some("haechi"));
        let cognito = jwt("issuer: \"https://c\", audiences: [a], audience_claim: client_id");
        assert_eq!(cognito.audience_claim, "/client_id".parse().ok());
    }

    #[test]
    fn algorithms_follow_the_keys() {
        let shared = jwt("issuer: somebody, audiences: [a], keys: { secret: \"${env:SECRET}\" }");
        assert_eq!(shared.algorithms.iter().collect::<Vec<_>>(), [Algorithm::Hs256]);
        assert!(matches!(&shared.keys, Keys::Secret(secrets) if secrets.len() == 1));
        let both = jwt(
            "issuer: x, audiences: [a], keys: { secret: [\"${env:SECRET}\", 0123456789abcdef0123456789abcdef] }",
        );
        assert!(matches!(&both.keys, Keys::Secret(secrets) if secrets.len() == 2));
        let encoded = "issuer: x, audiences: [a], keys: { encoding: base64, secret: [MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY, \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8=\", AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8] }";
        let Keys::Secret(secrets) = jwt(encoded).keys else { panic!("another place") };
        let bytes: Vec<&[u8]> = secrets.iter().map(|secret| secret.expose().as_slice()).collect();
        assert_eq!(bytes[0], b"0123456789abcdef0123456789abcdef");
        assert!(bytes[1] == bytes[2] && bytes[1].ends_with(&[0x1e, 0xff]));
        let set = jwt(
            "issuer: x, audiences: [a], keys: { jwks_url: \"http://127.0.0.1:1/jwks\" }, algorithms: [ES256]",
        );
        assert_eq!(set.algorithms.iter().collect::<Vec<_>>(), [Algorithm::Es256]);
    }
}
