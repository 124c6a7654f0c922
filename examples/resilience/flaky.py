#!/usr/bin/env python3
"""A backend that fails when it is told to: `python3 flaky.py 7001`, then `curl -X PUT http://127.0.0.1:7001/mood/503`."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Flaky(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mood = 200
    count = 0

    def do_GET(self):
        if self.path != "/healthz":
            Flaky.count += 1
        self.say(Flaky.mood)

    do_POST = do_GET

    def do_PUT(self):
        Flaky.mood = int(self.path.rsplit("/", 1)[1])
        self.say(200)

    def say(self, status):
        body = f"{self.server.server_port} says {status}, request {Flaky.count}\n".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Flaky).serve_forever()
