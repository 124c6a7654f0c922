//! The Unix socket of the admin API: a file that only its owner may open, from the moment it exists.

use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Whoever may open it is an administrator: its owner, and root.
const MODE: u32 = 0o600;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminSocketError {
    #[error("cannot make the socket `{path}`: {error}")]
    Io { path: String, error: io::Error },
    #[error("`{0}` is no socket; remove it, or name another file under `admin.socket`")]
    NoSocket(String),
    #[error("another process answers on `{0}`; stop it, or name another file under `admin.socket`")]
    InUse(String),
}

/// A socket that is listened on, and its file.
pub(super) struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
}

impl AdminSocket {
    /// Takes over the socket that another process has at `path`, if it is one; else makes it. The file of a process that has ended is replaced; one that
    /// somebody answers on is not, and neither is anything that is no socket.
    ///
    /// # Errors
    /// [`AdminSocketError`].
    pub(super) fn open(path: &Path, inherited: Option<UnixListener>) -> Result<Self, AdminSocketError> {
        let shown = || path.display().to_string();
        let io = |error| AdminSocketError::Io { path: shown(), error };
        let folder = path.parent().unwrap_or(Path::new("/"));
        // Two processes that find the same dead file would else remove each other's new one.
        let held = File::open(folder).map_err(io)?;
        held.lock().map_err(io)?;
        let there = found(path).map_err(io)?;
        if let Some(listener) = inherited
            && there == Found::Answered
            && listener.local_addr().is_ok_and(|address| address.as_pathname() == Some(path))
        {
            private(path).map_err(io)?;
            return Ok(Self { listener, path: path.to_owned() });
        }
        match there {
            Found::Nothing => {}
            Found::NoSocket => return Err(AdminSocketError::NoSocket(shown())),
            Found::Answered => return Err(AdminSocketError::InUse(shown())),
            Found::Dead => std::fs::remove_file(path).map_err(io)?,
        }
        Ok(Self { listener: listen(path).map_err(io)?, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }

    /// Its file, to be removed at the end.
    pub(super) fn file(&self) -> io::Result<SocketFile> {
        SocketFile::of(&self.listener, &self.path)
    }
}

/// The file of a socket that nobody will answer on.
pub(super) struct SocketFile {
    path: PathBuf,
    file: FileIdentity,
    /// As long as it is open, no other file has the same inode.
    _listener: UnixListener,
}

impl SocketFile {
    /// The file of `listener`, at `path`.
    pub(super) fn of(listener: &UnixListener, path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: FileIdentity::at(path)?, _listener: listener.try_clone()? })
    }

    /// Removes it, unless another has come to stand in its place.
    pub(super) fn remove(&self) {
        if FileIdentity::at(&self.path).is_ok_and(|found| found == self.file)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket of the admin API");
        }
    }
}

impl FileIdentity {
    fn at(path: &Path) -> io::Result<Self> {
        let about = std::fs::symlink_metadata(path)?;
        Ok(Self { device: about.dev(), inode: about.ino() })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    NoSocket,
    Answered,
    Dead,
}

/// What stands at `path`. A link is no socket, wherever it leads.
fn found(path: &Path) -> io::Result<Found> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
        Ok(about) if !about.file_type().is_socket() => return Ok(Found::NoSocket),
        Ok(_) => {}
    }
    let client = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Whoever has no room for one more is there all the same.
    client.set_nonblocking(true)?;
    match client.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(Found::Answered),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Found::Answered),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Found::Dead),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error),
    }
}

/// On Linux a socket's file has the mode that the socket had when it was bound. Elsewhere the mode is set before anybody can connect.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let socket: OwnedFd = socket.into();
    File::from(socket.try_clone()?).set_permissions(Permissions::from_mode(MODE))?;
    let socket = Socket::from(socket);
    socket.bind(&SockAddr::unix(path)?)?;
    private(path)?;
    socket.listen(BACKLOG)?;
    Ok(UnixListener::from(OwnedFd::from(socket)))
}

/// Sees to it that nobody else may open it, whoever made it.
fn private(path: &Path) -> io::Result<()> {
    if std::fs::symlink_metadata(path)?.mode() & 0o777 != MODE {
        std::fs::set_permissions(path, Permissions::from_mode(MODE))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{AdminSocket, AdminSocketError, MODE, listen};
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn what_stands_there_is_replaced_only_where_nobody_answers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let first = AdminSocket::open(&path, None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, MODE);
        assert!(matches!(AdminSocket::open(&path, None), Err(AdminSocketError::InUse(_))));
        drop(first);
        assert!(UnixStream::connect(&path).is_err());
        let second = AdminSocket::open(&path, None).unwrap();
        UnixStream::connect(&path).unwrap();
        let file = second.file().unwrap();
        std::fs::remove_file(&path).unwrap();
        let third = AdminSocket::open(&path, None).unwrap();
        file.remove();
        assert!(path.exists(), "another stands in its place");
        third.file().unwrap().remove();
        assert!(!path.exists());
    }

    #[test]
    fn nothing_that_is_no_socket_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("admin.sock"), folder.path().join("other.sock"));
        std::fs::write(&path, "kept").unwrap();
        assert!(matches!(AdminSocket::open(&path, None), Err(AdminSocketError::NoSocket(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
        std::fs::remove_file(&path).unwrap();
        drop(UnixListener::bind(&other).unwrap());
        symlink(&other, &path).unwrap();
        assert!(matches!(AdminSocket::open(&path, None), Err(AdminSocketError::NoSocket(_))));
        assert!(other.exists() && path.is_symlink());
    }

    #[test]
    fn a_socket_is_taken_over_with_its_file_and_made_anew_without() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let handed = listen(&path).unwrap();
        let before = std::fs::metadata(&path).unwrap().ino();
        let taken = AdminSocket::open(&path, Some(handed.try_clone().unwrap())).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().ino(), before);
        taken.file().unwrap().remove();
        let _made = AdminSocket::open(&path, Some(handed)).unwrap();
        UnixStream::connect(&path).unwrap();
    }
}
