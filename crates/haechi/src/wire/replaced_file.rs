//! A file that is replaced whole: whoever reads it finds what was there or what is there, and never a part.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

/// Puts `content` in the place of what is in `file`, which keeps its owner and its mode; gives what was there. Links are followed.
///
/// # Errors
/// It is no file, or cannot be replaced. What was there is there still.
pub(super) fn replace(file: &Path, content: &[u8]) -> io::Result<Vec<u8>> {
    let file = file.canonicalize()?;
    let about = fs::metadata(&file)?;
    let folder = file.parent().filter(|_| about.is_file());
    let folder = folder.ok_or_else(|| io::Error::other("it is not a file"))?;
    let before = fs::read(&file)?;
    let mut new = tempfile::Builder::new().prefix(".haechi-").tempfile_in(folder)?;
    new.write_all(content)?;
    let own = new.as_file().metadata()?;
    if (own.uid(), own.gid()) != (about.uid(), about.gid()) {
        fchown(new.as_file(), Some(about.uid()), Some(about.gid()))?;
    }
    new.as_file().set_permissions(Permissions::from_mode(about.mode() & 0o7777))?;
    new.as_file().sync_all()?;
    new.persist(&file).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()?;
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::replace;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    #[test]
    fn a_file_keeps_its_mode_and_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.yaml"), folder.path().join("link.yaml"));
        fs::write(&file, "before").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        assert_eq!(replace(&link, b"after").unwrap(), b"before");
        assert_eq!(fs::read(&file).unwrap(), b"after");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
        assert!(replace(folder.path(), b"x").is_err() && replace(&folder.path().join("none"), b"x").is_err());
    }
}
