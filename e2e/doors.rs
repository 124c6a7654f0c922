//! Haechi behind other gateways (`type: authorizer`; docs/behind-other-gateways.md): the same requests through the proxy and through each door come to the same.

mod answers;
mod authzen;
mod bound;
mod caddy;
mod envoy;
mod haproxy;
mod nginx;
mod replayed;
mod table;
mod untrusted;

use crate::harness::{Folder, Gate, Reply, curl};
use haechi_testkit::{Backend, Recorded};
use serde_json::Value;
use std::net::SocketAddr;

/// A gate with a listener for clients and one for other gateways, and a backend.
struct World {
    gate: Gate,
    backend: Backend,
    /// Where other gateways ask.
    door: SocketAddr,
    keys: Vec<(&'static str, String)>,
}

/// Whoever asks by AuthZEN has this.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    /// What the backend is told of the caller; `None` where the request reaches no backend.
    identity: Option<Vec<(String, String)>>,
}

impl World {
    fn new() -> Self {
        Self::with("")
    }

    /// With more at the top of the configuration.
    fn with(top: &str) -> Self {
        let backend = Backend::saying("reached");
        let folder = Folder::exactly(&format!(
            "listeners: [{{ bind: 127.0.0.1:0 }}, {{ bind: 127.0.0.1:0, type: authorizer, authzen: {{ tokens: [{TOKEN}] }} }}]
admin: {{ bind: 127.0.0.1:0, socket: admin.sock }}
workers: 1
trusted_proxies: [127.0.0.1/32]
store: sqlite:haechi.db
caller_attributes: {{ tenant: string }}
roles: {{ USER: {{}}, ADMIN: {{ includes: [USER] }} }}
authenticators: {{ partner: {{ type: api_key, header: X-API-Key }}, dead: {{ type: external, url: \"http://127.0.0.1:1/\", timeout: 1s }} }}
services: {{ web: {{ endpoints: [\"{url}\"] }} }}
{top}
routes:
  - {{ name: public, match: {{ path: /public/** }}, authenticate: anonymous, authorize: any, service: web }}
  - {{ name: open, match: {{ path: /open/** }}, authenticate: partner, authorize: any, service: web }}
  - {{ name: user, match: {{ path: /user/** }}, authenticate: partner, authorize: {{ roles: [USER] }}, service: web }}
  - {{ name: admin, match: {{ path: /admin/**, methods: [GET, DELETE] }}, authenticate: partner, authorize: {{ roles: [ADMIN] }}, service: web }}
  - {{ name: scoped, match: {{ path: /scoped }}, authenticate: partner, authorize: {{ scopes: [\"orders:read\"] }}, service: web }}
  - {{ name: tenant, match: {{ path: \"/tenants/{{tenant}}\" }}, authenticate: partner, authorize: {{ when: principal.tenant == context.params.tenant }}, service: web }}
  - {{ name: dead, match: {{ path: /dead/** }}, authenticate: dead, authorize: any, service: web }}
  - {{ name: other-host, match: {{ path: /user/**, hosts: [other.example] }}, authenticate: anonymous, authorize: any, service: web }}
",
            url = backend.url(),
        ));
        let keys = vec![
            ("user", folder.create_key(&["--owner", "alice", "--role", "USER", "--scope", "orders:read"])),
            ("admin", folder.create_key(&["--owner", "root", "--role", "ADMIN", "--attr", "tenant=acme"])),
            ("nobody", folder.create_key(&["--owner", "nobody", "--attr", "tenant=홍"])),
        ];
        let gate = Gate::start_in(folder).ready();
        let door = door(&gate);
        Self { gate, backend, door, keys }
    }

    fn key(&self, name: &str) -> String {
        let known = self.keys.iter().find(|(known, _)| *known == name);
        known.map_or_else(|| name.to_owned(), |(_, key)| key.clone())
    }

    /// Asks somebody in front for `target`, and looks what reached the backend.
    fn through(&self, front: SocketAddr, case: &table::Case) -> (Reply, Outcome) {
        let before = self.backend.recorded().len();
        let url = format!("http://{front}{}", case.target);
        let fields = case.fields(self);
        let mut arguments = vec!["-X", case.method];
        for field in &fields {
            arguments.extend(["-H", field]);
        }
        arguments.push(&url);
        let reply = curl(&arguments);
        let reached = self.backend.recorded().split_off(before);
        assert!(reached.len() <= 1, "{case:?}: {reached:?}");
        let identity = reached.first().map(|seen| identity(&seen.head.fields));
        let status = reply.status;
        (reply, Outcome { status, identity })
    }

    /// What the gate remembers of its decisions.
    fn decisions(&self) -> String {
        let socket = self.gate.folder().file("admin.sock");
        let decisions =
            curl(&["--unix-socket", socket.to_str().unwrap(), "http://localhost/api/v1/decisions"]);
        decisions.expect(200).text()
    }

    fn reached(&self) -> Vec<Recorded> {
        self.backend.recorded()
    }
}

/// The address of the second listener.
pub(crate) fn door(gate: &Gate) -> SocketAddr {
    let lines = gate.log().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let mut listening = lines.filter(|line| line["event"] == "listening" && line["listener"] == "1");
    listening.next_back().unwrap()["address"].as_str().unwrap().parse().unwrap()
}

/// The fields that tell of the caller, without those that say nothing.
fn identity(fields: &[(String, String)]) -> Vec<(String, String)> {
    let told =
        fields.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).filter(|(name, value)| {
            name.starts_with("x-auth-")
                && !value.is_empty()
                && name != "x-auth-status"
                && name != "x-auth-redirect"
        });
    let mut told: Vec<_> = told.collect();
    told.sort();
    told
}
