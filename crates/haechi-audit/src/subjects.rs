//! Keys of subjects: what the trail has of a person is written under a key of their own. When the key is destroyed, so is what it opens, and the chain
//! still verifies.
//!
//! One file: a header, then tables of slots, each twice as large as the one before. A slot is the tag by which a subject is found, the pseudonym that records have, and the
//! key. Looking up takes a few reads of 64 bytes and no lock: a slot that is only half there is read again by whoever is alone.

use crate::chain::{hash_of_hex, hex};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand::fill;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const MAGIC: &[u8; 16] = b"haechi subjects1";
/// The magic, the key of tags, and room.
const HEADER: u64 = 64;
/// Slots of the first table.
const FIRST: u64 = 4096;
/// No file has more tables: together some ten thousand million subjects.
const TABLES: u32 = 22;
/// A tag, a pseudonym and a key.
const SLOT: usize = 64;
const TAG: usize = 16;

/// A slot whose subject was erased. Probing goes on behind it.
const ERASED: [u8; TAG] = [0xff; TAG];

type Tag = [u8; TAG];
type Slot = [u8; SLOT];

/// The file of keys.
#[derive(Debug)]
pub struct Subjects {
    path: PathBuf,
    file: File,
    /// Makes tags of subjects.
    index: hmac::Key,
    /// Who adds or erases.
    writing: Mutex<()>,
}

/// Why a key cannot be found or made.
#[derive(Debug, thiserror::Error)]
pub enum SubjectsError {
    /// The file cannot be read or written.
    #[error("`{path}`: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// Others may read it.
    #[error("`{0}` may be read by others than its owner: `chmod 600` it")]
    Readable(PathBuf),
    /// It is something else.
    #[error("`{0}` holds no subject keys")]
    Foreign(PathBuf),
    /// The system gives no randomness.
    #[error("cannot make a key: the system gives no randomness")]
    NoRandomness,
}

/// A subject's key, and the pseudonym that records have of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SubjectKey {
    pseudonym: String,
    key: [u8; 32],
}

/// Where a subject may stand.
enum Place {
    /// It stands there.
    At(u64, SubjectKey),
    /// It stands there, and somebody is just writing it. Never seen by whoever is alone.
    Unfinished,
    /// It does not. A new one would stand there.
    Free(u64),
}

