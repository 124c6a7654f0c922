//! Exporting traces over OTLP/HTTP (OpenTelemetry Protocol 1, binary protobuf), from the control runtime. A collector that is slow or gone
//! costs requests nothing: what does not fit into the queue is dropped and counted.

mod messages;
mod spans;

use super::http_client;
use crate::config::meant;
use haechi_authn::supervisor::supervise_until_done;
use haechi_proxy::{TraceSink, TracedRequest, batch_channel};
pub(super) use messages::{AnyValue, KeyValue, Resource, Scope, Value};
use messages::{ExportTraceServiceRequest, ResourceSpans, ScopeSpans};
use prost::Message;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
pub(super) use spans::text;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::Receiver;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// Batches that may wait for the exporter, each of what a worker gathered in one tick.
const WAITING: usize = 64;
/// Post at so many requests.
const POST_AT: usize = 512;
/// And at the latest after so long.
const POST_AFTER: Duration = Duration::from_secs(1);
/// From connecting to the end of the collector's answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last post.
const LAST: Duration = Duration::from_secs(3);
/// The semantic conventions that attributes are named by.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.27.0";

/// The exporter's end for the rest of the gate.
pub(crate) struct Exporter {
    /// For the workers; `None` when nothing is to be exported.
    pub(crate) sink: Option<TraceSink>,
    /// Requests whose traces were dropped.
    pub(crate) dropped: Arc<AtomicU64>,
    running: Option<(watch::Sender<bool>, JoinHandle<()>)>,
}

/// Why it cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExporterFault {
    #[error("cannot set up the client for `telemetry.traces`: {0}")]
    Client(#[from] reqwest::Error),
    #[error("a header of `telemetry.traces` cannot be sent")]
    Header,
}

impl Exporter {
    /// Starts it on `control`, where the configuration asks for one.
    pub(crate) fn start(
        configured: Option<&meant::Traces>,
        egress: &meant::Egress,
        control: &Runtime,
    ) -> Result<Self, ExporterFault> {
        let Some(configured) = configured else {
            return Ok(Self { sink: None, dropped: Arc::default(), running: None });
        };
        let (sender, receiver) = batch_channel(WAITING);
        let dropped = sender.dropped().clone();
        let collector = Collector {
            client: client(configured, egress)?,
            endpoint: configured.endpoint.clone(),
            service_name: configured.service_name.clone(),
            dropped: dropped.clone(),
            failing: false,
        };
        let (end, ended) = watch::channel(false);
        let task =
            Export { requests: receiver, ended, in_hand: Vec::new(), collector }.start(control.handle());
        let sink = TraceSink { requests: sender, sample: configured.sample };
        Ok(Self { sink: Some(sink), dropped, running: Some((end, task)) })
    }

    /// Posts what is left. The workers must have ended.
    pub(crate) fn finish(self, control: &Runtime) {
        let Some((end, task)) = self.running else { return };
        // An exporter that broke off has nothing left to be told.
        let _ = end.send(true);
        if control.block_on(async { timeout(LAST, task).await }).is_err() {
            tracing::warn!("cannot export the last traces in time");
        }
    }
}

fn client(configured: &meant::Traces, egress: &meant::Egress) -> Result<Client, ExporterFault> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    for (name, value) in &configured.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| ExporterFault::Header)?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| ExporterFault::Header)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(http_client::outward(egress).timeout(TIMEOUT).default_headers(headers).build()?)
}

/// What the exporter's task works on; it outlives a panic of the task.
struct Export {
    requests: Receiver<Vec<TracedRequest>>,
    ended: watch::Receiver<bool>,
    /// Gathered, or being posted.
    in_hand: Vec<TracedRequest>,
    collector: Collector,
}

impl Export {
    fn start(self, control: &Handle) -> JoinHandle<()> {
        let export = Arc::new(Mutex::new(self));
        supervise_until_done(control, "trace export", move || {
            let export = export.clone();
            async move {
                export.lock().await.run().await;
                ControlFlow::Break(())
            }
        })
    }

    /// Gathers and posts until it is told to end, and then what is there.
    async fn run(&mut self) {
        // Of a run that panicked. Whether they arrived is not known; posted again, they might panic again.
        self.collector.dropped.fetch_add(self.in_hand.len() as u64, Relaxed);
        self.in_hand.clear();
        let mut over = false;
        while !over {
            over = self.gather().await;
            self.collector.post(&self.in_hand).await;
            self.in_hand.clear();
        }
    }

    /// Fills what is in hand; `true` when there will be no more.
    async fn gather(&mut self) -> bool {
        let Self { requests, ended, in_hand, .. } = self;
        let first = tokio::select! {
            batch = requests.recv() => batch.unwrap_or_default(),
            _ = ended.wait_for(|ended| *ended) => Vec::new(),
        };
        let mut over = first.is_empty();
        in_hand.extend(first);
        let due = Instant::now() + POST_AFTER;
        while !over && in_hand.len() < POST_AT {
            let more = async {
                tokio::select! {
                    more = requests.recv() => more,
                    _ = ended.wait_for(|ended| *ended) => None,
                }
            };
            match timeout_at(due, more).await {
                Ok(Some(more)) => in_hand.extend(more),
                Ok(None) => over = true,
                Err(_) => break,
            }
        }
        while over && let Ok(more) = requests.try_recv() {
            in_hand.extend(more);
        }
        over
    }
}

/// Where traces go.
struct Collector {
    client: Client,
    endpoint: String,
    service_name: String,
    dropped: Arc<AtomicU64>,
    failing: bool,
}

impl Collector {
    async fn post(&mut self, batch: &[TracedRequest]) {
        if batch.is_empty() {
            return;
        }
        let body = self.message(batch).encode_to_vec();
        let sent = self.client.post(&self.endpoint).body(body).send().await;
        let outcome = sent.and_then(reqwest::Response::error_for_status).map(drop);
        if let Err(error) = outcome {
            self.dropped.fetch_add(batch.len() as u64, Relaxed);
            // Once, not with every batch.
            if !std::mem::replace(&mut self.failing, true) {
                let error = http_client::message(error);
                tracing::warn!(%error, "cannot export traces; they are dropped and counted");
            }
        } else {
            self.failing = false;
        }
    }

    fn message(&self, batch: &[TracedRequest]) -> ExportTraceServiceRequest {
        let version = env!("CARGO_PKG_VERSION");
        let attributes = vec![text("service.name", &self.service_name), text("service.version", version)];
        let scope = Scope { name: "haechi".to_owned(), version: version.to_owned() };
        let spans = batch.iter().flat_map(spans::spans).collect();
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource { attributes }),
                scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
                schema_url: SCHEMA.to_owned(),
            }],
        }
    }
}
