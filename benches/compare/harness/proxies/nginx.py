"""nginx: one worker, kept-alive upstream connections, a buffered access log in the `combined` format.

It is the backend too: a short fixed answer, and no log.
"""

from __future__ import annotations

import os
from pathlib import Path

from . import Launch, Place

MANY = 1_000_000_000


def launch(place: Place) -> Launch:
    return started(place.program, place.directory, place.port, f"""
        access_log {place.access_log} combined buffer=64k flush=1s;
        upstream backend {{
            server 127.0.0.1:{place.backend_port};
            keepalive 256;
            keepalive_requests {MANY};
        }}
        server {{
            listen 127.0.0.1:{place.port};
            location / {{
                proxy_pass http://backend;
                proxy_http_version 1.1;
                proxy_set_header Connection "";
                proxy_set_header Host $host;
                proxy_set_header X-Real-IP $remote_addr;
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                proxy_set_header X-Forwarded-Proto $scheme;
            }}
        }}
    """)


def backend(program: Path, directory: Path, port: int) -> Launch:
    return started(program, directory, port, f"""
        access_log off;
        default_type text/plain;
        server {{
            listen 127.0.0.1:{port};
            location / {{ return 200 "ok\\n"; }}
        }}
    """)


def started(program: Path, directory: Path, port: int, http: str) -> Launch:
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
    events {{ worker_connections 4096; }}
    http {{
{temporary}
        keepalive_requests {MANY};
        keepalive_timeout 300s;
        {http}
    }}
    """)
    return Launch([str(program), "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(configuration)])
