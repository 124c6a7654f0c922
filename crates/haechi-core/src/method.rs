//! Sets of HTTP methods.

use http::Method;

/// The methods that a route takes. `GET` includes `HEAD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodSet(Vec<Method>);

impl MethodSet {
    /// Every method that the gate forwards at all, for routes that name none.
    pub fn any() -> Self {
        Self(vec![
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ])
    }

    /// The named methods, and `HEAD` with `GET`.
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
        Self(set)
    }

    /// Whether the set has `method`.
    pub fn contains(&self, method: &Method) -> bool {
        self.0.contains(method)
    }

    /// Whether the two sets share a method.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().any(|method| other.contains(method))
    }

    /// The methods, in the order they were written.
    pub fn iter(&self) -> impl Iterator<Item = &Method> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::MethodSet;
    use http::Method;

    #[test]
    fn get_includes_head() {
        let set = MethodSet::new([Method::GET]);
        assert!(set.contains(&Method::HEAD));
        assert!(!set.contains(&Method::POST));
    }
}
