"""HAProxy: one thread, `http-reuse always`, one log line per request in the `httplog` format.

It verifies the signature of every token anew (it has no cache for that), and checks issuer, audience, expiry and role.
"""

from __future__ import annotations

from . import Launch, Place


def launch(place: Place) -> Launch:
    configuration = place.directory / "haproxy.cfg"
    configuration.write_text(f"""
global
    nbthread 1
    maxconn 4096
    log stdout format raw local0

defaults
    mode http
    log global
    option httplog
    option forwardfor
    option http-keep-alive
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 300s

frontend gate
    bind 127.0.0.1:{place.port}
{token_rules(place) if place.setting.authenticated else ""}
    default_backend web

backend web
    http-reuse always
    server web 127.0.0.1:{place.backend_port} maxconn 4096
""")
    # The log goes to standard output, and that is the file.
    return Launch([str(place.program), "-db", "-f", str(configuration)], output=place.access_log)


def token_rules(place: Place) -> str:
    key = place.needed_tokens.public_key
    return f"""
    http-request deny deny_status 401 unless {{ req.hdr(authorization) -m found }}
    http-request set-var(txn.token) http_auth_bearer
    http-request set-var(txn.iss) var(txn.token),jwt_payload_query('$.iss')
    http-request set-var(txn.aud) var(txn.token),jwt_payload_query('$.aud')
    http-request set-var(txn.role) var(txn.token),jwt_payload_query('$.roles[0]')
    http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_header_query('$.alg') -m str RS256 }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify("RS256","{key}") -m int 1 }}
    http-request deny deny_status 401 unless {{ var(txn.iss) -m str https://bench.example }}
    http-request deny deny_status 401 unless {{ var(txn.aud) -m str bench }}
    http-request deny deny_status 401 unless {{ var(txn.exp),sub(txn.now) -m int gt 0 }}
    http-request deny deny_status 403 unless {{ var(txn.role) -m str USER }}
"""
