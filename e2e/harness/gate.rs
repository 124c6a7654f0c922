//! The gate as a process.

use super::command::{haechi, program};
use super::config::trails_are_replayed;
use super::{Conversation, Folder, MemoryGroup, PATIENCE, Reply, curl, eventually};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

/// A running `haechi run`; killed when dropped.
pub(crate) struct Gate {
    child: Child,
    /// The process that took over from `child`, or from the one that did.
    successor: Option<u32>,
    /// Whether it has a process group of its own, all of which is killed.
    group: bool,
    log: Arc<Mutex<Vec<String>>>,
    address: SocketAddr,
    admin: SocketAddr,
    folder: Folder,
}

impl Gate {
    /// With the usual beginning of a configuration, and `rest`.
    #[track_caller]
    pub(crate) fn start(rest: &str) -> Self {
        Self::start_in(Folder::new(rest))
    }

    /// With the configuration in `folder`.
    #[track_caller]
    pub(crate) fn start_in(folder: Folder) -> Self {
        Self::spawn(folder, &[], false)
    }

    /// In a process group of its own, so that processes that take over from it end with the test.
    #[track_caller]
    pub(crate) fn start_in_group(folder: Folder) -> Self {
        Self::spawn(folder, &[], true)
    }

    /// The same, with variables in its environment.
    #[track_caller]
    pub(crate) fn start_with(folder: Folder, environment: &[(&str, &str)]) -> Self {
        Self::spawn(folder, environment, true)
    }

    #[track_caller]
    fn spawn(folder: Folder, environment: &[(&str, &str)], group: bool) -> Self {
        let mut command = program(folder.path());
        if group {
            command.process_group(0);
        }
        command.args(["run", "-c", "haechi.yaml"]).envs(environment.iter().copied());
        Self::spawn_as(&mut command, folder, group)
    }

    /// With the configuration in `folder`, and so many file descriptors at most.
    #[track_caller]
    pub(crate) fn start_with_descriptors(folder: Folder, count: usize) -> Self {
        Self::spawn_as(&mut Self::command_with_descriptors(&folder, count), folder, false)
    }

