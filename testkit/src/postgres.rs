//! A real PostgreSQL: one for all tests of a run, or one of a test's own that may be stopped and killed.

use crate::{PATIENCE, eventually};
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The user of the database, and its password.
const USER: &str = "haechi";
const PASSWORD: &str = "not-a-secret";

/// A server of a test's own. Dropped, it is killed.
#[derive(Debug)]
pub struct PostgresServer {
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl PostgresServer {
    /// Starts a server with an empty database `haechi`, and with these settings besides ours (`-c` each).
    #[must_use]
    pub fn start(settings: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("haechi-postgres-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        initialize(&folder);
        let port = free_port();
        let mut server = Self { folder, port, child: None };
        server.run(settings);
        create_database(server.port, "haechi");
        server
    }

    /// The address of its database for the `store` setting.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port, "haechi")
    }

    /// The server's port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL in its database as another client.
    #[track_caller]
    pub fn execute(&self, sql: &str) -> String {
        succeeded(psql(&self.url(), sql))
    }

    /// Kills the server at once, as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let processes = self.processes(&child);
            let _ = child.kill();
            let _ = child.wait();
            // Its processes notice by themselves; until then they hold the shared memory.
            eventually(PATIENCE, || {
                (!processes.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists())).then_some(())
            });
        }
    }

    /// Starts it again on the same port, with these settings.
    pub fn start_again(&mut self, settings: &[&str]) {
        self.run(settings);
    }

    /// Stops all of its processes where they stand: connections stay open and nobody answers.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("the server runs");
        let processes = self.processes(child);
        // One that has ended meanwhile needs no signal.
        let _ = quiet(Command::new("kill").arg(format!("-{signal}")).args(&processes)).status();
    }

    fn processes(&self, child: &Child) -> Vec<String> {
        let pid = child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        std::iter::once(pid.to_string()).chain(children.split_whitespace().map(str::to_owned)).collect()
    }

    fn run(&mut self, settings: &[&str]) {
        self.child = Some(serve(&self.folder, self.port, settings));
        wait_until_it_answers(self.port, &self.folder);
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.thaw();
        }
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A new and empty database, with time enough for a loaded machine, on a server that all tests of this run share: started by the first that asks, and stopped when whoever runs the tests
/// (`cargo nextest`, `cargo test`) has ended.
#[must_use]
pub fn postgres_database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let port = shared_port();
    let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    create_database(port, &name);
    format!("{}?statement_timeout=30s", url(port, &name))
}

/// Runs SQL in the database at `url`, as another client.
#[track_caller]
pub fn execute_in_postgres(url: &str, sql: &str) -> String {
    succeeded(psql(url.split_once('?').map_or(url, |(address, _)| address), sql))
}

#[expect(clippy::zombie_processes, reason = "the server outlives this process")]
fn shared_port() -> u16 {
    let runner = std::os::unix::process::parent_id();
    let folder = std::env::temp_dir().join(format!("haechi-postgres-of-{runner}"));
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let note = folder.with_extension("port");
    if let Some(port) = fs::read_to_string(&note).ok().and_then(|text| text.parse().ok())
        && TcpStream::connect(("127.0.0.1", port)).is_ok()
    {
        return port;
    }
    let _ = fs::remove_dir_all(&folder);
    initialize(&folder);
    let port = free_port();
    let child = serve(&folder, port, &[]);
    stop_with(runner, child.id(), &folder);
    wait_until_it_answers(port, &folder);
    fs::write(note, port.to_string()).unwrap();
    port
}

/// Stops the server and removes its folder when `runner` has ended. A process of its own, because the test that started it ends before others do.
#[expect(clippy::zombie_processes, reason = "it outlives this process")]
fn stop_with(runner: u32, server: u32, folder: &Path) {
    let folder = folder.display();
    let script = format!(
        "while kill -0 {runner} 2>/dev/null; do sleep 0.2; done; kill -QUIT {server}; \
         while kill -0 {server} 2>/dev/null; do sleep 0.1; done; rm -rf {folder} {folder}.lock {folder}.port"
    );
    let mut guard = Command::new("sh");
    guard.args(["-c", &script]).process_group(0);
    quiet(&mut guard).spawn().unwrap();
}

