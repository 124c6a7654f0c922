//! The requests that other gateways ask with, as they send them.

use super::table::{Case, all};
use super::{Outcome, World, identity};
use crate::harness::{Reply, curl};

/// What the door answers when it is asked about a case in this way.
fn asked(world: &World, case: &Case, path: &str, said: &[String], method: Option<&str>) -> (Reply, Outcome) {
    let host = world.gate.address().to_string();
    let mut fields = vec![format!("Host: {host}"), "X-Forwarded-Proto: http".to_owned()];
    fields.push("X-Forwarded-For: 127.0.0.1".to_owned());
    // The fields of its own that a gateway sets, a client cannot; the client's others come along.
    let set = |field: &&String| {
        let name = field.split(':').next().unwrap().to_lowercase();
        !said.iter().any(|said| said.split(':').next().unwrap().eq_ignore_ascii_case(&name))
    };
    fields.extend(case.fields(world).iter().filter(set).cloned());
    fields.extend(said.iter().cloned());
    let url = format!("http://{}{path}", world.door);
    let mut arguments = vec!["-X", method.unwrap_or("GET")];
    for field in &fields {
        arguments.extend(["-H", field]);
    }
    arguments.push(&url);
    let reply = curl(&arguments);
    let identity = (reply.status == 200).then(|| identity(&reply.head.fields));
    let status = reply.status;
    (reply, Outcome { status, identity })
}

fn traefik(world: &World, case: &Case) -> (Reply, Outcome) {
    let said = [
        format!("X-Forwarded-Method: {}", case.method),
        format!("X-Forwarded-Uri: {}", case.target),
        format!("X-Forwarded-Host: {}", world.gate.address()),
    ];
    asked(world, case, "/forward_auth", &said, None)
}

fn nginx(world: &World, case: &Case) -> (Reply, Outcome) {
    let said = [format!("X-Original-Method: {}", case.method), format!("X-Original-URI: {}", case.target)];
    asked(world, case, "/auth_request", &said, None)
}

fn ingress(world: &World, case: &Case) -> (Reply, Outcome) {
    let url = format!("X-Original-URL: http://{}{}", world.gate.address(), case.target);
    let said = [format!("X-Original-Method: {}", case.method), url, "Host: haechi.internal".to_owned()];
    asked(world, case, "/auth_request", &said, None)
}

fn envoy(world: &World, case: &Case) -> (Reply, Outcome) {
    asked(world, case, &format!("/ext_authz{}", case.target), &[], Some(case.method))
}

/// What the client would have been told, of an answer in the form for who asks.
fn told(reply: &Reply) -> u16 {
    reply.field("x-auth-status").map_or(reply.status, |status| status.parse().unwrap())
}

#[test]
fn the_same_requests_come_to_the_same_through_the_proxy_and_through_each_door() {
    let world = World::new();
    let (mut allowed, mut refused) = (0, 0);
    for case in all() {
        let (_, proxied) = world.through(world.gate.address(), &case);
        for (name, ask) in [
            ("traefik", traefik as fn(&World, &Case) -> (Reply, Outcome)),
            ("nginx", nginx),
            ("ingress", ingress),
            ("envoy", envoy),
        ] {
            let (reply, outcome) = ask(&world, &case);
            assert_eq!(outcome.identity, proxied.identity, "{name}: {case:?}");
            assert_eq!(told(&reply), proxied.status, "{name}: {case:?}");
            match name {
                "traefik" => assert_eq!(outcome.status, proxied.status, "{case:?}"),
                "envoy" => assert_eq!(outcome.status, proxied.status, "{case:?}"),
                _ => assert!(matches!(outcome.status, 200 | 401 | 403), "{case:?}: {outcome:?}"),
            }
        }
        if proxied.identity.is_some() { allowed += 1 } else { refused += 1 }
    }
    assert!(allowed > 40 && refused > 100, "{allowed} allowed, {refused} refused");
    let before = world.reached().len();
    traefik(&world, &Case { method: "GET", target: "/public/a", key: None, more: &[] });
    assert_eq!(world.reached().len(), before, "nothing is forwarded");
}
