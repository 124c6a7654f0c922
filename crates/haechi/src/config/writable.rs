//! Files that decide who passes, and that others than their owner may write.

use super::report::Fault;
use std::collections::BTreeSet;
use std::fs::{Metadata, metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Warns of each of these files that others may write, and of each folder in which others may put another file in its place. What is not there
/// is passed over.
pub(super) fn warnings<'a>(files: impl Iterator<Item = &'a Path>) -> Vec<Fault> {
    // The group that this process runs as may write what the process may write.
    let own_group = metadata("/proc/self").ok().map(|about| about.gid());
    let mut folders = BTreeSet::new();
    let mut found = Vec::new();
    for file in files {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        folders.insert(folder.unwrap_or(Path::new(".")));
        if let Some(who) = metadata(file).ok().and_then(|about| writers(&about, own_group)) {
            found.push(warning(file, who));
        }
    }
    let open = |folder: &&Path| {
        let about = metadata(folder).ok().filter(|about| about.mode() & STICKY == 0);
        // What Kubernetes mounts looks so, and is read-only.
        about.is_some_and(|about| about.mode() & OTHERS_WRITE != 0) && !folder.join("..data").exists()
    };
    found.extend(folders.into_iter().filter(open).map(|folder| warning(folder, Writers::Everybody)));
    found
}

#[derive(Clone, Copy)]
enum Writers {
    Everybody,
    /// With this number.
    Group(u32),
}

fn writers(about: &Metadata, own_group: Option<u32>) -> Option<Writers> {
    let (mode, group) = (about.mode(), about.gid());
    // A user's own group has the user's number, and nobody else in it.
    let is_private = group == about.uid() || group == 0 || Some(group) == own_group;
    if mode & OTHERS_WRITE != 0 {
        Some(Writers::Everybody)
    } else {
        (mode & GROUP_WRITES != 0 && !is_private).then_some(Writers::Group(group))
    }
}

fn warning(path: &Path, who: Writers) -> Fault {
    let shown = path.display();
    let (who, taken) = match who {
        Writers::Everybody => ("everybody on this machine".to_owned(), "o-w"),
        Writers::Group(number) => (format!("the group {number}"), "g-w"),
    };
    let fault = Fault::of_file(format!("`{shown}` can be written by {who}, who thereby decide who passes"));
    fault.help(format!("take the permission away: `chmod {taken} {shown}`"))
}

#[cfg(test)]
mod tests {
    use super::warnings;
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn chmod(path: &Path, mode: u32) {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn told(files: &[&Path]) -> Vec<String> {
        warnings(files.iter().copied()).into_iter().map(|fault| fault.message).collect()
    }

    #[test]
    fn files_that_others_may_write_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let (users, key) = (folder.path().join("users"), folder.path().join("site.key"));
        let missing = folder.path().join("missing");
        for file in [&users, &key] {
            write(file, "").unwrap();
            chmod(file, 0o600);
        }
        let all = [&*users, &*key, &*missing];
        assert_eq!(told(&all), [""; 0]);
        for mode in [0o666, 0o602, 0o646] {
            chmod(&users, mode);
            let found = told(&all);
            assert!(found.len() == 1 && found[0].contains("users` can be written by everybody"), "{found:?}");
        }
        chmod(&users, 0o664);
        assert_eq!(told(&all), [""; 0], "a group of the user alone");
    }

    #[test]
    fn so_are_folders_in_which_others_may_put_another_file_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("haechi.yaml");
        write(&file, "").unwrap();
        chmod(&file, 0o600);
        chmod(folder.path(), 0o777);
        assert_eq!(told(&[&file, &folder.path().join("*.cedar")]).len(), 1);
        chmod(folder.path(), 0o1777);
        assert_eq!(told(&[&file]), [""; 0], "nobody may replace what is somebody else's");
        chmod(folder.path(), 0o777);
        std::fs::create_dir(folder.path().join("..data")).unwrap();
        assert_eq!(told(&[&file]), [""; 0], "as Kubernetes mounts it");
    }
}