    /// With the configuration in `folder`, in a control group.
    #[track_caller]
    pub(crate) fn start_in_memory(folder: Folder, group: &MemoryGroup) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo $$ > \"$1\" && exec \"$0\" run -c haechi.yaml"]);
        shell.arg(program(folder.path()).get_program()).arg(group.members());
        shell.current_dir(folder.path()).env_remove("HAECHI_CONFIG");
        Self::spawn_as(&mut shell, folder, false)
    }

    /// The command that [`Gate::start_with_descriptors`] runs.
    pub(crate) fn command_with_descriptors(folder: &Folder, count: usize) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {count} && exec \"$0\" run -c haechi.yaml")]);
        shell.arg(program(folder.path()).get_program()).current_dir(folder.path());
        shell.env_remove("HAECHI_CONFIG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        shell
    }

    #[track_caller]
    fn spawn_as(command: &mut Command, folder: Folder, group: bool) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take().unwrap(), &log);
        collect(child.stderr.take().unwrap(), &log);
        let (address, admin) = eventually(PATIENCE, || {
            if let Some(status) = child.try_wait().unwrap() {
                eventually(PATIENCE, || (!log.lock().unwrap().is_empty()).then_some(()));
                panic!("the gate ended with {status}: {:#?}", log.lock().unwrap());
            }
            addresses(&log.lock().unwrap())
        });
        Self { child, successor: None, group, log, address, admin, folder }
    }

    /// Waits until `/readyz` says 200.
    #[track_caller]
    pub(crate) fn ready(self) -> Self {
        eventually(PATIENCE, || (self.admin("/readyz").status == 200).then_some(()));
        self
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its folder, for what comes after it. It must have ended.
    pub(crate) fn into_folder(mut self) -> Folder {
        self.exited();
        std::mem::replace(&mut self.folder, Folder::exactly(""))
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.curl(path, &[])
    }

    /// With these request fields, each as `Name: value`.
    pub(crate) fn get_with(&self, path: &str, fields: &[&str]) -> Reply {
        let arguments: Vec<&str> = fields.iter().flat_map(|field| ["--header", *field]).collect();
        self.curl(path, &arguments)
    }

    pub(crate) fn get_with_token(&self, path: &str, token: &str) -> Reply {
        self.get_with(path, &[&format!("Authorization: Bearer {token}")])
    }

    pub(crate) fn post_json(&self, path: &str, body: &Value) -> Reply {
        self.curl(path, &["--header", "Content-Type: application/json", "--data-binary", &body.to_string()])
    }

    pub(crate) fn curl(&self, path: &str, arguments: &[&str]) -> Reply {
        curl(&[arguments, &[&self.url(path)]].concat())
    }

    /// Asks the admin listener.
    pub(crate) fn admin(&self, path: &str) -> Reply {
        curl(&[&format!("http://{}{path}", self.admin)])
    }

    /// Calls the admin listener with these fields and this body.
    pub(crate) fn admin_post(&self, path: &str, fields: &[&str], body: &str) -> Reply {
        let mut arguments: Vec<&str> = fields.iter().flat_map(|field| ["--header", *field]).collect();
        let url = format!("http://{}{path}", self.admin);
        arguments.extend(["--request", "POST", "--data-binary", body, &url]);
        curl(&arguments)
    }

    /// The admin listener's address.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    pub(crate) fn converse(&self) -> Conversation {
        Conversation::with(self.address)
    }

    /// A conversation with the admin listener.
    pub(crate) fn converse_with_admin(&self) -> Conversation {
        Conversation::with(self.admin)
    }

    /// How many file descriptors the gate has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process())).map_or(usize::MAX, Iterator::count)
    }

    /// The value of the first sample whose line begins with `name` and holds all of `labels`; 0 where there is none.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.admin("/metrics").expect(200).text();
        let matches = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        };
        text.lines().filter(matches).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Everything that it has written so far, on both streams.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The id of the process that serves.
    pub(crate) fn process(&self) -> u32 {
        self.successor.unwrap_or_else(|| self.child.id())
    }

    /// Resident memory, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Sends a signal by its name, as `kill` knows it.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end. Of one that took over from another only the end can be seen, not how it ended.
    #[track_caller]
    pub(crate) fn exited(&mut self) -> ExitStatus {
        match self.successor {
            None => eventually(PATIENCE, || self.child.try_wait().unwrap()),
            Some(process) => eventually(PATIENCE, || is_over(process).then(ExitStatus::default)),
        }
    }

    /// Waits until another process has taken over.
    #[track_caller]
    pub(crate) fn await_successor(&self) -> u32 {
        let before = self.process();
        eventually(PATIENCE, || {
            let log = self.log();
            let mut lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let upgraded = lines.rfind(|line| line["event"] == "upgraded")?;
            let process = upgraded["process"].as_u64()?.try_into().ok()?;
            (process != before).then_some(process)
        })
    }

    /// Has another process take over, and waits for the end of the one before.
    #[track_caller]
    pub(crate) fn upgrade(&mut self) -> ExitStatus {
        self.signal("USR2");
        let next = self.await_successor();
        let ended = self.exited();
        self.successor = Some(next);
        ended
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if self.group {
            let group = format!("-{}", self.child.id());
            drop(Command::new("kill").args(["-s", "KILL", "--", &group]).output());
        }
        drop(self.child.kill());
        drop(self.child.wait());
        if trails_are_replayed()
            && !std::thread::panicking()
            && self.folder.file("audit/haechi.jsonl").exists()
        {
            for what in [&["verify"][..], &["replay", "--recorded"]] {
                haechi(self.folder.path(), &[&["audit"], what, &["audit/haechi.jsonl"]].concat()).success();
            }
        }
        if std::thread::panicking() {
            // nextest shows this beside the failure.
            #[expect(clippy::print_stderr, reason = "what the gate said explains the failure")]
            for line in self.log() {
                eprintln!("gate: {line}");
            }
        }
    }
}

/// Whether a process that is nobody's child here has ended; one whose end nobody has taken note of has ended too.
fn is_over(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

fn collect(stream: impl Read + Send + 'static, log: &Arc<Mutex<Vec<String>>>) {
    let log = log.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            log.lock().unwrap().push(line);
        }
    });
}

/// The first listener's address and the admin's, once both are logged.
fn addresses(log: &[String]) -> Option<(SocketAddr, SocketAddr)> {
    let listening: Vec<Value> = log
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["event"] == "listening")
        .collect();
    let address = |is_admin: bool| {
        let line = listening.iter().find(|line| (line["listener"] == "admin") == is_admin)?;
        line["address"].as_str()?.parse().ok()
    };
    Some((address(false)?, address(true)?))
}
