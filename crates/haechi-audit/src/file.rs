//! The file that records are appended to: by every worker, each with one `write`, and never half a line.
//!
//! Room on the disk is taken ahead of what is written, in large pieces that do not show in the file's length. So a full disk is noticed while room is taken, and no
//! record is torn by it. Where the file system cannot do that, records are written one writer at a time, and half a line is taken back.

use crate::name::FileName;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// So much room is taken at once.
const PIECE: u64 = 8 * 1024 * 1024;

/// An open file of the trail.
#[derive(Debug)]
pub(crate) struct AuditFile {
    name: Arc<FileName>,
    file: File,
    /// What is written, and what somebody is about to write.
    reserved: AtomicU64,
    /// Up to here there is room on the disk.
    room: AtomicU64,
    /// Whether room can be taken ahead.
    takes_room: AtomicBool,
    growing: Mutex<()>,
}

impl AuditFile {
    /// Opens the file for appending, and makes it where there is none. Only its owner may read it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path)?;
        file.lock_shared()?;
        let length = file.metadata()?.len();
        Ok(Self {
            name: Arc::new(FileName::new(path)),
            file,
            reserved: AtomicU64::new(length),
            room: AtomicU64::new(length),
            takes_room: AtomicBool::new(true),
            growing: Mutex::new(()),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.name.path()
    }

    /// What it is called, also after it was closed.
    pub(crate) const fn name(&self) -> &Arc<FileName> {
        &self.name
    }

    /// Takes back half a line that a crash has left behind the byte `end`, where nobody else is writing. Returns how much that was.
    pub(crate) fn cut(&self, end: u64) -> io::Result<u64> {
        let torn = self.length()?.saturating_sub(end);
        if torn == 0 || self.file.try_lock().is_err() {
            // Whoever else has the file open may be about to write the rest.
            self.file.lock_shared()?;
            return Ok(0);
        }
        self.file.set_len(end)?;
        self.file.sync_all()?;
        self.file.lock_shared()?;
        self.reserved.store(end, Ordering::Relaxed);
        self.room.store(end, Ordering::Relaxed);
        Ok(torn)
    }

    pub(crate) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// The file, to be read.
    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

    /// Whether somebody has deleted it: what is appended then is lost.
    pub(crate) fn is_gone(&self) -> bool {
        self.file.metadata().map_or(true, |about| about.nlink() == 0)
    }

    /// Whether the path leads to another file by now.
    pub(crate) fn is_elsewhere(&self) -> bool {
        !self.is_at(self.path())
    }

    /// Whether `path` leads to it.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let place = |about: std::fs::Metadata| (about.dev(), about.ino());
        match (std::fs::metadata(path), self.file.metadata()) {
            (Ok(there), Ok(here)) => place(there) == place(here),
            _ => false,
        }
    }

    /// Whether no other process has it open, and so nobody but this one can append to it.
    pub(crate) fn is_ours_alone(&self) -> io::Result<bool> {
        let alone = self.file.try_lock().is_ok();
        self.file.lock_shared()?;
        Ok(alone)
    }

    /// Appends whole lines: all of them or none.
    pub(crate) fn append(&self, lines: &[u8]) -> io::Result<()> {
        if self.is_gone() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file was deleted"));
        }
        let length = lines.len() as u64;
        let end = self.reserved.fetch_add(length, Ordering::Relaxed) + length;
        let written = self.write(lines, end);
        if written.is_err() {
            self.reserved.fetch_sub(length, Ordering::Relaxed);
        }
        written
    }

    fn write(&self, lines: &[u8], end: u64) -> io::Result<()> {
        if end > self.room.load(Ordering::Acquire) && self.takes_room.load(Ordering::Relaxed) {
            self.take_room(end)?;
        }
        if self.takes_room.load(Ordering::Relaxed) {
            // There is room for all of it: the kernel takes it as a whole, behind whatever others append at the same time.
            (&self.file).write_all(lines)
        } else {
            self.write_alone(lines)
        }
    }

    /// Takes room up to `end` and some more.
    fn take_room(&self, end: u64) -> io::Result<()> {
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.room.load(Ordering::Acquire);
        if end <= room {
            return Ok(());
        }
        // Others may have appended who are no writers of this process.
        let from = room.max(self.length()?);
        let more = end.saturating_sub(room).div_ceil(PIECE).max(1) * PIECE;
        // The last bit of a disk is still used.
        for more in [more, end.saturating_sub(room) + 64 * 1024] {
            match fallocate(&self.file, FallocateFlags::KEEP_SIZE, from, more) {
                Ok(()) => {
                    self.room.store(room + more, Ordering::Release);
                    return Ok(());
                }
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    self.takes_room.store(false, Ordering::Relaxed);
                    return Ok(());
                }
                Err(Errno::NOSPC | Errno::DQUOT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    /// Takes some room, to see whether there is any.
    pub(crate) fn make_room(&self) -> io::Result<()> {
        if self.takes_room.load(Ordering::Relaxed) {
            return self.take_room(self.room.load(Ordering::Acquire) + 1);
        }
        // Only a write can tell.
        Ok(())
    }

    /// Writes where room cannot be taken ahead: one writer at a time.
    fn write_alone(&self, lines: &[u8]) -> io::Result<()> {
        let _alone = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.length()?;
        let written = (&self.file).write_all(lines);
        if written.is_err() {
            // Half a line is no record.
            self.file.set_len(before)?;
        }
        written
    }

    /// Brings everything that was appended to the disk itself.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Drop for AuditFile {
    fn drop(&mut self) {
        // Gives back the room that was not used, where nobody else appends. What is left over costs some disk and nothing else.
        if self.file.try_lock().is_ok()
            && let Ok(length) = self.length()
        {
            let _ = self.file.set_len(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AuditFile;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn room_that_is_taken_ahead_does_not_show() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let file = AuditFile::open(&path).unwrap();
        file.append(b"one\n").unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(file);
        assert!(std::fs::metadata(&path).unwrap().blocks() * 512 < 1024 * 1024, "unused room is given back");
        let file = AuditFile::open(&path).unwrap();
        file.append(b"three\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn a_deleted_file_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let file = AuditFile::open(&path).unwrap();
        file.append(b"one\n").unwrap();
        std::fs::remove_file(&path).unwrap();
        file.append(b"two\n").unwrap_err();
        assert!(file.is_elsewhere());
    }
}
