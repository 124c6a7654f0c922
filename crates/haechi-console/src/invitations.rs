//! Links that log somebody in: each once, for a short while, from this machine.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_authn::identity::Credentials;
use haechi_core::{Secret, Timestamp};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Below this path they are.
pub(crate) const ENTER: &str = "/console/enter/";
/// A link is good for so long.
const LASTS: Duration = Duration::from_secs(10 * 60);

/// Somebody may log in by a link.
struct Invitation {
    hash: [u8; 32],
    ends: Timestamp,
    name: String,
    password: Secret<String>,
}

/// The newest one. There is one at a time.
#[derive(Default)]
pub(crate) struct Invitations(Mutex<Option<Invitation>>);

impl Invitations {
    /// Makes one; gives its path.
    pub(crate) fn invite(
        &self,
        name: &str,
        password: Secret<String>,
        now: Timestamp,
    ) -> Option<Secret<String>> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).ok()?;
        let value = URL_SAFE_NO_PAD.encode(bytes);
        let invitation =
            Invitation { hash: hash(&value)?, ends: now.plus(LASTS), name: name.to_owned(), password };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(invitation);
        Some(Secret::new(format!("{ENTER}{value}")))
    }

    /// Whom the link names, which is used up by that.
    pub(crate) fn take(&self, value: &str, now: Timestamp) -> Option<Credentials> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = hash(value);
        let taken = newest.take_if(|invitation| Some(invitation.hash) == asked)?;
        (now < taken.ends).then_some(Credentials { name: taken.name, password: taken.password, code: None })
    }
}

/// Found by its hash: how long the comparison takes tells nothing of the value.
fn hash(value: &str) -> Option<[u8; 32]> {
    digest(&SHA256, value.as_bytes()).as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{ENTER, Invitations, LASTS};
    use haechi_core::{Secret, Timestamp};

    #[test]
    fn a_link_is_good_once_and_for_a_while() {
        let (all, now) = (Invitations::default(), Timestamp::from_seconds(1000));
        let value =
            |path: Option<Secret<String>>| path.unwrap().expose().strip_prefix(ENTER).unwrap().to_owned();
        let first = value(all.invite("root", Secret::from("p"), now));
        assert!(all.take("other", now).is_none() && all.take("", now).is_none());
        assert_eq!(all.take(&first, now).unwrap().name, "root");
        assert!(all.take(&first, now).is_none(), "once");
        let late = value(all.invite("root", Secret::from("p"), now));
        assert!(all.take(&late, now.plus(LASTS)).is_none(), "too late");
        assert!(all.take(&late, now).is_none(), "and gone");
    }
}
