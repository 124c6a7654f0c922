//! `type: api_key`: a key of the store's, in a field of its own.

use super::definition::{AuthenticatorType, Checks, Materials, Needs, Record, Settings};
use crate::config::record::record;
use crate::config::source::At;
use crate::config::value::FieldNameText;
use haechi_authn::keys::KeySource;
use haechi_authn::schemes::api_key::{ApiKeyAuthenticator, DEFAULT_HEADER, KeyForm, Sources};
use haechi_authn::{Authenticator, CredentialPlace};
use haechi_authz::analysis::CallerOrigin;
use haechi_core::CallerKind;
use std::sync::Arc;

pub(super) const DEFINITION: AuthenticatorType = AuthenticatorType::of::<ApiKey>("api_key");

record! {
    "an `api_key` authenticator"
    tag "type" = "api_key"
    /// API keys in a header field.
    struct ApiKey {
        /// The header's name.
        default header as "header": FieldNameText = FieldNameText(Arc::from(DEFAULT_HEADER)),
        /// Accept keys of another form, too: those that were made elsewhere and added by `haechi key import`.
        default imported_keys as "imported_keys": bool = false,
    }
}

/// The checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ApiKeySettings {
    /// The lower-case name of the header field.
    header: Arc<str>,
    imported_keys: bool,
}

impl Record for At<ApiKey> {
    fn credential_places(&self) -> Vec<CredentialPlace> {
        vec![CredentialPlace::Field(self.header.0.clone())]
    }

    fn takes_api_keys(&self) -> bool {
        true
    }

    fn check(&self, _: &Arc<str>, checks: &mut dyn Checks) -> Option<Arc<dyn Settings>> {
        checks.needs_store("an `api_key` authenticator", self.span);
        Some(Arc::new(ApiKeySettings { header: self.header.0.clone(), imported_keys: self.imported_keys }))
    }
}

impl Settings for ApiKeySettings {
    fn needs(&self) -> Needs<'_> {
        Needs::default()
    }

    fn build(
        &self,
        name: &Arc<str>,
        _: Option<Arc<KeySource>>,
        materials: &Materials<'_>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        let sources = Sources {
            keys: materials.api_keys.ok_or("API keys need `store`")?.clone(),
            uses: materials.key_uses.clone(),
            watch: materials.watch.clone(),
            declared: materials.declared.clone(),
            roles: materials.roles.clone(),
            quotas: materials.quotas.ok_or("API keys need `store`")?.clone(),
            control: materials.control.clone(),
        };
        let authenticator = ApiKeyAuthenticator::new(
            name,
            KeyForm { header: &self.header, imported_keys: self.imported_keys },
            sources,
        );
        Ok(Arc::new(authenticator.map_err(|fault| fault.to_string())?))
    }

    fn way(&self, name: &Arc<str>, _: &Arc<str>) -> CallerOrigin {
        CallerOrigin { issuer: Some("haechi".into()), ..CallerOrigin::any(CallerKind::ApiKey, name) }
    }

    fn takes_imported_keys(&self) -> bool {
        self.imported_keys
    }

    fn key_field(&self) -> Option<&Arc<str>> {
        Some(&self.header)
    }
}

#[cfg(test)]
mod tests {
    use super::ApiKeySettings;
    use crate::authenticators::tests::settings;

    #[test]
    fn the_header_is_lower_case() {
        let key = settings::<ApiKeySettings>("store: sqlite:h", "{ type: api_key, header: X-Partner }");
        assert_eq!((&*key.header, key.imported_keys), ("x-partner", false));
        let key = settings::<ApiKeySettings>("store: sqlite:h", "{ type: api_key, imported_keys: true }");
        assert!(key.imported_keys);
    }
}
