//! `type: shared_header`: whoever sends a header with the one value that is configured. Only here: a password in the clear is no way in.

use crate::authenticators::definition::{AuthenticatorType, Checks, Materials, Needs, Record, Settings};
use crate::config::record::record;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::FieldNameText;
use haechi_authn::keys::KeySource;
use haechi_authn::{Attempt, Authenticator, Challenge, CredentialPlace, Look, Scheme};
use haechi_authz::analysis::{CallerOrigin, PossibleValues};
use haechi_core::caller::{Claimed, Vouched};
use haechi_core::{Caller, CallerKind, RequestHead, RoleTable, Secret, Timestamp};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

pub(super) const DEFINITION: AuthenticatorType = AuthenticatorType::of::<SharedHeader>("shared_header");

record! {
    "a `shared_header` authenticator"
    tag "type" = "shared_header"
    /// A header with a value that both sides know.
    struct SharedHeader {
        /// The header's name.
        default header as "header": FieldNameText = FieldNameText("x-door".into()),
        /// Its value.
        required value as "value": At<Secret<String>>,
        /// Who comes with it.
        required subject as "subject": String,
    }
}

#[derive(Debug, PartialEq)]
struct SharedHeaderSettings {
    header: Arc<str>,
    value: Secret<String>,
    subject: String,
}

impl Record for At<SharedHeader> {
    fn credential_places(&self) -> Vec<CredentialPlace> {
        vec![CredentialPlace::Field(self.header.0.clone())]
    }

    fn check(&self, _: &Arc<str>, checks: &mut dyn Checks) -> Option<Arc<dyn Settings>> {
        let SharedHeader { header, value, subject } = &self.value;
        let (header, value) = (header.0.clone(), value.as_ref()?);
        if value.expose().len() < 8 {
            let message = "the value is shorter than 8 characters, and could be guessed";
            return checks.fault(Fault::new(value.span, message).help("choose a longer one"));
        }
        let (value, subject) = (value.value.clone(), subject.clone()?);
        Some(Arc::new(SharedHeaderSettings { header, value, subject }))
    }
}

impl Settings for SharedHeaderSettings {
    fn needs(&self) -> Needs<'_> {
        Needs::default()
    }

    fn build(
        &self,
        name: &Arc<str>,
        _: Option<Arc<KeySource>>,
        _: &Materials<'_>,
    ) -> Result<Arc<dyn Authenticator>, String> {
        let claimed =
            Claimed { subject: self.subject.clone(), issuer: "shared_header".into(), ..Claimed::default() };
        let (value, places) = (self.value.clone(), [CredentialPlace::Field(self.header.clone())]);
        let caller = Caller::new(CallerKind::User, name, Vouched::ByOther, &RoleTable::default(), claimed);
        let challenge = Arc::new(Challenge::new("SharedHeader", name));
        Ok(Arc::new(Door(Arc::new(Shared {
            name: name.clone(),
            value,
            places,
            challenge,
            caller: Arc::new(caller),
        }))))
    }

    fn way(&self, name: &Arc<str>, _: &Arc<str>) -> CallerOrigin {
        CallerOrigin {
            issuer: Some("shared_header".into()),
            roles: PossibleValues::Exactly(Vec::new()),
            scopes: false,
            attributes: Some(BTreeSet::new()),
            ..CallerOrigin::any(CallerKind::User, name)
        }
    }
}

/// Its part in requests, which for the others is in `haechi-authn`.
#[derive(Clone)]
struct Door(Arc<Shared>);

struct Shared {
    name: Arc<str>,
    value: Secret<String>,
    places: [CredentialPlace; 1],
    challenge: Arc<Challenge>,
    caller: Arc<Caller>,
}

impl Authenticator for Door {
    fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        Rc::new(self.clone())
    }
}

impl Scheme for Door {
    fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        Some(&self.0.challenge)
    }

    fn credential_places(&self) -> &[CredentialPlace] {
        &self.0.places
    }

    fn look(&self, head: &RequestHead, _: Timestamp) -> Look {
        let [CredentialPlace::Field(header)] = &self.0.places else { return Look::Done(Attempt::Absent) };
        Look::Done(match head.fields.sole_named(header.as_bytes()) {
            Err(_) => Attempt::invalid_request("the header stands more than once"),
            Ok(None) => Attempt::Absent,
            Ok(Some(value)) if Secret::new(String::from_utf8_lossy(value).into_owned()) == self.0.value => {
                Attempt::Verified(self.0.caller.clone())
            }
            Ok(Some(_)) => Attempt::invalid_credentials("another value"),
        })
    }
}
