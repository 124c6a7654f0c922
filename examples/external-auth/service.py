#!/usr/bin/env python3
"""An authorization service: `python3 service.py 9000`. It knows two tokens, and sends browsers that have none to its login."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KNOWN = {
    "alice": {"X-User": "alice", "X-Groups": "staff", "X-Tenant": "acme"},
    "oscar": {"X-User": "oscar", "X-Groups": "staff, operators", "X-Tenant": "acme"},
}


class Verify(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        token = token or self.headers.get("Cookie", "").removeprefix("session=")
        if token in KNOWN:
            self.answer(200, KNOWN[token])
        elif token:
            self.answer(401, {})
        else:
            self.answer(302, {"Location": "https://login.example.com/"})

    def answer(self, status, fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


port = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
ThreadingHTTPServer(("127.0.0.1", port), Verify).serve_forever()
