//! Faults of the operating system, put into a running process by strace.

use super::{PATIENCE, eventually};
use std::process::{Child, Command, Stdio};

/// Puts faults into system calls of a process, until it is dropped.
pub(crate) struct Strace(Child);

impl Strace {
    /// With options of strace(1), such as `-e inject=…`.
    #[track_caller]
    pub(crate) fn attach(process: u32, options: &[&str]) -> Self {
        let id = process.to_string();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-q", "-o", "/dev/null", "-p", &id]).args(options);
        let attached = Self(strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        eventually(PATIENCE, || threads_are_traced(process).then_some(()));
        attached
    }

    /// The process goes on as before.
    pub(crate) fn end(mut self) {
        drop(Command::new("kill").args(["-s", "INT", &self.0.id().to_string()]).status());
        self.0.wait().unwrap();
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn threads_are_traced(process: u32) -> bool {
    let traced = |entry: std::io::Result<std::fs::DirEntry>| {
        let status = std::fs::read_to_string(entry.unwrap().path().join("status")).unwrap_or_default();
        !status.contains("TracerPid:\t0\n")
    };
    std::fs::read_dir(format!("/proc/{process}/task")).unwrap().all(traced)
}
