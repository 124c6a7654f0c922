//! Which facts can come together: what no request and no caller can be is not looked for.

use super::access::{CallerOrigin, PossibleValues, Side};
use super::field::{Field, all, any, not, string, texts};
use crate::RouteIndex;
use crate::expr::{Expr, Var};
use haechi_core::token::is_printable;
use haechi_core::{CallerKind, CanonicalPath, Host};
use http::Method;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who and what can come to the route of this side with one of these methods.
pub(super) fn of_side(
    side: &Side<'_>,
    route: RouteIndex,
    methods: &[Method],
    fields: &BTreeSet<Field>,
) -> Expr {
    let ways = side.ways(route).iter().map(|way| of_way(way, fields)).collect();
    let mut facts = vec![Field::Method.is_any(methods.iter().map(Method::as_str)), any(ways)];
    let hosts = side.hosts(route);
    if fields.contains(&Field::Host) && !hosts.is_empty() {
        let (below, named): (Vec<&str>, Vec<&str>) =
            hosts.iter().map(|host| &**host).partition(|host| host.starts_with('*'));
        let mut meant: Vec<Expr> =
            below.iter().map(|host| like(&Field::Host, &["", host.trim_start_matches('*')])).collect();
        if !named.is_empty() {
            meant.push(Field::Host.is_any(named));
        }
        facts.push(any(meant));
    }
    all(facts)
}

fn of_way(way: &CallerOrigin, fields: &BTreeSet<Field>) -> Expr {
    let mut facts =
        vec![Field::Kind.is(crate::principal_kind(way.kind)), Field::Authenticator.is(&way.authenticator)];
    if let Some(issuer) = way.issuer.as_deref().filter(|_| fields.contains(&Field::Issuer)) {
        facts.push(Field::Issuer.is(issuer));
    }
    for field in fields {
        facts.push(match field {
            Field::Role(name) => match &way.roles {
                PossibleValues::NotBuiltIn if built_in(name) => not(field.read()),
                PossibleValues::Exactly(given) if given.iter().any(|role| **role == **name) => field.read(),
                PossibleValues::Exactly(_) => not(field.read()),
                PossibleValues::Any | PossibleValues::NotBuiltIn => continue,
            },
            Field::Scopes if !way.scopes => is_empty(field),
            Field::Attribute(name)
                if way.attributes.as_ref().is_some_and(|known| !known.contains(&**name)) =>
            {
                not(field.present())
            }
            Field::Subject if way.kind == CallerKind::Anonymous => field.is(""),
            Field::Subject => not(field.is("")),
            _ => continue,
        });
    }
    all(facts)
}

fn built_in(role: &str) -> bool {
    role.starts_with(haechi_core::role::RESERVED_PREFIX)
}

fn is_empty(field: &Field) -> Expr {
    Expr::Unary("isEmpty".into(), Box::new(field.read()))
}

/// What is true of every request, for these conditions.
pub(super) fn of_requests(fields: &BTreeSet<Field>, conditions: &[&Expr]) -> Expr {
    let mut named = BTreeSet::new();
    conditions.iter().for_each(|condition| texts(condition, &mut named));
    let mut facts = Vec::new();
    for field in fields {
        match field {
            Field::Param(_) => {
                facts.push(not(field.is("")));
                facts.push(not(like(field, &["", "/", ""])));
                facts.extend(never(field, &named, |text| canonical(&format!("/{text}"))));
            }
            Field::Path => {
                facts.push(like(field, &["/", ""]));
                facts.extend(never(field, &named, canonical));
            }
            Field::Host => {
                let canonical =
                    |text: &str| Host::parse(text.as_bytes()).is_ok_and(|host| host.name() == text);
                facts.push(not(field.is("")));
                // Every label has a character.
                facts.push(not(like(field, &[".", ""])));
                facts.push(not(like(field, &["", "..", ""])));
                facts.extend(never(field, &named, canonical));
            }
            Field::Header(_) => {
                // White space around a value is no part of it.
                let readable = |text: &str| is_printable(text.as_bytes()) && text.trim_matches(' ') == text;
                let sound = never(field, &named, readable);
                facts.extend(sound.map(|sound| any(vec![not(field.present()), sound])));
            }
            Field::Ip => {
                let addresses = addresses(conditions).into_iter();
                let is = |address: IpAddr| compare("==", field, "ip", &address.to_string());
                facts.push(any(addresses.map(is).collect()));
            }
            Field::Time => {
                facts.push(compare(">=", field, "datetime", "1970-01-01"));
                facts.push(compare("<", field, "datetime", "9999-01-01"));
            }
            Field::NoLabels => facts.push(is_empty(field)),
            _ => {}
        }
    }
    all(facts)
}

/// That the field is none of those texts among `named` that it cannot hold.
fn never(field: &Field, named: &BTreeSet<String>, can_hold: impl Fn(&str) -> bool) -> Option<Expr> {
    let impossible: Vec<Expr> =
        named.iter().filter(|text| !can_hold(text)).map(|text| not(field.is(text))).collect();
    (!impossible.is_empty()).then(|| all(impossible))
}

fn canonical(path: &str) -> bool {
    CanonicalPath::parse(path.as_bytes()).is_ok_and(|parsed| parsed.as_str() == path)
}

