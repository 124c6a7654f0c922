//! `git:REV`: a configuration as it was at a revision of the git repository that it is in, with all that stands beside it there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What a file's name begins with that stands in a revision.
const PREFIX: &str = "git:";

/// Written `git:REV:FILE`, FILE as it would be written without; or `git:REV`, for the file that a command has anyway.
pub(crate) struct Revision<'a> {
    revision: &'a str,
    file: &'a Path,
}

/// Why a revision cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {why}", name.display())]
pub(crate) struct RevisionError {
    name: PathBuf,
    why: String,
}

/// Files of a revision in a temporary folder, which is removed when this is dropped.
pub(crate) struct Checkout {
    _folder: TempDir,
    /// The file that was named, there.
    pub(crate) file: PathBuf,
}

impl<'a> Revision<'a> {
    /// What `name` means, where it does not name a file; `other` is the file of a name without one.
    pub(crate) fn of(name: &'a Path, other: &'a Path) -> Option<Self> {
        let name = name.to_str()?.strip_prefix(PREFIX)?;
        let (revision, file) = match name.split_once(':') {
            Some((revision, file)) => (revision, Path::new(file)),
            None => (name, other),
        };
        Some(Self { revision, file })
    }

    /// The whole name.
    pub(crate) fn name(&self) -> PathBuf {
        PathBuf::from(format!("{PREFIX}{}:{}", self.revision, self.file.display()))
    }

    /// Writes the files of the revision into a temporary folder. The repository stays as it is: its index and its files are not touched.
    pub(crate) fn check_out(&self) -> Result<Checkout, RevisionError> {
        let beside = self.nearest_folder();
        let below = match beside.to_str() {
            Some(".") => self.file,
            _ => self.file.strip_prefix(beside).map_err(|error| self.fault(error))?,
        };
        let top = PathBuf::from(self.git(beside, &["rev-parse".as_ref(), "--show-toplevel".as_ref()])?);
        let prefix = self.git(beside, &["rev-parse".as_ref(), "--show-prefix".as_ref()])?;
        let tree = format!("{}^{{tree}}", self.revision);
        let tree = self.git(
            &top,
            &["rev-parse".as_ref(), "--verify".as_ref(), "--end-of-options".as_ref(), tree.as_ref()],
        )?;
        let folder = tempfile::Builder::new().prefix("haechi-revision-").tempdir();
        let folder = folder.map_err(|error| self.fault(error))?;
        let (index, files) = (folder.path().join("index"), folder.path().join("files"));
        self.run(&top, &[("GIT_INDEX_FILE", index.as_ref())], &["read-tree".as_ref(), tree.as_ref()])?;
        let mut into = std::ffi::OsString::from("--prefix=");
        into.push(&files);
        into.push("/");
        let all = ["checkout-index".as_ref(), "--all".as_ref(), into.as_ref()];
        self.run(&top, &[("GIT_INDEX_FILE", index.as_ref())], &all)?;
        let file = files.join(prefix).join(below);
        if !file.exists() {
            return Err(self.fault("the file is not there"));
        }
        Ok(Checkout { _folder: folder, file })
    }

    /// A folder on the way to the file, which may have been moved or removed since.
    fn nearest_folder(&self) -> &Path {
        let folders = self.file.ancestors().skip(1);
        folders.into_iter().find(|folder| folder.is_dir()).unwrap_or(Path::new("."))
    }

    fn git(&self, folder: &Path, arguments: &[&OsStr]) -> Result<String, RevisionError> {
        self.run(folder, &[], arguments)
    }

    fn run(
        &self,
        folder: &Path,
        variables: &[(&str, &OsStr)],
        arguments: &[&OsStr],
    ) -> Result<String, RevisionError> {
        let mut git = Command::new("git");
        git.arg("-C").arg(folder).args(arguments).envs(variables.iter().copied()).stdin(Stdio::null());
        let done = git.output().map_err(|error| self.fault(format!("cannot run `git`: {error}")))?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            return Err(self.fault(said.trim().lines().next_back().unwrap_or("git failed")));
        }
        // The line's end is git's own; what stands before it may be any name.
        let said = String::from_utf8(done.stdout).map_err(|_| self.fault("its path is not UTF-8"))?;
        Ok(said.strip_suffix('\n').unwrap_or(&said).to_owned())
    }

    fn fault(&self, why: impl ToString) -> RevisionError {
        RevisionError { name: self.name(), why: why.to_string() }
    }
}
