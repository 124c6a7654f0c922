//! The names by which a backend could be made to believe something that only the gate may say.
//!
//! One list, with the reason beside each name. What a client sends under one of them, in any spelling, never reaches a backend; docs/backends.md
//! publishes it, and a test compares. A `*` at the end stands for any rest of the name, also none.

use super::pattern::{fold, is_like};

/// What is to be done with a client's field of such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserves {
    /// Who is calling, as the gate tells it. A service may never let a client's through.
    Identity,
    /// What else the gate writes anew into each request. A service may never let a client's through.
    Written,
    /// What some backend believes. A service may let one through (`identity.pass`).
    Believed,
    /// Another method than the request line's. Let through with `allow_method_override`.
    MethodOverride,
}

/// Names that are reserved for one reason.
#[derive(Clone, Copy, Debug)]
pub struct Reserved {
    /// What is done with them.
    pub kind: Reserves,
    /// The names, as their users write them.
    pub names: &'static [&'static str],
    /// Who believes what.
    pub why: &'static str,
}

const fn believed(names: &'static [&'static str], why: &'static str) -> Reserved {
    Reserved { kind: Reserves::Believed, names, why }
}

/// The list.
pub const RESERVED: &[Reserved] = &[
    Reserved {
        kind: Reserves::Identity,
        names: &[
            "X-Auth-Subject",
            "X-Auth-Issuer",
            "X-Auth-Roles",
            "X-Auth-Scopes",
            "X-Auth-Authenticator",
            "X-Auth-Attr-*",
        ],
        why: "who is calling: the gate's own words",
    },
    Reserved {
        kind: Reserves::Written,
        names: &["X-Request-Id", "traceparent", "tracestate"],
        why: "the request's id and trace, by which logs are joined: written anew",
    },
    Reserved {
        kind: Reserves::Written,
        names: &["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"],
        why: "address, scheme and host of the client: written anew, from what trusted proxies say",
    },
    believed(
        &[
            "Forwarded",
            "Forwarded-*",
            "X-Forwarded*",
            "X-Forwarder-For",
            "X-Forward-For",
            "X-Forward-Proto",
            "X-Forward-Host",
        ],
        "the same in RFC 7239 and in other words; `X-Forwarded-User`, `-Groups`, `-Email` (oauth2-proxy), `-Client-Cert` (Envoy), `-Prefix` (Spring, Traefik)",
    ),
    believed(&["X-Auth-Request-*"], "the user, to applications behind oauth2-proxy and nginx"),
    believed(
        &["Remote-*", "X-Remote-*"],
        "`REMOTE_USER` and `REMOTE_ADDR` of CGI and WSGI; the users of Authelia and of the Kubernetes API server's front proxy",
    ),
    believed(&["X-WEBAUTH-*"], "the user, to Grafana, Gitea and others with an authentication proxy"),
    believed(
        &["X-Authenticated-*", "X-Consumer-*", "X-Credential-*", "X-Anonymous-Consumer", "X-Userinfo"],
        "the caller, to applications behind Kong and APISIX",
    ),
    believed(&["X-RH-Identity"], "the caller, to applications behind Red Hat's console"),
    believed(
        &["X-Authentik-*", "X-Vouch-*", "X-Pomerium-*", "Tailscale-User-*"],
        "the user, to applications behind these proxies",
    ),
    believed(&["X-MS-Client-Principal*"], "the user, to applications on Azure App Service"),
    believed(
        &["X-Goog-Authenticated-User-*", "X-Endpoint-API-UserInfo", "X-Apigateway-API-UserInfo"],
        "the user, to applications behind Google's IAP, Endpoints and API Gateway",
    ),
    believed(
        &["X-Amzn-OIDC-Identity", "X-Amzn-Mtls-*"],
        "user and client certificate, to applications behind an AWS load balancer",
    ),
    believed(&["CF-Access-Authenticated-*"], "the user, to applications behind Cloudflare Access"),
    believed(&["OIDC-*", "Mellon-*", "CAS-User", "Shib-*"], "what Apache's login modules say of the user"),
    believed(
        &["SM-*", "IV-*", "OAM-*", "OSSO-*"],
        "the user, to applications behind SiteMinder, WebSEAL and Oracle's access managers",
    ),
    believed(
        &["Logon-User", "Auth-User", "Auth-Type", "Proxy-User", "X-Proxy-User", "X-iisnode-*"],
        "server variables about the user, of IIS and others",
    ),
    believed(&["$WS*"], "address, certificate and user, to WebSphere behind its plugin"),
    believed(
        &["WL-Proxy-*", "Proxy-Client-IP"],
        "address, certificate and TLS, to WebLogic behind its plugin",
    ),
    believed(&["MS-ASPNETCORE-*"], "certificate and Windows user, to ASP.NET Core behind IIS"),
    believed(&["X-ARR-*"], "client certificate and TLS, to applications behind IIS and Azure App Service"),
    believed(
        &[
            "X-Real-IP",
            "X-Real-Port",
            "X-Client-IP",
            "X-ClientIP",
            "Client-IP",
            "X-Cluster-Client-IP",
            "X-True-Client-IP",
            "X-True-IP",
        ],
        "the client's address, to whatever stands behind nginx, Rackspace, Express, PHP and others",
    ),
    believed(
        &[
            "X-User-IP",
            "X-Source-IP",
            "Source-IP",
            "X-Originating-IP",
            "X-ProxyUser-IP",
            "X-HTTP-Client-IP",
            "X-Client-Addr",
            "X-Custom-IP-Authorization",
        ],
        "the client's address, to applications that look for it under many names",
    ),
    believed(
        &["True-Client-IP", "CF-Connecting-IP", "CF-Connecting-IPv6", "CF-Pseudo-IPv4", "CF-Visitor"],
        "address and scheme of the client, to what stands behind Cloudflare and Akamai",
    ),
    believed(
        &["Fastly-Client", "Fastly-Client-IP", "Fastly-SSL", "Fastly-FF"],
        "address, scheme and origin of the request, to what stands behind Fastly",
    ),
    believed(
        &["CloudFront-Viewer-Address", "CloudFront-Forwarded-Proto"],
        "address and scheme of the client, to what stands behind CloudFront",
    ),
    believed(
        &["X-Azure-ClientIP", "X-Azure-SocketIP", "X-AppService-Proto"],
        "address and scheme of the client, to what stands behind Azure's front doors",
    ),
    believed(
        &["X-AppEngine-*", "X-Google-Real-IP", "X-Google-Internal-*"],
        "address of the client and calls of the platform itself, to applications on App Engine",
    ),
    believed(
        &[
            "Fly-Client-IP",
            "DO-Connecting-IP",
            "X-NF-Client-Connection-IP",
            "X-Vercel-Forwarded-For",
            "Incap-Client-IP",
            "X-Sucuri-ClientIP",
            "Ali-CDN-Real-IP",
            "Cdn-Src-IP",
        ],
        "the client's address, to what stands behind these networks",
    ),
    believed(&["X-Envoy-*"], "address, original path, retries and trust of an Envoy beside the backend"),
    believed(
        &["Front-End-Https", "X-Scheme", "X-URL-Scheme", "X-Client-Scheme", "X-Proto", "X-HTTPS", "HTTPS"],
        "that the client came over TLS, to applications behind TMG, ingress-nginx and others",
    ),
    believed(
        &["SSL-Client-*", "SSL-HTTPS", "X-SSL*"],
        "the client's certificate and TLS, to applications behind nginx, HAProxy and Apache",
    ),
    believed(
        &[
            "Client-Cert*",
            "X-Client-Cert*",
            "X-Client-Verify",
            "X-Client-DN",
            "X-Client-S-DN",
            "X-TLS-Client-*",
            "TLS-Client-*",
            "X-MTLS-*",
        ],
        "the client's certificate (RFC 9440 and what came before it)",
    ),
    believed(
        &[
            "X-Original-URL",
            "X-Original-URI",
            "X-Original-Path",
            "X-Original-Query",
            "X-Rewrite-URL",
            "X-Rewrite-URI",
            "X-Rewrite-Path",
        ],
        "another path than the request line's, to IIS, Symfony, ingress-nginx and others: it walks around rules about paths",
    ),
    believed(
        &["X-Original-Method"],
        "another method than the request line's, to what answers `auth_request`",
    ),
    believed(
        &[
            "X-Original-Host",
            "X-Original-Proto",
            "X-Original-Scheme",
            "X-Original-Prefix",
            "X-Original-For",
            "X-Original-IP",
            "X-Original-Forwarded-For",
            "X-Original-Remote-*",
        ],
        "host, scheme and address before a rewriting, to ASP.NET Core, ingress-nginx and Azure",
    ),
    believed(
        &[
            "X-Host",
            "X-HTTP-Host-Override",
            "X-Host-Override",
            "X-Backend-Host",
            "X-Server-Name",
            "Disguised-Host",
            "WAS-Default-Hostname",
        ],
        "another host than the request's, to applications that build links or choose tenants by it",
    ),
    believed(
        &[
            "X-Waws-Unencoded-URL",
            "X-Request-URI",
            "Request-URI",
            "X-Override-URL",
            "X-HTTP-DestinationURL",
            "Base-URL",
        ],
        "another path than the request line's",
    ),
    believed(
        &["Script-Name", "X-Script-Name", "Path-Info", "Path-Translated"],
        "where an application is mounted, to gunicorn, uWSGI and other CGI readers",
    ),
    believed(&["Proxy"], "the proxy that a CGI program uses for its own requests (`HTTP_PROXY`, httpoxy)"),
    believed(&["X-Accel-*", "X-Sendfile*"], "which files are sent for which paths, to Rack and others"),
    believed(
        &["X-Middleware-*", "X-Invoke-*", "X-Matched-Path", "X-Now-Route-Matches"],
        "that its own middleware has run already, to Next.js",
    ),
    believed(
        &["Z-Forwarded-For"],
        "the client's address, to what stands behind old Zscaler and NetScaler devices",
    ),
    Reserved {
        kind: Reserves::MethodOverride,
        names: &["X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"],
        why: "another method than the request line's, to Rails, Spring, Express, OData and others; `allow_method_override: true` lets it through",
    },
];

