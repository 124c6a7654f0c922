//! Places of tokens.

/// Where a token stands in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenIn {
    /// `Authorization: Bearer`.
    Bearer,
    /// The header of this name.
    Header(String),
    /// The cookie of this name.
    Cookie(String),
    /// A subprotocol that begins so, of a WebSocket's handshake.
    WebSocketProtocol(String),
}
