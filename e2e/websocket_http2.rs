//! WebSocket over HTTP/2 (RFC 8441), with a client of another make (Python's `h2` and `wsproto`).

use crate::harness::websocket::EchoServer;
use crate::harness::{Gate, python};
use haechi_testkit::jose::{Key, now, with};
use haechi_testkit::{Backend, IdentityProvider};
use serde_json::{Value, json};

/// Opens a stream with extended CONNECT, says `hello` where it is let in, and tells what it was answered and how it ended.
const CLIENT: &str = r#"
import json, socket, sys
import h2.config, h2.connection, h2.events, h2.settings
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage, CloseConnection, BytesMessage

host, port, path, protocol, token, wait = sys.argv[1:7]
sock = socket.create_connection((host, int(port)))
sock.settimeout(20)
conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
conn.initiate_connection()
sock.sendall(conn.data_to_send())
told = {"enabled": False, "status": None, "heard": None, "code": None, "ended": False}
ws = Connection(ConnectionType.CLIENT)
stream = None

def flush():
    sock.sendall(conn.data_to_send())

def on_message(event):
    if isinstance(event, TextMessage):
        told["heard"] = event.data
        if wait == "close":
            conn.send_data(stream, ws.send(CloseConnection(code=1000)))
        print("heard", file=sys.stderr, flush=True)
    elif isinstance(event, CloseConnection):
        told["code"] = event.code
        try:
            conn.send_data(stream, ws.send(event.response()))
        except Exception:
            pass

while not told["ended"]:
    data = sock.recv(65536)
    if not data:
        break
    for event in conn.receive_data(data):
        if isinstance(event, h2.events.RemoteSettingsChanged) and stream is None:
            setting = event.changed_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL)
            told["enabled"] = bool(setting and setting.new_value == 1)
            stream = conn.get_next_available_stream_id()
            fields = [(":method", "CONNECT"), (":protocol", protocol), (":scheme", "http"), (":path", path),
                      (":authority", "a"), ("sec-websocket-version", "13")]
            if token:
                fields.append(("authorization", token))
            conn.send_headers(stream, fields)
        elif isinstance(event, h2.events.ResponseReceived):
            told["status"] = int(dict(event.headers)[b":status"])
            if told["status"] == 200:
                conn.send_data(stream, ws.send(TextMessage(data="hello")))
        elif isinstance(event, h2.events.DataReceived):
            conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if told["status"] == 200 and event.data:
                ws.receive_data(event.data)
                for message in ws.events():
                    on_message(message)
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset, h2.events.ConnectionTerminated)):
            told["ended"] = True
    flush()
print(json.dumps(told))
"#;

/// Routes to a service at `url`: `/open` for everybody, `/in` for those who have a token of `provider`.
fn start(url: &str, provider: &IdentityProvider) -> Gate {
    Gate::start(&format!(
        "authenticators: {{ corp: {{ type: jwt, issuer: \"{issuer}\", audiences: [orders], keys: discovery, leeway: 0s }} }}
services: {{ chat: {{ endpoints: [\"{url}\"] }} }}
routes:
  - {{ name: open, match: {{ path: /open, methods: [GET] }}, authenticate: anonymous, authorize: any, service: chat }}
  - {{ name: in, match: {{ path: /in }}, authenticate: corp, authorize: any, service: chat }}
",
        issuer = provider.issuer()
    ))
    .ready()
}

fn talk(gate: &Gate, path: &str, protocol: &str, token: &str, wait: &str) -> Value {
    let port = gate.address().port().to_string();
    let told = python(CLIENT, &["127.0.0.1", &port, path, protocol, token, wait]);
    serde_json::from_str(&told).unwrap()
}

#[test]
fn a_stream_becomes_a_websocket_as_a_get_would() {
    let backend = EchoServer::start();
    let provider = IdentityProvider::start(&[&Key::p256("one")]);
    let gate = start(&backend.url(), &provider);
    let told = talk(&gate, "/open", "websocket", "", "close");
    assert_eq!((&told["enabled"], &told["status"]), (&json!(true), &json!(200)), "{told}");
    assert_eq!((&told["heard"], &told["code"]), (&json!("hello"), &json!(1000)), "{told}");
    assert_eq!(backend.told("upgrade").as_deref(), Some("websocket"));
    assert_eq!(backend.ended().map(|(code, _)| code), Some(1000));
}

#[test]
fn it_ends_when_the_token_expires() {
    let backend = EchoServer::start();
    let key = Key::p256("one");
    let provider = IdentityProvider::start(&[&key]);
    let gate = start(&backend.url(), &provider);
    let token = key.token(&with(&provider.claims("alice"), &json!({"exp": now() + 5})));
    let told = talk(&gate, "/in", "websocket", &format!("Bearer {token}"), "wait");
    assert_eq!(
        (&told["status"], &told["heard"], &told["code"]),
        (&json!(200), &json!("hello"), &json!(1008))
    );
    assert_eq!(backend.ended().map(|(code, _)| code), Some(1008));
}

#[test]
fn nobody_gets_in_who_would_not_get_an_answer() {
    let backend = Backend::saying("reached");
    let provider = IdentityProvider::start(&[&Key::p256("one")]);
    let gate = start(&backend.url(), &provider);
    assert_eq!(talk(&gate, "/in", "websocket", "", "wait")["status"], 401);
    assert_eq!(talk(&gate, "/nowhere", "websocket", "", "wait")["status"], 404);
    let other = talk(&gate, "/open", "connect-udp", "", "wait");
    assert!(other["status"] != 200, "only WebSockets are spoken so: {other}");
    assert!(backend.recorded().is_empty());
}