/// Why the name, in lower case, is reserved, if it is.
pub fn reservation(name: &[u8]) -> Option<Reserves> {
    let first = fold(*name.first()?);
    let from = usize::from(*INDEX.starts.get(usize::from(first))?);
    let to = usize::from(*INDEX.starts.get(usize::from(first) + 1)?);
    let alike = INDEX.order.get(from..to)?.iter().filter_map(|&(group, place)| {
        let group = RESERVED.get(usize::from(group))?;
        group.names.get(usize::from(place)).map(|listed| (group.kind, listed.as_bytes()))
    });
    let mut kinds = alike.filter(|(_, listed)| is_like(listed, name)).map(|(kind, _)| kind);
    // The first that stands in the list: `X-Forwarded-For` goes before `X-Forwarded*`.
    kinds.next()
}

/// Every name of the list, and what it reserves.
pub fn names() -> impl Iterator<Item = (&'static str, Reserves)> {
    RESERVED.iter().flat_map(|group| group.names.iter().map(|name| (*name, group.kind)))
}

const COUNT: usize = count();

/// The names in the order of their first character, and where in it each character begins: most fields of a request begin like no listed name.
struct Index {
    order: [(u8, u8); COUNT],
    starts: [u8; 129],
}

const INDEX: Index = index();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses an index out of bounds"
)]
const fn count() -> usize {
    let (mut count, mut group) = (0, 0);
    while group < RESERVED.len() {
        count += RESERVED[group].names.len();
        group += 1;
    }
    assert!(count < 256, "places are bytes");
    count
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses an index out of bounds"
)]
const fn index() -> Index {
    let mut index = Index { order: [(0, 0); COUNT], starts: [0; 129] };
    let (mut placed, mut first) = (0, 0);
    while first < 128 {
        index.starts[first] = placed as u8;
        let mut group = 0;
        while group < RESERVED.len() {
            let names = RESERVED[group].names;
            let mut place = 0;
            while place < names.len() {
                if fold(names[place].as_bytes()[0]) as usize == first {
                    index.order[placed] = (group as u8, place as u8);
                    placed += 1;
                }
                place += 1;
            }
            group += 1;
        }
        first += 1;
    }
    index.starts[128] = placed as u8;
    assert!(placed == COUNT, "every name begins with an ASCII character");
    index
}

