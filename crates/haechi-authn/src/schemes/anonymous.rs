//! `anonymous`: everybody may come, and nobody is asked who they are.

use super::SchemeDef;
use crate::{Attempt, Authenticator, CredentialPlace, Look, Scheme};
use haechi_core::{Caller, RequestHead, Timestamp};
use std::rc::Rc;
use std::sync::Arc;

/// The word that a route writes.
pub const DEF: SchemeDef = SchemeDef {
    name: "anonymous",
    summary: "everybody may come; the caller has no name, role or scope",
    built_in: true,
};

/// The authenticator that verifies everybody as nobody in particular.
#[derive(Clone, Debug)]
pub struct Anonymous {
    name: Arc<str>,
    caller: Arc<Caller>,
}

impl Anonymous {
    /// The authenticator.
    pub fn new() -> Self {
        Self { name: DEF.name.into(), caller: Arc::new(Caller::anonymous(DEF.name)) }
    }
}

impl Default for Anonymous {
    fn default() -> Self {
        Self::new()
    }
}

impl Authenticator for Anonymous {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        Rc::new(self.clone())
    }
}

impl Scheme for Anonymous {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Empty: nobody is invited to show a credential. Whoever writes `WWW-Authenticate` leaves it out.
    fn challenge(&self) -> &str {
        ""
    }

    fn credential_place(&self) -> CredentialPlace {
        CredentialPlace::Nowhere
    }

    fn look(&self, _: &RequestHead, _: Timestamp) -> Look {
        Look::Done(Attempt::Verified(self.caller.clone()))
    }
}
