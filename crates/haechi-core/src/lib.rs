//! The nouns of a request and the ports to the outside world.
//!
//! Nothing here does input or output, and nothing here knows a runtime. Every other room imports this one; it imports none.

pub mod address;
mod attribute;
pub mod caller;
pub mod certificate;
pub mod connection;
pub mod cookies;
pub mod fields;
pub mod head;
pub mod host;
pub mod id;
pub mod language;
pub mod method;
pub mod metrics;
pub mod outcome;
pub mod path;
pub mod pattern;
pub mod ports;
pub mod rate;
pub mod role;
pub mod secret;
pub mod time;
pub mod token;

pub use address::address_block;
pub use attribute::{AttributeType, AttributeValue, Attributes};
pub use caller::{Caller, CallerKind};
pub use connection::ConnectionFacts;
pub use fields::{FieldName, Fields, Repeated};
pub use head::RequestHead;
pub use host::{Host, HostPattern};
pub use method::MethodSet;
pub use outcome::{Denial, Outcome};
pub use path::{CanonicalPath, Irregular};
pub use pattern::PathPattern;
pub use role::{Role, RoleTable};
pub use secret::Secret;
pub use time::{Clock, SystemClock, Timestamp};