impl Subjects {
    /// Opens the file; makes it where there is none.
    ///
    /// # Errors
    /// [`SubjectsError`].
    pub fn open(path: &Path) -> Result<Self, SubjectsError> {
        let failed = |error| SubjectsError::File { path: path.to_owned(), error };
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.map_err(failed)?;
        file.lock().map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if about.permissions().mode() & 0o077 != 0 {
            return Err(SubjectsError::Readable(path.to_owned()));
        }
        if about.len() == 0 {
            let mut header = [0; HEADER as usize];
            let (magic, rest) = header.split_at_mut(MAGIC.len());
            magic.copy_from_slice(MAGIC);
            fill(rest).map_err(|_| SubjectsError::NoRandomness)?;
            file.write_all_at(&header, 0).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        let mut header = [0; HEADER as usize];
        let read = file.read_exact_at(&mut header, 0);
        file.unlock().map_err(failed)?;
        read.map_err(|_| SubjectsError::Foreign(path.to_owned()))?;
        let secret = header.strip_prefix(MAGIC).ok_or_else(|| SubjectsError::Foreign(path.to_owned()))?;
        let index = hmac::Key::new(HMAC_SHA256, secret);
        Ok(Self { path: path.to_owned(), file, index, writing: Mutex::new(()) })
    }

    /// The key of a subject; makes one where there is none.
    ///
    /// # Errors
    /// [`SubjectsError`].
    pub fn find_or_make(&self, issuer: &str, subject: &str) -> Result<SubjectKey, SubjectsError> {
        let tag = self.tag(issuer, subject);
        if let Place::At(_, key) = self.look_up(&tag)? {
            return Ok(key);
        }
        self.alone(|| match self.look_up(&tag)? {
            Place::At(_, key) => Ok(key),
            Place::Unfinished => Err(self.damaged()),
            Place::Free(at) => {
                let mut slot: Slot = [0; SLOT];
                let (to, secrets) = slot.split_at_mut(TAG);
                to.copy_from_slice(&tag);
                fill(secrets).map_err(|_| SubjectsError::NoRandomness)?;
                self.file.write_all_at(&slot, at).map_err(|error| self.failed(error))?;
                Ok(key_of(&slot))
            }
        })
    }

    /// The key of a subject, where there is one.
    ///
    /// # Errors
    /// [`SubjectsError`].
    pub fn find(&self, issuer: &str, subject: &str) -> Result<Option<SubjectKey>, SubjectsError> {
        let tag = self.tag(issuer, subject);
        match self.look_up(&tag)? {
            Place::At(_, key) => Ok(Some(key)),
            Place::Free(_) => Ok(None),
            Place::Unfinished => self.alone(|| match self.look_up(&tag)? {
                Place::At(_, key) => Ok(Some(key)),
                Place::Free(_) => Ok(None),
                Place::Unfinished => Err(self.damaged()),
            }),
        }
    }

    /// Destroys the key of a subject. What was written under it cannot be read any more, by anybody; the pseudonym cannot be found any more either. Returns the
    /// pseudonym that it was; `None` where there was no key.
    ///
    /// # Errors
    /// [`SubjectsError`]. The key may or may not be destroyed then: erase it again.
    pub fn erase(&self, issuer: &str, subject: &str) -> Result<Option<String>, SubjectsError> {
        let tag = self.tag(issuer, subject);
        self.alone(|| match self.look_up(&tag)? {
            Place::Free(_) => Ok(None),
            Place::Unfinished => Err(self.damaged()),
            Place::At(at, key) => {
                let mut slot: Slot = [0; SLOT];
                let (to, _) = slot.split_at_mut(TAG);
                to.copy_from_slice(&ERASED);
                let erased = self.file.write_all_at(&slot, at).and_then(|()| self.file.sync_all());
                erased.map_err(|error| self.failed(error))?;
                Ok(Some(key.pseudonym))
            }
        })
    }

    /// All keys by pseudonym, for whoever reads a trail.
    ///
    /// # Errors
    /// [`SubjectsError`].
    pub fn all(&self) -> Result<HashMap<String, SubjectKey>, SubjectsError> {
        let mut all = HashMap::new();
        for (begin, slots) in self.tables()? {
            let mut table = vec![0; slots as usize * SLOT];
            let filled = self.read_at(&mut table, begin)?;
            for slot in table.get(..filled).unwrap_or_default().as_chunks::<SLOT>().0 {
                if !is_free(slot) && !slot.starts_with(&ERASED) {
                    let key = key_of(slot);
                    all.insert(key.pseudonym.clone(), key);
                }
            }
        }
        Ok(all)
    }

    fn tag(&self, issuer: &str, subject: &str) -> Tag {
        let mut context = hmac::Context::with_key(&self.index);
        // The length tells where the issuer ends.
        context.update(&(issuer.len() as u64).to_be_bytes());
        context.update(issuer.as_bytes());
        context.update(subject.as_bytes());
        let mut tag = [0; TAG];
        tag.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        // Neither free nor erased.
        if is_zero(&tag) || tag == ERASED { [1; TAG] } else { tag }
    }

    /// The newest table first: most subjects stand in it, and only there is room.
    fn look_up(&self, tag: &Tag) -> Result<Place, SubjectsError> {
        let tables = self.tables()?;
        let mut free = None;
        for (index, (begin, slots)) in tables.iter().enumerate().rev() {
            match self.probe(tag, *begin, *slots)? {
                found @ (Place::At(..) | Place::Unfinished) => return Ok(found),
                // A chain of places that long means that the table is about full.
                Place::Free(at) if index + 1 == tables.len() => free = Some(at),
                Place::Free(_) => {}
            }
        }
        let behind = tables.last().map_or(HEADER, |(begin, slots)| begin + slots * SLOT as u64);
        Ok(Place::Free(free.unwrap_or(behind + first_place(tag, FIRST << tables.len()) * SLOT as u64)))
    }

    /// Goes from place to place in one table. Where it ends without a free one, nobody can be added here: [`LONGEST`] places are as many as are looked at.
    fn probe(&self, tag: &Tag, begin: u64, slots: u64) -> Result<Place, SubjectsError> {
        /// In a table that is 70 % full, hardly one in a million is longer; whoever would be goes into the next table.
        const LONGEST: u64 = 32;
        let first = first_place(tag, slots);
        for step in 0..LONGEST {
            let at = begin + (first + step) % slots * SLOT as u64;
            let mut slot: Slot = [0; SLOT];
            self.read_at(&mut slot, at)?;
            if slot.starts_with(tag) {
                let whole = slot.as_chunks::<8>().0.iter().all(|eight| !is_zero(eight));
                return Ok(if whole { Place::At(at, key_of(&slot)) } else { Place::Unfinished });
            }
            if is_free(&slot) {
                return Ok(Place::Free(at));
            }
        }
        let behind = begin + slots * SLOT as u64;
        Ok(Place::Free(behind + first_place(tag, 2 * slots) * SLOT as u64))
    }

    /// Where each table begins, and how many slots it has. A table is there as soon as something stands in it.
    fn tables(&self) -> Result<Vec<(u64, u64)>, SubjectsError> {
        let length = self.file.metadata().map_err(|error| self.failed(error))?.len();
        let mut tables = vec![(HEADER, FIRST)];
        let mut behind = HEADER + FIRST * SLOT as u64;
        for index in 1..TABLES {
            if length <= behind {
                break;
            }
            let slots = FIRST << index;
            tables.push((behind, slots));
            behind += slots * SLOT as u64;
        }
        Ok(tables)
    }

    /// What is behind the end of the file is free.
    fn read_at(&self, into: &mut [u8], at: u64) -> Result<usize, SubjectsError> {
        let mut filled = 0;
        while let Some(room) = into.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.file.read_at(room, at + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(filled)
    }

    /// Neither another thread nor another process writes meanwhile.
    fn alone<T>(&self, work: impl FnOnce() -> Result<T, SubjectsError>) -> Result<T, SubjectsError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.file.lock().map_err(|error| self.failed(error))?;
        let done = work();
        self.file.unlock().map_err(|error| self.failed(error))?;
        done
    }

    fn damaged(&self) -> SubjectsError {
        self.failed(io::Error::new(ErrorKind::InvalidData, "a key in it is damaged"))
    }

    fn failed(&self, error: io::Error) -> SubjectsError {
        SubjectsError::File { path: self.path.clone(), error }
    }
}

fn first_place(tag: &Tag, slots: u64) -> u64 {
    let (first, _) = tag.as_chunks::<8>();
    first.first().map_or(0, |bytes| u64::from_le_bytes(*bytes)) % slots
}

fn is_free(slot: &[u8]) -> bool {
    slot.get(..TAG).is_none_or(is_zero)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn key_of(slot: &Slot) -> SubjectKey {
    let part = |from: usize, to: usize| slot.get(from..to).unwrap_or_default();
    let mut key = [0; 32];
    key.iter_mut().zip(part(2 * TAG, SLOT)).for_each(|(to, from)| *to = *from);
    let mut padded = [0; 32];
    padded.iter_mut().zip(part(TAG, 2 * TAG)).for_each(|(to, from)| *to = *from);
    SubjectKey { pseudonym: hex(&padded).chars().take(2 * TAG).collect(), key }
}

impl SubjectKey {
    /// What records have in the subject's place: 32 hex digits that say nothing.
    pub fn pseudonym(&self) -> &str {
        &self.pseudonym
    }

    /// `plain` under the key (AES-256-GCM; a nonce of 96 random bits, then the text), as base64url without padding. It is bound to the pseudonym.
    ///
    /// # Errors
    /// [`SubjectsError::NoRandomness`].
    pub fn seal(&self, plain: &[u8]) -> Result<String, SubjectsError> {
        self.sealed(plain).ok_or(SubjectsError::NoRandomness)
    }

    fn sealed(&self, plain: &[u8]) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce).ok()?;
        let mut out = plain.to_vec();
        let aad = Aad::from(self.pseudonym.as_bytes());
        self.cipher()?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut out).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &out].concat()))
    }

    /// What was sealed under this key; `None` for anything else.
    pub fn open(&self, sealed: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let aad = Aad::from(self.pseudonym.as_bytes());
        let plain =
            self.cipher()?.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut text).ok()?;
        Some(plain.to_vec())
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.key).ok().map(LessSafeKey::new)
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectKey").field("pseudonym", &self.pseudonym).finish_non_exhaustive()
    }
}

