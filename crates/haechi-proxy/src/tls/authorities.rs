//! Certificates whose holders vouch for others, each for as long as it is valid itself: verifying a chain does not ask for the time of its
//! beginning (RFC 5280 6.1.1).

use arc_swap::ArcSwap;
use haechi_core::{Timestamp, certificate};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// Authorities, of which those count whose time is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities(Vec<Authority>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    certificate: CertificateDer<'static>,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Why a certificate is no authority's.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// It is no certificate that a chain could begin with.
    #[error(transparent)]
    Unusable(#[from] rustls::Error),
    /// It does not say in a proper way from when until when it holds.
    #[error("its time of validity cannot be read")]
    Validity,
}

impl Authorities {
    /// Those who hold these certificates.
    ///
    /// # Errors
    /// [`AuthorityError`] for the first that is none.
    pub fn new(
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, AuthorityError> {
        certificates.into_iter().map(Authority::new).collect::<Result<_, _>>().map(Self)
    }

    /// Those of the certificates that are an authority's.
    pub fn usable(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        Self(certificates.into_iter().filter_map(|certificate| Authority::new(certificate).ok()).collect())
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The certificates whose time is `now`.
    pub fn valid_certificates(&self, now: Timestamp) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.0.iter().filter(move |one| one.is_valid_at(now)).map(|one| &one.certificate)
    }

    /// Why not all of them count at `now`, if that is so.
    pub fn out_of_date(&self, now: Timestamp) -> Option<&'static str> {
        self.0.iter().find_map(|authority| match now {
            now if now > authority.not_after => Some("has expired"),
            now if now < authority.not_before => Some("is not valid yet"),
            _ => None,
        })
    }

    /// All of them, whatever the time.
    fn all(&self) -> RootCertStore {
        Self::store(self.0.iter())
    }

    fn valid_at(&self, now: Timestamp) -> RootCertStore {
        Self::store(self.0.iter().filter(|one| one.is_valid_at(now)))
    }

    /// The span around `now` in which the same ones count, its end not included.
    fn span(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        // The last second of a certificate belongs to it.
        let ends =
            |one: &Authority| [one.not_before, one.not_after.plus(std::time::Duration::from_millis(1))];
        let turns = || self.0.iter().flat_map(ends);
        let from = turns().filter(|turn| *turn <= now).max().unwrap_or(Timestamp::from_millis(i64::MIN));
        let until = turns().filter(|turn| *turn > now).min().unwrap_or(Timestamp::MAX);
        (from, until)
    }

    fn store<'a>(authorities: impl Iterator<Item = &'a Authority>) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.map(|authority| authority.certificate.clone()));
        roots
    }
}

impl Authority {
    fn new(certificate: CertificateDer<'static>) -> Result<Self, AuthorityError> {
        RootCertStore::empty().add(certificate.clone())?;
        let read = certificate::read(&certificate).ok_or(AuthorityError::Validity)?;
        let (not_before, not_after) = (read.not_before, read.not_after);
        Ok(Self { certificate, not_before, not_after })
    }

    fn is_valid_at(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// A verifier that believes those whose time is now. It is made anew when that changes, at the next handshake.
#[derive(Debug)]
pub(super) struct Timed<V: ?Sized> {
    pub(super) authorities: Arc<Authorities>,
    current: ArcSwap<Valid<V>>,
    make: fn(RootCertStore) -> Option<Arc<V>>,
}

#[derive(Debug)]
struct Valid<V: ?Sized> {
    from: Timestamp,
    until: Timestamp,
    /// `None` where nobody is to be believed.
    verifier: Option<Arc<V>>,
}

impl<V: ?Sized> Timed<V> {
    /// `make` gives a verifier that believes some authorities; `None` for none.
    pub(super) fn new(authorities: Arc<Authorities>, make: fn(RootCertStore) -> Option<Arc<V>>) -> Self {
        let never = Timestamp::from_millis(0);
        let unused = Valid { from: never, until: never, verifier: None };
        Self { authorities, current: ArcSwap::from_pointee(unused), make }
    }

    /// One that believes all, for what no time is asked for.
    pub(super) fn timeless(&self) -> Option<Arc<V>> {
        (self.make)(self.authorities.all())
    }

    /// The one for this time; `None` where nobody is to be believed.
    pub(super) fn at(&self, now: UnixTime) -> Option<Arc<V>> {
        let now = Timestamp::from_seconds(i64::try_from(now.as_secs()).unwrap_or(i64::MAX / 1000));
        let current = self.current.load();
        if (current.from..current.until).contains(&now) {
            return current.verifier.clone();
        }
        let (from, until) = self.authorities.span(now);
        let verifier = (self.make)(self.authorities.valid_at(now));
        self.current.store(Arc::new(Valid { from, until, verifier: verifier.clone() }));
        verifier
    }
}
