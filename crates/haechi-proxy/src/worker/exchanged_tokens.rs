//! Tokens that services get in exchange for their callers' own, as one worker remembers them.

use crate::settings::{CallerTokens, Service};
use haechi_authn::Unavailable;
use haechi_authn::token_exchange::Exchanged;
use haechi_core::{Secret, Timestamp};
use quick_cache::Equivalent;
use quick_cache::unsync::Cache;
use std::cell::RefCell;
use std::sync::Arc;

/// Tokens kept per worker, behind which the process keeps more.
const KEPT: usize = 4096;
/// Longer tokens are asked for each time, in bytes: a few of them must not push out the others' memory.
const LONGEST: usize = 4 * 1024;

/// The tokens of one worker under one plan.
pub(super) struct ExchangedTokens(RefCell<Cache<Key, Exchanged>>);

/// By the token itself, not by its caller: where all authenticators must verify, one caller may come with several.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    service: Arc<str>,
    subject: Box<str>,
}

#[derive(Hash)]
struct Sought<'a> {
    service: &'a str,
    subject: &'a str,
}

impl Equivalent<Key> for Sought<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.service == &*key.service && self.subject == &*key.subject
    }
}

impl ExchangedTokens {
    pub(super) fn new() -> Self {
        Self(RefCell::new(Cache::new(KEPT)))
    }

    /// The token that `service` gets in exchange for `subject`.
    pub(super) async fn token(
        &self,
        service: &Service,
        tokens: &dyn CallerTokens,
        subject: &str,
        now: Timestamp,
    ) -> Result<Arc<Secret<String>>, Unavailable> {
        let sought = Sought { service: &service.name, subject };
        if let Some(known) = self.0.borrow_mut().get(&sought)
            && now < known.until
        {
            return Ok(known.token.clone());
        }
        let exchanged = tokens.exchanged(subject).await?;
        let token = exchanged.token.clone();
        if subject.len() <= LONGEST && token.expose().len() <= LONGEST {
            let key = Key { service: service.name.clone(), subject: subject.into() };
            self.0.borrow_mut().insert(key, exchanged);
        }
        Ok(token)
    }
}
