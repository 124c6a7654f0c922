//! What a worker remembers of a credential that was once right.
//!
//! When the user is changed the store is asked, and nothing is hashed as long as the password's stored hash is the one that was compared with: many
//! users who are changed at once cost a read each. Whoever may not come in any more is refused without any of it.

use crate::identity::{KnownPassword, KnownUser};
use crate::revocation::DependsOn;
use crate::{Attempt, CredentialMatch};
use haechi_core::Caller;
use haechi_core::ports::UserRecord;
use std::sync::Arc;
use std::time::Duration;

/// A caller is remembered for so long.
const CALLER_FOR: Duration = Duration::from_secs(60);
/// A refusal lasts for as long as nothing changes, and is remembered for so long.
const REFUSAL_FOR: Duration = Duration::from_secs(15 * 60);

/// One credential.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    standing: Standing,
    /// `None` for users of a file, who change only with the configuration.
    password: Option<KnownPassword>,
}

#[derive(Clone, Debug)]
enum Standing {
    /// The password is right, and this is who comes with it.
    Right(Arc<Caller>),
    /// The password is right, and lets nobody in, for this reason: the user is disabled, or has to show more.
    Barred(&'static str),
    /// The password was right once, and is not any more.
    Mismatch,
    /// There is no such user any more. There may be one again, of which no change tells.
    Gone,
}

impl Remembered {
    /// The password is the caller's.
    pub(super) const fn right(caller: Arc<Caller>, password: Option<KnownPassword>) -> Self {
        Self { standing: Standing::Right(caller), password }
    }

    /// The password is not this one.
    pub(super) const fn mismatch(password: KnownPassword) -> Self {
        Self { standing: Standing::Mismatch, password: Some(password) }
    }

    /// The answer, where the store need not be asked.
    pub(super) fn attempt(&self) -> Option<Attempt> {
        match &self.standing {
            Standing::Right(caller) => Some(Attempt::Verified(caller.clone())),
            Standing::Barred(reason) => Some(wrong(reason)),
            Standing::Mismatch => Some(wrong("wrong password")),
            Standing::Gone => None,
        }
    }

    /// What is to be remembered instead, now that the store has said what it has of the name; `None` where the password must be verified.
    pub(super) fn now_that(
        &self,
        found: Option<KnownUser>,
        caller: impl FnOnce(UserRecord) -> Arc<Caller>,
    ) -> Option<Self> {
        let password = self.password.clone();
        let Some(KnownUser { user, barred }) = found else {
            return Some(Self { standing: Standing::Gone, password });
        };
        if password != Some(KnownPassword::of(&user)) {
            return None;
        }
        let standing = match (&self.standing, barred) {
            (Standing::Mismatch, _) => Standing::Mismatch,
            (_, Some(reason)) => Standing::Barred(reason),
            (_, None) => Standing::Right(caller(user)),
        };
        Some(Self { standing, password })
    }

    /// The answer, now that the store was asked.
    pub(super) fn answer(&self) -> Attempt {
        self.attempt().unwrap_or_else(no_such_user)
    }

    pub(super) fn depends_on(&self) -> DependsOn {
        self.password.as_ref().map_or_else(DependsOn::nothing, |known| DependsOn::user(&known.user))
    }

    pub(super) const fn lasts(&self) -> Duration {
        match self.standing {
            Standing::Right(_) => CALLER_FOR,
            Standing::Barred(_) | Standing::Mismatch | Standing::Gone => REFUSAL_FOR,
        }
    }
}

/// Of a name that is known here.
pub(super) fn wrong(reason: &'static str) -> Attempt {
    Attempt::invalid_credentials(reason).matched(CredentialMatch::Named)
}

/// Another authenticator of the route may know the name.
pub(super) fn no_such_user() -> Attempt {
    Attempt::invalid_credentials("no such user").matched(CredentialMatch::Other)
}
