//! What is sent, and under which status.

use crate::style::{LIVE, LIVE_PATH, STYLE, STYLE_PATH};
use crate::table::plain;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    LOCATION, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use maud::Markup;
use serde_json::Value;

/// Nothing comes from elsewhere, nothing that stands in a page runs, nothing is framed.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum As {
    Page,
    Refused,
    Missing,
    Invalid,
    TooMany,
    Unavailable,
}

impl As {
    const fn status(self) -> StatusCode {
        match self {
            Self::Page => StatusCode::OK,
            Self::Refused => StatusCode::FORBIDDEN,
            Self::Missing => StatusCode::NOT_FOUND,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A page.
pub(crate) fn page(kind: As, page: Markup) -> Response {
    answer(kind.status(), "text/html; charset=utf-8", "no-store", page.into_string().into())
}

/// The style or the script. Their names change with them, so they are kept.
pub(crate) fn asset(path: &str) -> Option<Response> {
    let kept = "public, max-age=31536000, immutable";
    let asset = |kind, text: &'static str| Some(answer(StatusCode::OK, kind, kept, text.into()));
    match path {
        path if path == *STYLE_PATH => asset("text/css; charset=utf-8", STYLE),
        path if path == *LIVE_PATH => asset("text/javascript; charset=utf-8", LIVE),
        _ => None,
    }
}

/// Events, as they come.
pub(crate) fn events(body: Body) -> Response {
    answer(StatusCode::OK, "text/event-stream", "no-store", body)
}

/// A file.
pub(crate) fn download(kind: &'static str, name: &str, body: Body) -> Response {
    let mut response = answer(StatusCode::OK, kind, "no-store", body);
    put(&mut response, CONTENT_DISPOSITION, &format!("attachment; filename=\"{name}\""));
    response
}

/// The records of a table, as a file of this form.
pub(crate) fn records(form: &str, page: &str, all: &Value) -> Response {
    let name = page.rsplit('/').next().unwrap_or("console");
    match form {
        "csv" => download("text/csv; charset=utf-8", &format!("haechi-{name}.csv"), csv(all).into()),
        _ => download("application/json", &format!("haechi-{name}.json"), format!("{all:#}\n").into()),
    }
}

/// A line for each record, under the names of all their members.
fn csv(all: &Value) -> String {
    let rows = all.as_array().map_or(&[][..], Vec::as_slice);
    let mut heads: Vec<&str> = Vec::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys()) {
        if !heads.contains(&name.as_str()) {
            heads.push(name);
        }
    }
    let line =
        |cells: Vec<String>| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\r\n";
    let mut text = line(heads.iter().map(|head| (*head).to_owned()).collect());
    for row in rows {
        text.push_str(&line(heads.iter().map(|head| plain(row.get(head))).collect()));
    }
    text
}

/// A cell (RFC 4180). What a spreadsheet would take for a formula is text.
fn quoted(cell: &str) -> String {
    let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

/// Another page follows, and the browser is told this cookie.
pub(crate) fn on_to(place: &str, cookie: Option<&str>) -> Response {
    let mut response = answer(StatusCode::SEE_OTHER, "text/plain", "no-store", Body::empty());
    put(&mut response, LOCATION, place);
    cookie.into_iter().for_each(|cookie| put(&mut response, SET_COOKIE, cookie));
    response
}

/// The method is none that the page takes.
pub(crate) fn wrong_method(method: &Method) -> Response {
    let text = format!("the method {method} is not taken here\n");
    answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "no-store", text.into())
}

fn answer(status: StatusCode, kind: &'static str, kept: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let fields = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, kept),
        (CONTENT_SECURITY_POLICY, POLICY),
        // Without a referrer browsers would say `Origin: null` for forms of our own.
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn put(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::csv;
    use serde_json::json;

    #[test]
    fn a_cell_is_one_cell_and_no_formula() {
        let rows = json!([{ "a": "x,\"y\"", "b": ["p", "q"] }, { "b": "=1+1", "c": null }]);
        assert_eq!(
            csv(&rows),
            "\"a\",\"b\",\"c\"\r\n\"x,\"\"y\"\"\",\"p, q\",\"\"\r\n\"\",\"'=1+1\",\"\"\r\n"
        );
        assert_eq!(csv(&json!([])), "\r\n");
    }
}
