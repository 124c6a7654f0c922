//! A worker of the data plane in this process.

use haechi_authz::Enforcer;
use haechi_core::SystemClock;
use haechi_core::metrics::{Page, Source};
use haechi_proxy::{
    Budget, Endpoint, Endpoints, Limits, Listener, ListenerIndex, LogFormat, LogSink, Metrics, Plan,
    PlanParts, Route, Service, Shared, batch_channel,
};
use haechi_testkit::PATIENCE;
use haechi_testkit::http1::Head;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::sync::mpsc::Receiver;

fn service(backend: SocketAddr) -> Service {
    let state = Endpoints::default().state(&"web".into(), &backend.ip().to_string(), backend.port(), None);
    Service::new("web", vec![Endpoint { state, weight: 1 }])
}

/// A plan that leads to one service, `web`.
pub(crate) fn plan(backend: SocketAddr, enforcer: Enforcer, routes: Vec<Route>) -> Plan {
    let parts = PlanParts {
        generation: 1,
        configuration: "".into(),
        listeners: vec![Listener::default()],
        enforcer,
        routes,
        services: vec![service(backend)],
        trusted_proxies: Vec::new(),
        limits: Limits::default(),
        identity: None,
        logins: haechi_proxy::Logins::default(),
        protected_resources: Vec::new(),
    };
    Plan::new(parts).unwrap()
}

/// One worker, stopped when dropped.
pub(crate) struct Gate {
    address: SocketAddr,
    pub(crate) shared: Shared,
    pub(crate) lines: Receiver<Vec<u8>>,
    worker: Option<JoinHandle<std::io::Result<()>>>,
}

impl Gate {
    pub(crate) fn start(plan: Plan) -> Self {
        let (address, sockets) = haechi_proxy::bind(([127, 0, 0, 1], 0).into(), 1).unwrap();
        let (sender, lines) = batch_channel(1024);
        let shared = Shared {
            audit: None,
            plan: Arc::new(arc_swap::ArcSwap::from_pointee(plan)),
            clock: Arc::new(SystemClock),
            metrics: Metrics::default(),
            traces: None,
            log: Some(LogSink { lines: sender, format: LogFormat::Json, color: false }),
            budget: Budget::new(1000),
            rate_limiter: Arc::new(haechi_proxy::RateLimiter::new(None)),
            decisions: haechi_proxy::DecisionQueries::default(),
            watchers: haechi_proxy::DecisionWatchers::default(),
            draining: Arc::new(AtomicBool::new(false)),
        };
        let worker = haechi_proxy::start(
            shared.clone(),
            sockets.into_iter().map(|socket| (ListenerIndex::new(0), socket)).collect(),
            0,
        )
        .unwrap();
        Self { address, shared, lines, worker: Some(worker) }
    }

    /// The status of the answer, and whether the connection closes.
    pub(crate) fn ask(&self, path: &str) -> (String, bool) {
        let head = self.send(path, "");
        (head.word(1).to_owned(), head.field("connection") == Some("close"))
    }

    /// The head of the answer; `fields` are whole lines.
    pub(crate) fn send(&self, path: &str, fields: &str) -> Head {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").unwrap();
        Head::read(&mut BufReader::new(&socket)).unwrap().expect("no answer")
    }

    pub(crate) fn metrics(&self) -> String {
        let mut page = Page::default();
        self.shared.metrics.show(&mut page);
        page.to_string()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.worker.take().unwrap().join().unwrap().unwrap();
    }
}
