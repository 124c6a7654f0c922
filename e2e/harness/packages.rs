//! npm's packages for programs of tests, installed once wherever cargo builds.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder beside the profile's with these files of `from` and the packages that their `package.json` names, of which `package` was added last. Tests that
/// share a folder wait for each other.
pub(crate) fn with_packages(folder: &str, from: &Path, files: &[&str], package: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_haechi")).ancestors().nth(2).unwrap();
    let folder = target.join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    for file in files {
        std::fs::copy(from.join(file), folder.join(file)).unwrap();
    }
    if !folder.join("node_modules").join(package).exists() {
        let mut npm = Command::new("npm");
        let made = npm.args(["install", "--no-audit", "--no-fund"]).current_dir(&folder).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    folder
}
