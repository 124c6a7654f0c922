"""What is measured: the settings, and which proxies take part in each."""

from __future__ import annotations

from dataclasses import dataclass

PROXIES = ("backend", "nginx", "haproxy", "envoy", "haechi")
MANY_TOKENS = 10_000
# How many policies there are in the setting `policies`, and how many of them are about one route.
POLICIES, POLICIES_PER_ROUTE = 1_000, 20
GRPC_METHOD = "/bench.Echo/Say"
# What the setting `h2` and `grpc` put on each of their connections at once.
H2_CONNECTIONS, H2_STREAMS = 16, 10
# New connections a second, a few at a time: what one core of clients can do, and less than one core of servers.
HANDSHAKES, HANDSHAKE_PERIOD_MS = 1_000, 20
EVEN_RATE, EVEN_CONNECTIONS = 5_000, 32
IDLE_CONNECTIONS = 5_000
# Requests a second, and as many at once: what limits allow that shall refuse none.
NEVER_REFUSED = 1_000_000


@dataclass(frozen=True)
class Setting:
    name: str
    title: str
    proxies: tuple[str, ...]
    authenticated: bool = True
    """The proxy is configured to verify a token and to check a role."""
    tokens: str = "one"
    """`none`, `one`, `many` (10,000 in turn) or `cold` (each sent once)."""
    routes: int = 1
    authorize: str = "{ roles: [USER] }"
    """What the routes ask of callers: clauses, `any`, or `policy`, for which there are 1,000 policies."""
    protocol: str = "http"
    """What the client speaks: `http` (1.1), `h2c` (HTTP/2 by prior knowledge), `https` (1.1 over TLS) or `grpc` (over h2c, to a backend that speaks it)."""
    limit: str = ""
    """By what the route limits requests: `client_ip`, `subject`, or nothing. It is so large that it refuses none."""
    audit: str = ""
    """A record of each request is in the kernel (`written`) or on the disk (`synced`) before the request is forwarded; or there is no trail."""
    logged: bool = True
    """There is an access log."""
    load: str = "wrk"
    """`wrk`, `h2load`, `handshakes` (h2load with a new connection for each request), `even` (evenly spaced) or `idle` (connections that wait)."""

    @property
    def paths(self) -> list[str]:
        if self.routes == 1:
            return [GRPC_METHOD if self.protocol == "grpc" else "/jwt/item" if self.authenticated else "/plain/item"]
        return [f"{route_prefix(number)}/items/7" for number in range(self.routes)]


def route_prefix(number: int) -> str:
    return f"/r{number:05d}"


def open_setting(name: str, title: str, proxies: tuple[str, ...], protocol: str, load: str) -> Setting:
    """Nobody is asked who they are."""
    return Setting(name, title, proxies, authenticated=False, tokens="none", protocol=protocol, load=load)


def record_setting(name: str, title: str, audit: str, logged: bool) -> Setting:
    """What it costs to keep what was decided."""
    return Setting(name, title, ("haechi",), authenticated=False, tokens="none", audit=audit, logged=logged)


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("plain", "proxying, nobody is asked who they are", PROXIES, authenticated=False, tokens="none"),
        Setting("jwt", "RS256 token and role check, one token", ("haproxy", "envoy", "haechi")),
        Setting("jwt-10k", "RS256 token and role check, 10,000 tokens in turn", ("haproxy", "envoy", "haechi"), tokens="many"),
        Setting("jwt-cold", "RS256 token and role check, every token seen for the first time", ("haproxy", "envoy", "haechi"), tokens="cold"),
        Setting("routes-10", "token and role check, 10 routes asked in turn", ("haechi",), routes=10),
        Setting("routes-10k", "token and role check, 10,000 routes asked in turn", ("haechi",), routes=10_000),
        Setting("any", "RS256 token, nothing asked of the caller, 50 routes", ("haechi",), routes=POLICIES // POLICIES_PER_ROUTE, authorize="any"),
        Setting("policies", f"RS256 token, {POLICIES:,} policies, {POLICIES_PER_ROUTE} of them about each of 50 routes", ("haechi",), routes=POLICIES // POLICIES_PER_ROUTE, authorize="policy"),
        Setting("limit", "proxying with a limit by client address, nobody is asked who they are", ("nginx", "haechi"), authenticated=False, tokens="none", limit="client_ip"),
        Setting("everything", "RS256 token and role check, limit by subject, metrics, access log", ("haechi",), limit="subject"),
        Setting("everything+audit", "the same, and an audit trail (required, written)", ("haechi",), limit="subject", audit="written"),
        record_setting("unrecorded", "proxying without an access log and without an audit trail", "", False),
        record_setting("recorded", "proxying with an access log and an audit trail (required, written)", "written", True),
        record_setting("recorded-synced", "the same, each record on the disk before the request is forwarded (synced)", "synced", True),
        open_setting("h2", f"HTTP/2 from the client, {H2_STREAMS} streams on each of {H2_CONNECTIONS} connections", ("nginx", "envoy", "haechi"), "h2c", "h2load"),
        open_setting("tls", "a new TLS connection for each request, none resumed", ("nginx", "haechi"), "https", "handshakes"),
        open_setting("grpc", f"gRPC unary calls, {H2_STREAMS} at once on each of {H2_CONNECTIONS} connections", ("envoy", "haechi"), "grpc", "h2load"),
        open_setting("latency", f"{EVEN_RATE:,} requests a second, evenly spaced", ("backend", "nginx", "haechi"), "http", "even"),
        open_setting("idle", f"{IDLE_CONNECTIONS:,} connections that have carried a request and wait", ("nginx", "haechi"), "http", "idle"),
        Setting("start", "from spawning the process to the first answer through it", ("nginx", "haproxy", "envoy", "haechi")),
    )
}
