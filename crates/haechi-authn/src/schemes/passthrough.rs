//! `passthrough`: the credential travels on untouched, and the service behind the gate verifies it.

use super::SchemeDef;
use crate::{Attempt, Authenticator, CredentialPlace, Look, Scheme};
use haechi_core::{Caller, RequestHead, Timestamp};
use std::rc::Rc;
use std::sync::Arc;

/// The word that a route writes.
pub const DEF: SchemeDef = SchemeDef {
    name: "passthrough",
    summary: "the credential travels on untouched; the service behind the gate verifies it",
    built_in: true,
};

/// The authenticator that leaves verifying to the service: to the gate, the caller is nobody in particular.
#[derive(Clone, Debug)]
pub struct Passthrough {
    name: Arc<str>,
    caller: Arc<Caller>,
}

impl Passthrough {
    /// The authenticator.
    pub fn new() -> Self {
        Self { name: DEF.name.into(), caller: Arc::new(Caller::anonymous(DEF.name)) }
    }
}

impl Default for Passthrough {
    fn default() -> Self {
        Self::new()
    }
}

impl Authenticator for Passthrough {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        Rc::new(self.clone())
    }
}

impl Scheme for Passthrough {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Empty: the gate asks for no credential, the service does. Whoever writes `WWW-Authenticate` leaves it out.
    fn challenge(&self) -> &str {
        ""
    }

    /// Nowhere, so that nothing is removed: the service needs the credential.
    fn credential_place(&self) -> CredentialPlace {
        CredentialPlace::Nowhere
    }

    fn look(&self, _: &RequestHead, _: Timestamp) -> Look {
        Look::Done(Attempt::Verified(self.caller.clone()))
    }
}
