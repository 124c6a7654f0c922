//! gRPC through the gate, with a client and a server that are not ours.

use crate::harness::{Gate, H2Answer, H2Backend, PATIENCE, eventually};
use haechi_testkit::port::unused_address;
use haechi_testkit::{Backend, Unreachable};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tonic::metadata::MetadataMap;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::server::{HealthReporter, health_reporter};

/// The health service, which records the metadata of every call.
struct Service {
    address: SocketAddr,
    reporter: HealthReporter,
    calls: Arc<Mutex<Vec<MetadataMap>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    fn start() -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, ready) = std::sync::mpsc::channel();
        let calls = Arc::<Mutex<Vec<MetadataMap>>>::default();
        let recorded = calls.clone();
        let thread = std::thread::spawn(move || {
            runtime().block_on(async move {
                let (reporter, service) = health_reporter();
                reporter.set_service_status("orders", ServingStatus::Serving).await;
                let incoming = TcpIncoming::bind(unused_address()).unwrap();
                bound.send((incoming.local_addr().unwrap(), reporter)).unwrap();
                let record = move |call: Request<()>| {
                    recorded.lock().unwrap().push(call.metadata().clone());
                    Ok::<_, Status>(call)
                };
                let ended = async { drop(stopped.await) };
                let server = Server::builder().add_service(InterceptedService::new(service, record));
                tokio::select! {
                    served = server.serve_with_incoming(incoming) => served.unwrap(),
                    () = ended => {}
                }
            });
        });
        let (address, reporter) = ready.recv().unwrap();
        Self { address, reporter, calls, stop: Some(stop), thread: Some(thread) }
    }

    fn calls(&self) -> Vec<MetadataMap> {
        self.calls.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A gate whose `/grpc.health.v1.Health/Watch` asks for a key, and whose `Check` is open.
fn gate_to(url: &str) -> Gate {
    Gate::start(&format!(
        "store: \"sqlite:a.db\"
authenticators: {{ key: {{ type: api_key }} }}
services: {{ health: {{ endpoints: [\"{url}\"], protocol: http2, timeout: 5s }} }}
routes:
  - {{ name: check, match: {{ path: /grpc.health.v1.Health/Check }}, authenticate: anonymous, authorize: any, service: health }}
  - {{ name: watch, match: {{ path: /grpc.health.v1.Health/Watch }}, authenticate: key, authorize: any, service: health }}
"
    ))
    .ready()
}

async fn client(gate: &Gate) -> HealthClient<Channel> {
    HealthClient::new(Endpoint::from_shared(gate.url("")).unwrap().connect().await.unwrap())
}

fn asking(service: &str) -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest { service: service.into() })
}

fn within<T>(seconds: u64, work: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(seconds);
    runtime().block_on(async { tokio::time::timeout(limit, work).await.expect("the call hangs") })
}

#[test]
fn unary_calls_answers_and_errors_pass_as_they_are() {
    let service = Service::start();
    let gate = gate_to(&format!("http://{}", service.address));
    within(30, async {
        let mut client = client(&gate).await;
        let mut request = asking("orders");
        request.metadata_mut().insert("x-mine", "yes".parse().unwrap());
        request.metadata_mut().insert("x-auth-subject", "root".parse().unwrap());
        let answer = client.check(request).await.unwrap();
        assert_eq!(answer.get_ref().status, ServingStatus::Serving as i32);
        assert!(answer.metadata().contains_key("x-request-id"));
        // The service's own refusal, which is all trailers.
        let unknown = client.check(asking("nothing")).await.unwrap_err();
        assert_eq!((unknown.code(), unknown.message()), (Code::NotFound, "service not registered"));
    });
    let calls = service.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].get("x-mine").unwrap(), "yes");
    assert_eq!(calls[0].get("te").unwrap(), "trailers");
    assert!(calls[0].get("x-auth-subject").is_none());
    assert_eq!(calls[0].get("x-auth-authenticator").unwrap(), "anonymous");
}

#[test]
fn streams_flow_and_who_may_not_is_told_in_grpc() {
    let service = Service::start();
    let gate = gate_to(&format!("http://{}", service.address));
    let key = gate.folder().create_key(&["--owner", "ci"]);
    within(30, async {
        let mut client = client(&gate).await;
        let denied = client.watch(asking("orders")).await.unwrap_err();
        assert_eq!((denied.code(), denied.message()), (Code::Unauthenticated, "credentials are needed"));
        assert!(service.calls().is_empty(), "nothing reached the service");
        let mut request = asking("orders");
        request.metadata_mut().insert("x-api-key", key.parse().unwrap());
        let mut updates = client.watch(request).await.unwrap().into_inner();
        let status = updates.message().await.unwrap().unwrap().status;
        assert_eq!(status, ServingStatus::Serving as i32);
        service.reporter.set_service_status("orders", ServingStatus::NotServing).await;
        let status = updates.message().await.unwrap().unwrap().status;
        assert_eq!(status, ServingStatus::NotServing as i32);
    });
    assert_eq!(service.calls().len(), 1);
    assert!(service.calls()[0].get("x-api-key").is_none(), "a key that was verified goes no further");
}

#[test]
fn what_is_not_served_is_unimplemented() {
    let service = Service::start();
    let gate = Gate::start(&format!(
        "services: {{ health: {{ endpoints: [\"http://{}\"], protocol: http2 }} }}\nroutes:\n  - {{ name: other, match: {{ path: /other }}, authenticate: anonymous, authorize: any, service: health }}\n",
        service.address
    ));
    within(30, async {
        let refused = client(&gate).await.check(asking("orders")).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented);
    });
    assert!(service.calls().is_empty());
}

#[test]
fn the_callers_deadline_is_kept_and_passed_on() {
    let backend = H2Backend::start(100, |_| H2Answer::Never);
    let gate = gate_to(&backend.url());
    let begun = Instant::now();
    // curl keeps no deadline of its own, so that the answer is the gate's.
    let fields = ["content-type: application/grpc", "te: trailers", "grpc-timeout: 300m"];
    let fields = fields.iter().flat_map(|field| ["--header", *field]);
    let arguments: Vec<&str> = fields.chain(["--http2-prior-knowledge", "--data-binary", "call"]).collect();
    let late = gate.curl("/grpc.health.v1.Health/Check", &arguments).expect(200);
    assert_eq!(late.field("grpc-status"), Some("4"));
    assert!(begun.elapsed() < Duration::from_secs(4), "the service's own timeout is 5 s");
    assert!(backend.sole().fields.get_all("grpc-timeout").iter().eq(["300m"]));
    eventually(PATIENCE, || (backend.streams() == 0).then_some(()));
}

#[test]
fn grpc_web_callers_read_refusals_in_their_own_content_type() {
    let backend = Backend::saying("not reached");
    let gate = Gate::start(&format!(
        "store: \"sqlite:a.db\"
authenticators: {{ key: {{ type: api_key }} }}
services: {{ web: {{ endpoints: [\"{}\"] }} }}
routes:
  - {{ name: call, match: {{ path: /shop.Orders/** }}, authenticate: key, authorize: any, service: web, cors: {{ origins: [\"https://app.example\"], expose: [X-Request-Id] }} }}
",
        backend.url()
    ))
    .ready();
    for http in ["--http1.1", "--http2-prior-knowledge"] {
        for content_type in [
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/grpc-web-text+proto",
        ] {
            let field = format!("content-type: {content_type}");
            let origin = "origin: https://app.example";
            let ask = |path: &str| {
                let fields = ["--header", &field, "--header", origin];
                // curl 7.88 waits for ever where an answer without a body comes before its own body has left over HTTP/2.
                let body = if http == "--http1.1" { "AAAAAAA=" } else { "" };
                gate.curl(path, &[&fields[..], &[http, "--data-binary", body]].concat()).expect(200)
            };
            let refused = ask("/shop.Orders/Get");
            assert_eq!(refused.field("content-type"), Some(content_type));
            assert_eq!(refused.field("grpc-status"), Some("16"));
            assert_eq!(refused.field("grpc-message"), Some("credentials are needed"));
            assert!(
                refused.body.is_empty(),
                "trailers stand among the header fields, and no message follows"
            );
            let exposed = refused.head.all("access-control-expose-headers").join(", ");
            assert_eq!(exposed, "x-request-id, grpc-status, grpc-message", "a page reads no other fields");
            assert_eq!(ask("/shop.Nothing/Get").field("grpc-status"), Some("12"));
        }
    }
    assert!(backend.recorded().is_empty());
}

#[test]
fn a_service_that_is_down_is_unavailable() {
    let unreachable = Unreachable::refusing();
    let gate = gate_to(&unreachable.url());
    within(30, async {
        let down = client(&gate).await.check(asking("orders")).await.unwrap_err();
        assert_eq!(down.code(), Code::Unavailable, "{down}");
    });
}
