//! The caller who is nobody in particular, whom `anonymous` and `passthrough` verify without looking at the request.

use crate::{Attempt, Authenticator, Challenge, CredentialPlace, Look, Scheme};
use haechi_core::{Caller, RequestHead, Timestamp};
use std::rc::Rc;
use std::sync::Arc;

/// An authenticator that verifies everybody as nobody in particular.
#[derive(Clone, Debug)]
pub struct Nobody {
    name: Arc<str>,
    caller: Arc<Caller>,
}

impl Nobody {
    /// Under the word that a route writes.
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.into(), caller: Arc::new(Caller::anonymous(name)) }
    }
}

impl Authenticator for Nobody {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn for_worker(&self) -> Rc<dyn Scheme> {
        Rc::new(self.clone())
    }
}

impl Scheme for Nobody {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn challenge(&self) -> Option<&Arc<Challenge>> {
        None
    }

    /// None, so that nothing is removed: with `passthrough` the service needs the credential.
    fn credential_places(&self) -> &[CredentialPlace] {
        &[]
    }

    fn look(&self, _: &RequestHead, _: Timestamp) -> Look {
        Look::Done(Attempt::Verified(self.caller.clone()))
    }
}
