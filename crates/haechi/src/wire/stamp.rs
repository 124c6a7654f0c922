//! File change detection, without reading the files.

use crate::config::matching_files;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Each file with what the file system says about it; nothing for one that is not there. Links are followed, so that a link that points
/// elsewhere is a change: Kubernetes replaces a `ConfigMap` so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<(PathBuf, Option<Look>)>);

/// What is seen of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Look {
    /// Device, inode, size, and seconds and nanoseconds of the last change.
    File(u64, u64, u64, i64, i64),
    /// The files that a pattern names. Not its folder as a whole, in which other files may come and go.
    Pattern(Vec<PathBuf>),
}

impl Stamp {
    /// The configuration in `file`, and the files that it names.
    pub(crate) fn of<'a>(file: &'a Path, named: impl IntoIterator<Item = &'a Path>) -> Self {
        let files = std::iter::once(file).chain(named);
        Self(files.map(|file| (file.to_owned(), look(file))).collect())
    }

    /// The same files, as they look now.
    #[must_use]
    pub(crate) fn again(&self) -> Self {
        Self(self.0.iter().map(|(path, _)| (path.clone(), look(path))).collect())
    }

    /// The same files, but what `earlier` knows of them: what changed in between is still to be noticed.
    #[must_use]
    pub(crate) fn or(self, earlier: &Self) -> Self {
        let known =
            |path: &Path| earlier.0.iter().find(|(other, _)| other == path).map(|(_, look)| look.clone());
        Self(self.0.into_iter().map(|(path, look)| (path.clone(), known(&path).unwrap_or(look))).collect())
    }
}

fn look(file: &Path) -> Option<Look> {
    let Ok(about) = std::fs::metadata(file) else {
        let is_pattern = file.file_name()?.to_string_lossy().contains('*');
        return if is_pattern { matching_files(file).ok().map(Look::Pattern) } else { None };
    };
    Some(Look::File(about.dev(), about.ino(), about.size(), about.ctime(), about.ctime_nsec()))
}
