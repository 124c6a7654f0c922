//! Caddy in front, as in `examples/behind-caddy`.

use super::World;
use super::nginx::start;
use super::table::some;
use std::process::Command;

#[test]
fn the_same_requests_come_to_the_same_behind_caddy() {
    let world = World::new();
    let caddy = start(&world, &[("behind-caddy/Caddyfile", "Caddyfile")], |folder| {
        let mut command = Command::new("caddy");
        command.args(["run", "--config", "Caddyfile", "--adapter", "caddyfile"]);
        command.env("HOME", folder).stderr(std::process::Stdio::null());
        command
    });
    for case in some() {
        let (_, proxied) = world.through(world.gate.address(), &case);
        let (reply, behind) = world.through(caddy.address, &case);
        assert_eq!(behind, proxied, "{case:?}: {}", reply.text());
    }
}
