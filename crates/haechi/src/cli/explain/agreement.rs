//! `explain` and the running gate say the same of the same request: some thousand requests, good and odd, take both ways.

use crate::authenticators::ALL;
use crate::config::{Config, load};
use crate::inspect::explain::{CallerArgument, ExplainContext, Explanation, Inquiry, judge};
use crate::wire::{Assembly, control_runtime};
use fastrand::Rng;
use haechi_proxy::{Budget, DecisionQueries, DecisionWatchers, DryRun, ListenerIndex, Metrics, Shared};
use haechi_testkit::jose::{self, Key};
use haechi_testkit::{Answer, Backend, PATIENCE};
use http::Method;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// `correct horse battery`, with bcrypt at its cheapest: its cost is not what is tried here.
pub(super) const USERS: &str = "anna:$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS\n";
const REQUESTS: usize = 4000;
const SEED: u64 = 7;
/// The most that an answer's head and body have here.
const ANSWER: usize = 64 * 1024;

pub(super) fn configuration(backend: SocketAddr) -> String {
    format!(
        r#"
listeners: [{{ bind: 127.0.0.1:0 }}]
trusted_proxies: [127.0.0.0/8]
limits: {{ head: 2KiB, fields: 20, body: 64 }}
caller_attributes: {{ tenant: string }}
context_headers: {{ region: X-Region }}
roles: {{ USER: {{}}, ADMIN: {{ includes: [USER] }} }}
authenticators:
  corp:
    type: jwt
    issuer: https://sso.example.com
    audiences: [orders]
    keys: {{ secret: 0123456789abcdef0123456789abcdef }}
    algorithms: [HS256]
    claims: {{ roles: /roles, scopes: /scope, tenant: /tenant }}
  staff: {{ type: basic, realm: staff, users_file: users, roles: [USER] }}
services:
  web: {{ endpoints: ["http://{backend}"] }}
routes:
  - {{ name: public, match: {{ path: /public/** }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: legacy, match: {{ path: /legacy/** }}, authenticate: passthrough, authorize: any, service: web }}
  - {{ name: admin, match: {{ path: /admin/**, methods: [GET, POST, DELETE] }}, authenticate: [corp, staff], authorize: {{ roles: [ADMIN] }}, service: web }}
  - {{ name: users, match: {{ path: /users }}, authenticate: [corp, staff], authorize: {{ roles: [USER] }}, service: web }}
  - {{ name: both, match: {{ path: /both }}, authenticate: {{ all: [corp, staff] }}, authorize: any, service: web }}
  - name: tenant
    match: {{ path: "/tenants/{{tenant}}/**" }}
    authenticate: corp
    authorize: {{ scopes: [orders:read], when: principal.tenant == context.params.tenant }}
    service: web
  - name: region
    match: {{ path: /region, methods: [GET] }}
    authenticate: corp
    authorize: {{ when: context.headers.region == "eu" }}
    service: web
  - {{ name: small, match: {{ path: /small }}, authenticate: corp, authorize: any, max_body: 8, service: web }}
  - {{ name: odd, match: {{ path: /odd/** }}, allow_in_path: [semicolon], authenticate: anonymous, authorize: any, service: web }}
  - {{ name: host, match: {{ path: /admin/**, hosts: [api.example.com] }}, authenticate: anonymous, authorize: any, service: web }}
  - name: shared
    match: {{ path: /shared, methods: [GET, PUT] }}
    authenticate: corp
    authorize: any
    cors: {{ origins: ["https://app.example.com"], methods: [GET], headers: [X-Mine] }}
    service: web
"#
    )
}

/// A gate in this process, of one worker; stopped when dropped.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    draining: Arc<AtomicBool>,
    worker: Option<JoinHandle<std::io::Result<()>>>,
}

impl Running {
    /// Listening as the listener with this index.
    pub(super) fn start(assembly: &Assembly, listener: usize) -> Self {
        let (address, sockets) = haechi_proxy::bind(([127, 0, 0, 1], 0).into(), 1).unwrap();
        let shared = Shared {
            audit: None,
            plan: Arc::new(arc_swap::ArcSwap::new(assembly.plan.clone())),
            clock: assembly.process.clock.clone(),
            metrics: Metrics::default(),
            traces: None,
            log: None,
            budget: Budget::new(1000),
            rate_limiter: assembly.process.rate_limiter.clone(),
            decisions: DecisionQueries::default(),
            watchers: DecisionWatchers::default(),
            draining: Arc::default(),
        };
        let draining = shared.draining.clone();
        let worker = haechi_proxy::start(
            shared,
            sockets.into_iter().map(|socket| (ListenerIndex::new(listener), socket)).collect(),
            0,
        )
        .unwrap();
        Self { address, draining, worker: Some(worker) }
    }

    /// The status of the answer.
    fn ask(&self, wire: &[u8]) -> u16 {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        ask_over(&mut socket, wire)
    }
}

/// The status of the answer to one request over HTTP/1.1.
pub(super) fn ask_over(stream: &mut (impl Read + Write), wire: &[u8]) -> u16 {
    stream.write_all(wire).unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0 && answer.len() < ANSWER, "no answer to {}", String::from_utf8_lossy(wire));
        answer.extend_from_slice(&piece[..read]);
    }
    std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap()
}

impl Drop for Running {
    fn drop(&mut self) {
        self.draining.store(true, Ordering::Relaxed);
        self.worker.take().unwrap().join().unwrap().unwrap();
    }
}

/// One request, for both ways.
pub(super) struct Request {
    pub(super) inquiry: Inquiry,
    pub(super) body: &'static str,
}

impl Request {
    pub(super) fn wire(&self) -> Vec<u8> {
        let Inquiry { method, path, host, headers, .. } = &self.inquiry;
        let mut wire = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in headers {
            wire.push_str(&format!("{name}: {value}\r\n"));
        }
        format!("{wire}\r\n{}", self.body).into_bytes()
    }
}

/// Makes requests that are good in most parts and odd in a few.
pub(super) struct Maker {
    random: Rng,
    tokens: Vec<String>,
}

impl Maker {
    pub(super) fn new(seed: u64) -> Self {
        let key = Key::hmac("k", SECRET);
        let token = |more: serde_json::Value| {
            let claims =
                jose::with(&jose::claims("https://sso.example.com", "anna"), &json!({ "aud": "orders" }));
            key.token(&jose::with(&claims, &more))
        };
        let other = Key::hmac("k", b"another secret of thirty-two bytes");
        let tokens = vec![
            token(json!({ "roles": ["ADMIN"], "scope": "orders:read", "tenant": "acme" })),
            token(json!({ "roles": ["USER"], "scope": "orders:read orders:write", "tenant": "other" })),
            token(json!({ "roles": "USER" })),
            token(json!({ "exp": 1 })),
            token(json!({ "aud": "somebody else" })),
            token(json!({ "nbf": 9_999_999_999_i64 })),
            other.token(&jose::claims("https://sso.example.com", "anna")),
            "not.a.token".to_owned(),
            String::new(),
        ];
        Self { random: Rng::with_seed(seed), tokens }
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.random.usize(..all.len())]
    }

    fn rarely(&mut self) -> bool {
        self.random.u8(..8) == 0
    }

    /// A request, or now and then a preflight.
    pub(super) fn next(&mut self) -> Request {
        if self.random.u8(..32) == 0 { self.preflight() } else { self.request() }
    }

    fn request(&mut self) -> Request {
        const METHODS: [&str; 12] = [
            "GET", "GET", "GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "PROPFIND", "TRACE",
            "CONNECT",
        ];
        let method = if self.rarely() { self.one_of(&METHODS) } else { self.one_of(&METHODS[..6]) };
        let path = self.path();
        let mut inquiry = Inquiry::new(Method::from_bytes(method.as_bytes()).unwrap(), path);
        inquiry.host = self.host().to_owned();
        inquiry.who = CallerArgument::Nobody;
        self.credential(&mut inquiry.headers);
        self.odd_fields(&mut inquiry.headers);
        let body = self.body(&mut inquiry.headers);
        Request { inquiry, body }
    }

    fn path(&mut self) -> String {
        const PATHS: [&str; 24] = [
            "/public/a",
            "/public",
            "/public/",
            "/legacy/x",
            "/admin/users",
            "/admin",
            "/users",
            "/users/",
            "/both",
            "/tenants/acme/orders",
            "/tenants/other/orders",
            "/tenants/acme",
            "/region",
            "/small",
            "/odd/a;b",
            "/odd/x",
            "/shared",
            "/nowhere",
            "/",
            "/public/%41",
            "/users?q=1",
            "/public/a?x=/../b",
            "/odd/a",
            "/tenants//x",
        ];
        const ODD: [&str; 22] = [
            "/public//a",
            "/public/./a",
            "/public/../users",
            "/public/%2e%2e/users",
            "/public/a%2Fb",
            "/public/a%5Cb",
            "/public/a\\b",
            "/public/a;b",
            "/users;x",
            "/public/%",
            "/public/%zz",
            "/public/%25",
            "/public/%00",
            "/public/\u{e9}",
            "/public/%ff",
            "users",
            "*",
            "http://localhost/users",
            "http://other.example/users",
            "/%75sers",
            "/Admin",
            "/public/#a",
        ];
        if self.rarely() {
            return self.one_of(&ODD).to_owned();
        }
        self.one_of(&PATHS).to_owned()
    }

    fn host(&mut self) -> &'static str {
        const HOSTS: [&str; 8] = [
            "api.example.com",
            "API.example.com:80",
            "other.example",
            "a b",
            "",
            "[::1]",
            "a,b",
            "localhost:x",
        ];
        if self.rarely() { self.one_of(&HOSTS) } else { "localhost" }
    }

    fn credential(&mut self, headers: &mut Vec<(String, String)>) {
        let times = [0, 1, 1, 1, 1, 1, 1, 2][self.random.usize(..8)];
        for _ in 0..times {
            let pick = self.random.usize(..3);
            let value = if pick == 0 {
                let pair = self.one_of(&["anna:correct horse battery", "anna:wrong", "nobody:x", ":", "x"]);
                format!("Basic {}", jose::base64(pair))
            } else {
                let index = if self.rarely() {
                    self.random.usize(..self.tokens.len())
                } else {
                    self.random.usize(..3)
                };
                format!("{} {}", self.one_of(&["Bearer", "bearer"]), self.tokens[index])
            };
            headers.push(("Authorization".into(), value));
        }
    }

    fn odd_fields(&mut self, headers: &mut Vec<(String, String)>) {
        const FIELDS: [(&str, &str); 34] = [
            ("X-Region", "eu"),
            ("X-Region", "eu"),
            ("X-Region", "us"),
            ("X_Region", "eu"),
            ("X-Region", "a b"),
            ("Connection", "close"),
            ("Connection", "keep-alive, X-Region"),
            ("Connection", "Authorization"),
            ("Connection", "x-auth-roles"),
            ("Connection", "Host"),
            ("Connection", "a b"),
            ("Connection", "Transfer-Encoding"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Version", "8"),
            ("Origin", "https://app.example.com"),
            ("Origin", "https://evil.example"),
            ("Access-Control-Request-Method", "GET"),
            ("Access-Control-Request-Method", "PUT"),
            ("Access-Control-Request-Method", "DELETE"),
            ("X-Forwarded-For", "192.0.2.7"),
            ("X-Forwarded-For", "nonsense"),
            ("Forwarded", "for=192.0.2.7"),
            ("X-Forwarded-Proto", "https"),
            ("X-Auth-Roles", "ADMIN"),
            ("Cookie", "a=b"),
            ("Accept", "text/html"),
            ("Expect", "100-continue"),
            ("Expect", "tea"),
            ("Host", "localhost"),
            ("X-Many", "x"),
            ("Transfer-Encoding", "gzip"),
        ];
        while self.random.u8(..5) < 2 {
            let (name, value) = self.one_of(&FIELDS);
            headers.push((name.into(), value.into()));
        }
        if self.rarely() {
            self.handshake(headers);
        }
        if self.rarely() {
            let many = self.random.usize(10..30);
            headers
                .extend((0..many).map(|index| (format!("X-{index}"), "x".repeat(self.random.usize(..120)))));
        }
    }

    /// A WebSocket handshake that is right, or nearly.
    fn handshake(&mut self, headers: &mut Vec<(String, String)>) {
        let version = self.one_of(&["13", "13", "8"]);
        let parts = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", version),
        ];
        for (name, value) in parts {
            if !self.rarely() {
                headers.push((name.into(), value.into()));
            }
        }
    }

    /// What a browser asks before a request to another site.
    fn preflight(&mut self) -> Request {
        let mut inquiry =
            Inquiry::new(Method::OPTIONS, self.one_of(&["/shared", "/shared", "/users"]).into());
        let origin = self.one_of(&["https://app.example.com", "https://evil.example"]);
        let method = self.one_of(&["GET", "GET", "PUT", "DELETE", "a b"]);
        inquiry.headers.push(("Origin".into(), origin.into()));
        inquiry.headers.push(("Access-Control-Request-Method".into(), method.into()));
        if self.random.bool() {
            let asked = self.one_of(&["X-Mine", "x-mine, X-Other", ""]);
            inquiry.headers.push(("Access-Control-Request-Headers".into(), asked.into()));
        }
        Request { inquiry, body: "" }
    }

    fn body(&mut self, headers: &mut Vec<(String, String)>) -> &'static str {
        const LENGTHS: [(&str, &str); 9] = [
            ("0", ""),
            ("4", "body"),
            ("8", "eight..."),
            ("9", "nine....."),
            ("100", ""),
            ("5000000", ""),
            ("04", "body"),
            ("+4", "body"),
            ("4, 4", "body"),
        ];
        match self.random.u8(..6) {
            0 => {
                let (length, body) = self.one_of(&LENGTHS);
                headers.push(("Content-Length".into(), length.into()));
                body
            }
            1 => {
                headers.push(("Transfer-Encoding".into(), "chunked".into()));
                "4\r\nbody\r\n0\r\n\r\n"
            }
            _ => "",
        }
    }
}

pub(super) fn explained(
    runtime: &tokio::runtime::Runtime,
    gate: ExplainContext<'_>,
    inquiry: &Inquiry,
) -> Explanation {
    runtime.block_on(judge(gate, inquiry)).unwrap_or_else(|_| panic!("no explanation of {inquiry:?}"))
}

#[test]
fn explain_says_of_thousands_of_requests_what_the_gate_does() {
    let arrived = Arc::new(AtomicUsize::new(0));
    let counted = arrived.clone();
    let backend = Backend::start(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Answer::ok("")
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("haechi.yaml");
    std::fs::write(&file, configuration(backend.address())).unwrap();
    std::fs::write(folder.path().join("users"), USERS).unwrap();
    let config: Config = load(&file, ALL).unwrap_or_else(|report| panic!("{}", report));
    let runtime = control_runtime().unwrap();
    let assembly = Assembly::new(&config, &runtime).unwrap();
    let dry = DryRun::new(assembly.plan.clone());
    let gate = ExplainContext { config: &config, dry: &dry, assembly: Some(&assembly), answers: None };
    let running = Running::start(&assembly, 0);

    let mut maker = Maker::new(SEED);
    let mut seen = std::collections::BTreeMap::<u16, usize>::new();
    for _ in 0..REQUESTS {
        let request = maker.next();
        let told = explained(&runtime, gate, &request.inquiry);
        let before = arrived.load(Ordering::SeqCst);
        let status = running.ask(&request.wire());
        let forwarded = arrived.load(Ordering::SeqCst) - before;
        let wire = String::from_utf8_lossy(&request.wire()).into_owned();
        assert_eq!(
            (told.status, usize::from(told.is_allowed())),
            (status, forwarded),
            "explain: {} ({}) because {}; the gate: {status}, {forwarded} forwarded\n{wire}",
            told.outcome,
            told.status,
            told.because,
        );
        *seen.entry(status).or_default() += 1;
    }
    // Each kind of answer was seen, or the requests are not odd enough.
    for status in [200, 204, 400, 401, 403, 404, 405, 413, 417, 426, 431] {
        assert!(seen.contains_key(&status), "no {status} among {seen:?}");
    }
}
