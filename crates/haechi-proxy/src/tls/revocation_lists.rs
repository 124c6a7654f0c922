//! Certificates that their authorities have revoked (RFC 5280 5).

use webpki::{CertRevocationList, Error, ExpirationPolicy, OwnedCertRevocationList};
use webpki::{RevocationOptions, RevocationOptionsBuilder};

/// Lists of revoked certificates. Where there is one, every certificate on the way to an authority must be on record as not revoked: in a list of
/// whoever signed it, which has not expired.
#[derive(Debug, Default)]
pub struct RevocationLists {
    lists: Vec<CertRevocationList<'static>>,
    /// As they came, to tell whether others are the same.
    encoded: Vec<Vec<u8>>,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("it is no list of revoked certificates that could be used: {0}")]
pub struct RevocationListError(Error);

impl RevocationLists {
    /// These lists, in DER.
    ///
    /// # Errors
    /// [`RevocationListError`] for the first that is none.
    pub fn new(lists: impl IntoIterator<Item = Vec<u8>>) -> Result<Self, RevocationListError> {
        let encoded: Vec<Vec<u8>> = lists.into_iter().collect();
        let read = |der: &Vec<u8>| OwnedCertRevocationList::from_der(der).map(CertRevocationList::from);
        let lists = encoded.iter().map(read).collect::<Result<_, _>>().map_err(RevocationListError)?;
        Ok(Self { lists, encoded })
    }

    /// Hands what a chain is to be checked by to `check`: nothing where there are no lists.
    pub(super) fn with_options<T>(&self, check: impl FnOnce(Option<RevocationOptions<'_>>) -> T) -> T {
        let lists: Vec<&CertRevocationList<'_>> = self.lists.iter().collect();
        let options = RevocationOptionsBuilder::new(&lists).ok();
        check(options.map(|options| options.with_expiration_policy(ExpirationPolicy::Enforce).build()))
    }
}

impl PartialEq for RevocationLists {
    fn eq(&self, other: &Self) -> bool {
        self.encoded == other.encoded
    }
}
