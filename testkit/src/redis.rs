//! A real Redis of a test's own, which may be stopped, killed, filled and made read-only.

use crate::{PATIENCE, eventually};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A server that keeps nothing on the disk. Dropped, it is killed.
#[derive(Debug)]
pub struct RedisServer {
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts an empty server, with these settings besides ours (`--NAME VALUE`).
    #[must_use]
    pub fn start(settings: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("haechi-redis-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let port = crate::port::unused_port();
        let mut server = Self { folder, port, child: None };
        server.start_again(settings);
        server
    }

    /// Its address for the `shared_state` setting.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its folder, in which a socket may lie.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Runs a command as another client, and returns what it says as `redis-cli` shows it.
    #[track_caller]
    pub fn command(&self, words: &[&str]) -> String {
        let mut client = Command::new("redis-cli");
        client.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]).args(words);
        let output = client.output().expect("redis-cli is installed (scripts/test sees to it)");
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Kills the server at once, as a crash does. What it knew is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it on the same port, empty, with these settings.
    #[track_caller]
    pub fn start_again(&mut self, settings: &[&str]) {
        self.kill();
        let mut server = Command::new("redis-server");
        server.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", "", "--dir"]);
        server.arg(&self.folder).args(settings).process_group(0);
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(server.spawn().expect("redis-server is installed (scripts/test sees to it)"));
        let port = self.port;
        eventually(PATIENCE, || answers(port).then_some(()));
    }

    /// Stops it where it stands: connections stay open and nobody answers.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Makes it a replica of nobody that is there: it answers what is read, and refuses to write.
    pub fn make_read_only(&self) {
        self.command(&["REPLICAOF", "127.0.0.1", "1"]);
    }

    /// Lets it write again.
    pub fn make_writable(&self) {
        self.command(&["REPLICAOF", "NO", "ONE"]);
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("the server runs");
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether anything is said to a greeting, be it that a password is wanted.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.write_all(b"PING\r\n");
    let mut first = [0];
    stream.read_exact(&mut first).is_ok() && (first == *b"+" || first == *b"-")
}
