//! The bounded pool on which passwords are hashed.

use super::{StoredHash, UnusableHash};
use crate::guessing::GuessGuard;
use haechi_core::Secret;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many passwords wait while all workers are busy; the next is turned away.
pub const DEFAULT_QUEUE: usize = 32;

/// Hashes passwords beside the workers, so many at a time, with a bounded queue before it.
#[derive(Debug)]
pub struct PasswordPool {
    control: Handle,
    /// Running and waiting.
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
    decoy: StoredHash,
    done: Arc<AtomicU64>,
    guard: Arc<GuessGuard>,
}

/// What a password is compared with.
#[derive(Clone, Debug)]
pub enum ExpectedHash {
    /// The hash of the one who claims to be calling.
    Real(StoredHash),
    /// A hash of nobody's: the same work, and never a match. For names that are not known.
    Decoy(StoredHash),
}

/// Why a password was not hashed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// All workers are busy and the queue is full.
    #[error("the password hashing pool is full")]
    Busy,
    /// The hashing broke off.
    #[error("password hashing stopped unexpectedly")]
    BrokeOff,
    /// The hashing failed.
    #[error(transparent)]
    Failed(#[from] UnusableHash),
}

impl PasswordPool {
    /// A pool of `workers` threads of the control runtime with room for `queue` more passwords to wait.
    ///
    /// # Errors
    /// [`UnusableHash::NotHashed`] when cannot read random bytes from the system.
    pub fn new(control: Handle, workers: NonZeroUsize, queue: usize) -> Result<Self, UnusableHash> {
        let admitted = workers.get().saturating_add(queue).min(Semaphore::MAX_PERMITS);
        Ok(Self {
            control,
            admitted: Arc::new(Semaphore::new(admitted)),
            running: Arc::new(Semaphore::new(workers.get().min(Semaphore::MAX_PERMITS))),
            decoy: StoredHash::decoy()?,
            done: Arc::new(AtomicU64::new(0)),
            guard: Arc::new(GuessGuard::new(admitted)),
        })
    }

    /// A pool with a worker for each core and [`DEFAULT_QUEUE`].
    ///
    /// # Errors
    /// As [`PasswordPool::new`].
    pub fn with_defaults(control: Handle) -> Result<Self, UnusableHash> {
        let workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self::new(control, workers, DEFAULT_QUEUE)
    }

    /// Whether `password` is the one behind `against`; never, for a decoy.
    ///
    /// # Errors
    /// [`HashingError`]; none of them says anything about the password.
    pub async fn verify(
        &self,
        password: Secret<String>,
        against: ExpectedHash,
    ) -> Result<bool, HashingError> {
        self.run(move || match against {
            ExpectedHash::Real(hash) => hash.matches(&password),
            ExpectedHash::Decoy(hash) => {
                std::hint::black_box(hash.matches(&password));
                false
            }
        })
        .await
    }

    /// Hashes a password with argon2id; the PHC string.
    ///
    /// # Errors
    /// [`HashingError`].
    pub async fn hash(&self, password: Secret<String>) -> Result<Secret<String>, HashingError> {
        Ok(self.run(move || StoredHash::of(&password)).await??)
    }

    /// What an unknown name's password is compared with where the known ones were hashed by [`PasswordPool::hash`].
    pub fn decoy(&self) -> ExpectedHash {
        ExpectedHash::Decoy(self.decoy.clone())
    }

    /// Who may have a password verified. One for all that share the pool.
    pub const fn guard(&self) -> &Arc<GuessGuard> {
        &self.guard
    }

    /// How many passwords were hashed, whatever came of it.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Takes a place as long as the permit lives.
    #[cfg(test)]
    pub(crate) fn occupy(&self) -> OwnedSemaphorePermit {
        self.admitted.clone().try_acquire_owned().unwrap()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashingError> {
        let place = self.admitted.clone().try_acquire_owned().map_err(|_| HashingError::Busy)?;
        let turn = self.running.clone().acquire_owned().await.map_err(|_| HashingError::BrokeOff)?;
        let done = self.done.clone();
        let task = self.control.spawn_blocking(move || counted(work, &done, [turn, place]));
        task.await.map_err(|_| HashingError::BrokeOff)
    }
}

/// The permits live as long as the work, even when nobody waits for it any more.
fn counted<T>(work: impl FnOnce() -> T, done: &AtomicU64, permits: [OwnedSemaphorePermit; 2]) -> T {
    let outcome = work();
    done.fetch_add(1, Ordering::Relaxed);
    drop(permits);
    outcome
}

#[cfg(test)]
mod tests {
    use super::{ExpectedHash, HashingError, PasswordPool, StoredHash};
    use haechi_core::Secret;
    use std::num::NonZeroUsize;
    use std::sync::Arc;
    use std::sync::mpsc;
    use tokio::runtime::Handle;

    fn pool(workers: usize, queue: usize) -> PasswordPool {
        PasswordPool::new(Handle::current(), NonZeroUsize::new(workers).unwrap(), queue).unwrap()
    }

    #[tokio::test]
    async fn a_hashed_password_verifies() {
        let pool = pool(1, 1);
        let hash = pool.hash(Secret::from("correct horse battery")).await.unwrap();
        let hash = StoredHash::parse(hash.expose()).unwrap();
        let right =
            pool.verify(Secret::from("correct horse battery"), ExpectedHash::Real(hash.clone())).await;
        assert_eq!(right, Ok(true));
        let decoy = pool.verify(Secret::from("correct horse battery"), ExpectedHash::Decoy(hash)).await;
        assert_eq!(decoy, Ok(false), "a decoy never matches, even where it would");
        assert_eq!(pool.done(), 3);
    }

    #[tokio::test]
    async fn a_full_pool_turns_away_and_recovers() {
        let pool = Arc::new(pool(1, 1));
        let (release, held) = mpsc::channel::<()>();
        let busy = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || held.recv()).await }
        });
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.verify(Secret::from("x"), pool.decoy()).await }
        });
        while pool.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.verify(Secret::from("x"), pool.decoy()).await, Err(HashingError::Busy));
        release.send(()).unwrap();
        assert!(busy.await.unwrap().is_ok());
        assert_eq!(waiting.await.unwrap(), Ok(false));
        assert_eq!(pool.verify(Secret::from("x"), pool.decoy()).await, Ok(false));
    }

    #[tokio::test]
    async fn broken_work_frees_its_place() {
        let pool = pool(1, 0);
        let broken = pool.run(|| panic!("as intended")).await;
        assert_eq!(broken, Err::<(), _>(HashingError::BrokeOff));
        assert_eq!(pool.verify(Secret::from("x"), pool.decoy()).await, Ok(false));
    }

    #[tokio::test]
    async fn who_no_longer_waits_keeps_no_place_in_the_queue() {
        let pool = Arc::new(pool(1, 1));
        let (release, held) = mpsc::channel::<()>();
        let busy = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || held.recv()).await }
        });
        while pool.running.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let mut waiting = Box::pin(pool.verify(Secret::from("x"), pool.decoy()));
        assert!(futures_poll(&mut waiting).await, "it waits");
        assert_eq!(pool.admitted.available_permits(), 0);
        drop(waiting);
        assert_eq!(pool.admitted.available_permits(), 1);
        release.send(()).unwrap();
        assert!(busy.await.unwrap().is_ok());
    }

    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }
}