/// Whether a text could be a pseudonym.
pub fn is_pseudonym(text: &str) -> bool {
    text.len() == 2 * TAG && hash_of_hex(format!("{text}{text}").as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::{FIRST, Subjects, SubjectsError, is_pseudonym};
    use std::collections::HashSet;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    #[test]
    fn a_subject_has_one_key_which_opens_what_it_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haechi.subjects");
        let subjects = Subjects::open(&path).unwrap();
        let mina = subjects.find_or_make("idp", "mina").unwrap();
        assert!(is_pseudonym(mina.pseudonym()), "{mina:?}");
        let sealed = mina.seal(b"hello").unwrap();
        assert_ne!(sealed, mina.seal(b"hello").unwrap(), "each has a nonce of its own");
        let again = Subjects::open(&path).unwrap().find("idp", "mina").unwrap().unwrap();
        assert_eq!(again.open(&sealed).unwrap(), b"hello");
        let others = [("idpm", "ina"), ("idp", "Mina"), ("", "idpmina")];
        for (issuer, subject) in others {
            let other = subjects.find_or_make(issuer, subject).unwrap();
            assert_ne!(other.pseudonym(), mina.pseudonym());
            assert_eq!(other.open(&sealed), None);
        }
        assert_eq!(subjects.all().unwrap().len(), 4);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read(&path).unwrap();
        assert!(!text.windows(4).any(|window| window == b"mina"), "nobody is named");
    }

    #[test]
    fn what_was_erased_is_gone_and_a_new_key_opens_none_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haechi.subjects");
        let (subjects, command) = (Subjects::open(&path).unwrap(), Subjects::open(&path).unwrap());
        let before = subjects.find_or_make("idp", "mina").unwrap();
        let sealed = before.seal(b"hello").unwrap();
        assert_eq!(command.erase("idp", "mina").unwrap().as_deref(), Some(before.pseudonym()));
        assert_eq!(command.erase("idp", "mina").unwrap(), None);
        assert_eq!(subjects.find("idp", "mina").unwrap(), None);
        let after = subjects.find_or_make("idp", "mina").unwrap();
        assert_ne!(after.pseudonym(), before.pseudonym());
        assert_eq!(after.open(&sealed), None);
        let file = std::fs::read(&path).unwrap();
        assert!(!file.windows(32).any(|window| window == before.key), "the key is not in the file");
    }

    #[test]
    fn as_many_as_come_find_room_and_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haechi.subjects");
        let subjects = Arc::new(Subjects::open(&path).unwrap());
        let count = 10 * FIRST;
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                // Half of them through a file of its own, as another process has it.
                let subjects =
                    if thread % 2 == 0 { subjects.clone() } else { Arc::new(Subjects::open(&path).unwrap()) };
                std::thread::spawn(move || {
                    for n in 0..count / 2 {
                        subjects.find_or_make("idp", &(n + count / 2 * (thread / 2)).to_string()).unwrap();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let keys: HashSet<_> =
            (0..count).map(|n| subjects.find("idp", &n.to_string()).unwrap().unwrap().pseudonym).collect();
        assert_eq!(keys.len() as u64, count);
        assert_eq!(subjects.all().unwrap().len() as u64, count, "nobody has two");
    }

    #[test]
    fn another_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haechi.subjects");
        std::fs::write(&path, "not mine").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(Subjects::open(&path), Err(SubjectsError::Foreign(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Subjects::open(&path), Err(SubjectsError::Readable(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "not mine");
    }
}
