"""nginx: one worker, kept-alive upstream connections, a buffered access log in the `combined` format.

It is the backend too: a short fixed answer, and no log.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..settings import IDLE_CONNECTIONS, NEVER_REFUSED
from ..wire import GRPC_MESSAGE, certificate
from . import Launch, Place

MANY = 1_000_000_000
CONNECTIONS = 4096


def launch(place: Place) -> Launch:
    return started(place.program, place.directory, place.port, f"""
        access_log {place.access_log} combined buffer=64k flush=1s;
        {limit_zone(place)}
        upstream backend {{
            server 127.0.0.1:{place.backend_port};
            keepalive 256;
            keepalive_requests {MANY};
        }}
        server {{
            {listen(place)}
            location / {{
                {limit(place)}
                proxy_pass http://backend;
                proxy_http_version 1.1;
                proxy_set_header Connection "";
                proxy_set_header Host $host;
                proxy_set_header X-Real-IP $remote_addr;
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                proxy_set_header X-Forwarded-Proto $scheme;
            }}
        }}
    """, CONNECTIONS + 2 * IDLE_CONNECTIONS if place.setting.load in ("idle", "handshakes") else CONNECTIONS)


def limit_zone(place: Place) -> str:
    """nginx knows no caller: it counts by address."""
    return f"limit_req_zone $binary_remote_addr zone=clients:1m rate={NEVER_REFUSED}r/s;" if place.setting.limit else ""


def limit(place: Place) -> str:
    """Without a burst, the second request of a millisecond is refused."""
    return f"limit_req zone=clients burst={NEVER_REFUSED} nodelay;" if place.setting.limit else ""


def listen(place: Place) -> str:
    address, protocol = f"127.0.0.1:{place.port}", place.setting.protocol
    if protocol != "https":
        return f"listen {address}{' http2' if protocol == 'h2c' else ''};"
    site, key = certificate()
    return f"""listen {address} ssl;
            ssl_certificate {site};
            ssl_certificate_key {key};
            ssl_protocols TLSv1.3;
            ssl_ecdh_curve X25519;
            ssl_session_cache off;
            ssl_session_tickets off;"""


def backend(program: Path, directory: Path, port: int) -> Launch:
    return started(program, directory, port, f"""
        access_log off;
        default_type text/plain;
        server {{
            listen 127.0.0.1:{port};
            location / {{ return 200 "ok\\n"; }}
        }}
    """)


def grpc_backend(program: Path, directory: Path, port: int) -> Launch:
    """Every call gets the same message. A file cannot be posted to; the error page of that is the answer."""
    (directory / "reply").write_bytes(GRPC_MESSAGE)
    return started(program, directory, port, f"""
        access_log off;
        default_type application/grpc;
        root {directory};
        server {{
            listen 127.0.0.1:{port} http2;
            open_file_cache max=1 inactive=1h;
            location / {{ error_page 404 405 =200 /reply; }}
            location = /reply {{
                error_page 405 =200 /reply;
                add_trailer grpc-status 0;
            }}
        }}
    """)


def started(program: Path, directory: Path, port: int, http: str, connections: int = CONNECTIONS) -> Launch:
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"        {kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = directory / "nginx.conf"
    configuration.write_text(f"""
    {user}
    daemon off;
    worker_processes 1;
    pid {directory}/nginx.pid;
    error_log {directory}/error.log warn;
    events {{ worker_connections {connections}; }}
    http {{
{temporary}
        keepalive_requests {MANY};
        keepalive_timeout 300s;
        {http}
    }}
    """)
    return Launch([str(program), "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(configuration)])
