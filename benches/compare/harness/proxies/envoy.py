"""Envoy: `--concurrency 1`, its default access log to a file.

Tokens are verified by the `jwt_authn` filter with a local key set and its token cache on; the role is checked by the `rbac` filter.
"""

from __future__ import annotations

import json

from . import Launch, Place

TYPES = "type.googleapis.com/envoy.extensions"
FILTERS = f"{TYPES}.filters.http"
PROTOCOLS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
CACHED_TOKENS = 100_000


def launch(place: Place) -> Launch:
    configuration = place.directory / "envoy.json"
    configuration.write_text(json.dumps(bootstrap(place), indent=1))
    return Launch([
        str(place.program), "--config-path", str(configuration), "--concurrency", "1",
        "--disable-hot-restart", "--file-flush-interval-msec", "1000", "--log-level", "error",
    ])


def bootstrap(place: Place) -> dict:
    cluster = {
        "name": "web",
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": "web",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(place.backend_port)}}]}],
        },
    }
    if place.setting.protocol == "grpc":
        cluster["typed_extension_protocol_options"] = {PROTOCOLS: {"@type": f"type.googleapis.com/{PROTOCOLS}", "explicit_http_config": {"http2_protocol_options": {}}}}
    listener = {
        "name": "gate",
        "address": address(place.port),
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager(place)}]}],
    }
    return {
        "admin": {"address": address(place.admin_port)},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


def address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def manager(place: Place) -> dict:
    checks = [token_filter(place), role_filter()] if place.setting.authenticated else []
    log = {"@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog", "path": str(place.access_log)}
    return {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gate",
        "use_remote_address": True,
        "access_log": [{"name": "envoy.access_loggers.file", "typed_config": log}],
        "http_filters": [*checks, {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{FILTERS}.router.v3.Router"}}],
        "route_config": {
            "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "web", "timeout": "30s"}}],
            }],
        },
    }


def token_filter(place: Place) -> dict:
    provider = {
        "issuer": "https://bench.example",
        "audiences": ["bench"],
        "local_jwks": {"inline_string": place.needed_tokens.jwks.read_text()},
        "payload_in_metadata": "token",
        "jwt_cache_config": {"jwt_cache_size": CACHED_TOKENS},
    }
    return {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": f"{FILTERS}.jwt_authn.v3.JwtAuthentication",
            "providers": {"bench": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}],
        },
    }


def role_filter() -> dict:
    has_role = {
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{"key": "token"}, {"key": "roles"}],
        "value": {"list_match": {"one_of": {"string_match": {"exact": "USER"}}}},
    }
    policy = {"permissions": [{"any": True}], "principals": [{"sourced_metadata": {"metadata_matcher": has_role}}]}
    return {
        "name": "envoy.filters.http.rbac",
        "typed_config": {"@type": f"{FILTERS}.rbac.v3.RBAC", "rules": {"action": "ALLOW", "policies": {"users": policy}}},
    }