fn like(field: &Field, between_wildcards: &[&str]) -> Expr {
    let mut pattern = Vec::new();
    for (index, text) in between_wildcards.iter().enumerate() {
        if index > 0 {
            pattern.push(serde_json::json!("Wildcard"));
        }
        if !text.is_empty() {
            pattern.push(serde_json::json!({ "Literal": text }));
        }
    }
    Expr::Like(Box::new(field.read()), pattern.into())
}

fn compare(op: &str, field: &Field, function: &str, argument: &str) -> Expr {
    let value = Expr::Call(function.into(), vec![string(argument)]);
    Expr::Binary(op.into(), Box::new(field.read()), Box::new(value))
}

/// A range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: IpAddr,
    last: IpAddr,
}

/// One address for every kind of address that the conditions can tell apart, the plainest of its kind.
///
/// All that Cedar can ask of an address is whether it lies in a range that is written down; ranges lie in each other or apart. So whatever is
/// true of some address is true of one of these, and a whole network is never taken for an address.
pub(super) fn addresses(conditions: &[&Expr]) -> Vec<IpAddr> {
    let ranges = ranges(conditions);
    let documented =
        [Ipv4Addr::new(203, 0, 113, 7).into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).into()];
    let inside = ranges.iter().map(|range| after(range.first).unwrap_or(range.first));
    let edges = ranges.iter().flat_map(|range| [Some(range.first), after(range.last)]).flatten();
    let mut found: Vec<(IpAddr, Vec<bool>)> = Vec::new();
    for address in documented.into_iter().chain(inside).chain(edges) {
        let kind = kind(&ranges, address);
        if address.to_canonical() == address && found.iter().all(|(_, known)| *known != kind) {
            found.push((address, kind));
        }
    }
    found.into_iter().map(|(address, _)| address).collect()
}

/// The address among [`addresses`] that is of the same kind as this one.
pub(super) fn representative(conditions: &[&Expr], address: IpAddr) -> Option<IpAddr> {
    let ranges = ranges(conditions);
    let wanted = kind(&ranges, address);
    addresses(conditions).into_iter().find(|known| kind(&ranges, *known) == wanted)
}

fn ranges(conditions: &[&Expr]) -> Vec<Range> {
    let mut ranges = ["0.0.0.0/0", "127.0.0.0/8", "224.0.0.0/4", "::/0", "::1", "ff00::/8"]
        .iter()
        .filter_map(|text| Range::parse(text))
        .collect();
    conditions.iter().for_each(|condition| gather(condition, &mut ranges));
    ranges
}

fn kind(ranges: &[Range], address: IpAddr) -> Vec<bool> {
    ranges.iter().map(|range| range.holds(address)).collect()
}

fn gather(expr: &Expr, ranges: &mut Vec<Range>) {
    if let Expr::Call(name, arguments) = expr
        && name == "ip"
        && let [Expr::Literal(serde_json::Value::String(text))] = arguments.as_slice()
    {
        ranges.extend(Range::parse(text));
    }
    expr.children().into_iter().for_each(|child| gather(child, ranges));
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|next| Ipv4Addr::from(next).into()),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|next| Ipv6Addr::from(next).into()),
    }
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let bits = bits.map(str::parse::<u32>).transpose().ok()?;
        Some(match address.parse().ok()? {
            IpAddr::V4(v4) => {
                let host = u32::MAX.checked_shr(bits.unwrap_or(32)).unwrap_or(0);
                let first = u32::from(v4) & !host;
                Self { first: Ipv4Addr::from(first).into(), last: Ipv4Addr::from(first | host).into() }
            }
            IpAddr::V6(v6) => {
                let host = u128::MAX.checked_shr(bits.unwrap_or(128)).unwrap_or(0);
                let first = u128::from(v6) & !host;
                Self { first: Ipv6Addr::from(first).into(), last: Ipv6Addr::from(first | host).into() }
            }
        })
    }

    fn holds(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }
}

/// Whether the address is used in a way that only asks whether it lies in a range that is written down.
pub(super) fn only_asks_for_ranges(expr: &Expr) -> bool {
    let is_ip = |expr: &Expr| *expr == Field::Ip.read();
    let written = |expr: &Expr| match expr {
        Expr::Call(name, arguments) => name == "ip" && matches!(arguments.as_slice(), [Expr::Literal(_)]),
        Expr::Set(items) => items.iter().all(|item| matches!(item, Expr::Call(name, _) if name == "ip")),
        _ => false,
    };
    match expr {
        Expr::Call(name, arguments) if arguments.iter().any(is_ip) => {
            let asks =
                ["isInRange", "isIpv4", "isIpv6", "isLoopback", "isMulticast"].contains(&name.as_str());
            asks && arguments.iter().all(|argument| is_ip(argument) || written(argument))
        }
        Expr::Binary(op, left, right) if is_ip(left) || is_ip(right) => {
            let asks = ["==", "!=", "contains"].contains(&op.as_str());
            asks && [left, right].into_iter().all(|side| is_ip(side) || written(side))
        }
        Expr::Attr(left, _) if **left == Expr::Var(Var::Context) => !is_ip(expr),
        other => other.children().into_iter().all(only_asks_for_ranges),
    }
}
