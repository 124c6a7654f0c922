//! Zero-downtime upgrade: another process takes over the sockets, and only when it is ready does this one end.

use super::sockets::UPGRADE;
use command_fds::{CommandFdExt, FdMapping};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long the process that follows may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How often its end is looked for meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The first descriptor that is handed over (`sd_listen_fds(3)`).
const FIRST: i32 = 3;
/// What it says when it is ready.
const READY: &[u8] = b"READY=1";

/// How this process was started.
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// Why no other process took over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeFault {
    #[error("cannot hand over the sockets: {0}")]
    Sockets(io::Error),
    #[error("cannot start `{path}`: {error}")]
    Start { path: String, error: io::Error },
    #[error("the new process exited with {0} before it was ready; its output is above")]
    Ended(ExitStatus),
    #[error("the new process was not ready within {READY_WITHIN:?} and was stopped")]
    Late,
    #[error("this process was told to end before the new one was ready, and stopped it")]
    GivenUp,
    #[error("waiting for the new process stopped unexpectedly")]
    Broken,
}

impl Program {
    /// To be asked at the start: later the file may have been replaced, and its old name is then no longer known.
    pub(crate) fn of_this_process() -> Self {
        let mut arguments = std::env::args_os();
        // A path is taken as it was typed, so that a link may lead to another version by now; a bare name was looked up.
        let typed = arguments.next().map(PathBuf::from).filter(|path| path.components().count() > 1);
        let path = typed.or_else(|| std::env::current_exe().ok()).unwrap_or_else(|| "haechi".into());
        Self { path, arguments: arguments.collect() }
    }

    /// Starts the program anew with these sockets, and waits until it is ready, or until `given_up` is set. Returns its process id.
    ///
    /// # Errors
    /// [`UpgradeFault`]; nothing has changed then.
    pub(crate) fn follow(
        &self,
        sockets: Vec<(String, OwnedFd)>,
        given_up: &AtomicBool,
    ) -> Result<u32, UpgradeFault> {
        let (ours, theirs) = UnixDatagram::pair().map_err(UpgradeFault::Sockets)?;
        ours.set_read_timeout(Some(LOOK_EVERY)).map_err(UpgradeFault::Sockets)?;
        let mut child = self.start(sockets, theirs)?;
        let begun = Instant::now();
        while begun.elapsed() < READY_WITHIN {
            let mut said = [0; READY.len()];
            if ours.recv(&mut said).is_ok_and(|length| said.get(..length) == Some(READY)) {
                return Ok(child.id());
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(UpgradeFault::Ended(status));
            }
            if given_up.load(Relaxed) {
                end(&mut child);
                return Err(UpgradeFault::GivenUp);
            }
        }
        end(&mut child);
        Err(UpgradeFault::Late)
    }

    fn start(&self, sockets: Vec<(String, OwnedFd)>, ready: UnixDatagram) -> Result<Child, UpgradeFault> {
        let (mut names, mut handed): (Vec<String>, Vec<OwnedFd>) = sockets.into_iter().unzip();
        names.push(UPGRADE.to_owned());
        handed.push(ready.into());
        let mapping = |(child_fd, parent_fd)| FdMapping { parent_fd, child_fd };
        let mut command = Command::new(&self.path);
        // Without `LISTEN_PID`, which cannot be known before the process is there, the sockets are for whoever is started.
        command.args(&self.arguments).env_remove("LISTEN_PID").env_remove("LISTEN_FDS_FIRST_FD");
        command.env("LISTEN_FDS", handed.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        let mapped = command.fd_mappings((FIRST..).zip(handed).map(mapping).collect());
        mapped.map_err(|fault| UpgradeFault::Sockets(io::Error::other(fault)))?;
        let path = self.path.display().to_string();
        command.spawn().map_err(|error| UpgradeFault::Start { path, error })
    }
}

/// Tells whoever waits that this process takes over.
pub(crate) fn tell_ready(predecessor: &UnixDatagram) {
    if let Err(error) = predecessor.send(READY) {
        tracing::warn!(%error, "cannot tell the previous process that this one is ready");
    }
}

fn end(child: &mut Child) {
    // One that has ended by itself meanwhile is as good.
    let _ = child.kill();
    let _ = child.wait();
}
