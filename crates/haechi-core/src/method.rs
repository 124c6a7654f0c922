//! Sets of HTTP methods (RFC 9110 9.1).

use http::Method;

/// The methods that a route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodSet(Set);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Set {
    Any,
    Listed(Vec<Method>),
}

/// The methods with a name of their own in policies, metrics and traces; all others are counted as one.
pub static NAMED_METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// The length that a method may have, in bytes; the longest registered one has 17.
pub const MAX_METHOD: usize = 64;

/// Why a method is never forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnforwardableMethodError {
    /// `CONNECT`, which asks for a tunnel, and `TRACE`, which shows credentials to whoever reads the answer.
    #[error("the method is never forwarded")]
    Never,
    /// Another spelling of a method with a name: methods are case-sensitive, and some backends (Django, Werkzeug) do not know that.
    #[error("methods are case-sensitive: write `{0}`")]
    Case(&'static str),
    /// Over [`MAX_METHOD`].
    #[error("the method is longer than {MAX_METHOD} bytes")]
    Long,
}

/// Whether a method can be forwarded at all: every token, but for those that [`UnforwardableMethodError`] names.
///
/// # Errors
/// Why not.
pub fn forwardable(method: &Method) -> Result<(), UnforwardableMethodError> {
    if is_named(method) {
        return Ok(());
    }
    let text = method.as_str();
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err(UnforwardableMethodError::Never);
    }
    if text.len() > MAX_METHOD {
        return Err(UnforwardableMethodError::Long);
    }
    let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    match names.into_iter().find(|name| name.eq_ignore_ascii_case(text)) {
        Some(name) => Err(UnforwardableMethodError::Case(name)),
        None => Ok(()),
    }
}

/// Whether it is one of [`NAMED_METHODS`].
pub const fn is_named(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS
    )
}

impl MethodSet {
    /// Every method that can be forwarded, for routes that name none.
    pub const fn any() -> Self {
        Self(Set::Any)
    }

    /// The given methods, and `HEAD` with `GET`.
    pub fn new(methods: impl IntoIterator<Item = Method>) -> Self {
        let mut set: Vec<Method> = Vec::new();
        for method in methods {
            let with_head = method == Method::GET;
            if !set.contains(&method) {
                set.push(method);
            }
            if with_head && !set.contains(&Method::HEAD) {
                set.push(Method::HEAD);
            }
        }
        Self(Set::Listed(set))
    }

    /// Whether the set has `method`.
    pub fn contains(&self, method: &Method) -> bool {
        match &self.0 {
            Set::Any => forwardable(method).is_ok(),
            Set::Listed(listed) => listed.contains(method),
        }
    }

    /// Whether the two sets share a method.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Set::Any, Set::Any) => true,
            (Set::Listed(listed), _) => listed.iter().any(|method| other.contains(method)),
            (Set::Any, Set::Listed(listed)) => listed.iter().any(|method| self.contains(method)),
        }
    }

    /// Whether it is every method.
    pub const fn is_any(&self) -> bool {
        matches!(self.0, Set::Any)
    }

    /// Those that can be told one by one: the methods as they were written, or, of all, [`NAMED_METHODS`].
    pub fn told(&self) -> &[Method] {
        match &self.0 {
            Set::Any => &NAMED_METHODS,
            Set::Listed(listed) => listed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MethodSet;
    use http::Method;

    fn method(name: &str) -> Method {
        Method::from_bytes(name.as_bytes()).unwrap()
    }

    #[test]
    fn get_includes_head() {
        let set = MethodSet::new([Method::GET]);
        assert!(set.contains(&Method::HEAD));
        assert!(!set.contains(&Method::POST));
    }

    #[test]
    fn any_is_every_token_that_means_one_thing() {
        let long = "X".repeat(64);
        for name in ["GET", "PROPFIND", "QUERY", "M-SEARCH", "propfind", "other", "!#$%&'*+-.^_`|~9", &long] {
            assert!(MethodSet::any().contains(&method(name)), "{name}");
        }
        let longer = "X".repeat(65);
        for name in ["CONNECT", "TRACE", "get", "Delete", "trace", "oPTIONS", &longer] {
            assert!(!MethodSet::any().contains(&method(name)), "{name}");
        }
    }

    #[test]
    fn sets_overlap_where_they_share_a_method() {
        let set = |names: &[&str]| MethodSet::new(names.iter().map(|name| method(name)));
        let any = MethodSet::any();
        assert!(any.overlaps(&any));
        assert!(any.overlaps(&set(&["QUERY"])) && set(&["QUERY"]).overlaps(&any));
        assert!(set(&["QUERY", "GET"]).overlaps(&set(&["HEAD"])));
        assert!(!set(&["QUERY"]).overlaps(&set(&["PROPFIND"])));
    }
}