#[cfg(test)]
mod tests {
    use super::{RESERVED, Reserves, names, reservation};

    #[test]
    fn every_listed_name_is_found_and_none_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for (name, kind) in names() {
            assert!(seen.insert(name.to_lowercase()), "{name} stands twice");
            let sent = name.replace('*', "anything").to_lowercase();
            assert_eq!(reservation(sent.as_bytes()), Some(kind), "{name}");
            let folded = sent.replace('-', "_");
            assert_eq!(reservation(folded.as_bytes()), Some(kind), "{folded}");
        }
    }

    #[test]
    fn what_is_the_clients_is_not_listed() {
        for name in [
            "x-auth-token",
            "x-auth-key",
            "x-auth-email",
            "x-auth-user",
            "x-api-key",
            "x-requested-with",
            "x-csrf-token",
            "x-xsrf-token",
            "x-access-token",
            "user-agent",
            "accept-language",
            "sec-fetch-mode",
            "referer",
            "if-none-match",
            "range",
            "x-tenant",
            "x-session",
            "proxy-authorization",
            "idempotency-key",
            "x-client-version",
            "x-client-id",
            "x-user-id",
            "x-correlation-id",
            "x-amzn-trace-id",
            "cf-access-jwt-assertion",
            "x-goog-iap-jwt-assertion",
            "x-amzn-oidc-data",
            "x-original-filename",
            "x-b3-traceid",
            "rsc",
            "proxy-status",
            "x-hasura-role",
            "x-grafana-org-id",
            "x-scope-orgid",
            "x-host-id",
            "client-id",
            "forward",
            "https-only",
            "x-proxy",
        ] {
            assert_eq!(reservation(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn the_docs_publish_this_list() {
        let docs = include_str!("../../../../docs/backends.md");
        for group in RESERVED {
            let names: Vec<String> = group.names.iter().map(|name| format!("`{name}`")).collect();
            let row = format!("| {} | {} |", names.join(", "), group.why);
            assert!(docs.contains(&row), "docs/backends.md lacks this row:\n{row}");
        }
        let rows = docs.lines().skip_while(|line| *line != "| reserved names | why |").skip(2);
        assert_eq!(rows.take_while(|line| line.starts_with('|')).count(), RESERVED.len());
    }

    #[test]
    fn the_gates_own_names_are_told_from_what_is_only_believed() {
        assert_eq!(reservation(b"x-forwarded-for"), Some(Reserves::Written));
        assert_eq!(reservation(b"x_forwarded_for"), Some(Reserves::Written));
        assert_eq!(reservation(b"x-forwarded-user"), Some(Reserves::Believed));
        assert_eq!(reservation(b"x-auth-attr-"), Some(Reserves::Identity));
        assert_eq!(reservation(b"x.http.method"), Some(Reserves::MethodOverride));
    }
}
