//! What becomes of the connection.

use crate::support::{Node, check, wait};
use haechi_testkit::RedisServer;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn redis_that_comes_back_empty_is_used_again() {
    let mut server = RedisServer::start(&[]);
    let node = Node::ready(&server.url()).await;
    let limit = check(1, 2, HOUR, 2);
    node.limits.take(vec![limit.clone()]).await.unwrap();
    server.kill();
    node.reaches(false).await;
    let began = Instant::now();
    node.limits.take(vec![limit.clone()]).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_millis(500), "nobody waits for what is not there");
    server.start_again(&[]);
    node.reaches(true).await;
    // The script is gone with the rest, and is loaded again.
    assert_eq!(node.limits.take(vec![limit]).await.unwrap()[0].remaining, 1);
    assert!(node.state.stats().connections >= 2 && node.state.stats().not_asked >= 1);
}

#[tokio::test]
async fn redis_that_forgets_its_scripts_is_told_again() {
    let server = RedisServer::start(&[]);
    let node = Node::ready(&server.url()).await;
    let limit = check(1, 9, HOUR, 9);
    for remaining in [8, 7] {
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(node.limits.take(vec![limit.clone()]).await.unwrap()[0].remaining, remaining);
    }
}

#[tokio::test]
async fn redis_that_stands_still_makes_nobody_wait_for_long() {
    let server = RedisServer::start(&[]);
    let node = Node::at(&server.url());
    node.reaches(true).await;
    server.freeze();
    let began = Instant::now();
    let refused = node.limits.take(vec![check(1, 9, HOUR, 9)]).await;
    assert!(refused.is_err() && began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(!node.limits.is_reachable());
    node.reaches(false).await;
    server.thaw();
    node.reaches(true).await;
}

#[tokio::test]
async fn redis_that_only_reads_or_is_full_is_no_shared_state() {
    let server = RedisServer::start(&[]);
    let node = Node::ready(&server.url()).await;
    server.make_read_only();
    node.reaches(false).await;
    assert!(node.state.fault().unwrap().to_lowercase().contains("read"), "{:?}", node.state.fault());
    server.make_writable();
    node.reaches(true).await;
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    node.reaches(false).await;
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    node.reaches(true).await;
}

#[tokio::test]
async fn redis_that_has_no_connection_left_is_waited_for() {
    let server = RedisServer::start(&["--maxclients", "1"]);
    let first = Node::ready(&server.url()).await;
    let second = Node::at(&server.url());
    wait(|| second.state.fault().is_some_and(|reason| reason != "it was not reached yet")).await;
    let reason = second.state.fault().unwrap();
    // The server says why and closes; what is read first depends on who is faster.
    assert!(reason.contains("did not take the connection"), "{reason}");
    assert!(first.limits.is_reachable());
    drop(first);
    second.reaches(true).await;
}

#[tokio::test]
async fn redis_nodes_that_leave_or_die_do_not_count() {
    let server = RedisServer::start(&[]);
    let (one, other, third) = (
        Node::ready(&server.url()).await,
        Node::ready(&server.url()).await,
        Node::ready(&server.url()).await,
    );
    wait(|| one.limits.nodes().get() == 3).await;
    other.state.leave().await;
    drop(other);
    wait(|| one.limits.nodes().get() == 2).await;
    drop(third);
    let forgotten = server.command(&["ZCARD", "haechi:nodes"]);
    assert_eq!(forgotten, "2", "one that dies counts until it was not heard of for a while");
    // As if that while had passed.
    let nodes = server.command(&["ZRANGE", "haechi:nodes", "0", "-1"]);
    for node in nodes.lines() {
        server.command(&["ZADD", "haechi:nodes", "1", node]);
    }
    wait(|| one.limits.nodes().get() == 1).await;
}

#[tokio::test]
async fn redis_wants_the_right_password_and_other_prefixes_are_others() {
    let server = RedisServer::start(&["--requirepass", "hunter2 @/%"]);
    let wrong = Node::at(&server.url().replace("//", "//:wrong@"));
    wait(|| wrong.state.fault().is_some_and(|reason| reason.contains("assword"))).await;
    assert!(!wrong.state.fault().unwrap().contains("hunter2"));
    let url = server.url().replace("//", "//:hunter2 @/%@");
    let (one, other) = (Node::at(&format!("{url}?prefix=a")), Node::at(&format!("{url}?prefix=b")));
    one.reaches(true).await;
    other.reaches(true).await;
    let limit = check(1, 1, HOUR, 1);
    for node in [&one, &other] {
        assert!(node.limits.take(vec![limit.clone()]).await.unwrap()[0].is_within);
    }
    assert_eq!(one.limits.nodes().get(), 1);
}

#[tokio::test]
async fn redis_by_its_socket() {
    let server = RedisServer::start(&["--unixsocket", "redis.sock"]);
    let node = Node::at(&format!("unix://{}", server.folder().join("redis.sock").display()));
    node.reaches(true).await;
    assert!(node.limits.take(vec![check(1, 1, HOUR, 1)]).await.unwrap()[0].is_within);
}

#[tokio::test]
async fn redis_over_tls_shows_a_certificate_that_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let mut settings = Vec::new();
    let mut authorities = Vec::new();
    for name in ["known", "other"] {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        authorities.push(write(&format!("{name}.pem"), &made.cert.pem()));
        settings.push(write(&format!("{name}.key"), &made.signing_key.serialize_pem()));
    }
    let plain = RedisServer::start(&[]);
    let port = haechi_testkit::port::unused_port();
    let server = RedisServer::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &authorities[0],
        "--tls-key-file",
        &settings[0],
        "--tls-auth-clients",
        "no",
        "--tls-ca-cert-file",
        &authorities[0],
    ]);
    let at = |host: &str, authority: &str| {
        Node::at(&format!("rediss://{host}:{port}?sslrootcert={authority}&timeout=2s"))
    };
    let node = at("localhost", &authorities[0]);
    node.reaches(true).await;
    assert!(node.limits.take(vec![check(1, 1, HOUR, 1)]).await.unwrap()[0].is_within);
    for wrong in [at("localhost", &authorities[1]), at("127.0.0.1", &authorities[0])] {
        wait(|| wrong.state.fault().is_some_and(|reason| reason.contains("certificate"))).await;
    }
    // TLS to a port that speaks none comes to nothing.
    let deaf = Node::at(&format!("rediss://localhost:{}?sslrootcert={}", plain.port(), authorities[0]));
    wait(|| deaf.state.fault().is_some_and(|reason| reason != "it was not reached yet")).await;
    assert!(!deaf.limits.is_reachable());
    drop(server);
}
