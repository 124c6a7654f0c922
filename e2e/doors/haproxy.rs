//! HAProxy in front, as in `examples/behind-haproxy`.

use super::World;
use super::nginx::start;
use super::table::some;
use std::process::Command;

#[test]
fn the_same_requests_come_to_the_same_behind_haproxy() {
    let world = World::new();
    let files = [("behind-haproxy/haproxy.cfg", "haproxy.cfg"), ("behind-haproxy/haechi.lua", "haechi.lua")];
    let haproxy = start(&world, &files, |_| {
        let mut command = Command::new("/usr/sbin/haproxy");
        command.args(["-db", "-f", "haproxy.cfg"]).stderr(std::process::Stdio::null());
        command
    });
    for case in some() {
        let (_, proxied) = world.through(world.gate.address(), &case);
        let (reply, behind) = world.through(haproxy.address, &case);
        assert_eq!(behind, proxied, "{case:?}: {}", reply.text());
    }
}
