//! A backend that speaks HTTP/2 by prior knowledge, records every request and answers as it is told.

use h2::Reason;
use h2::server::SendResponse;
use haechi_testkit::port::listener;
use http::{HeaderMap, Response};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// One request as the backend got it.
#[derive(Clone, Debug)]
pub(crate) struct H2Request {
    pub(crate) method: String,
    pub(crate) uri: http::Uri,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether its body has come to its proper end.
    pub(crate) complete: bool,
}

/// What to answer, decided when the head has come.
pub(crate) enum H2Answer {
    /// Status, fields, body, trailer fields.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>, Vec<(&'static str, &'static str)>),
    /// The same with status 200 and a body only, and then the connection takes no more requests.
    AndGoodbye(Vec<u8>),
    /// The stream is refused: nothing was looked at.
    Refused,
    /// Nothing, ever.
    Never,
    /// Status 200, the beginning of a body, and then nothing more.
    Begun(Vec<u8>),
}

impl H2Answer {
    pub(crate) fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::Whole(200, Vec::new(), body.as_ref().to_vec(), Vec::new())
    }
}

type Behaviour = Arc<dyn Fn(&H2Request) -> H2Answer + Send + Sync>;

/// The backend; stops when dropped.
pub(crate) struct H2Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<H2Request>>,
    connections: AtomicUsize,
    streams: AtomicUsize,
}

impl H2Backend {
    /// Takes at most `streams` streams at once on each connection.
    pub(crate) fn start(
        streams: u32,
        behaviour: impl Fn(&H2Request) -> H2Answer + Send + Sync + 'static,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = std::sync::mpsc::channel();
        let shared = Arc::<Shared>::default();
        let (serving, behaviour): (_, Behaviour) = (shared.clone(), Arc::new(behaviour));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = listener();
                listener.set_nonblocking(true).unwrap();
                let listener = TcpListener::from_std(listener).unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = accept(listener, streams, serving, behaviour) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address: address.recv().unwrap(), shared, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn recorded(&self) -> Vec<H2Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn sole(&self) -> H2Request {
        let mut all = self.recorded();
        assert_eq!(all.len(), 1, "requests at the backend: {all:#?}");
        all.remove(0)
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Streams that are being answered now.
    pub(crate) fn streams(&self) -> usize {
        self.shared.streams.load(Ordering::SeqCst)
    }
}

impl Drop for H2Backend {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

async fn accept(listener: TcpListener, streams: u32, shared: Arc<Shared>, behaviour: Behaviour) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(serve(socket, streams, shared.clone(), behaviour.clone()));
    }
}

async fn serve(socket: TcpStream, streams: u32, shared: Arc<Shared>, behaviour: Behaviour) {
    let mut builder = h2::server::Builder::new();
    let Ok(mut connection) = builder.max_concurrent_streams(streams).handshake(socket).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (parts, body) = request.into_parts();
        let seen = H2Request {
            method: parts.method.to_string(),
            uri: parts.uri,
            fields: parts.headers,
            body: Vec::new(),
            complete: false,
        };
        let index = {
            let mut requests = shared.requests.lock().unwrap();
            requests.push(seen.clone());
            requests.len() - 1
        };
        let answer = behaviour(&seen);
        if let H2Answer::AndGoodbye(_) = answer {
            connection.graceful_shutdown();
        }
        tokio::spawn(reply(body, respond, answer, shared.clone(), index));
    }
}

async fn reply(
    mut body: h2::RecvStream,
    mut respond: SendResponse<bytes::Bytes>,
    answer: H2Answer,
    shared: Arc<Shared>,
    index: usize,
) {
    let (status, fields, sent, trailers) = match answer {
        H2Answer::Refused => return respond.send_reset(Reason::REFUSED_STREAM),
        H2Answer::Never => {
            shared.streams.fetch_add(1, Ordering::SeqCst);
            drop(std::future::poll_fn(|cx| respond.poll_reset(cx)).await);
            shared.streams.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        H2Answer::Begun(piece) => {
            shared.streams.fetch_add(1, Ordering::SeqCst);
            if let Ok(mut out) = respond.send_response(Response::new(()), false) {
                drop(out.send_data(piece.into(), false));
                drop(std::future::poll_fn(|cx| out.poll_reset(cx)).await);
            }
            shared.streams.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        H2Answer::AndGoodbye(body) => (200, Vec::new(), body, Vec::new()),
        H2Answer::Whole(status, fields, body, trailers) => (status, fields, body, trailers),
    };
    while let Some(Ok(piece)) = body.data().await {
        shared.requests.lock().unwrap()[index].body.extend_from_slice(&piece);
        drop(body.flow_control().release_capacity(piece.len()));
    }
    shared.requests.lock().unwrap()[index].complete = true;
    let mut head = Response::builder().status(status);
    for (name, value) in fields {
        head = head.header(name, value);
    }
    let bare = sent.is_empty() && trailers.is_empty();
    let Ok(mut out) = respond.send_response(head.body(()).unwrap(), bare) else { return };
    if bare {
        return;
    }
    drop(out.send_data(sent.into(), trailers.is_empty()));
    if !trailers.is_empty() {
        let map =
            trailers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        drop(out.send_trailers(map));
    }
}
