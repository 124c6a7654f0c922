//! Python with PyJWT, in the environment that `scripts/test` makes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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

/// Runs a script that reads this, and returns what it printed.
#[track_caller]
pub(crate) fn python_with_input(script: &str, input: &str) -> String {
    let mut command = Command::new(interpreter());
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// Starts a script with these arguments in the environment with gRPC and Envoy's messages. Its standard output can be read. Whoever starts it ends it.
#[track_caller]
pub(crate) fn grpc_process(script: &str, arguments: &[String]) -> Child {
    let mut command = Command::new(environment("e2e-grpc"));
    command.args(["-c", script]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// Beside the profile's folder, wherever cargo builds.
fn interpreter() -> PathBuf {
    environment("e2e-python")
}

fn environment(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_haechi")).ancestors().nth(2).unwrap();
    target.join(name).join("bin/python")
}
