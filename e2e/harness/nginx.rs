//! nginx, as a backend and as a client.

use super::{Folder, PATIENCE, eventually};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running nginx; stopped when dropped.
pub(crate) struct Nginx {
    child: Child,
    address: SocketAddr,
    folder: Folder,
}

impl Nginx {
    /// Starts in `folder` with one server, whose directives may name files in it. `LISTEN` in them stands for its address.
    #[track_caller]
    pub(crate) fn start(folder: Folder, server: &str) -> Self {
        // The port is free until somebody else takes it; nginx cannot say which one it got.
        let address = haechi_testkit::port::unused_address();
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .concat();
        folder.write(
            "nginx.conf",
            &format!(
                "daemon off; master_process off; pid nginx.pid; error_log error.log;\nevents {{}}\nhttp {{ access_log access.log;\n{paths}server {{ {} }} }}\n",
                server.replace("LISTEN", &address.to_string())
            ),
        );
        let mut child = Command::new(program())
            .args(["-e", "error.log", "-c", "nginx.conf", "-p"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx is installed (scripts/test sees to it)");
        eventually(PATIENCE, || {
            let ended = child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "{}",
                std::fs::read_to_string(folder.file("error.log")).unwrap_or_default()
            );
            TcpStream::connect(address).is_ok().then_some(())
        });
        Self { child, address, folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// One line for each request that reached it.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.file("access.log")).unwrap();
        log.lines().map(str::to_owned).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Debian keeps it where only root looks.
fn program() -> &'static str {
    let debian = "/usr/sbin/nginx";
    if Path::new(debian).exists() { debian } else { "nginx" }
}
