//! nginx in front, as in `examples/behind-nginx`.

use super::World;
use super::table::some;
use crate::harness::{Folder, PATIENCE, eventually};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A gateway in front; stopped when dropped.
pub(super) struct Front {
    child: Child,
    pub(super) address: SocketAddr,
    _folder: Folder,
}

impl Front {
    pub(super) const fn new(child: Child, address: SocketAddr, folder: Folder) -> Self {
        Self { child, address, _folder: folder }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A file of an example, with the addresses of the test.
pub(super) fn example(world: &World, file: &str, front: SocketAddr) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let backend = world.backend.url();
    text.replace("127.0.0.1:9902", &world.door.to_string())
        .replace("127.0.0.1:8000", &front.to_string())
        .replace("127.0.0.1:7001", backend.trim_start_matches("http://"))
}

/// Starts a program in a folder with these files of an example.
pub(super) fn start(world: &World, files: &[(&str, &str)], command: impl Fn(&Path) -> Command) -> Front {
    // The port is free until somebody else takes it.
    let address = haechi_testkit::port::unused_address();
    let folder = Folder::exactly("");
    for (source, name) in files {
        folder.write(name, &example(world, source, address));
    }
    let mut child = command(folder.path())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("it is installed (scripts/test sees to it)");
    eventually(PATIENCE, || {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        TcpStream::connect(address).is_ok().then_some(())
    });
    Front::new(child, address, folder)
}

fn program() -> PathBuf {
    let debian = PathBuf::from("/usr/sbin/nginx");
    if debian.exists() { debian } else { "nginx".into() }
}

#[test]
fn the_same_requests_come_to_the_same_behind_nginx() {
    let world = World::new();
    let nginx = start(&world, &[("behind-nginx/nginx.conf", "nginx.conf")], |folder| {
        let mut command = Command::new(program());
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(folder);
        command
    });
    for case in some() {
        let (_, proxied) = world.through(world.gate.address(), &case);
        // The host is part of the question, and the ports differ.
        let (reply, behind) = world.through(nginx.address, &case);
        assert_eq!(behind, proxied, "{case:?}: {}", reply.text());
    }
}
