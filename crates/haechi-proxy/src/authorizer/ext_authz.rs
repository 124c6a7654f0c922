//! Envoy's `ext_authz` v3 from the other side: a service is asked `envoy.service.auth.v3.Authorization/Check` about a request of ours. The bytes of it, without the network.

use super::messages::{
    Address, AttributeContext, CheckRequest, CheckResponse, HeaderValueOption, HttpRequest, HttpResponse,
    Peer, Request, RpcStatus, SocketAddress,
};
use haechi_core::Fields;
use prost::Message;

/// Where a service is asked.
pub const CHECK_PATH: &str = "/envoy.service.auth.v3.Authorization/Check";
/// What a service says of who may not (`google.rpc.Code`).
const PERMISSION_DENIED: i32 = 7;
const UNAUTHENTICATED: i32 = 16;

/// A request that is asked about: what is said of it, and nothing else. What is empty is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckQuestion {
    /// The method.
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// The host, with the port where it has one.
    pub host: String,
    /// The path and the query.
    pub path: String,
    /// The client's address.
    pub client: String,
    /// Header fields: names in lower case, each once.
    pub headers: Vec<(String, String)>,
}

/// What a service answers.
#[derive(Debug)]
pub struct CheckAnswer {
    /// 200 where the request passes, and then alone; else what the client is to be told.
    pub status: u16,
    /// The fields that the service sets: in the request that passes, or in the answer to the client.
    pub fields: Fields,
    /// For the client.
    pub body: Vec<u8>,
}

impl CheckQuestion {
    /// As the message of a call (gRPC over HTTP/2, "Length-Prefixed-Message").
    pub fn message(self) -> Vec<u8> {
        let http = HttpRequest {
            method: self.method,
            headers: self.headers.into_iter().collect(),
            path: self.path,
            host: self.host,
            scheme: self.scheme,
            header_map: None,
        };
        let source = (!self.client.is_empty()).then_some(Peer {
            address: Some(Address { socket_address: Some(SocketAddress { address: self.client }) }),
        });
        let request = Some(Request { http: Some(http) });
        framed(&CheckRequest { attributes: Some(AttributeContext { source, request }) }.encode_to_vec())
    }
}

impl CheckAnswer {
    /// Reads the message of a call that succeeded.
    ///
    /// # Errors
    /// What it is not. An answer that says two things, or nothing, lets nobody through.
    pub fn of(message: &[u8]) -> Result<Self, &'static str> {
        let answer = CheckResponse::decode(unframed(message)?).map_err(|_| "it is no `CheckResponse`")?;
        let RpcStatus { code } = answer.status.ok_or("it has no status")?;
        match (code, answer.response) {
            (0, Some(HttpResponse::Ok(passes))) => {
                Ok(Self { status: 200, fields: fields(&passes.headers), body: Vec::new() })
            }
            (0, None) => Ok(Self { status: 200, fields: Fields::default(), body: Vec::new() }),
            (0, Some(HttpResponse::Denied(_))) => Err("it lets the request through, and denies it"),
            (_, Some(HttpResponse::Ok(_))) => Err("it denies the request, and lets it through"),
            (_, Some(HttpResponse::Denied(denied))) => {
                // 403 where nothing is said, as Envoy has it.
                let code = denied.status.map_or(0, |status| status.code);
                let status = if code == 0 { 403 } else { u16::try_from(code).unwrap_or(0) };
                if !(300..600).contains(&status) {
                    return Err("it denies the request with a status that denies nothing");
                }
                let body = denied.body.into_bytes();
                Ok(Self { status, fields: fields(&denied.headers), body })
            }
            (UNAUTHENTICATED, None) => Ok(Self { status: 401, fields: Fields::default(), body: Vec::new() }),
            (PERMISSION_DENIED, None) => {
                Ok(Self { status: 403, fields: Fields::default(), body: Vec::new() })
            }
            (_, None) => Err("it could not decide"),
        }
    }
}

/// Names in lower case, as they are looked for.
fn fields(set: &[HeaderValueOption]) -> Fields {
    let mut fields = Fields::default();
    for header in set.iter().filter_map(|option| option.header.as_ref()) {
        let value = if header.raw_value.is_empty() { header.value.as_bytes() } else { &header.raw_value };
        fields.push(header.key.to_ascii_lowercase().as_bytes(), value);
    }
    fields
}

pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(message.len() + 5);
    body.push(0);
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(message);
    body
}

