//! What the files of a trail are called. All stand beside the one that is written to.

use haechi_core::Timestamp;
use std::fs::read_dir;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The name of an open file: where it was opened, and where it is since it was rolled.
#[derive(Debug)]
pub(crate) struct FileName {
    opened: PathBuf,
    rolled: OnceLock<PathBuf>,
}

impl FileName {
    pub(crate) fn new(path: &Path) -> Self {
        Self { opened: path.to_owned(), rolled: OnceLock::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.rolled.get().unwrap_or(&self.opened)
    }

    pub(crate) fn is_now(&self, rolled: PathBuf) {
        // A file is rolled once.
        let _ = self.rolled.set(rolled);
    }

    /// As records have it: without the folder.
    pub(crate) fn in_records(&self) -> String {
        in_records(self.path())
    }
}

/// A file's name without its folder, as records have it.
pub(crate) fn in_records(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What a file is called that was rolled at `at`: `haechi-20261127T130000.123Z.jsonl`.
pub(crate) fn rolled(current: &Path, at: Timestamp) -> PathBuf {
    let at: String = at.rfc3339_millis().to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let (stem, extension) = parts(current);
    current.with_file_name(format!("{stem}-{at}{extension}"))
}

/// The files of a trail in the order of time: those that were rolled, and the one that is written to, where they are there.
///
/// # Errors
/// When the folder cannot be read.
pub fn files_of(current: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = rolled_files(current)?;
    if current.try_exists()? {
        files.push(current.to_owned());
    }
    Ok(files)
}

/// The files that were rolled, the oldest first.
pub(crate) fn rolled_files(current: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in read_dir(folder(current))? {
        let path = entry?.path();
        if rolled_at(current, &path).is_some() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The moment in the name of a file that was rolled: `20261127T130000.123Z`. `None` for every other file.
pub(crate) fn rolled_at<'a>(current: &Path, path: &'a Path) -> Option<&'a str> {
    let (stem, extension) = parts(current);
    let name = path.file_name()?.to_str()?;
    let at = name.strip_prefix(&*stem)?.strip_prefix('-')?.strip_suffix(&*extension)?;
    is_moment(at).then_some(at)
}

/// Whether a name is one that rolled files have, whatever the trail is called.
pub(crate) fn is_of_rolled_file(name: &str) -> bool {
    let behind = name.rsplit_once('-').map_or("", |(_, behind)| behind);
    behind.get(..MOMENT.len()).is_some_and(is_moment)
}

const MOMENT: &[u8] = b"00000000T000000.000Z";

fn is_moment(at: &str) -> bool {
    let like = |(byte, like): (u8, u8)| if like == b'0' { byte.is_ascii_digit() } else { byte == like };
    at.len() == MOMENT.len() && at.bytes().zip(MOMENT.iter().copied()).all(like)
}

fn parts(current: &Path) -> (String, String) {
    let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let extension = current.extension().map(|_| format!(".{}", text(current.extension())));
    (text(current.file_stem()), extension.unwrap_or_default())
}

pub(crate) fn folder(current: &Path) -> &Path {
    current.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where the key that signs checkpoints is, unless another place is configured: `haechi.key`.
pub fn key_of(current: &Path) -> PathBuf {
    beside(current, "key")
}

/// Where the keys of subjects are: `haechi.subjects`.
pub fn subjects_of(current: &Path) -> PathBuf {
    beside(current, "subjects")
}

/// Where the configurations are that were in force: `haechi.configs`.
pub(crate) fn configs_of(current: &Path) -> PathBuf {
    beside(current, "configs")
}

/// Beside the file, with its stem. A file that is called `audit.key` does not meet its own key.
fn beside(current: &Path, extension: &str) -> PathBuf {
    let (stem, own) = parts(current);
    let name = if own.strip_prefix('.') == Some(extension) { format!("{stem}{own}") } else { stem };
    current.with_file_name(format!("{name}.{extension}"))
}

#[cfg(test)]
mod tests {
    use super::{files_of, key_of, rolled, rolled_at};
    use haechi_core::Timestamp;
    use std::path::Path;

    #[test]
    fn rolled_files_are_told_from_others_and_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let current = folder.path().join("haechi.jsonl");
        let (first, second) =
            (Timestamp::from_seconds(1_700_000_000), Timestamp::from_seconds(1_800_000_000));
        let files = [rolled(&current, second), rolled(&current, first), current.clone()];
        for file in &files {
            std::fs::write(file, "").unwrap();
        }
        for other in ["haechi-.jsonl", "haechi-2.jsonl", "other-20231114T221320.000Z.jsonl", "haechi.key"] {
            std::fs::write(folder.path().join(other), "").unwrap();
        }
        assert_eq!(rolled_at(&current, &files[1]), Some("20231114T221320.000Z"));
        assert_eq!(files_of(&current).unwrap(), [&files[1], &files[0], &files[2]].map(Clone::clone));
    }

    #[test]
    fn no_two_files_share_a_name() {
        assert_eq!(key_of(Path::new("a/trail")), Path::new("a/trail.key"));
        assert_eq!(key_of(Path::new("a/trail.key")), Path::new("a/trail.key.key"));
    }
}
