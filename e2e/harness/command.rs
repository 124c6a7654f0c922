//! `haechi` as a command that ends.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The same, having exited with 0.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }
}

/// The built binary, in `folder`, without the environment's settings.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haechi"));
    command.current_dir(folder).env_remove("HAECHI_CONFIG").env_remove("RUST_LOG").env("NO_COLOR", "1");
    command.env_remove("NOTIFY_SOCKET").env_remove("LISTEN_FDS");
    command
}

/// Runs `haechi` in `folder` to its end, with nothing on its input.
pub(crate) fn haechi(folder: &Path, arguments: &[&str]) -> Finished {
    haechi_with_input(folder, arguments, "")
}

/// Runs `haechi` in `folder` to its end, with `input` on its input.
pub(crate) fn haechi_with_input(folder: &Path, arguments: &[&str], input: &str) -> Finished {
    haechi_with(folder, &[], arguments, input)
}

/// The same, with variables in its environment.
pub(crate) fn haechi_with(
    folder: &Path,
    environment: &[(&str, &str)],
    arguments: &[&str],
    input: &str,
) -> Finished {
    let mut child = program(folder)
        .envs(environment.iter().copied())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input has closed the pipe, which is no fault.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
