//! Python with PyJWT, in the environment that `scripts/test` makes.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a script with these arguments and returns what it printed.
#[track_caller]
pub(crate) fn python(script: &str, arguments: &[&str]) -> String {
    let interpreter = interpreter();
    let output =
        Command::new(&interpreter).args(["-c", script]).args(arguments).output().unwrap_or_else(|fault| {
            panic!("`{}`: {fault}; run `scripts/test` once, it makes it", interpreter.display())
        });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// Beside the profile's folder, wherever cargo builds.
fn interpreter() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_haechi")).ancestors().nth(2).unwrap();
    target.join("e2e-python/bin/python")
}