/// Makes the files of a server. Nothing is written through to the disk: a test's machine does not lose its power.
fn initialize(folder: &Path) {
    fs::create_dir(folder).unwrap();
    if is_root() {
        let id = |flag: &str| -> u32 {
            succeeded(Command::new("id").args([flag, "postgres"]).output().unwrap()).trim().parse().unwrap()
        };
        chown(folder, Some(id("-u")), Some(id("-g"))).unwrap();
    }
    let password = folder.with_extension("password");
    fs::write(&password, PASSWORD).unwrap();
    let mut initdb = as_postgres(&program("initdb"));
    initdb.args([
        "--no-sync",
        "--encoding=UTF8",
        "--locale=C",
        "--auth=scram-sha-256",
        "--username",
        USER,
        "--pwfile",
    ]);
    succeeded(initdb.arg(&password).arg("--pgdata").arg(folder.join("data")).output().unwrap());
    fs::remove_file(password).unwrap();
}

fn serve(folder: &Path, port: u16, settings: &[&str]) -> Child {
    let mut server = as_postgres(&program("postgres"));
    server.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string()]);
    let ours = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=200"];
    for setting in ours.iter().chain(settings) {
        server.args(["-c", setting]);
    }
    let log = File::create(folder.with_extension("log")).unwrap();
    quiet(&mut server)
        .stderr(log)
        .process_group(0)
        .spawn()
        .expect("PostgreSQL is installed (scripts/test sees to it)")
}

fn wait_until_it_answers(port: u16, folder: &Path) {
    let last = std::cell::RefCell::new(String::new());
    let answers = || {
        let output = psql(&url(port, "postgres"), "SELECT 1");
        *last.borrow_mut() = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(())
    };
    eventually(PATIENCE, answers);
    let _ = fs::remove_file(folder.with_extension("log"));
}

fn create_database(port: u16, name: &str) {
    // Two that copy the template at once are in one another's way.
    eventually(PATIENCE, || {
        psql(&url(port, "postgres"), &format!("CREATE DATABASE {name} STRATEGY file_copy"))
            .status
            .success()
            .then_some(())
    });
}

/// Each statement is a transaction of its own, as from a terminal.
fn psql(url: &str, sql: &str) -> Output {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", url]);
    psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = psql.spawn().expect("psql is installed (scripts/test sees to it)");
    // Where it could not connect it reads nothing, and its status says so.
    let _ = running.stdin.take().unwrap().write_all(sql.as_bytes());
    running.wait_with_output().unwrap()
}

fn url(port: u16, database: &str) -> String {
    format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{database}")
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command.current_dir("/");
    command
}

fn is_root() -> bool {
    // Of a file that this process has just opened the owner is its own.
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Debian keeps the server's programs out of the search path.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.path().join("bin").join(name))
        .filter(|program| program.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| name.into())
}

fn free_port() -> u16 {
    crate::port::unused_port()
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

#[track_caller]
fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// PgBouncer in transaction mode before a database: every transaction may get another connection. Dropped, it is killed.
#[derive(Debug)]
pub struct TransactionPooler {
    folder: PathBuf,
    port: u16,
    child: Child,
}

impl TransactionPooler {
    /// Stands before the database at `before`, with so few connections to it.
    #[must_use]
    pub fn start(before: &str, connections: u32) -> Self {
        let (server, database) =
            before.split_once('@').unwrap().1.split('?').next().unwrap().split_once('/').unwrap();
        let (host, server_port) = server.split_once(':').unwrap();
        let folder =
            std::env::temp_dir().join(format!("haechi-pgbouncer-{}-{}", std::process::id(), free_port()));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("users"), format!("\"{USER}\" \"{PASSWORD}\"\n")).unwrap();
        // The port is free until somebody else takes it.
        let port = free_port();
        let settings = format!(
            "[databases]\n{database} = host={host} port={server_port} user={USER} password={PASSWORD}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = plain\n\
             auth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = {connections}\n",
            folder = folder.display()
        );
        fs::write(folder.join("pgbouncer.ini"), settings).unwrap();
        let mut pooler = as_postgres(Path::new("/usr/sbin/pgbouncer"));
        pooler.arg(folder.join("pgbouncer.ini"));
        let child = quiet(&mut pooler).spawn().expect("PgBouncer is installed (scripts/test sees to it)");
        let started = Self { folder, port, child };
        eventually(PATIENCE, || psql(&url(port, database), "SELECT 1").status.success().then_some(()));
        started
    }

    /// The address of the database through it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("{}?pooler=transaction&statement_timeout=30s", url(self.port, database))
    }
}

impl Drop for TransactionPooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
