//! Tokens that tell a service who is calling, signed once per caller and audience in half a lifetime.

use crate::settings::IdentityToken;
use haechi_authn::identity::Provider;
use haechi_core::{Caller, Timestamp};
use quick_cache::unsync::Cache;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// Tokens kept per worker.
const KEPT: usize = 4096;

/// The tokens of one worker under one plan.
pub(super) struct IdentityTokens(RefCell<Cache<Key, Signed>>);

/// A token depends on the caller, as verified once, and the audience.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    caller: usize,
    audience: Arc<str>,
}

/// A token that was signed. It holds on to its caller, so that the address in its key cannot come to name another one.
#[derive(Clone)]
struct Signed {
    _caller: Arc<Caller>,
    fresh_until: Timestamp,
    token: Rc<str>,
}

impl IdentityTokens {
    pub(super) fn new() -> Self {
        Self(RefCell::new(Cache::new(KEPT)))
    }

    /// A token for `caller`, for at least half of its lifetime.
    ///
    /// # Errors
    /// When there is no key to sign with.
    pub(super) fn token(
        &self,
        provider: &Provider,
        wanted: &IdentityToken,
        caller: &Arc<Caller>,
        now: Timestamp,
    ) -> Result<Rc<str>, String> {
        let key = Key { caller: Arc::as_ptr(caller) as usize, audience: wanted.audience.clone() };
        if let Some(signed) = self.0.borrow_mut().get(&key)
            && signed.fresh_until > now
        {
            return Ok(signed.token.clone());
        }
        let token = provider
            .identity_token(caller, &wanted.audience, wanted.lifetime, now)
            .map_err(|error| error.to_string())?;
        let token: Rc<str> = token.into();
        let fresh_until = now.plus(wanted.lifetime / 2);
        let signed = Signed { _caller: caller.clone(), fresh_until, token: token.clone() };
        self.0.borrow_mut().insert(key, signed);
        Ok(token)
    }
}