/// The one message of a call.
///
/// # Errors
/// What it is not.
pub(super) fn unframed(body: &[u8]) -> Result<&[u8], &'static str> {
    let (prefix, rest) = body.split_at_checked(5).ok_or("the call has no message")?;
    let [compressed, length @ ..] = prefix else { return Err("the call has no message") };
    if *compressed != 0 {
        return Err("the message is compressed, which was not agreed on");
    }
    let length = length.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
    if length != rest.len() {
        return Err("the call has not one whole message");
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::{CheckAnswer, CheckQuestion, framed, unframed};
    use crate::authorizer::messages::{
        CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpResponse, HttpStatus,
        OkHttpResponse, RpcStatus,
    };
    use prost::Message;

    fn read(code: Option<i32>, response: Option<HttpResponse>) -> Result<u16, &'static str> {
        let answer = CheckResponse { status: code.map(|code| RpcStatus { code }), response };
        CheckAnswer::of(&framed(&answer.encode_to_vec())).map(|answer| answer.status)
    }

    fn denied(code: i32) -> Option<HttpResponse> {
        let status = (code != 0).then_some(HttpStatus { code });
        Some(HttpResponse::Denied(DeniedHttpResponse { status, ..DeniedHttpResponse::default() }))
    }

    #[test]
    fn only_an_answer_that_says_one_thing_lets_anybody_through() {
        let ok = || Some(HttpResponse::Ok(OkHttpResponse::default()));
        assert_eq!(read(Some(0), ok()), Ok(200));
        assert_eq!(read(Some(0), None), Ok(200));
        for (code, response) in [
            (None, ok()),
            (None, None),
            (Some(7), ok()),
            (Some(-1), ok()),
            (Some(0), denied(403)),
            (Some(7), denied(200)),
            (Some(7), denied(204)),
            (Some(7), denied(101)),
            (Some(7), denied(-200)),
            (Some(7), denied(65_736)),
            (Some(14), None),
            (Some(13), None),
        ] {
            assert!(read(code, response.clone()).is_err(), "{code:?} {response:?}");
        }
        for (code, response, status) in [
            (16, None, 401),
            (7, None, 403),
            (7, denied(0), 403),
            (7, denied(401), 401),
            (16, denied(302), 302),
        ] {
            assert_eq!(read(Some(code), response), Ok(status));
        }
    }

    #[test]
    fn a_message_is_whole_and_alone() {
        let whole = framed(b"");
        assert_eq!(unframed(&whole), Ok(&b""[..]));
        for broken in [&b""[..], b"\0\0\0", b"\0\0\0\0\x01", b"\x01\0\0\0\0", b"\0\0\0\0\0\0\0\0\0\0"] {
            assert!(unframed(broken).is_err(), "{broken:?}");
        }
        assert!(CheckAnswer::of(&framed(b"\xff\xff")).is_err());
    }

    #[test]
    fn a_question_says_what_it_is_told_to() {
        let question = CheckQuestion {
            method: "GET".into(),
            scheme: "https".into(),
            host: "a.example".into(),
            path: "/x?y".into(),
            client: "192.0.2.7".into(),
            headers: vec![("authorization".into(), "Bearer t".into())],
        };
        let asked = CheckRequest::decode(unframed(&question.message()).unwrap()).unwrap();
        let attributes = asked.attributes.unwrap();
        let http = attributes.request.unwrap().http.unwrap();
        assert_eq!(
            (&*http.method, &*http.scheme, &*http.host, &*http.path),
            ("GET", "https", "a.example", "/x?y")
        );
        assert_eq!(http.headers.len(), 1);
        assert_eq!(attributes.source.unwrap().address.unwrap().socket_address.unwrap().address, "192.0.2.7");
        let silent = CheckRequest::decode(unframed(&CheckQuestion::default().message()).unwrap()).unwrap();
        assert_eq!(silent.attributes.unwrap().source, None);
    }

    #[test]
    fn what_a_service_sets_is_read_by_lower_case_names() {
        let headers = vec![HeaderValueOption::set(b"X-Auth-Subject", b"alice")];
        let ok = OkHttpResponse { headers, ..OkHttpResponse::default() };
        let answer =
            CheckResponse { status: Some(RpcStatus { code: 0 }), response: Some(HttpResponse::Ok(ok)) };
        let read = CheckAnswer::of(&framed(&answer.encode_to_vec())).unwrap();
        assert_eq!(read.fields.sole_named(b"x-auth-subject").unwrap(), Some(&b"alice"[..]));
    }
}
