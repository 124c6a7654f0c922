"""haechi: one worker, access log to a file, metrics on, everything else as it comes."""

from __future__ import annotations

import shutil

from ..settings import IDLE_CONNECTIONS, NEVER_REFUSED, POLICIES, POLICIES_PER_ROUTE, Setting, route_prefix
from ..wire import certificate
from . import Launch, Place


def launch(place: Place) -> Launch:
    configuration = place.directory / "haechi.yaml"
    configuration.write_text("\n".join(lines(place)) + "\n")
    if place.setting.authorize == "policy":
        (place.directory / "bench.cedar").write_text(policies())
    if place.setting.authenticated:
        shutil.copy(place.needed_tokens.jwks, place.directory / "jwks.json")
    return Launch([str(place.program), "run", "-c", str(configuration)])


def lines(place: Place) -> list[str]:
    return [
        f"listeners: [{{ bind: 127.0.0.1:{place.port}{tls(place)} }}]",
        f"admin: {{ bind: 127.0.0.1:{place.admin_port} }}",
        "workers: 1",
        f"access_log: {{ target: {place.access_log if place.setting.logged else NO_LOG} }}",
        *(TOKENS if place.setting.authenticated else []),
        *limits(place),
        *([f"audit: {{ file: {place.audit_file}, mode: required, durability: {place.setting.audit} }}"] if place.setting.audit else []),
        *(["policies: [bench.cedar]"] if place.setting.authorize == "policy" else []),
        f"services: {{ web: {{ endpoints: [http://127.0.0.1:{place.backend_port}]{', protocol: http2' if place.setting.protocol == 'grpc' else ''} }} }}",
        "routes:",
        *routes(place),
    ]


def tls(place: Place) -> str:
    """HTTP/2 by prior knowledge needs no setting."""
    if place.setting.protocol != "https":
        return ""
    site, key = certificate()
    return f", tls: {{ certificates: [{{ certificate: {site}, key: {key} }}] }}"


def limits(place: Place) -> list[str]:
    """By default one address has room for fewer connections than wait in `idle`, or may pile up in `tls`."""
    if place.setting.load not in ("idle", "handshakes"):
        return []
    return [f"limits: {{ connections: {2 * IDLE_CONNECTIONS}, connections_per_address: {2 * IDLE_CONNECTIONS} }}"]


# YAML takes the bare word for `false`.
NO_LOG = '"off"'

TOKENS = [
    "roles: { USER: {}, ADMIN: { includes: [USER] } }",
    "authenticators:",
    "  bench:",
    "    type: jwt",
    "    issuer: https://bench.example",
    "    audiences: [bench]",
    "    keys: { jwks_file: jwks.json }",
    "    algorithms: [RS256]",
    "    claims: { roles: /roles }",
]


def routes(place: Place) -> list[str]:
    setting = place.setting
    if not setting.authenticated:
        return [f"  - {{ name: plain, match: {{ path: /{setting.paths[0].split('/')[1]}/** }}, authenticate: anonymous, authorize: any, service: web{rate_limit(setting)} }}"]
    if setting.routes == 1:
        return [guarded(setting, "jwt", "/jwt/**")]
    return [guarded(setting, f"r{number:05d}", f"{route_prefix(number)}/items/{{id}}") for number in range(setting.routes)]


def guarded(setting: Setting, name: str, path: str) -> str:
    return f'  - {{ name: {name}, match: {{ path: "{path}" }}, authenticate: bench, authorize: {setting.authorize}, service: web{rate_limit(setting)} }}'


def rate_limit(setting: Setting) -> str:
    return f", rate_limit: {{ requests: {NEVER_REFUSED}, per: 1s, by: {setting.limit} }}" if setting.limit else ""


def policies() -> str:
    """Half of a route's policies name a role that the caller has not; most name a method."""
    return "".join(
        f'permit(principal in Role::"{"USER" if number % 2 else "ADMIN"}", action == Action::"{"GET" if number % 3 else "POST"}", '
        f'resource == Route::"r{number // POLICIES_PER_ROUTE:05d}");\n'
        for number in range(POLICIES)
    )
