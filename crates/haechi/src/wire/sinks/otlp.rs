//! Logs over OTLP/HTTP (OpenTelemetry Protocol 1, binary protobuf): each line is the body of a record.

use super::batch::{SinkError, Undelivered, lines};
use crate::config::meant::Egress;
use crate::wire::http_client;
use crate::wire::otlp::{AnyValue, KeyValue, Resource, Scope, Value, text};
use haechi_core::{Clock, SystemClock};
use prost::Message;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};

/// `SEVERITY_NUMBER_INFO`.
const INFO: i32 = 9;
/// Where whoever answers so may take the same the next time (OTLP 1, "Retryable Response Codes").
const FOR_NOW: [u16; 4] = [429, 502, 503, 504];

/// What a collector takes (opentelemetry-proto 1: `collector/logs`, `logs`). Tags are the protocol's.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExportLogsServiceRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    pub(super) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(super) scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    pub(super) scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    pub(super) log_records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LogRecord {
    #[prost(int32, tag = "2")]
    pub(super) severity_number: i32,
    #[prost(message, optional, tag = "5")]
    pub(super) body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    pub(super) attributes: Vec<KeyValue>,
    /// The line has its own time in it.
    #[prost(fixed64, tag = "11")]
    pub(super) observed_time_unix_nano: u64,
}

/// Where lines go.
pub(super) struct Collector {
    client: Client,
    address: String,
    what: &'static str,
}

impl Collector {
    pub(super) fn new(address: &str, what: &'static str, egress: &Egress) -> Result<Self, SinkError> {
        Ok(Self { client: http_client::outward(egress).build()?, address: address.to_owned(), what })
    }

    pub(super) fn name(&self) -> String {
        let address = Url::parse(&self.address).ok();
        let host = address.as_ref().and_then(Url::host_str).unwrap_or_default();
        let port = address.as_ref().and_then(Url::port_or_known_default).unwrap_or_default();
        format!("otlp {host}:{port}")
    }

    pub(super) async fn send(&self, batch: &[u8]) -> Result<(), Undelivered> {
        let request = self.client.post(&self.address).header(CONTENT_TYPE, "application/x-protobuf");
        let answer = request.body(self.message(batch).encode_to_vec()).send().await;
        let status = answer.map_err(|error| Undelivered::ForNow(http_client::message(error)))?.status();
        if status.is_success() {
            Ok(())
        } else if FOR_NOW.contains(&status.as_u16()) {
            Err(Undelivered::ForNow(format!("the collector answered {status}")))
        } else {
            Err(Undelivered::Refused(format!("the collector answered {status}")))
        }
    }

    fn message(&self, batch: &[u8]) -> ExportLogsServiceRequest {
        let now = SystemClock.now().as_millis();
        let observed_time_unix_nano = u64::try_from(now).unwrap_or(0).saturating_mul(1_000_000);
        let record = |line: &[u8]| LogRecord {
            severity_number: INFO,
            body: Some(AnyValue { value: Some(Value::Text(String::from_utf8_lossy(line).into_owned())) }),
            attributes: vec![text("event.name", &format!("haechi.{}", self.what))],
            observed_time_unix_nano,
        };
        let version = env!("CARGO_PKG_VERSION");
        let attributes = vec![text("service.name", "haechi"), text("service.version", version)];
        let scope = Scope { name: "haechi".to_owned(), version: version.to_owned() };
        let log_records = lines(batch).map(record).collect();
        ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(Resource { attributes }),
                scope_logs: vec![ScopeLogs { scope: Some(scope), log_records }],
            }],
        }
    }
}
