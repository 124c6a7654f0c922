//! The methods of a route, in finite number: those without a name of their own differ only in whether somebody lists them, so one that nobody
//! lists stands for all of these.

use haechi_core::MethodSet;
use haechi_core::method::NAMED_METHODS;
use http::Method;

/// The methods of `set`; `others` are those that the question or the other side names.
pub(super) fn methods(set: &MethodSet, others: &[Method]) -> Vec<Method> {
    if !set.is_any() {
        return set.told().to_vec();
    }
    let mut all = NAMED_METHODS.to_vec();
    for method in others {
        if set.contains(method) && !all.contains(method) {
            all.push(method.clone());
        }
    }
    all.extend(unlisted(&all));
    all
}

/// A method that is not among these.
fn unlisted(listed: &[Method]) -> Option<Method> {
    let numbered = (0..=listed.len()).map(|number| format!("X-METHOD-{number}"));
    let known = ["PROPFIND", "QUERY", "REPORT", "SEARCH"].into_iter().map(str::to_owned);
    known.chain(numbered).filter_map(|name| name.parse().ok()).find(|method| !listed.contains(method))
}

#[cfg(test)]
mod tests {
    use super::methods;
    use haechi_core::MethodSet;
    use http::Method;

    #[test]
    fn one_that_nobody_lists_stands_for_the_rest() {
        let named =
            |names: &[&str]| -> Vec<Method> { names.iter().map(|name| name.parse().unwrap()).collect() };
        let all = methods(&MethodSet::any(), &[]);
        assert_eq!(all.last().unwrap().as_str(), "PROPFIND");
        let others = named(&["PROPFIND", "QUERY", "REPORT", "SEARCH", "X-METHOD-0", "TRACE", "GET"]);
        let all = methods(&MethodSet::any(), &others);
        assert_eq!(all.len(), 7 + 5 + 1);
        assert!(!others.contains(all.last().unwrap()));
        assert_eq!(methods(&MethodSet::new([Method::GET]), &others), [Method::GET, Method::HEAD]);
    }
}
