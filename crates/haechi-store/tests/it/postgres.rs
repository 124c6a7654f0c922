//! What the PostgreSQL store does besides what every store does: what cannot be opened, several nodes, being told of changes, and a server that is
//! away, stands still, only reads, or has no connection left.

use crate::samples::{at, session, signing_key, user};
use haechi_core::ports::{Change, Revoked, StoreError};
use haechi_store::{Location, OpenError, Store};
use haechi_testkit::{PATIENCE, PostgresServer, TransactionPooler, execute_in_postgres, postgres_database};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

async fn open(url: &str) -> Store {
    Store::open(url).await.unwrap()
}

async fn refusal(url: &str) -> OpenError {
    Store::open(url).await.err().unwrap()
}

/// The name that messages have for the store.
fn name(url: &str) -> String {
    let place = url.split_once('@').unwrap().1;
    format!("postgres://{}", place.split('?').next().unwrap())
}

/// The newest version of the schema that this program knows.
async fn newest(url: &str) -> i64 {
    Store::status(&Location::parse(url).unwrap()).await.unwrap().unwrap().known
}

/// Asks until the answer is as wanted.
async fn until<T>(mut ask: impl AsyncFnMut() -> T, wanted: impl Fn(&T) -> bool) -> Duration {
    let began = Instant::now();
    loop {
        let answer = ask().await;
        if wanted(&answer) {
            return began.elapsed();
        }
        assert!(began.elapsed() < PATIENCE, "not in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn is_unavailable<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

#[tokio::test]
async fn several_nodes_that_start_at_once_migrate_once() {
    let url = postgres_database();
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let url = url.clone();
        tasks.spawn(async move { open(&url).await.ping().await.unwrap() });
    }
    tasks.join_all().await;
    let all = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres")).unwrap().count();
    let applied = execute_in_postgres(&url, "SELECT count(*) FROM haechi.migrations");
    assert_eq!(applied.trim(), all.to_string());
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_one_that_runs_goes_on_where_it_may() {
    let url = postgres_database();
    let running = open(&url).await;
    let known = newest(&url).await;
    execute_in_postgres(&url, "INSERT INTO haechi.migrations VALUES (99, 'future', now(), true, '\\x00', 0)");
    assert_eq!(refusal(&url).await, OpenError::Newer { store: name(&url), version: 99, known });
    running.ping().await.unwrap();
    running.users.add(&user("alice")).await.unwrap();
    execute_in_postgres(&url, "UPDATE haechi.compatibility SET oldest_known = 99");
    let error = running.ping().await.unwrap_err().to_string();
    assert!(error.contains("newer version of haechi"), "{error}");
}

#[tokio::test]
async fn a_schema_that_lacks_something_or_is_another_is_refused() {
    for (change, what) in [
        ("DROP TABLE haechi.api_keys", "the table `api_keys`"),
        ("ALTER TABLE haechi.users DROP COLUMN locked_until", "the column `users.locked_until`"),
        ("DROP INDEX haechi.working_refresh_token", "the index `working_refresh_token`"),
        ("DELETE FROM haechi.change_epoch", "the row of `change_epoch`"),
    ] {
        let url = postgres_database();
        open(&url).await.close().await;
        execute_in_postgres(&url, change);
        assert_eq!(refusal(&url).await, OpenError::Incomplete { store: name(&url), what: what.into() });
    }
    let url = postgres_database();
    open(&url).await.close().await;
    execute_in_postgres(&url, "UPDATE haechi.migrations SET checksum = '\\x00'");
    assert_eq!(refusal(&url).await, OpenError::Altered { store: name(&url), version: 1 });
    let url = postgres_database();
    execute_in_postgres(&url, "CREATE SCHEMA haechi; CREATE TABLE haechi.songs (title TEXT)");
    assert_eq!(refusal(&url).await, OpenError::Foreign(name(&url)));
}

#[tokio::test]
async fn other_tables_of_the_database_are_left_alone() {
    let url = postgres_database();
    execute_in_postgres(
        &url,
        "CREATE TABLE public.users (title TEXT); INSERT INTO public.users VALUES ('theirs')",
    );
    let store = open(&url).await;
    store.users.add(&user("alice")).await.unwrap();
    assert_eq!(execute_in_postgres(&url, "SELECT title FROM public.users").trim(), "theirs");
}

#[tokio::test]
async fn a_wrong_password_ends_the_start_and_does_not_show_it() {
    let url = postgres_database().replace("not-a-secret", "hunter2-hunter2");
    let error = refusal(&url).await.to_string();
    assert!(error.contains("28P01") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_name_that_postgresql_cannot_keep_is_nobodys() {
    let store = open(&postgres_database()).await;
    assert!(store.users.by_name("ali\0ce").await.unwrap().is_none());
    assert!(store.clients.by_id("a\0").await.unwrap().is_none());
    assert_eq!(store.users.delete("a\0".into()).await, Err(StoreError::Missing("user `a\0`".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_nodes_are_told_at_once() {
    let url = postgres_database();
    let (one, other) = (open(&url).await, open(&url).await);
    // The first answer says that it listens from now on.
    other.revocations.changed().await;
    for n in 0..5 {
        let changed = other.revocations.changed();
        let token = Revoked::Token(n.to_string());
        one.revocations.revoke(&token, at(60)).await.unwrap();
        tokio::time::timeout(Duration::from_secs(1), changed).await.unwrap();
    }
    let told = other.revocations.changes_since(0, 10).await.unwrap();
    assert_eq!(told.changes.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_agree() {
    let url = postgres_database();
    let (one, other) = (open(&url).await, open(&url).await);
    one.users.add(&user("alice")).await.unwrap();
    assert!(other.users.by_name("alice").await.unwrap().is_some());
    one.sessions.begin(&session("s1", "alice", 1)).await.unwrap();
    other.sessions.end_all_of("alice", at(2000)).await.unwrap();
    let revoked = Change::Revoked { what: Revoked::Session("s1".into()), until: at(2000) };
    assert_eq!(one.revocations.changes_since(0, 10).await.unwrap().changes[0], revoked);
    let first = one.signing_keys.add_first(&signing_key("k1", "EdDSA", 0)).await.unwrap();
    assert_eq!(other.signing_keys.add_first(&signing_key("k2", "EdDSA", 0)).await.unwrap().id, first.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_used_again_when_it_is_back() {
    let mut server = PostgresServer::start(&[]);
    let store = open(&server.url()).await;
    store.users.add(&user("alice")).await.unwrap();
    server.kill();
    assert!(is_unavailable(&store.users.by_name("alice").await), "nobody is said not to exist");
    assert!(is_unavailable(&store.ping().await));
    // Who asks while it is known to be away does not wait.
    let quickly = async || {
        let began = Instant::now();
        assert!(is_unavailable(&store.users.by_name("alice").await));
        began.elapsed()
    };
    until(quickly, |took| *took < Duration::from_millis(100)).await;
    server.start_again(&[]);
    until(async || store.ping().await, Result::is_ok).await;
    assert!(store.users.by_name("alice").await.unwrap().is_some(), "it is known at once that it is back");
    until(async || store.users.by_name("alice").await, |found| matches!(found, Ok(Some(_)))).await;
    until(async || store.ping().await, Result::is_ok).await;
    store.users.set_disabled("alice".into(), true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_does_not_hold_up_the_start() {
    let mut server = PostgresServer::start(&[]);
    server.kill();
    let began = Instant::now();
    let store = open(&server.url()).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(is_unavailable(&store.users.by_name("alice").await));
    server.start_again(&[]);
    until(async || store.users.by_name("alice").await, |found| matches!(found, Ok(None))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_given_up_in_time() {
    let server = PostgresServer::start(&[]);
    let store = open(&format!("{}?statement_timeout=500ms&pool_size=3", server.url())).await;
    store.users.add(&user("alice")).await.unwrap();
    server.freeze();
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        tasks.spawn(async move {
            let began = Instant::now();
            (store.users.by_name("alice").await, began.elapsed())
        });
    }
    for (answer, took) in tasks.join_all().await {
        assert!(is_unavailable(&answer), "{answer:?}");
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
    server.thaw();
    until(async || store.users.by_name("alice").await, |found| matches!(found, Ok(Some(_)))).await;
    until(async || store.ping().await, Result::is_ok).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_only_reads_is_not_ready_and_goes_on_reading() {
    let server = PostgresServer::start(&[]);
    let store = open(&server.url()).await;
    store.users.add(&user("alice")).await.unwrap();
    server.execute("ALTER SYSTEM SET default_transaction_read_only = on; ");
    server.execute("SELECT pg_reload_conf()");
    until(async || store.ping().await, is_unavailable).await;
    assert!(store.users.by_name("alice").await.unwrap().is_some());
    assert!(is_unavailable(&store.users.set_disabled("alice".into(), true).await));
    server
        .execute("SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only");
    server.execute("SELECT pg_reload_conf()");
    until(async || store.users.set_disabled("alice".into(), true).await, Result::is_ok).await;
    until(async || store.ping().await, Result::is_ok).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_connection_left_is_unavailable_and_the_pool_keeps_its_bound() {
    let server = PostgresServer::start(&["max_connections=12", "superuser_reserved_connections=1"]);
    let url = format!("{}?pool_size=3&statement_timeout=500ms", server.url());
    let store = open(&url).await;
    store.users.add(&user("alice")).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..200 {
        let store = store.clone();
        tasks.spawn(async move { store.users.by_name("alice").await.map(|found| found.is_some()) });
    }
    tasks.join_all().await;
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'haechi'";
    let open_now: u32 = server.execute(ours).trim().parse().unwrap();
    assert!((1..=3).contains(&open_now), "{open_now}");
    // Others take what is left, and ours are ended.
    server.execute("ALTER DATABASE haechi CONNECTION LIMIT 0; CREATE ROLE weak LOGIN PASSWORD 'weak'; GRANT ALL ON DATABASE haechi TO weak; \
                    GRANT ALL ON SCHEMA haechi TO weak; GRANT ALL ON ALL TABLES IN SCHEMA haechi TO weak");
    let weak = open(&url.replace("haechi:not-a-secret", "weak:weak")).await;
    assert!(is_unavailable(&weak.users.by_name("alice").await));
    server.execute("ALTER DATABASE haechi CONNECTION LIMIT -1");
    until(async || weak.users.by_name("alice").await, |found| matches!(found, Ok(Some(_)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_transaction_mode_may_stand_between() {
    let direct = postgres_database();
    let database = name(&direct).rsplit('/').next().unwrap().to_owned();
    let pooler = TransactionPooler::start(&direct, 2);
    let url = pooler.url(&database);
    let stores = [open(&url).await, open(&url).await];
    stores[0].users.add(&user("alice")).await.unwrap();
    let mut tasks = JoinSet::new();
    for n in 0..60_u8 {
        let store = stores[usize::from(n % 2)].clone();
        tasks.spawn(async move {
            store.ping().await.unwrap();
            assert!(store.users.by_name("alice").await.unwrap().is_some());
            store.sessions.begin(&session(&format!("s{n}"), "alice", n)).await.unwrap();
            store.revocations.revoke(&Revoked::Token(n.to_string()), at(60)).await.unwrap();
            assert!(store.users.list().await.unwrap().len() == 1);
        });
    }
    tasks.join_all().await;
    stores[1].sessions.end_all_of("alice", at(2000)).await.unwrap();
    assert_eq!(stores[0].revocations.changes_since(0, 1_000).await.unwrap().changes.len(), 121);
    let left = execute_in_postgres(&direct, "SELECT count(*) FROM pg_prepared_statements");
    assert_eq!(left.trim(), "0");
}
