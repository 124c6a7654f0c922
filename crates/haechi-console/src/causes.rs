//! Why requests were refused, from the counters that the gate keeps anyway.

use std::collections::BTreeMap;

/// What a cause is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// A problem that a client was told of, by its name.
    Problem,
    /// A reason of denials.
    Denial,
    /// An authenticator for which credentials did not hold.
    Rejected,
    /// An authenticator that could not find out.
    Unknown,
    /// What a rate limit counts by that was passed.
    RateLimit,
    /// A limit of the gate that clients reached.
    Limit,
}

/// How often it was which cause, since the start.
pub(crate) type Causes = BTreeMap<(Group, String), u64>;

/// What came of one cause between two moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) group: Group,
    pub(crate) name: String,
    pub(crate) count: u64,
    /// For each span of time, the oldest first.
    pub(crate) spans: Vec<u64>,
}

/// A counter whose labels tell of a cause: its name, the label that names the cause, and what must hold of another label.
struct Counter {
    metric: &'static str,
    label: &'static str,
    only: Option<&'static str>,
    group: Group,
}

const COUNTERS: [Counter; 6] = [
    counter("haechi_http_problems_total{", "problem=\"", None, Group::Problem),
    counter("haechi_authz_denials_total{", "reason=\"", None, Group::Denial),
    counter("haechi_authn_total{", "authenticator=\"", Some("result=\"rejected\""), Group::Rejected),
    counter("haechi_authn_total{", "authenticator=\"", Some("result=\"unavailable\""), Group::Unknown),
    counter("haechi_rate_limit_requests_total{", "by=\"", Some("result=\"over\""), Group::RateLimit),
    counter("haechi_limits_total{", "limit=\"", None, Group::Limit),
];

const fn counter(
    metric: &'static str,
    label: &'static str,
    only: Option<&'static str>,
    group: Group,
) -> Counter {
    Counter { metric, label, only, group }
}

/// What `metrics`, in the Prometheus text format, say.
pub(crate) fn causes(metrics: &str) -> Causes {
    let mut found = Causes::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        for counter in COUNTERS.iter().filter(|counter| line.starts_with(counter.metric)) {
            let name = line.split_once(counter.label).and_then(|(_, rest)| rest.split_once('"'));
            let count = line.rsplit_once(' ').and_then(|(_, count)| count.parse::<u64>().ok());
            let Some(((name, _), count)) = name.zip(count) else { continue };
            if count > 0 && counter.only.is_none_or(|only| line.contains(only)) {
                *found.entry((counter.group, name.to_owned())).or_default() += count;
            }
        }
    }
    found
}

/// What came up between the first and the last of these, the most frequent first.
pub(crate) fn between(moments: &[&Causes]) -> Vec<Cause> {
    let (Some(first), Some(last)) = (moments.first(), moments.last()) else { return Vec::new() };
    let mut found: Vec<Cause> = Vec::new();
    for (key, now) in *last {
        let at = |moment: &Causes| moment.get(key).copied().unwrap_or_default();
        let count = now.saturating_sub(at(first));
        if count > 0 {
            let spans = moments.iter().zip(moments.iter().skip(1));
            let spans = spans.map(|(before, after)| at(after).saturating_sub(at(before))).collect();
            found.push(Cause { group: key.0, name: key.1.clone(), count, spans });
        }
    }
    found.sort_by_key(|cause| std::cmp::Reverse(cause.count));
    found
}

#[cfg(test)]
mod tests {
    use super::{Group, between, causes};

    fn metrics(rejected: u32, forbidden: u32) -> String {
        format!(
            "# HELP haechi_authn_total x\n\
             haechi_authn_total{{authenticator=\"key\",result=\"rejected\"}} {rejected}\n\
             haechi_authn_total{{authenticator=\"key\",result=\"verified\"}} 900\n\
             haechi_http_problems_total{{problem=\"forbidden\"}} {forbidden}\n\
             haechi_rate_limit_requests_total{{route=\"a\",by=\"ip\",result=\"over\"}} 2\n\
             haechi_rate_limit_requests_total{{route=\"b\",by=\"ip\",result=\"over\"}} 3\n\
             haechi_rate_limit_requests_total{{route=\"b\",by=\"ip\",result=\"within\"}} 70\n"
        )
    }

    #[test]
    fn only_what_was_refused_counts_and_routes_add_up() {
        let found = causes(&metrics(4, 0));
        let told: Vec<_> = found.iter().map(|((group, name), count)| (*group, &**name, *count)).collect();
        assert_eq!(told, [(Group::Rejected, "key", 4), (Group::RateLimit, "ip", 5)]);
    }

    #[test]
    fn what_was_before_is_left_out_and_the_most_frequent_comes_first() {
        let moments = [causes(&metrics(1, 0)), causes(&metrics(2, 7)), causes(&metrics(4, 9))];
        let found = between(&moments.iter().collect::<Vec<_>>());
        let told: Vec<_> = found.iter().map(|one| (&*one.name, one.count, one.spans.clone())).collect();
        assert_eq!(told, [("forbidden", 9, vec![7, 2]), ("key", 3, vec![1, 2])]);
        assert!(between(&[]).is_empty());
    }
}
