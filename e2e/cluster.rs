//! Two gates on one PostgreSQL and one Redis, and what each part may do to them (docs/clusters.md).

use crate::harness::{Folder, Gate, PASSWORD, PATIENCE, Reply, curl, eventually, haechi, routes_to};
use haechi_testkit::load::{Load, Steady};
use haechi_testkit::port::unused_port;
use haechi_testkit::{Backend, PostgresServer, RedisServer, execute_in_postgres, postgres_database};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a node promises about a change on another.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);

fn folder(backend: &Backend, steady: &str, store: &str, redis: &RedisServer) -> Folder {
    let routes = routes_to(backend, &[("/**", "[local]", "any"), ("/partner/**", "[partner]", "any")]);
    let routes =
        routes.replace("services: {", &format!("services: {{ steady: {{ endpoints: [\"{steady}\"] }},"));
    Folder::new(&format!(
        "store: \"{store}\"
shared_state: \"{}?timeout=1s\"
identity: {{ issuer: http://localhost:8080, path: /auth, lockout: {{ failures: 4, for: 15m }}, login: {{ per_address: {{ requests: 10000, per: 1m }}, per_account: {{ requests: 10000, per: 1m }} }} }}
authenticators:
  local: {{ type: jwt, issuer: self }}
  partner: {{ type: api_key }}
roles: {{ USER: {{}} }}
{routes}  - {{ name: steady, match: {{ path: /steady }}, authenticate: anonymous, authorize: any, service: steady }}
  - {{ name: limited, match: {{ path: /limited }}, authenticate: anonymous, authorize: any, service: web, rate_limit: {{ requests: 100, per: 1h, burst: 100, by: client_ip }} }}
  - {{ name: shared, match: {{ path: /shared }}, authenticate: anonymous, authorize: any, service: web, rate_limit: {{ requests: 40, per: 1h, burst: 40, by: route }} }}
  - {{ name: strict, match: {{ path: /strict }}, authenticate: anonymous, authorize: any, service: web, rate_limit: {{ requests: 40, per: 1h, by: route, on_failure: deny }} }}
",
        redis.url()
    ))
}

/// Two gates, and what they share.
struct Cluster {
    gates: [Gate; 2],
    backend: Backend,
    redis: RedisServer,
    store: String,
}

impl Cluster {
    fn on(store: String) -> Self {
        let (backend, steady) = (Backend::saying("reached"), Steady::start());
        let redis = RedisServer::start(&[]);
        let folder = || folder(&backend, &steady.url(), &store, &redis);
        let first = folder();
        first.add_user("alice", &["USER"]);
        let gates = [Gate::start_in(first).ready(), Gate::start_in(folder()).ready()];
        let cluster = Self { gates, backend, redis, store };
        cluster.shares(true);
        cluster
    }

    /// Waits until both gates use the Redis, or neither does.
    #[track_caller]
    fn shares(&self, wanted: bool) {
        for gate in &self.gates {
            eventually(PATIENCE, || {
                let up = gate.metric("haechi_shared_state_up", &[]) > 0.0;
                let nodes = gate.metric("haechi_shared_state_nodes", &[]);
                (up == wanted && (!wanted || nodes >= 2.0)).then_some(())
            });
        }
    }

    #[track_caller]
    fn writes_again(&self) {
        for gate in &self.gates {
            eventually(PATIENCE, || (login(gate).status == 200).then_some(()));
        }
    }

    /// What one has given is good at the other, and what is taken back at the other is refused at both in time.
    #[track_caller]
    fn works_as_one(&self) {
        let [one, other] = &self.gates;
        let (access, _) = tokens(one);
        eventually(PATIENCE, || (status(other, &access) == 200).then_some(()));
        other.curl("/auth/logout", &["-X", "POST", "-H", &format!("Authorization: Bearer {access}")]);
        self.refused_in_time(|gate| status(gate, &access));
    }

    #[track_caller]
    fn refused_in_time(&self, ask: impl Fn(&Gate) -> u16) {
        let began = Instant::now();
        for gate in &self.gates {
            eventually(KNOWN_WITHIN.saturating_sub(began.elapsed()), || (ask(gate) == 401).then_some(()));
            let arrived = self.backend.recorded().len();
            assert_eq!((ask(gate), self.backend.recorded().len()), (401, arrived));
        }
    }
}

fn login(gate: &Gate) -> Reply {
    gate.post_json("/auth/login", &json!({"username": "alice", "password": PASSWORD}))
}

#[track_caller]
fn tokens(gate: &Gate) -> (String, String) {
    let pair: Value = login(gate).expect(200).json();
    let text = |member: &str| pair[member].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

fn status(gate: &Gate, token: &str) -> u16 {
    gate.get_with_token("/x", token).status
}

#[test]
fn redis_and_postgres_make_two_nodes_one() {
    let cluster = Cluster::on(postgres_database());
    let [one, other] = &cluster.gates;
    cluster.works_as_one();
    // A refresh token that was used on one node is a replay on the other, and ends the family on both.
    let (access, refresh) = tokens(one);
    let next = one.post_json("/auth/refresh", &json!({"refresh_token": refresh})).expect(200).json();
    other.post_json("/auth/refresh", &json!({"refresh_token": refresh})).expect(401);
    let next = next["refresh_token"].as_str().unwrap();
    one.post_json("/auth/refresh", &json!({"refresh_token": next})).expect(401);
    cluster.refused_in_time(|gate| status(gate, &access));
    // A key that a command revokes, which knows no node.
    let key = one.folder().create_key(&["--owner", "acme", "--name", "ci"]);
    let ask = |gate: &Gate| gate.get_with("/partner/x", &[&format!("X-API-Key: {key}")]).status;
    assert_eq!([ask(one), ask(other)], [200, 200]);
    let listed = haechi(other.folder().path(), &["key", "list", "--output", "json"]).success().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    haechi(other.folder().path(), &["key", "revoke", listed[0]["id"].as_str().unwrap()]).success();
    cluster.refused_in_time(ask);
    for gate in &cluster.gates {
        let read = |from: &str| {
            gate.metric("haechi_shared_state_changes_read_total", &[&format!("from=\"{from}\"")])
        };
        eventually(PATIENCE, || (read("shared_state") > read("store")).then_some(()));
    }
    let listens =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    assert_eq!(execute_in_postgres(&cluster.store, listens).trim(), "0", "nobody listens at PostgreSQL");
}

/// How many of so many requests to each gate, at once, were let through; the others were refused for the limit.
fn let_through(cluster: &Cluster, path: &str, each: usize) -> usize {
    let count = |gate: &Gate| {
        let statuses: Vec<u16> = (0..each).map(|_| gate.get(path).status).collect();
        assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
        statuses.into_iter().filter(|status| *status == 200).count()
    };
    std::thread::scope(|scope| {
        let running = cluster.gates.each_ref().map(|gate| scope.spawn(move || count(gate)));
        running.map(|one| one.join().unwrap()).into_iter().sum()
    })
}

#[test]
fn redis_makes_a_limit_over_both_one_and_each_has_a_share_without_it() {
    let cluster = Cluster::on(postgres_database());
    let through = let_through(&cluster, "/limited", 75);
    assert!((97..=103).contains(&through), "{through} of 100");
    cluster.gates[0].get("/strict").expect(200);
    cluster.redis.freeze();
    cluster.shares(false);
    // Twenty each, and one more comes every three minutes.
    let through = let_through(&cluster, "/shared", 30);
    assert!((38..=44).contains(&through), "{through} of 40");
    cluster.gates[0].get("/strict").expect(503);
    cluster.redis.thaw();
    cluster.shares(true);
    eventually(PATIENCE, || (cluster.gates[0].get("/strict").status == 200).then_some(()));
}

#[test]
fn redis_counts_wrong_passwords_of_all_nodes() {
    let cluster = Cluster::on(postgres_database());
    let try_from = |gate: &Gate, from: &str, password: &str| {
        let body = json!({ "username": "alice", "password": password }).to_string();
        let json = "Content-Type: application/json";
        gate.curl("/auth/login", &["--interface", from, "--header", json, "--data-binary", &body]).status
    };
    for n in 0..4 {
        assert_eq!(try_from(&cluster.gates[n % 2], "127.0.0.2", "wrong"), 401);
    }
    for gate in &cluster.gates {
        assert_eq!(try_from(gate, "127.0.0.2", PASSWORD), 401, "locked there as well");
        assert_eq!(try_from(gate, "127.0.0.3", PASSWORD), 200, "nobody else is");
        assert_eq!(gate.metric("haechi_authn_passwords_unhashed_total", &[]), 1.0);
    }
}

#[test]
fn redis_that_fails_stops_nothing() {
    let mut cluster = Cluster::on(postgres_database());
    let away = |cluster: &Cluster| {
        cluster.shares(false);
        cluster.works_as_one();
        eventually(PATIENCE, || {
            let ready = cluster.gates[0].admin("/readyz").expect(200).text();
            (ready.contains("shared state") && ready.contains("not reached")).then_some(())
        });
    };
    cluster.redis.freeze();
    away(&cluster);
    cluster.redis.thaw();
    cluster.shares(true);
    cluster.redis.make_read_only();
    away(&cluster);
    cluster.redis.make_writable();
    cluster.shares(true);
    cluster.redis.kill();
    away(&cluster);
    cluster.redis.start_again(&[]);
    cluster.shares(true);
    cluster.works_as_one();
}

#[test]
fn redis_with_no_connection_left_stops_nothing() {
    let mut cluster = Cluster::on(postgres_database());
    cluster.redis.kill();
    cluster.shares(false);
    cluster.redis.start_again(&["--maxclients", "1"]);
    let up = || cluster.gates.iter().filter(|gate| gate.metric("haechi_shared_state_up", &[]) > 0.0).count();
    eventually(PATIENCE, || (up() == 1).then_some(()));
    cluster.works_as_one();
    assert_eq!(up(), 1);
}

#[test]
fn postgres_that_stands_still_or_only_reads_is_503_and_never_401() {
    let server = PostgresServer::start(&[]);
    let cluster = Cluster::on(server.url());
    let [one, other] = &cluster.gates;
    let (access, _) = tokens(one);
    eventually(PATIENCE, || (status(other, &access) == 200).then_some(()));
    server.freeze();
    login(one).expect(503);
    // What is known is used for as long as it is young enough, and then nobody knows.
    for gate in &cluster.gates {
        eventually(PATIENCE, || match status(gate, &access) {
            200 => None,
            503 => Some(()),
            other => panic!("{other}"),
        });
    }
    server.thaw();
    for gate in &cluster.gates {
        eventually(PATIENCE, || (gate.admin("/readyz").status == 200).then_some(()));
        eventually(PATIENCE, || (status(gate, &access) == 200).then_some(()));
    }
    server.execute("ALTER SYSTEM SET default_transaction_read_only = on");
    server.execute("SELECT pg_reload_conf()");
    eventually(PATIENCE, || (login(one).status == 503).then_some(()));
    for _ in 0..20 {
        assert_eq!([status(one, &access), status(other, &access)], [200, 200], "what only reads goes on");
    }
    server
        .execute("SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only");
    server.execute("SELECT pg_reload_conf()");
    cluster.writes_again();
    cluster.works_as_one();
}

#[test]
fn postgres_with_no_connection_left_is_503_for_what_is_not_known() {
    let mut server = PostgresServer::start(&["max_connections=40"]);
    let cluster = Cluster::on(server.url());
    let [one, other] = &cluster.gates;
    let (access, _) = tokens(one);
    eventually(PATIENCE, || (status(other, &access) == 200).then_some(()));
    server.kill();
    server.start_again(&["max_connections=4", "superuser_reserved_connections=3"]);
    eventually(PATIENCE, || matches!(login(one).status, 200 | 503).then_some(()));
    for _ in 0..20 {
        assert!([200, 503].contains(&status(one, &access)) && [200, 503].contains(&status(other, &access)));
    }
    server.kill();
    server.start_again(&[]);
    // Readiness is looked at once a second: it may not have noticed that anything was away.
    cluster.writes_again();
    cluster.works_as_one();
}

#[test]
fn redis_and_postgres_nodes_outlive_one_that_is_killed_under_load() {
    let mut cluster = Cluster::on(postgres_database());
    let (access, _) = tokens(&cluster.gates[0]);
    let target = cluster.gates[1].address();
    let load = Load::start(Arc::new(move || target), 8, 200);
    let sent = |more: u64| {
        let goal = load.sent() + more;
        eventually(PATIENCE, || (load.sent() >= goal).then_some(()));
    };
    sent(100);
    cluster.gates[0].signal("KILL");
    cluster.gates[0].exited();
    sent(400);
    let [_, other] = &cluster.gates;
    for _ in 0..20 {
        assert_eq!(status(other, &access), 200);
    }
    let (theirs, _) = tokens(other);
    other.curl("/auth/logout", &["-X", "POST", "-H", &format!("Authorization: Bearer {theirs}")]);
    eventually(KNOWN_WITHIN, || (status(other, &theirs) == 401).then_some(()));
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:#?}");
}

#[test]
fn postgres_that_a_newer_version_migrates_serves_the_older_node_on() {
    let cluster = Cluster::on(postgres_database());
    let folder = cluster.gates[0].folder();
    let added = haechi(folder.path(), &["client", "add", "nightly", "--output", "json"]).success().stdout;
    let added: Value = serde_json::from_str(&added).unwrap();
    let user =
        format!("{}:{}", added["client_id"].as_str().unwrap(), added["client_secret"].as_str().unwrap());
    // Made now: commands of this version refuse a store of a newer one.
    let keys: Vec<String> = (0..18).map(|_| folder.create_key(&["--owner", "acme"])).collect();
    let mut keys = keys.iter();
    let mut every_way_in = |gate: &Gate| {
        let (access, refresh) = tokens(gate);
        gate.post_json("/auth/refresh", &json!({"refresh_token": refresh})).expect(200);
        gate.curl("/auth/token", &["--user", &user, "--data", "grant_type=client_credentials"]).expect(200);
        let key = keys.next().unwrap();
        assert_eq!(gate.get_with("/partner/x", &[&format!("X-API-Key: {key}")]).status, 200);
        eventually(PATIENCE, || (status(gate, &access) == 200).then_some(()));
    };
    // Long enough for every connection to have its prepared statements.
    (0..6).for_each(|_| cluster.gates.iter().for_each(&mut every_way_in));
    // What a version that is not there yet might do: another table, another column of each that there is, and its note.
    let tables = "users clients client_assertions api_keys quota_uses sessions refresh_tokens signing_keys changes change_epoch compatibility";
    let columns: Vec<String> = tables
        .split(' ')
        .map(|table| format!("ALTER TABLE haechi.{table} ADD COLUMN future TEXT;"))
        .collect();
    execute_in_postgres(
        &cluster.store,
        &format!(
            "BEGIN; CREATE TABLE haechi.future (id TEXT PRIMARY KEY); {} \
             INSERT INTO haechi.migrations VALUES (99, 'future', now(), true, '\\x00', 0); COMMIT",
            columns.join(" ")
        ),
    );
    // Nobody notices, the first who comes not either.
    (0..3).for_each(|_| cluster.gates.iter().for_each(&mut every_way_in));
    cluster.works_as_one();
    // One that may not go on says so, and refuses nobody as if the credential were wrong.
    execute_in_postgres(&cluster.store, "UPDATE haechi.compatibility SET oldest_known = 99");
    execute_in_postgres(
        &cluster.store,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    let [one, _] = &cluster.gates;
    eventually(PATIENCE, || (login(one).status == 503).then_some(()));
    eventually(PATIENCE, || one.admin("/readyz").text().contains("newer version").then_some(()));
}

#[test]
fn redis_beside_one_sqlite_file_makes_two_gates_one() {
    let folder = tempfile::TempDir::new().unwrap();
    let cluster = Cluster::on(format!("sqlite:{}", folder.path().join("haechi.db").display()));
    cluster.works_as_one();
    // Both write at once, and neither is refused.
    std::thread::scope(|scope| {
        for gate in &cluster.gates {
            scope.spawn(move || (0..5).for_each(|_| drop(login(gate).expect(200))));
        }
    });
}

#[test]
fn two_gates_on_one_sqlite_file_are_one() {
    let backend = Backend::saying("reached");
    let file = tempfile::TempDir::new().unwrap();
    let folder = || {
        Folder::new(&format!(
            "store: \"sqlite:{}\"
identity: {{ issuer: http://localhost:8080, path: /auth }}
authenticators: {{ local: {{ type: jwt, issuer: self }} }}
roles: {{ USER: {{}} }}
{}",
            file.path().join("haechi.db").display(),
            routes_to(&backend, &[("/**", "[local]", "any")])
        ))
    };
    let first = folder();
    first.add_user("alice", &["USER"]);
    let [one, other] = [Gate::start_in(first).ready(), Gate::start_in(folder()).ready()];
    let (access, refresh) = tokens(&one);
    eventually(PATIENCE, || (status(&other, &access) == 200).then_some(()));
    other.post_json("/auth/refresh", &json!({"refresh_token": refresh})).expect(200);
    one.post_json("/auth/refresh", &json!({"refresh_token": refresh})).expect(401);
    for gate in [&one, &other] {
        eventually(KNOWN_WITHIN, || (status(gate, &access) == 401).then_some(()));
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The example, started by its own script; stopped by it when dropped.
struct Example {
    run: PathBuf,
    ports: Vec<u16>,
}

impl Example {
    fn start() -> Self {
        // Where the account of PostgreSQL can look.
        let run = std::env::temp_dir().join(format!("haechi-cluster-{}", std::process::id()));
        let ports = (0..8).map(|_| unused_port()).collect();
        let example = Self { run, ports };
        let started = example.script("start");
        assert!(started.status.success(), "{started:#?}");
        example
    }

    fn script(&self, what: &str) -> std::process::Output {
        let mut script = Command::new(root().join("examples/cluster/cluster"));
        let names = ["FRONT", "ONE", "TWO", "ADMIN_ONE", "ADMIN_TWO", "POSTGRES", "REDIS", "BACKEND"];
        for (name, port) in names.iter().zip(&self.ports) {
            script.env(format!("{name}_PORT"), port.to_string());
        }
        let path = format!(
            "{}:{}",
            Path::new(crate::harness::program(&self.run).get_program()).parent().unwrap().display(),
            "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"
        );
        script.env("PATH", path).env("RUN", &self.run).arg(what).output().unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[0])
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        drop(self.script("stop"));
    }
}

#[test]
fn redis_postgres_and_haproxy_of_the_example() {
    let example = Example::start();
    let body = json!({"username": "alice", "password": PASSWORD}).to_string();
    let login = || {
        curl(&[
            "--header",
            "Content-Type: application/json",
            "--data-binary",
            &body,
            &example.url("/auth/login"),
        ])
    };
    let token = login().expect(200).json()["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Authorization: Bearer {token}");
    let ask = || curl(&["--header", &bearer, &example.url("/orders")]);
    let nodes: std::collections::BTreeSet<String> = (0..8)
        .map(|_| {
            let reply = eventually(PATIENCE, || Some(ask()).filter(|reply| reply.status == 200));
            reply.field("x-node").unwrap().to_owned()
        })
        .collect();
    assert_eq!(nodes.len(), 2, "{nodes:?}");
    // One dies, and who comes through HAProxy notices nothing.
    let process = std::fs::read_to_string(example.run.join("one.pid")).unwrap();
    assert!(Command::new("kill").args(["-9", process.trim()]).status().unwrap().success());
    for _ in 0..30 {
        assert_eq!(ask().status, 200);
    }
    let stopped = example.script("stop");
    assert!(stopped.status.success(), "{stopped:#?}");
    assert!(std::net::TcpStream::connect(("127.0.0.1", example.ports[0])).is_err());
    assert!(!example.run.exists());
}
