#!/usr/bin/env python3
"""A decision point that speaks AuthZEN 1.0: `python3 pdp.py 8181`. Reading is for everybody; writing is for whom a list of its own names."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAY_WRITE = {("acme", "lena")}


def decide(question):
    if question["action"]["name"] in ("GET", "HEAD"):
        return True
    who = question["subject"]["properties"]["subject"]
    return (question["context"]["params"].get("tenant"), who) in MAY_WRITE


class DecisionPoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        decision = decide(question)
        print(question["subject"]["id"], question["action"]["name"], question["context"]["path"], decision, file=sys.stderr)
        body = json.dumps({"decision": decision}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), DecisionPoint).serve_forever()
