//! The part of OTLP that traces need (opentelemetry-proto 1: `collector/trace`, `trace`, `resource`, `common`). Tags are the protocol's.

use prost::{Enumeration, Message, Oneof};

/// What a collector takes.
#[derive(Clone, PartialEq, Message)]
pub(in crate::wire) struct ExportTraceServiceRequest {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::wire) resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::wire) struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    pub(in crate::wire) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(in crate::wire) scope_spans: Vec<ScopeSpans>,
    #[prost(string, tag = "3")]
    pub(in crate::wire) schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::wire) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::wire) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::wire) struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    pub(in crate::wire) scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    pub(in crate::wire) spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::wire) struct Scope {
    #[prost(string, tag = "1")]
    pub(in crate::wire) name: String,
    #[prost(string, tag = "2")]
    pub(in crate::wire) version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::wire) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub(in crate::wire) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(in crate::wire) span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(in crate::wire) parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(in crate::wire) name: String,
    #[prost(enumeration = "SpanKind", tag = "6")]
    pub(in crate::wire) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(in crate::wire) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub(in crate::wire) end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub(in crate::wire) attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    pub(in crate::wire) status: Option<Status>,
    /// The W3C flags in the lowest byte; whether the parent is known to be remote in the next two bits.
    #[prost(fixed32, tag = "16")]
    pub(in crate::wire) flags: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(in crate::wire) enum SpanKind {
    Unspecified = 0,
    Internal = 1,
    Server = 2,
    Client = 3,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::wire) struct Status {
    #[prost(enumeration = "StatusCode", tag = "3")]
    pub(in crate::wire) code: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(in crate::wire) enum StatusCode {
    Unset = 0,
    Ok = 1,
    Error = 2,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::wire) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(in crate::wire) key: String,
    #[prost(message, optional, tag = "2")]
    pub(in crate::wire) value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::wire) struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 3")]
    pub(in crate::wire) value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(in crate::wire) enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Int(i64),
}
