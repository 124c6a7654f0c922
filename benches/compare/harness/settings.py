"""What is measured: the settings, and which proxies take part in each."""

from __future__ import annotations

from dataclasses import dataclass

PROXIES = ("backend", "nginx", "haproxy", "envoy", "haechi")
MANY_TOKENS = 10_000


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

    @property
    def paths(self) -> list[str]:
        if self.routes == 1:
            return ["/jwt/item" if self.authenticated else "/plain/item"]
        return [f"{route_prefix(number)}/items/7" for number in range(self.routes)]


def route_prefix(number: int) -> str:
    return f"/r{number:05d}"


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("plain", "proxying, nobody is asked who they are", PROXIES, authenticated=False, tokens="none"),
        Setting("jwt", "RS256 token and role check, one token", ("haproxy", "envoy", "haechi")),
        Setting("jwt-10k", "RS256 token and role check, 10,000 tokens in turn", ("haproxy", "envoy", "haechi"), tokens="many"),
        Setting("jwt-cold", "RS256 token and role check, every token seen for the first time", ("haproxy", "envoy", "haechi"), tokens="cold"),
        Setting("routes-10", "token and role check, 10 routes asked in turn", ("haechi",), routes=10),
        Setting("routes-10k", "token and role check, 10,000 routes asked in turn", ("haechi",), routes=10_000),
        Setting("start", "from spawning the process to the first answer through it", ("nginx", "haproxy", "envoy", "haechi")),
    )
}
LOAD_SETTINGS = tuple(name for name in SETTINGS if name != "start")
