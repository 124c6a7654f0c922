//! The file itself: made for its owner only, and watched for being taken away.

use crate::OpenError;
use haechi_core::ports::StoreError;
use std::fs::{self, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;

/// Password hashes and private keys are in the file. SQLite gives its `-wal` and `-shm` files the same mode.
const OWNER_ONLY: u32 = 0o600;

/// How many look at the file at once.
const CHECKS: usize = 4;

/// For so many milliseconds what was seen of the file holds for requests that ask.
const CHECK_HOLDS: u64 = 250;

/// The file that was opened: where, and which one.
pub(super) struct StoreFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    checking: Arc<Semaphore>,
    born: Instant,
    /// When it was last found to be the one that was opened, in milliseconds after `born` and from 1 on; 0 where it was not when last looked at.
    checked_at: AtomicU64,
}

impl StoreFile {
    /// Finds the file or makes an empty one.
    pub(super) fn find_or_create(path: &Path) -> Result<Self, OpenError> {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return Err(OpenError::NoFolder(folder.to_owned()));
        }
        let unusable = |error: io::Error| OpenError::Unusable {
            store: path.display().to_string(),
            why: error.to_string(),
        };
        create(path).map_err(unusable)?;
        let found = fs::metadata(path).map_err(unusable)?;
        if !found.is_file() {
            return Err(OpenError::NotAFile(path.to_owned()));
        }
        if found.len() == 0 {
            fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY)).map_err(unusable)?;
        }
        let path = path.canonicalize().map_err(unusable)?;
        let (device, inode, checking) = (found.dev(), found.ino(), Arc::new(Semaphore::new(CHECKS)));
        Ok(Self { path, device, inode, checking, born: Instant::now(), checked_at: AtomicU64::new(0) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file was the one that was opened when somebody looked a moment ago.
    pub(super) fn was_checked_lately(&self) -> bool {
        let checked_at = self.checked_at.load(Relaxed);
        checked_at != 0 && self.now().saturating_sub(checked_at) < CHECK_HOLDS
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// A file that was deleted or exchanged still answers those that have it open, without what others write meanwhile. Such answers would
    /// miss revocations, so there are none.
    fn check(&self) -> Result<(), StoreError> {
        let same = |found: &Metadata| (found.dev(), found.ino()) == (self.device, self.inode);
        match fs::metadata(&self.path) {
            Ok(found) if found.len() == 0 => Err(self.unavailable("was emptied; restore a backup")),
            Ok(found) if same(&found) => Ok(()),
            Ok(_) => Err(self.unavailable("was replaced by another file; restart")),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.unavailable("was removed")),
            Err(error) => Err(self.unavailable(&error.to_string())),
        }
    }

    fn unavailable(&self, why: &str) -> StoreError {
        StoreError::Unavailable(format!("`{}` {why}", self.path.display()))
    }
}

/// [`StoreFile::check`] beside the runtime: a file system that hangs must hold up nobody who does not ask the store, and keep few threads.
pub(super) async fn check(file: &Arc<StoreFile>) -> Result<(), StoreError> {
    let gone = |_| StoreError::Unavailable("the process is about to end".into());
    let place =
        file.checking.clone().acquire_owned().await.map_err(|_| StoreError::Unavailable("closed".into()))?;
    let file = file.clone();
    let checked = tokio::task::spawn_blocking(move || {
        let _place = place;
        let began = file.now();
        let checked = file.check();
        file.checked_at.store(if checked.is_ok() { began } else { 0 }, Relaxed);
        checked
    });
    checked.await.map_err(gone)?
}

/// Closing a file drops the locks that this process has on it through SQLite (<https://sqlite.org/howtocorrupt.html>, 2.2), so one caller at
/// a time, and each before it has SQLite open the file.
fn create(path: &Path) -> io::Result<()> {
    static CREATING: Mutex<()> = Mutex::new(());
    let _alone = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    match OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
